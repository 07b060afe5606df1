"""What this process remembers of the seats, mostly for a second. It refuses what is gone; it never grants a seat."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model import Seat, SeatKey, State

SECOND = timedelta(seconds=1)
FULL = timedelta(seconds=60)
"""Of a week in which nobody can have a seat before: what is booked returns hours after it is freed."""
PAUSE = timedelta(milliseconds=100)
"""How long a table that throttles is not asked again by the same process."""
MOST_WEEKS = 50


@dataclass(frozen=True, slots=True)
class _Week:
    """What was read of a week, good from `at` for so long; and what is `shown`, corrected by what was learnt since."""

    at: datetime
    good_for: timedelta
    read: dict[SeatKey, Seat]
    shown: dict[SeatKey, Seat]


_weeks: dict[tuple[str, str], _Week] = {}
_taken: dict[SeatKey, datetime] = {}
_throttled: dict[str, datetime] = {}
_busy: dict[str, datetime] = {}
_last: dict[str, SeatKey] = {}


def forget() -> None:
    """Empty it."""
    for kept in (_weeks, _taken, _throttled, _busy, _last):
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
    if by_us:
        _last[key.service] = key
    else:
        _meet(key.service, now)


def given_back(key: SeatKey) -> None:
    """A seat is free again, by our own write."""
    _taken.pop(key, None)
    _show(key, State.OPEN)


def throttled(service_id: str, now: datetime) -> None:
    """The table throttled when it was asked for something of a service."""
    _throttled[service_id] = now
    _meet(service_id, now)


def _meet(service_id: str, now: datetime) -> None:
    """Others are at the same seats: the service is busy, and this process goes on elsewhere."""
    _busy[service_id] = now
    _last.pop(service_id, None)


def is_throttled(service_id: str, now: datetime) -> bool:
    """Did the table throttle this process within the pause, when it asked for something of the service?"""
    return service_id in _throttled and _since(_throttled[service_id], now, PAUSE)


def is_busy(service_id: str, now: datetime) -> bool:
    """Was the table throttling, or somebody else faster at a seat of the service, within the last second?"""
    return service_id in _busy and _since(_busy[service_id], now)


def last_taken(service_id: str, now: datetime) -> SeatKey | None:
    """The seat of a busy service that this process took last, unless it met others since."""
    return _last.get(service_id) if is_busy(service_id, now) else None
