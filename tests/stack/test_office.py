"""The office's long work on the engine's table: a release of 2,000 seats, a sweep of 10,000 killed half way."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.program import played

pytestmark = LONG


@pytest.fixture(scope="module")
def seen(stack: Stack) -> dict[str, dict[str, Any]]:
    """What tests/load/office.py saw; it fails for a seat that is lost or ended twice."""
    code, read = played(stack, "tests.load.office", "--json")
    assert code == 0
    return dict(read)


def test_a_sweep_of_10000_that_is_killed_half_way_ends_each_seat_once(seen: dict[str, dict[str, Any]]) -> None:
    sweep = seen["sweep"]
    assert 0 < sweep["ended before the kill"] < 10_000
    assert sweep["ended before the kill"] + sweep["ended after it"] == 10_000


def test_a_release_of_2000_seats_costs_one_write_unit_each(seen: dict[str, dict[str, Any]]) -> None:
    assert (seen["release"]["seats"], seen["release"]["write units"]) == (2_000, 2_000)
