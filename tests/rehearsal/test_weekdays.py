"""A stage is deployed on a Friday, a Saturday and a Sunday: command, emulator and functions share the clock."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.deploy.package import ROOT
from infra.local import inbox
from infra.local.stack import KEYS, start_emulator
from tests.rehearsal.desk import STAGE, STEPS, Desk
from tests.stack.faults import SHIFTED

DAYS = ("Friday", "Saturday", "Sunday")


def clock(day: str, folder: Path) -> dict[str, str]:
    """The environment of a Python whose clock is on the next day of this name, at this time of day."""
    ahead = (DAYS.index(day) + 4 - datetime.now(UTC).weekday()) % 7
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFTED.format(seconds=ahead * 24 * 60 * 60), "utf-8")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("day", DAYS)
def test_a_stage_is_deployed_and_tested_twice_on_each_day_that_used_to_fail(tmp_path: Path, day: str) -> None:
    environ = clock(day, tmp_path / "clock")
    shown = [sys.executable, "-c", "from datetime import datetime, UTC; print(f'{datetime.now(UTC):%A}')"]
    assert subprocess.check_output(shown, env=os.environ | environ, text=True) == f"{day}\n"
    for name in ("engine", "home"):
        (tmp_path / name).mkdir()
    with (
        inbox.serving() as box,
        start_emulator(inbox.any_port(), tmp_path / "engine", smtp=box.smtp, auth=False, environ=environ) as started,
    ):
        desk = Desk(started.url, tmp_path / "home")
        for _ in range(2):
            command = [sys.executable, "-m", "infra.deploy", "deploy", STAGE, "--file", str(desk.settings()), "--yes"]
            env = {**os.environ, **KEYS, **environ, "AWS_ENDPOINT_URL": desk.endpoint, "HOME": str(desk.folder)}
            done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
            assert [line for line in done.stdout.splitlines() if line.startswith("  ok: ")] == STEPS
        items = desk.client("dynamodb").scan(TableName="guichet-trial")["Items"]
        assert [item for item in items if item["pk"]["S"].startswith(("SEATS#essai", "PERSON#", "EMAIL#"))] == []
