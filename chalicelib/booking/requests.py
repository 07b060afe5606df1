"""A filed request: view, confirm and cancel it, and send its link again. Each function is safe to repeat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.booking.ending import end_request
from chalicelib.domain import tokens
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import LinkExpired
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import SignedToken
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store

LIVE = {State.PENDING, State.CONFIRMED}
"""The states of a request that has a seat."""
LINK_PAUSE = timedelta(minutes=2)
"""How long an e-mail address waits before it can ask for its link again."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its applicant sees it. `person` is None once it has ended."""

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
    """Return the request of a pending or confirmed seat, without its person if a newer request has replaced them."""
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


def view(link: str, now: datetime) -> Request:
    """Read the request of a link. One that has ended has its outcome as its state, and no person.

    A displaced request has its person as long as it can choose another seat. Raises LinkExpired when the seat has gone
    to somebody else, or the e-mail address was corrected since.
    """
    token = keys().read_link_token(link)
    service = service_store.read(token.seat.service, now)
    seat = seat_store.read(token.seat)
    if seat.state in LIVE and keys().is_current_link(token, seat.hold, seat.generation):
        if seat.state is State.PENDING and seat.until is not None and seat.until <= now:
            return _ended(service, seat, token, State.EXPIRED, seat.hold)
        return request_of(service, seat)
    if not keys().is_current_link(token, seat.past, seat.generation) or not seat.past_state:
        raise LinkExpired
    request = _ended(service, seat, token, seat.past_state, seat.past)
    if seat.past_state is not State.DISPLACED or seat.until is None or seat.until <= now:
        return request
    person = person_store.read(seat.person, service.id)
    still_theirs = person is not None and (person.hold, person.seat) == (seat.past, seat.key)
    return replace(request, person=person if still_theirs else None, confirm_before=seat.until)


def _ended(service: Service, seat: Seat, token: SignedToken, outcome: State, hold: str) -> Request:
    reference = keys().reference(service.id, hold)
    return Request(str(token), service, seat, service.start_of(seat.key), outcome, reference)


def confirm(link: str, now: datetime) -> Request:
    """Confirm a request. Idempotent. Raises LinkExpired when its time has run out or it has ended."""
    request = view(link, now)
    if request.state is State.PENDING:
        if seat_store.confirm(request.seat.key, request.seat.hold, now):
            return replace(request, state=State.CONFIRMED)
        request = view(link, now)  # it changed since it was read
    if request.state is not State.CONFIRMED:
        raise LinkExpired
    return request


def cancel(link: str, now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> Request:
    """Cancel a request. Idempotent. Raises LinkExpired when it has ended otherwise."""
    request = view(link, now)
    if request.state in LIVE:
        if end_request(request.service, request.seat, State.CANCELLED, now=now, random_fraction=random_fraction):
            return replace(request, state=State.CANCELLED, confirm_before=None, person=None)
        request = view(link, now)  # it changed since it was read
    if request.state is not State.CANCELLED:
        raise LinkExpired
    return request


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its e-mail address again, if both match. The caller does not learn whether.

    The id of the service in the reference may be written without its hyphens.
    """
    written = tokens.service_of_reference(reference)
    ids = [service.id for service in service_store.read_all(now)]
    service_id = next((known for known in ids if known.replace("-", "") == written.replace("-", "")), written)
    spelled = service_id + reference[len(written) :]
    person_store.ask_link(keys().email_key(email), service_id, spelled.upper(), now, pause=LINK_PAUSE)
