"""One running service for all the tests that need it: deployed as on AWS, its clock-driven functions every minute.

A folder of tests takes it with `from tests.stackfixture import clock, stack` in its conftest.
"""

import atexit
from contextlib import ExitStack
from functools import cache

import pytest

from infra.inbox import any_port
from infra.laptop import Stack, running

ANSWER = "TEST42"  # what every challenge of this stack accepts


@cache
def started() -> Stack:
    """Start it for the first test that asks; it ends with pytest."""
    port = any_port()  # another pytest may start its own at the same time
    life = ExitStack()
    atexit.register(life.close)
    return life.enter_context(running(port=port, answer=ANSWER, expiry="rate(1 minute)", release="rate(1 minute)"))


@pytest.fixture(autouse=True)
def clock() -> None:
    """The running service has the machine's clock, and so do its tests."""


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The running service."""
    return started()
