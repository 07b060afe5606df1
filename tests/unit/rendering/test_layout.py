"""Items as the first release wrote them are still read: what came later may be missing from any of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.booking import captcha, filing, holds, moves, requests, schedule
from chalicelib.domain import refusals
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, person_store, seat_store
from tests.conftest import MONDAY
from tests.unit.booking.steps import AWA, FIRST

NOW = MONDAY + timedelta(seconds=1)
SEAT = {"opens_at", "state", "hold", "until", "proven", "person", "filed_at"}
PERSON = {"seat", "hold", "reference", "filed_at", "details", "erase_at"}
ADDRESS = {"seat", "hold", "person", "reference", "erase_at"}


def as_it_was(key: tuple[str, str], known: set[str]) -> None:
    """Leave in an item only what the first release knew."""
    client = dynamodb.connection().connection.client  # the table itself, below every row
    table, at = items.SeatItem.Meta.table_name, {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    item: dict[str, Any] = client.get_item(TableName=table, Key=at)["Item"]
    client.put_item(TableName=table, Item={name: value for name, value in item.items() if name in known | {"pk", "sk"}})


def seat_as_it_was(key: SeatKey) -> None:
    row = items.seat_item(key)
    as_it_was((row.pk, row.sk), SEAT)


def old_request() -> requests.Request:
    """A request whose three items have the layout of the first release."""
    kept = holds.place("aes", FIRST, now=NOW)
    seat_as_it_was(kept.seat.key)
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    request = filing.file(kept.id, AWA, now=NOW)
    seat_as_it_was(request.seat.key)
    as_it_was((f"PERSON#{request.seat.person}", "SERVICE#aes"), PERSON)
    as_it_was((f"EMAIL#{keys().email_key(AWA.email)}", "SERVICE#aes"), ADDRESS)
    return request


def test_an_old_request_is_seen_confirmed_moved_and_cancelled(service: Service) -> None:
    request = old_request()
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED
    seat_as_it_was(request.seat.key)
    to: datetime = service.start_of(request.seat.key) + timedelta(days=7)
    moved = moves.move(request.token, to, now=NOW)
    assert requests.view(moved.token, NOW).start == to
    assert requests.cancel(moved.token, NOW).state is State.CANCELLED


@pytest.mark.usefixtures("service")
def test_an_old_request_that_nobody_confirms_ends_and_its_seat_returns() -> None:
    request = old_request()
    over = NOW + timedelta(minutes=2880, seconds=1)
    assert schedule.end_expired(over)["requests"] == 1
    assert seat_store.read(request.seat.key).past_state is State.EXPIRED


@pytest.mark.usefixtures("service")
def test_the_locks_of_an_old_request_still_count() -> None:
    request = old_request()
    found = person_store.read(request.seat.person, "aes")
    assert found is not None
    assert (found.details, found.moves, found.sent) == (AWA, 0, frozenset())
    kept = holds.place("aes", FIRST, now=NOW)
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filing.file(kept.id, AWA, now=NOW)
