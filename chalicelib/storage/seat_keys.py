"""The keys of seats, and of the snapshots of their weeks."""

from datetime import date, datetime, timedelta
from functools import lru_cache

from pynamodb.expressions.condition import Condition

from chalicelib.domain.seat import EntryKey, Key, SeatKey, monday_of, week_of
from chalicelib.storage import entry_keys
from chalicelib.storage.items import Image, SeatItem
from chalicelib.storage.service_items import is_by_day

DAYS = 7
_SEATS = "SEATS#"


def all_seats_prefix(service_id: str) -> str:
    """Return how the partitions of all seats of a service begin."""
    return f"{_SEATS}{service_id}#"


def week_partition(service_id: str, week: str) -> str:
    """Return the partition of a whole week, which it has unless each of its days has one."""
    return all_seats_prefix(service_id) + week


def seat_partitions(service_id: str, week: str) -> list[str]:
    """Return the partitions of the seats of a week, in order: one, or one for each of its seven days."""
    if not is_by_day(service_id, week):
        return [week_partition(service_id, week)]
    monday = monday_of(week)
    return [seat_partition(service_id, monday + timedelta(days=number)) for number in range(DAYS)]


def seat_partition(service_id: str, day: date) -> str:
    """Return the partition of the seats of a day."""
    if is_by_day(service_id, week := week_of(day)):
        return all_seats_prefix(service_id) + day.isoformat()
    return week_partition(service_id, week)


def snapshot_partition(service_id: str, week: str) -> str:
    """Return the partition of the snapshot of a week. Policies name it."""
    return f"CALENDAR#{service_id}#{week}"


def is_seat_of(service_id: str) -> Condition:
    """Return the condition that an item is a seat of this service, for a Scan."""
    return SeatItem.pk.startswith(all_seats_prefix(service_id))


def is_on(day: date) -> Condition:
    """Return the condition that a seat of a partition is on this day, for a Query."""
    return SeatItem.sk.startswith(f"{day.isoformat()}T")


def seat_primary_key(key: Key) -> tuple[str, str]:
    """Return the partition key and the sort key of a seat or an entry."""
    if isinstance(key, EntryKey):
        return entry_keys.primary_key(key)
    return seat_partition(key.service, key.day), f"{key.day.isoformat()}T{key.start:%H%M}#{key.unit:03}"


def seat_item(key: Key) -> SeatItem:
    """Return the item of a seat or an entry, with its key only."""
    return SeatItem(*seat_primary_key(key))


@lru_cache(maxsize=10_000)
def seat_key(service_id: str, sort_key: str) -> SeatKey:
    """Return the key of the seat with this sort key. Cached: each process reads the same seats every second."""
    slot, unit = sort_key.split("#")
    start = datetime.fromisoformat(f"{slot[:13]}:{slot[13:]}")
    return SeatKey(start.date(), start.time(), int(unit), service_id)


def is_seat_image(image: Image) -> bool:
    return bool(image["pk"]["S"].startswith(_SEATS))
