"""The weeks of a service, with their seats as stored."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store

EMPTY_WEEKS = 3
"""How many weeks without a seat end the search for later ones. Closures leave gaps."""


def weeks_with_seats(service: Service, now: datetime) -> Iterator[tuple[str, list[Seat]]]:
    """Read the weeks that have or need seats, each with its seats.

    They begin with last week, for a run of the expiry schedule that was missed. After the weeks of the current rules
    come those that seats were once created for.
    """
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    last = monday_of(timetable.weeks_to_create(service, now)[-1])
    day, empty = monday - timetable.WEEK, 0
    while day <= last or empty < EMPTY_WEEKS:
        seats = seat_store.read_week(service.id, week_of(day))
        empty = 0 if seats or day <= last else empty + 1
        yield week_of(day), seats
        day += timetable.WEEK
