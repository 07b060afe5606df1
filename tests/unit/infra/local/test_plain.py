"""What `make local` refuses before it starts anything. tests/rehearsal/test_local.py runs it."""

import socket

import pytest

from infra.local import plain
from infra.local.settings import HOST, CannotRun


def test_a_word_is_no_port() -> None:
    with pytest.raises(CannotRun) as refused:
        plain.main(["--port", "abc"])
    assert str(refused.value) == "guichet: PORT must be a port number from 1 to 65535, not 'abc'"


def test_a_port_in_use_is_refused_with_the_command_for_another_one() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CannotRun) as refused:
            plain.main(["--port", str(port)])
    assert str(refused.value) == f"guichet: port {port} is in use: choose another one with `make local PORT={port + 1}`"
