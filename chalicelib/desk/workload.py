"""The figures of a day or a week for the agents: by day, by desk, and how long people waited. Without a name.

These are exact, for those who see the names as well. `domain/figures.py` has what everybody may see.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import TypeVar

from chalicelib.desk import spreadsheet
from chalicelib.domain import figures
from chalicelib.domain.seat import APPOINTMENT, OUTCOMES, Seat, State
from chalicelib.domain.service import Service

T = TypeVar("T", date, int)
ALL = "tous"
COLUMNS = (
    *("Jour", "Guichet", "Places prévues", "Rendez-vous", "Dont venus sans rendez-vous"),
    *("Reçus", "Absents", "Dossiers incomplets", "Sans suite"),
    *("Attentes mesurées", "Attente médiane (min)", "Attente 95 % (min)"),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """What some seats were used for."""

    planned: int
    """The seats that were not closed."""
    booked: int
    """The appointments, whatever became of them."""
    walk_ins: int
    """Those of them that the desk booked for somebody who had come without one."""
    seen: int
    missed: int
    incomplete: int
    open_: int
    """The appointments without an outcome."""
    waits: int
    """How many applicants were noted when they came and when they were called first."""
    median: int | None
    """How many minutes half of them waited at most, from the arrival to the first call; None without waits."""
    most: int | None
    """How many minutes 95 of 100 of them waited at most."""


def of_seats(service: Service, seats: Iterable[Seat]) -> Workload:
    """Count seats."""
    seats = list(seats)
    counts = Counter(seat.state for seat in seats)
    booked = sum(counts[state] for state in APPOINTMENT)
    waits = sorted(minutes for seat in seats if (minutes := figures.minutes_waited(seat)) is not None)
    return Workload(
        planned=counts.total() - counts[State.CLOSED],
        booked=booked,
        walk_ins=sum(figures.is_walk_in(service, seat) for seat in seats),
        seen=counts[State.SEEN],
        missed=counts[State.MISSED],
        incomplete=counts[State.INCOMPLETE],
        open_=booked - sum(counts[state] for state in OUTCOMES),
        waits=len(waits),
        median=nearest_rank(waits, 50),
        most=nearest_rank(waits, 95),
    )


def nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """Return the smallest of the ordered values that so many percent of them do not exceed; None without values."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else None


def desk_of(seat: Seat) -> int:
    """Return the desk that an applicant was called to last, or that of the appointment."""
    return seat.called_to or seat.key.unit


def by_day(service: Service, seats: Iterable[Seat]) -> list[tuple[date, Workload]]:
    """Count the seats of each day."""
    return _by(service, seats, lambda seat: seat.key.day)


def by_desk(service: Service, seats: Iterable[Seat]) -> list[tuple[int, Workload]]:
    """Count the seats of each desk: where the applicants were called to, not where they were expected."""
    return _by(service, seats, desk_of)


def _by(service: Service, seats: Iterable[Seat], part_of: Callable[[Seat], T]) -> list[tuple[T, Workload]]:
    parts: dict[T, list[Seat]] = defaultdict(list)
    for seat in seats:
        parts[part_of(seat)].append(seat)
    return [(part, of_seats(service, parts[part])) for part in sorted(parts)]


def csv_text(service: Service, seats: Sequence[Seat]) -> str:
    """Return a line for each day and each of its desks, for a spreadsheet. A day's own line has `tous` as its desk."""
    lines: list[tuple[object, ...]] = []
    for day, workload in by_day(service, seats):
        of_day = [seat for seat in seats if seat.key.day == day]
        lines.append(_line(day, ALL, workload))
        lines += [_line(day, desk, workload) for desk, workload in by_desk(service, of_day)]
    return spreadsheet.as_csv([COLUMNS, *lines])


def _line(day: date, desk: int | str, workload: Workload) -> tuple[object, ...]:
    waits = ("" if minutes is None else minutes for minutes in (workload.median, workload.most))
    counts = (workload.seen, workload.missed, workload.incomplete, workload.open_)
    return (day, desk, workload.planned, workload.booked, workload.walk_ins, *counts, workload.waits, *waits)
