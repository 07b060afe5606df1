"""Which seats are free, and the calendar of a week."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import nsmallest
from itertools import groupby, islice

from chalicelib.domain.seat import Seat, SeatKey, State, monday_of
from chalicelib.domain.service import Service

EARLIEST = 10
"""The first free slot is drawn among this many seats, so that a crowd does not fight over one."""


# What is free


def is_offered(service: Service, key: SeatKey, now: datetime) -> bool:
    """Is there still time enough before this appointment to confirm it and to come?"""
    return service.start_of(key) - now >= service.limits.notice


def free_seats(service: Service, seats: Iterable[Seat], now: datetime) -> list[SeatKey]:
    """The seats that look free, earliest first."""
    return sorted(_free(service, seats, now))


def first_free(service: Service, seats: Sequence[Seat], now: datetime, most: int | None = EARLIEST) -> list[SeatKey]:
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


def slots_by_day(week: str, slots: Iterable[Slot]) -> list[tuple[date, list[Slot]]]:
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
        return slots_by_day(self.week, self.slots)

    @property
    def free(self) -> int:
        """Seats free this week."""
        return sum(slot.free for slot in self.slots)


def week_calendar(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> Calendar:
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


def nearest(service: Service, free: Iterable[SeatKey], wished: datetime, most: int = 3) -> list[datetime]:
    """Up to `most` free slots, nearest to the wished one."""
    starts = {service.start_of(key) for key in free}
    return sorted(sorted(starts, key=lambda start: (abs(start - wished), start))[:most])


def nearest_seats(service: Service, free: Iterable[SeatKey], wished: datetime, most: int) -> list[SeatKey]:
    """Up to `most` free seats, nearest to the wished slot first; of two as near, the earlier."""
    return nsmallest(most, free, key=lambda key: (abs(service.start_of(key) - wished), key))
