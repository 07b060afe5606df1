"""The cost of a booking in DynamoDB units, as the emulator counts them."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.stack.program import run_module


@pytest.fixture(scope="module")
def steps(stack: Stack) -> dict[str, dict[str, Any]]:
    """The steps of tests/load/units.py, by name."""
    code, read = run_module(stack, "tests.load.units", "--json")
    assert code == 0
    return {step["name"]: step for step in read}


def test_one_booking_costs_twelve_write_units_of_which_six_are_the_transaction_that_files(
    steps: dict[str, dict[str, Any]],
) -> None:
    booked = ("create", "hold", "captcha", "details", "mail mark 1", "confirm", "mail mark 2")
    assert [steps[name]["writes"] for name in booked] == [1, 1, 1, 6, 1, 1, 1]


def test_a_hold_is_one_call_and_one_write_unit(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["hold"] == {"name": "hold", "calls": 1, "writes": 1, "reads": 0}


def test_a_loser_against_a_fresh_cache_makes_no_call(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["loser of the memory"]["calls"] == 0
    assert steps["loser, first of a second"]["writes"] == 0


def test_a_loser_at_the_table_costs_one_write_unit(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["loser of the table"] == {"name": "loser of the table", "calls": 1, "writes": 1, "reads": 0}


def test_the_calendar_costs_at_most_ten_read_units_and_no_write_unit(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["calendar"]["writes"] == 0
    assert steps["calendar"]["reads"] <= 10
