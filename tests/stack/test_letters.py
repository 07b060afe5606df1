"""The outbox on the engine's table and stream: faults, crashes, and every record twice."""

import json
import os
import subprocess
import sys

from infra.laptop import Stack
from infra.package import ROOT


def played(stack: Stack, *words: str) -> tuple[int, dict[str, float]]:
    """How tests/load/outbox.py ended, and what it saw."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.load.outbox", "--json", *words],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.returncode, json.loads(done.stdout)


def test_no_letter_is_lost_and_only_those_that_left_unheard_are_repeated_with_the_same_link(stack: Stack) -> None:
    code, seen = played(stack, "--bookings", "200")
    assert (code, seen["letters due"], seen["lost"], seen["with another link"]) == (0, 400, 0, 0)
    assert seen["crash after it left"] > 0
    assert 0 < seen["repeated"] <= seen["crash after it left"] + seen["away after it left"]


def test_a_mailer_that_marks_before_it_sends_is_seen_to_lose_letters(stack: Stack) -> None:
    code, seen = played(stack, "--bookings", "60", "--mark-first")
    assert code == 1
    assert seen["lost"] > 0
