"""Seats that an operator adds or opens again, so that no desk receives two people at once.

The transaction that writes the seats also counts up `TIMETABLE` / SERVICE, and fails unless that count is still the one
that was read before the seats were compared. Of two operators who compared the same seats, one writes; the other reads
and compares again. The release function does not count: it closes its own seat if both meet (`upkeep.agree`).
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


class TimetableRow(Item):
    """Counts the transactions in which operators added or reopened seats of a service."""

    changes = NumberAttribute()


class Outdated(Exception):
    """The seats changed between the reading and the writing."""


@dataclass(frozen=True)
class Plan:
    """What can be written now: the seats that fit, those that are there already, and those that overlap another."""

    fits: list[SeatKey] = field(default_factory=list)
    there: list[Seat] = field(default_factory=list)
    overlaps: list[tuple[SeatKey, Seat]] = field(default_factory=list)


def plan_to_add(service: Service, keys: Sequence[SeatKey]) -> Plan:
    """Compare new seats with those of their week. A seat that the office closed keeps its time: it may reopen."""
    seats = _week(service, keys)
    taken = DeskOccupancy(
        service, (key for key, seat in seats.items() if seat.state is not State.CLOSED or by_office(seat))
    )
    plan = Plan()
    for key in keys:
        if key in seats:
            plan.there.append(seats[key])
        elif other := taken.overlapped(key):
            plan.overlaps.append((key, seats[other]))
        else:
            plan.fits.append(key)
    return plan


def plan_to_reopen(service: Service, keys: Sequence[SeatKey]) -> Plan:
    """Compare closed seats with the others of their week and with each other: the slot may be longer than it was."""
    seats = _week(service, keys)
    taken = DeskOccupancy(service, (key for key, seat in seats.items() if seat.state is not State.CLOSED))
    plan = Plan()
    for key in keys:
        if key not in seats or not by_office(seats[key]):
            continue
        if other := taken.overlapped(key) or DeskOccupancy(service, plan.fits).overlapped(key):
            plan.overlaps.append((key, seats[other]))
        else:
            plan.fits.append(key)
    return plan


def _week(service: Service, keys: Sequence[SeatKey]) -> dict[SeatKey, Seat]:
    """Read all seats of the week of these keys, consistently."""
    return {seat.key: seat for key in keys[:1] for seat in seat_store.read_week(service.id, key.week, consistent=True)}


def by_office(seat: Seat) -> bool:
    """Tell whether an operator closed this seat."""
    return seat.state is State.CLOSED and seat.closed == BY_OPERATOR


def unusual(service: Service, key: SeatKey) -> str | None:
    """Say why the rules of the service would never give this seat; None if they could."""
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
    """Create those seats that fit."""

    def write(writes: TransactWrite, key: SeatKey) -> None:
        row = seat_store.new_item(key, opens_at)
        row.extra, row.erase_at = True, int(service.erase_at(key).timestamp())
        writes.save(row, SeatItem.pk.does_not_exist())

    return _carry_out(service, keys, plan_to_add, write)


def reopen(service: Service, keys: Sequence[SeatKey]) -> Iterator[Plan]:
    """Open those seats again that fit, each at the moment that it had."""
    closed = (SeatItem.state == State.CLOSED) & (SeatItem.closed == BY_OPERATOR)

    def write(writes: TransactWrite, key: SeatKey) -> None:
        actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.closed.remove()]
        writes.update(items.seat_item(key), actions, closed)

    return _carry_out(service, keys, plan_to_reopen, write)


def _carry_out(
    service: Service,
    keys: Sequence[SeatKey],
    plan: Callable[[Service, Sequence[SeatKey]], Plan],
    write: Callable[[TransactWrite, SeatKey], None],
) -> Iterator[Plan]:
    """Write the seats that fit, and yield those of each transaction. The last plan has the seats that do not fit.

    An outdated plan is made again, ATTEMPTS times at most; then raise Refused.
    """
    written: list[SeatKey] = []
    for _ in range(ATTEMPTS):
        count = _changes(service.id)  # before the seats are read: a change in between is noticed
        current = plan(service, [key for key in keys if key not in written])
        try:
            for batch in _batches(current.fits):
                _write(service.id, batch, count, write)
                count += 1
                written += batch
                yield Plan(fits=batch)
        except Outdated:
            continue
        yield Plan(there=current.there, overlaps=current.overlaps)
        return
    raise Refused(f"somebody else is changing the seats of {service.id}: try again in a minute")


def _batches(keys: Iterable[SeatKey]) -> Iterator[list[SeatKey]]:
    rest = iter(keys)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _changes(service_id: str) -> int:
    row = TimetableRow("TIMETABLE", service_id)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return 0
    return int(row.changes)


def _write(
    service_id: str, keys: Sequence[SeatKey], count: int, write: Callable[[TransactWrite, SeatKey], None]
) -> None:
    """Write these seats all or none, in 2 write units each; Outdated if anything is not as it was read."""
    as_read = TimetableRow.changes == count if count else TimetableRow.changes.does_not_exist()

    def fill(writes: TransactWrite) -> None:
        for key in keys:
            write(writes, key)
        writes.condition_check(ServiceItem, items.SERVICES, service_id, condition=ServiceItem.pk.exists())
        writes.update(TimetableRow("TIMETABLE", service_id), [TimetableRow.changes.set(count + 1)], as_read)

    try:
        failed = dynamodb.transact(fill)
    except dynamodb.TransactionConflict as conflict:
        raise Outdated from conflict
    if failed:
        raise Outdated
