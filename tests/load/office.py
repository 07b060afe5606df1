"""Release 2,000 seats, and expire 10,000 in a process that is killed half-way: `python -m tests.load.office [--json]`.

Uses the emulator at AWS_ENDPOINT_URL, or starts one, and creates its own tables.
Each seat counts how often it expired, so one that expires twice is detected. One that is forgotten stays held.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta

# This import sets the environment that the imports below read.
from tests.load.units import Meter, fresh_table, put_service, somewhere

# isort: split
from chalicelib.booking import schedule
from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock

RELEASED = 2_000
OVERDUE = 10_000
SWEEP = "from chalicelib.booking import schedule; from chalicelib.web import clock; schedule.end_expired(clock.now())"
KILL_AFTER = 0.4  # the share of the seats that have expired when the process is killed
HOURS = {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "09:00", "to": "17:20"}


def planned(desks: int, *, weeks_ahead: int) -> Service:
    """Store a service with 500 slots a week and this number of desks."""
    release = {"weeks_ahead": weeks_ahead, "moments": [{"day": "monday", "at": "00:00"}]}
    plannings = [{"desks": list(range(1, desks + 1)), "openings": [HOURS]}]
    put_service(plannings=plannings, release=release, public_holidays=None)
    return service_store.read("aes", clock.now())


def release() -> dict[str, float]:
    """Create the seats of a whole week, and return its costs. Raise ValueError if seats are missing."""
    planned(RELEASED // 500, weeks_ahead=0)
    today = clock.now()
    saturday = (today + timedelta(days=5 - today.weekday())).replace(hour=12)  # so that only the next week is open
    meter = Meter()
    start = time.monotonic()
    with meter.step("release"):
        created = schedule.release_seats(saturday)["create"]
    seconds = time.monotonic() - start
    if created != RELEASED or schedule.release_seats(saturday):
        raise ValueError(f"the release created {created} of {RELEASED} seats, or its repetition created more")
    return {"seats": created, "write units": meter.steps[0].writes, "seconds": round(seconds, 1)}


def overdue(now: datetime) -> list[Seat]:
    """Create a whole week of seats: half with expired holds, half with requests that nobody confirmed in time."""
    service = planned(OVERDUE // 500, weeks_ahead=3)  # far enough ahead that every seat can reopen
    week = timetable.weeks_to_create(service, now)[-1]
    keys = timetable.planned_seats(service, week)
    with SeatItem.batch_write() as batch:
        for number, key in enumerate(keys):
            row = seat_store.new_item(key, now - timedelta(days=3))
            row.state = State.HELD if number % 2 else State.PENDING
            row.hold, row.until, row.person = f"h{number}", now - timedelta(minutes=1), f"p{number}"
            batch.save(row)
    return seat_store.read_week("aes", week)


def sweep() -> dict[str, float]:
    """Expire 10,000 seats in a killed run and a second one. Raise ValueError if a seat expired twice or not at all."""
    now = clock.now()
    week = overdue(now)[0].key.week
    start = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", SWEEP], stderr=subprocess.DEVNULL)  # noqa: S603 - a constant
    while (
        sum(seat.state is State.OPEN for seat in seat_store.read_week("aes", week)) < OVERDUE * KILL_AFTER
        and child.poll() is None
    ):
        time.sleep(0.2)
    child.kill()
    child.wait()
    ended_before = sum(seat.state is State.OPEN for seat in seat_store.read_week("aes", week))
    ended = schedule.end_expired(clock.now())
    seconds = time.monotonic() - start
    seats = seat_store.read_week("aes", week)
    counts = Counter((str(seat.state), seat.expired, bool(seat.past)) for seat in seats)
    if counts != {("open", 1, True): OVERDUE // 2, ("open", 0, False): OVERDUE // 2}:
        raise ValueError(counts)
    waits = [seat.opens_at - now for seat in seats if seat.expired]
    if not timedelta(hours=2) <= min(waits) <= max(waits) <= timedelta(hours=48, seconds=seconds):
        raise ValueError((min(waits), max(waits)))
    return {
        "seats": len(seats),
        "ended before the kill": ended_before,
        "ended after it": sum(ended.values()),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.office")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with somewhere():
        with fresh_table():
            sweep_figures = sweep()
        with fresh_table():
            release_figures = release()
    if options.json:
        print(json.dumps({"release": release_figures, "sweep": sweep_figures}))
        return
    for title, figures in (("release", release_figures), ("sweep", sweep_figures)):
        print(title, ", ".join(f"{name} {value:g}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
