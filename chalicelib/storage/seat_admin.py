"""Seats as the rules and the office change them, each write under its condition.

As in `store`, a condition that fails is an answer (`False`), and a table that throttles or is away raises.
"""

from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, CLOCK_SKEW, Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import seat_expressions, seat_store
from chalicelib.storage.items import SeatItem


def apply(todo: SeatChange, service: Service, now: datetime) -> bool:
    """Do one change that the rules call for; False if the seat is no longer as it was read."""
    seat = todo.seat
    if todo.do is ChangeKind.CREATE:
        return seat_store.create(seat.key, seat.opens_at, service.erase_at(seat.key))
    if todo.do is ChangeKind.CLOSE:
        return close(seat.key, BY_RULES, now)
    if todo.do is ChangeKind.REOPEN:
        return reopen(seat.key, BY_RULES, seat.opens_at)
    unopened = (SeatItem.state == State.OPEN) & (SeatItem.opens_at > now) & SeatItem.past_state.does_not_exist()
    return seat_store.update(
        seat.key, [SeatItem.opens_at.set(seat.opens_at)], unopened & SeatItem.reserve.does_not_exist()
    )


def close(key: SeatKey, by: str, now: datetime) -> bool:
    """Close a seat that nobody has: OPEN, waiting to return, or with a hold that ran out."""
    unused = (SeatItem.state == State.OPEN) | ((SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW))
    if by == BY_OPERATOR:
        unused |= SeatItem.closed == BY_RULES
    actions: list[Action] = [
        SeatItem.state.set(State.CLOSED),
        SeatItem.closed.set(by),
        *seat_expressions.without_hold(),
    ]
    return seat_store.update(key, actions, unused)


def close_held(key: SeatKey, hold: str) -> bool:
    """Close a seat that somebody holds but has not filed a request for: they are told when they go on."""
    actions: list[Action] = [
        SeatItem.state.set(State.CLOSED),
        SeatItem.closed.set(BY_OPERATOR),
        *seat_expressions.without_hold(),
    ]
    return seat_store.update(key, actions, (SeatItem.state == State.HELD) & (SeatItem.hold == hold))


def reopen(key: SeatKey, by: str, opens_at: datetime) -> bool:
    """Open a seat again that this one closed."""
    actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.opens_at.set(opens_at), SeatItem.closed.remove()]
    return seat_store.update(key, actions, (SeatItem.state == State.CLOSED) & (SeatItem.closed == by))


def displace(seat: Seat, reserve: str, until: datetime) -> bool:
    """Close a booked seat: its person may choose another from this reserve until then. The stream tells the mailer."""
    actions: list[Action] = [
        SeatItem.state.set(State.CLOSED),
        SeatItem.closed.set(BY_OPERATOR),
        SeatItem.past.set(seat.hold),
        SeatItem.past_state.set(State.DISPLACED),
        SeatItem.reserve.set(reserve),
        SeatItem.until.set(until),
        SeatItem.hold.remove(),
    ]
    booked = SeatItem.state.is_in(State.PENDING, State.CONFIRMED) & (SeatItem.hold == seat.hold)
    return seat_store.update(seat.key, actions, booked)


def give_up_choice(seat: Seat) -> bool:
    """End the wait of a displaced person who wants no other seat."""
    actions: list[Action] = [SeatItem.past_state.set(State.CANCELLED), *seat_expressions.without_wait()]
    return seat_store.update(seat.key, actions, (SeatItem.past == seat.past) & (SeatItem.past_state == State.DISPLACED))


def set_aside(seat: Seat, reserve: str, until: datetime) -> bool:
    """Keep a seat that nobody has for those whose morning was closed; whoever comes may take it after `until`.

    It must be as it was read: one that was given back meanwhile waits to return.
    """
    free: Condition = (SeatItem.state == State.OPEN) & (SeatItem.opens_at == seat.opens_at)
    free &= (SeatItem.past_state == seat.past_state) if seat.past_state else SeatItem.past_state.does_not_exist()
    free &= (SeatItem.reserve == seat.reserve) if seat.reserve else SeatItem.reserve.does_not_exist()
    return seat_store.update(seat.key, [SeatItem.reserve.set(reserve), SeatItem.opens_at.set(until)], free)
