"""The local stack notices when the emulator ends or cannot start."""

import socket
from pathlib import Path

import pytest

from infra.local.launcher import Emulator, start_emulator
from infra.local.settings import CannotRun, any_port
from tests.unit.infra.local.guarded import guarded


@pytest.mark.parametrize("program", ["pass", "import time; time.sleep(60)"])
def test_the_end_of_the_emulator_is_noticed_by_its_process_or_by_its_port(tmp_path: Path, program: str) -> None:
    port = any_port()  # nothing listens on it
    with (tmp_path / "emulator.log").open("w+b") as log, guarded(tmp_path / "none", program) as guard:
        log.write(b"MiniStack v1\n")
        assert Emulator(f"http://127.0.0.1:{port}", guard, log).wait() == "MiniStack v1\n"
        guard.communicate()


def test_waiting_for_an_emulator_that_listens_lasts_until_its_process_ends(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (tmp_path / "emulator.log").open("w+b") as log,
        guarded(tmp_path / "none", "import sys; sys.exit(3)") as guard,
    ):
        Emulator(f"http://127.0.0.1:{listener.getsockname()[1]}", guard, log).wait(pause=0.05)
        assert guard.returncode == 0


def test_an_emulator_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # in use, although nothing listens
        port = other.getsockname()[1]
        refused = pytest.raises(CannotRun, match=rf"^guichet: cannot start MiniStack on port {port}: ")
        with refused, start_emulator(port, tmp_path / "folder", smtp=""):
            pass
