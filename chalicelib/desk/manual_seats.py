"""Seats that an operator or a planner adds or reopens. No two seats of a desk may overlap, even when two write at once.

The transaction that writes the seats also increments a counter of the service, and fails if the counter has changed
since the seats were read. Of two people who read the same seats, one writes; for the other the seats are read and
planned again. The release function does not increment the counter: it closes its own seat if the two overlap.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.seat import BY_OPERATOR, Seat, SeatKey, State
from chalicelib.domain.seat_changes import DeskOccupancy
from chalicelib.domain.service import Service
from chalicelib.storage import seat_keys, seat_store, timetable_store
from chalicelib.storage.items import SeatItem
from chalicelib.storage.timetable_store import Outdated, Write

BATCH = 50
"""Seats in one transaction: DynamoDB takes 100 items."""
ATTEMPTS = 5


@dataclass(frozen=True)
class Plan:
    """The seats that can be written now, those that exist already, and those that overlap another seat."""

    fits: list[SeatKey] = field(default_factory=list)
    existing: list[Seat] = field(default_factory=list)
    overlaps: list[tuple[SeatKey, Seat]] = field(default_factory=list)


def plan_to_add(service: Service, keys: Sequence[SeatKey]) -> Plan:
    """Compare new seats with the seats of their week.

    A seat that an operator closed counts as well, because it can be reopened. A seat that the rules closed does not.
    """
    seats = _read_week(service, keys)
    occupied = [key for key, seat in seats.items() if seat.state is not State.CLOSED or is_closed_by_operator(seat)]
    occupancy = DeskOccupancy(service, occupied)
    plan = Plan()
    for key in keys:
        if key in seats:
            plan.existing.append(seats[key])
        elif other := occupancy.overlapped(key):
            plan.overlaps.append((key, seats[other]))
        else:
            plan.fits.append(key)
    return plan


def plan_to_reopen(service: Service, keys: Sequence[SeatKey]) -> Plan:
    """Compare closed seats with the others of their week and with each other, as the slot may be longer than before."""
    seats = _read_week(service, keys)
    occupancy = DeskOccupancy(service, (key for key, seat in seats.items() if seat.state is not State.CLOSED))
    plan = Plan()
    for key in keys:
        if key not in seats or not is_closed_by_operator(seats[key]):
            continue
        if other := occupancy.overlapped(key) or DeskOccupancy(service, plan.fits).overlapped(key):
            plan.overlaps.append((key, seats[other]))
        else:
            plan.fits.append(key)
    return plan


def _read_week(service: Service, keys: Sequence[SeatKey]) -> dict[SeatKey, Seat]:
    """Read all seats of the week of these keys with a consistent read."""
    return {seat.key: seat for key in keys[:1] for seat in seat_store.read_week(service.id, key.week, consistent=True)}


def is_closed_by_operator(seat: Seat) -> bool:
    """Tell whether an operator closed this seat."""
    return seat.state is State.CLOSED and seat.closed == BY_OPERATOR


def add(service: Service, keys: Sequence[SeatKey], opens_at: datetime) -> Iterator[Plan]:
    """Create the seats that fit. Yield a plan after each transaction, as `_write_all` does."""

    def write(writes: TransactWrite, key: SeatKey) -> None:
        item = seat_store.new_item(key, opens_at)
        item.extra, item.erase_at = True, int(service.erase_at(key).timestamp())
        writes.save(item, SeatItem.pk.does_not_exist())

    return _write_all(service, keys, plan_to_add, write)


def reopen(service: Service, keys: Sequence[SeatKey], *, choice_is_over: bool = False) -> Iterator[Plan]:
    """Reopen the closed seats that fit, each at its own opening moment. Yield plans as `_write_all` does.

    With `choice_is_over` no displaced applicant may choose another seat instead of one of these: they leave the reserve
    of their closing.
    """
    is_closed = (SeatItem.state == State.CLOSED) & (SeatItem.closed == BY_OPERATOR)

    def write(writes: TransactWrite, key: SeatKey) -> None:
        actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.closed.remove()]
        actions += [SeatItem.reserve.remove()] if choice_is_over else []
        writes.update(seat_keys.seat_item(key), actions, is_closed)

    return _write_all(service, keys, plan_to_reopen, write)


def _write_all(
    service: Service,
    keys: Sequence[SeatKey],
    plan: Callable[[Service, Sequence[SeatKey]], Plan],
    write: Write,
) -> Iterator[Plan]:
    """Write the seats that fit. Yield the seats of each transaction, and last a plan with the seats that do not fit.

    Plan again when the seats changed meanwhile; raise Outdated after ATTEMPTS plans.
    """
    written: list[SeatKey] = []
    for _ in range(ATTEMPTS):
        count = timetable_store.read_counter(service.id)  # before the seats, so that a change in between is noticed
        current = plan(service, [key for key in keys if key not in written])
        try:
            for batch in _batches(current.fits):
                timetable_store.write(service.id, batch, count, write)
                count += 1
                written += batch
                yield Plan(fits=batch)
        except Outdated:
            continue
        yield Plan(existing=current.existing, overlaps=current.overlaps)
        return
    raise Outdated


def _batches(keys: Iterable[SeatKey]) -> Iterator[list[SeatKey]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, BATCH)):
        yield batch
