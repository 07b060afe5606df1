"""Measure a draw with many entries on the emulator: `python -m tests.load.draw [--entries N] [--seats N ...]`.

For each number of seats it prints time, CPU, memory and units of each stage. A stage runs in a process that has stored
none of the entries. `--pure N` instead computes a draw of N entries without a table.
"""

import argparse
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from datetime import date, datetime, timedelta
from hashlib import sha256
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# This import sets the environment that the imports below read.
from tests.load.units import READ_UNIT, WRITES, fresh_table, size, somewhere

# isort: split
import yaml

from chalicelib.allocation import draw, run, seats
from chalicelib.booking import requests, schedule
from chalicelib.domain import draw_record
from chalicelib.domain.draw import FrozenEntry
from chalicelib.domain.draw_record import Draw, ListKind
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, dynamodb, seat_store, service_store
from infra.deploy.package import ROOT
from tests.load import entries

OPENS = datetime.fromisoformat("2026-12-03T09:00:00+01:00")
CLOSES = datetime.fromisoformat("2026-12-06T18:00:00+01:00")
FROZEN_AT = CLOSES + timedelta(minutes=1)
WEEK = "2026-W52"
PREFERENCES = (("tue-am", "thu-am"), ("thu-am", "any"), ("any",), ("tue-am",))
SLOTS = 20
"""The slots of the week: 09:15 to 10:05 on Tuesday and Thursday."""
BORN = date(1990, 5, 17)
STAGES = ("freeze", "results", "seats", "one offer")
AIM = 15.0
"""Seconds for freeze, results and seats together, in one function."""
Figures = dict[str, float]


def service_document(seats_a_week: int) -> dict[str, Any]:
    """Return the seed's service with a draw of so many seats."""
    seed = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    openings = [{"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:05"}]
    desks = list(range(1, seats_a_week // SLOTS + 1))
    sides = {"opens": {"day": "thursday", "at": "09:00"}, "closes": {"day": "sunday", "at": "18:00"}}
    rules = {"weeks_ahead": 2, "seniority_percent": 25, "preferences": 5, "beacon": "commitment", "witnesses": []}
    common = {name: value for name, value in seed.items() if name not in {"release", "seat_after"}}
    drawing = {"allocation": "draw", "draw": sides | rules, "plannings": [{"desks": desks, "openings": openings}]}
    return {**common, **drawing, "slot_minutes": 5}


def store(seats_a_week: int, count: int) -> Figures:
    """Promise the draw, create the seats and store the entries."""
    service = service_store.put(service_document(seats_a_week))
    schedule.release_seats(OPENS)
    run.run(lambda: OPENS)
    proved_at = OPENS + timedelta(hours=1)
    rows = (entries.entry_item(service, n, PREFERENCES[n % len(PREFERENCES)], proved_at) for n in range(count))
    started = time.perf_counter()
    entries.put_all(rows)
    return {"seconds": time.perf_counter() - started}


class Meter:
    """Counts calls and units. A Query is billed by the whole items that it reads, which the projection hides."""

    def __init__(self, entry_bytes: int) -> None:
        self.entry_bytes, self.calls, self.reads, self.writes = entry_bytes, 0, 0.0, 0.0
        dynamodb.connection().connection.client.meta.events.register("after-call.dynamodb", self.record)

    def record(self, parsed: Mapping[str, Any], model: Any, **_: object) -> None:
        self.calls += 1
        if model.name == "Query":
            stored = parsed["Items"]
            are_entries = bool(stored) and stored[0]["pk"]["S"].startswith("ENTRIES#")
            total = len(stored) * self.entry_bytes if are_entries else sum(map(size, stored))
            self.reads += max(1, ceil(total / READ_UNIT))
            return
        capacity = parsed.get("ConsumedCapacity", {"CapacityUnits": 1.0})
        tables = capacity if isinstance(capacity, list) else [capacity]
        units = sum(float(table["CapacityUnits"]) for table in tables)
        if model.name in WRITES:
            self.writes += units
        else:
            self.reads += units


def play(count: int) -> dict[str, Figures]:
    """Run the stages of the draw. Return the figures of each."""
    service = service_store.read("aes", OPENS)
    meter = Meter(size(entries.entry_item(service, 1, PREFERENCES[0], OPENS).serialize(null_check=False)))
    figures: dict[str, Figures] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        meter.calls, meter.reads, meter.writes = 0, 0.0, 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        figures[name] = {
            "seconds": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "calls": meter.calls,
            "reads": meter.reads,
            "writes": meter.writes,
        }

    current = stored_draw()
    figures["before"] = {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    with stage("freeze"):
        current = draw.freeze(service, current, FROZEN_AT)
    with stage("results"):
        current = draw.draw_lots(service, current, FROZEN_AT, lambda _number: None)
    store_winners(service, current, count)
    with stage("seats"):
        current = seats.assign(service, current, FROZEN_AT)
    taken = [seat for seat in seat_store.read_week("aes", WEEK) if seat.state is State.PENDING]
    requests.cancel(requests.request_of(service, taken[0]).token, FROZEN_AT)
    with stage("one offer"):
        offered = seats.offer(service, current, FROZEN_AT)
    assert offered == 1
    figures["won"] = {"seats": len(taken)}
    return figures


def stored_draw() -> Draw:
    current = draw_store.read("aes", WEEK)
    assert current
    return current


def store_winners(service: Service, current: Draw, count: int) -> None:
    """Store the people of the winners and of the next ranks, which a draw reads only then."""
    numbers = {entries.receipt(number): number for number in range(count)}
    lines = draw_store.read_list(current, ListKind.RESULTS).splitlines()
    ranked = [numbers[line.split(";")[1]] for line in lines[: 2 * current.record["seats"] + 10]]
    ranked += [numbers[line.split(";")[1]] for line in lines if not line.endswith("-")]
    rows = (row for number in set(ranked) for row in entries.person_items(service, number, OPENS, BORN))
    entries.put_all(rows)


def pure(count: int) -> dict[str, Figures]:
    """Compute a draw of so many entries without a table: lists, order, seats, standing."""
    figures: dict[str, Figures] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures[name] = {"seconds": time.perf_counter() - started, "memory": memory}
        return result

    days = ("2026-12-22-am", "2026-12-24-am", "any")
    listed = [FrozenEntry(entries.receipt(n), n % 7, (days[n % 3], days[(n + 1) % 3])) for n in range(count)]
    lines = [f"2026-12-{day}T{9 + n // 12:02}:{n % 12 * 5:02}/001" for day in (22, 24) for n in range(30)]
    text = timed("lines", lambda: draw_record.entry_lines(listed))
    listed.clear()
    figures["megabytes"] = {"entries": len(text) / 1e6}
    parsed = timed("parse", lambda: draw_record.parse_entries(text))
    timed("root", lambda: draw_record.root(text, ""))
    hashes = {name: sha256(name.encode()).hexdigest() for name in ("randomness", "seed", "root")}
    results = timed("results", lambda: draw_record.results({**hashes, "seniority_percent": 25}, parsed, sorted(lines)))
    timed("result lines", lambda: draw_record.result_lines(results))
    standing = timed("standing", lambda: draw_record.standing(parsed, results, {}))
    timed("standing lines", lambda: draw_record.standing_lines(standing))
    timed("parts", lambda: [len(part) for part in draw_store.parts_of(text)])
    return figures


def in_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function that runs in a process of its own, whose memory is counted by itself."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def target() -> None:
        with Path(os.devnull).open("w") as sink, redirect_stderr(sink):  # each stage logs a line
            sender.send(work(*arguments))

    process = context.Process(target=target)
    process.start()
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.draw")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seats", type=int, nargs="+", default=[60, 1000])
    parser.add_argument("--pure", type=int, help="compute a draw of so many entries without a table")
    options = parser.parse_args()
    gc.freeze()
    if options.pure:
        print(json.dumps(in_own_process(pure, options.pure), indent=1))
        return
    with somewhere():
        for number in options.seats:
            with fresh_table():
                stored = in_own_process(store, number, options.entries)
                figures = in_own_process(play, options.entries)
            print(f"{options.entries:,} entries, {number:,} seats, stored in {stored['seconds']:.0f} s")
            print(f"{'':<12}{'s':>8}{'CPU s':>8}{'MB':>8}{'calls':>8}{'writes':>9}{'reads':>9}")
            for name in STAGES:
                of = figures[name]
                print(
                    f"{name:<12}{of['seconds']:>8.1f}{of['cpu']:>8.1f}{of['memory']:>8.0f}{of['calls']:>8.0f}"
                    f"{of['writes']:>9.0f}{of['reads']:>9.0f}"
                )
            total = sum(figures[name]["seconds"] for name in STAGES[:3])
            print(f"together {total:.1f} s (aim {AIM:.0f}); before: {figures['before']['memory']:.0f} MB\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
