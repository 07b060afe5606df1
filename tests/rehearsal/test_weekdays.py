"""A stage is deployed on a Friday, a Saturday and a Sunday. Command, emulator and functions share the clock."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.local import inbox
from infra.local.launcher import start_emulator
from infra.local.settings import any_port
from tests.rehearsal.operator import STEPS, Operator
from tests.stack.faults import SHIFTED

DAYS = ("Friday", "Saturday", "Sunday")


def clock(day: str, folder: Path) -> dict[str, str]:
    """Return the environment of a Python whose clock is on the next day of this name, at this time of day."""
    ahead = (DAYS.index(day) + 4 - datetime.now(UTC).weekday()) % 7
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFTED.format(seconds=ahead * 24 * 60 * 60), "utf-8")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("day", DAYS)
def test_a_stage_is_deployed_and_tested_twice_on_this_day(tmp_path: Path, day: str) -> None:
    environ = clock(day, tmp_path / "clock")
    print_day = [sys.executable, "-c", "from datetime import datetime, UTC; print(f'{datetime.now(UTC):%A}')"]
    assert subprocess.check_output(print_day, env=os.environ | environ, text=True) == f"{day}\n"
    for name in ("emulator", "home"):
        (tmp_path / name).mkdir()
    with (
        inbox.serving() as mailbox,
        start_emulator(any_port(), tmp_path / "emulator", smtp=mailbox.smtp, auth=False, environ=environ) as emulator,
    ):
        operator = Operator(emulator.url, tmp_path / "home")
        for _ in range(2):
            lines = operator.run("deploy", "--yes", environ=environ)
            assert [line for line in lines if line.startswith("  ok: ")] == STEPS
        assert operator.smoke_items() == []
