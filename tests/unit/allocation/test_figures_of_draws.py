"""The figures of weeks whose seats were drawn, and of a service that begins to draw."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.booking import figures
from chalicelib.domain.figures import DrawCounts, Figures
from chalicelib.storage import draw_items, figure_store, service_store
from tests.conftest import MONDAY, document, fill
from tests.unit.allocation import drawing
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT, at
from tests.unit.allocation.entrants import OPENS, WEEK, entered, somebody

SETTLED = datetime(2026, 12, 29, 23, 0, tzinfo=UTC)
"""Two days after the end of WEEK, in Paris."""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("table")]


def publish() -> dict[str, Figures]:
    """Return the figures by week."""
    service_store.clear_caches()
    figures.publish(SETTLED)
    return {week["week"]: week for week in figure_store.read_recent("aes")}


def test_a_draw_is_counted_from_its_record() -> None:
    drawing.put()
    at(OPENS)
    for number in range(6):
        entered(somebody(number), preferences=("any",))
    at(FROZEN_AT)
    at(DRAWN_AT)
    assert figures.draw_counts(drawing.stored()) == DrawCounts(4, 6, [1, 1, 1, 1], is_drawn=True)
    week = publish()[WEEK]
    assert (week["week"], week["allocation"], week["opened"], week["releases"]) == (WEEK, "draw", 4, [])
    assert week["draw"] == {"seats": 4, "entries": 5, "chance_percent": 57.1, "draws_until_drawn": None}
    assert (week["held"], week["confirmed"]) == (0, 0)  # four people have a seat


def test_a_draw_that_became_void_gave_nobody_a_chance() -> None:
    drawing.put()
    at(OPENS)
    for number in range(5):
        entered(somebody(number), preferences=("any",))
    draw_items.seed_item("aes", WEEK).delete()
    at(FROZEN_AT)
    week = publish()[WEEK]
    assert week["draw"] == {"seats": 4, "entries": 5, "chance_percent": None, "draws_until_drawn": None}


def test_a_service_that_begins_to_draw_keeps_the_figures_of_both_kinds_of_weeks() -> None:
    two_desks = [{**drawing.TINY[0], "desks": [1, 2]}]
    fill(service_store.put(document(plannings=two_desks)), MONDAY - timedelta(minutes=1))
    drawing.put(plannings=two_desks)
    at(OPENS)
    at(FROZEN_AT)
    weeks = publish()
    assert (weeks[WEEK]["allocation"], weeks[WEEK]["draw"]["entries"]) == ("draw", 0)
    before = weeks["2026-W51"]
    assert (before["allocation"], before["draw"]) == ("first_come", None)
    assert before["releases"] == []  # the rules no longer say when its seats opened
