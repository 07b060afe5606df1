"""`make rush SEAT_AFTER=choice` on the laptop, simulated: its people, lines and workers; only service times are given.

People as tests/load/rush/people.py plays them, as far as the seat; what comes after it waits in other lines.
"""

import random
from collections import Counter
from collections.abc import Generator, Iterable
from math import exp, log, sqrt
from statistics import quantiles
from typing import Any

import simpy

from tests.load.simulation.parts import Memory, Seats

SETTLE = 8.0  # seconds between the last arrival and the opening
BOT_TRIES, BOT_PAUSE = 25, 0.2
FIRST_FREE, LEAVES, INSISTS = 0.6, 0.08, 0.1  # of the people: the last look again though nothing was free
DESKS = 2
FUNCTION = {"notice": "page", "calendar": "slots", "hold": "hold"}
Steps = Generator[Any, Any, Any]


class Rehearsal:
    """One rush with the settings and the service times of a measured one."""

    def __init__(self, measured: dict[str, Any], seed: int = 2026) -> None:
        self.chance = random.Random(seed)
        self.now = simpy.Environment()
        self.measured = measured
        lines = measured["at_once"]
        self.lines = {name: simpy.Resource(self.now, lines) for name in FUNCTION.values()}
        self.workers = [Memory() for _ in range(lines)]
        self.seats = Seats(measured["seats"])
        self.opens = measured["visitors"] / measured["rate"] + SETTLE
        self.refusals: Counter[str] = Counter()
        self.waited: dict[str, list[float]] = {name: [] for name in FUNCTION}
        self.attempts = self.given = 0

    def run(self) -> dict[str, float]:
        """The figures that the rush has as well."""
        for number in range(self.measured["visitors"]):
            is_bot = number < self.measured["bots"]
            self.now.process(self.bot() if is_bot else self.person(number / self.measured["rate"]))
        self.now.run(until=self.opens + 170)  # before the first unfinished hold runs out
        held = self.seats.first_held
        found = {
            "drain_seconds": held[-1] - self.opens if len(held) == self.measured["seats"] else float("inf"),
            "attempts_per_win": self.attempts / max(1, self.given),
            "nothing-free": self.refusals["nothing-free"],
            "slot-taken": self.refusals["slot-taken"],
        }
        for name in ("calendar", "hold"):
            cuts = quantiles(self.waited[name], n=100)
            found |= {f"{name} waited p50": cuts[49], f"{name} waited p95": cuts[94]}
        return found

    def service(self, step: str) -> float:
        """A service time with the median and the mean of those that were measured."""
        of = self.measured["service"][step]
        return exp(self.chance.gauss(log(of["p50"]), sqrt(2 * log(max(1.01, of["mean"] / of["p50"])))))

    def ask(self, step: str) -> Steps:
        """One request that changes nothing: its line, then its time."""
        began = self.now.now
        with self.lines[FUNCTION[step]].request() as turn:
            yield turn
            yield self.now.timeout(self.service(step))
        self.waited[step].append(self.now.now - began)

    def hold(self, slot: int | None) -> Steps:
        """A hold: the seat, or the slots that are near; None when nothing is free."""
        began = self.now.now
        self.attempts += 1
        with self.lines["hold"].request() as turn:
            yield turn
            memory = self.workers.pop(0)
            if memory.is_old(self.now.now):
                seen = self.seats.seen() if self.now.now >= self.opens else bytes(len(self.seats.free))
                memory.read(seen, self.now.now)
            yield self.now.timeout(self.service("hold"))
            wanted: Iterable[int] = (
                memory.earliest(self.chance, self.now.now) if slot is None else memory.of_slot(slot, DESKS, self.chance)
            )
            got = None
            for seat in wanted:
                won = self.now.now >= self.opens and self.seats.take(seat, self.attempts, self.now.now)
                memory.told(seat, self.now.now, won=won)
                if won:
                    got = seat
                    break
            near = memory.nearest(slot or 0, DESKS)
            self.workers.insert(0, memory)
        self.waited["hold"].append(self.now.now - began)
        if got is not None:
            self.given += 1
            return got
        self.refusals["slot-taken" if near else "nothing-free"] += 1
        return near or None

    def think(self, seconds: float) -> Any:
        """About so long."""
        return self.now.timeout(seconds * self.chance.uniform(0.5, 1.5))

    def person(self, arrives: float) -> Steps:
        """From coming in to a seat, or to leaving without."""
        yield self.now.timeout(arrives)
        yield from self.ask("notice")
        yield self.think(2)
        yield from self.ask("calendar")
        haste = self.measured["haste"]
        yield self.now.timeout(max(0.0, self.opens - self.now.now) + self.chance.expovariate(1 / haste))
        first_free, near = self.chance.random() < FIRST_FREE, list[int]()
        for _ in range(self.chance.randint(1, 5)):
            slot = self.chance.choice(near) if near else None
            if slot is None and not first_free:
                yield from self.ask("calendar")
                free = [seat for seat, one in enumerate(self.seats.free) if one]
                slot = self.chance.choice(free) // DESKS if free else None
            told = yield from self.hold(slot)
            if isinstance(told, int):
                if self.chance.random() < LEAVES / 2:
                    yield self.think(3)
                    self.seats.give_back(told)
                return
            if told is None and self.chance.random() >= INSISTS:
                return
            near = told or []
            yield self.think(2 if near else 8)

    def bot(self) -> Steps:
        """A program that hammers."""
        yield self.now.timeout(self.opens - 2 + self.chance.uniform(0, 2))
        for _ in range(BOT_TRIES):
            told = yield from self.hold(None)
            if isinstance(told, int):
                return
            yield self.now.timeout(BOT_PAUSE)
