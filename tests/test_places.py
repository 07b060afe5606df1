"""Every condition of the seats that the rules and the office change: each is seen to let through and to refuse."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from pynamodb.expressions.update import Action

from chalicelib import files, locks, places, rows, store
from chalicelib.model import OFFICE, RULES, Details, Person, Seat, SeatKey, State
from chalicelib.places import Moved
from chalicelib.rows import LockRow, PersonRow, SeatRow
from chalicelib.timetable import Change, Do
from tests.conftest import document

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
LATER, PAST = NOW + timedelta(minutes=3), NOW - timedelta(minutes=3)
KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
TO = SeatKey(date(2026, 12, 10), time(9, 15), 2, "aes")
WEEK = timedelta(days=7)
AES = files.service_from(document())

pytestmark = pytest.mark.usefixtures("table")


def put(key: SeatKey = KEY, **fields: Any) -> Seat:
    """Write a seat as it stands, past every condition."""
    row = store.new_row(key, NOW)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
    return store.seat(key)


Fields = dict[str, Any]
FREE: Fields = {}
WAITS: Fields = {"opens_at": LATER, "past": "p", "past_state": State.CANCELLED}
COMING: Fields = {"opens_at": LATER}
ASIDE: Fields = {"opens_at": LATER, "reserve": "r"}
HELD: Fields = {"state": State.HELD, "hold": "h", "until": LATER}
LAPSED: Fields = {"state": State.HELD, "hold": "h", "until": PAST}
PENDING: Fields = {"state": State.PENDING, "hold": "h", "until": LATER, "person": "p"}
CONFIRMED: Fields = {"state": State.CONFIRMED, "hold": "h", "until": LATER, "person": "p"}
BY_RULES: Fields = {"state": State.CLOSED, "closed": RULES}
BY_OFFICE: Fields = {"state": State.CLOSED, "closed": OFFICE}
EVERY: dict[str, Fields] = {
    "free": FREE,
    "waits": WAITS,
    "coming": COMING,
    "set aside": ASIDE,
    "held": HELD,
    "lapsed": LAPSED,
    "pending": PENDING,
    "confirmed": CONFIRMED,
    "closed by rules": BY_RULES,
    "closed by office": BY_OFFICE,
}


def as_read(**fields: Any) -> Seat:
    return Seat(KEY, NOW, **fields)


WRITES: dict[str, tuple[Callable[[], bool], set[str]]] = {
    "rules close": (lambda: places.close(KEY, RULES, NOW), {"free", "waits", "coming", "set aside", "lapsed"}),
    "office closes": (
        lambda: places.close(KEY, OFFICE, NOW),
        {"free", "waits", "coming", "set aside", "lapsed", "closed by rules"},
    ),
    "close a hold": (lambda: places.close_held(KEY, "h"), {"held", "lapsed"}),
    "close another hold": (lambda: places.close_held(KEY, "x"), set()),
    "rules reopen": (lambda: places.reopen(KEY, RULES, NOW), {"closed by rules"}),
    "office reopens": (lambda: places.reopen(KEY, OFFICE, NOW), {"closed by office"}),
    "displace": (lambda: places.displace(as_read(hold="h"), "r", NOW + WEEK), {"pending", "confirmed"}),
    "displace another": (lambda: places.displace(as_read(hold="x"), "r", NOW + WEEK), set()),
    "set aside": (lambda: places.set_aside(as_read(), "r", NOW + WEEK), {"free"}),
    "set aside a coming one": (lambda: places.set_aside(Seat(KEY, LATER), "r", NOW + WEEK), {"coming"}),
    "change create": (lambda: places.change(Change(Do.CREATE, as_read()), AES, NOW), set()),
    "change close": (
        lambda: places.change(Change(Do.CLOSE, as_read()), AES, NOW),
        {"free", "waits", "coming", "set aside", "lapsed"},
    ),
    "change reopen": (lambda: places.change(Change(Do.REOPEN, as_read()), AES, NOW), {"closed by rules"}),
    "change move": (lambda: places.change(Change(Do.MOVE, Seat(KEY, LATER + WEEK)), AES, NOW), {"coming"}),
}


@pytest.mark.parametrize("seat", EVERY)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_changes_the_seats_that_it_is_for_and_no_others(write: str, seat: str) -> None:
    do, may = WRITES[write]
    before = put(**EVERY[seat])
    assert do() is (seat in may)
    assert (store.seat(KEY) != before) is (seat in may)


@pytest.mark.parametrize("write", sorted(WRITES.keys() - {"change create"}))
def test_a_write_makes_no_seat_where_there_is_none(write: str) -> None:
    assert not WRITES[write][0]()
    assert rows.SeatRow.count("SEATS#aes#2026-W49") == 0


def test_a_closed_seat_is_taken_by_nobody_and_told_nothing_of_who_had_it() -> None:
    put(**LAPSED)
    assert places.close(KEY, OFFICE, NOW)
    assert store.seat(KEY) == Seat(KEY, NOW, State.CLOSED, closed=OFFICE)
    assert not store.take(KEY, "x", LATER, NOW)


def test_the_wait_of_a_displaced_person_survives_no_reopening_by_the_rules() -> None:
    put(**CONFIRMED)
    assert places.displace(store.seat(KEY), "r", NOW + WEEK)
    assert not places.reopen(KEY, RULES, NOW)
    seat = store.seat(KEY)
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
    "closed": OFFICE,
    "past": "h",
    "past_state": State.DISPLACED,
    "reserve": "r",
    "until": LATER,
    "person": "p",
}


def ready(of: Fields, **to: Any) -> places.Move:
    """A request on KEY with both its locks, about to move to TO."""
    put(TO, **to)
    seat = put(**of)
    person = Person("p", "aes", KEY, "h", AWA, "AES-22222-22222", NOW)
    for row in (locks.address_row("a", "aes"), locks.person_row("p", "aes")):
        row.seat, row.hold, row.person, row.erase_at = KEY.ref, "h", "p", 0
        if isinstance(row, PersonRow):
            row.filed_at, row.details = NOW, files.details_to(AWA)
        row.save()
    return places.Move(seat, TO, person, "a", NOW + WEEK, NOW + WEEK, None if of is DISPLACED else 2)


def spoil_person(*actions: Action) -> None:
    locks.person_row("p", "aes").update(list(actions))


def spoil_seat(*actions: Action) -> None:
    store.seat_row(KEY).update(list(actions))


def spoil_address(*actions: Action) -> None:
    locks.address_row("a", "aes").update(list(actions))


@pytest.mark.parametrize(
    ("of", "spoil"),
    [
        (CONFIRMED, lambda: spoil_person(PersonRow.hold.set("x"))),
        (CONFIRMED, lambda: spoil_person(PersonRow.seat.set("aes.20261203.1020.1"))),
        (CONFIRMED, lambda: spoil_person(PersonRow.moves.set(2))),
        (CONFIRMED, lambda: locks.person_row("p", "aes").delete()),
        (CONFIRMED, lambda: spoil_address(LockRow.hold.set("x"))),
        (CONFIRMED, lambda: locks.address_row("a", "aes").delete()),
        (CONFIRMED, lambda: spoil_seat(SeatRow.hold.set("x"))),
        (CONFIRMED, lambda: spoil_seat(SeatRow.state.set(State.PENDING))),
        (CONFIRMED, lambda: spoil_seat(SeatRow.state.set(State.OPEN))),
        (DISPLACED, lambda: spoil_person(PersonRow.hold.set("x"))),
        (DISPLACED, lambda: spoil_seat(SeatRow.past.set("x"))),
        (DISPLACED, lambda: spoil_seat(SeatRow.past_state.set(State.MOVED))),
        (DISPLACED, lambda: spoil_seat(SeatRow.until.set(NOW))),
    ],
)
def test_a_move_of_what_is_no_longer_as_it_was_read_changes_nothing_at_all(
    of: Fields, spoil: Callable[[], object]
) -> None:
    todo = ready(of)
    spoil()
    before = everything()
    assert places.move(todo, NOW) is Moved.NOT_ITS_OWN
    assert everything() == before


def everything() -> Sequence[Fields]:
    return [row.to_simple_dict() for row in rows.SeatRow.scan()] + [row.to_simple_dict() for row in PersonRow.scan()]


@pytest.mark.parametrize(
    ("of", "to", "told"),
    [
        (CONFIRMED, FREE, Moved.YES),
        (CONFIRMED, LAPSED, Moved.YES),
        (CONFIRMED, WAITS, Moved.SEAT_TAKEN),
        (CONFIRMED, COMING, Moved.SEAT_TAKEN),
        (CONFIRMED, ASIDE, Moved.SEAT_TAKEN),
        (CONFIRMED, HELD | {"hold": "x"}, Moved.SEAT_TAKEN),
        (CONFIRMED, CONFIRMED | {"hold": "x"}, Moved.SEAT_TAKEN),
        (CONFIRMED, BY_OFFICE, Moved.SEAT_TAKEN),
        (DISPLACED, FREE, Moved.YES),
        (DISPLACED, ASIDE, Moved.YES),
        (DISPLACED, ASIDE | {"reserve": "another"}, Moved.SEAT_TAKEN),
        (DISPLACED, WAITS, Moved.SEAT_TAKEN),
        (DISPLACED, COMING, Moved.SEAT_TAKEN),
        (DISPLACED, HELD | {"hold": "x"}, Moved.SEAT_TAKEN),
    ],
)
def test_a_move_takes_a_free_seat_or_one_of_its_own_reserve_and_no_other(of: Fields, to: Fields, told: Moved) -> None:
    todo = ready(of, **to)
    before = everything()
    assert places.move(todo, NOW) is told
    if told is not Moved.YES:
        assert everything() == before
        return
    arrived, left = store.seat(TO), store.seat(KEY)
    assert (arrived.state, arrived.hold, arrived.person, arrived.reserve) == (State.CONFIRMED, "h", "p", "")
    assert (left.past, left.past_state, left.hold, left.person) == ("h", State.MOVED, "", "")
    assert left.state is (State.CLOSED if of is DISPLACED else State.OPEN)
    person = locks.person("p", "aes")
    assert person
    assert (person.seat, person.sequence, person.moves) == (TO, 1, 0 if of is DISPLACED else 1)
