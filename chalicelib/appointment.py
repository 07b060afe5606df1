"""What an applicant does with a request, from the details on. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import booking, locks, places, store, timetable, upkeep
from chalicelib.booking import keys
from chalicelib.chance import CHANCE
from chalicelib.errors import AlreadyRequested, HoldOver, LinkOver, NoMovesLeft, NotFound, SlotTaken
from chalicelib.model import Details, Person, Seat, SeatKey, Service, State, week_of
from chalicelib.tokens import Ticket

LINK_PAUSE = timedelta(minutes=2)
"""How long an address waits before it can ask for its link again."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its owner sees it; `person` is None once it has ended."""

    token: str
    service: Service
    seat: Seat
    start: datetime
    state: State
    reference: str
    confirm_before: datetime | None = None
    filed_at: datetime | None = None
    person: Person | None = None


def file_request(hold_id: str, details: Details, *, now: datetime) -> Request:
    """Turn a hold into a request that waits for its confirmation by mail; one per person and per address."""
    hold = booking.check_hold(hold_id, now)
    service, seat = hold.service, hold.seat
    person_key = keys().person(details.first_name, details.last_name, details.birth_date)
    if seat.state is not State.HELD:
        if seat.person != person_key:
            raise HoldOver
        return _request(service, seat)
    person = Person(
        key=person_key,
        service=service.id,
        seat=seat.key,
        hold=seat.hold,
        details=details,
        reference=keys().reference(service.id, seat.hold),
        filed_at=now,
    )
    erase_at = service.erase_at(seat.key)

    def counts(key: SeatKey, digest: str, owner: str) -> bool:
        try:
            return service.start_of(key) > now and store.seat(key).blocks(digest, now, owner)
        except NotFound:  # its seat is gone from the timetable
            return False

    # The address first: its lock has no personal data, and one that is left over counts no longer than the hold.
    if not locks.lock_address(keys().address(details.email), person, erase_at, counts):
        raise AlreadyRequested
    if not locks.lock_person(person, erase_at, counts):
        raise AlreadyRequested
    until = service.confirm_before(seat.key, now)
    if hold.brief:
        until = min(until, now + booking.BRIEF)
    if not store.file_request(seat.key, seat.hold, person.key, until, now):
        return _request(service, booking.check_hold(hold_id, now).seat)
    filed = replace(seat, state=State.PENDING, person=person.key, filed_at=now, until=until)
    return _request(service, filed, person)


def _request(service: Service, seat: Seat, person: Person | None = None) -> Request:
    """The request that a pending or confirmed seat carries, with its person unless a newer request has replaced it."""
    person = person or locks.person(seat.person, service.id)
    return Request(
        token=str(keys().link(seat.key, seat.hold)),
        service=service,
        seat=seat,
        start=service.start_of(seat.key),
        state=seat.state,
        reference=keys().reference(service.id, seat.hold),
        confirm_before=seat.until,
        filed_at=seat.filed_at,
        person=person if person and person.hold == seat.hold else None,
    )


def view_request(token: str, now: datetime) -> Request:
    """The request of a link; once it has ended, only what became of it; LinkOver when its seat moved on.

    One whose place the office took back has its person as long as it can still choose another.
    """
    ticket = keys().read("link", token)
    service = store.service(ticket.seat.service, now)
    seat = store.seat(ticket.seat)
    if keys().opens(ticket, seat.hold) and seat.state in {State.PENDING, State.CONFIRMED}:
        if seat.state is State.PENDING and seat.until is not None and seat.until <= now:
            return _ended(service, seat, ticket, State.EXPIRED, seat.hold)
        return _request(service, seat)
    if not keys().opens(ticket, seat.past) or not seat.past_state:
        raise LinkOver
    found = _ended(service, seat, ticket, seat.past_state, seat.past)
    if seat.past_state is not State.DISPLACED or seat.until is None or seat.until <= now:
        return found
    person = locks.person(seat.person, service.id)
    live = person is not None and (person.hold, person.seat) == (seat.past, seat.key)
    return replace(found, person=person if live else None, confirm_before=seat.until)


def _ended(service: Service, seat: Seat, ticket: Ticket, state: State, hold: str) -> Request:
    reference = keys().reference(service.id, hold)
    return Request(str(ticket), service, seat, service.start_of(seat.key), state, reference)


def confirm_request(token: str, now: datetime) -> Request:
    """Confirm; again is the same; LinkOver when the time has run out or it was cancelled."""
    found = view_request(token, now)
    if found.state is State.PENDING:
        if store.confirm(found.seat.key, found.seat.hold, now):
            return replace(found, state=State.CONFIRMED)
        found = view_request(token, now)  # another click was faster
    if found.state is not State.CONFIRMED:
        raise LinkOver
    return found


def cancel_request(token: str, now: datetime, *, chance: Callable[[], float] = CHANCE.random) -> Request:
    """Cancel; again is the same. The seat opens again later, at a moment nobody knows."""
    found = view_request(token, now)
    if found.state in {State.PENDING, State.CONFIRMED}:
        back = timetable.return_moment(found.service, found.seat.key, now, chance())
        if store.end_request(found.seat, State.CANCELLED, back, now):
            return replace(found, state=State.CANCELLED, confirm_before=None, person=None)
        found = view_request(token, now)
    if found.state is not State.CANCELLED:
        raise LinkOver
    return found


def choices(token: str, now: datetime) -> tuple[Request, list[datetime]]:
    """A request and the slots it can move to, earliest first; NoMovesLeft, or LinkOver if it cannot move at all."""
    found = view_request(token, now)
    return found, sorted({found.service.start_of(key) for key in _choices(found, now)})


def _choices(found: Request, now: datetime) -> list[SeatKey]:
    """The seats that a request can move to: all that are free, and those that the office set aside for it."""
    if found.state not in {State.CONFIRMED, State.DISPLACED} or found.person is None:
        raise LinkOver
    if found.state is State.CONFIRMED and found.person.moves >= found.service.limits.moves:
        raise NoMovesLeft
    seats = booking.free_seats(found.service, now)
    if found.state is State.DISPLACED:
        seats += [seat.key for seat in _reserve(found, now)]
    return [key for key in seats if found.service.start_of(key) != found.start]


def _reserve(found: Request, now: datetime) -> list[Seat]:
    return [
        seat
        for _, seats in upkeep.weeks(found.service, now)
        for seat in seats
        if seat.reserve == found.seat.reserve and seat.is_set_aside(now)
    ]


def move_request(
    token: str,
    start: datetime,
    *,
    now: datetime,
    chance: random.Random = CHANCE,
) -> Request:
    """Move to another slot, whole or not at all: the new seat is taken and the old one given back in one transaction.

    Again is the same. The old seat opens again later, at a moment nobody knows; one that the office closed stays so.
    """
    found = view_request(token, now)
    if found.state is State.MOVED:
        return _moved(found, start, now)
    free = _choices(found, now)
    wished = [key for key in free if found.service.start_of(key) == start]
    for key in chance.sample(wished, min(booking.TRIES, len(wished))):
        back = timetable.return_moment(found.service, found.seat.key, now, chance.random())
        done = places.move(_move(found, key, back), now)
        if done is places.Moved.YES:
            return _request(found.service, store.seat(key))
        if done is places.Moved.NOT_ITS_OWN:  # another click was faster, or this address has a newer request
            again = view_request(token, now)
            if again.state is State.MOVED:
                return _moved(again, start, now)
            raise AlreadyRequested
    raise SlotTaken(timetable.nearest(found.service, free, start))


def _move(found: Request, to: SeatKey, back: datetime) -> places.Move:
    assert found.person is not None  # _choices  # noqa: S101  # for the types
    return places.Move(
        seat=found.seat,
        to=to,
        person=found.person,
        address=keys().address(found.person.details.email),
        opens_at=back,
        erase_at=found.service.erase_at(to),
        most=found.service.limits.moves if found.state is State.CONFIRMED else None,
    )


def _moved(found: Request, start: datetime, now: datetime) -> Request:
    """What a second click of the same move is told: the request where it is now; LinkOver for any other slot."""
    for seat in store.seats(found.service.id, week_of(start.date())):
        if found.service.start_of(seat.key) == start and seat.holds(found.seat.past, now):
            return _request(found.service, seat)
    raise LinkOver


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its address again, if there is one; the answer tells nobody which."""
    service_id = reference.lower().rpartition("-")[0].rpartition("-")[0]
    locks.ask_link(keys().address(email), service_id, reference.upper(), now, pause=LINK_PAUSE)
