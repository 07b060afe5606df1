"""What SES says became of a letter: it arrived, it came back, or its reader called it unwanted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import log
from chalicelib.domain import lifecycle
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store

DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
KINDS = {"Delivery": DELIVERED, "Bounce": BOUNCED, "Complaint": COMPLAINED}
PERMANENT = "Permanent"
NOT_SPAM = "not-spam"
"""What a reader says who takes a letter out of the unwanted ones: a complaint by name only."""


class Unreadable(ValueError):
    """Raised for a message that is not what SES sends about one letter; its words name a field, never a value."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of a letter to this address; `stops` says that no other may follow."""

    kind: str
    address: str
    stops: bool = False


def read(message: str) -> Feedback:
    """Read an event or a notification of SES (one letter, one address); Odd for anything else."""
    try:
        said = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    name = _get(said, "eventType" if "eventType" in _fields(said) else "notificationType", str)
    if name not in KINDS:
        raise Unreadable("a type that was not asked for")
    to = _get(_get(said, "mail", dict), "destination", list)
    if len(to) != 1 or not isinstance(to[0], str):
        raise Unreadable("destination")
    stops = False
    if name == "Bounce":
        stops = _get(_get(said, "bounce", dict), "bounceType", str) == PERMANENT
    elif name == "Complaint":
        stops = _get(said, "complaint", dict).get("complaintFeedbackType") != NOT_SPAM
    return Feedback(KINDS[name], to[0], stops)


def _fields(of: Any) -> dict[str, Any]:
    if not isinstance(of, dict):
        raise Unreadable("no object")
    return of


def _get(of: Any, name: str, kind: type) -> Any:
    value = _fields(of).get(name)
    if not isinstance(value, kind):
        raise Unreadable(name)
    return value


def handle(message: str, now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> None:
    """Count it; if no other letter may follow, stop those to this address and end a request that waits for it."""
    try:
        told = read(message)
    except Unreadable as reason:
        log.event("mail-feedback-odd", reason=str(reason))
        return
    stopped = freed = 0
    if told.stops:
        address = keys().email_key(told.address)
        for service in service_store.read_all(now):
            request = person_store.request_of_email(address, service.id)
            if request and person_store.stop_letters(request, service.id, told.kind):
                stopped += 1
                if told.kind == BOUNCED:
                    freed += _end(service, request.seat, request.hold, now, random_fraction())
    log.event(f"mail-{told.kind}", stops=told.stops, requests=stopped, freed=freed)


def _end(service: Service, key: SeatKey, hold: str, now: datetime, fraction: float) -> bool:
    """End a request that waits for a confirmation which cannot come; its seat returns as any other.

    Within the time of the form the person may still correct the e-mail address: until then the seat stays theirs.
    """
    seat = seat_store.read(key)
    if seat.state is not State.PENDING or seat.hold != hold or seat.filed_at is None:
        return False
    if now < (correctable := seat.filed_at + service.limits.form):
        seat_store.shorten(seat, correctable)
        return False
    back = lifecycle.return_moment(service, key, now, fraction)
    return seat_store.end_request(seat, State.EXPIRED, back, now, early=True)
