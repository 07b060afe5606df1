"""The seats of the released week, and what a process caches of them. Both simulations use them."""

import random
from bisect import insort
from collections.abc import Iterator

from chalicelib.booking import hold
from chalicelib.domain import calendar
from chalicelib.storage import recent
from chalicelib.storage.recent import SeatRange

TRIES = hold.SEAT_ATTEMPTS
EARLIEST = calendar.FIRST_FREE_CANDIDATES
CACHE_SECONDS = recent.SECOND.total_seconds()
FULL_CACHE_SECONDS = recent.FULL.total_seconds()
PAUSE = recent.PAUSE.total_seconds()
NEAREST = 3
FREE, GONE = b"\x01", 0


class Seats:
    """The released week as the table has it. A free seat is a 1 in `free`."""

    def __init__(self, count: int) -> None:
        self.free = bytearray(FREE * count)
        self.holder: dict[int, int] = {}
        self.first_held: list[float] = []
        self._was_held = bytearray(count)
        self._queried: bytes | None = None

    def query(self) -> bytes:
        """Return the week as a Query reads it now."""
        if self._queried is None:
            self._queried = bytes(self.free)
        return self._queried

    def take(self, seat: int, visitor: int, now: float) -> bool:
        """Take a seat with a conditional write. Return False if it is not free."""
        if not self.free[seat]:
            return False
        self.free[seat], self._queried = GONE, None
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
        self.free[seat], self._queried = FREE[0], None


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

    def store(self, week: bytes, now: float, made_at: float = 1e9) -> None:
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
