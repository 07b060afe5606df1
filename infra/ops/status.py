"""What a seat is now, in the words of the office."""

from datetime import datetime
from enum import StrEnum

from chalicelib.domain import calendar, lifecycle
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service


class Status(StrEnum):
    """What a seat is now; the order is that of the columns."""

    FREE = "free"
    COMING = "coming"
    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    RETURNING = "waiting to return"
    LATE = "given back too late"
    SHORT = "too short notice"
    SET_ASIDE = "set aside"
    CLOSED = "closed"


_BOOKED = {State.PENDING: Status.PENDING, State.CONFIRMED: Status.CONFIRMED, State.CLOSED: Status.CLOSED}


def status(service: Service, seat: Seat, now: datetime) -> Status:
    """FREE is what a visitor may take; LATE is a seat given back when nobody else could come any more."""
    if seat.state in _BOOKED:
        return _BOOKED[seat.state]
    if lifecycle.stays_closed(service, seat):
        return Status.LATE
    if seat.is_free(now):
        return Status.FREE if calendar.is_offered(service, seat.key, now) else Status.SHORT
    if seat.state is State.HELD:
        return Status.HELD
    if seat.is_set_aside(now):
        return Status.SET_ASIDE
    return Status.RETURNING if seat.past_state else Status.COMING
