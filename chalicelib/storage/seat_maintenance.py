"""Create, close, reopen and displace seats, as the rules of a service or an operator demand.

As in `seat_store`, each function returns False when its condition fails.
"""

from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain import lifecycle
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, CLOCK_SKEW, Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import seat_expressions, seat_store
from chalicelib.storage.items import SeatItem


def apply(change: SeatChange, service: Service, now: datetime) -> bool:
    """Make a change that the rules demand. Return False if the seat is no longer as it was read."""
    seat = change.seat
    if change.kind is ChangeKind.CREATE:
        return seat_store.create(seat.key, seat.opens_at, service.erase_at(seat.key))
    if change.kind is ChangeKind.CLOSE:
        return close(seat.key, BY_RULES, now)
    if change.kind is ChangeKind.REOPEN:
        return reopen(seat.key, BY_RULES, seat.opens_at)
    unused = (SeatItem.state == State.OPEN) & SeatItem.reserve.does_not_exist()
    if not service.draw:  # a seat that has opened, or that was given back, keeps its moment
        returned_to_desk = SeatItem.opens_at > now + lifecycle.longest_return(service)
        unused &= returned_to_desk | ((SeatItem.opens_at > now) & SeatItem.past_state.does_not_exist())
    return seat_store.update(seat.key, [SeatItem.opens_at.set(seat.opens_at)], unused)


def close(key: SeatKey, by: str, now: datetime) -> bool:
    """Close a seat that nobody has: it is open, was given back, or its hold has expired.

    An operator also closes a seat that the rules have closed.
    """
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
    """Close a seat that is held but not filed. Its visitor is told at the next step."""
    actions: list[Action] = [
        SeatItem.state.set(State.CLOSED),
        SeatItem.closed.set(BY_OPERATOR),
        *seat_expressions.without_hold(),
    ]
    return seat_store.update(key, actions, (SeatItem.state == State.HELD) & (SeatItem.hold == hold))


def reopen(key: SeatKey, by: str, opens_at: datetime) -> bool:
    """Reopen a seat that the rules, or an operator, closed: only by the same one that closed it."""
    actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.opens_at.set(opens_at), SeatItem.closed.remove()]
    return seat_store.update(key, actions, (SeatItem.state == State.CLOSED) & (SeatItem.closed == by))


def displace(seat: Seat, reserve: str, until: datetime) -> bool:
    """Close a booked seat. Its applicant may choose another one from this reserve until then.

    The stream tells the mailer.
    """
    actions: list[Action] = [
        SeatItem.state.set(State.CLOSED),
        SeatItem.closed.set(BY_OPERATOR),
        SeatItem.past.set(seat.hold),
        SeatItem.past_state.set(State.DISPLACED),
        SeatItem.reserve.set(reserve),
        SeatItem.until.set(until),
        SeatItem.hold.remove(),
        SeatItem.by_draw.remove(),
    ]
    booked = SeatItem.state.is_in(State.PENDING, State.CONFIRMED) & (SeatItem.hold == seat.hold)
    return seat_store.update(seat.key, actions, booked)


def give_up_choice(seat: Seat) -> bool:
    """Cancel the request of a displaced applicant who wants no other seat."""
    actions: list[Action] = [SeatItem.past_state.set(State.CANCELLED), *seat_expressions.without_wait()]
    return seat_store.update(seat.key, actions, (SeatItem.past == seat.past) & (SeatItem.past_state == State.DISPLACED))


def set_aside(seat: Seat, reserve: str, until: datetime) -> bool:
    """Reserve a free seat for displaced applicants. From `until` on any visitor may take it.

    Return False if it is no longer as it was read, for example given back since.
    """
    free: Condition = (SeatItem.state == State.OPEN) & (SeatItem.opens_at == seat.opens_at)
    free &= (SeatItem.past_state == seat.past_state) if seat.past_state else SeatItem.past_state.does_not_exist()
    free &= (SeatItem.reserve == seat.reserve) if seat.reserve else SeatItem.reserve.does_not_exist()
    return seat_store.update(seat.key, [SeatItem.reserve.set(reserve), SeatItem.opens_at.set(until)], free)
