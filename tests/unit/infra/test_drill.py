"""The drill fails when a step of it fails, and the moments of `make check-clocks` cover each weekday."""

import re
from collections.abc import Iterator
from datetime import datetime

import pytest

from infra.deploy.package import ROOT
from tests.rehearsal.drill import CheckFailed, Row, check, report

ROW = Row("rollback", "make rollback STAGE=trial", 1.25, "all links work")


def test_a_drill_whose_steps_pass_prints_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(iter([ROW])) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["rollback", "make", "rollback", "STAGE=trial", "1.2", "all", "links", "work"]


@pytest.mark.parametrize("error", [CheckFailed("a link does not work"), AssertionError("no"), TimeoutError("late")])
def test_a_drill_with_a_failed_step_prints_the_rows_before_it_and_fails(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows() -> Iterator[Row]:
        yield ROW
        raise error

    assert report(rows()) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [str(ROW), f"FAILED: {error}"]


def test_a_check_that_does_not_pass_is_a_failure() -> None:
    with pytest.raises(CheckFailed, match="a link does not work"):
        check(passed=False, failure="a link does not work")


def test_the_moments_of_check_clocks_cover_each_weekday() -> None:
    moments = re.findall(r"20\d\d-\S+T\S+", (ROOT / "Makefile").read_text("utf-8").partition("\nNO_FAKETIME")[0])
    assert len(moments) == 17
    assert {datetime.fromisoformat(moment).isoweekday() for moment in moments} == set(range(1, 8))
