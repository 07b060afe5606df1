"""A crowd whose history is checked: the service is accepted, three broken copies are not; `make test-long` has all."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from infra.laptop import Stack
from infra.package import ROOT

COPIES = [
    "hold: no gap between two holders",
    "hold: a clock that takes the wall's hour for UTC",
    "all steps: the end of the hold is ignored",
]


@pytest.fixture(scope="module")
def said(stack: Stack) -> dict[str, Any]:
    """What tests/load/mutants.py says of the service and of three copies."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.mutants", "--json", "--runs", "3", *COPIES],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_the_history_of_the_service_is_accepted(said: dict[str, Any]) -> None:
    assert said["service"] == []


def test_the_history_of_each_broken_copy_is_rejected(said: dict[str, Any]) -> None:
    assert [one["name"] for one in said["mutants"] if one["said"]] == COPIES
