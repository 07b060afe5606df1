"""What this process remembers of the seats, mostly for a second. It refuses what is gone; it never grants a seat."""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from chalicelib.domain.seat import Seat, SeatKey, State

SECOND = timedelta(seconds=1)
FULL = timedelta(seconds=60)
"""Of a week in which nobody can have a seat before: what is booked returns hours after it is freed."""
PAUSE = timedelta(milliseconds=100)
"""How long a table that throttles is not asked again by the same process."""
MOST_WEEKS = 50
MISSES = 2
"""So many seats on end that are another's are another's stretch; one alone is somebody's who named it."""
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class _Week:
    """What was read of a week, good from `at` for so long; and what is `shown`, corrected by what was learnt since."""

    at: datetime
    good_for: timedelta
    read: dict[SeatKey, Seat]
    shown: dict[SeatKey, Seat]


@dataclass(slots=True)
class SeatRange(Generic[K]):
    """The stretch of a week that this process takes seat by seat: upwards, and downwards once it met others above."""

    top: K
    bottom: K
    downwards: bool = False
    missed: int = 0
    asked: K | None = None

    def go_on(self, key: K, *, by_us: bool) -> bool:
        """It asked for the next seat; False once it met others on both sides."""
        if self.downwards:
            self.bottom = key
        else:
            self.top = key
        self.missed = 0 if by_us else self.missed + 1
        if self.missed < MISSES:
            return True
        was, self.downwards, self.missed = self.downwards, True, 0
        return not was


_weeks: dict[tuple[str, str], _Week] = {}
_taken: dict[SeatKey, datetime] = {}
_throttled: dict[str, datetime] = {}
_busy: dict[str, datetime] = {}
_ways: dict[str, SeatRange[SeatKey]] = {}


def forget() -> None:
    """Empty it."""
    for kept in (_weeks, _taken, _throttled, _busy, _ways):
        kept.clear()


def _since(at: datetime, now: datetime, good_for: timedelta = SECOND) -> bool:
    return timedelta(0) <= now - at < good_for


def week(service_id: str, name: str, now: datetime) -> list[Seat] | None:
    """The seats of a week that was read within the last second, less those just seen taken; None if it was not.

    A week that is full is good for a minute.
    """
    known = _weeks.get((service_id, name))
    if not known or not _since(known.at, now, known.good_for):
        return None
    while _taken and not _since(_taken[key := next(iter(_taken))], now):
        del _taken[key]
        _show(key, None)
    return list(known.shown.values())


def seat(key: SeatKey) -> Seat | None:
    """A seat as `week` shows it; None where its week was not read."""
    known = _weeks.get((key.service, key.week))
    return known.shown.get(key) if known else None


def keep(service_id: str, name: str, seats: Sequence[Seat], now: datetime) -> None:
    """A week was read."""
    if len(_weeks) >= MOST_WEEKS:
        _weeks.clear()
    read = {seat.key: seat for seat in seats}
    _weeks[(service_id, name)] = _Week(now, FULL if _is_full(seats, now) else SECOND, read, read.copy())
    for key in _taken:
        _show(key, State.CONFIRMED)


def _is_full(seats: Sequence[Seat], now: datetime) -> bool:
    """Are there seats, and none that somebody may have within FULL? A hold can be given back at any moment."""
    return bool(seats) and not any(seat.state is State.HELD or seat.is_free(now + FULL) for seat in seats)


def _show(key: SeatKey, state: State | None) -> None:
    """Show a seat in this state from now on, or again as it was read."""
    known = _weeks.get((key.service, key.week))
    if known and key in known.read:
        known.shown[key] = Seat(key, known.read[key].opens_at, state) if state else known.read[key]


def taken(key: SeatKey, now: datetime, *, by_us: bool) -> None:
    """A seat was asked for, and is now ours, or another's before."""
    _taken.pop(key, None)  # the oldest come first
    _taken[key] = now
    _show(key, State.CONFIRMED)
    way = _ways.get(key.service)
    if way and way.asked == key:
        ended = not way.go_on(key, by_us=by_us)
    else:
        ended = not is_busy(key.service, now)
        if by_us and not way and not ended:
            _ways[key.service] = SeatRange(key, key)
    if ended:
        _ways.pop(key.service, None)
    if not by_us:
        _busy[key.service] = now


def given_back(key: SeatKey) -> None:
    """A seat is free again, by our own write."""
    _taken.pop(key, None)
    _show(key, State.OPEN)


def throttled(service_id: str, now: datetime) -> None:
    """The table throttled when it was asked for something of a service."""
    _throttled[service_id] = _busy[service_id] = now


def is_throttled(service_id: str, now: datetime) -> bool:
    """Did the table throttle this process within the pause, when it asked for something of the service?"""
    return service_id in _throttled and _since(_throttled[service_id], now, PAUSE)


def is_busy(service_id: str, now: datetime) -> bool:
    """Was the table throttling, or somebody else faster at a seat of the service, within the last second?"""
    return service_id in _busy and _since(_busy[service_id], now)


def next_in_range(service_id: str, free: Sequence[SeatKey], now: datetime) -> SeatKey | None:
    """The next free seat on this process's way through a busy service; None where it is to draw one to begin at.

    So each process has a stretch of the week to itself. Those that only draw meet each other far more often.
    """
    way = _ways.get(service_id)
    if way is None or not is_busy(service_id, now):
        return None
    way.asked = free[bisect(free, way.bottom) - 1] if way.downwards else free[bisect(free, way.top) % len(free)]
    return way.asked
