"""Which seats the rules of a service give each week, and when they open."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType

from chalicelib.domain import draw_window
from chalicelib.domain.draw import half_day
from chalicelib.domain.seat import Seat, SeatKey, monday_of, week_of
from chalicelib.domain.service import InternalSeats, Opening, ReleaseMoment, Service

WEEK = timedelta(days=7)
MOST_WEEKS_AHEAD = 53
"""How many weeks ahead the next release is searched for."""
SATURDAY = 6
SOME_WEEK = "2026-W49"
"""All weeks have the same openings."""
BEFORE_RELEASE, AFTER_OPENING = timedelta(minutes=1), timedelta(minutes=15)
"""A crowd is expected from `BEFORE_RELEASE` before a release until `AFTER_OPENING` after it or any other opening."""


def planned_seats(service: Service, week: str) -> list[SeatKey]:
    """Return every seat that the opening rules give a week, in order, without closures and public holidays."""
    keys = _seats_of(service, service.openings, week)
    return sorted(key for key in keys if not _is_closed(service, key))


@lru_cache(maxsize=128)
def seats_a_week(service: Service) -> int:
    """Return how many seats the opening rules give a week without closures and public holidays."""
    return sum(1 for _ in _seats_of(service, service.openings, SOME_WEEK))


def _seats_of(service: Service, openings: Iterable[Opening], week: str) -> list[SeatKey]:
    """Return the seats of these openings, those in closures and on public holidays included."""
    keys = []
    for opening in openings:
        day = monday_of(week) + timedelta(days=opening.weekday - 1)
        start, end = datetime.combine(day, opening.start), datetime.combine(day, opening.end)
        while start + service.slot <= end:
            keys += [SeatKey(day, start.time(), desk, service.id) for desk in opening.desks]
            start += service.slot
    return keys


def _is_closed(service: Service, key: SeatKey) -> bool:
    return key.day in service.holidays or any(closure.covers(key, service.slot) for closure in service.closures)


@lru_cache(maxsize=128)
def internal_plan(service: Service, week: str) -> Mapping[SeatKey, datetime]:
    """Return the seats of a week that only the desk gives, and when each is released to the public. None in a draw.

    The moment is in UTC: never before the first seats of the week open, and at the start of the slot at the latest. On
    a day that is closed in part, an internal share of the remaining seats is kept, rounded down.
    """
    internal: dict[SeatKey, datetime] = {}
    for rule in () if service.draw else service.internal:
        by_day = groupby(sorted(_seats_of(service, rule.openings, week)), key=lambda key: key.day)
        for _, of_day in by_day:
            planned = list(of_day)
            remaining = [key for key in planned if not _is_closed(service, key)]
            chosen = _spread(remaining, rule.seats * len(remaining) // len(planned))
            internal |= {key: _public_at(service, rule, key) for key in chosen}
    return MappingProxyType(internal)


@lru_cache(maxsize=128)
def internal_seats(service: Service, week: str) -> frozenset[SeatKey]:
    """Return the seats of a week that only the desk gives until their release to the public."""
    return frozenset(internal_plan(service, week))


def _public_at(service: Service, rule: InternalSeats, key: SeatKey) -> datetime:
    start = service.start_of(key).astimezone(UTC)
    if rule.days_before is None:
        return start
    moment = datetime.combine(key.day - timedelta(days=rule.days_before), rule.at, service.zone).astimezone(UTC)
    return min(max(moment, opens_at(service, key.week)), start)


def _spread(keys: Sequence[SeatKey], count: int) -> set[SeatKey]:
    """Return so many of the seats of a day, spread evenly over its hours and taken from its desks in turn."""
    chosen: set[SeatKey] = set()
    for number in range(count):
        start = keys[(2 * number + 1) * len(keys) // (2 * count)].start
        desks = [key for key in keys if key.start == start and key not in chosen]
        chosen.add(desks[number % len(desks)])
    return chosen


def is_internal(service: Service, seat: Seat, now: datetime) -> bool:
    """Tell whether only the desk may give a seat: it is internal, and has never opened to the public.

    False for a seat that was open before the rules made it internal, and for one that is set aside.
    """
    if seat.opens_at <= now or seat.reserve or seat.key not in internal_seats(service, seat.key.week):
        return False
    return public_at(service, seat.key) > now


def public_at(service: Service, key: SeatKey) -> datetime:
    """Return when an internal seat is released to the public, in UTC. Raise KeyError for any other seat."""
    return internal_plan(service, key.week)[key]


@lru_cache(maxsize=32)
def plan(service: Service, week: str) -> Mapping[SeatKey, datetime]:
    """Return when each seat of a week opens to the public, in UTC, in the order of the seats.

    The seats of each release moment are spread evenly over the week: each seat goes to the moment that is furthest
    behind its share so far. Seats beyond all shares open by hand only and are not in the result. Internal seats are in
    no share. The seats of a draw open at their own start: nobody can hold one.
    """
    keys = planned_seats(service, week)
    if service.draw:
        return MappingProxyType({key: service.start_of(key).astimezone(UTC) for key in keys})
    internal = internal_plan(service, week)
    planned = {**internal, **_released(service, week, [key for key in keys if key not in internal])}
    return MappingProxyType({key: planned[key] for key in keys if key in planned})


def _released(service: Service, week: str, keys: Sequence[SeatKey]) -> dict[SeatKey, datetime]:
    """Return when each of these seats opens by a release moment."""
    left, opens = len(keys), []
    for at, seats in sorted(_moments(service, week), key=lambda moment: (moment[1] is None, moment[0])):
        share = left if seats is None else min(seats, left)
        left -= share
        opens.append((at, share))
    assigned = [0] * len(opens)
    planned = {}
    for number, key in enumerate(keys, start=1):
        behind = [share * number - count * len(keys) for (_, share), count in zip(opens, assigned, strict=True)]
        behind.append(left * number - (number - 1 - sum(assigned)) * len(keys))
        moment = behind.index(max(behind))
        if moment < len(opens):
            assigned[moment] += 1
            planned[key] = opens[moment][0]
    return planned


def _moments(service: Service, week: str) -> list[tuple[datetime, int | None]]:
    """Return the moments that open a week, in UTC, each with its number of seats, None for all that are left."""
    monday = monday_of(week) - service.release.weeks_ahead * WEEK
    return [(_at(service, monday, moment), moment.seats) for moment in service.release.moments]


def _at(service: Service, monday: date, moment: ReleaseMoment) -> datetime:
    day = monday + timedelta(days=moment.weekday - 1)
    if service.release.waits_for_working_day and day in service.holidays:
        while day in service.holidays or day.isoweekday() >= SATURDAY:
            day += timedelta(days=1)
    return datetime.combine(day, moment.at, service.zone).astimezone(UTC)


@lru_cache(maxsize=128)
def releases(service: Service, week: str) -> tuple[tuple[datetime, int], ...]:
    """Return the moments that open a week, in order, each with its number of seats.

    Without internal seats. Empty for a week without seats, and for a draw, which opens none.
    """
    if service.draw:
        return ()
    internal = internal_seats(service, week)
    opened = Counter(at for key, at in plan(service, week).items() if key not in internal)
    return tuple(sorted(opened.items()))


def opens_at(service: Service, week: str) -> datetime:
    """Return the first moment that opens seats of a week, in UTC. Not for a draw, which has no such moment."""
    return min(at for at, _ in _moments(service, week))


def next_release(service: Service, now: datetime) -> datetime | None:
    """Return when the next seats open, in the time zone of the service; None if none do within a year, or in a draw."""
    if service.draw:
        return None
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    ahead = service.release.weeks_ahead
    for n in range(
        max(ahead - 1, 0), ahead + MOST_WEEKS_AHEAD
    ):  # a moment that waits for a working day may come a week late
        coming = [at for at, _ in releases(service, week_of(monday + n * WEEK)) if at > now]
        if coming:
            return min(coming).astimezone(service.zone)
    return None


@lru_cache(maxsize=128)
def _moments_near(service: Service, day: date) -> tuple[datetime, ...]:
    """Return the release moments, in order, that may have a crowd on this day (in UTC).

    Three weeks are enough: a moment that holidays delay by over a week coincides with that of the following week.
    """
    monday, ahead = monday_of(week_of(day)), service.release.weeks_ahead
    weeks = (week_of(monday + (ahead + n) * WEEK) for n in (-1, 0, 1))
    near = {at for week in weeks for at, _ in _moments(service, week) if abs((at.date() - day).days) <= 1}
    return tuple(sorted(near))


def has_crowd(service: Service, now: datetime) -> bool:
    """Tell whether a release makes a crowd likely: from one minute before any of its moments until 15 minutes after.

    The first instant is included, the last one is not. Cheap: the moments near a day are cached.
    """
    moments = _moments_near(service, now.astimezone(UTC).date())
    return any(at - BEFORE_RELEASE <= now < at + AFTER_OPENING for at in moments)


def last_release(service: Service, now: datetime) -> datetime | None:
    """Return the release moment that came last, in UTC; None if there was none since the day before."""
    return max((at for at in _moments_near(service, now.astimezone(UTC).date()) if at <= now), default=None)


def is_new(opens_at: datetime, now: datetime) -> bool:
    """Tell whether a seat opened within the last 15 minutes: a freed seat attracts a crowd as well."""
    return opens_at <= now < opens_at + AFTER_OPENING


def open_weeks(service: Service, now: datetime) -> list[str]:
    """Return the weeks, from the current one, that are released at least in part. A draw releases none."""
    if service.draw:
        return []
    return [week for week in _weeks_ahead(service, now) if opens_at(service, week) <= now]


def weeks_to_create(service: Service, now: datetime) -> list[str]:
    """Return the open weeks, and the week of the coming release: its seats are created before they open.

    For a draw, return the weeks from the current one to that of the next window that opens.
    """
    if service.draw:
        last = draw_window.next_window(service, now).week
        return [week for week in _weeks_ahead(service, now) if week <= last]
    return [week for week in _weeks_ahead(service, now) if opens_at(service, week) <= now + WEEK]


def _weeks_ahead(service: Service, now: datetime) -> list[str]:
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    return [week_of(monday + n * WEEK) for n in range(service.release.weeks_ahead + (4 if service.draw else 2))]


def half_days(service: Service, week: str) -> list[str]:
    """Return the half-days of a week that have planned seats, such as `tue-am`, in order."""
    return list(dict.fromkeys(half_day_of(key) for key in planned_seats(service, week)))


def half_day_of(key: SeatKey) -> str:
    """Return the half-day of a seat without its date, such as `tue-am`: it starts before 12:00 in local time."""
    start = datetime.combine(key.day, key.start)
    return f"{draw_window.DAYS[key.day.weekday()]}-{half_day(start.isoformat())[-2:]}"
