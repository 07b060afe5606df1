"""What time does to a seat: when it expires, when it returns, when its reminder is due."""

from datetime import UTC, datetime, timedelta

from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service

BACK_BEFORE = timedelta(hours=24)
"""A seat that was given back is open again at least this long before its slot."""


def stays_closed(service: Service, seat: Seat) -> bool:
    """Was it given back too late for anybody else?"""
    return seat.returns_at is not None and seat.returns_at >= service.start_of(seat.key)


def return_moment(service: Service, key: SeatKey, now: datetime, fraction: float) -> datetime:
    """When a freed seat opens again: `chance` (0 to 1) places it inside the service's return window.

    The window is cut so that the seat is back at least a day and `notice` before its slot; nearer than that it
    stays closed (it opens at its own start, when nobody can take it).
    """
    limits = service.limits
    first, last = now + limits.return_after, now + limits.return_before
    start = service.start_of(key).astimezone(UTC)
    last = min(last, start - max(limits.notice, BACK_BEFORE))
    if last <= first:
        return start
    return first + (last - first) * fraction


def expired_state(seat: Seat, now: datetime) -> State | None:
    """What the clock makes of a seat: EXPIRED for an unconfirmed request, OPEN for an unfinished hold."""
    if seat.until is None or seat.until >= now:
        return None
    if seat.state is State.PENDING:
        return State.EXPIRED
    return State.OPEN if seat.state is State.HELD and seat.is_free(now) else None


def needs_reminder(service: Service, seat: Seat, now: datetime) -> bool:
    """Is it two days before a confirmed appointment? Not for one filed the day before that: its letters are recent."""
    if seat.state is not State.CONFIRMED or seat.reminded or seat.filed_at is None:
        return False
    start, limits = service.start_of(seat.key), service.limits
    return now < start <= now + limits.remind and start - seat.filed_at >= limits.remind + timedelta(days=1)
