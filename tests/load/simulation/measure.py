"""CPU and read units of each step by the seats of a week: `python -m tests.load.simulation.measure [--record]`.

On the engine that AWS_ENDPOINT_URL names, else on one of its own; the handlers run in this process, so that its clock
sees their CPU alone. `--record` keeps the figures in measured.json, which the simulation reads.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from statistics import median
from typing import Any

# The first names the table that the others read.
from tests.load.units import READ_UNIT, fresh_table, put_service, size, somewhere

# isort: split
from chalice.test import Client

from chalicelib.domain import timetable
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.storage import recent, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load.simulation.inputs import MEASURED

SHAPES = {100: (1, "10:40"), 500: (2, "13:10"), 2_000: (4, "17:20")}  # seats of a week: desks, end of each of five days
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
TIMES = 5


def planned(seats: int) -> Service:
    """A service with so many seats a week, released three weeks ahead: two weeks that are full come before."""
    desks, end = SHAPES[seats]
    openings = [{"days": DAYS, "from": "09:00", "to": end}]
    plannings = [{"desks": list(range(1, desks + 1)), "openings": openings}]
    release = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    put_service(plannings=plannings, release=release, public_holidays=None)
    service_store.forget()
    return service_store.read("aes", clock.now())


def fill(service: Service) -> str:
    """Make the seats: those of the last open week are free, those before are confirmed; the free week."""
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


class Watch:
    """The CPU of calls, in milliseconds."""

    def __init__(self, client: Client, accept: str) -> None:
        self.http = client.http
        self.headers = {"Accept": accept, "Content-Type": "application/json"}
        self.answer: Any = None

    def cpu(self, path: str, body: Any = None) -> float:
        """One request; its answer is kept."""
        began = time.process_time()
        if body is None:
            self.answer = self.http.get(path, headers=self.headers)
        else:
            self.answer = self.http.post(path, headers=self.headers, body=json.dumps(body).encode())
        return (time.process_time() - began) * 1000

    def middle(self, again: Callable[[], None], path: str, body: Any = None) -> float:
        """The median of several, `again` before each."""
        seen = []
        for _ in range(TIMES):
            again()
            seen.append(self.cpu(path, body))
        return round(median(seen), 2)


def keep() -> None:
    """Nothing before a request."""


def figures(client: Client, seats: int) -> dict[str, Any]:
    """What the steps cost in a week of so many seats."""
    with fresh_table():
        service = planned(seats)
        week = fill(service)
        raw = SeatItem._get_connection().query(f"SEATS#aes#{week}")["Items"]  # noqa: SLF001
        read = sum(size(item) for item in raw)
        found: dict[str, Any] = {
            "seats": seats,
            "slots": len({key.start for key in timetable.planned_seats(service, week)}),
        }
        if len(raw) == seats:  # else the answer has more pages
            found["item_bytes"] = round(read / seats)
        for name, accept in (("page", "text/html"), ("json", "application/json")):
            watch = Watch(client, accept)
            slots, holds = f"/services/aes/slots?week={week}", "/services/aes/holds"
            first = {"first_free": True, "conditions_accepted": True}
            here: dict[str, Any] = {"look, memory empty": watch.middle(recent.forget, slots)}
            here["look"] = watch.middle(keep, slots)
            here["answer bytes"] = len(watch.answer.body)
            here["hold, memory empty"] = watch.middle(recent.forget, holds, first)
            here["hold"] = watch.middle(keep, holds, first)
            here["status"] = watch.answer.status_code
            found[name] = here
        found["read units"] = ceil(read / READ_UNIT) / 2
        return found


def main() -> None:
    """Print the figures, and keep them."""
    os.environ["GUICHET_CAPTCHA_ANSWER"] = ""
    with somewhere():
        from app import app  # noqa: PLC0415  # reads the environment

        with Client(app) as client:
            made = [figures(client, seats) for seats in SHAPES]
    print(json.dumps(made, indent=1))
    if "--record" in sys.argv:
        known = json.loads(MEASURED.read_text("utf-8"))
        known["steps"] = {"date": f"{clock.now():%Y-%m-%d}", "machine": platform.machine(), "by_seats": made}
        MEASURED.write_text(json.dumps(known, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
