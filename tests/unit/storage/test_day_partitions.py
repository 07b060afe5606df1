"""Seats with a partition for each day: what the service's item says decides the key of a seat, and never changes."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.domain import refusals
from chalicelib.domain.seat import SeatKey, State
from chalicelib.storage import dynamodb, items, recent, seat_keys, seat_store, service_items, service_store
from tests.conftest import calls, client_error, document
from tests.unit.storage.seats import KEY, LATER, NOW, SECOND, WEEK

pytestmark = pytest.mark.usefixtures("table")
BEFORE = replace(KEY, day=date(2026, 11, 29))
"""The Sunday before the first week of which each day has a partition."""
DAYS = [date(2026, 11, 30) + timedelta(days=number) for number in range(7)]


def put(by_day_from: str | None = WEEK) -> None:
    service_store.put(document(), by_day_from=by_day_from)


def create(*seats: SeatKey) -> None:
    for key in seats:
        assert seat_store.create(key, NOW, LATER)


def partitions() -> list[tuple[str, str]]:
    return sorted((item.pk, item.sk) for item in items.Item.scan(seat_keys.is_seat_of("aes")))


def test_the_seats_of_each_day_have_a_partition_from_the_first_week_on() -> None:
    put()
    create(BEFORE, KEY, replace(KEY, day=DAYS[6]))
    assert partitions() == [
        ("SEATS#aes#2026-12-03", "2026-12-03T1015#001"),
        ("SEATS#aes#2026-12-06", "2026-12-06T1015#001"),
        ("SEATS#aes#2026-W48", "2026-11-29T1015#001"),
    ]
    assert {seat.key for seat in seat_store.read_all_weeks("aes")} == {BEFORE, KEY, replace(KEY, day=DAYS[6])}
    assert seat_store.read(KEY).key == KEY
    assert not seat_store.create(KEY, NOW, LATER)


def test_a_week_is_read_in_order_with_a_query_for_each_day_and_a_day_with_one() -> None:
    put()
    week = [replace(KEY, day=day) for day in DAYS]
    create(*reversed(week), BEFORE)
    with calls() as operations:
        assert [seat.key for seat in seat_store.read_week("aes", WEEK, consistent=True)] == week
        assert operations == ["Query"] * 7
        operations.clear()
        assert [seat.key for seat in seat_store.read_day("aes", KEY.day)] == [KEY]
        assert [seat.key for seat in seat_store.read_week("aes", "2026-W48")] == [BEFORE]
        assert operations == ["Query", "Query"]


def test_a_calendar_of_such_a_week_is_read_from_its_snapshot() -> None:
    put()
    create(*(replace(KEY, day=day) for day in DAYS))
    with calls() as operations:
        for _ in range(2):
            recent.SEATS.clear()
            assert [seat.key.day for seat in seat_store.cached_week("aes", WEEK, NOW)] == DAYS
    assert operations == ["Query", *["Query"] * 7, "UpdateItem", "Query"]


def test_a_process_that_has_not_read_the_services_reads_them_before_its_first_seat() -> None:
    put()
    create(KEY)
    service_items.forget_layouts()
    with calls() as operations:
        assert seat_store.take(KEY, "h1", LATER, NOW)
        assert not seat_store.take(KEY, "h2", LATER, NOW)
    assert operations == ["Query", "UpdateItem", "UpdateItem"]
    service_items.forget_layouts()
    with calls(client_error("ThrottlingException")), pytest.raises(refusals.TooManyRequests):
        seat_store.take(KEY, "h2", LATER, NOW + SECOND)
    service_items.forget_layouts()
    service_store.clear_caches()
    service_store.read_all(NOW)
    with calls() as operations:
        assert seat_store.read(KEY).hold == "h1"
    assert operations == ["GetItem"]


def test_such_a_process_reads_the_services_consistently() -> None:
    put()
    events, bodies = dynamodb.connection().connection.client.meta.events, list[dict[str, Any]]()
    service_items.forget_layouts()

    def note(params: Any, **_: object) -> None:
        bodies.append(json.loads(params["body"]))

    events.register_first("before-call.dynamodb.Query", note)
    try:
        assert service_items.is_by_day("aes", WEEK)
    finally:
        events.unregister("before-call.dynamodb.Query", note)
    assert [body.get("ConsistentRead") for body in bodies] == [True]


@pytest.mark.parametrize("damage", ["", "2026-W54", "tomorrow"])
def test_a_damaged_first_week_refuses_every_seat_of_its_service_and_of_no_other(damage: str) -> None:
    service_store.put(document(id="other"))
    put(damage)
    other = replace(KEY, service="other")
    create(other)
    for _ in range(2):
        with pytest.raises(refusals.Unavailable, match="by_day_from of the service aes names no week"):
            seat_store.take(KEY, "h1", LATER, NOW)
        with pytest.raises(refusals.Unavailable):
            seat_store.read_week("aes", WEEK)
        assert seat_store.read(other).state is State.OPEN
        service_items.forget_layouts()
