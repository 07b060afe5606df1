"""The parts of the simulated system: token bucket, seats, cache of an environment, function pool, mailer."""

import random
from bisect import insort
from collections.abc import Iterator
from heapq import heappop, heappush

from chalicelib.storage.recent import SeatRange
from tests.load.simulation.inputs import (
    CACHE_SECONDS,
    CLAIMED,
    EARLIEST,
    FULL_CACHE_SECONDS,
    NEAREST,
    PAUSE,
    TRIES,
    USABLE,
)

FREE, GONE = b"\x01", 0


class Bucket:
    """A token bucket. A large request may overdraw it; later requests wait until the debt is paid back."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.left, self.at = rate, burst, burst, 0.0

    def fill(self, now: float) -> None:
        """Add the units that have accrued until now."""
        if now > self.at:
            self.left = min(self.burst, self.left + (now - self.at) * self.rate)
            self.at = now

    def take(self, now: float, units: float = 1.0) -> bool:
        """Take the units of one request. Return False if the bucket is empty."""
        self.fill(now)
        if self.left < min(units, 1.0):
            return False
        self.left -= units
        return True

    def grant(self, now: float, requests: int) -> int:
        """Return how many of these requests may pass."""
        self.fill(now)
        granted = max(0, min(requests, int(self.left)))
        self.left -= granted
        return granted


class Seats:
    """The released week as the table has it. A free seat is a 1 in `free`."""

    def __init__(self, count: int) -> None:
        self.free = bytearray(FREE * count)
        self.holder: dict[int, int] = {}
        self.first_held: list[float] = []
        self._was_held = bytearray(count)
        self._snapshot: bytes | None = None

    def snapshot(self) -> bytes:
        """Return the week as a Query reads it now."""
        if self._snapshot is None:
            self._snapshot = bytes(self.free)
        return self._snapshot

    def take(self, seat: int, visitor: int, now: float) -> bool:
        """Take a seat with a conditional write. Return False if it is not free."""
        if not self.free[seat]:
            return False
        self.free[seat], self._snapshot = GONE, None
        if seat in self.holder:
            raise RuntimeError(f"seat {seat} was sold twice")
        self.holder[seat] = visitor
        if not self._was_held[seat]:
            self._was_held[seat] = 1
            insort(self.first_held, now)
        return True

    def give_back(self, seat: int) -> None:
        """Free the seat of an expired hold."""
        del self.holder[seat]
        self.free[seat], self._snapshot = FREE[0], None


class Snapshot:
    """The snapshot of a week in the table, as `chalicelib.storage.snapshot_store` keeps it."""

    def __init__(self, stale_after: float) -> None:
        self.stale_after = stale_after
        self.week, self.made_at, self.claimed_at = b"", -1e9, -1e9
        self._coming: list[tuple[float, float, bytes]] = []

    def put(self, week: bytes, made_at: float, at: float) -> None:
        """Replace it at this time by the week as it was read at `made_at`, unless another process is faster."""
        heappush(self._coming, (at, made_at, week))

    def is_usable(self, now: float) -> bool:
        """Return whether it may be shown."""
        while self._coming and self._coming[0][0] <= now:
            _, made_at, week = heappop(self._coming)
            if made_at > self.made_at:
                self.made_at, self.week, self.claimed_at = made_at, week, -1e9
        return now - self.made_at < self.stale_after + USABLE

    def is_due(self, now: float) -> bool:
        """Return whether it is stale, and no environment has begun to make it again."""
        return now - self.made_at >= self.stale_after and now - self.claimed_at >= CLAIMED


class WeekCache:
    """The cache of one environment: the released week for 1 s, without the seats it saw taken; the full weeks for 60 s.

    It stands for `chalicelib.storage.recent.RecentSeats`.
    """

    __slots__ = ("at", "busy", "full_at", "seat_range", "throttled", "tried", "week")

    def __init__(self) -> None:
        self.at, self.week = -1e9, b""
        self.busy = self.throttled = self.full_at = -1e9
        self.tried: dict[int, float] = {}
        self.seat_range: SeatRange[int] | None = None

    def throttle(self, now: float) -> None:
        """Note that the table throttled this environment."""
        self.busy = self.throttled = now

    def is_busy(self, now: float) -> bool:
        """Return whether it lost a seat or was throttled within the last second."""
        return 0 <= now - self.busy < CACHE_SECONDS

    def record(self, seat: int, now: float, *, won: bool) -> None:
        """Note the outcome of one attempt at a seat, as `RecentSeats.record_taken` does."""
        self.tried[seat] = now
        if self.seat_range and self.seat_range.tried == seat:
            self.seat_range.move_to(seat, by_us=won)
            ended = self.seat_range.ended
        else:
            ended = not self.is_busy(now)
            if won and not self.seat_range and not ended:
                self.seat_range = SeatRange(seat, seat)
        if ended:
            self.seat_range = None
        if not won:
            self.busy = now

    def is_resting(self, now: float) -> bool:
        """Return whether it sends nothing to the table after a throttle."""
        return 0 <= now - self.throttled < PAUSE

    def is_old(self, now: float) -> bool:
        """Return whether the next request must read the week."""
        return not 0 <= now - self.at < CACHE_SECONDS

    def knows_the_full(self, now: float) -> bool:
        """Return whether it still knows that the weeks before are full."""
        return 0 <= now - self.full_at < FULL_CACHE_SECONDS

    def read(self, week: bytes, now: float, made_at: float = 1e9) -> None:
        """Store the week as read by a request that began `now`, from a snapshot if it was made before."""
        self.at, self.week = now, week
        self.tried = {seat: at for seat, at in self.tried.items() if at > made_at}

    def looks_free(self, seat: int) -> bool:
        """Return whether this environment may try the seat."""
        return self.week[seat] != GONE and seat not in self.tried

    def _from(self, start: int, end: int, most: int) -> list[int]:
        """Return up to `most` seats from this range that look free."""
        seats: list[int] = []
        seat = self.week.find(FREE, start, end)
        while seat >= 0 and len(seats) < most:
            if seat not in self.tried:
                seats.append(seat)
            seat = self.week.find(FREE, seat + 1, end)
        return seats

    def earliest(self, chance: random.Random, now: float, window: int = EARLIEST) -> Iterator[int]:
        """Yield the seats to try for a hold of the first free slot, as `booking.holds.place` does.

        The caller records each outcome before it asks for the next seat.
        """
        if not self.is_busy(now):
            seats = self._from(0, len(self.week), window)
            yield from chance.sample(seats, min(TRIES, len(seats)))
            return
        for _ in range(TRIES):
            seat = self._anywhere(chance)
            if seat is None:
                return
            yield seat

    def _anywhere(self, chance: random.Random) -> int | None:
        """Return the next seat of this environment's range, or a random seat that looks free."""
        if not self.seat_range:
            return self._above(chance.randrange(len(self.week)))
        self.seat_range.tried = (
            self._below(self.seat_range.bottom) if self.seat_range.downwards else self._above(self.seat_range.top + 1)
        )
        return self.seat_range.tried

    def _above(self, seat: int) -> int | None:
        """Return the first seat from here on that looks free. Continue at the start of the week."""
        seats = self._from(seat, len(self.week), 1) or self._from(0, seat, 1)
        return seats[0] if seats else None

    def _below(self, seat: int) -> int | None:
        """Return the last seat before this one that looks free. Continue at the end of the week."""
        for start, end in ((0, seat), (seat, len(self.week))):
            below = self.week.rfind(FREE, start, end)
            while below >= 0 and below in self.tried:
                below = self.week.rfind(FREE, start, below)
            if below >= 0:
                return below
        return None

    def of_slot(self, slot: int, desks: int, chance: random.Random) -> list[int]:
        """Return the seats of a slot to try."""
        seats = self._from(slot * desks, (slot + 1) * desks, desks)
        return chance.sample(seats, min(TRIES, len(seats)))

    def any_slot(self, desks: int, chance: random.Random) -> int | None:
        """Choose a free slot of this calendar at random. Return None if nothing is free."""
        start = chance.randrange(len(self.week))
        seat = self.week.find(FREE, start)
        if seat < 0:
            seat = self.week.find(FREE)
        return seat // desks if seat >= 0 else None

    def free_slots(self, desks: int) -> list[int]:
        """Return all free slots of this calendar."""
        return sorted({seat // desks for seat in self._from(0, len(self.week), len(self.week))})

    def nearest(self, slot: int, desks: int) -> list[int]:
        """Return up to three free slots, the nearest to this one first."""
        after, before = list[int](), list[int]()
        seat = self.week.find(FREE, slot * desks)
        while seat >= 0 and len(after) < NEAREST:
            if seat not in self.tried and (not after or after[-1] != seat // desks):
                after.append(seat // desks)
            seat = self.week.find(FREE, seat + 1)
        seat = self.week.rfind(FREE, 0, slot * desks)
        while seat >= 0 and len(before) < NEAREST:
            if seat not in self.tried and (not before or before[-1] != seat // desks):
                before.append(seat // desks)
            seat = self.week.rfind(FREE, 0, seat)
        return sorted(before + after, key=lambda other: (abs(other - slot), other))[:NEAREST]


class Account:
    """The concurrency of the account, over all its functions."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency, self.pools = concurrency, list[Pool]()

    def is_full(self, now: float) -> bool:
        """Return whether all environments of the account are busy."""
        if sum(len(pool.busy) for pool in self.pools) < self.concurrency:
            return False
        for pool in self.pools:
            pool.rest(now)
        return sum(len(pool.busy) for pool in self.pools) >= self.concurrency


class Pool:
    """The environments of one function. The one that finished last is used first; a new one must load."""

    def __init__(self, account: Account, rate: float, burst: float, *, warm: int = 0, most: int = 10**9) -> None:
        self.account, self.most = account, most
        self.new = Bucket(rate, burst)
        self.idle = [WeekCache() for _ in range(warm)]
        self.busy: list[tuple[float, int, WeekCache]] = []
        self.created, self._number = warm, 0
        account.pools.append(self)

    def rest(self, now: float) -> None:
        """Move the environments that have finished to the idle ones."""
        while self.busy and self.busy[0][0] <= now:
            self.idle.append(heappop(self.busy)[2])

    def start(self, now: float) -> tuple[WeekCache, bool] | None:
        """Return an environment for one request and whether it must load. Return None if none is available."""
        self.rest(now)
        if len(self.busy) >= self.most or self.account.is_full(now):
            return None
        if self.idle:
            return self.idle.pop(), False
        if not self.new.take(now):
            return None
        self.created += 1
        return WeekCache(), True

    def work(self, cache: WeekCache, until: float) -> None:
        """Keep an environment busy until this time."""
        self._number += 1
        heappush(self.busy, (until, self._number, cache))


class Mailer:
    """The mailer, which sends letters one after another at its rate."""

    def __init__(self, rate: float) -> None:
        self.pause, self.next, self.last, self.sent = 1 / rate, 0.0, 0.0, 0

    def send(self, now: float) -> float:
        """Send a letter that is due now. Return when it leaves."""
        self.last = max(now, self.next)
        self.next = self.last + self.pause
        self.sent += 1
        return self.last
