"""The appointments with which the desk of the local stack begins."""

from datetime import UTC, datetime

import pytest

from chalicelib.domain import codec
from chalicelib.domain.tokens import Keys
from chalicelib.keys import keys
from chalicelib.storage import service_items
from infra.local import practice_day
from tests.conftest import document
from tests.unit.infra.ops.bookings import NOW, key
from tests.unit.infra.ops.program import ops

SERVICE = codec.service_from_document(document())


@pytest.mark.parametrize("hour", ["2026-12-02T23:00", "2026-12-03T08:40", "2026-12-03T22:59", "2026-10-25T01:30"])
def test_at_any_hour_there_are_36_people_today_and_no_two_are_the_same(hour: str) -> None:
    service_items.record_layout("aes", None)  # as a process that has read the services
    now = datetime.fromisoformat(hour).replace(tzinfo=UTC)
    starts = practice_day.starts(SERVICE, now)
    assert {start.date() for start in starts} == {now.astimezone(SERVICE.zone).date()}
    rows = list(practice_day.bookings(SERVICE, Keys("x" * 43), now))
    assert len({(row.pk, row.sk) for row in rows}) == 72
    people = [practice_day.details(number) for number in range(36)]
    assert len({(person.first_name, person.last_name) for person in people}) == 36


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_a_fresh_practice_day_needs_no_attention() -> None:
    for item in practice_day.bookings(SERVICE, keys(), NOW):
        item.save()
    ran = ops("status", "--json")
    assert (ran.json["problems"], ran.code) == ([], 0)


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_a_letter_is_late_only_where_one_is_due() -> None:
    """Winners of a draw get another first letter, and whom an agent booked gets none with a link to confirm."""
    people = (("", ""), ("", "agent"), ("drawn:2026-12-08", ""), ("reminder:2026-12-08", ""))
    for number, (sent, booked_by) in enumerate(people):
        seat = key(start=f"09:{15 + 5 * number}")
        items = practice_day.booking(SERVICE, keys(), seat, practice_day.details(number), NOW)
        items[1].sent, items[1].booked_by = sent or None, booked_by or None
        for item in items:
            item.save()
    assert ops("status", "--json").json["services"][0]["letters_late"] == 2
