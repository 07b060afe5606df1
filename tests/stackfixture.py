"""One running service for all the tests that need it: deployed as on AWS, its clock-driven functions every minute.

A folder of tests takes it with `from tests.stackfixture import clock, stack` in its conftest.
"""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infra.local.inbox import any_port
from infra.local.stack import SERVICES, Stack, running

ANSWER = "TEST42"  # what every challenge of this stack accepts


@cache
def started() -> Stack:
    """Start it for the first test that asks; it ends with pytest."""
    port = any_port()  # another pytest may start its own at the same time
    life = ExitStack()
    atexit.register(life.close)
    services = Path(life.enter_context(TemporaryDirectory(prefix="guichet-services-")))
    write_services(services)
    clocks = {"expiry": "rate(1 minute)", "release": "rate(1 minute)"}
    return life.enter_context(running(port=port, answer=ANSWER, services=services, **clocks))


def write_services(folder: Path) -> None:
    """The services of infra/services, whose seats are taken at once: a test may run on a Monday at nine.

    E-mail domains are not counted: all the invented people of the tests write from one.
    """
    for file in SERVICES.glob("*.yaml"):
        text = file.read_text("utf-8").replace("\nlimits:\n", "\nlimits:\n  domain_requests: 0\n")
        (folder / file.name).write_text(f"{text}\nseat_after: choice\n", "utf-8")


@pytest.fixture(autouse=True)
def clock() -> None:
    """The running service has the machine's clock, and so do its tests."""


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The running service."""
    return started()
