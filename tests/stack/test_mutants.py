"""The history checker accepts the service and rejects three broken copies; `make test-long` has all copies."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.program import run_module

pytestmark = LONG
COPIES = [
    "hold: no gap between two holders",
    "hold: a clock that takes local time for UTC",
    "all steps: the end of the hold is ignored",
]


@pytest.fixture(scope="module")
def report(stack: Stack) -> dict[str, Any]:
    """Run tests/load/mutants.py on the service and three copies. Return its report."""
    document: dict[str, Any] = run_module(stack, "tests.load.mutants", "--json", "--runs", "3", *COPIES)[1]
    return document


def test_the_history_of_the_service_is_accepted(report: dict[str, Any]) -> None:
    assert report["service"] == []


def test_the_history_of_each_broken_copy_is_rejected(report: dict[str, Any]) -> None:
    assert [mutant["name"] for mutant in report["mutants"] if mutant["said"]] == COPIES
