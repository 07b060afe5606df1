"""What the clock does to a seat: when it expires, when it opens again, when its reminder is due."""

from datetime import UTC, datetime, timedelta

from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service

BACK_BEFORE = timedelta(hours=24)
"""A seat that was given back opens again at least this long before its slot."""


def stays_closed(service: Service, seat: Seat) -> bool:
    """Tell whether a seat was given back too late to open again before its slot. In a draw it is offered to others."""
    return not service.draw and seat.returns_at is not None and seat.returns_at >= service.start_of(seat.key)


def return_moment(service: Service, key: SeatKey, now: datetime, fraction: float) -> datetime:
    """Return when a freed seat opens again, in UTC: `fraction` (0 to 1) of the way through the return window.

    The window ends a day and the service's notice before the slot. A seat that is freed too late for that opens at the
    start of its slot, when nobody can take it. So does each seat of a draw, which offers it to somebody else. An
    internal seat opens no sooner than its release to the public; until then the desk can give it again.
    """
    moment = _return_moment(service, key, now, fraction)
    if key in timetable.internal_seats(service, key.week):
        return max(moment, timetable.public_at(service, key))
    return moment


def longest_return(service: Service) -> timedelta:
    """Return how long after it was freed a public seat opens again at the latest, or its slot begins."""
    limits = service.limits
    return max(limits.return_before, limits.return_after + max(limits.notice, BACK_BEFORE))


def returned_to_desk(service: Service, seat: Seat, now: datetime) -> bool:
    """Tell whether a seat was given back before its release to the public: no other one opens again so late.

    Only for a service whose file speaks of internal seats: one that stopped drawing has freed seats that stay closed.
    """
    if not service.internal or service.draw or seat.returns_at is None:
        return False
    return seat.returns_at > now + longest_return(service)


def _return_moment(service: Service, key: SeatKey, now: datetime, fraction: float) -> datetime:
    limits = service.limits
    first, last = now + limits.return_after, now + limits.return_before
    start = service.start_of(key).astimezone(UTC)
    if service.draw:
        return start
    last = min(last, start - max(limits.notice, BACK_BEFORE))
    if last <= first:
        return start
    return first + (last - first) * fraction


def expired_state(seat: Seat, now: datetime) -> State | None:
    """Return the state that a seat is due for: EXPIRED for a request, OPEN for a hold, None if its time is not over."""
    if seat.until is None or seat.until >= now:
        return None
    if seat.state is State.PENDING:
        return State.EXPIRED
    return State.OPEN if seat.state is State.HELD and seat.is_free(now) else None


def needs_reminder(service: Service, seat: Seat, now: datetime) -> bool:
    """Tell whether the reminder of a confirmed appointment is due.

    None is sent for a request that was filed less than a day before its reminder: its other letters are recent.
    """
    if seat.state is not State.CONFIRMED or seat.reminded or seat.filed_at is None:
        return False
    start, limits = service.start_of(seat.key), service.limits
    return now < start <= now + limits.remind and start - seat.filed_at >= limits.remind + timedelta(days=1)
