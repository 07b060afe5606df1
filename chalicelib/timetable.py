"""Opening rules become slots; the calendar of a week; when seats open. Wall times, never a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from chalicelib.model import Seat, SeatKey, Service, State, monday_of, week_of

WEEK = timedelta(days=7)
EARLIEST = 10
"""The first free slot is drawn among this many seats, so that a crowd does not fight over one."""


def seats_of(service: Service, week: str) -> Iterator[SeatKey]:
    """Every seat that the opening rules give a week, in order."""
    monday = monday_of(week)
    for opening in sorted(service.openings, key=lambda rule: (rule.weekday, rule.start)):
        day = monday + timedelta(days=opening.weekday - 1)
        start = datetime.combine(day, opening.start)
        while start + service.slot <= datetime.combine(day, opening.end):
            for unit in range(1, service.desks + 1):
                yield SeatKey(day, start.time(), unit, service.id)
            start += service.slot


def opens_at(service: Service, week: str) -> datetime:
    """The release that opens a week's seats, in UTC."""
    rule = service.release
    day = monday_of(week) - rule.weeks_ahead * WEEK + timedelta(days=rule.weekday - 1)
    return datetime.combine(day, rule.at, service.zone).astimezone(UTC)


def next_release(service: Service, now: datetime) -> datetime:
    """When the next seats open, in the zone of the place."""
    week = week_of(now.astimezone(service.zone).date() + service.release.weeks_ahead * WEEK)
    moment = opens_at(service, week)
    if moment <= now:
        moment = opens_at(service, week_of(monday_of(week) + WEEK))
    return moment.astimezone(service.zone)


def open_weeks(service: Service, now: datetime) -> list[str]:
    """The weeks from this one on whose seats have been released."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    weeks = [week_of(monday + n * WEEK) for n in range(service.release.weeks_ahead + 2)]
    return [week for week in weeks if opens_at(service, week) <= now]


def weeks_to_create(service: Service, now: datetime) -> list[str]:
    """The open weeks and the one of the coming release, whose seats are made ahead of it."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    weeks = [week_of(monday + n * WEEK) for n in range(service.release.weeks_ahead + 2)]
    return [week for week in weeks if opens_at(service, week) <= now + WEEK]


def is_offered(service: Service, key: SeatKey, now: datetime) -> bool:
    """Is there still time enough before this appointment to confirm it and to come?"""
    return service.start_of(key) - now >= service.limits.notice


def free_seats(service: Service, seats: Iterable[Seat], now: datetime) -> list[SeatKey]:
    """The seats that look free, earliest first."""
    return sorted(s.key for s in seats if s.is_free(now) and is_offered(service, s.key, now))


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of the calendar: how many seats it has and how many are free."""

    start: datetime
    free: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """One week of a service as a visitor sees it at `made_at`."""

    service: Service
    week: str
    made_at: datetime
    slots: tuple[Slot, ...]
    first_free: datetime | None

    @property
    def days(self) -> list[tuple[date, list[Slot]]]:
        """Monday to Sunday, each with its slots, none included."""
        monday = monday_of(self.week)
        by_day = {day: list(slots) for day, slots in groupby(self.slots, key=lambda s: s.start.date())}
        return [(day, by_day.get(day, [])) for day in (monday + timedelta(days=n) for n in range(7))]

    @property
    def free(self) -> int:
        """Seats free this week."""
        return sum(slot.free for slot in self.slots)


def calendar(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> Calendar:
    """Count the week's seats by slot. A seat that waits to return counts as taken, like any other."""
    free = free_seats(service, seats, now)
    counts: dict[datetime, list[int]] = {}
    for seat in sorted(seats, key=lambda s: s.key):
        if service.start_of(seat.key) > now:
            counts.setdefault(service.start_of(seat.key), [0, 0])[1] += 1
    for key in free:
        counts[service.start_of(key)][0] += 1
    slots = tuple(Slot(start, n[0], n[1]) for start, n in counts.items())
    return Calendar(service, week, now, slots, service.start_of(free[0]) if free else None)


def nearest(service: Service, free: Iterable[SeatKey], wished: datetime, most: int = 3) -> list[datetime]:
    """Up to `most` free slots, nearest to the wished one."""
    starts = {service.start_of(key) for key in free}
    return sorted(sorted(starts, key=lambda start: (abs(start - wished), start))[:most])


def return_moment(service: Service, key: SeatKey, now: datetime, chance: float) -> datetime:
    """When a freed seat opens again: `chance` (0 to 1) places it inside the service's return window.

    The window is cut so that the seat is back at least `notice` before its slot; nearer than that it
    stays closed (it opens at its own start, when nobody can take it).
    """
    limits = service.limits
    first, last = now + limits.return_after, now + limits.return_before
    start = service.start_of(key).astimezone(UTC)
    last = min(last, start - limits.notice)
    if last <= first:
        return start
    return first + (last - first) * chance


def ended_as(seat: Seat, now: datetime) -> State | None:
    """What the clock makes of a seat: EXPIRED for an unconfirmed request, OPEN for an unfinished hold."""
    if seat.until is None or seat.until >= now:
        return None
    if seat.state is State.PENDING:
        return State.EXPIRED
    return State.OPEN if seat.state is State.HELD and seat.is_free(now) else None
