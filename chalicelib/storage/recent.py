"""The process cache: what this process has read of the seats within the last second; a full week within a minute.

It is used to refuse a seat that is gone without a call to the table. A seat is never granted from it.
"""

from bisect import bisect, bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Generic, TypeVar

from chalicelib.domain.calendar import WeekCount
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.week_snapshot import WeekSnapshot

SECOND = timedelta(seconds=1)
FULL = timedelta(seconds=60)
"""How long a full week stays cached. It has no held seat, and the seat of a cancelled request opens hours later.
Internal seats can be free in it: the desk does not read them from this cache."""
COUNTED = timedelta(seconds=10)
"""How long the count of the free seats of a week stays cached. It says where to look and grants nothing, and a page
shows the counts of several weeks: reading all of them each second would multiply the reads of a crowd."""
PAUSE = timedelta(milliseconds=100)
"""How long this process makes no call for a service after DynamoDB throttled one."""
KEPT = timedelta(seconds=15)
"""How long this process remembers at most that a seat is taken while it shows an older snapshot of the week."""
MOST_WEEKS = 50
MISSES = 2
"""After so many lost seats in a row, another process owns the range. A single one was chosen by a visitor."""
K = TypeVar("K", SeatKey, int)
_key_of = attrgetter("key")


@dataclass(slots=True)
class SeatRange(Generic[K]):
    """The consecutive seats that one process tries in a busy week: upwards, then downwards after it met others above.

    Processes that each keep to a range collide far less often than processes that draw every seat at random.
    """

    top: K
    bottom: K
    downwards: bool = False
    misses: int = 0
    tried: K | None = None
    """The seat of the range that the process tries now. Other seats do not move the range."""
    ended: bool = False
    """Whether the range met the ranges of others on both sides."""

    def next(self, free: Sequence[K]) -> K:
        """Return the next seat to try among the free ones, which are in order. The ends of the week are neighbours."""
        return free[bisect(free, self.bottom) - 1] if self.downwards else free[bisect(free, self.top) % len(free)]

    def move_to(self, key: K, *, by_us: bool) -> None:
        """Extend the range to the seat that was tried; turn, or end, after `MISSES` lost seats in a row."""
        if self.downwards:
            self.bottom = key
        else:
            self.top = key
        self.misses = 0 if by_us else self.misses + 1
        if self.misses == MISSES:
            self.ended, self.downwards, self.misses = self.downwards, True, 0


@dataclass(frozen=True, slots=True)
class _Week:
    """The seats of a week as they were read at `read_at`, and corrected by what this process has written since."""

    read_at: datetime
    made_at: datetime
    """Before `read_at`, if they were read from a snapshot."""
    valid_for: timedelta
    as_read: Sequence[Seat]
    """In order."""
    corrected: list[Seat]

    def position(self, key: SeatKey) -> int | None:
        """Return where a seat is in both lists; None if it is in neither."""
        position = bisect_left(self.as_read, key, key=_key_of)
        return position if position < len(self.as_read) and self.as_read[position].key == key else None


@dataclass(slots=True)
class RecentSeats:
    """The seats that one process has seen, and where DynamoDB throttled it. Queries never change anything."""

    _weeks: dict[tuple[str, str], _Week] = field(default_factory=dict)
    _taken: dict[SeatKey, datetime] = field(default_factory=dict)
    """When this process learnt that a seat is taken, oldest first."""
    _throttled: dict[str, datetime] = field(default_factory=dict)
    _busy: dict[str, datetime] = field(default_factory=dict)
    _ranges: dict[str, SeatRange[SeatKey]] = field(default_factory=dict)
    _counts: dict[tuple[str, str], tuple[datetime, timedelta, WeekCount]] = field(default_factory=dict)

    # Queries

    def week(self, service_id: str, week: str, now: datetime) -> list[Seat] | None:
        """Return the seats of a week, less those just taken; None if they were not read within the last second.

        A full week is valid for a minute. Call `expire` first.
        """
        cached = self._weeks.get((service_id, week))
        if not cached or not _is_within(cached.valid_for, cached.read_at, now):
            return None
        return cached.corrected.copy()

    def week_count(self, service_id: str, week: str, now: datetime) -> WeekCount | None:
        """Return the count of a week; None if there is none that is still valid."""
        counted_at, valid_for, count = self._counts.get((service_id, week), (now, timedelta(0), None))
        return count if _is_within(valid_for, counted_at, now) else None

    def seat(self, key: SeatKey) -> Seat | None:
        """Return a seat as `week` does, of whatever age; None if its week was not read."""
        cached = self._weeks.get((key.service, key.week))
        position = cached.position(key) if cached else None
        return cached.corrected[position] if cached and position is not None else None

    def is_throttled(self, service_id: str, now: datetime) -> bool:
        """Tell whether DynamoDB throttled a call for this service within the last `PAUSE`."""
        return service_id in self._throttled and _is_within(PAUSE, self._throttled[service_id], now)

    def is_busy(self, service_id: str, now: datetime) -> bool:
        """Tell whether this process lost a seat of the service, or was throttled, within the last second."""
        return service_id in self._busy and _is_within(SECOND, self._busy[service_id], now)

    def next_in_range(self, service_id: str, free: Sequence[SeatKey], now: datetime) -> SeatKey | None:
        """Return the next free seat in this process's range; None if the service is not busy or no range has begun."""
        seat_range = self._ranges.get(service_id)
        if seat_range is None or not self.is_busy(service_id, now):
            return None
        return seat_range.next(free)

    # Commands

    def clear(self) -> None:
        """Empty the cache."""
        for cached in (self._weeks, self._taken, self._throttled, self._busy, self._ranges, self._counts):
            cached.clear()

    def expire(self, now: datetime) -> None:
        """Show seats that were taken over a second ago as they were read.

        Those of a snapshot that was made before stay taken, for `KEPT` at most.
        """
        for key, at in list(self._taken.items()):
            if _is_within(SECOND, at, now):
                break
            cached = self._weeks.get((key.service, key.week))
            if cached is None or cached.made_at >= at or not _is_within(KEPT, at, now):
                del self._taken[key]
                self._correct(key, None)

    def record_week(self, service_id: str, week: str, seats: Sequence[Seat], now: datetime) -> None:
        """Cache a week that was just read. Its seats are in order."""
        valid_for = FULL if is_full(seats, now) else SECOND
        self._record(service_id, week, _Week(now, now, valid_for, seats, list(seats)), now)

    def record_snapshot(self, service_id: str, week: str, snapshot: WeekSnapshot, now: datetime) -> None:
        """Cache a week that was just read from a snapshot. A full one is valid for a minute from when it was made."""
        left = max(snapshot.made_at + FULL - now, SECOND) if snapshot.is_full else SECOND
        made_at, seats = min(snapshot.made_at, now), snapshot.seats
        self._record(service_id, week, _Week(now, made_at, left, seats, list(seats)), now)

    def _record(self, service_id: str, week: str, cached: _Week, now: datetime) -> None:
        if len(self._weeks) >= MOST_WEEKS:
            self._weeks.clear()
        self._weeks[(service_id, week)] = cached
        for key, at in self._taken.items():
            if at > cached.made_at or _is_within(SECOND, at, now):
                self._correct(key, State.CONFIRMED)

    def record_week_count(self, service_id: str, count: WeekCount, seats: Sequence[Seat], now: datetime) -> None:
        """Cache the count of a week: until more of its seats open, `COUNTED` at most.

        A week in which nothing can be offered any more stays so: its count is valid for a minute.
        """
        if len(self._counts) >= MOST_WEEKS:
            self._counts.clear()
        longest = COUNTED if count.bookable or not seats else FULL
        opening = min((seat.opens_at - now for seat in seats if seat.opens_at > now), default=longest)
        self._counts[(service_id, count.week)] = (now, min(longest, opening), count)

    def record_taken(self, key: SeatKey, now: datetime, *, by_us: bool) -> None:
        """Note that a seat is taken: this process tried it, and got it or found that another one had it.

        In a busy service the first seat it gets begins its range. A lost seat makes the service busy for a second.
        """
        self._taken.pop(key, None)  # so that the oldest come first
        self._taken[key] = now
        self._correct(key, State.CONFIRMED)
        seat_range = self._ranges.get(key.service)
        if seat_range and seat_range.tried == key:
            seat_range.move_to(key, by_us=by_us)
            ended = seat_range.ended
        else:
            ended = not self.is_busy(key.service, now)
            if by_us and not seat_range and not ended:
                self._ranges[key.service] = SeatRange(key, key)
        if ended:
            self._ranges.pop(key.service, None)
        if not by_us:
            self._busy[key.service] = now

    def record_given_back(self, key: SeatKey) -> None:
        """Note that a seat is free again, by a write of this process."""
        self._taken.pop(key, None)
        self._correct(key, State.OPEN)

    def record_throttle(self, service_id: str, now: datetime) -> None:
        """Note that DynamoDB throttled a call for this service."""
        self._throttled[service_id] = self._busy[service_id] = now

    def record_try_in_range(self, key: SeatKey) -> None:
        """Note that this process now tries the seat that `next_in_range` returned."""
        self._ranges[key.service].tried = key

    def _correct(self, key: SeatKey, state: State | None) -> None:
        """Show a cached seat in this state; without a state, as it was read."""
        cached = self._weeks.get((key.service, key.week))
        if cached and (position := cached.position(key)) is not None:
            seat = cached.as_read[position]
            cached.corrected[position] = Seat(key, seat.opens_at, state) if state else seat


def _is_within(duration: timedelta, moment: datetime, now: datetime) -> bool:
    """Tell whether less than this duration has passed since the moment; not if the clock went back before it."""
    return timedelta(0) <= now - moment < duration


def is_full(seats: Sequence[Seat], now: datetime) -> bool:
    """Tell whether no seat can open to visitors within `FULL`. A held seat can be given back at any moment."""
    return bool(seats) and not any(seat.state is State.HELD or seat.is_free(now + FULL) for seat in seats)


SEATS = RecentSeats()
"""The cache of this process."""
