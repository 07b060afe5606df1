"""Items as the first release wrote them can still be read: every later attribute may be missing."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.booking import filing, moves, requests, schedule
from chalicelib.domain import refusals
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, person_store, seat_keys, seat_store
from tests.conftest import MONDAY
from tests.unit.booking import steps
from tests.unit.booking.steps import AWA

NOW = MONDAY + timedelta(seconds=1)
SEAT = {"opens_at", "state", "hold", "until", "proven", "person", "filed_at"}
PERSON = {"seat", "hold", "reference", "filed_at", "details", "erase_at"}
EMAIL = {"seat", "hold", "person", "reference", "erase_at"}


def keep_only(key: tuple[str, str], attributes: set[str]) -> None:
    """Remove all other attributes from an item, below PynamoDB."""
    client = dynamodb.connection().connection.client
    table, at = items.SeatItem.Meta.table_name, {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
    item: dict[str, Any] = client.get_item(TableName=table, Key=at)["Item"]
    client.put_item(
        TableName=table, Item={name: value for name, value in item.items() if name in attributes | {"pk", "sk"}}
    )


def make_seat_old(key: SeatKey) -> None:
    row = seat_keys.seat_item(key)
    keep_only((row.pk, row.sk), SEAT)


def old_request() -> requests.Request:
    """File a request whose three items have the layout of the first release."""
    hold = steps.hold()
    make_seat_old(hold.key)
    request = filing.file(steps.solve(hold), AWA, now=NOW)
    make_seat_old(request.seat.key)
    keep_only((f"PERSON#{request.seat.person}", "SERVICE#aes"), PERSON)
    keep_only((f"EMAIL#{keys().email_key(AWA.email)}", "SERVICE#aes"), EMAIL)
    return request


def test_an_old_request_is_shown_confirmed_moved_and_cancelled(service: Service) -> None:
    request = old_request()
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED
    make_seat_old(request.seat.key)
    to: datetime = service.start_of(request.seat.key) + timedelta(days=7)
    moved = moves.move(requests.view(request.token, NOW), to, now=NOW)
    assert requests.view(moved.token, NOW).start == to
    assert requests.cancel(moved.token, NOW).state is State.CANCELLED


@pytest.mark.usefixtures("service")
def test_an_old_request_that_nobody_confirms_expires() -> None:
    request = old_request()
    over = NOW + timedelta(minutes=2880, seconds=1)
    assert schedule.end_expired(over)["requests"] == 1
    assert seat_store.read(request.seat.key).past_state is State.EXPIRED


@pytest.mark.usefixtures("service")
def test_the_locks_of_an_old_request_still_apply() -> None:
    request = old_request()
    person = person_store.read(request.seat.person, "aes")
    assert person is not None
    assert (person.details, person.moves, person.sent) == (AWA, 0, frozenset())
    hold = steps.captcha_passed()
    with pytest.raises(refusals.AlreadyRequested):
        filing.file(hold, AWA, now=NOW)
