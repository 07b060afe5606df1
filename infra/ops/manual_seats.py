"""Seats that an operator adds or reopens. No two seats of a desk may overlap, even when two operators write at once.

The transaction that writes the seats also increments the counter `TIMETABLE` / SERVICE, and fails if the counter has
changed since the seats were read. Of two operators who read the same seats, one writes; the other reads and plans
again. The release function does not increment the counter: it closes its own seat if the two overlap.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.seat import BY_OPERATOR, Seat, SeatKey, State
from chalicelib.domain.seat_changes import DeskOccupancy
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, items, seat_store
from chalicelib.storage.items import Item, SeatItem, ServiceItem
from infra.ops.session import Refused

BATCH = 50
"""Seats in one transaction: DynamoDB takes 100 items."""
ATTEMPTS = 5


class TimetableItem(Item):
    """Counts the transactions in which operators added or reopened seats of a service."""

    changes = NumberAttribute()


class Outdated(Exception):
    """Raised when the seats changed after they were read."""


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


def rule_broken(service: Service, key: SeatKey) -> str | None:
    """Say why the rules of the service never create this seat; None if they can."""
    begins = datetime.combine(key.day, key.start)
    if not any(key.unit in opening.desks for opening in service.openings):
        return f"the service has no desk {key.unit}"
    if key.day in service.holidays:
        return "the day is a public holiday"
    if any(closure.covers(key, service.slot) for closure in service.closures):
        return "the service is closed then"
    hours = [
        datetime.combine(key.day, opening.start)
        for opening in service.openings
        if opening.weekday == key.day.isoweekday() and key.unit in opening.desks
        if opening.start <= key.start and begins + service.slot <= datetime.combine(key.day, opening.end)
    ]
    if not hours:
        return "outside the opening hours of this desk"
    on_grid = any((begins - opens) % service.slot == timedelta(0) for opens in hours)
    return None if on_grid else f"off the grid of {service.minutes} minutes"


def add(service: Service, keys: Sequence[SeatKey], opens_at: datetime) -> Iterator[Plan]:
    """Create the seats that fit. Yield a plan after each transaction, as `_write_all` does."""

    def write(writes: TransactWrite, key: SeatKey) -> None:
        item = seat_store.new_item(key, opens_at)
        item.extra, item.erase_at = True, int(service.erase_at(key).timestamp())
        writes.save(item, SeatItem.pk.does_not_exist())

    return _write_all(service, keys, plan_to_add, write)


def reopen(service: Service, keys: Sequence[SeatKey]) -> Iterator[Plan]:
    """Reopen the closed seats that fit, each at its own opening moment. Yield plans as `_write_all` does."""
    is_closed = (SeatItem.state == State.CLOSED) & (SeatItem.closed == BY_OPERATOR)

    def write(writes: TransactWrite, key: SeatKey) -> None:
        actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.closed.remove()]
        writes.update(items.seat_item(key), actions, is_closed)

    return _write_all(service, keys, plan_to_reopen, write)


def _write_all(
    service: Service,
    keys: Sequence[SeatKey],
    plan: Callable[[Service, Sequence[SeatKey]], Plan],
    write: Callable[[TransactWrite, SeatKey], None],
) -> Iterator[Plan]:
    """Write the seats that fit. Yield the seats of each transaction, and last a plan with the seats that do not fit.

    Plan again when the seats changed meanwhile; raise Refused after ATTEMPTS plans.
    """
    written: list[SeatKey] = []
    for _ in range(ATTEMPTS):
        count = _read_counter(service.id)  # before the seats, so that a change in between is noticed
        current = plan(service, [key for key in keys if key not in written])
        try:
            for batch in _batches(current.fits):
                _write(service.id, batch, count, write)
                count += 1
                written += batch
                yield Plan(fits=batch)
        except Outdated:
            continue
        yield Plan(existing=current.existing, overlaps=current.overlaps)
        return
    raise Refused(f"another operator is changing the seats of {service.id}: try again in a minute")


def _batches(keys: Iterable[SeatKey]) -> Iterator[list[SeatKey]]:
    remaining = iter(keys)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _read_counter(service_id: str) -> int:
    item = TimetableItem("TIMETABLE", service_id)
    with dynamodb.translated_errors():
        try:
            item.refresh(consistent_read=True)
        except DoesNotExist:
            return 0
    return int(item.changes)


def _write(
    service_id: str, keys: Sequence[SeatKey], count: int, write: Callable[[TransactWrite, SeatKey], None]
) -> None:
    """Write all these seats or none, at 2 write units each. Raise Outdated if anything changed since it was read."""
    is_unchanged = TimetableItem.changes == count if count else TimetableItem.changes.does_not_exist()

    def fill(writes: TransactWrite) -> None:
        for key in keys:
            write(writes, key)
        writes.condition_check(ServiceItem, items.SERVICES, service_id, condition=ServiceItem.pk.exists())
        writes.update(TimetableItem("TIMETABLE", service_id), [TimetableItem.changes.set(count + 1)], is_unchanged)

    try:
        failed = dynamodb.transact(fill)
    except dynamodb.TransactionConflict as conflict:
        raise Outdated from conflict
    if failed:
        raise Outdated
