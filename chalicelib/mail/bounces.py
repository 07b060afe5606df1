"""Handle the feedback of SES on a letter: a delivery, a bounce or a complaint."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from chalicelib import log
from chalicelib.booking.ending import end_request
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Key, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store

DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
KINDS = {"Delivery": DELIVERED, "Bounce": BOUNCED, "Complaint": COMPLAINED}
PERMANENT = "Permanent"
NOT_SPAM = "not-spam"
"""The complaint type of a reader who marks a letter as wanted. It stops no letters."""


class Unreadable(ValueError):
    """Raised for a message that is not the feedback of SES on one letter. It names a field, never a value."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of a letter. `stops` tells that no other letter may be sent to this e-mail address."""

    kind: str
    email: str
    stops: bool = False


def read(message: str) -> Feedback:
    """Read an event or a notification of SES about one letter. Raises Unreadable for anything else."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    name = _get(document, "eventType" if "eventType" in _fields(document) else "notificationType", str)
    if name not in KINDS:
        raise Unreadable("a type that was not asked for")
    to = _get(_get(document, "mail", dict), "destination", list)
    if len(to) != 1 or not isinstance(to[0], str):
        raise Unreadable("destination")
    stops = False
    if name == "Bounce":
        stops = _get(_get(document, "bounce", dict), "bounceType", str) == PERMANENT
    elif name == "Complaint":
        stops = _get(document, "complaint", dict).get("complaintFeedbackType") != NOT_SPAM
    return Feedback(KINDS[name], to[0], stops)


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("no object")
    return value


def _get(parent: Any, name: str, expected: type) -> Any:
    value = _fields(parent).get(name)
    if not isinstance(value, expected):
        raise Unreadable(name)
    return value


def handle(message: str, now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> None:
    """Log the feedback on a letter. If no other may be sent, stop the letters to its e-mail address.

    After a permanent bounce, a request that waits for its confirmation ends: nobody can confirm it.
    """
    try:
        feedback = read(message)
    except Unreadable as reason:
        log.event("mail-feedback-odd", reason=str(reason))
        return
    stopped = freed = 0
    if feedback.stops:
        email_keys = [locker.email_key(feedback.email) for locker in keys().lockers]
        for service, email_key in product(service_store.read_all(now), email_keys):
            for request in person_store.requests_of_email(email_key, service.id):
                if person_store.stop_letters(request, service.id, feedback.kind):
                    stopped += 1
                    if feedback.kind == BOUNCED:
                        freed += _end_pending(service, request.seat, request.hold, now, random_fraction)
    log.event(f"mail-{feedback.kind}", stops=feedback.stops, requests=stopped, freed=freed)


def _end_pending(service: Service, key: Key, hold: str, now: datetime, random_fraction: Callable[[], float]) -> bool:
    """End a request that waits for its confirmation. Return whether its seat was freed.

    Within the time for the form the person can still correct the e-mail address. Until then they keep the seat.
    """
    seat = seat_store.read(key)
    if seat.state is not State.PENDING or seat.hold != hold or seat.filed_at is None:
        return False
    correctable_until = seat.filed_at + service.limits.form
    if now < correctable_until:
        seat_store.shorten_pending(seat, correctable_until)
        return False
    return end_request(service, seat, State.EXPIRED, now=now, early=True, random_fraction=random_fraction)
