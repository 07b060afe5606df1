"""What an agent changes later for somebody who has a request: details, date, or cancellation.

Each change is one transaction with its audit item, and may be repeated. The applicant is told by letter if there is an
e-mail address.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from chalicelib.booking import ending, families, moves, requests
from chalicelib.booking.locks import is_email_in_use, lock_rule, other_keys
from chalicelib.booking.requests import LIVE, Request
from chalicelib.desk import audit, places
from chalicelib.domain import lifecycle
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import (
    AppointmentBegun,
    EmailInUse,
    InvalidFields,
    LinkExpired,
    NotAllowed,
    NotFound,
    SlotTaken,
    TooManyRequests,
)
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import BOOKED, RECORDED, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys_of
from chalicelib.storage import booking_store, move_store, person_store, seat_store
from chalicelib.storage.desk_items import DeskAuditItem
from chalicelib.storage.move_store import Move, MoveResult

TRIES = 3
TO_CONFIRM = "Cette demande attend une confirmation par e-mail : laissez une adresse, ou annulez et réservez à nouveau."


def read(service: Service, key: SeatKey) -> Request:
    """Read the request on a seat, for its forms: live, or displaced and free to choose another seat.

    Raise NotFound if there is none with a person, and AppointmentBegun once the desk has recorded something.
    """
    if key.service != service.id:
        raise NotFound
    seat = seat_store.read(key)
    if seat.state in RECORDED:
        raise AppointmentBegun
    person = person_store.read(seat.person, service.id) if seat.person else None
    if person is None or person.seat != key:
        raise NotFound
    if seat.state in LIVE and seat.hold == person.hold:
        return requests.request_of(service, seat, person)
    if seat.past_state is State.DISPLACED and seat.past == person.hold:
        displaced = requests.request_of(service, replace(seat, hold=seat.past), person)
        return replace(displaced, carrier=seat, state=State.DISPLACED)
    raise NotFound


def change_details(
    service: Service, key: SeatKey, details: Details, account: Account, now: datetime, *, share_email: bool = False
) -> Request:
    """Replace the details of a live request. A new convocation follows to the e-mail address, if there is one.

    A new name is locked beside the one before. A new e-mail address locks nothing, and ends the links sent so far.
    Raise NotFound, NotAllowed, AppointmentBegun, AlreadyRequested for the name of somebody who has another request,
    EmailInUse (not with `share_email`), or InvalidFields without the address that a pending request needs.
    """
    _check(service, account)
    for _ in range(TRIES):
        request = read(service, key)
        person = request.person
        if person is None or request.state not in LIVE:
            raise NotFound
        if details == person.details:
            return request
        _check_email(request, person, details, now, share_email=share_email)
        record = _record(request.seat, account, "details", now, fields=_changed_fields(person.details, details))
        is_told = request.state is State.CONFIRMED and _shown(details) != _shown(person.details)
        send = is_told and families.is_recipient(replace(person, details=details))
        if booking_store.change_details(
            request.seat,
            person,
            _new_details(person, details, send=send),
            record,
            erase_at=service.erase_at(key),
            is_live=lock_rule(service, now),
            now=now,
        ):
            if is_told:
                families.send_convocations(person, now, already_sent_to=person.key)
            return read(service, key)
    raise TooManyRequests


def _check(service: Service, account: Account) -> None:
    if account.role_in(service.id, Role.AGENT) is None:
        raise NotAllowed


def _check_email(request: Request, person: Person, details: Details, now: datetime, *, share_email: bool) -> None:
    """Raise InvalidFields for a pending request without an address, and EmailInUse for that of another request."""
    if request.state is State.PENDING and not details.email:
        raise InvalidFields({"email": TO_CONFIRM})
    if share_email or details.email == person.details.email:
        return
    if is_email_in_use(request.service, details.email, {person.key, *person.names, *person.family}, now):
        raise EmailInUse


def _changed_fields(before: Details, after: Details) -> str:
    return " ".join(name for name in Details.__slots__ if getattr(before, name) != getattr(after, name))


def _shown(details: Details) -> tuple[object, ...]:
    """Return what the convocation shows of somebody, and where it is sent."""
    return details.first_name, details.last_name, details.birth_name, details.birth_date, details.email


def _new_details(person: Person, details: Details, *, send: bool) -> booking_store.NewDetails:
    own, before = keys_of(person), person.details
    return booking_store.NewDetails(
        details,
        own.person_key(details.first_name, details.last_name, details.birth_date),
        old_email=own.email_key(before.email) if before.email else "",
        new_email=own.email_key(details.email) if details.email else "",
        other_people=other_keys(own, details).people,
        send=send,
    )


def cancel(
    service: Service,
    key: SeatKey,
    account: Account,
    now: datetime,
    *,
    hold: str,
    random_fraction: Callable[[], float] = RNG.random,
) -> Seat:
    """Cancel a live request. `hold` is that of the request the agent saw. Idempotent. Return the seat as it is then.

    An internal seat is internal again; any other opens at a secret moment. Raise NotFound, NotAllowed,
    AppointmentBegun, or LinkExpired if the request has ended otherwise.
    """
    _check(service, account)
    for _ in range(TRIES):
        seat = _seat(service, key)
        if seat.past == hold and seat.past_state is State.CANCELLED:
            return seat
        if seat.state not in BOOKED or seat.hold != hold:
            raise LinkExpired
        if seat.state in RECORDED:
            raise AppointmentBegun
        opens_at = lifecycle.return_moment(service, key, now, random_fraction())
        booking_store.cancel(seat, opens_at, now, _record(seat, account, "cancel", now))
    raise TooManyRequests


def _seat(service: Service, key: SeatKey) -> Seat:
    if key.service != service.id:
        raise NotFound
    return seat_store.read(key)


def choices(request: Request, now: datetime) -> list[SeatKey]:
    """Return the seats to which an agent can move a request: free ones, and those set aside for a displaced one."""
    return places.free_for(request.service, now, public=True) + moves.set_aside_for(request, now)


def move(
    service: Service,
    key: SeatKey,
    to: SeatKey,
    account: Account,
    now: datetime,
    *,
    hold: str,
    random_fraction: Callable[[], float] = RNG.random,
) -> Request:
    """Move a confirmed or displaced request to one of its `choices`. `hold` is that of the request the agent saw.

    It does not count as a move of the applicant. Idempotent. Raise NotFound, NotAllowed, AppointmentBegun, SlotTaken,
    or LinkExpired if the request has ended or moved elsewhere.
    """
    _check(service, account)
    for _ in range(TRIES):
        target = _seat(service, to)
        if target.state in LIVE and target.hold == hold:
            return read(service, to)
        seat = _seat(service, key)
        request = read(service, key)
        if hold != (seat.past if request.state is State.DISPLACED else seat.hold):
            raise LinkExpired
        if request.state not in {State.CONFIRMED, State.DISPLACED} or request.person is None:
            raise LinkExpired
        if to in moves.set_aside_for(request, now):
            free = target
        else:
            (free,) = places.read_free(service, [to], now, public=True)
        opens_at = lifecycle.return_moment(service, key, now, random_fraction())
        record = _record(seat, account, "move", now, to=to.ref)
        result = move_store.move(_move(request, request.person, free, opens_at, record), now)
        if result is MoveResult.DONE:
            return read(service, to)
    raise SlotTaken


def _move(request: Request, person: Person, free: Seat, opens_at: datetime, record: DeskAuditItem) -> Move:
    return Move(
        seat=request.seat,
        to=free.key,
        person=person,
        email_keys=ending.email_keys_of(person),
        opens_at=opens_at,
        erase_at=request.service.erase_at(free.key),
        most_moves=None,
        kept=free,
        records=[record],
    )


def _record(seat: Seat, account: Account, act: str, now: datetime, **facts: str) -> DeskAuditItem:
    hold = seat.hold or seat.past
    return audit.item(seat.key.service, account.id, act, now, seat=seat.key.ref, hold=hold, **facts)
