"""Read and write services. Each process caches them for a minute."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain import codec
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.service import Service, Text
from chalicelib.storage import dynamodb, recent, service_items
from chalicelib.storage.service_items import ServiceItem

CACHED_FOR = timedelta(seconds=60)
LATER_READ = timedelta(seconds=1)
"""How much later than `now` a cached read may be: each thread takes `now` at its own moment."""

_services: dict[str, tuple[datetime, Service]] = {}


def clear_caches() -> None:
    """Empty the cache of services and that of seats."""
    _services.clear()
    recent.SEATS.clear()


def put(document: dict[str, Any], *, by_day_from: str | None = None) -> Service:
    """Store the document of a service. Raise ValueError, which says what is wrong, if it cannot be read."""
    service = codec.service_from_document(document)
    with dynamodb.translated_errors():
        service_items.service_item(service.id, document=document, by_day_from=by_day_from).save()
    service_items.record_layout(service.id, by_day_from)
    _services.clear()
    return service


def read_all(now: datetime) -> list[Service]:
    """Return all services, from the cache within a minute; not from it if the clock went back."""
    cached = _services.copy()  # the threads of a mailer share the cache
    if not cached or not all(-LATER_READ < now - read_at < CACHED_FOR for read_at, _ in cached.values()):
        with dynamodb.translated_errors():
            rows = list(ServiceItem.query(service_items.SERVICES))
        cached = {row.sk: (now, _service(row)) for row in rows}
        _services.clear()
        _services.update(cached)
    return [service for _, service in cached.values()]


def _service(row: ServiceItem) -> Service:
    service_items.record_layout(row.sk, row.by_day_from)
    return replace(codec.service_from_document(row.document), paused=row.paused)


def pause(service_id: str, message: Text | None) -> None:
    """Pause a service with a message by language, which may be empty; None resumes it. Raise NotFound without it."""
    action = ServiceItem.paused.remove() if message is None else ServiceItem.paused.set(dict(message))
    item, exists = service_items.service_item(service_id), ServiceItem.document.exists()
    if not dynamodb.try_write(lambda: item.update(actions=[action], condition=exists)):
        raise NotFound
    clear_caches()


def read(service_id: str, now: datetime) -> Service:
    """Return a service, from the cache within a minute. Raise NotFound if there is none with this id."""
    for service in read_all(now):
        if service.id == service_id:
            return service
    raise NotFound
