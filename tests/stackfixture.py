"""One running service for all the tests that need it: deployed as on AWS, its clock-driven functions every minute.

A folder of tests takes it with `from tests.stackfixture import stack` in its conftest.
"""

import atexit
import socket
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra.laptop import Stack

ANSWER = "TEST42"  # what every challenge of this stack accepts


@cache
def started() -> "Stack":
    """Start it for the first test that asks; it ends with pytest."""
    from infra.laptop import HOST, running  # noqa: PLC0415 - unit tests need none of it

    with socket.create_server((HOST, 0)) as free:  # another pytest may start its own at the same time
        port = free.getsockname()[1]
    life = ExitStack()
    atexit.register(life.close)
    return life.enter_context(running(port=port, answer=ANSWER, expiry="rate(1 minute)", release="rate(1 minute)"))


@pytest.fixture(scope="session")
def stack() -> "Stack":
    """The running service."""
    return started()
