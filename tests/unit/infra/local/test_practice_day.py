"""The appointments with which the desk of the local stack begins."""

from datetime import UTC, datetime

import pytest

from chalicelib.domain import codec
from chalicelib.domain.tokens import Keys
from infra.local import practice_day
from tests.conftest import document

SERVICE = codec.service_from_document(document())


@pytest.mark.parametrize("hour", ["2026-12-02T23:00", "2026-12-03T08:40", "2026-12-03T22:59", "2026-10-25T01:30"])
def test_at_any_hour_there_are_36_people_today_and_no_two_are_the_same(hour: str) -> None:
    now = datetime.fromisoformat(hour).replace(tzinfo=UTC)
    starts = practice_day.starts(SERVICE, now)
    assert {start.date() for start in starts} == {now.astimezone(SERVICE.zone).date()}
    rows = list(practice_day.bookings(SERVICE, Keys("x" * 43), now))
    assert len({(row.pk, row.sk) for row in rows}) == 72
    people = [practice_day.details(number) for number in range(36)]
    assert len({(person.first_name, person.last_name) for person in people}) == 36
