"""A Monday at nine in slices of time: what many do at once is one array, who asks for a seat is asked one by one."""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tests.load.simulation.inputs import WEEKS, ZIPPED, Costs, Crowd, Limits, Tally
from tests.load.simulation.parts import Account, Bucket, Mailer, Memory, Pool, Seats

SLICE = 0.02  # seconds
LOOK, HOLD, CAPTCHA, FORM, CONFIRM, LAPSE = range(6)
STEPS = 8  # a visitor and a step are one number: visitor * STEPS + step
WAITS, WON, NOTHING, LEFT, LOST = range(5)
OUTCOMES = {WON: "won", NOTHING: "nothing free", LEFT: "gave up", LOST: "lost the hold"}
CONFIRMED_ITEM = 250  # bytes
BURST = 0.1  # seconds' worth that a partition lets pass at once: AWS promises none
UNREAD = -2
NO_ROOM_AGAIN = 5.0  # the Retry-After of the 503 in infra/deploy/templates/app.yaml
AGAIN = (1.0, 5.0)  # the service's own, drawn for each (edge.refuse)
REQUESTS = {CAPTCHA: 2, FORM: 3, CONFIRM: 3}  # of the steps after the hold, with the pages that they show
WRITES = {CAPTCHA: (1, 0), FORM: (1, 2), CONFIRM: (1, 0)}  # units on the week's partition, and elsewhere


@dataclass(frozen=True)
class Result:
    """What became of everybody, and what it took."""

    outcomes: dict[str, int]
    drain: float | None
    held: int
    waits: dict[str, float]
    last_mail: float
    tally: Tally
    held_at: list[float]
    known_at: list[float]
    seconds: float

    @property
    def attempts_per_win(self) -> float:
        """Holds asked for, by each seat that was held."""
        return self.tally.attempts / max(1, self.held)


class Monday:
    """One run. Times are seconds after nine."""

    def __init__(self, crowd: Crowd, limits: Limits, costs: Costs, seed: int = 2026) -> None:
        self.crowd, self.limits, self.costs = crowd, limits, costs
        self.numbers = np.random.default_rng(seed)
        self.chance = random.Random(seed)
        self.tally, self.seats, self.mailer = Tally(), Seats(crowd.seats), Mailer(limits.mails)
        self.gateway = Bucket(limits.gateway, limits.gateway_burst)
        parts = range(limits.partitions)
        self.writes = [Bucket(limits.partition_writes, limits.partition_writes * BURST) for _ in parts]
        self.reads = [Bucket(limits.partition_reads, limits.partition_reads * BURST) for _ in parts]
        self.table_writes = Bucket(limits.table_writes, limits.table_writes * BURST)
        self.table_reads = Bucket(limits.table_reads, limits.table_reads * BURST)
        account = Account(limits.concurrency)
        most = int(limits.reserved * limits.concurrency)
        self.slots = Pool(account, limits.scaling, limits.scaling_burst, warm=limits.warm, most=most)
        self.hold, self.captcha, self.request = (
            Pool(account, limits.scaling, limits.scaling_burst, warm=limits.warm) for _ in range(3)
        )
        self.page_bytes = (costs.page + crowd.seats / crowd.desks * costs.page_slot) * ZIPPED
        self.units = costs.units(crowd.seats)
        self.full = max(0.5, crowd.seats * CONFIRMED_ITEM / 4096 / 2)
        self.weeks_before = [Bucket(limits.partition_reads, limits.partition_reads * BURST) for _ in range(WEEKS - 1)]
        self.shared = Memory()
        self.agenda: defaultdict[int, list[Any]] = defaultdict(list)
        self.due: list[int] = []
        self.writing: list[tuple[float, int, int, Memory, Iterable[int]]] = []
        n = crowd.visitors
        self.wish = [-1 if free else UNREAD for free in self.numbers.random(n) < crowd.first_free]
        self.first = self.numbers.exponential(crowd.arrival, n)
        self.known = np.full(n, np.nan)
        self.outcome = bytearray(n)
        self.seat = dict[int, int]()
        self.until = dict[int, float]()
        self.edge_memory = Memory()

    # The agenda

    def plan(self, at: float, visitor: int, step: int) -> None:
        """One visitor does this then."""
        self._at(int(at / SLICE)).append(visitor * STEPS + step)

    def plan_many(self, at: Any, codes: Any) -> None:
        """Many at once."""
        slices = (at / SLICE).astype(np.int64)
        order = np.argsort(slices, kind="stable")
        slices, codes = slices[order], codes[order]
        starts = np.flatnonzero(np.r_[True, slices[1:] != slices[:-1]])
        for start, end in zip(starts, [*starts[1:], len(slices)], strict=True):
            self._at(int(slices[start])).append(codes[start:end])

    def _at(self, number: int) -> list[Any]:
        if number not in self.agenda:
            heappush(self.due, number)
        return self.agenda[number]

    # The run

    def run(self) -> Result:
        """From nine until the last letter has left."""
        everybody = np.arange(self.crowd.visitors, dtype=np.int64)
        self.plan_many(self.first, everybody * STEPS + LOOK)
        now = 0.0
        while self.due or self.writing:
            number = self.due[0] if self.due else int(self.writing[0][0] / SLICE)
            if self.writing:
                number = min(number, int(self.writing[0][0] / SLICE))
            now = number * SLICE
            while self.writing and self.writing[0][0] < now + SLICE:
                self.write(*heappop(self.writing))
            if not self.due or self.due[0] != number:
                continue
            heappop(self.due)
            self.slice(now, self.agenda.pop(number))
        return self.result(now)

    def slice(self, now: float, entries: list[Any]) -> None:
        """What happens in one slice of time: some pass the gateway, the others come again."""
        single = np.array([one for one in entries if isinstance(one, int)], dtype=np.int64)
        codes = np.concatenate([single, *(one for one in entries if not isinstance(one, int))])
        is_lapse = codes % STEPS == LAPSE
        for code in codes[is_lapse].tolist():
            self.lapse(code // STEPS, now)
        codes = codes[~is_lapse]
        if self.limits.edge:
            is_look = codes % STEPS == LOOK
            for code in codes[is_look].tolist():
                self.look_at_edge(code // STEPS, now)
            codes = codes[~is_look]
        if not len(codes):
            return
        self.numbers.shuffle(codes)
        passed = self.gateway.grant(now, len(codes))
        self.refuse(codes[passed:], now)
        for code in codes[:passed].tolist():
            visitor, step = divmod(code, STEPS)
            if step == LOOK:
                self.look(visitor, now)
            elif step == HOLD:
                self.ask(visitor, now)
            else:
                self.go_on(visitor, step, now)

    def refuse(self, codes: Any, now: float) -> None:
        """429 from the gateway: come again, unless patience is over."""
        if not len(codes):
            return
        self.tally.told["429 gateway"] += len(codes)
        low, high = self.limits.retry_after
        later = now + self.numbers.uniform(low, high, len(codes))
        later += self.numbers.exponential(self.crowd.again, len(codes))
        stays = (later - self.first[codes // STEPS] <= self.crowd.patience) | (codes % STEPS > HOLD)
        for code in codes[~stays].tolist():
            self.ends(code // STEPS, LEFT, now)
        if stays.any():
            self.plan_many(later[stays], codes[stays])

    def again(self, visitor: int, step: int, now: float, kind: str, wait: float) -> None:
        """Refused for a while by something behind the gateway."""
        self.tally.told[kind] += 1
        at = now + wait + self.chance.expovariate(1 / self.crowd.again)
        if step <= HOLD and at - self.first[visitor] > self.crowd.patience:
            self.ends(visitor, LEFT, now)
        else:
            self.plan(at, visitor, step)

    def ends(self, visitor: int, outcome: int, now: float) -> None:
        """Now they know."""
        self.outcome[visitor] = outcome
        self.known[visitor] = now

    def thinks(self, now: float) -> float:
        """When somebody who saw something clicks."""
        return now + self.chance.expovariate(1 / self.crowd.think)

    # Looking

    def look_at_edge(self, visitor: int, now: float) -> None:
        """The edge answers from its memory of a second; it asks the service when that is over."""
        self.tally.edge += 1
        if self.edge_memory.is_old(now):
            self.edge_memory.read(self.seats.seen(), now)
            self.serve(self.slots, now, self.costs.look, self.costs.look_seat, fill=True)
        self.sees(visitor, self.edge_memory, now)

    def look(self, visitor: int, now: float) -> None:
        """The calendar, from a function."""
        self.tally.looks += 1
        served = self.serve(self.slots, now, self.costs.look, self.costs.look_seat)
        if isinstance(served, str):
            self.again(visitor, LOOK, now, served, self.wait_of(served))
            return
        memory, done = served
        self.sees(visitor, memory, done)

    def sees(self, visitor: int, memory: Memory, now: float) -> None:
        """What they do next, from what they see."""
        self.tally.bytes_out += self.page_bytes
        slot = memory.any_slot(self.crowd.desks, self.chance)
        if slot is None:
            self.tally.told["nothing free"] += 1
            self.ends(visitor, NOTHING, now)
            return
        if self.wish[visitor] != -1:
            self.wish[visitor] = slot
        self.plan(self.thinks(now), visitor, HOLD)

    def wait_of(self, kind: str) -> float:
        """The Retry-After of a refusal."""
        return NO_ROOM_AGAIN if kind == "503 no environment" else self.chance.uniform(*AGAIN)

    # A function at work

    def serve(
        self, pool: Pool, now: float, base: float, by_seat: float, *, fill: bool = False
    ) -> tuple[Memory, float] | str:
        """One request in an environment that looks at the week: its memory and when it is done; or why not."""
        started = pool.start(now)
        if started is None:
            return "503 no environment"
        memory, is_new = started
        costs, seats = self.costs, self.crowd.seats
        cpu = base + by_seat * seats + (costs.load if is_new else 0.0)
        must_read = fill or memory.is_old(now)
        refused = memory.is_resting(now) and (must_read or pool is self.hold)
        calls = 0
        if must_read and not refused:
            read = self.read_shared(memory, now) if self.limits.shared else None
            if read is None:
                read = self.read_weeks(memory, now, 1 if pool is self.hold else self.limits.partitions)
            calls, fill_cpu = read
            cpu += fill_cpu
            if not calls:
                refused = True
                memory.throttle(now)
        done = now + cpu / costs.core + calls * costs.call
        self.spend(pool, memory, now, done)
        return "429 table" if refused else (memory, done)

    def spend(self, pool: Pool, memory: Memory, now: float, done: float) -> None:
        """The environment is busy and paid."""
        pool.work(memory, done)
        self.tally.invocations += 1
        self.tally.gb_seconds += (done - now) * self.costs.memory

    def read_shared(self, memory: Memory, now: float) -> tuple[int, float] | None:
        """The calendar as another environment left it within a second, in one item; None if it is this one's turn."""
        if self.shared.is_old(now):
            self.shared.read(self.seats.seen(), now)
            return None
        units = max(0.5, self.crowd.seats / 8 / 4096 / 2)
        if not self.table_reads.take(now, units) or not self.reads[0].take(now, units):
            return 0, 0.0
        self.tally.reads += units
        memory.read(self.shared.seen, now)
        return 1, self.costs.fill

    def read_weeks(self, memory: Memory, now: float, parts: int) -> tuple[int, float]:
        """The Queries of the open weeks, of so many parts of the released one: calls and CPU; no call when refused."""
        share = self.units / len(self.reads)
        before = [] if memory.knows_the_full(now) else [(bucket, self.full) for bucket in self.weeks_before]
        wanted = [(bucket, share) for bucket in self.chance.sample(self.reads, parts)]
        for number, (bucket, units) in enumerate(before + wanted, 1):
            if not self.table_reads.take(now, units) or not bucket.take(now, units):
                return 0, 0.0
            self.tally.reads += units
            if number == len(before):
                memory.full_at = now
        memory.read(self.seats.seen(), now)
        weeks = parts / len(self.reads) + len(before)
        return len(before + wanted), self.costs.fill + self.costs.fill_seat * self.crowd.seats * weeks / WEEKS

    def wrote(self, now: float, seat: int, here: int, elsewhere: int = 0) -> bool:
        """Write units for one seat's partition and for the table."""
        bucket = self.writes[seat * len(self.writes) // self.crowd.seats]
        if not self.table_writes.take(now, here + elsewhere) or not bucket.take(now, here):
            return False
        self.tally.writes += here + elsewhere
        return True

    # Holding

    def ask(self, visitor: int, now: float) -> None:
        """A hold: which seats it will try, from its environment's memory. They are tried when it gets there."""
        self.tally.attempts += 1
        served = self.serve(self.hold, now, self.costs.hold, self.costs.hold_seat)
        if isinstance(served, str):
            self.again(visitor, HOLD, now, served, self.wait_of(served))
            return
        memory, done = served
        wish = self.wish[visitor]
        if wish < 0:
            wanted: Iterable[int] = memory.earliest(self.chance, now, self.limits.window)
        else:
            wanted = memory.of_slot(wish, self.crowd.desks, self.chance)
        heappush(self.writing, (done, self.tally.attempts, visitor, memory, wanted))

    def write(self, now: float, _number: int, visitor: int, memory: Memory, wanted: Iterable[int]) -> None:
        """The conditional writes, one after another, and the answer."""
        self.tally.bytes_out += 1_000
        for seat in wanted:
            if not self.wrote(now, seat, 1):
                memory.throttle(now)
                self.again(visitor, HOLD, now, "429 table", self.wait_of("429 table"))
                return
            won = self.seats.take(seat, visitor, now)
            memory.told(seat, now, won=won)
            if won:
                self.wins(visitor, seat, now)
                return
        wish = self.wish[visitor]
        near = memory.nearest(max(wish, 0), self.crowd.desks)
        if not near:
            self.tally.told["nothing free"] += 1
            self.ends(visitor, NOTHING, now)
            return
        self.tally.told["taken"] += 1
        if wish >= 0:
            self.wish[visitor] = self.chance.choice(near)
        self.plan(self.thinks(now), visitor, HOLD)

    def wins(self, visitor: int, seat: int, now: float) -> None:
        """A seat for 180 seconds; the captcha comes next."""
        self.ends(visitor, WON, now)
        self.seat[visitor] = seat
        self.keeps(visitor, now, self.crowd.hold_for, self.crowd.captcha, CAPTCHA)

    def keeps(self, visitor: int, now: float, time: float, mean: float, step: int) -> None:
        """Until when the seat is theirs, and when they do the next step: always before that."""
        self.until[visitor] = now + time
        self.plan(now + time + 5, visitor, LAPSE)
        self.plan(now + min(time * 0.9, self.chance.expovariate(1 / mean)), visitor, step)

    def lapse(self, visitor: int, now: float) -> None:
        """The seat is free again, if its time is really over."""
        if self.until.get(visitor, now + 1) <= now:
            del self.until[visitor]
            self.seats.give_back(self.seat.pop(visitor))
            self.outcome[visitor] = LOST
            self.tally.lapsed += 1

    # After the hold

    def go_on(self, visitor: int, step: int, now: float) -> None:
        """Captcha, details, confirmation."""
        if step != CONFIRM and self.until.get(visitor, 0.0) < now:
            return  # the hold is over; its lapse is on the agenda
        pool = self.captcha if step == CAPTCHA else self.request
        started = pool.start(now)
        if started is None:
            self.again(visitor, step, now, "503 no environment", NO_ROOM_AGAIN)
            return
        memory, is_new = started
        cpu = self.costs.step * REQUESTS[step] + (self.costs.load if is_new else 0.0)
        done = now + cpu / self.costs.core + 2 * self.costs.call * REQUESTS[step]
        self.spend(pool, memory, now, done)
        self.tally.invocations += REQUESTS[step] - 1
        self.tally.reads += REQUESTS[step]
        self.tally.bytes_out += REQUESTS[step] * 4_000
        if not self.wrote(now, self.seat[visitor], *WRITES[step]):
            self.again(visitor, step, now, "429 table", self.wait_of("429 table"))
        elif step == CAPTCHA:
            self.keeps(visitor, done, self.crowd.form_for, self.crowd.form, FORM)
        else:
            if step == FORM:
                del self.until[visitor]
            left = self.mailer.send(done)
            self.tally.letters += 1
            self.tally.writes += 1
            if step == FORM:
                self.plan(left + self.chance.expovariate(1 / self.crowd.confirm), visitor, CONFIRM)

    # The end

    def result(self, now: float) -> Result:
        """The figures."""
        self.tally.environments = sum(pool.made for pool in self.slots.account.pools)
        waited = np.maximum(self.known - self.first, 0.0)  # a slice may begin before the click
        held = self.seats.first_held
        return Result(
            outcomes={name: self.outcome.count(code) for code, name in OUTCOMES.items()},
            drain=held[-1] if len(held) == self.crowd.seats else None,
            held=len(held),
            waits={f"p{p}": float(np.percentile(waited, p)) for p in (50, 95, 99)},
            last_mail=self.mailer.last,
            tally=self.tally,
            held_at=held,
            known_at=sorted(self.known.tolist()),
            seconds=now,
        )
