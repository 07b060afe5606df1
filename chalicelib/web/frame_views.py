"""Pages that every public service has: legal notice, accessibility, personal data, contact, site map, not found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from chalicelib.domain.refusals import NotFound, Refusal, WrongMethod
from chalicelib.domain.service import Service
from chalicelib.web.reply import Page
from chalicelib.web.visit import UNKNOWN_PATH

ACCESSIBILITY_DECLARED = date(2026, 11, 28)
"""When the accessibility declaration was last brought up to date. Change it with what the declaration says."""
PAGES = {"legal", "accessibility", "privacy", "contact", "sitemap"}


@dataclass(frozen=True, slots=True)
class Office:
    """An office with the services that it offers. Their files name its facts."""

    name: str
    services: tuple[Service, ...]

    def facts(self, name: str) -> tuple[str, ...]:
        """Return what the files of its services say about a fact, such as `publisher`, each once."""
        return tuple(dict.fromkeys(filter(None, (getattr(service, name) for service in self.services))))


def page(name: str, services: Iterable[Service]) -> Page:
    """Return a page about the service as a whole. Raise NotFound if there is none of this name."""
    if name not in PAGES:
        raise NotFound
    return Page(f"{name}.html", {"offices": _offices(services), "established": ACCESSIBILITY_DECLARED})


def refusal(path: str, routes: Mapping[str, Mapping[str, object]]) -> Refusal:
    """Return why a path was not answered: it does not exist, or not for this method. `routes` are methods by route."""
    segments = path.split("/")
    allowed = {
        method
        for route, methods in routes.items()
        for method in methods
        if route != UNKNOWN_PATH and _matches(segments, route.removeprefix("/").split("/"))
    }
    return WrongMethod(sorted(allowed)) if allowed else NotFound()


def _matches(segments: Sequence[str], route: Sequence[str]) -> bool:
    return len(segments) == len(route) and all(
        part == segment or (part.startswith("{") and segment) for segment, part in zip(segments, route, strict=True)
    )


def _offices(services: Iterable[Service]) -> tuple[Office, ...]:
    """Group services by office, in their order."""
    by_name: dict[str, list[Service]] = {}
    for service in services:
        by_name.setdefault(service.office, []).append(service)
    return tuple(Office(name, tuple(offered)) for name, offered in by_name.items())
