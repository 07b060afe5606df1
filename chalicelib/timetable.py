"""Opening rules become slots; the calendar of a week; when seats open. Wall times, never a table."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from heapq import nsmallest
from itertools import groupby, islice
from types import MappingProxyType

from chalicelib.model import RULES, Moment, Seat, SeatKey, Service, State, monday_of, week_of

WEEK = timedelta(days=7)
EARLIEST = 10
"""The first free slot is drawn among this many seats, so that a crowd does not fight over one."""
A_YEAR = 53
"""How many weeks ahead the next release is looked for: past a year there is none."""
BACK_BEFORE = timedelta(hours=24)
"""A seat that was given back is open again at least this long before its slot."""
SATURDAY = 6
BEFORE_RELEASE, AFTER_OPENING = timedelta(minutes=1), timedelta(minutes=15)
"""A crowd is expected from so long before a release until so long after it, and so long after a single seat opens."""


# The rules


def seats_of(service: Service, week: str) -> list[SeatKey]:
    """Every seat that the opening rules give a week, less closures and public holidays, in order."""
    monday = monday_of(week)
    found = []
    for opening in service.openings:
        day = monday + timedelta(days=opening.weekday - 1)
        if day in service.holidays:
            continue
        start, end = datetime.combine(day, opening.start), datetime.combine(day, opening.end)
        while start + service.slot <= end:
            found += [SeatKey(day, start.time(), desk, service.id) for desk in opening.desks]
            start += service.slot
    return sorted(key for key in found if not any(closure.covers(key, service.slot) for closure in service.closures))


@lru_cache(maxsize=32)
def plan(service: Service, week: str) -> Mapping[SeatKey, datetime]:
    """When each seat of a week opens, in UTC. Each moment's seats are spread evenly over the week."""
    keys = seats_of(service, week)
    left, opens = len(keys), []
    for at, seats in sorted(_moments(service, week), key=lambda moment: (moment[1] is None, moment[0])):
        share = left if seats is None else min(seats, left)
        left -= share
        opens.append((at, share))
    given = [0] * len(opens)
    planned = {}
    for number, key in enumerate(keys, start=1):
        behind = [share * number - done * len(keys) for (_, share), done in zip(opens, given, strict=True)]
        behind.append(left * number - (number - 1 - sum(given)) * len(keys))
        next_one = behind.index(max(behind))
        if next_one < len(opens):  # the rest opens by hand only
            given[next_one] += 1
            planned[key] = opens[next_one][0]
    return MappingProxyType(planned)


def _moments(service: Service, week: str) -> list[tuple[datetime, int | None]]:
    """The moments that open a week, in UTC, each with how many of its seats."""
    monday = monday_of(week) - service.release.weeks_ahead * WEEK
    return [(_at(service, monday, moment), moment.seats) for moment in service.release.moments]


def _at(service: Service, monday: date, moment: Moment) -> datetime:
    day = monday + timedelta(days=moment.weekday - 1)
    if service.release.waits and day in service.holidays:
        while day in service.holidays or day.isoweekday() >= SATURDAY:
            day += timedelta(days=1)
    return datetime.combine(day, moment.at, service.zone).astimezone(UTC)


@lru_cache(maxsize=128)
def releases(service: Service, week: str) -> tuple[tuple[datetime, int], ...]:
    """The moments that open a week and the seats that each one opens, in order; none for a week that is closed."""
    opened: dict[datetime, int] = {}
    for at in plan(service, week).values():
        opened[at] = opened.get(at, 0) + 1
    return tuple(sorted(opened.items()))


def opens_at(service: Service, week: str) -> datetime:
    """The first moment that opens a week's seats, in UTC."""
    return min(at for at, _ in _moments(service, week))


def next_release(service: Service, now: datetime) -> datetime | None:
    """When the next seats open, in the zone of the place; None if none do for a year."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    ahead = service.release.weeks_ahead
    for n in range(max(ahead - 1, 0), ahead + A_YEAR):  # a moment that waited may come in the week after its own
        coming = [at for at, _ in releases(service, week_of(monday + n * WEEK)) if at > now]
        if coming:
            return min(coming).astimezone(service.zone)
    return None


@lru_cache(maxsize=128)
def _moments_near(service: Service, day: date) -> tuple[datetime, ...]:
    """The release moments of a service that may have a crowd on this day of UTC, in order.

    Three weeks are enough: a moment that holidays delay by over a week coincides with that of the following week.
    """
    monday, ahead = monday_of(week_of(day)), service.release.weeks_ahead
    weeks = (week_of(monday + (ahead + n) * WEEK) for n in (-1, 0, 1))
    near = {at for week in weeks for at, _ in _moments(service, week) if abs((at.date() - day).days) <= 1}
    return tuple(sorted(near))


def has_crowd(service: Service, now: datetime) -> bool:
    """Tell whether a release makes a crowd likely: from one minute before any of its moments until 15 minutes after.

    The first instant counts, the last one does not. Reads nothing; the moments near a day are cached.
    """
    moments = _moments_near(service, now.astimezone(UTC).date())
    return any(at - BEFORE_RELEASE <= now < at + AFTER_OPENING for at in moments)


def is_new(opens_at: datetime, now: datetime) -> bool:
    """Tell whether a seat opened within the last 15 minutes: a freed seat attracts a crowd as well."""
    return opens_at <= now < opens_at + AFTER_OPENING


def open_weeks(service: Service, now: datetime) -> list[str]:
    """The weeks from this one on whose seats have been released, at least in part."""
    return [week for week in _weeks_ahead(service, now) if opens_at(service, week) <= now]


def weeks_to_create(service: Service, now: datetime) -> list[str]:
    """The open weeks and the one of the coming release, whose seats are made ahead of it."""
    return [week for week in _weeks_ahead(service, now) if opens_at(service, week) <= now + WEEK]


def _weeks_ahead(service: Service, now: datetime) -> list[str]:
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    return [week_of(monday + n * WEEK) for n in range(service.release.weeks_ahead + 2)]


# The seats that are there, and the rules


class Do(StrEnum):
    """What makes a seat agree with the rules."""

    CREATE = "create"
    MOVE = "move"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Change:
    """One write that a change of the rules calls for; `opens_at` is when the seat opens then."""

    do: Do
    seat: Seat


class Desks:
    """The times at which each desk of a service is taken by some seats.

    A seat stores no length: each one lasts as long as a slot of its service lasts now. A desk belongs to its service:
    desk 1 of another service is another desk.
    """

    def __init__(self, service: Service, keys: Iterable[SeatKey]) -> None:
        self._slot = service.slot
        self._taken: dict[tuple[date, int], list[SeatKey]] = {}
        for key in sorted(keys):
            self._taken.setdefault((key.day, key.unit), []).append(key)

    def overlapped(self, key: SeatKey) -> SeatKey | None:
        """Return another seat of the same desk whose time span intersects that of this one, if any."""
        taken = self._taken.get((key.day, key.unit), [])
        place = bisect_left(taken, key)
        near = (other for other in taken[max(place - 1, 0) : place + 2] if other != key)
        return next((other for other in near if abs(_wall(other) - _wall(key)) < self._slot), None)


def _wall(key: SeatKey) -> datetime:
    return datetime.combine(key.day, key.start)


def _stays(seat: Seat, now: datetime) -> bool:
    """Is it a seat that no rule may close: somebody has it, or the office added it or set it aside?"""
    if seat.state is State.CLOSED:
        return False
    unused = seat.state is State.OPEN or seat.is_free(now)
    return seat.extra or bool(seat.reserve) or not unused


def changes(service: Service, week: str, seats: Sequence[Seat], now: datetime, *, create: bool) -> Iterator[Change]:
    """What makes the seats of a week agree with the rules. Nobody who has a seat loses it, none opens twice.

    A seat outside the hours is closed once nobody has it. One that has not opened yet opens when the rules say now;
    one that has stays open. While nothing of the week has opened, seats come and go with the plan; afterwards seats
    are only added while there are fewer than the plan has. What the office added, closed or set aside is its own.

    A desk receives one person at a time: a seat is not created or reopened where it would overlap another of its desk,
    and an unused one that overlaps a seat that stays is closed.
    """
    planned, inside = plan(service, week), set(seats_of(service, week))
    begun = bool(planned) and min(planned.values()) <= now
    own = [seat for seat in seats if not seat.extra and not seat.reserve]
    there: dict[SeatKey, Seat] = {seat.key: seat for seat in seats}
    staying = Desks(service, (seat.key for seat in seats if _stays(seat, now)))
    closing: set[SeatKey] = set()
    for seat in own:
        wanted = seat.key in planned or (begun and seat.key in inside)
        wanted = wanted and (_stays(seat, now) or staying.overlapped(seat.key) is None)
        if not wanted and seat.state in {State.OPEN, State.HELD} and service.start_of(seat.key) > now:
            closing |= set() if _stays(seat, now) else {seat.key}
            yield Change(Do.CLOSE, seat)
        elif seat.is_coming(now):
            moved = replace(seat, opens_at=planned.get(seat.key, seat.opens_at))
            if moved != seat:
                yield Change(Do.MOVE, moved)
    missing = len(planned) - sum(seat.key in inside and not seat.extra and seat.closed != RULES for seat in seats)
    taken = Desks(service, (seat.key for seat in seats if seat.state is not State.CLOSED and seat.key not in closing))
    for key, at in planned.items():
        if service.start_of(key) <= now or (begun and missing <= 0) or not create or taken.overlapped(key):
            continue
        if key not in there:
            yield Change(Do.CREATE, Seat(key, at))
            missing -= 1
        elif there[key].closed == RULES:
            yield Change(Do.REOPEN, replace(there[key], opens_at=max(at, there[key].opens_at)))
            missing -= 1


# What is free


def is_offered(service: Service, key: SeatKey, now: datetime) -> bool:
    """Is there still time enough before this appointment to confirm it and to come?"""
    return service.start_of(key) - now >= service.limits.notice


def free_seats(service: Service, seats: Iterable[Seat], now: datetime) -> list[SeatKey]:
    """The seats that look free, earliest first."""
    return sorted(_free(service, seats, now))


def earliest(service: Service, seats: Sequence[Seat], now: datetime, most: int | None = EARLIEST) -> list[SeatKey]:
    """The first few of the seats that look free, or all; `seats` in order."""
    return list(islice(_free(service, seats, now), most))


def _free(service: Service, seats: Iterable[Seat], now: datetime) -> Iterator[SeatKey]:
    return (s.key for s in seats if s.is_free(now) and is_offered(service, s.key, now))


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of the calendar: how many seats it has and how many are free."""

    start: datetime
    free: int
    capacity: int

    @property
    def at(self) -> str:
        """The start to the minute: `2026-12-08T09:15`."""
        return self.start.isoformat()[:16]  # strftime takes five times as long


def days(week: str, slots: Iterable[Slot]) -> list[tuple[date, list[Slot]]]:
    """Monday to Sunday, each with its slots, none included."""
    monday = monday_of(week)
    by_day = {day: list(here) for day, here in groupby(slots, key=lambda slot: slot.start.date())}
    return [(day, by_day.get(day, [])) for day in (monday + timedelta(days=n) for n in range(7))]


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
        return days(self.week, self.slots)

    @property
    def free(self) -> int:
        """Seats free this week."""
        return sum(slot.free for slot in self.slots)


def calendar(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> Calendar:
    """Count the week's seats by slot, less closed ones. A seat that waits to return counts as taken, like any other."""
    slots = []
    by_start = groupby(sorted(seats, key=lambda seat: seat.key), key=lambda seat: (seat.key.day, seat.key.start))
    for _, here in by_start:
        places = [seat for seat in here if seat.state is not State.CLOSED]
        start = service.start_of(places[0].key) if places else now
        if start > now:
            free = sum(seat.is_free(now) for seat in places) if is_offered(service, places[0].key, now) else 0
            slots.append(Slot(start, free, len(places)))
    return Calendar(service, week, now, tuple(slots), next((slot.start for slot in slots if slot.free), None))


def stays_closed(service: Service, seat: Seat) -> bool:
    """Was it given back too late for anybody else?"""
    return seat.returns_at is not None and seat.returns_at >= service.start_of(seat.key)


def nearest(service: Service, free: Iterable[SeatKey], wished: datetime, most: int = 3) -> list[datetime]:
    """Up to `most` free slots, nearest to the wished one."""
    starts = {service.start_of(key) for key in free}
    return sorted(sorted(starts, key=lambda start: (abs(start - wished), start))[:most])


def nearest_seats(service: Service, free: Iterable[SeatKey], wished: datetime, most: int) -> list[SeatKey]:
    """Up to `most` free seats, nearest to the wished slot first; of two as near, the earlier."""
    return nsmallest(most, free, key=lambda key: (abs(service.start_of(key) - wished), key))


def return_moment(service: Service, key: SeatKey, now: datetime, chance: float) -> datetime:
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
    return first + (last - first) * chance


def ended_as(seat: Seat, now: datetime) -> State | None:
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
