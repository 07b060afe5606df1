"""The changes that make the seats of a week agree with the rules of its service."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from chalicelib.domain import timetable
from chalicelib.domain.seat import BY_RULES, Seat, SeatKey, State
from chalicelib.domain.service import Service

# The seats that are there, and the rules


class ChangeKind(StrEnum):
    """What makes a seat agree with the rules."""

    CREATE = "create"
    MOVE = "move"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class SeatChange:
    """One write that a change of the rules calls for; `opens_at` is when the seat opens then."""

    do: ChangeKind
    seat: Seat


class DeskOccupancy:
    """The times at which each desk of a service is taken by some seats.

    A seat stores no length: each one lasts as long as a slot of its service lasts now. A desk belongs to its service:
    desk 1 of another service is another desk.
    """

    def __init__(self, service: Service, keys: Iterable[SeatKey]) -> None:
        self._slot = service.slot
        self._taken: dict[tuple[date, int], list[SeatKey]] = {}
        for key in sorted(keys):
            self._taken.setdefault((key.day, key.unit), []).append(key)

    def overlapped(self, key: SeatKey) -> SeatKey | None:
        """Return another seat of the same desk whose time span intersects that of this one, if any."""
        taken = self._taken.get((key.day, key.unit), [])
        place = bisect_left(taken, key)
        near = (other for other in taken[max(place - 1, 0) : place + 2] if other != key)
        return next((other for other in near if abs(_wall(other) - _wall(key)) < self._slot), None)


def _wall(key: SeatKey) -> datetime:
    return datetime.combine(key.day, key.start)


def _stays(seat: Seat, now: datetime) -> bool:
    """Is it a seat that no rule may close: somebody has it, or the office added it or set it aside?"""
    if seat.state is State.CLOSED:
        return False
    unused = seat.state is State.OPEN or seat.is_free(now)
    return seat.extra or bool(seat.reserve) or not unused


def changes_of_week(
    service: Service, week: str, seats: Sequence[Seat], now: datetime, *, create: bool
) -> Iterator[SeatChange]:
    """What makes the seats of a week agree with the rules. Nobody who has a seat loses it, none opens twice.

    A seat outside the hours is closed once nobody has it. One that has not opened yet opens when the rules say now;
    one that has stays open. While nothing of the week has opened, seats come and go with the plan; afterwards seats
    are only added while there are fewer than the plan has. What the office added, closed or set aside is its own.

    A desk receives one person at a time: a seat is not created or reopened where it would overlap another of its desk,
    and an unused one that overlaps a seat that stays is closed.
    """
    planned, inside = timetable.plan(service, week), set(timetable.planned_seats(service, week))
    begun = bool(planned) and min(planned.values()) <= now
    own = [seat for seat in seats if not seat.extra and not seat.reserve]
    there: dict[SeatKey, Seat] = {seat.key: seat for seat in seats}
    staying = DeskOccupancy(service, (seat.key for seat in seats if _stays(seat, now)))
    closing: set[SeatKey] = set()
    for seat in own:
        wanted = seat.key in planned or (begun and seat.key in inside)
        wanted = wanted and (_stays(seat, now) or staying.overlapped(seat.key) is None)
        if not wanted and seat.state in {State.OPEN, State.HELD} and service.start_of(seat.key) > now:
            closing |= set() if _stays(seat, now) else {seat.key}
            yield SeatChange(ChangeKind.CLOSE, seat)
        elif seat.is_coming(now):
            moved = replace(seat, opens_at=planned.get(seat.key, seat.opens_at))
            if moved != seat:
                yield SeatChange(ChangeKind.MOVE, moved)
    missing = len(planned) - sum(seat.key in inside and not seat.extra and seat.closed != BY_RULES for seat in seats)
    taken = DeskOccupancy(
        service, (seat.key for seat in seats if seat.state is not State.CLOSED and seat.key not in closing)
    )
    for key, at in planned.items():
        if service.start_of(key) <= now or (begun and missing <= 0) or not create or taken.overlapped(key):
            continue
        if key not in there:
            yield SeatChange(ChangeKind.CREATE, Seat(key, at))
            missing -= 1
        elif there[key].closed == BY_RULES:
            yield SeatChange(ChangeKind.REOPEN, replace(there[key], opens_at=max(at, there[key].opens_at)))
            missing -= 1
