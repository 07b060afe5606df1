"""A release of 2,000 seats, and a sweep of 10,000 that is killed half way: `python -m tests.load.office [--json]`.

On the engine that AWS_ENDPOINT_URL names, else on one of its own; on a table of its own. Each seat counts how often it
was ended, so a seat that is ended twice shows; one that was lost stays held.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta

# The first names the table that the second reads.
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
SWEEP = "from chalicelib import edge, upkeep; upkeep.expire(edge.now())"
CUT = 0.4  # of the sweep, by the seats that it has ended
HOURS = {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "09:00", "to": "17:20"}


def planned(desks: int, *, weeks_ahead: int) -> Service:
    """A service with 500 slots a week and so many desks."""
    release = {"weeks_ahead": weeks_ahead, "moments": [{"day": "monday", "at": "00:00"}]}
    plannings = [{"desks": list(range(1, desks + 1)), "openings": [HOURS]}]
    put_service(plannings=plannings, release=release, public_holidays=None)
    return service_store.read("aes", clock.now())


def release() -> dict[str, float]:
    """Make a whole coming week; what it cost."""
    planned(RELEASED // 500, weeks_ahead=0)
    today = clock.now()
    saturday = (today + timedelta(days=5 - today.weekday())).replace(hour=12)  # of its week only the next is ahead
    meter = Meter()
    start = time.monotonic()
    with meter.step("release"):
        made = schedule.release_seats(saturday)["create"]
    took = time.monotonic() - start
    if made != RELEASED or schedule.release_seats(saturday):
        raise ValueError(made)
    return {"seats": made, "write units": meter.steps[0].writes, "seconds": round(took, 1)}


def overdue(now: datetime) -> list[Seat]:
    """Fill a whole week: half with holds that ran out, half with requests that nobody confirmed."""
    service = planned(OVERDUE // 500, weeks_ahead=3)  # far enough that every seat can return
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
    """End 10,000 in a run that is killed and a second one; ValueError for any that is lost or ended twice."""
    now = clock.now()
    week = overdue(now)[0].key.week
    start = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", SWEEP], stderr=subprocess.DEVNULL)  # noqa: S603  # our own words
    while (
        sum(seat.state is State.OPEN for seat in seat_store.read_week("aes", week)) < OVERDUE * CUT
        and child.poll() is None
    ):
        time.sleep(0.2)
    child.kill()
    child.wait()
    cut = sum(seat.state is State.OPEN for seat in seat_store.read_week("aes", week))
    ended = schedule.end_expired(clock.now())
    took = time.monotonic() - start
    seats = seat_store.read_week("aes", week)
    told = Counter((str(seat.state), seat.expired, bool(seat.past)) for seat in seats)
    if told != {("open", 1, True): OVERDUE // 2, ("open", 0, False): OVERDUE // 2}:
        raise ValueError(told)
    waits = [seat.opens_at - now for seat in seats if seat.expired]
    if not timedelta(hours=2) <= min(waits) <= max(waits) <= timedelta(hours=48, seconds=took):
        raise ValueError((min(waits), max(waits)))
    return {
        "seats": len(seats),
        "ended before the kill": cut,
        "ended after it": sum(ended.values()),
        "seconds": round(took, 1),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.office")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with somewhere():
        with fresh_table():
            swept = sweep()
        with fresh_table():
            released = release()
    if chosen.json:
        print(json.dumps({"release": released, "sweep": swept}))
        return
    for name, figures in (("release", released), ("sweep", swept)):
        print(name, ", ".join(f"{what} {value:g}" for what, value in figures.items()))


if __name__ == "__main__":
    main()
