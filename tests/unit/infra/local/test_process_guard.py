"""The guard ends everything that its program started, at once, and the local stack notices when the emulator ends."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy.package import ROOT
from infra.local import stack
from infra.local.inbox import any_port
from infra.local.stack import CannotRun, Emulator

ORPHAN = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(60)"
PROGRAM = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {ORPHAN!r}], stdout=subprocess.PIPE).stdout.readline().decode(), end="")
print("ready", flush=True)
time.sleep(60)
"""


def guarded(folder: Path, program: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "infra/local/process_guard.py"), str(folder), sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - fixed arguments


def test_a_program_in_a_session_of_its_own_ends_with_the_guard(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with guarded(tmp_path / "folder", PROGRAM) as guard:
        assert guard.stdout
        orphan = int(guard.stdout.readline())
        assert guard.stdout.readline() == b"ready\n"
        guard.communicate(timeout=10)
    assert not Path(f"/proc/{orphan}").exists()
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("program", ["pass", "import time; time.sleep(60)"])
def test_the_end_of_the_emulator_is_noticed_by_its_process_or_by_its_port(tmp_path: Path, program: str) -> None:
    port = any_port()  # nobody listens on it
    with (tmp_path / "engine.log").open("w+b") as log, guarded(tmp_path / "none", program) as guard:
        log.write(b"MiniStack v1\n")
        assert Emulator(f"http://127.0.0.1:{port}", guard, log).wait() == "MiniStack v1\n"
        guard.communicate()


def test_an_emulator_that_listens_is_waited_for_until_its_process_ends(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (tmp_path / "engine.log").open("w+b") as log,
        guarded(tmp_path / "none", "import sys; sys.exit(3)") as guard,
    ):
        Emulator(f"http://127.0.0.1:{listener.getsockname()[1]}", guard, log).wait(pause=0.05)
        assert guard.returncode == 0


def test_the_line_about_it_says_that_the_bookings_are_lost() -> None:
    assert stack.ended("whatever") == (
        "guichet: MiniStack ended, and all bookings are lost: start it again with `make run`"
    )
    assert stack.ended(f"OSError: {os.strerror(errno.ENOSPC)}").startswith("guichet: the disk is full: ")


@pytest.mark.parametrize("wish", ["abc", "0", "-1", "70000", "65536", "4566 ", "4.5", "²"])
def test_a_port_that_is_none_is_refused(wish: str) -> None:
    with pytest.raises(CannotRun) as refused:
        stack.port_of(wish)
    assert str(refused.value) == f"guichet: GUICHET_PORT must be a port number from 1 to 65535, not {wish!r}"


def test_a_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("GUICHET_PORT", str(other.getsockname()[1]))
        with pytest.raises(CannotRun, match=r"^guichet: port \d+ is in use: set GUICHET_PORT to another one$"):
            stack.asked_port()


def test_an_emulator_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = other.getsockname()[1]
        refused = pytest.raises(CannotRun, match=rf"^guichet: cannot start MiniStack on port {port}: ")
        with refused, stack.start_emulator(port, tmp_path / "folder", smtp=""):
            pass


def test_the_guard_says_how_it_is_used() -> None:
    command = [sys.executable, str(ROOT / "infra/local/process_guard.py"), "--help"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - fixed arguments
    assert (done.returncode, done.stderr) == (1, "usage: guard FOLDER PROGRAM...\n")
