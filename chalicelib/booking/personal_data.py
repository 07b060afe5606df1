"""What applicants may do with their own data: the convocation again, a correction, a copy of all data, and erasure."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import log
from chalicelib.booking import ending, families, requests
from chalicelib.booking.locks import lock_rule, other_keys
from chalicelib.booking.requests import LIVE, Request
from chalicelib.domain import codec, entry, names
from chalicelib.domain.entry import Carrier, Entry
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, InvalidFields, LinkExpired
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys_of
from chalicelib.storage import lock_store, person_store, request_store, seat_maintenance, seat_store

CONVOCATION_PAUSE = timedelta(minutes=2)
"""How long an applicant waits before the convocation is sent again."""
CORRECTIONS = 3
"""How often a request may be corrected."""
ANOTHER_NAME = N_("Vous pouvez corriger une faute de frappe, pas donner le rendez-vous à une autre personne.")
NO_MORE = N_("Vous avez déjà fait trois corrections. Écrivez-nous pour en faire une autre.")


def _read(link: str, now: datetime, *states: State) -> tuple[Request, Person]:
    """Read a request in one of these states, with its person. Raises AppointmentBegun or LinkExpired otherwise."""
    request = requests.view(link, now)
    if request.state not in states:
        requests.check_not_recorded(request)
    person = request.person or _person_of_ended(request)
    if request.state not in states or person is None:
        raise LinkExpired
    return request, person


def _person_of_ended(request: Request) -> Person | None:
    """Read the person of a request that has ended, as long as nobody else has taken its seat."""
    key, service_id, hold = request.carrier.person, request.service.id, _hold(request)
    if not key:
        return None
    person = person_store.read(key, service_id)
    return person if person and person.hold == hold else person_store.read_replaced(key, service_id, hold)


def _hold(request: Request) -> str:
    """Return the digest of the hold of a request, live or ended."""
    return request.carrier.hold or request.carrier.past


def send_convocation(link: str, now: datetime) -> tuple[Request, bool]:
    """Send the convocation of a confirmed request again: at most once in CONVOCATION_PAUSE, and three times a day.

    Return the request, and whether the convocation will be sent.
    """
    request, person = _read(link, now, State.CONFIRMED)
    if request.is_entry:
        raise LinkExpired
    return request, person_store.ask_convocation(person, now, pause=CONVOCATION_PAUSE)


def view_correctable(link: str, now: datetime) -> Request:
    """Read a live request, to correct it. Raises AppointmentBegun or LinkExpired otherwise."""
    return _read(link, now, *LIVE)[0]


def correct(request: Request, first_name: str, last_name: str, phone: str, *, now: datetime) -> Request:
    """Correct the spelling of a name, or the phone number. A new convocation follows.

    The agent sees the name as filed beside the corrected one, and both names are locked. Raises what `check_correction`
    raises, and AlreadyRequested when the corrected name has a request of its own.
    """
    person, corrected = check_correction(request, first_name, last_name, phone)
    if corrected == person.details:
        return request
    renamed = _name(corrected) != _name(person.details)
    sends = renamed and request.state is State.CONFIRMED and not request.is_entry
    own = keys_of(person)
    try:
        is_done = request_store.correct(
            person,
            corrected,
            own.person_key(first_name, last_name, corrected.birth_date),
            now=now,
            erase_at=entry.erase_at(request.service, request.carrier, request.carrier.until),
            send=sends and families.is_recipient(replace(person, details=corrected)),
            is_live=lock_rule(request.service, now),
            other_keys=lock_store.OtherKeys(other_keys(own, corrected).people),
        )
    except AlreadyRequested:
        person_store.count_refused_correction(person)  # otherwise any number of names could be tried for a request
        raise
    if is_done:
        log.event("corrected", seat=request.carrier.key.ref, renamed=renamed)
        if sends:
            families.send_convocations(person, now, already_sent_to=person.key)
    return requests.view(request.token, now)


def check_correction(request: Request, first_name: str, last_name: str, phone: str) -> tuple[Person, Details]:
    """Return the person of a request and the corrected details. Writes nothing.

    Raises InvalidFields for another name or after CORRECTIONS corrections, LinkExpired if the details are erased.
    """
    person = request.person
    if person is None:
        raise LinkExpired
    corrected = replace(person.details, first_name=first_name, last_name=last_name, phone=phone)
    if corrected == person.details:
        return person, corrected
    if not names.is_respelling(_name(corrected), _name(person.as_filed or person.details)):
        raise InvalidFields({"last_name": ANOTHER_NAME})
    if person.corrected >= CORRECTIONS:
        raise InvalidFields({"last_name": NO_MORE})
    return person, corrected


def _name(details: Details) -> str:
    return f"{details.first_name} {details.last_name}"


def data(link: str, now: datetime) -> dict[str, Any]:
    """Return all data that is stored about an applicant, as a document."""
    request, person = _read(link, now, *(set(State) - {State.MOVED}))
    return document_of(request.service, person, request.state, request.carrier)


def document_of(service: Service, person: Person, state: State | None, seat: Carrier | None) -> dict[str, Any]:
    """Return all data that is stored about a person, as a document.

    `state` and `seat` are None when somebody else has the seat.
    """
    document: dict[str, Any] = {
        "service": service.id,
        "reference": person.reference,
        "state": str(state or "ended"),
        "appointment": service.start_of(person.seat).isoformat() if isinstance(person.seat, SeatKey) else None,
        "filed_at": person.filed_at.astimezone(service.zone).isoformat(timespec="seconds"),
        "details": codec.details_to_document(person.details),
        "details_as_filed": codec.details_to_document(person.as_filed) if person.as_filed else None,
        "booked_by_office": bool(person.booked_by),
        "booked_together": len(person.family),
        "corrections": person.corrected,
        "moves": person.moves,
        "letters_sent": sorted({mark.partition(":")[0] for mark in person.sent}),
    }
    if isinstance(seat, Entry):
        document["state"] = str(entry.state_of(seat, state)) if state else "ended"
        document["receipt"], document["preferences"] = seat.receipt or None, list(seat.preferences)
        document["erased_after"] = seat.erase_at.date().isoformat() if seat.erase_at else None
    elif isinstance(person.seat, SeatKey):
        document["erased_after"] = service.erase_at(person.seat).date().isoformat()
    return document


def erase(
    link: str,
    now: datetime,
    *,
    random_fraction: Callable[[], float] = RNG.random,
) -> Request:
    """Delete all data that is stored about an applicant, and cancel the request if it is live. Idempotent.

    A live request ends and its items are deleted in one transaction. Raises LinkExpired when it has moved, and
    AppointmentBegun once the desk has recorded something: the data are then erased at their time.
    """
    request = requests.view(link, now)
    requests.check_not_recorded(request)
    if request.state is State.MOVED:
        raise LinkExpired
    person = request.person or _person_of_ended(request)
    if person:
        families.forget(person)
    if not _erase(request, person, now, random_fraction):
        return erase(link, now, random_fraction=random_fraction)  # it changed since it was read
    if person:
        log.event("erased", seat=request.carrier.key.ref)
        if request.state in LIVE:  # otherwise the others were told when the request ended
            families.send_convocations(person, now)
    seat_store.remove_person(request.carrier.key, _hold(request))
    return replace(request, state=State.CANCELLED, person=None, confirm_before=None)


def _erase(
    request: Request,
    person: Person | None,
    now: datetime,
    random_fraction: Callable[[], float],
) -> bool:
    """End a request if it is live, and delete its person. Return False if it moved or ended since it was read."""
    service, seat = request.service, request.carrier
    outcome = State.EXPIRED if request.state is State.EXPIRED else State.CANCELLED
    email_keys = ending.email_keys_of(person) if person else []
    if seat.state in LIVE and person and not person.replaced:
        return ending.erase_request(
            service,
            seat,
            person,
            email_keys,
            outcome,
            now=now,
            random_fraction=random_fraction,
        )
    if person:
        person_store.erase(person, email_keys)
    if seat.state in LIVE:  # an appointment in the past, whose person has filed a newer request since
        ending.end_request(service, seat, outcome, now=now, early=True, random_fraction=random_fraction)
    if request.state is State.DISPLACED and isinstance(seat, Seat):
        return seat_maintenance.give_up_choice(seat)
    return True
