"""What a seat is now, in the operator's terms."""

from datetime import datetime
from enum import StrEnum

from chalicelib.domain import calendar, lifecycle, timetable
from chalicelib.domain.seat import APPOINTMENT, Seat, State
from chalicelib.domain.service import Service


class SeatStatus(StrEnum):
    """What a seat is now, in the order of the columns of a table."""

    FREE = "free"
    COMING = "coming"
    INTERNAL = "internal"
    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    RETURNING = "waiting to return"
    LATE = "given back too late"
    SHORT = "too short notice"
    SET_ASIDE = "set aside"
    CLOSED = "closed"

    @property
    def key(self) -> str:
        """The name in a JSON document."""
        return self.replace(" ", "_")


_BY_STATE = {
    State.PENDING: SeatStatus.PENDING,
    State.CLOSED: SeatStatus.CLOSED,
    **dict.fromkeys(APPOINTMENT, SeatStatus.CONFIRMED),
}


def seat_status(service: Service, seat: Seat, now: datetime) -> SeatStatus:
    """Return the status of a seat. One of which the desk recorded something is CONFIRMED.

    FREE: visitors can take it. INTERNAL: only the desk gives it until its release to the public. SHORT: it is inside
    the service's notice. LATE: it was given back inside the notice.
    """
    if seat.state in _BY_STATE:
        return _BY_STATE[seat.state]
    is_internal = timetable.is_internal(service, seat, now)
    if lifecycle.stays_closed(service, seat):
        return SeatStatus.INTERNAL if is_internal else SeatStatus.LATE
    if seat.is_free(now):
        return SeatStatus.FREE if calendar.is_offered(service, seat.key, now) else SeatStatus.SHORT
    if seat.state is State.HELD:
        return SeatStatus.HELD
    if seat.is_set_aside(now):
        return SeatStatus.SET_ASIDE
    unopened = SeatStatus.RETURNING if seat.past_state else SeatStatus.COMING
    return SeatStatus.INTERNAL if is_internal else unopened
