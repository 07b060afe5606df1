"""The guard kills everything that its program started."""

import subprocess
import sys
from pathlib import Path

from infra.deploy.package import ROOT
from tests.unit.infra.local.guarded import guarded

ORPHAN = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(60)"
PROGRAM = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {ORPHAN!r}], stdout=subprocess.PIPE).stdout.readline().decode(), end="")
print("ready", flush=True)
time.sleep(60)
"""


def test_a_process_with_its_own_session_ends_with_the_guard(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with guarded(tmp_path / "folder", PROGRAM) as guard:
        assert guard.stdout
        orphan = int(guard.stdout.readline())
        assert guard.stdout.readline() == b"ready\n"
        guard.communicate(timeout=10)
    assert not Path(f"/proc/{orphan}").exists()
    assert not (tmp_path / "folder").exists()


def test_wrong_use_of_the_guard_is_one_line() -> None:
    command = [sys.executable, str(ROOT / "infra/local/process_guard.py"), "--help"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - fixed arguments
    assert (ended.returncode, ended.stderr) == (1, "usage: guard FOLDER PROGRAM...\n")
