"""Every condition of `seat_maintenance` and of a move: each is seen to pass and to fail."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from pynamodb.expressions.update import Action

from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.storage import items, move_store, person_store, seat_keys, seat_maintenance, seat_store
from chalicelib.storage.items import LockItem, PersonItem, SeatItem
from chalicelib.storage.move_store import MoveResult
from tests.conftest import document

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
LATER, PAST = NOW + timedelta(minutes=3), NOW - timedelta(minutes=3)
KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
TO = SeatKey(date(2026, 12, 10), time(9, 15), 2, "aes")
WEEK = timedelta(days=7)
AES = codec.service_from_document(document())

pytestmark = pytest.mark.usefixtures("table")


def put(key: SeatKey = KEY, **fields: Any) -> Seat:
    """Write a seat as it stands, past every condition."""
    row = seat_store.new_item(key, NOW)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
    return seat_store.read(key)


Fields = dict[str, Any]
FREE: Fields = {}
GIVEN_BACK: Fields = {"opens_at": LATER, "past": "p", "past_state": State.CANCELLED}
COMING: Fields = {"opens_at": LATER}
SET_ASIDE: Fields = {"opens_at": LATER, "reserve": "r"}
HELD: Fields = {"state": State.HELD, "hold": "h", "until": LATER}
EXPIRED: Fields = {"state": State.HELD, "hold": "h", "until": PAST}
PENDING: Fields = {"state": State.PENDING, "hold": "h", "until": LATER, "person": "p"}
CONFIRMED: Fields = {"state": State.CONFIRMED, "hold": "h", "until": LATER, "person": "p"}
CLOSED_BY_RULES: Fields = {"state": State.CLOSED, "closed": BY_RULES}
CLOSED_BY_OPERATOR: Fields = {"state": State.CLOSED, "closed": BY_OPERATOR}
EVERY: dict[str, Fields] = {
    "free": FREE,
    "given back": GIVEN_BACK,
    "coming": COMING,
    "set aside": SET_ASIDE,
    "held": HELD,
    "expired": EXPIRED,
    "pending": PENDING,
    "confirmed": CONFIRMED,
    "closed by rules": CLOSED_BY_RULES,
    "closed by operator": CLOSED_BY_OPERATOR,
}


def unchanged_seat(**fields: Any) -> Seat:
    return Seat(KEY, NOW, **fields)


WRITES: dict[str, tuple[Callable[[], bool], set[str]]] = {
    "rules close": (
        lambda: seat_maintenance.close(KEY, BY_RULES, NOW),
        {"free", "given back", "coming", "set aside", "expired"},
    ),
    "operator closes": (
        lambda: seat_maintenance.close(KEY, BY_OPERATOR, NOW),
        {"free", "given back", "coming", "set aside", "expired", "closed by rules"},
    ),
    "close a hold": (lambda: seat_maintenance.close_held(KEY, "h"), {"held", "expired"}),
    "close another hold": (lambda: seat_maintenance.close_held(KEY, "x"), set()),
    "rules reopen": (lambda: seat_maintenance.reopen(KEY, BY_RULES, NOW), {"closed by rules"}),
    "operator reopens": (lambda: seat_maintenance.reopen(KEY, BY_OPERATOR, NOW), {"closed by operator"}),
    "displace": (
        lambda: seat_maintenance.displace(unchanged_seat(hold="h"), "r", NOW + WEEK),
        {"pending", "confirmed"},
    ),
    "displace another": (lambda: seat_maintenance.displace(unchanged_seat(hold="x"), "r", NOW + WEEK), set()),
    "set aside": (lambda: seat_maintenance.set_aside(unchanged_seat(), "r", NOW + WEEK), {"free"}),
    "set aside a coming one": (lambda: seat_maintenance.set_aside(Seat(KEY, LATER), "r", NOW + WEEK), {"coming"}),
    "change create": (lambda: seat_maintenance.apply(SeatChange(ChangeKind.CREATE, unchanged_seat()), AES, NOW), set()),
    "change close": (
        lambda: seat_maintenance.apply(SeatChange(ChangeKind.CLOSE, unchanged_seat()), AES, NOW),
        {"free", "given back", "coming", "set aside", "expired"},
    ),
    "change reopen": (
        lambda: seat_maintenance.apply(SeatChange(ChangeKind.REOPEN, unchanged_seat()), AES, NOW),
        {"closed by rules"},
    ),
    "change move": (
        lambda: seat_maintenance.apply(SeatChange(ChangeKind.MOVE, Seat(KEY, LATER + WEEK)), AES, NOW),
        {"coming"},
    ),
}


@pytest.mark.parametrize("seat", EVERY)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_changes_only_the_seats_that_it_is_for(write: str, seat: str) -> None:
    call, changed = WRITES[write]
    before = put(**EVERY[seat])
    assert call() is (seat in changed)
    assert (seat_store.read(KEY) != before) is (seat in changed)


@pytest.mark.parametrize("write", sorted(WRITES.keys() - {"change create"}))
def test_a_write_creates_no_seat(write: str) -> None:
    assert not WRITES[write][0]()
    assert items.SeatItem.count("SEATS#aes#2026-W49") == 0


def test_a_closed_seat_cannot_be_held_and_keeps_no_data_of_its_hold() -> None:
    put(**EXPIRED)
    assert seat_maintenance.close(KEY, BY_OPERATOR, NOW)
    assert seat_store.read(KEY) == Seat(KEY, NOW, State.CLOSED, closed=BY_OPERATOR)
    assert not seat_store.take(KEY, "x", LATER, NOW)


def test_the_rules_do_not_reopen_the_seat_of_a_displaced_applicant() -> None:
    put(**CONFIRMED)
    assert seat_maintenance.displace(seat_store.read(KEY), "r", NOW + WEEK)
    assert not seat_maintenance.reopen(KEY, BY_RULES, NOW)
    seat = seat_store.read(KEY)
    assert (seat.past, seat.past_state, seat.reserve, seat.person, seat.until) == (
        "h",
        State.DISPLACED,
        "r",
        "p",
        NOW + WEEK,
    )


# A move


AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
DISPLACED: Fields = {
    "state": State.CLOSED,
    "closed": BY_OPERATOR,
    "past": "h",
    "past_state": State.DISPLACED,
    "reserve": "r",
    "until": LATER,
    "person": "p",
}


def prepare_move(of: Fields, **to: Any) -> move_store.Move:
    """A request on KEY with both its locks, about to move to TO."""
    put(TO, **to)
    seat = put(**of)
    person = Person("p", "aes", KEY, "h", AWA, "AES-22222-22222", NOW)
    for row in (items.email_lock("a", "aes"), items.person_item("p", "aes")):
        row.seat, row.hold, row.person, row.erase_at = KEY.ref, "h", "p", 0
        if isinstance(row, PersonItem):
            row.filed_at, row.details = NOW, codec.details_to_document(AWA)
        row.save()
    return move_store.Move(seat, TO, person, "a", NOW + WEEK, NOW + WEEK, None if of is DISPLACED else 2)


def change_person(*actions: Action) -> None:
    items.person_item("p", "aes").update(list(actions))


def change_seat(*actions: Action) -> None:
    seat_keys.seat_item(KEY).update(list(actions))


def change_email_lock(*actions: Action) -> None:
    items.email_lock("a", "aes").update(list(actions))


@pytest.mark.parametrize(
    ("of", "interfere"),
    [
        (CONFIRMED, lambda: change_person(PersonItem.hold.set("x"))),
        (CONFIRMED, lambda: change_person(PersonItem.seat.set("aes.20261203.1020.1"))),
        (CONFIRMED, lambda: change_person(PersonItem.moves.set(2))),
        (CONFIRMED, lambda: items.person_item("p", "aes").delete()),
        (CONFIRMED, lambda: change_email_lock(LockItem.hold.set("x"))),
        (CONFIRMED, lambda: items.email_lock("a", "aes").delete()),
        (CONFIRMED, lambda: change_seat(SeatItem.hold.set("x"))),
        (CONFIRMED, lambda: change_seat(SeatItem.state.set(State.PENDING))),
        (CONFIRMED, lambda: change_seat(SeatItem.state.set(State.OPEN))),
        (DISPLACED, lambda: change_person(PersonItem.hold.set("x"))),
        (DISPLACED, lambda: change_seat(SeatItem.past.set("x"))),
        (DISPLACED, lambda: change_seat(SeatItem.past_state.set(State.MOVED))),
        (DISPLACED, lambda: change_seat(SeatItem.until.set(NOW))),
    ],
)
def test_a_move_of_a_request_that_changed_since_it_was_read_changes_nothing(
    of: Fields, interfere: Callable[[], object]
) -> None:
    move = prepare_move(of)
    interfere()
    before = everything()
    assert move_store.move(move, NOW) is MoveResult.REQUEST_CHANGED
    assert everything() == before


def everything() -> Sequence[Fields]:
    return [row.to_simple_dict() for row in items.SeatItem.scan()] + [row.to_simple_dict() for row in PersonItem.scan()]


@pytest.mark.parametrize(
    ("of", "to", "result"),
    [
        (CONFIRMED, FREE, MoveResult.DONE),
        (CONFIRMED, EXPIRED, MoveResult.DONE),
        (CONFIRMED, GIVEN_BACK, MoveResult.SEAT_TAKEN),
        (CONFIRMED, COMING, MoveResult.SEAT_TAKEN),
        (CONFIRMED, SET_ASIDE, MoveResult.SEAT_TAKEN),
        (CONFIRMED, HELD | {"hold": "x"}, MoveResult.SEAT_TAKEN),
        (CONFIRMED, CONFIRMED | {"hold": "x"}, MoveResult.SEAT_TAKEN),
        (CONFIRMED, CLOSED_BY_OPERATOR, MoveResult.SEAT_TAKEN),
        (DISPLACED, FREE, MoveResult.DONE),
        (DISPLACED, SET_ASIDE, MoveResult.DONE),
        (DISPLACED, SET_ASIDE | {"reserve": "another"}, MoveResult.SEAT_TAKEN),
        (DISPLACED, GIVEN_BACK, MoveResult.SEAT_TAKEN),
        (DISPLACED, COMING, MoveResult.SEAT_TAKEN),
        (DISPLACED, HELD | {"hold": "x"}, MoveResult.SEAT_TAKEN),
    ],
)
def test_a_move_takes_only_a_free_seat_or_one_of_its_own_reserve(of: Fields, to: Fields, result: MoveResult) -> None:
    move = prepare_move(of, **to)
    before = everything()
    assert move_store.move(move, NOW) is result
    if result is not MoveResult.DONE:
        assert everything() == before
        return
    arrived, left = seat_store.read(TO), seat_store.read(KEY)
    assert (arrived.state, arrived.hold, arrived.person, arrived.reserve) == (State.CONFIRMED, "h", "p", "")
    assert (left.past, left.past_state, left.hold, left.person) == ("h", State.MOVED, "", "")
    assert left.state is (State.CLOSED if of is DISPLACED else State.OPEN)
    person = person_store.read("p", "aes")
    assert person
    assert (person.seat, person.sequence, person.moves) == (TO, 1, 0 if of is DISPLACED else 1)
