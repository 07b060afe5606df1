"""Items as the first release wrote them are still read: what came later may be missing from any of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib import appointment, booking, errors, locks, rows, store, upkeep
from chalicelib.model import SeatKey, Service, State
from tests.conftest import MONDAY
from tests.test_booking import AWA, FIRST

NOW = MONDAY + timedelta(seconds=1)
SEAT = {"opens_at", "state", "hold", "until", "proven", "person", "filed_at"}
PERSON = {"seat", "hold", "reference", "filed_at", "details", "erase_at"}
ADDRESS = {"seat", "hold", "person", "reference", "erase_at"}


def as_it_was(key: tuple[str, str], known: set[str]) -> None:
    """Leave in an item only what the first release knew."""
    client = rows.connection().connection.client  # the table itself, below every row
    table, at = rows.SeatRow.Meta.table_name, {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    item: dict[str, Any] = client.get_item(TableName=table, Key=at)["Item"]
    client.put_item(TableName=table, Item={name: value for name, value in item.items() if name in known | {"pk", "sk"}})


def seat_as_it_was(key: SeatKey) -> None:
    row = store.seat_row(key)
    as_it_was((row.pk, row.sk), SEAT)


def old_request() -> appointment.Request:
    """A request whose three items have the layout of the first release."""
    kept = booking.place_hold("aes", FIRST, now=NOW)
    seat_as_it_was(kept.seat.key)
    asked = booking.challenge(kept.id, NOW)
    booking.answer_challenge(kept.id, asked.id, asked.picture, now=NOW)
    request = appointment.file_request(kept.id, AWA, now=NOW)
    seat_as_it_was(request.seat.key)
    as_it_was((f"PERSON#{request.seat.person}", "SERVICE#aes"), PERSON)
    as_it_was((f"EMAIL#{booking.keys().address(AWA.email)}", "SERVICE#aes"), ADDRESS)
    return request


def test_an_old_request_is_seen_confirmed_moved_and_cancelled(service: Service) -> None:
    request = old_request()
    assert appointment.confirm_request(request.token, NOW).state is State.CONFIRMED
    seat_as_it_was(request.seat.key)
    to: datetime = service.start_of(request.seat.key) + timedelta(days=7)
    moved = appointment.move_request(request.token, to, now=NOW)
    assert appointment.view_request(moved.token, NOW).start == to
    assert appointment.cancel_request(moved.token, NOW).state is State.CANCELLED


@pytest.mark.usefixtures("service")
def test_an_old_request_that_nobody_confirms_ends_and_its_seat_returns() -> None:
    request = old_request()
    over = NOW + timedelta(minutes=2880, seconds=1)
    assert upkeep.expire(over)["requests"] == 1
    assert store.seat(request.seat.key).past_state is State.EXPIRED


@pytest.mark.usefixtures("service")
def test_the_locks_of_an_old_request_still_count() -> None:
    request = old_request()
    found = locks.person(request.seat.person, "aes")
    assert found is not None
    assert (found.details, found.moves, found.sent) == (AWA, 0, frozenset())
    kept = booking.place_hold("aes", FIRST, now=NOW)
    asked = booking.challenge(kept.id, NOW)
    booking.answer_challenge(kept.id, asked.id, asked.picture, now=NOW)
    with pytest.raises(errors.AlreadyRequested):
        appointment.file_request(kept.id, AWA, now=NOW)
