"""A service with internal seats, the accounts that book in it, and their orders."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.booking.requests import Request
from chalicelib.desk import booking, places
from chalicelib.desk.booking import Order
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.storage import recent, service_store
from tests.conftest import MONDAY, document, fill
from tests.unit.booking.steps import AWA, NOW

SECRET, OTHER = "s" * 52, "t" * 52
FAMILY = [replace(AWA, first_name=name) for name in ("Awa", "Bintou", "Cire")]
"""Three people with one e-mail address."""


def account(role: Role = Role.AGENT, letter: str = "a") -> Account:
    return Account(letter * 16, f"{letter}@example.org", "Agnès Exemple", {"aes": role}, 1, 1, "operator", NOW)


AGENT, PLANNER, HELPER = account(), account(Role.PLANNER, "b"), account(Role.ASSOCIATION, "c")


def put(by_day_from: str | None = None, **changes: Any) -> Service:
    """Put a service that keeps six seats of each day for the desk until two days before, with its seats."""
    hours = {"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:30"}
    planning = {"desks": [1, 2], "openings": [hours]}
    until = {"days_before": 2, "at": "09:00"}
    plannings = [{**planning, "internal": 6, "internal_until": until}]
    stored = service_store.put(document(plannings=plannings, **changes), by_day_from=by_day_from)
    fill(stored, MONDAY - timedelta(minutes=1))
    return stored


def free(service: Service, *, public: bool = True) -> list[SeatKey]:
    recent.SEATS.clear()
    return places.free_for(service, NOW, public=public)


def row(service: Service, people: int) -> tuple[SeatKey, ...]:
    """Return the first free row of so many seats."""
    return booking.rows(service, free(service), people)[0]


def order(service: Service, people: Sequence[Details] = (AWA,), secret: str = SECRET) -> Order:
    return Order(row(service, len(people)), people, secret)


def book(service: Service, people: Sequence[Details] = (AWA,), by: Account = AGENT, **more: Any) -> list[Request]:
    return booking.book(service, order(service, people), by, NOW, **more)
