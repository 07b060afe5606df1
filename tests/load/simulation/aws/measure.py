"""Measure CPU and read units of each step by the seats of a week.

`python -m tests.load.simulation.aws.measure [--record]` uses the emulator at AWS_ENDPOINT_URL, or starts one. The
handlers run in this process, so its CPU time is theirs.
`--record` writes the figures to measured.json, which the simulation reads.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from math import ceil
from typing import Any

# This import sets the environment that the imports below read.
from tests.load.units import READ_UNIT, fresh_table, put_service, size, somewhere

# isort: split
from chalice.test import Client

from chalicelib.domain import timetable
from chalicelib.domain.seat import State, monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import recent, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load.simulation.aws.inputs import MEASURED

SHAPES = {
    100: (1, "10:40"),
    500: (2, "13:10"),
    1_600: (4, "15:40"),
}  # by the seats of a week: desks, and end of each of the five days
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
REPETITIONS = 15
NINE = time_of_day(8, 0, 1)  # a second after nine in Paris, in winter


def planned(seats: int) -> Service:
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
    """Measures the CPU time of requests, in milliseconds."""

    def __init__(self, client: Client, accept: str) -> None:
        self.http = client.http
        self.headers = {"Accept": accept, "Content-Type": "application/json"}
        self.answer: Any = None

    def cpu(self, path: str, body: Any = None) -> float:
        """Send a request, and store its answer."""
        began = time.process_time()
        if body is None:
            self.answer = self.http.get(path, headers=self.headers)
        else:
            self.answer = self.http.post(path, headers=self.headers, body=json.dumps(body).encode())
        return (time.process_time() - began) * 1000

    def median(self, prepare: Callable[[], None], path: str, body: Any = None) -> float:
        """Return the median of several requests, with `prepare` before each."""
        samples = []
        for _ in range(REPETITIONS):
            prepare()
            samples.append(self.cpu(path, body))
        return round(statistics.median(samples), 2)


def keep_cache() -> None:
    """Leave the cache as it is."""


def figures(client: Client, seats: int) -> dict[str, Any]:
    """Measure the steps in a week with this number of seats."""
    with fresh_table():
        service = planned(seats)
        week = fill(service)
        week_items = SeatItem._get_connection().query(f"SEATS#aes#{week}")["Items"]  # noqa: SLF001
        read_bytes = sum(size(item) for item in week_items)
        measured: dict[str, Any] = {
            "seats": seats,
            "slots": len({key.start for key in timetable.planned_seats(service, week)}),
        }
        if len(week_items) == seats:  # otherwise the Query has more pages
            measured["item_bytes"] = round(read_bytes / seats)
        for name, accept in (("page", "text/html"), ("json", "application/json")):
            stopwatch = Stopwatch(client, accept)
            slots, holds = f"/services/aes/slots?week={week}", "/services/aes/holds"
            first = {"first_free": True, "conditions_accepted": True}
            steps: dict[str, Any] = {"look, memory empty": stopwatch.median(recent.SEATS.clear, slots)}
            steps["look"] = stopwatch.median(keep_cache, slots)
            steps["answer bytes"] = len(stopwatch.answer.body)
            steps["hold, memory empty"] = stopwatch.median(recent.SEATS.clear, holds, first)
            steps["hold"] = stopwatch.median(keep_cache, holds, first)
            steps["status"] = stopwatch.answer.status_code
            measured[name] = steps
        measured["read units"] = ceil(read_bytes / READ_UNIT) / 2
        return measured


def main() -> None:
    """Print the figures, and record them with --record."""
    os.environ["GUICHET_CAPTCHA_ANSWER"] = ""
    began, today = time.monotonic(), clock.now()
    monday = datetime.combine(monday_of(week_of(today.date())) + timedelta(days=7), NINE, UTC)
    clock.clock = lambda: monday + timedelta(seconds=time.monotonic() - began)  # on a Sunday one week less is read
    with somewhere():
        from app import app  # noqa: PLC0415  # reads the environment

        with Client(app) as client:
            by_seats = [figures(client, seats) for seats in SHAPES]
    print(json.dumps(by_seats, indent=1))
    if "--record" in sys.argv:
        measured = json.loads(MEASURED.read_text("utf-8"))
        measured["steps"] = {"date": f"{today:%Y-%m-%d}", "machine": platform.machine(), "by_seats": by_seats}
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
