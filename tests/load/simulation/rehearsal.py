"""Simulate `make rush SEAT_AFTER=choice` on the laptop, with the measured service times.

People behave as in tests/load/rush/people.py until they have a seat. The later steps use other functions, so they do
not delay the first ones.
"""

import random
from collections import Counter
from collections.abc import Generator, Iterable
from math import exp, log, sqrt
from statistics import quantiles
from typing import Any

import simpy

from tests.load.simulation.parts import Seats, WeekCache

SETTLE = 8.0  # seconds between the last arrival and the opening
BOT_TRIES, BOT_PAUSE = 25, 0.2
FIRST_FREE, CHANGES_MIND, STAYS = 0.6, 0.08, 0.1  # shares of the people; STAYS: although nothing was free
DESKS = 2
FUNCTION = {"notice": "page", "calendar": "slots", "hold": "hold"}
Steps = Generator[Any, Any, Any]


class Rehearsal:
    """A simulated rush with the settings and service times of a measured one."""

    def __init__(self, measured: dict[str, Any], seed: int = 2026) -> None:
        self.chance = random.Random(seed)
        self.now = simpy.Environment()
        self.measured = measured
        at_once = measured["at_once"]
        self.connections = {name: simpy.Resource(self.now, at_once) for name in FUNCTION.values()}
        self.workers = [WeekCache() for _ in range(at_once)]
        self.seats = Seats(measured["seats"])
        self.opens = measured["visitors"] / measured["rate"] + SETTLE
        self.refusals: Counter[str] = Counter()
        self.waited: dict[str, list[float]] = {name: [] for name in FUNCTION}
        self.attempts = self.granted = 0

    def run(self) -> dict[str, float]:
        """Run it, and return the figures that are compared with the rush."""
        for number in range(self.measured["visitors"]):
            is_bot = number < self.measured["bots"]
            self.now.process(self.bot() if is_bot else self.person(number / self.measured["rate"]))
        self.now.run(until=self.opens + 170)  # before the first hold expires
        held = self.seats.first_held
        figures = {
            "drain_seconds": held[-1] - self.opens if len(held) == self.measured["seats"] else float("inf"),
            "attempts_per_win": self.attempts / max(1, self.granted),
            "nothing-free": self.refusals["nothing-free"],
            "slot-taken": self.refusals["slot-taken"],
        }
        for name in ("calendar", "hold"):
            cuts = quantiles(self.waited[name], n=100)
            figures |= {f"{name} waited p50": cuts[49], f"{name} waited p95": cuts[94]}
        return figures

    def service(self, step: str) -> float:
        """Draw a service time from a distribution with the measured median and mean."""
        measured = self.measured["service"][step]
        return exp(
            self.chance.gauss(log(measured["p50"]), sqrt(2 * log(max(1.01, measured["mean"] / measured["p50"]))))
        )

    def send(self, step: str) -> Steps:
        """Send a request that only reads: wait for a connection, then for the answer."""
        began = self.now.now
        with self.connections[FUNCTION[step]].request() as turn:
            yield turn
            yield self.now.timeout(self.service(step))
        self.waited[step].append(self.now.now - began)

    def hold(self, slot: int | None) -> Steps:
        """Ask for a hold. Return the seat, or the nearest free slots, or None if nothing is free."""
        began = self.now.now
        self.attempts += 1
        with self.connections["hold"].request() as turn:
            yield turn
            cache = self.workers.pop(0)
            if cache.is_old(self.now.now):
                week = self.seats.snapshot() if self.now.now >= self.opens else bytes(len(self.seats.free))
                cache.read(week, self.now.now)
            yield self.now.timeout(self.service("hold"))
            candidates: Iterable[int] = (
                cache.earliest(self.chance, self.now.now) if slot is None else cache.of_slot(slot, DESKS, self.chance)
            )
            taken = None
            for seat in candidates:
                won = self.now.now >= self.opens and self.seats.take(seat, self.attempts, self.now.now)
                cache.record(seat, self.now.now, won=won)
                if won:
                    taken = seat
                    break
            near = cache.nearest(slot or 0, DESKS)
            self.workers.insert(0, cache)
        self.waited["hold"].append(self.now.now - began)
        if taken is not None:
            self.granted += 1
            return taken
        self.refusals["slot-taken" if near else "nothing-free"] += 1
        return near or None

    def think(self, seconds: float) -> Any:
        """Wait for about this long."""
        return self.now.timeout(seconds * self.chance.uniform(0.5, 1.5))

    def person(self, arrives: float) -> Steps:
        """Act as a person, from the arrival until there is a seat or the person leaves."""
        yield self.now.timeout(arrives)
        yield from self.send("notice")
        yield self.think(2)
        yield from self.send("calendar")
        haste = self.measured["haste"]
        yield self.now.timeout(max(0.0, self.opens - self.now.now) + self.chance.expovariate(1 / haste) % (2 * haste))
        first_free, near = self.chance.random() < FIRST_FREE, list[int]()
        for _ in range(self.chance.randint(1, 5)):
            slot = self.chance.choice(near) if near else None
            if slot is None and not first_free:
                yield from self.send("calendar")
                free = [seat for seat, is_free in enumerate(self.seats.free) if is_free]
                slot = self.chance.choice(free) // DESKS if free else None
            outcome = yield from self.hold(slot)
            if isinstance(outcome, int):
                if self.chance.random() < CHANGES_MIND / 2:
                    yield self.think(3)
                    self.seats.give_back(outcome)
                return
            if outcome is None and self.chance.random() >= STAYS:
                return
            near = outcome or []
            yield self.think(2 if near else 8)

    def bot(self) -> Steps:
        """Act as a hammering program."""
        yield self.now.timeout(self.opens - 2 + self.chance.uniform(0, 2))
        for _ in range(BOT_TRIES):
            outcome = yield from self.hold(None)
            if isinstance(outcome, int):
                return
            yield self.now.timeout(BOT_PAUSE)
