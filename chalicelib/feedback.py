"""What SES says became of a letter: it arrived, it came back, or its reader called it unwanted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import booking, locks, log, store, timetable
from chalicelib.chance import CHANCE
from chalicelib.model import SeatKey, Service, State

DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
KINDS = {"Delivery": DELIVERED, "Bounce": BOUNCED, "Complaint": COMPLAINED}
LASTING = "Permanent"
WELCOME = "not-spam"
"""What a reader says who takes a letter out of the unwanted ones: a complaint by name only."""


class Odd(ValueError):
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
        raise Odd("no JSON") from error
    name = _get(said, "eventType" if "eventType" in _fields(said) else "notificationType", str)
    if name not in KINDS:
        raise Odd("a type that was not asked for")
    to = _get(_get(said, "mail", dict), "destination", list)
    if len(to) != 1 or not isinstance(to[0], str):
        raise Odd("destination")
    stops = False
    if name == "Bounce":
        stops = _get(_get(said, "bounce", dict), "bounceType", str) == LASTING
    elif name == "Complaint":
        stops = _get(said, "complaint", dict).get("complaintFeedbackType") != WELCOME
    return Feedback(KINDS[name], to[0], stops)


def _fields(of: Any) -> dict[str, Any]:
    if not isinstance(of, dict):
        raise Odd("no object")
    return of


def _get(of: Any, name: str, kind: type) -> Any:
    value = _fields(of).get(name)
    if not isinstance(value, kind):
        raise Odd(name)
    return value


def take(message: str, now: datetime, *, chance: Callable[[], float] = CHANCE.random) -> None:
    """Count it; if no other letter may follow, stop those to this address and end a request that waits for it."""
    try:
        told = read(message)
    except Odd as reason:
        log.event("mail-feedback-odd", reason=str(reason))
        return
    stopped = freed = 0
    if told.stops:
        address = booking.keys().address(told.address)
        for service in store.services(now):
            request = locks.request_of(address, service.id)
            if request and locks.stop_letters(request, service.id, told.kind):
                stopped += 1
                if told.kind == BOUNCED:
                    freed += _end(service, request.seat, request.hold, now, chance())
    log.event(f"mail-{told.kind}", stops=told.stops, requests=stopped, freed=freed)


def _end(service: Service, key: SeatKey, hold: str, now: datetime, chance: float) -> bool:
    """End a request that waits for a confirmation which cannot come; its seat returns as any other.

    Within the time of the form the person may still correct the e-mail address: until then the seat stays theirs.
    """
    seat = store.seat(key)
    if seat.state is not State.PENDING or seat.hold != hold or seat.filed_at is None:
        return False
    if now < (correctable := seat.filed_at + service.limits.form):
        store.shorten(seat, correctable)
        return False
    back = timetable.return_moment(service, key, now, chance)
    return store.end_request(seat, State.EXPIRED, back, now, early=True)
