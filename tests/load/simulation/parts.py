"""The parts of the machine: a limit, the environments of a function, the seats, and what an environment remembers."""

import random
from bisect import insort
from collections.abc import Iterator
from heapq import heappop, heappush

from chalicelib.storage.recent import SeatRange
from tests.load.simulation.inputs import EARLIEST, FULL_MEMORY, MEMORY, NEAREST, PAUSE, TRIES

FREE, GONE = b"\x01", 0


class Bucket:
    """At most `burst + rate x seconds` units, and what the last request took too many: it is paid back first."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.left, self.at = rate, burst, burst, 0.0

    def fill(self, now: float) -> None:
        """What time brings."""
        if now > self.at:
            self.left = min(self.burst, self.left + (now - self.at) * self.rate)
            self.at = now

    def take(self, now: float, units: float = 1.0) -> bool:
        """Whether one request may pass; a request of many units passes whole."""
        self.fill(now)
        if self.left < min(units, 1.0):
            return False
        self.left -= units
        return True

    def grant(self, now: float, wanted: int) -> int:
        """How many of so many requests may pass."""
        self.fill(now)
        granted = max(0, min(wanted, int(self.left)))
        self.left -= granted
        return granted


class Seats:
    """The week as the table has it. A free seat is a 1 in `free`."""

    def __init__(self, count: int) -> None:
        self.free = bytearray(FREE * count)
        self.holder: dict[int, int] = {}
        self.first_held: list[float] = []
        self._had = bytearray(count)
        self._seen: bytes | None = None

    def seen(self) -> bytes:
        """The week as a Query returns it now."""
        if self._seen is None:
            self._seen = bytes(self.free)
        return self._seen

    def take(self, seat: int, visitor: int, now: float) -> bool:
        """The conditional write: False when somebody has it."""
        if not self.free[seat]:
            return False
        self.free[seat], self._seen = GONE, None
        if seat in self.holder:
            raise RuntimeError(f"seat {seat} was sold twice")
        self.holder[seat] = visitor
        if not self._had[seat]:
            self._had[seat] = 1
            insort(self.first_held, now)
        return True

    def give_back(self, seat: int) -> None:
        """A hold ran out."""
        del self.holder[seat]
        self.free[seat], self._seen = FREE[0], None


class Memory:
    """What one environment remembers of the week for a second, less what it saw taken (`store.seats_seen`).

    The full weeks before it are remembered for a minute.
    """

    __slots__ = ("asked", "at", "busy", "full_at", "seen", "throttled", "way")

    def __init__(self) -> None:
        self.at, self.seen = -1e9, b""
        self.busy = self.throttled = self.full_at = -1e9
        self.asked: set[int] = set()
        self.way: SeatRange[int] | None = None

    def throttle(self, now: float) -> None:
        """The table throttled this environment."""
        self.busy = self.throttled = now

    def is_busy(self, now: float) -> bool:
        """Did it meet others a moment ago, or was it throttled?"""
        return 0 <= now - self.busy < MEMORY

    def told(self, seat: int, now: float, *, won: bool) -> None:
        """What became of asking for a seat (`chalicelib.storage.recent.taken`)."""
        self.asked.add(seat)
        if self.way and self.way.asked == seat:
            ended = not self.way.go_on(seat, by_us=won)
        else:
            ended = not self.is_busy(now)
            if won and not self.way and not ended:
                self.way = SeatRange(seat, seat)
        if ended:
            self.way = None
        if not won:
            self.busy = now

    def is_resting(self, now: float) -> bool:
        """Does it leave the table alone, which throttled it a moment ago?"""
        return 0 <= now - self.throttled < PAUSE

    def is_old(self, now: float) -> bool:
        """Must the next request read the week?"""
        return not 0 <= now - self.at < MEMORY

    def knows_the_full(self, now: float) -> bool:
        """Is it known that the weeks before are full?"""
        return 0 <= now - self.full_at < FULL_MEMORY

    def read(self, seen: bytes, now: float) -> None:
        """The week as it was read by a request that began `now`."""
        self.at, self.seen = now, seen
        self.asked = set()

    def _from(self, start: int, end: int, most: int) -> list[int]:
        found: list[int] = []
        seat = self.seen.find(FREE, start, end)
        while seat >= 0 and len(found) < most:
            if seat not in self.asked:
                found.append(seat)
            seat = self.seen.find(FREE, seat + 1, end)
        return found

    def earliest(self, chance: random.Random, now: float, window: int = EARLIEST) -> Iterator[int]:
        """What one attempt at the first free slot asks for, as `booking.place_hold` does; it is `told` after each."""
        if not self.is_busy(now):
            found = self._from(0, len(self.seen), window)
            yield from chance.sample(found, min(TRIES, len(found)))
            return
        for _ in range(TRIES):
            seat = self._anywhere(chance)
            if seat is None:
                return
            yield seat

    def _anywhere(self, chance: random.Random) -> int | None:
        """One of all that look free: the next on this environment's range (`recent.next_in_range`), or a random one."""
        if not self.way:
            return self._above(chance.randrange(len(self.seen)))
        self.way.asked = self._below(self.way.bottom) if self.way.downwards else self._above(self.way.top + 1)
        return self.way.asked

    def _above(self, seat: int) -> int | None:
        """The first from this one on that looks free, round the end of the week."""
        found = self._from(seat, len(self.seen), 1) or self._from(0, seat, 1)
        return found[0] if found else None

    def _below(self, seat: int) -> int | None:
        """The last before this one, likewise."""
        for start, end in ((0, seat), (seat, len(self.seen))):
            found = self.seen.rfind(FREE, start, end)
            while found >= 0 and found in self.asked:
                found = self.seen.rfind(FREE, start, found)
            if found >= 0:
                return found
        return None

    def of_slot(self, slot: int, desks: int, chance: random.Random) -> list[int]:
        """The seats of a slot to try."""
        found = self._from(slot * desks, (slot + 1) * desks, desks)
        return chance.sample(found, min(TRIES, len(found)))

    def any_slot(self, desks: int, chance: random.Random) -> int | None:
        """A slot that a person who sees this calendar picks; None when nothing is free."""
        start = chance.randrange(len(self.seen))
        seat = self.seen.find(FREE, start)
        if seat < 0:
            seat = self.seen.find(FREE)
        return seat // desks if seat >= 0 else None

    def nearest(self, slot: int, desks: int) -> list[int]:
        """Up to three free slots nearest to this one; none when nothing is free."""
        after, before = list[int](), list[int]()
        seat = self.seen.find(FREE, slot * desks)
        while seat >= 0 and len(after) < NEAREST:
            if seat not in self.asked and (not after or after[-1] != seat // desks):
                after.append(seat // desks)
            seat = self.seen.find(FREE, seat + 1)
        seat = self.seen.rfind(FREE, 0, slot * desks)
        while seat >= 0 and len(before) < NEAREST:
            if seat not in self.asked and (not before or before[-1] != seat // desks):
                before.append(seat // desks)
            seat = self.seen.rfind(FREE, 0, seat)
        return sorted(before + after, key=lambda one: (abs(one - slot), one))[:NEAREST]


class Account:
    """How many environments the account runs at once."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency, self.pools = concurrency, list[Pool]()

    def is_full(self, now: float) -> bool:
        """Is every one of them at work?"""
        if sum(len(pool.busy) for pool in self.pools) < self.concurrency:
            return False
        for pool in self.pools:
            pool.rest(now)
        return sum(len(pool.busy) for pool in self.pools) >= self.concurrency


class Pool:
    """The environments of one function; the one that worked last works next, and a new one has to load."""

    def __init__(self, account: Account, rate: float, burst: float, *, warm: int = 0, most: int = 10**9) -> None:
        self.account, self.most = account, most
        self.new = Bucket(rate, burst)
        self.idle = [Memory() for _ in range(warm)]
        self.busy: list[tuple[float, int, Memory]] = []
        self.made, self._number = warm, 0
        account.pools.append(self)

    def rest(self, now: float) -> None:
        """Those that are done are idle."""
        while self.busy and self.busy[0][0] <= now:
            self.idle.append(heappop(self.busy)[2])

    def start(self, now: float) -> tuple[Memory, bool] | None:
        """An environment for one request, and whether it has to load first; None when there is none to be had."""
        self.rest(now)
        if len(self.busy) >= self.most or self.account.is_full(now):
            return None
        if self.idle:
            return self.idle.pop(), False
        if not self.new.take(now):
            return None
        self.made += 1
        return Memory(), True

    def work(self, memory: Memory, until: float) -> None:
        """It is busy until then."""
        self._number += 1
        heappush(self.busy, (until, self._number, memory))


class Mailer:
    """One mailer at its rate: when each letter leaves."""

    def __init__(self, rate: float) -> None:
        self.pause, self.next, self.last, self.sent = 1 / rate, 0.0, 0.0, 0

    def send(self, now: float) -> float:
        """When a letter that is called for now leaves."""
        self.last = max(now, self.next)
        self.next = self.last + self.pause
        self.sent += 1
        return self.last
