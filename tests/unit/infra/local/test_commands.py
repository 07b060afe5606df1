"""What `make run` refuses, and what it prints when the emulator ends."""

import errno
import os
import socket

import pytest

from infra.local import commands
from infra.local.settings import CannotRun, read_port


def test_the_message_about_an_emulator_that_ended_names_the_reason_and_the_loss() -> None:
    assert commands.end_message("whatever") == (
        "guichet: MiniStack ended, and all bookings are lost: start it again with `make run`"
    )
    log = f"OSError: {os.strerror(errno.ENOSPC)}"
    assert commands.end_message(log).startswith("guichet: the disk is full: ")


@pytest.mark.parametrize("text", ["abc", "0", "-1", "70000", "65536", "4566 ", "4.5", "²"])
def test_a_text_that_is_not_a_port_number_is_refused(text: str) -> None:
    with pytest.raises(CannotRun) as refused:
        read_port(text)
    assert str(refused.value) == f"guichet: GUICHET_PORT must be a port number from 1 to 65535, not {text!r}"


def test_a_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("GUICHET_PORT", str(other.getsockname()[1]))
        with pytest.raises(CannotRun, match=r"^guichet: port \d+ is in use: set GUICHET_PORT to another one$"):
            commands.chosen_port()
