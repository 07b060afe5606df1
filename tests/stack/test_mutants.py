"""A crowd whose history is checked: the service is accepted, three broken copies are not; `make test-long` has all."""

from typing import Any

import pytest

from infra.local.stack import Stack
from tests.stack.program import played

COPIES = [
    "hold: no gap between two holders",
    "hold: a clock that takes the wall's hour for UTC",
    "all steps: the end of the hold is ignored",
]


@pytest.fixture(scope="module")
def said(stack: Stack) -> dict[str, Any]:
    """What tests/load/mutants.py says of the service and of three copies."""
    read: dict[str, Any] = played(stack, "tests.load.mutants", "--json", "--runs", "3", *COPIES)[1]
    return read


def test_the_history_of_the_service_is_accepted(said: dict[str, Any]) -> None:
    assert said["service"] == []


def test_the_history_of_each_broken_copy_is_rejected(said: dict[str, Any]) -> None:
    assert [one["name"] for one in said["mutants"] if one["said"]] == COPIES
