"""What the owner of a request may do with it: the convocation again, a correction, their data, and erasing it."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import appointment, files, locks, log, places, tokens
from chalicelib.appointment import Request
from chalicelib.booking import keys
from chalicelib.errors import InvalidFields, LinkOver
from chalicelib.model import Details, Person, State
from chalicelib.words import N_

_chance = random.SystemRandom()
PAUSE = timedelta(minutes=2)
"""How long an owner waits before the convocation is sent again."""
CORRECTIONS = 3
"""How often a request may be corrected."""
ANOTHER_NAME = N_("Vous pouvez corriger une faute de frappe, pas donner le rendez-vous à une autre personne.")
NO_MORE = N_("Vous avez déjà fait trois corrections. Écrivez-nous pour en faire une autre.")


def _owned(token: str, now: datetime, *states: State) -> tuple[Request, Person]:
    """A request in one of these states with its person; LinkOver otherwise."""
    found = appointment.view_request(token, now)
    if found.state not in states or found.person is None:
        raise LinkOver
    return found, found.person


def send_convocation(token: str, now: datetime) -> Request:
    """Send the convocation of a confirmed request again; at most once in two minutes."""
    found, person = _owned(token, now, State.CONFIRMED)
    locks.want_convocation(person, now, pause=PAUSE)
    return found


def view_correctable(token: str, now: datetime) -> Request:
    """A live request, to correct."""
    return _owned(token, now, State.PENDING, State.CONFIRMED)[0]


def correct(found: Request, first_name: str, last_name: str, phone: str, *, now: datetime) -> Request:
    """Correct the spelling of a name, or the phone; a new convocation follows. InvalidFields for another name.

    The desk sees the name as it was filed beside the one that is now.
    """
    person = found.person
    if person is None:
        raise LinkOver
    wanted = replace(person.details, first_name=first_name, last_name=last_name, phone=phone)
    if wanted == person.details:
        return found
    filed = person.as_filed or person.details
    if not tokens.is_spelling(_name(wanted), _name(filed)):
        raise InvalidFields({"last_name": ANOTHER_NAME})
    if person.corrected >= CORRECTIONS:
        raise InvalidFields({"last_name": NO_MORE})
    renamed = _name(wanted) != _name(person.details)
    if locks.correct(person, wanted, now, send=renamed and found.state is State.CONFIRMED):
        log.event("corrected", seat=found.seat.key.ref, renamed=renamed)
    return appointment.view_request(found.token, now)


def _name(details: Details) -> str:
    return f"{details.first_name} {details.last_name}"


def data(token: str, now: datetime) -> dict[str, Any]:
    """Everything that is kept about the owner of a live request, as a document."""
    found, person = _owned(token, now, State.PENDING, State.CONFIRMED, State.DISPLACED)
    service = found.service
    return {
        "service": service.id,
        "reference": person.reference,
        "state": str(found.state),
        "appointment": found.start.isoformat(),
        "filed_at": person.filed_at.astimezone(service.zone).isoformat(timespec="seconds"),
        "details": files.details_to(person.details),
        "details_as_filed": files.details_to(person.as_filed) if person.as_filed else None,
        "corrections": person.corrected,
        "moves": person.moves,
        "letters_sent": sorted({mark.partition(":")[0] for mark in person.sent}),
        "erased_after": (found.start + service.limits.erase_after).date().isoformat(),
    }


def erase(token: str, now: datetime, *, chance: Callable[[], float] = _chance.random) -> Request:
    """Delete all that is kept about the owner of a live request, and cancel it. Again is the same.

    The seat comes last: as long as it carries the request, whoever was cut off can do it again.
    """
    found = appointment.view_request(token, now)
    if found.person is not None:
        locks.erase(found.person, keys().address(found.person.details.email))
        log.event("erased", seat=found.seat.key.ref)
    if found.state is State.DISPLACED:
        places.give_up_choice(found.seat)
    else:
        appointment.cancel_request(token, now, chance=chance)
    return replace(found, state=State.CANCELLED, person=None, confirm_before=None)
