"""Seats as the rules and the office change them, each write under its condition.

As in `store`, a condition that fails is an answer (`False`), and a table that throttles or is away raises.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib import locks, rows, store
from chalicelib.errors import TooManyRequests
from chalicelib.model import OFFICE, RULES, SKEW, Person, Seat, SeatKey, Service, State
from chalicelib.rows import LockRow, PersonRow, SeatRow
from chalicelib.timetable import Change, Do


def _without_wait() -> list[Action]:
    return [gone.remove() for gone in (SeatRow.reserve, SeatRow.until, SeatRow.person, SeatRow.filed_at)]


def change(todo: Change, service: Service, now: datetime) -> bool:
    """Do one change that the rules call for; False if the seat is no longer as it was read."""
    seat = todo.seat
    if todo.do is Do.CREATE:
        return store.create(seat.key, seat.opens_at, service.erase_at(seat.key))
    if todo.do is Do.CLOSE:
        return close(seat.key, RULES, now)
    if todo.do is Do.REOPEN:
        return reopen(seat.key, RULES, seat.opens_at)
    unopened = (SeatRow.state == State.OPEN) & (SeatRow.opens_at > now) & SeatRow.past_state.does_not_exist()
    return store.update(seat.key, [SeatRow.opens_at.set(seat.opens_at)], unopened & SeatRow.reserve.does_not_exist())


def close(key: SeatKey, by: str, now: datetime) -> bool:
    """Close a seat that nobody has: OPEN, waiting to return, or with a hold that ran out."""
    unused = (SeatRow.state == State.OPEN) | ((SeatRow.state == State.HELD) & (SeatRow.until < now - SKEW))
    if by == OFFICE:
        unused |= SeatRow.closed == RULES
    actions: list[Action] = [SeatRow.state.set(State.CLOSED), SeatRow.closed.set(by), *store.without_hold()]
    return store.update(key, actions, unused)


def close_held(key: SeatKey, hold: str) -> bool:
    """Close a seat that somebody holds but has not filed a request for: they are told when they go on."""
    actions: list[Action] = [SeatRow.state.set(State.CLOSED), SeatRow.closed.set(OFFICE), *store.without_hold()]
    return store.update(key, actions, (SeatRow.state == State.HELD) & (SeatRow.hold == hold))


def reopen(key: SeatKey, by: str, opens_at: datetime) -> bool:
    """Open a seat again that this one closed."""
    actions: list[Action] = [SeatRow.state.set(State.OPEN), SeatRow.opens_at.set(opens_at), SeatRow.closed.remove()]
    return store.update(key, actions, (SeatRow.state == State.CLOSED) & (SeatRow.closed == by))


def displace(seat: Seat, reserve: str, until: datetime) -> bool:
    """Close a booked seat: its person may choose another from this reserve until then. The stream tells the mailer."""
    actions: list[Action] = [
        SeatRow.state.set(State.CLOSED),
        SeatRow.closed.set(OFFICE),
        SeatRow.past.set(seat.hold),
        SeatRow.past_state.set(State.DISPLACED),
        SeatRow.reserve.set(reserve),
        SeatRow.until.set(until),
        SeatRow.hold.remove(),
    ]
    booked = SeatRow.state.is_in(State.PENDING, State.CONFIRMED) & (SeatRow.hold == seat.hold)
    return store.update(seat.key, actions, booked)


def give_up_choice(seat: Seat) -> bool:
    """End the wait of a displaced person who wants no other seat."""
    actions: list[Action] = [SeatRow.past_state.set(State.CANCELLED), *_without_wait()]
    return store.update(seat.key, actions, (SeatRow.past == seat.past) & (SeatRow.past_state == State.DISPLACED))


def set_aside(seat: Seat, reserve: str, until: datetime) -> bool:
    """Keep a seat that nobody has for those whose morning was closed; whoever comes may take it after `until`.

    It must be as it was read: one that was given back meanwhile waits to return.
    """
    free: Condition = (SeatRow.state == State.OPEN) & (SeatRow.opens_at == seat.opens_at)
    free &= (SeatRow.past_state == seat.past_state) if seat.past_state else SeatRow.past_state.does_not_exist()
    free &= (SeatRow.reserve == seat.reserve) if seat.reserve else SeatRow.reserve.does_not_exist()
    return store.update(seat.key, [SeatRow.reserve.set(reserve), SeatRow.opens_at.set(until)], free)


# Moving a request: three items and a seat change together or not at all


@dataclass(frozen=True, slots=True)
class Move:
    """A person's request on `seat`, booked or displaced, goes to the seat `to`; `most` limits the moves they make."""

    seat: Seat
    to: SeatKey
    person: Person
    address: str
    opens_at: datetime
    erase_at: datetime
    most: int | None


class Moved(StrEnum):
    """How a move went: done, the new seat is gone, or the request is no longer as it was read."""

    YES = "yes"
    SEAT_TAKEN = "seat taken"
    NOT_ITS_OWN = "not its own"


def move(todo: Move, now: datetime) -> Moved:
    """Take the new seat, give back the old, and follow with the locks, in one transaction: 8 write units.

    Each other name that the person was corrected to costs 2 more.
    """
    person, hold = todo.person, todo.person.hold
    theirs = locks.person_row(person.key, person.service)
    erase_at = int(todo.erase_at.timestamp())
    own = PersonRow.hold == hold
    follow: list[Action] = [
        PersonRow.seat.set(todo.to.ref),
        PersonRow.erase_at.set(erase_at),
        PersonRow.sequence.add(1),
    ]
    if todo.most is not None:
        follow.append(PersonRow.moves.add(1))
        own &= PersonRow.moves.does_not_exist() | (PersonRow.moves < todo.most)

    def write(writes: TransactWrite) -> None:
        writes.update(store.seat_row(todo.to), _arrive(todo, now), _may_take(todo.seat, now))
        writes.update(store.seat_row(todo.seat.key), *_leave(todo, now))
        writes.update(theirs, follow, own & (PersonRow.seat == todo.seat.key.ref))
        for lock in locks.locks_of(person, [todo.address]):
            writes.update(lock, [LockRow.seat.set(todo.to.ref), LockRow.erase_at.set(erase_at)], LockRow.hold == hold)

    try:
        failed = rows.transacted(write)
    except rows.Conflict as conflict:
        raise TooManyRequests from conflict
    if any(failed[1:]):
        return Moved.NOT_ITS_OWN
    return Moved.SEAT_TAKEN if any(failed) else Moved.YES


def _arrive(todo: Move, now: datetime) -> list[Action]:
    person = todo.person
    actions: list[Action] = [SeatRow.state.set(State.CONFIRMED), SeatRow.hold.set(person.hold), SeatRow.until.set(now)]
    actions += [SeatRow.person.set(person.key), SeatRow.filed_at.set(person.filed_at)]
    return [*actions, *store.counted(now), *store.fresh(generation=todo.seat.generation)]


def _may_take(old: Seat, now: datetime) -> Condition:
    free = store.free(now)
    if old.past_state is not State.DISPLACED:
        return free
    condition: Condition = free | (
        (SeatRow.state == State.OPEN) & (SeatRow.reserve == old.reserve) & (SeatRow.opens_at > now)
    )
    return condition


def _leave(todo: Move, now: datetime) -> tuple[list[Action], Condition]:
    hold = todo.person.hold
    if todo.seat.past_state is State.DISPLACED:
        may = (SeatRow.past == hold) & (SeatRow.past_state == State.DISPLACED) & (SeatRow.until > now)
        return [SeatRow.past_state.set(State.MOVED), *_without_wait()], may
    return store.ended_as(hold, State.MOVED, todo.opens_at), (SeatRow.state == State.CONFIRMED) & (SeatRow.hold == hold)
