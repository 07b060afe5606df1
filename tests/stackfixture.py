"""One running service for all tests that need it, deployed as on AWS, with its scheduled functions every minute.

The canary runs only when a test calls it: each run deletes what it finds, so of two at the same moment one may fail.
A folder of tests uses it with `from tests.stackfixture import clock, stack` in its conftest.
"""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from infra.local.settings import any_port
from infra.local.stack import SERVICES, Stack, running

ANSWER = "TEST42"
"""The answer that every captcha of this stack accepts."""


@cache
def started() -> Stack:
    """Start the service once. It ends with pytest."""
    port = any_port()  # another pytest may start its own service at the same time
    resources = ExitStack()
    atexit.register(resources.close)
    services = Path(resources.enter_context(TemporaryDirectory(prefix="guichet-services-")))
    write_services(services)
    schedules = {"expiry": "rate(1 minute)", "release": "rate(1 minute)", "canary": "rate(1 day)"}
    return resources.enter_context(running(port=port, answer=ANSWER, services=services, **schedules))


def write_services(folder: Path) -> None:
    """Write the services of infra/services without what depends on the moment of the test or on other tests.

    A seat is taken before the captcha even during a release, and requests from one e-mail domain are not limited.
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
