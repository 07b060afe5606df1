"""The laptop: so many clients that never pause, cores that share the work, workers that each remember a second."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from statistics import quantiles

from tests.load.simulation.parts import Memory, Seats

SLOT_DESKS = 2


@dataclass(frozen=True)
class Laptop:
    """Cores, and seconds of a core for a request: always, to read the week again, for one conditional write."""

    cores: int
    request: float
    fill: float
    write: float


@dataclass(frozen=True)
class Storm:
    """What `tests/stack/storm.py` prints of its storm."""

    rate: float
    p50: float
    p95: float
    drain: float
    attempts_per_win: float
    refusals: dict[str, int]


def storm(laptop: Laptop, threads: int, attempts: int, seats: int = 100, seed: int = 2026) -> Storm:
    """So many holds by so many clients, one after another each; every second one names a slot."""
    chance, week = random.Random(seed), Seats(seats)
    workers = [Memory() for _ in range(threads)]
    idle = sorted(range(threads), reverse=True)
    waiting: list[tuple[float, int, int]] = []  # since, the number of the attempt, its worker
    running: list[tuple[float, int, float, int]] = []
    refusals = {"taken": 0, "nothing free": 0}
    times, begun, now = list[float](), 0, 0.0

    def begin() -> None:
        nonlocal begun
        if begun < attempts:
            idle.sort(reverse=True)  # the engine gives work to the first worker that is idle
            waiting.append((now, begun, idle.pop()))
            begun += 1

    for _ in range(threads):
        begin()
    while waiting or running:
        while waiting and len(running) < laptop.cores:
            since, number, worker = waiting.pop(chance.randrange(len(waiting)))  # the system's threads keep no order
            memory, cpu = workers[worker], laptop.request
            if memory.is_old(now):
                memory.read(week.seen(), now)
                cpu += laptop.fill
            heappush(running, (now + cpu, number, since, worker))
        now, number, since, worker = heappop(running)
        memory = workers[worker]
        slot = chance.randrange(seats // SLOT_DESKS) if number % 2 else None
        wanted: Iterable[int] = (
            memory.earliest(chance, now) if slot is None else memory.of_slot(slot, SLOT_DESKS, chance)
        )
        for seat in wanted:
            now += laptop.write
            won = week.take(seat, number, now)
            memory.told(seat, now, won=won)
            if won:
                break
        else:
            refusals["taken" if memory.nearest(slot or 0, SLOT_DESKS) else "nothing free"] += 1
        times.append(now - since)
        idle.append(worker)
        begin()
    cuts = quantiles(times, n=100)
    held = week.first_held
    drain = held[-1] if len(held) == seats else now
    return Storm(attempts / now, cuts[49], cuts[94], drain, attempts / len(held), refusals)
