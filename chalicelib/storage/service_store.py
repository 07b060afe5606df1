"""Read and write services; they are cached for a minute."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain import codec
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, items, recent
from chalicelib.storage.items import ServiceItem

CACHED_FOR = timedelta(seconds=60)


def forget() -> None:
    """Empty what this process remembers of the table."""
    _services.clear()
    recent.forget()


# Services


_services: dict[str, tuple[datetime, Service]] = {}


def put(document: dict[str, Any]) -> Service:
    """Check a service's document and store it; ValueError says what is wrong."""
    service = codec.service_from_document(document)
    with dynamodb.translated_errors():
        items.service_item(service.id, document=document).save()
    _services.clear()
    return service


def read_all(now: datetime) -> list[Service]:
    """All services, remembered for a minute."""
    if not _services or min(at for at, _ in _services.values()) + CACHED_FOR <= now:
        with dynamodb.translated_errors():
            found = list(ServiceItem.query(items.SERVICES))
        _services.clear()
        _services.update({row.sk: (now, codec.service_from_document(row.document)) for row in found})
    return [service for _, service in _services.values()]


def read(name: str, now: datetime) -> Service:
    """One service; NotFound if there is none of that name."""
    for one in read_all(now):
        if one.id == name:
            return one
    raise NotFound
