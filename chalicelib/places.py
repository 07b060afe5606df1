"""Seats as the rules and the office change them, each write under its condition.

As in `store`, a condition that fails is an answer (`False`), and a table that throttles or is away raises.
"""

from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import store
from chalicelib.model import OFFICE, RULES, SKEW, Seat, SeatKey, State
from chalicelib.rows import SeatRow
from chalicelib.timetable import Change, Do


def change(todo: Change, now: datetime) -> bool:
    """Do one change that the rules call for; False if the seat is no longer as it was read."""
    seat = todo.seat
    if todo.do is Do.CREATE:
        return store.create(seat.key, seat.opens_at)
    if todo.do is Do.CLOSE:
        return close(seat.key, RULES, now)
    if todo.do is Do.REOPEN:
        return reopen(seat.key, RULES, seat.opens_at)
    unopened = (SeatRow.state == State.OPEN) & (SeatRow.opens_at > now) & SeatRow.past_state.does_not_exist()
    return store.update(seat.key, [SeatRow.opens_at.set(seat.opens_at)], unopened & SeatRow.reserve.does_not_exist())


def add(key: SeatKey, opens_at: datetime) -> bool:
    """Make a seat that no rule gives; False if there is one."""
    return store.create(key, opens_at, extra=True)


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


def set_aside(seat: Seat, reserve: str, until: datetime) -> bool:
    """Keep a seat that nobody has for those whose morning was closed; whoever comes may take it after `until`."""
    free: Condition = (SeatRow.state == State.OPEN) & (SeatRow.opens_at == seat.opens_at)
    free = free & SeatRow.past_state.does_not_exist() & SeatRow.reserve.does_not_exist()
    return store.update(seat.key, [SeatRow.reserve.set(reserve), SeatRow.opens_at.set(until)], free)
