"""The office's long work on the engine's table: a release of 2,000 seats, a sweep of 10,000 killed half way."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from infra.laptop import Stack
from infra.package import ROOT

pytestmark = pytest.mark.skipif("GUICHET_LONG" not in os.environ, reason="make test-long")


@pytest.fixture(scope="module")
def seen(stack: Stack) -> dict[str, dict[str, Any]]:
    """What tests/load/office.py saw; it fails for a seat that is lost or ended twice."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.office", "--json"],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    read: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return read


def test_a_sweep_of_10000_that_is_killed_half_way_ends_each_seat_once(seen: dict[str, dict[str, Any]]) -> None:
    sweep = seen["sweep"]
    assert 0 < sweep["ended before the kill"] < 10_000
    assert sweep["ended before the kill"] + sweep["ended after it"] == 10_000


def test_a_release_of_2000_seats_costs_one_write_unit_each(seen: dict[str, dict[str, Any]]) -> None:
    assert (seen["release"]["seats"], seen["release"]["write units"]) == (2_000, 2_000)
