"""What an applicant does with a request, from the details on. Each takes the clock and is safe to repeat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain import lifecycle
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import LinkExpired
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import SignedToken
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store

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


def request_of(service: Service, seat: Seat, person: Person | None = None) -> Request:
    """The request that a pending or confirmed seat carries, with its person unless a newer request has replaced it."""
    person = person or person_store.read(seat.person, service.id)
    return Request(
        token=str(keys().link_token(seat.key, seat.hold, seat.generation)),
        service=service,
        seat=seat,
        start=service.start_of(seat.key),
        state=seat.state,
        reference=keys().reference(service.id, seat.hold),
        confirm_before=seat.until,
        filed_at=seat.filed_at,
        person=person if person and person.hold == seat.hold else None,
    )


def view(token: str, now: datetime) -> Request:
    """The request of a link; once it has ended, only what became of it; LinkOver when its seat moved on.

    One whose place the office took back has its person as long as it can still choose another.
    """
    ticket = keys().read_token("link", token)
    service = service_store.read(ticket.seat.service, now)
    seat = seat_store.read(ticket.seat)
    if keys().is_current_link(ticket, seat.hold, seat.generation) and seat.state in {State.PENDING, State.CONFIRMED}:
        if seat.state is State.PENDING and seat.until is not None and seat.until <= now:
            return _ended(service, seat, ticket, State.EXPIRED, seat.hold)
        return request_of(service, seat)
    if not keys().is_current_link(ticket, seat.past, seat.generation) or not seat.past_state:
        raise LinkExpired
    found = _ended(service, seat, ticket, seat.past_state, seat.past)
    if seat.past_state is not State.DISPLACED or seat.until is None or seat.until <= now:
        return found
    person = person_store.read(seat.person, service.id)
    live = person is not None and (person.hold, person.seat) == (seat.past, seat.key)
    return replace(found, person=person if live else None, confirm_before=seat.until)


def _ended(service: Service, seat: Seat, ticket: SignedToken, state: State, hold: str) -> Request:
    reference = keys().reference(service.id, hold)
    return Request(str(ticket), service, seat, service.start_of(seat.key), state, reference)


def confirm(token: str, now: datetime) -> Request:
    """Confirm; again is the same; LinkOver when the time has run out or it was cancelled."""
    found = view(token, now)
    if found.state is State.PENDING:
        if seat_store.confirm(found.seat.key, found.seat.hold, now):
            return replace(found, state=State.CONFIRMED)
        found = view(token, now)  # another click was faster
    if found.state is not State.CONFIRMED:
        raise LinkExpired
    return found


def cancel(token: str, now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> Request:
    """Cancel; again is the same. The seat opens again later, at a moment nobody knows."""
    found = view(token, now)
    if found.state in {State.PENDING, State.CONFIRMED}:
        back = lifecycle.return_moment(found.service, found.seat.key, now, random_fraction())
        if seat_store.end_request(found.seat, State.CANCELLED, back, now):
            return replace(found, state=State.CANCELLED, confirm_before=None, person=None)
        found = view(token, now)
    if found.state is not State.CANCELLED:
        raise LinkExpired
    return found


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its address again, if there is one; the answer tells nobody which."""
    service_id = reference.lower().rpartition("-")[0].rpartition("-")[0]
    person_store.ask_link(keys().email_key(email), service_id, reference.upper(), now, pause=LINK_PAUSE)
