"""Long runs on the emulator's table: a release of 2,000 seats, and an expiry of 10,000 that is killed halfway."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.program import run_module

pytestmark = LONG


@pytest.fixture(scope="module")
def results(stack: Stack) -> dict[str, dict[str, Any]]:
    """Run tests/load/office.py, which fails for a seat that is lost or ended twice. Return its results."""
    code, read = run_module(stack, "tests.load.office", "--json")
    assert code == 0
    return dict(read)


def test_a_killed_expiry_of_10000_seats_ends_each_seat_once(results: dict[str, dict[str, Any]]) -> None:
    sweep = results["sweep"]
    assert 0 < sweep["ended before the kill"] < 10_000
    assert sweep["ended before the kill"] + sweep["ended after it"] == 10_000


def test_a_release_of_2000_seats_costs_one_write_unit_each(results: dict[str, dict[str, Any]]) -> None:
    assert (results["release"]["seats"], results["release"]["write units"]) == (2_000, 2_000)
