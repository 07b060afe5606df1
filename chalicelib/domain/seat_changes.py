"""The changes that make the seats of a week agree with the rules of its service."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from itertools import islice

from chalicelib.domain import lifecycle, timetable
from chalicelib.domain.seat import BY_RULES, Seat, SeatKey, State
from chalicelib.domain.service import Service


class ChangeKind(StrEnum):
    """How a seat is changed so that it agrees with the rules."""

    CREATE = "create"
    MOVE = "move"
    CLOSE = "close"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class SeatChange:
    """A change of one seat. `seat.opens_at` is when the seat opens after the change."""

    kind: ChangeKind
    seat: Seat


class DeskOccupancy:
    """The times at which seats occupy each desk of a service.

    Every seat lasts as long as a slot of the service lasts now, also if it was created when slots had another length.
    """

    def __init__(self, service: Service, keys: Iterable[SeatKey]) -> None:
        self._slot = service.slot
        self._taken: dict[tuple[date, int], list[SeatKey]] = {}
        for key in sorted(keys):
            self._taken.setdefault((key.day, key.unit), []).append(key)

    def overlapped(self, key: SeatKey) -> SeatKey | None:
        """Return another seat of the same desk that overlaps this one in time, if any."""
        taken = self._taken.get((key.day, key.unit), [])
        position = bisect_left(taken, key)
        neighbours = (other for other in taken[max(position - 1, 0) : position + 2] if other != key)
        return next((other for other in neighbours if abs(_local_start(other) - _local_start(key)) < self._slot), None)


def _local_start(key: SeatKey) -> datetime:
    return datetime.combine(key.day, key.start)


def _stays(seat: Seat, now: datetime) -> bool:
    """Tell whether the rules may not close a seat: it is in use, or an operator added it or set it aside."""
    if seat.state is State.CLOSED:
        return False
    unused = seat.state is State.OPEN or seat.is_free(now)
    return seat.extra or bool(seat.reserve) or not unused


def changes_of_week(
    service: Service, week: str, seats: Sequence[Seat], now: datetime, *, create: bool
) -> Iterator[SeatChange]:
    """Yield the changes that make the seats of a week agree with the rules. No applicant loses a seat by them.

    - A seat outside the hours is closed once nobody has it.
    - A seat that has not opened yet opens when the rules now say. A seat that has opened stays open. One that came back
      to the desk before its release to the public follows the rules too, after the time in which a freed seat returns.
    - In a draw, a seat that nobody has opens at its start, also if it had opened before the service had a draw.
    - Until the first seats of the week open, seats come and go with the plan. Later, seats are added only while there
      are fewer than the plan has.
    - What an operator added, closed or set aside is not changed.
    - A desk receives one applicant at a time: no seat is created or reopened where it would overlap another seat of its
      desk, and an unused seat that overlaps one that stays is closed.
    """
    planned, inside = timetable.plan(service, week), set(timetable.planned_seats(service, week))
    begun = bool(planned) and min(planned.values()) <= now
    closing: set[SeatKey] = set()
    for change in _changes_of_existing(service, seats, planned, inside if begun else set(), now):
        if change.kind is ChangeKind.CLOSE and not _stays(change.seat, now):
            closing.add(change.seat.key)
        yield change
    if not create:
        return
    missing = len(planned) - sum(seat.key in inside and not seat.extra and seat.closed != BY_RULES for seat in seats)
    additions = _additions(service, seats, planned, closing, now)
    yield from islice(additions, max(missing, 0) if begun else None)


def _changes_of_existing(
    service: Service,
    seats: Sequence[Seat],
    planned: Mapping[SeatKey, datetime],
    also_kept: set[SeatKey],
    now: datetime,
) -> Iterator[SeatChange]:
    """Yield the seats to close, and those that open at another moment than before."""
    staying = DeskOccupancy(service, (seat.key for seat in seats if _stays(seat, now)))
    for seat in seats:
        if seat.extra or seat.reserve:
            continue
        in_rules = seat.key in planned or seat.key in also_kept
        in_rules = in_rules and (_stays(seat, now) or staying.overlapped(seat.key) is None)
        if not in_rules and seat.state in {State.OPEN, State.HELD} and service.start_of(seat.key) > now:
            yield SeatChange(ChangeKind.CLOSE, seat)
            continue
        opens_at = planned.get(seat.key, seat.opens_at)
        if lifecycle.returned_to_desk(service, seat, now):
            opens_at = max(opens_at, now + service.limits.return_before)
        elif not seat.is_coming(now) and not (service.draw and seat.state is State.OPEN):
            continue
        if opens_at != seat.opens_at:
            yield SeatChange(ChangeKind.MOVE, replace(seat, opens_at=opens_at))


def _additions(
    service: Service,
    seats: Sequence[Seat],
    planned: Mapping[SeatKey, datetime],
    closing: set[SeatKey],
    now: datetime,
) -> Iterator[SeatChange]:
    """Yield the planned seats that can be created or reopened, in order."""
    existing = {seat.key: seat for seat in seats}
    occupied = DeskOccupancy(
        service, (seat.key for seat in seats if seat.state is not State.CLOSED and seat.key not in closing)
    )
    for key, opens_at in planned.items():
        if service.start_of(key) <= now or occupied.overlapped(key):
            continue
        if key not in existing:
            yield SeatChange(ChangeKind.CREATE, Seat(key, opens_at))
        elif existing[key].closed == BY_RULES:
            yield SeatChange(ChangeKind.REOPEN, replace(existing[key], opens_at=max(opens_at, existing[key].opens_at)))
