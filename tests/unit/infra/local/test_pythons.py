"""Which versions of Python passed, failed or were missing."""

from collections.abc import Sequence

import pytest

from infra.deploy.stage import PYTHONS
from infra.local import pythons

MISSING = "missing: put it on the PATH, or name its interpreter with PYTHONS="


def result(capsys: pytest.CaptureFixture[str], words: Sequence[str], *failing: str) -> tuple[list[str], str]:
    """Run the program where commands with one of these words fail. Return its lines and its error."""

    def run(command: Sequence[str]) -> int:
        return int(any(set(mark.split(" ")) <= set(command) for mark in failing))

    error = ""
    try:
        pythons.main(words, run=run)
    except SystemExit as ended:
        error = str(ended)
    return capsys.readouterr().out.splitlines(), error


def test_each_version_that_a_stage_may_run_is_tested(capsys: pytest.CaptureFixture[str]) -> None:
    assert result(capsys, []) == ([f"Python {version}: passed" for version in PYTHONS], "")


def test_a_missing_version_is_named_and_fails_the_run_after_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    lines, error = result(capsys, ["3.13", "3.14"], "venv 3.13")
    assert lines == [f"Python 3.13: {MISSING}", "Python 3.14: passed"]
    assert error == "guichet: not every version passes"


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ("install", "its packages cannot be installed"),
        ("tests/unit", "unit tests"),
        ("tests/stack/test_walk.py", "walk of the stack"),
    ],
)
def test_a_version_that_fails_fails_the_run(capsys: pytest.CaptureFixture[str], failing: str, reason: str) -> None:
    lines, error = result(capsys, ["3.13"], failing)
    assert (lines, error) == ([f"Python 3.13: failed: {reason}"], "guichet: not every version passes")
