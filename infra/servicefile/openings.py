"""The openings of a service document, in minutes of the day, and what its rules know about days."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, NamedTuple

from chalicelib.domain.codec import WEEKDAYS
from infra.servicefile.yaml_source import Path

DAY = 24 * 60
"""Minutes."""

Document = Mapping[str, Any]


class Break(NamedTuple):
    """A break of an opening, in minutes of the day, and its place in the file."""

    start: int
    end: int
    number: int


class Opening(NamedTuple):
    """When some desks receive on some weekdays, in minutes of the day."""

    path: Path
    desks: frozenset[int]
    days: tuple[str, ...]
    start: int
    end: int
    breaks: tuple[Break, ...]
    """In the order of the day."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The hours between the breaks."""
        starts = [self.start, *(pause.end for pause in self.breaks)]
        return list(zip(starts, [*(pause.start for pause in self.breaks), self.end], strict=True))

    @property
    def is_ordered(self) -> bool:
        """Tell whether start, breaks and end follow each other."""
        ends = self.start < self.end and all(pause.start < pause.end for pause in self.breaks)
        return ends and all(start <= end for start, end in self.spans)


def openings_of(document: Document, skipped: AbstractSet[Path] = frozenset()) -> list[Opening]:
    """Return the openings of all plannings, in the order of the file, without the skipped plannings and openings."""
    return [
        Opening(
            ("plannings", number, "openings", index),
            frozenset(planning["desks"]),
            tuple(rule["days"]),
            minutes(rule["from"]),
            minutes(rule["to"]),
            tuple(
                sorted(
                    Break(minutes(pause["from"]), minutes(pause["to"]), n)
                    for n, pause in enumerate(rule.get("breaks", ()))
                )
            ),
        )
        for number, planning in enumerate(document["plannings"])
        if ("plannings", number) not in skipped
        for index, rule in enumerate(planning["openings"])
        if ("plannings", number, "openings", index) not in skipped
    ]


def seats_by_day(document: Document, planning: int | None = None) -> Counter[str]:
    """Count the seats of each weekday, of all plannings or of the one with this number."""
    seats: Counter[str] = Counter()
    for opening in filter(lambda opening: opening.is_ordered, openings_of(document)):
        if planning not in {None, opening.path[1]}:
            continue
        slots = sum((end - start) // document["slot_minutes"] for start, end in opening.spans)
        seats.update(dict.fromkeys(opening.days, slots * len(opening.desks)))
    return seats


def internal_seats_a_week(document: Document) -> int:
    """Count the seats of a week that only the desk gives."""
    plannings = enumerate(document["plannings"])
    return sum(planning.get("internal", 0) * len(seats_by_day(document, number)) for number, planning in plannings)


def is_day(text: str) -> bool:
    """Tell whether a text such as `2026-12-24` is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def minutes(clock: str) -> int:
    """Return the minute of the day of a time such as `09:15`."""
    return int(clock[:2]) * 60 + int(clock[3:])


def minutes_of_week(day: str, clock: str) -> int:
    """Return the minute of the week, from Monday 00:00."""
    return WEEKDAYS.index(day) * DAY + minutes(clock)


def span(start: int, end: int) -> str:
    """Write two minutes of the day as `09:15-10:30`."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end))
