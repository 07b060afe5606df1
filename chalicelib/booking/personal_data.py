"""What the owner of a request may do with it: the convocation again, a correction, their data, and erasing it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import log
from chalicelib.booking import filing, requests
from chalicelib.booking.requests import Request
from chalicelib.domain import codec, lifecycle, names
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, InvalidFields, LinkExpired
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import person_store, request_store, seat_admin, seat_store

PAUSE = timedelta(minutes=2)
"""How long an owner waits before the convocation is sent again."""
CORRECTIONS = 3
"""How often a request may be corrected."""
ANOTHER_NAME = N_("Vous pouvez corriger une faute de frappe, pas donner le rendez-vous à une autre personne.")
NO_MORE = N_("Vous avez déjà fait trois corrections. Écrivez-nous pour en faire une autre.")


def _owned(token: str, now: datetime, *states: State) -> tuple[Request, Person]:
    """A request in one of these states with its person; LinkOver otherwise."""
    found = requests.view(token, now)
    person = found.person or _kept(found)
    if found.state not in states or person is None:
        raise LinkExpired
    return found, person


def _kept(found: Request) -> Person | None:
    """The person of a request that has ended, as long as its seat went to nobody else."""
    if not found.seat.person:
        return None
    person = person_store.read(found.seat.person, found.service.id)
    if person and person.hold == _hold(found):
        return person
    return person_store.read_replaced(found.seat.person, found.service.id, _hold(found))


def _hold(found: Request) -> str:
    """The hold of a request, live or ended."""
    return found.seat.hold or found.seat.past


def send_convocation(token: str, now: datetime) -> tuple[Request, bool]:
    """Send the convocation of a confirmed request again, at most once in two minutes; False after three in a day."""
    found, person = _owned(token, now, State.CONFIRMED)
    return found, person_store.ask_convocation(person, now, pause=PAUSE)


def view_correctable(token: str, now: datetime) -> Request:
    """A live request, to correct."""
    return _owned(token, now, State.PENDING, State.CONFIRMED)[0]


def correct(found: Request, first_name: str, last_name: str, phone: str, *, now: datetime) -> Request:
    """Correct the spelling of a name, or the phone; a new convocation follows.

    The desk sees the name as it was filed beside the corrected one, and both names are locked. Raises InvalidFields for
    another name, AlreadyRequested when the corrected name has a request of its own.
    """
    person = found.person
    if person is None:
        raise LinkExpired
    wanted = replace(person.details, first_name=first_name, last_name=last_name, phone=phone)
    if wanted == person.details:
        return found
    filed = person.as_filed or person.details
    if not names.is_respelling(_name(wanted), _name(filed)):
        raise InvalidFields({"last_name": ANOTHER_NAME})
    if person.corrected >= CORRECTIONS:
        raise InvalidFields({"last_name": NO_MORE})
    renamed = _name(wanted) != _name(person.details)
    try:
        done = request_store.correct(
            person,
            wanted,
            keys().person_key(first_name, last_name, wanted.birth_date),
            now=now,
            erase_at=found.service.erase_at(person.seat),
            send=renamed and found.state is State.CONFIRMED,
            counts=filing.lock_rule(found.service, now),
        )
    except AlreadyRequested:
        person_store.spend_correction(person)  # or it would tell without end which names have a request
        raise
    if done:
        log.event("corrected", seat=found.seat.key.ref, renamed=renamed)
    return requests.view(found.token, now)


def _name(details: Details) -> str:
    return f"{details.first_name} {details.last_name}"


def data(token: str, now: datetime) -> dict[str, Any]:
    """Everything that is kept about the owner of a request, as a document."""
    found, person = _owned(token, now, *(set(State) - {State.MOVED}))
    return document_of(found.service, person, found.state)


def document_of(service: Service, person: Person, state: State | None) -> dict[str, Any]:
    """Everything that is kept about a person, as a document; no state where the seat went on to somebody else."""
    return {
        "service": service.id,
        "reference": person.reference,
        "state": str(state or "ended"),
        "appointment": service.start_of(person.seat).isoformat(),
        "filed_at": person.filed_at.astimezone(service.zone).isoformat(timespec="seconds"),
        "details": codec.details_to_document(person.details),
        "details_as_filed": codec.details_to_document(person.as_filed) if person.as_filed else None,
        "corrections": person.corrected,
        "moves": person.moves,
        "letters_sent": sorted({mark.partition(":")[0] for mark in person.sent}),
        "erased_after": service.erase_at(person.seat).date().isoformat(),
    }


def erase(token: str, now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> Request:
    """Delete all that is kept about the owner of a request, and cancel it if it is live. Again is the same.

    A live request ends and its items are deleted in one transaction; LinkOver when it moved at the same moment.
    """
    found = requests.view(token, now)
    if found.state is State.MOVED:
        raise LinkExpired
    person = found.person or _kept(found)
    if found.seat.state in {State.PENDING, State.CONFIRMED} and _hold(found) == found.seat.hold:
        ended = State.CANCELLED if found.state is not State.EXPIRED else State.EXPIRED
        back = lifecycle.return_moment(found.service, found.seat.key, now, random_fraction())
        if person is None or person.replaced:  # an appointment that is over, whose person has a newer request
            if person:
                person_store.erase(person, _addresses(person))
            seat_store.end_request(found.seat, ended, back, now, early=True)
        elif not request_store.erase(found.seat, person, _addresses(person), ended=ended, opens_at=back, now=now):
            return erase(token, now, random_fraction=random_fraction)  # it moved or ended at this moment
    elif person:
        person_store.erase(person, _addresses(person))
    if found.state is State.DISPLACED and not seat_admin.give_up_choice(found.seat):
        return erase(token, now, random_fraction=random_fraction)  # it moved at this moment
    if person:
        log.event("erased", seat=found.seat.key.ref)
    seat_store.forget_person(found.seat.key, _hold(found))
    return replace(found, state=State.CANCELLED, person=None, confirm_before=None)


def _addresses(person: Person) -> list[str]:
    return [keys().email_key(person.details.email)]
