"""A day at the desk for the tests of its pages: three appointments, and the browsers of agents."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

import pytest

from chalicelib.desk import day
from chalicelib.domain.agent import Role
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import seat_store
from infra.local import practice_day
from infra.local.provider import Provider
from tests.client import PARIS
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited

NAMES = ("Exemple", "Exemplaire", "Moussa-Exemple")


@dataclass(frozen=True)
class Today:
    """Three appointments at desk 1, and it is ten past ten on their day."""

    service: Service
    start: datetime

    @property
    def date(self) -> str:
        return f"{self.start:%Y-%m-%d}"

    def key(self, number: int) -> SeatKey:
        return SeatKey(self.start.date(), time(10, 5 * number), 1, "aes")

    def row(self, number: int) -> str:
        """Return the id of a row, as the forms send it."""
        return self.key(number).ref.removeprefix("aes.")

    def state(self, number: int) -> State:
        return seat_store.read(self.key(number)).state

    def page(self, number: int) -> str:
        """Return the page of a person."""
        return f"/desk/aes/seats/{self.key(number).ref}"

    def reference(self, number: int) -> str:
        person = day.read_row(self.service, self.key(number).ref, self.start).person
        assert person
        return person.reference


@pytest.fixture
def today(service: Service, clock: Clock) -> Today:
    """Book the three appointments."""
    start = clock.now.astimezone(PARIS).replace(hour=10, minute=0, second=0, microsecond=0)
    today = Today(service, start)
    for number, name in enumerate(NAMES):
        details = replace(practice_day.details(number), first_name="Awa", last_name=name)
        for item in practice_day.booking(service, keys(), today.key(number), details, start):
            item.save()
    clock.now = today.start + timedelta(minutes=10)
    return today


SignedIn = Callable[..., Desk]


@pytest.fixture
def signed_in(today: Today, provider: Provider, clock: Clock) -> SignedIn:  # noqa: ARG001  # the day is there for its effect
    """Give the browser of an agent who is signed in."""

    def enter(subject: str = "basile", role: Role = Role.AGENT) -> Desk:
        invited(subject, clock.now, role)
        desk = Desk(provider)
        desk.sign_in(subject)
        return desk

    return enter
