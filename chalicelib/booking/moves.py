"""Move a request to another slot."""

import random
from datetime import datetime

from chalicelib.booking import availability, holds, requests, schedule
from chalicelib.booking.requests import Request
from chalicelib.domain import calendar, lifecycle
from chalicelib.domain.refusals import (
    AlreadyRequested,
    LinkExpired,
    NoMovesLeft,
    SlotTaken,
)
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, SeatKey, State, week_of
from chalicelib.keys import keys
from chalicelib.storage import move_store, seat_store


def choices(token: str, now: datetime) -> tuple[Request, list[datetime]]:
    """A request and the slots it can move to, earliest first; NoMovesLeft, or LinkOver if it cannot move at all."""
    found = requests.view(token, now)
    return found, sorted({found.service.start_of(key) for key in _choices(found, now)})


def _choices(found: Request, now: datetime) -> list[SeatKey]:
    """The seats that a request can move to: all that are free, and those that the office set aside for it."""
    if found.state not in {State.CONFIRMED, State.DISPLACED} or found.person is None:
        raise LinkExpired
    if found.state is State.CONFIRMED and found.person.moves >= found.service.limits.moves:
        raise NoMovesLeft
    seats = availability.free_seats(found.service, now)
    if found.state is State.DISPLACED:
        seats += [seat.key for seat in _reserve(found, now)]
    return [key for key in seats if found.service.start_of(key) != found.start]


def _reserve(found: Request, now: datetime) -> list[Seat]:
    return [
        seat
        for _, seats in schedule.weeks_with_seats(found.service, now)
        for seat in seats
        if seat.reserve == found.seat.reserve and seat.is_set_aside(now)
    ]


def move(
    token: str,
    start: datetime,
    *,
    now: datetime,
    rng: random.Random = RNG,
) -> Request:
    """Move to another slot, whole or not at all: the new seat is taken and the old one given back in one transaction.

    Again is the same. The old seat opens again later, at a moment nobody knows; one that the office closed stays so.
    """
    found = requests.view(token, now)
    if found.state is State.MOVED:
        return _moved(found, start, now)
    free = _choices(found, now)
    wished = [key for key in free if found.service.start_of(key) == start]
    for key in rng.sample(wished, min(holds.TRIES, len(wished))):
        back = lifecycle.return_moment(found.service, found.seat.key, now, rng.random())
        done = move_store.move(_move(found, key, back), now)
        if done is move_store.MoveResult.YES:
            return requests.request_of(found.service, seat_store.read(key))
        if done is move_store.MoveResult.NOT_ITS_OWN:  # another click was faster, or this address has a newer request
            again = requests.view(token, now)
            if again.state is State.MOVED:
                return _moved(again, start, now)
            raise _why_not_moved(again)
    raise SlotTaken(calendar.nearest(found.service, free, start))


def _why_not_moved(request: Request) -> LinkExpired | NoMovesLeft | AlreadyRequested:
    """Name what was in the way of a move: the request has ended, or was moved too often, or has a successor."""
    if request.state not in {State.CONFIRMED, State.DISPLACED}:
        return LinkExpired()
    if request.person and request.person.moves >= request.service.limits.moves:
        return NoMovesLeft()
    return AlreadyRequested()


def _move(found: Request, to: SeatKey, back: datetime) -> move_store.Move:
    assert found.person is not None  # _choices  # noqa: S101  # for the types
    return move_store.Move(
        seat=found.seat,
        to=to,
        person=found.person,
        address=keys().email_key(found.person.details.email),
        opens_at=back,
        erase_at=found.service.erase_at(to),
        most=found.service.limits.moves if found.state is State.CONFIRMED else None,
    )


def _moved(found: Request, start: datetime, now: datetime) -> Request:
    """What a second click of the same move is told: the request where it is now; LinkOver for any other slot."""
    for seat in seat_store.read_week(found.service.id, week_of(start.date())):
        if found.service.start_of(seat.key) == start and seat.holds(found.seat.past, now):
            return requests.request_of(found.service, seat)
    raise LinkExpired
