"""A filed request: view, confirm and cancel it, and send its link again. Each function is safe to repeat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.booking.ending import end_request
from chalicelib.domain import entry, tokens
from chalicelib.domain.entry import Carrier, Entry, EntryState
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import AppointmentBegun, LinkExpired
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import APPOINTMENT, BOOKED, RECORDED, Seat, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys, SignedToken
from chalicelib.keys import keys
from chalicelib.storage import entry_store, person_store, seat_store, service_store

LIVE = {State.PENDING, State.CONFIRMED}
"""The states of a request that its applicant can still change."""
LINK_PAUSE = timedelta(minutes=2)
"""How long an e-mail address waits before it can ask for its link again."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its applicant sees it. `person` is None once it has ended. `carrier` is its seat, or an entry."""

    token: str
    service: Service
    carrier: Carrier
    state: State
    reference: str
    confirm_before: datetime | None = None
    filed_at: datetime | None = None
    person: Person | None = None

    @property
    def seat(self) -> Seat:
        """The seat. Raises ValueError for an entry."""
        return entry.seat_of(self.carrier)

    @property
    def start(self) -> datetime:
        """The start of the appointment. Raises ValueError for an entry, which has none."""
        return self.service.start_of(self.carrier.key)

    @property
    def is_entry(self) -> bool:
        """Tell whether it is an entry in the draws, which has no seat yet."""
        return isinstance(self.carrier, Entry)

    @property
    def shown_state(self) -> State | EntryState:
        """The state in the words of the contract: an entry has its own, and so has a seat that a draw gave."""
        return entry.state_of(self.carrier, self.state)


def request_of(service: Service, seat: Carrier, person: Person | None = None) -> Request:
    """Return the request that has a seat or an entry, without its person if a newer request has replaced them."""
    person = person or person_store.read(seat.person, service.id)
    person = person if person and person.hold == seat.hold else None
    return Request(
        token=str(keys().link_token(seat.key, seat.hold, seat.generation)),
        service=service,
        carrier=seat,
        state=seat.state,
        reference=person.reference if person else reference_of(service, seat, seat.hold),
        confirm_before=seat.until,
        filed_at=seat.filed_at,
        person=person,
    )


def reference_of(service: Service, seat: Carrier, hold: str, signer: Keys | None = None) -> str:
    """Return the reference of the request that a hold of this seat became, live or ended.

    It is made with the secret at its filing. While there are other secrets, this reads the person item for it. Without
    one, the secret of `signer` is taken, which made the link.
    """
    person = None
    if seat.person and len(keys().lockers) > 1:
        person = person_store.read(seat.person, service.id)
        if person is None or person.hold != hold:
            person = person_store.read_replaced(seat.person, service.id, hold)
    return person.reference if person else (signer or keys()).reference(service.id, hold)


def view(link: str, now: datetime) -> Request:
    """Read the request of a link. One that has ended has its outcome as its state, and no person.

    A displaced request has its person as long as it can choose another seat. The link of an entry that a draw gave a
    seat leads to the request on that seat. Raises LinkExpired when the seat has gone to somebody else, or the e-mail
    address was corrected since.
    """
    token = keys().read_link_token(link)
    service = service_store.read(token.key.service, now)
    seat = seat_store.read(token.key)
    if seat.state in BOOKED and keys().is_current_link(token, seat.hold, seat.generation):
        if _is_over(seat, now):
            return _ended(service, seat, token, State.EXPIRED, seat.hold)
        return request_of(service, seat)
    if not keys().is_current_link(token, seat.past, seat.generation) or not seat.past_state:
        raise LinkExpired
    if isinstance(seat, Entry) and seat.moved_to:
        return view(str(keys().link_token(seat.moved_to, seat.past, seat.generation)), now)
    request = _ended(service, seat, token, seat.past_state, seat.past)
    if seat.past_state is not State.DISPLACED or seat.until is None or seat.until <= now:
        return request
    person = person_store.read(seat.person, service.id)
    still_theirs = person is not None and (person.hold, person.seat) == (seat.past, seat.key)
    return replace(request, person=person if still_theirs else None, confirm_before=seat.until)


def _is_over(seat: Carrier, now: datetime) -> bool:
    """Tell whether the time of a request has run out that nothing has ended yet. A confirmed appointment has no end."""
    has_end = seat.state is State.PENDING or isinstance(seat, Entry)
    return has_end and seat.until is not None and seat.until <= now


def _ended(service: Service, seat: Carrier, token: SignedToken, outcome: State, hold: str) -> Request:
    signer = keys().signer_of_link(token, hold, seat.generation)
    return Request(str(token), service, seat, outcome, reference_of(service, seat, hold, signer))


def confirm(link: str, now: datetime) -> Request:
    """Confirm a request, or prove the e-mail address of an entry. Idempotent.

    Raises LinkExpired when its time has run out or it has ended.
    """
    request = view(link, now)
    if request.state is State.PENDING:
        if isinstance(request.carrier, Entry):
            entry_store.confirm(request.carrier, tokens.new_receipt(), now + entry.LIFE, now)
        elif seat_store.confirm(request.carrier.key, request.carrier.hold, now):
            return replace(request, state=State.CONFIRMED)
        request = view(link, now)  # it changed since it was read
    if request.state not in APPOINTMENT:
        raise LinkExpired
    return request


def cancel(
    link: str,
    now: datetime,
    *,
    random_fraction: Callable[[], float] = RNG.random,
) -> Request:
    """Cancel a request, or leave the draws. Idempotent.

    Raises AppointmentBegun once the desk has recorded something, LinkExpired when the request has ended otherwise.
    """
    request = view(link, now)
    if request.state in LIVE:
        service, seat = request.service, request.carrier
        if end_request(service, seat, State.CANCELLED, now=now, random_fraction=random_fraction):
            return replace(request, state=State.CANCELLED, confirm_before=None, person=None)
        request = view(link, now)  # it changed since it was read
    check_not_recorded(request)
    if request.state is not State.CANCELLED:
        raise LinkExpired
    return request


def check_not_recorded(request: Request) -> None:
    """Raise AppointmentBegun if the desk has recorded the arrival or the outcome."""
    if request.state in RECORDED:
        raise AppointmentBegun


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its e-mail address again, if both match. The caller does not learn whether.

    The id of the service in the reference may be written without its hyphens.
    """
    written = tokens.service_of_reference(reference)
    ids = [service.id for service in service_store.read_all(now)]
    service_id = next((known for known in ids if known.replace("-", "") == written.replace("-", "")), written)
    spelled = service_id + reference[len(written) :]
    for locker in keys().lockers:  # always all: the time must not tell under which secret the request was filed
        person_store.ask_link(locker.email_key(email), service_id, spelled.upper(), now, pause=LINK_PAUSE)
