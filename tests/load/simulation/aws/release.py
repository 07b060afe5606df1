"""Simulate a release on AWS in time slices. Arrivals are numpy arrays; requests for a seat are handled one by one."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil
from typing import Any

import numpy as np

from tests.load.simulation.aws.inputs import DAYS, OPEN_DAYS, WEEKS, ZIPPED, AwsCrowd, Limits, RequestCosts, Tally
from tests.load.simulation.aws.parts import Account, Bucket, Mailer, Pool, Snapshot
from tests.load.simulation.seats import CACHE_SECONDS, FULL_CACHE_SECONDS, TRIES, Seats, WeekCache

SLICE = 0.02  # seconds
LOOK, HOLD, CAPTCHA, FORM, CONFIRM, LAPSE, ANSWER = range(7)  # ANSWER: the captcha of a hold that waits
BEFORE_SEAT = (LOOK, HOLD, ANSWER)  # the steps of visitors who may still give up
STEPS = 8  # a visitor and a step are one number: visitor * STEPS + step
WAITS, WON, NOTHING, LEFT, LOST = range(5)
OUTCOMES = {WON: "won", NOTHING: "nothing free", LEFT: "gave up", LOST: "lost the hold"}
CONFIRMED_ITEM = 250  # bytes
EMPTY_UNITS = 0.5  # of a Query that reads nothing
BURST = 0.1  # seconds of throughput that a partition serves at once; assumed, because AWS promises none
NO_SLOT_YET = -2  # wants a slot, but has not seen the calendar yet
FIRST_FREE = -1
RETRY_AFTER_503 = 5.0  # seconds, of the 503 in infra/deploy/templates/app.yaml
RETRY_AFTER_429 = (1.0, 5.0)  # seconds, of the service's own 429, drawn at random
REQUESTS = {CAPTCHA: 2, FORM: 3, CONFIRM: 3}  # of the steps after the hold, with the pages that they load
WRITES = {CAPTCHA: (1, 0), FORM: (2, 4), CONFIRM: (1, 0)}
"""Write units on the partition of the seat and on others. The form is a transaction, which costs two units for each
item: the seat, the person item and the lock of the e-mail address."""


@dataclass(frozen=True)
class Result:
    """The outcome of a run: visitors by outcome, times in seconds after nine, and the resources used."""

    outcomes: dict[str, int]
    drain: float | None
    held: int
    waits: dict[str, float]
    last_mail: float
    tally: Tally
    held_at: list[float]
    known_at: list[float]

    @property
    def attempts_per_win(self) -> float:
        """Return the requests for a hold per seat that was held."""
        return self.tally.attempts / max(1, self.held)


@dataclass(frozen=True)
class Reading:
    """How weeks were read: the calls, the CPU seconds, and whether the seats were read, not only a snapshot of them."""

    calls: int
    cpu: float
    has_seats: bool = False


class AwsRelease:
    """A run of the simulation. Times are seconds after nine."""

    def __init__(self, crowd: AwsCrowd, limits: Limits, costs: RequestCosts, seed: int = 2026) -> None:
        self.crowd, self.limits, self.costs = crowd, limits, costs
        self.numbers = np.random.default_rng(seed)
        self.chance = random.Random(seed)
        self.tally, self.seats, self.mailer = Tally(), Seats(crowd.seats), Mailer(limits.mails)
        self.gateway = Bucket(limits.gateway, limits.gateway_burst)
        self.by_day = crowd.seats >= limits.by_day
        self.has_snapshots = self.by_day or crowd.seats >= limits.snapshot_from
        parts = range(OPEN_DAYS if self.by_day else 1)
        self.writes = [Bucket(limits.partition_writes, limits.partition_writes * BURST) for _ in parts]
        self.reads = [Bucket(limits.partition_reads, limits.partition_reads * BURST) for _ in parts]
        self.table_writes = Bucket(limits.table_writes, limits.table_writes * BURST)
        self.table_reads = Bucket(limits.table_reads, limits.table_reads * BURST)
        account = Account(limits.concurrency)
        self.slots, self.hold, self.captcha, self.request = (
            Pool(account, limits.scaling, limits.scaling_burst, warm=limits.warm) for _ in range(4)
        )
        self.page_bytes = (costs.page + crowd.seats / crowd.desks * costs.page_slot) * ZIPPED
        self.units = costs.units(crowd.seats)
        self.full = max(0.5, crowd.seats * CONFIRMED_ITEM / 4096 / 2)
        self.weeks_before = [Bucket(limits.partition_reads, limits.partition_reads * BURST) for _ in range(WEEKS - 1)]
        self.snapshot = Snapshot(CACHE_SECONDS)
        self.full_snapshots = [Snapshot(FULL_CACHE_SECONDS) for _ in self.weeks_before]
        self.snapshot_reads = Bucket(limits.partition_reads, limits.partition_reads * BURST)
        self.agenda: defaultdict[int, list[Any]] = defaultdict(list)
        self.slices: list[int] = []
        self.writing: list[tuple[float, int, int, WeekCache, Iterable[int]]] = []
        n = crowd.visitors
        self.wish = [FIRST_FREE if free else NO_SLOT_YET for free in self.numbers.random(n) < crowd.first_free]
        self.first = self.numbers.exponential(crowd.arrival, n)
        self.known = np.full(n, np.nan)
        self.solving = np.zeros(n)  # seconds at the captcha of a hold that waits
        self.named = dict[int, int]()  # the seat that such a hold names
        self.taking = ANSWER if crowd.captcha_first else HOLD
        self.outcome = bytearray(n)
        self.seat = dict[int, int]()
        self.until = dict[int, float]()
        self.cdn_cache = WeekCache()

    # The agenda

    def plan(self, at: float, visitor: int, step: int) -> None:
        """Schedule one step of one visitor."""
        self._at(int(at / SLICE)).append(visitor * STEPS + step)

    def plan_many(self, at: Any, codes: Any) -> None:
        """Schedule many steps."""
        slices = (at / SLICE).astype(np.int64)
        order = np.argsort(slices, kind="stable")
        slices, codes = slices[order], codes[order]
        starts = np.flatnonzero(np.r_[True, slices[1:] != slices[:-1]])
        for start, end in zip(starts, [*starts[1:], len(slices)], strict=True):
            self._at(int(slices[start])).append(codes[start:end])

    def _at(self, number: int) -> list[Any]:
        if number not in self.agenda:
            heappush(self.slices, number)
        return self.agenda[number]

    # The run

    def run(self) -> Result:
        """Run from nine until the last letter is sent."""
        visitors = np.arange(self.crowd.visitors, dtype=np.int64)
        self.plan_many(self.first, visitors * STEPS + LOOK)
        now = 0.0
        while self.slices or self.writing:
            number = self.slices[0] if self.slices else int(self.writing[0][0] / SLICE)
            if self.writing:
                number = min(number, int(self.writing[0][0] / SLICE))
            now = number * SLICE
            while self.writing and self.writing[0][0] < now + SLICE:
                self.try_seats(*heappop(self.writing))
            if not self.slices or self.slices[0] != number:
                continue
            heappop(self.slices)
            self.run_slice(now, self.agenda.pop(number))
        return self.result()

    def run_slice(self, now: float, entries: list[Any]) -> None:
        """Handle the steps of one time slice. The gateway refuses those above its limits."""
        single = np.array([entry for entry in entries if isinstance(entry, int)], dtype=np.int64)
        codes = np.concatenate([single, *(entry for entry in entries if not isinstance(entry, int))])
        is_lapse = codes % STEPS == LAPSE
        for code in codes[is_lapse].tolist():
            self.lapse(code // STEPS, now)
        codes = codes[~is_lapse]
        if self.limits.cdn:
            is_look = codes % STEPS == LOOK
            for code in codes[is_look].tolist():
                self.look_at_cdn(code // STEPS, now)
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
                self.place_hold(visitor, now)
            elif step == ANSWER:
                self.answer(visitor, now)
            else:
                self.go_on(visitor, step, now)

    def refuse(self, codes: Any, now: float) -> None:
        """Answer 429 from the gateway. Visitors retry until their patience ends."""
        if not len(codes):
            return
        self.tally.answers["429 gateway"] += len(codes)
        low, high = self.limits.retry_after
        retries = now + self.numbers.uniform(low, high, len(codes))
        retries += self.numbers.exponential(self.crowd.again, len(codes))
        stays = (retries - self.first[codes // STEPS] <= self.crowd.patience) | ~np.isin(codes % STEPS, BEFORE_SEAT)
        for code in codes[~stays].tolist():
            self.end(code // STEPS, LEFT, now)
        if stays.any():
            self.plan_many(retries[stays], codes[stays])

    def retry(self, visitor: int, step: int, now: float, answer: str, wait: float) -> None:
        """Schedule a retry after a 429 or 503 from behind the gateway, unless patience ends before."""
        self.tally.answers[answer] += 1
        at = now + wait + self.chance.expovariate(1 / self.crowd.again)
        if step in BEFORE_SEAT and at - self.first[visitor] > self.crowd.patience:
            self.end(visitor, LEFT, now)
        else:
            self.plan(at, visitor, step)

    def end(self, visitor: int, outcome: int, now: float) -> None:
        """Note the outcome of a visitor, and when it was known."""
        self.outcome[visitor] = outcome
        self.known[visitor] = now

    def think(self, now: float) -> float:
        """Return when a visitor clicks who sees a page now."""
        return now + self.chance.expovariate(1 / self.crowd.think)

    # Looking

    def look_at_cdn(self, visitor: int, now: float) -> None:
        """Answer the calendar from the CDN, which reads it from the service once a second."""
        self.tally.cdn += 1
        if self.cdn_cache.is_old(now):
            served = self.serve(self.slots, now, self.costs.look, self.costs.look_seat, fill=True)
            self.cdn_cache.store(self.seats.query() if isinstance(served, str) else served[0].week, now)
        self.see(visitor, self.cdn_cache, now)

    def look(self, visitor: int, now: float) -> None:
        """Answer the calendar from the function `slots`."""
        self.tally.looks += 1
        served = self.serve(self.slots, now, self.costs.look, self.costs.look_seat)
        if isinstance(served, str):
            self.retry(visitor, LOOK, now, served, self.retry_after(served))
            return
        cache, done = served
        self.see(visitor, cache, done)

    def see(self, visitor: int, cache: WeekCache, now: float) -> None:
        """Schedule the next step of a visitor who sees this calendar."""
        self.tally.bytes_out += self.page_bytes
        slot = cache.any_slot(self.crowd.desks, self.chance)
        if slot is None:
            self.tally.answers["nothing free"] += 1
            self.end(visitor, NOTHING, now)
            return
        if self.wish[visitor] != FIRST_FREE:
            self.wish[visitor] = slot
        self.plan(self.think(now), visitor, HOLD)

    def retry_after(self, answer: str) -> float:
        """Return the Retry-After of an answer, in seconds."""
        return RETRY_AFTER_503 if answer == "503 no environment" else self.chance.uniform(*RETRY_AFTER_429)

    # A function at work

    def serve(
        self, pool: Pool, now: float, base: float, by_seat: float, *, fill: bool = False
    ) -> tuple[WeekCache, float] | str:
        """Serve a request that needs the calendar. Return the environment's cache and the end time, or the refusal."""
        started = pool.start(now)
        if started is None:
            return "503 no environment"
        cache, is_new = started
        costs, seats = self.costs, self.crowd.seats
        cpu, calls = base + by_seat * seats + (costs.load if is_new else 0.0), 0
        must_read = fill or cache.is_old(now)
        refused = cache.is_resting(now) and (must_read or pool is not self.slots)
        if must_read and not refused:
            if reading := (self.read_snapshots if self.has_snapshots else self.read_weeks)(cache, now):
                calls, cpu = reading.calls, cpu + reading.cpu
            else:
                refused = True
                cache.throttle(now)
        done = now + cpu / costs.core + calls * costs.call
        self.spend(pool, cache, now, done)
        return "429 table" if refused else (cache, done)

    def spend(self, pool: Pool, cache: WeekCache, now: float, done: float) -> None:
        """Occupy and bill the environment until the request is done."""
        pool.work(cache, done)
        self.tally.invocations += 1
        self.tally.gb_seconds += (done - now) * self.costs.memory

    def read_snapshots(self, cache: WeekCache, now: float) -> Reading | None:
        """Read the full weeks, if they are not cached, and the released one, from their snapshots.

        Return None if the table throttles.
        """
        calls, cpu = 0, self.costs.fill
        before = [] if cache.knows_the_full(now) else list(zip(self.full_snapshots, self.weeks_before, strict=True))
        for snapshot, bucket in before:
            full = self.read_snapshot(snapshot, self.queries([bucket] * len(self.reads), self.full), b"", now)
            if full is None:
                return None
            calls, cpu = calls + full.calls, cpu + full.cpu
        if before:
            cache.full_at = now
        week = self.seats.query()
        released = self.read_snapshot(self.snapshot, self.queries(self.reads, self.units), week, now)
        if released is None:
            return None
        if released.has_seats:
            cache.store(week, now)
        else:
            cache.store(self.snapshot.week, now, self.snapshot.made_at)
        return Reading(calls + released.calls, cpu + released.cpu)

    def queries(self, buckets: list[Bucket], units: float) -> list[tuple[Bucket, float]]:
        """Return the Queries of a week: its partitions and their units. Those of days without seats are empty."""
        empty = DAYS - OPEN_DAYS if self.by_day else 0
        nowhere = Bucket(self.limits.partition_reads, self.limits.partition_reads)
        return [(bucket, units / len(buckets)) for bucket in buckets] + [(nowhere, EMPTY_UNITS)] * empty

    def read_snapshot(
        self, snapshot: Snapshot, queries: list[tuple[Bucket, float]], week: bytes, now: float
    ) -> Reading | None:
        """Read a week from its snapshot, or with these Queries and replace the snapshot, as the service does.

        Return None if the table throttles.
        """
        seats, kilobytes = self.crowd.seats, self.costs.snapshot_bytes * self.crowd.seats / 10_000 / 1024
        units, decoding = max(0.5, kilobytes / 8), self.costs.decode_seat * seats
        if not self.table_reads.take(now, units) or not self.snapshot_reads.take(now, units):
            return None
        self.tally.reads += units
        is_usable = snapshot.is_usable(now)
        if is_usable:
            if not snapshot.is_due(now):
                return Reading(1, decoding)
            snapshot.claimed_at = now
            self.tally.writes += max(1.0, ceil(kilobytes))
        for bucket, share in queries:
            if not self.table_reads.take(now, share) or not bucket.take(now, share):
                return Reading(2, decoding) if is_usable else None
            self.tally.reads += share
        self.tally.writes += max(1.0, ceil(kilobytes))
        cpu = (self.costs.fill_seat / WEEKS + self.costs.encode_seat) * seats
        cpu += (len(queries) - 1) * self.costs.fill / WEEKS
        calls = 2 + is_usable + len(queries)
        snapshot.put(week, now, now + cpu / self.costs.core + calls * self.costs.call)
        return Reading(calls, cpu, has_seats=True)

    def read_weeks(self, cache: WeekCache, now: float) -> Reading | None:
        """Query the full weeks, if they are not cached, and the released one: one partition each.

        Return None if the table throttles.
        """
        before = [] if cache.knows_the_full(now) else [(bucket, self.full) for bucket in self.weeks_before]
        queries = [*before, *self.queries(self.reads, self.units)]
        for number, (bucket, units) in enumerate(queries, 1):
            if not self.table_reads.take(now, units) or not bucket.take(now, units):
                return None
            self.tally.reads += units
            if number == len(before):
                cache.full_at = now
        cache.store(self.seats.query(), now)
        cpu = self.costs.fill + self.costs.fill_seat * self.crowd.seats * len(queries) / WEEKS
        return Reading(len(queries), cpu, has_seats=True)

    def write_units(self, now: float, seat: int, units: int, elsewhere: int = 0) -> bool:
        """Take write units from the seat's partition and from the table. Return False if either throttles."""
        bucket = self.writes[seat * len(self.writes) // self.crowd.seats]
        if not self.table_writes.take(now, units + elsewhere) or not bucket.take(now, units):
            return False
        self.tally.writes += units + elsewhere
        return True

    # Holding

    def place_hold(self, visitor: int, now: float) -> None:
        """Serve a request for a hold: choose the seats from the cache, and schedule their writes."""
        self.tally.attempts += 1
        served = self.serve(self.hold, now, self.costs.hold, self.costs.hold_seat)
        if isinstance(served, str):
            self.retry(visitor, HOLD, now, served, self.retry_after(served))
            return
        cache, done = served
        wish = self.wish[visitor]
        if self.crowd.captcha_first:
            self.wait(visitor, cache, done)
            return
        if wish < 0:
            candidates: Iterable[int] = cache.earliest(self.chance, now, self.limits.window)
        else:
            candidates = cache.of_slot(wish, self.crowd.desks, self.chance)
        heappush(self.writing, (done, self.tally.attempts, visitor, cache, candidates))

    def wait(self, visitor: int, cache: WeekCache, now: float) -> None:
        """Let a hold name any free seat, or one of its slot, and wait for its captcha. It writes nothing."""
        wish, desks = self.wish[visitor], self.crowd.desks
        slot = wish if wish >= 0 else cache.any_slot(desks, self.chance)
        seats = [] if slot is None else cache.of_slot(slot, desks, self.chance)
        if not seats:
            self.refuse_seat(visitor, cache, now, HOLD)
            return
        self.named[visitor] = seats[0]
        self.solving[visitor] += (time := self.chance.expovariate(1 / self.crowd.captcha))
        self.plan(now + time, visitor, ANSWER)

    def answer(self, visitor: int, now: float) -> None:
        """Serve the answer to the captcha of a hold that waits, and schedule its writes."""
        served = self.serve(self.captcha, now, self.costs.hold + self.costs.step, self.costs.hold_seat)
        if isinstance(served, str):
            self.retry(visitor, ANSWER, now, served, self.retry_after(served))
            return
        cache, done = served
        self.tally.attempts += 1
        candidates = self.seats_for_waiting(visitor, cache, done)
        heappush(self.writing, (done, self.tally.attempts, visitor, cache, candidates))

    def seats_for_waiting(self, visitor: int, cache: WeekCache, now: float) -> Iterator[int]:
        """Yield the seats that a waiting hold tries, as `availability.seat_for_waiting` chooses them."""
        wish, desks = self.wish[visitor], self.crowd.desks
        for attempt in range(TRIES):
            if cache.looks_free(self.named[visitor]):
                seat = self.named[visitor]
            elif wish < 0:
                seat = next(iter(cache.earliest(self.chance, now, self.limits.window)), -1)
            else:
                near = cache.nearest(wish, desks)
                slot = self.chance.choice(near) if attempt == TRIES - 1 and near else next(iter(near), -1)
                seat = next(iter(cache.of_slot(slot, desks, self.chance)), -1) if near else -1
            if seat < 0:
                return
            yield seat

    def try_seats(self, now: float, _number: int, visitor: int, cache: WeekCache, candidates: Iterable[int]) -> None:
        """Try the seats with conditional writes, one after another, and answer."""
        self.tally.bytes_out += 1_000
        for seat in candidates:
            if not self.write_units(now, seat, 1, int(self.crowd.captcha_first)):  # the waiting item names the seat
                cache.throttle(now)
                self.retry(visitor, self.taking, now, "429 table", self.retry_after("429 table"))
                return
            won = self.seats.take(seat, visitor, now)
            cache.record(seat, now, won=won)
            if won:
                self.win(visitor, seat, now)
                return
        self.refuse_seat(visitor, cache, now, self.taking)

    def refuse_seat(self, visitor: int, cache: WeekCache, now: float, step: int) -> None:
        """Answer that the seats are taken, with the nearest slots, or that nothing is free."""
        wish = self.wish[visitor]
        near = cache.nearest(max(wish, 0), self.crowd.desks)
        if not near:
            self.tally.answers["nothing free"] += 1
            self.end(visitor, NOTHING, now)
            return
        self.tally.answers["taken"] += 1
        if wish >= 0:
            self.wish[visitor] = self.chance.choice(near)
        self.plan(self.think(now), visitor, step)

    def win(self, visitor: int, seat: int, now: float) -> None:
        """Hold the seat for 180 seconds. The captcha is next, or the form if it is passed."""
        self.end(visitor, WON, now)
        self.seat[visitor] = seat
        if self.crowd.captcha_first:
            self.keep(visitor, now, self.crowd.form_for, self.crowd.form, FORM)
            return
        self.keep(visitor, now, self.crowd.hold_for, self.crowd.captcha, CAPTCHA)

    def keep(self, visitor: int, now: float, time: float, mean: float, step: int) -> None:
        """Schedule the expiry of the seat, and the next step before it."""
        self.until[visitor] = now + time
        self.plan(now + time + 5, visitor, LAPSE)
        self.plan(now + min(time * 0.9, self.chance.expovariate(1 / mean)), visitor, step)

    def lapse(self, visitor: int, now: float) -> None:
        """Free the seat if the hold has expired and was not extended."""
        if self.until.get(visitor, now + 1) <= now:
            del self.until[visitor]
            self.seats.give_back(self.seat.pop(visitor))
            self.outcome[visitor] = LOST
            self.tally.lapsed += 1

    # After the hold

    def go_on(self, visitor: int, step: int, now: float) -> None:
        """Serve the captcha, the details or the confirmation."""
        if step != CONFIRM and self.until.get(visitor, 0.0) < now:
            return  # the hold has expired, and its lapse is scheduled
        pool = self.captcha if step == CAPTCHA else self.request
        started = pool.start(now)
        if started is None:
            self.retry(visitor, step, now, "503 no environment", RETRY_AFTER_503)
            return
        cache, is_new = started
        cpu = self.costs.step * REQUESTS[step] + (self.costs.load if is_new else 0.0)
        done = now + cpu / self.costs.core + 2 * self.costs.call * REQUESTS[step]
        self.spend(pool, cache, now, done)
        self.tally.invocations += REQUESTS[step] - 1
        self.tally.reads += REQUESTS[step]
        self.tally.bytes_out += REQUESTS[step] * 4_000
        if not self.write_units(now, self.seat[visitor], *WRITES[step]):
            self.retry(visitor, step, now, "429 table", self.retry_after("429 table"))
        elif step == CAPTCHA:
            self.keep(visitor, done, self.crowd.form_for, self.crowd.form, FORM)
        else:
            if step == FORM:
                del self.until[visitor]
            sent_at = self.mailer.send(done)
            self.tally.letters += 1
            self.tally.writes += 1
            if step == FORM:
                self.plan(sent_at + self.chance.expovariate(1 / self.crowd.confirm), visitor, CONFIRM)

    # The end

    def result(self) -> Result:
        """Return the figures of the run."""
        waited = np.maximum(self.known - self.first - self.solving, 0.0)  # a slice may start before the click
        held = self.seats.first_held
        return Result(
            outcomes={name: self.outcome.count(code) for code, name in OUTCOMES.items()},
            drain=held[-1] if len(held) == self.crowd.seats else None,
            held=len(held),
            waits={f"p{p}": float(np.percentile(waited, p)) for p in (50, 95, 99, 100)},
            last_mail=self.mailer.last,
            tally=self.tally,
            held_at=held,
            known_at=sorted(self.known.tolist()),
        )
