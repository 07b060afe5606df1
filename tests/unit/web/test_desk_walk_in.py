"""The page on which a planner chooses a seat of today for somebody without an appointment."""

from datetime import datetime, timedelta

import pytest

from chalicelib.domain.agent import Role
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from chalicelib.storage.items import SeatItem
from infra.local.provider import Provider
from tests.client import PARIS
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited
from tests.unit.web.pages import Tags, text_of

pytestmark = pytest.mark.slow
PAGE = "/desk/aes/walk-in"
TEN = datetime(2026, 12, 9, 10, 2, tzinfo=PARIS)
"""A Wednesday; the slot of 10:00 runs, and those of 10:05 and 10:10 follow."""


@pytest.fixture
def planner(service: Service, provider: Provider, clock: Clock) -> Desk:  # noqa: ARG001  # the seats are there for their effect
    """Give the browser of a planner at two minutes past ten."""
    clock.now = TEN
    return signed_in(provider, clock, Role.PLANNER)


def signed_in(provider: Provider, clock: Clock, role: Role) -> Desk:
    invited("basile", clock.now, role)
    desk = Desk(provider)
    desk.sign_in("basile")
    return desk


def links(desk: Desk) -> list[str]:
    """Return the seats that the page leads to."""
    answer = desk.get(PAGE)
    assert answer.status == 200
    start, end = "/desk/aes/book?seat=", "&walk_in=yes"
    found = [link["href"] for link in Tags(answer.text).all("a") if start in (link.get("href") or "")]
    assert all(link.endswith(end) for link in found)
    return [link.partition(start)[2].removesuffix(end) for link in found]


def test_a_planner_sees_the_free_seats_of_today_by_desk_and_one_link_leads_to_each(planner: Desk) -> None:
    assert links(planner) == [f"20261209.10{minute}.{desk}" for desk in (1, 2) for minute in ("00", "05", "10")]
    page = planner.get(PAGE).text
    assert text_of(page).count("en cours") == 2
    (first,) = [link for link in Tags(page).all("a") if "autofocus" in link]
    assert "20261209.1000.1" in str(first["href"])


def test_a_seat_that_somebody_has_is_not_on_the_page(planner: Desk) -> None:
    key = SeatKey(TEN.date(), TEN.time().replace(minute=5), 1, "aes")
    assert seat_store.update(key, [SeatItem.state.set(State.CONFIRMED)], SeatItem.pk.exists())
    assert "20261209.1005.1" not in links(planner)


def test_the_page_says_when_nobody_more_can_be_received(planner: Desk, clock: Clock) -> None:
    clock.move(timedelta(minutes=14))
    assert links(planner) == []
    assert "Personne de plus ne peut être reçu aujourd’hui" in text_of(planner.get(PAGE).text)


def test_the_page_is_for_planners(service: Service, provider: Provider, clock: Clock) -> None:  # noqa: ARG001  # the seats are there for their effect
    clock.now = TEN
    assert Desk(provider).get(PAGE).status == 401
    desk = signed_in(provider, clock, Role.AGENT)
    assert desk.get(PAGE).status == 403
    assert "walk-in" not in desk.get("/desk/aes/day").text
