"""Simulate a storm of holds on the laptop: clients without pauses, shared cores, workers with a cache of 1 s each."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from statistics import quantiles

from tests.load.simulation.parts import Seats, WeekCache

SLOT_DESKS = 2


@dataclass(frozen=True)
class Laptop:
    """Number of cores, and CPU seconds of a request: its base, a read of the week, and one conditional write."""

    cores: int
    request: float
    fill: float
    write: float


@dataclass(frozen=True)
class Storm:
    """The figures of a storm, as `tests/stack/storm.py` prints them."""

    rate: float
    p50: float
    p95: float
    drain: float
    attempts_per_win: float
    refusals: dict[str, int]


def storm(laptop: Laptop, threads: int, attempts: int, seats: int = 100, seed: int = 2026) -> Storm:
    """Simulate clients that each send one hold after another. Every second hold names a slot."""
    chance, week = random.Random(seed), Seats(seats)
    workers = [WeekCache() for _ in range(threads)]
    idle = sorted(range(threads), reverse=True)
    waiting: list[tuple[float, int, int]] = []  # start, number of the attempt, worker
    running: list[tuple[float, int, float, int]] = []
    refusals = {"taken": 0, "nothing free": 0}
    times, started, now = list[float](), 0, 0.0

    def begin() -> None:
        nonlocal started
        if started < attempts:
            idle.sort(reverse=True)  # the emulator uses the first idle worker
            waiting.append((now, started, idle.pop()))
            started += 1

    for _ in range(threads):
        begin()
    while waiting or running:
        while waiting and len(running) < laptop.cores:
            start, number, worker = waiting.pop(chance.randrange(len(waiting)))  # threads are not scheduled in order
            cache, cpu = workers[worker], laptop.request
            if cache.is_old(now):
                cache.read(week.snapshot(), now)
                cpu += laptop.fill
            heappush(running, (now + cpu, number, start, worker))
        now, number, start, worker = heappop(running)
        cache = workers[worker]
        slot = chance.randrange(seats // SLOT_DESKS) if number % 2 else None
        candidates: Iterable[int] = (
            cache.earliest(chance, now) if slot is None else cache.of_slot(slot, SLOT_DESKS, chance)
        )
        for seat in candidates:
            now += laptop.write
            won = week.take(seat, number, now)
            cache.record(seat, now, won=won)
            if won:
                break
        else:
            refusals["taken" if cache.nearest(slot or 0, SLOT_DESKS) else "nothing free"] += 1
        times.append(now - start)
        idle.append(worker)
        begin()
    cuts = quantiles(times, n=100)
    held = week.first_held
    drain = held[-1] if len(held) == seats else now
    return Storm(attempts / now, cuts[49], cuts[94], drain, attempts / len(held), refusals)
