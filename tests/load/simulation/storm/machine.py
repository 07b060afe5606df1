"""Simulate a storm on this machine: the crowd, the web servers and the table share its cores."""

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from operator import itemgetter
from typing import Any

from chalicelib.storage import recent
from tests.load.simulation.seats import CACHE_SECONDS, Seats, WeekCache
from tests.load.simulation.storm.crowd import (
    CALENDAR,
    DESKS,
    FIRST_FREE,
    FULL,
    HELD,
    LOOK,
    NOTHING,
    TAKEN,
    Person,
    Reply,
    StormAnswer,
)
from tests.load.simulation.storm.service_times import StormCosts

COUNTED_SECONDS = recent.COUNTED.total_seconds()
CALLS = 3
"""The calls of a hold that gets its seat: for the seat, the count of the client network, and the visitor token."""


@dataclass(eq=False)
class Inbox:
    """Items that wait for a process, or processes that wait for an item."""

    items: deque[Any] = field(default_factory=deque)
    waiting: deque["Process"] = field(default_factory=deque)


Process = Generator[float | Inbox, Any, Any]
"""Yields the CPU seconds that it needs next, or the inbox from which it needs an item."""


class Machine:
    """Cores with a queue each, as Linux has them: the processes of a core share it equally.

    A process wakes up on its last core, or on one that is idle. An idle core takes a process from one that has several.
    """

    def __init__(self, cores: float) -> None:
        self.now, self.queues = 0.0, [list[list[Any]]() for _ in range(ceil(cores))]
        """The CPU seconds that each process still needs, and the process, for each core."""
        self.speed = cores / len(self.queues)
        self.last: dict[Process, int] = {}

    def put(self, inbox: Inbox, item: Any) -> None:
        """Give an item to the process that waits longest, or keep it."""
        if inbox.waiting:
            self.go_on(inbox.waiting.popleft(), item)
        else:
            inbox.items.append(item)

    def go_on(self, process: Process, item: Any = None, *, core: int | None = None) -> None:
        """Let a process go on until it needs CPU time or waits. It stays on the core where it runs."""
        while (need := next_need(process, item)) is not None:
            if isinstance(need, float):
                self.queues[self.place(process) if core is None else core].append([need, process])
                return
            if not need.items:
                need.waiting.append(process)
                return
            item = need.items.popleft()

    def place(self, process: Process) -> int:
        """Return the core on which a process wakes up: its last one, or one that is idle."""
        shortest = min(range(len(self.queues)), key=lambda core: len(self.queues[core]))
        last = self.last.get(process, shortest)
        return shortest if self.queues[last] and not self.queues[shortest] else last

    def run(self) -> None:
        """Run until every process waits or has ended."""
        while any(self.queues):
            self.balance()
            busy = [(core, queue, min(queue, key=itemgetter(0))) for core, queue in enumerate(self.queues) if queue]
            core, queue, first = min(busy, key=lambda entry: entry[2][0] * len(entry[1]))
            passed = first[0] * len(queue)
            for _, others, _ in busy:
                for entry in others:
                    entry[0] -= passed / len(others)
            self.now += passed / self.speed
            queue.remove(first)
            self.last[first[1]] = core
            self.go_on(first[1], core=core)

    def balance(self) -> None:
        """Let each idle core take a process from the core that has most."""
        for queue in self.queues:
            longest = max(self.queues, key=len)
            if not queue and len(longest) > 1:
                queue.append(longest.pop(0))


def next_need(process: Process, item: Any) -> float | Inbox | None:
    """Return what a process needs next; None if it has ended."""
    try:
        return process.send(item)
    except StopIteration:
        return None


@dataclass
class Cache:
    """What a server has cached: the released week, the weeks without seats, and the counts of all weeks."""

    week: WeekCache = field(default_factory=WeekCache)
    empty_at: float = -1e9
    counted_at: float = -1e9


Sent = tuple[int, int, Person, int, float]
"""A request: its connection, the number of the person, the person, what is asked, and when."""


class SimulatedStorm:
    """A simulated storm."""

    def __init__(
        self,
        crowd: Sequence[Person],
        *,
        seats: int,
        connections: Sequence[int],
        costs: StormCosts,
        cores: float,
        seed: int,
    ) -> None:
        self.costs, self.machine = costs, Machine(cores)
        self.chance, self.seats = random.Random(seed), Seats(seats)
        self.queue = iter(enumerate(crowd))
        self.requests = [Inbox() for _ in connections]
        self.lines = [server for server, count in enumerate(connections) for _ in range(count)]
        self.chance.shuffle(self.lines)
        self.replies, self.calls = Inbox(), Inbox()
        self.answers: list[StormAnswer] = []

    def run(self) -> list[StormAnswer]:
        """Run it, and return its answers."""
        for process in (self.table(), *map(self.server, self.requests), self.crowd()):
            self.machine.go_on(process)
        self.machine.run()
        return self.answers

    def crowd(self) -> Process:
        """Send the requests, and read one answer after another."""
        for line in range(len(self.lines)):
            self.next_person(line)
        while True:
            (line, number, person, asked, sent), reply = yield self.replies
            self.answers.append(StormAnswer(number, asked, sent, self.machine.now, reply.outcome))
            yield {CALENDAR: self.costs.look_crowd, FULL: self.costs.full_crowd}.get(
                reply.outcome, self.costs.hold_crowd
            )
            try:
                self.send(line, number, person, person.send(reply))
            except StopIteration:
                self.next_person(line)

    def next_person(self, line: int) -> None:
        """Let the next person begin on this connection."""
        for number, person in self.queue:
            self.send(line, number, person, next(person))
            return

    def send(self, line: int, number: int, person: Person, asked: int) -> None:
        """Send a request to the server that has this connection."""
        self.machine.put(self.requests[self.lines[line]], (line, number, person, asked, self.machine.now))

    def table(self) -> Process:
        """Answer one call after another, as the emulator's single process does."""
        while True:
            cpu, act, done = yield self.calls
            yield cpu
            self.machine.put(done, act())

    def call(self, cpu: float, act: Callable[[], Any] = lambda: None) -> Process:
        """Call the table, and wait for its answer."""
        done = Inbox()
        self.machine.put(self.calls, (cpu, act, done))
        return (yield done)

    def server(self, requests: Inbox) -> Process:
        """Answer one request after another."""
        cache = Cache()
        while True:
            sent: Sent = yield requests
            reply = yield from (self.look(cache) if sent[3] == LOOK else self.hold(cache, sent[3]))
            self.machine.put(self.replies, (sent, reply))

    def look(self, cache: Cache) -> Process:
        """Answer with the free slots."""
        now = self.machine.now
        if is_counting := now - cache.counted_at >= COUNTED_SECONDS:
            cache.counted_at = now
        yield from self.read(cache, now, empty=is_counting)
        slots = cache.week.free_slots(DESKS)
        yield self.costs.look if slots else self.costs.full
        return Reply(CALENDAR if slots else FULL, slots)

    def read(self, cache: Cache, now: float, *, empty: bool) -> Process:
        """Read the released week, and with `empty` the others, if this server has not read them within a second."""
        if empty and now - cache.empty_at >= CACHE_SECONDS:
            cache.empty_at = now
            for _ in range(self.costs.empty_weeks):
                yield self.costs.empty
                yield from self.call(self.costs.table_empty)
        if cache.week.is_old(now):
            yield self.costs.week / 2
            week = yield from self.call(self.costs.table_week, self.seats.query)
            yield self.costs.week / 2
            cache.week.store(week, now)

    def hold(self, cache: Cache, asked: int) -> Process:
        """Answer a request for a seat: try some that look free."""
        now, part = self.machine.now, self.costs.held / (CALLS + 1)
        yield from self.read(cache, now, empty=asked == FIRST_FREE)
        slot, tries = asked, 0
        for seat in self.candidates(cache, asked, now):
            yield self.costs.failed if tries else part
            slot = seat // DESKS if slot == FIRST_FREE else slot
            tries += 1
            won = yield from self.call(self.costs.table_write, partial(self.take, seat))
            cache.week.record(seat, now, won=won)
            if won:
                for _ in range(CALLS - 1):
                    yield part
                    yield from self.call(self.costs.table_write)
                yield part
                return Reply(HELD)
        yield from self.read(cache, now, empty=True)
        nearest = cache.week.nearest(max(slot, 0), DESKS)
        refused = self.costs.taken if nearest else self.costs.nothing
        yield max(0.0, refused + self.costs.failed - part) if tries else refused
        return Reply(TAKEN if nearest else NOTHING, nearest)

    def take(self, seat: int) -> bool:
        """Take a seat in the table. Return False if somebody else has it."""
        return self.seats.take(seat, 1, self.machine.now)

    def candidates(self, cache: Cache, asked: int, now: float) -> Iterable[int]:
        """Return the seats to try."""
        if asked == FIRST_FREE:
            return cache.week.earliest(self.chance, now)
        return cache.week.of_slot(asked, DESKS, self.chance)
