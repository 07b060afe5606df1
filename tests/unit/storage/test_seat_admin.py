"""Every condition of the seats that the rules and the office change: each is seen to let through and to refuse."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from pynamodb.expressions.update import Action

from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.storage import items, move_store, person_store, seat_admin, seat_store
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
WAITS: Fields = {"opens_at": LATER, "past": "p", "past_state": State.CANCELLED}
COMING: Fields = {"opens_at": LATER}
ASIDE: Fields = {"opens_at": LATER, "reserve": "r"}
HELD: Fields = {"state": State.HELD, "hold": "h", "until": LATER}
LAPSED: Fields = {"state": State.HELD, "hold": "h", "until": PAST}
PENDING: Fields = {"state": State.PENDING, "hold": "h", "until": LATER, "person": "p"}
CONFIRMED: Fields = {"state": State.CONFIRMED, "hold": "h", "until": LATER, "person": "p"}
CLOSED_BY_RULES: Fields = {"state": State.CLOSED, "closed": BY_RULES}
CLOSED_BY_OPERATOR: Fields = {"state": State.CLOSED, "closed": BY_OPERATOR}
EVERY: dict[str, Fields] = {
    "free": FREE,
    "waits": WAITS,
    "coming": COMING,
    "set aside": ASIDE,
    "held": HELD,
    "lapsed": LAPSED,
    "pending": PENDING,
    "confirmed": CONFIRMED,
    "closed by rules": CLOSED_BY_RULES,
    "closed by office": CLOSED_BY_OPERATOR,
}


def as_read(**fields: Any) -> Seat:
    return Seat(KEY, NOW, **fields)


WRITES: dict[str, tuple[Callable[[], bool], set[str]]] = {
    "rules close": (lambda: seat_admin.close(KEY, BY_RULES, NOW), {"free", "waits", "coming", "set aside", "lapsed"}),
    "office closes": (
        lambda: seat_admin.close(KEY, BY_OPERATOR, NOW),
        {"free", "waits", "coming", "set aside", "lapsed", "closed by rules"},
    ),
    "close a hold": (lambda: seat_admin.close_held(KEY, "h"), {"held", "lapsed"}),
    "close another hold": (lambda: seat_admin.close_held(KEY, "x"), set()),
    "rules reopen": (lambda: seat_admin.reopen(KEY, BY_RULES, NOW), {"closed by rules"}),
    "office reopens": (lambda: seat_admin.reopen(KEY, BY_OPERATOR, NOW), {"closed by office"}),
    "displace": (lambda: seat_admin.displace(as_read(hold="h"), "r", NOW + WEEK), {"pending", "confirmed"}),
    "displace another": (lambda: seat_admin.displace(as_read(hold="x"), "r", NOW + WEEK), set()),
    "set aside": (lambda: seat_admin.set_aside(as_read(), "r", NOW + WEEK), {"free"}),
    "set aside a coming one": (lambda: seat_admin.set_aside(Seat(KEY, LATER), "r", NOW + WEEK), {"coming"}),
    "change create": (lambda: seat_admin.apply(SeatChange(ChangeKind.CREATE, as_read()), AES, NOW), set()),
    "change close": (
        lambda: seat_admin.apply(SeatChange(ChangeKind.CLOSE, as_read()), AES, NOW),
        {"free", "waits", "coming", "set aside", "lapsed"},
    ),
    "change reopen": (
        lambda: seat_admin.apply(SeatChange(ChangeKind.REOPEN, as_read()), AES, NOW),
        {"closed by rules"},
    ),
    "change move": (
        lambda: seat_admin.apply(SeatChange(ChangeKind.MOVE, Seat(KEY, LATER + WEEK)), AES, NOW),
        {"coming"},
    ),
}


@pytest.mark.parametrize("seat", EVERY)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_changes_the_seats_that_it_is_for_and_no_others(write: str, seat: str) -> None:
    do, may = WRITES[write]
    before = put(**EVERY[seat])
    assert do() is (seat in may)
    assert (seat_store.read(KEY) != before) is (seat in may)


@pytest.mark.parametrize("write", sorted(WRITES.keys() - {"change create"}))
def test_a_write_makes_no_seat_where_there_is_none(write: str) -> None:
    assert not WRITES[write][0]()
    assert items.SeatItem.count("SEATS#aes#2026-W49") == 0


def test_a_closed_seat_is_taken_by_nobody_and_told_nothing_of_who_had_it() -> None:
    put(**LAPSED)
    assert seat_admin.close(KEY, BY_OPERATOR, NOW)
    assert seat_store.read(KEY) == Seat(KEY, NOW, State.CLOSED, closed=BY_OPERATOR)
    assert not seat_store.take(KEY, "x", LATER, NOW)


def test_the_wait_of_a_displaced_person_survives_no_reopening_by_the_rules() -> None:
    put(**CONFIRMED)
    assert seat_admin.displace(seat_store.read(KEY), "r", NOW + WEEK)
    assert not seat_admin.reopen(KEY, BY_RULES, NOW)
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


def ready(of: Fields, **to: Any) -> move_store.Move:
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


def spoil_person(*actions: Action) -> None:
    items.person_item("p", "aes").update(list(actions))


def spoil_seat(*actions: Action) -> None:
    items.seat_item(KEY).update(list(actions))


def spoil_address(*actions: Action) -> None:
    items.email_lock("a", "aes").update(list(actions))


@pytest.mark.parametrize(
    ("of", "spoil"),
    [
        (CONFIRMED, lambda: spoil_person(PersonItem.hold.set("x"))),
        (CONFIRMED, lambda: spoil_person(PersonItem.seat.set("aes.20261203.1020.1"))),
        (CONFIRMED, lambda: spoil_person(PersonItem.moves.set(2))),
        (CONFIRMED, lambda: items.person_item("p", "aes").delete()),
        (CONFIRMED, lambda: spoil_address(LockItem.hold.set("x"))),
        (CONFIRMED, lambda: items.email_lock("a", "aes").delete()),
        (CONFIRMED, lambda: spoil_seat(SeatItem.hold.set("x"))),
        (CONFIRMED, lambda: spoil_seat(SeatItem.state.set(State.PENDING))),
        (CONFIRMED, lambda: spoil_seat(SeatItem.state.set(State.OPEN))),
        (DISPLACED, lambda: spoil_person(PersonItem.hold.set("x"))),
        (DISPLACED, lambda: spoil_seat(SeatItem.past.set("x"))),
        (DISPLACED, lambda: spoil_seat(SeatItem.past_state.set(State.MOVED))),
        (DISPLACED, lambda: spoil_seat(SeatItem.until.set(NOW))),
    ],
)
def test_a_move_of_what_is_no_longer_as_it_was_read_changes_nothing_at_all(
    of: Fields, spoil: Callable[[], object]
) -> None:
    todo = ready(of)
    spoil()
    before = everything()
    assert move_store.move(todo, NOW) is MoveResult.NOT_ITS_OWN
    assert everything() == before


def everything() -> Sequence[Fields]:
    return [row.to_simple_dict() for row in items.SeatItem.scan()] + [row.to_simple_dict() for row in PersonItem.scan()]


@pytest.mark.parametrize(
    ("of", "to", "told"),
    [
        (CONFIRMED, FREE, MoveResult.YES),
        (CONFIRMED, LAPSED, MoveResult.YES),
        (CONFIRMED, WAITS, MoveResult.SEAT_TAKEN),
        (CONFIRMED, COMING, MoveResult.SEAT_TAKEN),
        (CONFIRMED, ASIDE, MoveResult.SEAT_TAKEN),
        (CONFIRMED, HELD | {"hold": "x"}, MoveResult.SEAT_TAKEN),
        (CONFIRMED, CONFIRMED | {"hold": "x"}, MoveResult.SEAT_TAKEN),
        (CONFIRMED, CLOSED_BY_OPERATOR, MoveResult.SEAT_TAKEN),
        (DISPLACED, FREE, MoveResult.YES),
        (DISPLACED, ASIDE, MoveResult.YES),
        (DISPLACED, ASIDE | {"reserve": "another"}, MoveResult.SEAT_TAKEN),
        (DISPLACED, WAITS, MoveResult.SEAT_TAKEN),
        (DISPLACED, COMING, MoveResult.SEAT_TAKEN),
        (DISPLACED, HELD | {"hold": "x"}, MoveResult.SEAT_TAKEN),
    ],
)
def test_a_move_takes_a_free_seat_or_one_of_its_own_reserve_and_no_other(
    of: Fields, to: Fields, told: MoveResult
) -> None:
    todo = ready(of, **to)
    before = everything()
    assert move_store.move(todo, NOW) is told
    if told is not MoveResult.YES:
        assert everything() == before
        return
    arrived, left = seat_store.read(TO), seat_store.read(KEY)
    assert (arrived.state, arrived.hold, arrived.person, arrived.reserve) == (State.CONFIRMED, "h", "p", "")
    assert (left.past, left.past_state, left.hold, left.person) == ("h", State.MOVED, "", "")
    assert left.state is (State.CLOSED if of is DISPLACED else State.OPEN)
    person = person_store.read("p", "aes")
    assert person
    assert (person.seat, person.sequence, person.moves) == (TO, 1, 0 if of is DISPLACED else 1)
