"""The public figures of a week. None of them tells anything about a group of fewer than five people.

A count of people is rounded down to a multiple of five, so that 0 means 0 to 4. The difference of two such counts is
uncertain by four in both directions, so that no small group follows by subtraction either. A quantile is shown only if
there are at least five people on each side of it. A week is published once, when it is over and settled: nobody can
compare two versions of it. Numbers of seats are exact, because calendars and records show them anyway.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil
from typing import Any

from chalicelib.domain import timetable
from chalicelib.domain.seat import APPOINTMENT, OUTCOMES, Seat, State, monday_of, week_of
from chalicelib.domain.service import Allocation, Service

SMALLEST = 5
"""The smallest group of people that the figures may tell something about."""
SHOWN = 26
"""How many weeks are shown."""
SETTLED_AFTER = timedelta(days=2)
"""How long after its end a week is counted: by then every request has ended, and the desk has recorded who came."""
LATEST = 4
"""How many past weeks can still be published after runs were missed."""
CAME = OUTCOMES - {State.MISSED}
"""The outcomes that the desk records for an applicant who came."""

Figures = Mapping[str, Any]
"""The figures of one week, as they are stored and published. `WeekFigures` in openapi.json describes them."""


@dataclass(frozen=True, slots=True)
class DrawCounts:
    """What the record of a draw counts. `tries` has for each winner how many draws it took, the won one included."""

    seats: int
    entries: int
    tries: Sequence[int]
    is_drawn: bool


def weeks_due(service: Service, now: datetime) -> list[str]:
    """Return the weeks that can be counted now, oldest first: they are settled, and none of their seats is erased."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    mondays = (monday - timetable.WEEK * number for number in range(LATEST, 0, -1))
    settled, kept = timetable.WEEK + SETTLED_AFTER, service.limits.erase_after
    return [week_of(first) for first in mondays if settled <= now - _midnight(service, first) < kept]


def _midnight(service: Service, day: date) -> datetime:
    return datetime.combine(day, time(), service.zone)


def of_week(service: Service, week: str, seats: Sequence[Seat], draw: DrawCounts | None) -> Figures:
    """Count a week that is over. `draw` is None if its seats were not drawn."""
    appointments = [seat for seat in seats if seat.state in APPOINTMENT]
    recorded = [seat for seat in appointments if seat.state in OUTCOMES]
    came = sum(seat.state in CAME for seat in recorded)
    return {
        "week": week,
        "allocation": str(Allocation.DRAW if draw else Allocation.FIRST_COME),
        "opened": sum(_could_be_taken(service, seat) for seat in seats),
        "held": rounded(sum(seat.holds_had for seat in seats)),
        "confirmed": rounded(len(appointments)),
        "freed": rounded(sum(seat.freed for seat in seats)),
        "expired": rounded(sum(seat.expired for seat in seats)),
        "recorded": rounded(len(recorded)) if recorded else None,
        "honoured": rounded(came) if recorded else None,
        "days_waited": spread(_days_waited(service, seat) for seat in appointments if seat.filed_at),
        "walk_ins": rounded(sum(is_walk_in(service, seat) for seat in appointments)),
        "waiting_minutes": spread(minutes for seat in appointments if (minutes := minutes_waited(seat)) is not None),
        "draw": draw and _draw_figures(draw),
        "releases": [] if draw or service.draw else _releases(service, week, seats),
    }


def rounded(people: int) -> int:
    """Round a number of people down to a multiple of five."""
    return people - people % SMALLEST


def spread(values: Iterable[int]) -> dict[str, int | None] | None:
    """Return the median, and what nine of ten do not exceed; None where fewer than five people are on one side."""
    ordered = sorted(values)
    count = len(ordered)
    if count < 2 * SMALLEST:
        return None
    nine_of_ten = ceil(count * 9 / 10)
    return {
        "median": ordered[(count - 1) // 2],
        "nine_of_ten": ordered[nine_of_ten - 1] if count - nine_of_ten >= SMALLEST else None,
    }


def is_walk_in(service: Service, seat: Seat) -> bool:
    """Tell whether the desk booked an appointment for somebody who had come: on its day, too late for the public."""
    if seat.state not in APPOINTMENT or seat.filed_at is None:
        return False
    filed_at, start = seat.filed_at.astimezone(service.zone), service.start_of(seat.key)
    return filed_at.date() == seat.key.day and start - filed_at < service.limits.notice


def minutes_waited(seat: Seat) -> int | None:
    """Return the whole minutes from the arrival of an applicant to the first call; None if one was not recorded."""
    if seat.state not in APPOINTMENT or seat.arrived_at is None or seat.called_at is None:
        return None
    return max(0, int((seat.called_at - seat.arrived_at).total_seconds() // 60))


def seconds_until_full(opened: datetime, seats: Sequence[Seat]) -> float | None:
    """Return the seconds from the opening of these seats until each of them had been held; None if one never was."""
    first_holds = [seat.first_at for seat in seats if seat.first_at]
    if len(first_holds) < len(seats):
        return None
    return max((first - opened).total_seconds() for first in first_holds)


def _could_be_taken(service: Service, seat: Seat) -> bool:
    """Tell whether the public could take the seat. A closed seat tells it only if somebody took it."""
    return (seat.state is not State.CLOSED or seat.holds_had > 0) and not is_desk_only(service, seat)


def is_desk_only(service: Service, seat: Seat) -> bool:
    """Tell whether a seat never opened to the public: the desk gave it first, or it opened when its slot began."""
    is_internal = seat.extra or seat.key in timetable.internal_seats(service, seat.key.week)
    if not is_internal or seat.holds_had:
        return False
    return bool(seat.filed_at and seat.filed_at < seat.opens_at) or seat.opens_at >= service.start_of(seat.key)


def _days_waited(service: Service, seat: Seat) -> int:
    """Return the days from filing the request, or the entry in the draws, to the appointment."""
    if seat.filed_at is None:
        raise ValueError(f"{seat.key.ref} has no request")
    return (seat.key.day - seat.filed_at.astimezone(service.zone).date()).days


def _draw_figures(draw: DrawCounts) -> Figures:
    """Return the figures of a draw. The chance follows from the published numbers, so that it reveals no more."""
    entries = rounded(draw.entries)
    middle = entries + SMALLEST // 2
    return {
        "seats": draw.seats,
        "entries": entries,
        "chance_percent": min(100.0, round(100 * draw.seats / middle, 1)) if entries and draw.is_drawn else None,
        "draws_until_drawn": spread(draw.tries),
    }


def _releases(service: Service, week: str, seats: Sequence[Seat]) -> list[Figures]:
    """Return each release of at least five seats that opened as the rules still say, and the seconds until it was full.

    A seat that was given back opens again at another moment, so only the rules say when it opened first.
    """
    planned = timetable.plan(service, week)
    opened: dict[datetime, list[Seat]] = {}
    for seat in seats:
        if seat.key in planned and not seat.extra and _could_be_taken(service, seat):
            opened.setdefault(planned[seat.key], []).append(seat)
    return [
        {
            "opens_at": moment.astimezone(service.zone).isoformat(),
            "seats": len(group),
            "seconds_until_full": _whole(moment, group),
        }
        for moment, group in sorted(opened.items())
        if len(group) >= SMALLEST and all(seat.freed or seat.expired or seat.opens_at == moment for seat in group)
    ]


def _whole(moment: datetime, seats: Sequence[Seat]) -> int | None:
    seconds = seconds_until_full(moment, seats)
    return None if seconds is None else ceil(seconds)
