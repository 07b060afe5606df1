"""Which seats are free, and the calendar of a week."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from heapq import nsmallest
from itertools import groupby, islice

from chalicelib.domain.seat import Seat, SeatKey, State, monday_of
from chalicelib.domain.service import Service

FIRST_FREE_CANDIDATES = 10
"""A visitor who wants the first free slot gets a random one of this many seats, so that a crowd spreads."""


# Free seats


def is_offered(service: Service, key: SeatKey, now: datetime) -> bool:
    """Tell whether there is enough time before the appointment to confirm it and to come."""
    return service.start_of(key) - now >= service.limits.notice


def may_offer(service: Service, week: str, now: datetime) -> bool:
    """Tell whether any slot of a week could still be offered, whatever its seats are. Needs no read."""
    end = datetime.combine(monday_of(week) + timedelta(days=7), time.min, service.zone)
    return end - now > service.limits.notice


def free_seats(service: Service, seats: Iterable[Seat], now: datetime) -> list[SeatKey]:
    """Return the seats that are free, earliest first."""
    return sorted(_free(service, seats, now))


def first_free(
    service: Service, seats: Sequence[Seat], now: datetime, most: int | None = FIRST_FREE_CANDIDATES
) -> list[SeatKey]:
    """Return the first `most` free seats, or all of them. `seats` must be in order."""
    return list(islice(_free(service, seats, now), most))


def _free(service: Service, seats: Iterable[Seat], now: datetime) -> Iterator[SeatKey]:
    slot, offered = None, False
    for seat in seats:
        if seat.is_free(now):
            if (seat.key.day, seat.key.start) != slot:  # a slot can have twenty seats
                slot, offered = (seat.key.day, seat.key.start), is_offered(service, seat.key, now)
            if offered:
                yield seat.key


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot in the calendar: how many seats it has, and how many are free."""

    start: datetime
    free: int
    capacity: int

    @property
    def at(self) -> str:
        """The start to the minute: `2026-12-08T09:15`."""
        return self.start.isoformat()[:16]  # strftime takes five times as long


def slots_by_day(week: str, slots: Iterable[Slot]) -> list[tuple[date, list[Slot]]]:
    """Return the seven days of a week, from Monday, each with its slots, if any."""
    monday = monday_of(week)
    by_day = {day: list(of_day) for day, of_day in groupby(slots, key=lambda slot: slot.start.date())}
    return [(day, by_day.get(day, [])) for day in (monday + timedelta(days=n) for n in range(7))]


@dataclass(frozen=True, slots=True)
class WeekCount:
    """An open week and how many of its seats are free; None if the table did not answer."""

    week: str
    free: int | None
    bookable: bool = True
    """Whether any of its slots can still be offered, free or not."""

    @property
    def monday(self) -> date:
        return monday_of(self.week)


def count_week(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> WeekCount:
    """Count the free seats of a week. `seats` must be in order."""
    last = next((seat.key for seat in reversed(seats) if seat.state is not State.CLOSED), None)
    bookable = last is not None and is_offered(service, last, now)
    return WeekCount(week, sum(1 for _ in _free(service, seats, now)), bookable)


@dataclass(frozen=True, slots=True)
class Calendar:
    """One week of a service as a visitor sees it at `made_at`."""

    service: Service
    week: str
    made_at: datetime
    slots: tuple[Slot, ...]
    first_free: datetime | None
    weeks: tuple[WeekCount, ...] = ()
    """The open weeks in which a slot can still be offered, in order."""

    @property
    def days(self) -> list[tuple[date, list[Slot]]]:
        """The seven days of the week, from Monday, each with its slots, if any."""
        return slots_by_day(self.week, self.slots)

    @property
    def free(self) -> int:
        """How many seats of the week are free."""
        return sum(slot.free for slot in self.slots)


def week_calendar(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> Calendar:
    """Count the seats of a week by slot, without closed ones. A seat that was given back counts as taken.

    `seats` must be in order.
    """
    slots = []
    for _, of_slot in groupby(seats, key=lambda seat: (seat.key.day, seat.key.start)):
        unclosed = [seat for seat in of_slot if seat.state is not State.CLOSED]
        start = service.start_of(unclosed[0].key) if unclosed else now
        if start > now:
            free = sum(seat.is_free(now) for seat in unclosed) if is_offered(service, unclosed[0].key, now) else 0
            slots.append(Slot(start, free, len(unclosed)))
    return Calendar(service, week, now, tuple(slots), next((slot.start for slot in slots if slot.free), None))


def nearest_starts(service: Service, free: Iterable[SeatKey], wished: datetime, most: int = 3) -> list[datetime]:
    """Return the starts of up to `most` free slots, those nearest to the wished one, earliest first."""
    starts = {service.start_of(key) for key in free}
    return sorted(sorted(starts, key=lambda start: (abs(start - wished), start))[:most])


def nearest_seats(service: Service, free: Iterable[SeatKey], wished: datetime, most: int) -> list[SeatKey]:
    """Return up to `most` free seats, nearest to the wished slot first. Of two equally near, the earlier is first."""
    return nsmallest(most, free, key=lambda key: (abs(service.start_of(key) - wished), key))
