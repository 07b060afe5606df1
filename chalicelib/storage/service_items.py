"""The items of services, and what they say about the partitions of seats."""

from typing import Any

from pynamodb.attributes import JSONAttribute, UnicodeAttribute

from chalicelib.domain.refusals import Unavailable
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.storage import dynamodb
from chalicelib.storage.items import Item

SERVICES, WITHDRAWN = "SERVICES", "WITHDRAWN"
"""The partitions of all services, and of those that were withdrawn."""


class ServiceItem(Item):
    """A service, as the document of its YAML file."""

    document = JSONAttribute()
    paused = JSONAttribute(null=True)
    """What visitors are told while the service is paused, by language."""
    by_day_from = UnicodeAttribute(null=True)
    """The first week whose seats have a partition for each day. `services put` writes it before the week has a seat."""


def service_item(service_id: str, **attributes: Any) -> ServiceItem:
    """Return the item of a service; all services share one partition."""
    return ServiceItem(SERVICES, service_id, **attributes)


_first_weeks: dict[str, str | None] = {}
"""What this process has read of `ServiceItem.by_day_from`, by service. Empty for one that cannot be read."""


def record_layout(service_id: str, by_day_from: str | None) -> None:
    """Remember from which week on the seats of a service have a partition for each day; None for no week."""
    try:
        _first_weeks[service_id] = by_day_from if by_day_from is None else week_of(monday_of(by_day_from))
    except ValueError:
        _first_weeks[service_id] = ""


def forget_layouts() -> None:
    """Forget what `record_layout` has remembered, as in a process that just started."""
    _first_weeks.clear()


def is_by_day(service_id: str, week: str) -> bool:
    """Tell whether the seats of a week have a partition for each day: a partition takes 1,000 writes a second.

    It never changes once the week has seats, so no seat has two keys. A process that has not read the services reads
    them, consistently: it remembers what it reads here as long as it runs. Raise Unavailable if it cannot be known: a
    guess could assign a seat twice.
    """
    if service_id not in _first_weeks:
        with dynamodb.translated_errors():
            for row in ServiceItem.query(SERVICES, attributes_to_get=["sk", "by_day_from"], consistent_read=True):
                record_layout(row.sk, row.by_day_from)
        _first_weeks.setdefault(service_id, None)
    first = _first_weeks[service_id]
    if first == "":
        raise Unavailable(f"by_day_from of the service {service_id} names no week. Restore this item from a backup.")
    return first is not None and first <= week
