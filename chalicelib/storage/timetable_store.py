"""The counter of the changes that people make to the seats of a service, which every such change increments."""

from collections.abc import Callable, Sequence

from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.transactions import TransactWrite

from chalicelib.domain.seat import SeatKey
from chalicelib.storage import dynamodb, service_items
from chalicelib.storage.items import Item
from chalicelib.storage.service_items import ServiceItem

Write = Callable[[TransactWrite, SeatKey], None]
"""Adds the write of one seat to a transaction."""


class TimetableItem(Item):
    """Counts the transactions in which somebody added or reopened seats of a service."""

    changes = NumberAttribute()


class Outdated(Exception):
    """The seats changed after they were read."""


def timetable_item(service_id: str) -> TimetableItem:
    """Return the counter of a service, with its key only."""
    return TimetableItem("TIMETABLE", service_id)


def read_counter(service_id: str) -> int:
    """Read the counter of a service consistently."""
    item = timetable_item(service_id)
    with dynamodb.translated_errors():
        try:
            item.refresh(consistent_read=True)
        except DoesNotExist:
            return 0
    return int(item.changes)


def write(service_id: str, keys: Sequence[SeatKey], count: int, write_seat: Write) -> None:
    """Write all these seats or none, at 2 write units each. Raise Outdated if anything changed since it was read."""
    is_unchanged = TimetableItem.changes == count if count else TimetableItem.changes.does_not_exist()

    def fill(writes: TransactWrite) -> None:
        for key in keys:
            write_seat(writes, key)
        writes.condition_check(ServiceItem, service_items.SERVICES, service_id, condition=ServiceItem.pk.exists())
        writes.update(timetable_item(service_id), [TimetableItem.changes.set(count + 1)], is_unchanged)

    try:
        failed = dynamodb.transact(fill)
    except dynamodb.TransactionConflict as conflict:
        raise Outdated from conflict
    if failed:
        raise Outdated
