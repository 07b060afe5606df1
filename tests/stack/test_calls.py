"""Eight desks call people at once and are killed meanwhile. `make test-long` has 2,000 calls and all broken copies."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.program import run_module

pytestmark = LONG
COPIES = ["call: the seat is not compared"]


@pytest.fixture(scope="module")
def report(stack: Stack) -> dict[str, Any]:
    """Run tests/load/calls.py on the service and one copy. Return its report."""
    document: dict[str, Any] = run_module(stack, "tests.load.calls", "--json", "--calls", "80", *COPIES)[1]
    return document


def test_nobody_is_at_two_desks_and_nobody_is_lost_in_80_calls(report: dict[str, Any]) -> None:
    assert [rejection for day in report["days"] for rejection in day["rejections"]] == []
    assert sum(day["calls"] for day in report["days"]) >= 80
    assert sum(day["interrupted"] for day in report["days"]) > 0


def test_the_day_of_a_broken_copy_is_rejected(report: dict[str, Any]) -> None:
    assert [copy["name"] for copy in report["mutants"] if copy["said"]] == COPIES
