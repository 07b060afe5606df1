"""Move a request to another slot."""

import random
from datetime import datetime

from chalicelib.booking import availability, ending, requests
from chalicelib.booking.hold import SEAT_ATTEMPTS
from chalicelib.booking.requests import Request
from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain import calendar, lifecycle
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import AlreadyRequested, AppointmentBegun, LinkExpired, NoMovesLeft, SlotTaken
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import RECORDED, SeatKey, State, week_of
from chalicelib.storage import move_store, seat_store

MOVABLE = {State.CONFIRMED, State.DISPLACED}
"""The states in which a request can move."""


def choices(link: str, now: datetime) -> tuple[Request, list[datetime]]:
    """Return a request and the slots it can move to, earliest first. Raises what `move` raises."""
    request = requests.view(link, now)
    _check_movable(request)
    return request, sorted({request.service.start_of(key) for key in _free_seats(request, now)})


def _check_movable(request: Request) -> Person:
    """Return the person of a request that can move. Raises NoMovesLeft, AppointmentBegun, or LinkExpired."""
    requests.check_not_recorded(request)
    if request.state not in MOVABLE or request.person is None or request.is_entry:
        raise LinkExpired
    if request.state is State.CONFIRMED and request.person.moves >= request.service.limits.moves:
        raise NoMovesLeft
    return request.person


def _free_seats(request: Request, now: datetime) -> list[SeatKey]:
    """Return the seats of other slots that look free, and those that the operator has set aside for this request."""
    seats = availability.free_seats(request.service, now)
    seats += set_aside_for(request, now)
    return [key for key in seats if request.service.start_of(key) != request.start]


def set_aside_for(request: Request, now: datetime) -> list[SeatKey]:
    """Return the seats that were set aside for a displaced request; none for any other."""
    if request.state is not State.DISPLACED:
        return []
    return [
        seat.key
        for _, seats in weeks_with_seats(request.service, now)
        for seat in seats
        if seat.reserve == request.seat.reserve and seat.is_set_aside(now)
    ]


def move(request: Request, start: datetime, *, now: datetime, rng: random.Random = RNG) -> Request:
    """Move a request that was just read to another slot. One transaction takes the new seat and gives back the old one.

    The same move again returns the same. The old seat opens again at a random moment; one that the operator closed
    stays closed. Raises SlotTaken with the nearest slots, NoMovesLeft, AppointmentBegun, AlreadyRequested, or
    LinkExpired.
    """
    if request.state is State.MOVED:
        return _moved_before(request, start, now)
    person = _check_movable(request)
    free = _free_seats(request, now)
    candidates = [key for key in free if request.service.start_of(key) == start]
    for key in rng.sample(candidates, min(SEAT_ATTEMPTS, len(candidates))):
        opens_at = lifecycle.return_moment(request.service, request.seat.key, now, rng.random())
        result = move_store.move(_move(request, person, key, opens_at), now)
        if result is move_store.MoveResult.DONE:
            return requests.request_of(request.service, seat_store.read(key))
        if result is move_store.MoveResult.REQUEST_CHANGED:
            current = requests.view(request.token, now)
            if current.state is State.MOVED:
                return _moved_before(current, start, now)
            raise _refusal(current)
    raise SlotTaken(calendar.nearest_starts(request.service, free, start))


def _refusal(request: Request) -> LinkExpired | NoMovesLeft | AppointmentBegun | AlreadyRequested:
    """Return why the request could not move: it has begun or ended, has no moves left, or has lost its locks."""
    if request.state in RECORDED:
        return AppointmentBegun()
    if request.state not in MOVABLE:
        return LinkExpired()
    if request.person and request.person.moves >= request.service.limits.moves:
        return NoMovesLeft()
    return AlreadyRequested()


def _move(request: Request, person: Person, to: SeatKey, opens_at: datetime) -> move_store.Move:
    return move_store.Move(
        seat=request.seat,
        to=to,
        person=person,
        email_keys=ending.email_keys_of(person),
        opens_at=opens_at,
        erase_at=request.service.erase_at(to),
        most_moves=request.service.limits.moves if request.state is State.CONFIRMED else None,
    )


def _moved_before(request: Request, start: datetime, now: datetime) -> Request:
    """Return the request on its new seat, if it moved to this slot before. Raises LinkExpired for any other slot."""
    for seat in seat_store.read_week(request.service.id, week_of(start.date())):
        if request.service.start_of(seat.key) == start and seat.holds(request.seat.past, now):
            return requests.request_of(request.service, seat)
    raise LinkExpired
