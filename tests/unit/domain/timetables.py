"""A small service, and seats of it."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from chalicelib.domain import codec
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from tests.conftest import MONDAY, document, draw_document

AES = codec.service_from_document(document())
"""Tuesdays and Thursdays 09:15 to 10:30; each Monday at 09:00 the week two weeks later opens; 49 hours of notice."""
TICK = timedelta(milliseconds=1)
NOW = MONDAY + timedelta(minutes=1)
"""A minute after 2026-W51 opened. 2026-W52 opens a week later."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def service(**changes: Any) -> Service:
    return codec.service_from_document(document(**changes))


def draw_service(rules: dict[str, Any] | None = None, **changes: Any) -> Service:
    """Return the small service with a draw, and with these changes of its rules."""
    return codec.service_from_document(draw_document(rules, **changes))


def desk(*openings: dict[str, Any], desks: Sequence[int] = (1,)) -> list[dict[str, Any]]:
    """One planning with these hours."""
    return [{"desks": list(desks), "openings": list(openings)}]


def key(day: str, start: str = "10:15", unit: int = 1) -> SeatKey:
    return SeatKey(date.fromisoformat(day), time.fromisoformat(start), unit, "aes")


def service_with_shares(*seats: int | None, **changes: Any) -> Service:
    """Return a service that opens these numbers of seats on Monday, Wednesday and Friday; None for the rest."""
    days = ("monday", "wednesday", "friday")
    moments = [
        {"day": day, "at": "09:00", **({"seats": count} if count else {})}
        for day, count in zip(days, seats, strict=False)
    ]
    return service(release={"weeks_ahead": 2, "moments": moments}, **changes)
