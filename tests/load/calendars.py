"""Compare the first calendars of a large and a small service after the cache expired: `python -m tests.load.calendars`.

Prints the CPU of each, and their ratios. `make bench` prints them too. Uses the emulator at AWS_ENDPOINT_URL, or starts
one.

Each service has three open weeks, of which the last one is half free. The weeks of the small one have 200 seats in 100
slots, which are read from the table: 600 seats. Those of the large one have 10,000 seats in 500 slots, on 20 desks.
Another process has made the snapshot, and since the one before it a thousand seats were taken: a busy second.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

# This import sets the environment that the imports below read.
from tests.load.units import fresh_table, put_service, somewhere

# isort: split
from chalicelib.domain import timetable, week_snapshot
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.domain.week_snapshot import WeekSnapshot
from chalicelib.storage import recent, seat_store, service_store, snapshot_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load import handlers
from tests.load.handlers import Case
from tests.load.regressions import LARGE, SMALL, calendar_ratios, first_calendar

ROUNDS, CALLS = 7, 7
CHANGED = 1_000
"""How many seats differ between two snapshots that follow each other: a partition takes so many writes a second."""
OPENINGS: Mapping[int, Mapping[str, Any]] = {
    SMALL: {"desks": [1, 2], "openings": [handlers.HOURS]},
    LARGE: {
        "desks": list(range(1, 21)),
        "openings": [
            {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "09:00", "to": "17:20"}
        ],
    },
}
RELEASE = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}


def cpu() -> dict[str, float]:
    """Return the milliseconds of CPU of each first calendar, by its name: the median of seven medians.

    The calendars are measured in turn, so that other programs disturb all of them alike.
    """
    with _stopped_clock():
        cases = {**_cases(SMALL), **_cases(LARGE)}
        for case in [*cases.values()] * 2:
            handlers.timed(case)
        rounds = [{name: _median(case) for name, case in cases.items()} for _ in range(ROUNDS)]
    return {name: median(measured[name] for measured in rounds) for name in cases}


def _median(case: Case) -> float:
    return median(handlers.timed(case) for _ in range(CALLS))


@contextmanager
def _stopped_clock() -> Iterator[None]:
    """Stop the clock, so that a snapshot stays fresh however slow the machine is."""
    before, now = clock.clock, clock.now()
    clock.clock = lambda: now
    try:
        yield
    finally:
        clock.clock = before


def _cases(seats: int) -> dict[str, Case]:
    put_service(id=f"seats-{seats}", plannings=[OPENINGS[seats]], closures=[], public_holidays=None, release=RELEASE)
    service = service_store.read(f"seats-{seats}", clock.now())
    expire_second = _large(service) if timetable.seats_a_week(service) >= week_snapshot.LARGE else _small(service)

    def look(*, page: bool) -> dict[str, Any]:
        expire_second()
        return handlers.request("GET", "/services/{service}/slots", page=page, service=service.id)

    return {
        first_calendar("JSON", seats): Case("slots", lambda: look(page=False)),
        first_calendar("page", seats): Case("slots", lambda: look(page=True)),
    }


def _seats(service: Service, week: str, *, is_full: bool) -> list[Seat]:
    """Return the seats of a week: all of them taken, or every second pair of desks."""
    opened = clock.now() - timedelta(hours=1)
    return [
        Seat(key, opened, State.CONFIRMED if is_full or number // 2 % 2 else State.OPEN)
        for number, key in enumerate(timetable.planned_seats(service, week))
    ]


def _small(service: Service) -> Callable[[], None]:
    """Store the seats of the service. Return a function that expires what is cached for 1 s."""
    *full, last = timetable.open_weeks(service, clock.now())
    with SeatItem.batch_write() as batch:
        for week in (*full, last):
            for seat in _seats(service, week, is_full=week != last):
                row = seat_store.new_item(seat.key, seat.opens_at)
                row.state = seat.state
                batch.save(row)
    return lambda: _expire_second(service, full)


def _large(service: Service) -> Callable[[], None]:
    """Store a snapshot of each week. Return a function that expires what is cached for 1 s, and replaces the last."""
    *full, last = timetable.open_weeks(service, clock.now())
    for week in full:
        _store(service, week, _seats(service, week, is_full=True), is_full=True)
    seats = _seats(service, last, is_full=False)
    snapshots = [seats, _take(seats)]
    if len(seats) != LARGE:
        raise ValueError(f"the last open week has {len(seats)} seats instead of {LARGE}")

    def expire_second() -> None:
        snapshots.reverse()
        _store(service, last, snapshots[0], is_full=False)
        _expire_second(service, full)

    return expire_second


def _take(seats: Sequence[Seat]) -> list[Seat]:
    """Return the seats with `CHANGED` fewer free ones, spread over the week."""
    free = [seat for seat in seats if seat.state is State.OPEN]
    taken = {seat.key for seat in free[:: len(free) // CHANGED]}
    return [replace(seat, state=State.CONFIRMED) if seat.key in taken else seat for seat in seats]


def _store(service: Service, week: str, seats: Sequence[Seat], *, is_full: bool) -> None:
    snapshot = WeekSnapshot(clock.now(), seats, is_full)
    if not snapshot_store.put(snapshot_store.read(service.id, week), snapshot):
        raise ValueError(f"the snapshot of {week} was not replaced")


def _expire_second(service: Service, full: Sequence[str]) -> None:
    recent.SEATS.clear()
    large = timetable.seats_a_week(service) >= week_snapshot.LARGE
    for week in full:
        seat_store.cached_week(service.id, week, clock.now(), large=large)


def main() -> None:
    """Print the figures, one a line."""
    argparse.ArgumentParser(prog="python -m tests.load.calendars").parse_args()
    with somewhere(), fresh_table(), Path(os.devnull).open("w") as sink, redirect_stderr(sink):  # each call logs a line
        measured = cpu()
    for name, ms in measured.items():
        print(f"CPU ms, {name}: {ms:.3g}")
    for name, ratio in calendar_ratios(measured).items():
        print(f"{name}: {ratio:.3g}")


if __name__ == "__main__":
    main()
