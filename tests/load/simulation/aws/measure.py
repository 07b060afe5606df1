"""Measure the CPU time of a look and of a hold by the seats of a week.

`python -m tests.load.simulation.aws.measure [--record]` uses the emulator at AWS_ENDPOINT_URL, or starts one. The
handlers run in this process, so its CPU time is theirs.
`--record` writes the figures to measured.json, which the simulation reads.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

# This import sets the environment that the imports below read.
from tests.load.units import fresh_table, put_service, somewhere

# isort: split
from chalice.test import Client

from chalicelib.domain import timetable
from chalicelib.domain.seat import State, monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import recent, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load.simulation.aws.inputs import MEASURED, read_measured

SHAPES = {
    100: (1, "10:40"),
    500: (2, "13:10"),
    1_600: (4, "15:40"),
}  # by the seats of a week: desks, and end of each of the five days
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
REPETITIONS = 15
NINE = time_of_day(8, 0, 1)  # a second after nine in Paris, in winter


def add_service(seats: int) -> Service:
    """Add a service with this number of seats per week. Two full weeks come before the released one."""
    desks, end = SHAPES[seats]
    openings = [{"days": DAYS, "from": "09:00", "to": end}]
    plannings = [{"desks": list(range(1, desks + 1)), "openings": openings}]
    release = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    put_service(plannings=plannings, release=release, public_holidays=None)
    service_store.clear_caches()
    return service_store.read("aes", clock.now())


def fill(service: Service) -> str:
    """Create the seats of the open weeks: free in the last week, confirmed before. Return the last week."""
    now = clock.now()
    weeks = timetable.open_weeks(service, now)
    with SeatItem.batch_write() as batch:
        for week in weeks:
            for key in timetable.planned_seats(service, week):
                row = seat_store.new_item(key, now - timedelta(days=1))
                if week != weeks[-1]:
                    row.state, row.hold, row.person = State.CONFIRMED, "h" * 52, "p" * 52
                    row.until = now + timedelta(days=2)
                batch.save(row)
    return weeks[-1]


class Stopwatch:
    """Measures the CPU time of requests for pages, in milliseconds."""

    def __init__(self, client: Client) -> None:
        self.http = client.http
        self.headers = {"Accept": "text/html", "Content-Type": "application/json"}

    def cpu(self, path: str, body: Any = None) -> float:
        """Send a request. Raise ValueError if it is refused."""
        began = time.process_time()
        if body is None:
            answer = self.http.get(path, headers=self.headers)
        else:
            answer = self.http.post(path, headers=self.headers, body=json.dumps(body).encode())
        spent = time.process_time() - began
        if answer.status_code >= 400:
            raise ValueError(f"{path} is refused with {answer.status_code}")
        return spent * 1000

    def median(self, prepare: Callable[[], None], path: str, body: Any = None) -> float:
        """Return the median of several requests, with `prepare` before each."""
        samples = []
        for _ in range(REPETITIONS):
            prepare()
            samples.append(self.cpu(path, body))
        return round(statistics.median(samples), 2)


def keep_cache() -> None:
    """Leave the cache as it is."""


def measure(client: Client, seats: int) -> dict[str, float]:
    """Return the CPU milliseconds of a look and of a hold in a week with this number of seats."""
    with fresh_table():
        week = fill(add_service(seats))
        stopwatch = Stopwatch(client)
        slots, holds = f"/services/aes/slots?week={week}", "/services/aes/holds"
        first = {"first_free": True, "conditions_accepted": True}
        return {
            "seats": seats,
            "look": stopwatch.median(keep_cache, slots),
            "hold, cache empty": stopwatch.median(recent.SEATS.clear, holds, first),
            "hold": stopwatch.median(keep_cache, holds, first),
        }


def main() -> None:
    """Print the figures, and record them with --record."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.simulation.aws.measure")
    parser.add_argument("--record", action="store_true", help="write measured.json")
    is_recorded = parser.parse_args().record
    os.environ["GUICHET_CAPTCHA_ANSWER"] = ""
    began, today = time.monotonic(), clock.now()
    monday = datetime.combine(monday_of(week_of(today.date())) + timedelta(days=7), NINE, UTC)
    clock.clock = lambda: monday + timedelta(seconds=time.monotonic() - began)  # on a Sunday one week less is read
    with somewhere():
        from app import app  # noqa: PLC0415  # reads the environment

        with Client(app) as client:
            by_seats = [measure(client, seats) for seats in SHAPES]
    print(json.dumps(by_seats, indent=1))
    if is_recorded:
        measured = read_measured() | {"date": f"{today:%Y-%m-%d}", "by_seats": by_seats}
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
