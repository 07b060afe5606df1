"""Service documents as they are stored: those in place, and the last one of each withdrawn service."""

from typing import Any

from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import DoesNotExist

from chalicelib.storage import dynamodb, service_items
from chalicelib.storage.service_items import ServiceItem


class WithdrawnItem(ServiceItem):
    """The last document of a withdrawn service."""

    erase_at = NumberAttribute()


def read_all() -> dict[str, dict[str, Any]]:
    """Return the documents of the stage's services by their ids."""
    with dynamodb.translated_errors():
        return {item.sk: item.document for item in ServiceItem.query(service_items.SERVICES, consistent_read=True)}


def read_withdrawn(service_id: str) -> dict[str, Any] | None:
    """Return the last document of a withdrawn service; None if it was never withdrawn, or is erased."""
    item = _read(WithdrawnItem(service_items.WITHDRAWN, service_id))
    return dict(item.document) if item else None


def read_row(service_id: str) -> tuple[ServiceItem | None, bool]:
    """Return the item of a service, or that of a withdrawn one, and whether it is in place."""
    if item := _read(service_items.service_item(service_id)):
        return item, True
    return _read(WithdrawnItem(service_items.WITHDRAWN, service_id)), False


def _read(item: ServiceItem) -> ServiceItem | None:
    with dynamodb.translated_errors():
        try:
            item.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return item
