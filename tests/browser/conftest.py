"""A browser, windows of different people, and two services for these tests on the running stack."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from infra.deploy.package import ROOT
from infra.local.stack import Stack, release, warm
from infra.tools.browser import find
from tests.browser.applicant import DESK, FULL, HEIGHT, NAMES, SERVICE, Applicant, Becomes, Starts, Window, Witness
from tests.stack.visitor import Visitor, restart
from tests.stackfixture import clock
from tests.stackfixture import stack as running

__all__ = ["clock", "running"]

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 15_000  # milliseconds for anything that a page should do immediately
expect.set_options(timeout=PATIENCE)


def write_services(folder: Path) -> list[Path]:
    """Write a service with 108 seats a week, one with few seats, which are all taken, and one for agents.

    The tests together take about 55 seats of the first one.
    """
    real = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    openings = {
        SERVICE: {"days": ["tuesday", "thursday"], "from": "09:15", "to": "13:45"},
        FULL: {"days": ["tuesday", "thursday"], "from": "09:15", "to": "09:30"},
        DESK: {"days": ["tuesday", "thursday"], "from": "09:15", "to": "11:30"},
    }
    paths = []
    for name, opening in openings.items():
        changes = {"id": name, "name": NAMES[name], "plannings": [{"desks": [1], "openings": [opening]}]}
        changes["seat_after"] = "choice"
        changes["limits"] = {**real["limits"], "domain_requests": 0}  # all applicants have one e-mail domain
        if name == DESK:
            changes["listing"] = "hidden"
            changes["plannings"] = [{"desks": [1], "internal": 24, "openings": [opening]}]
        if name == FULL:
            changes["times"] = {**real["times"], "hold_seconds": 1800}
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(yaml.safe_dump({**real, **changes}), "utf-8")
    return paths


def install(stack: Stack, files: list[Path]) -> None:
    """Put services, open their seats, and restart all functions, which cache the services for a minute."""
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", *map(str, files)]
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    functions = stack.client("lambda").list_functions()["Functions"]
    names = [function["FunctionName"].removeprefix("guichet-laptop-") for function in functions]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: restart(stack, name), names))
        pool.submit(warm, stack)
        release(stack)


@pytest.fixture(scope="session")
def stack(running: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The running stack with the three services. The second one has no free seat."""
    install(running, write_services(tmp_path_factory.mktemp("services")))
    program, everything = Visitor(running), {"first_free": True, "conditions_accepted": True}
    while program.post(f"/services/{FULL}/holds", everything).status_code == 201:
        pass
    return running


@pytest.fixture(scope="session")
def launch() -> Iterator[Starts]:
    """Start a Chromium. It ends with the tests."""
    path = find()
    with sync_playwright() as playwright:
        started: list[Browser] = []

        def launched(*arguments: str) -> Browser:
            started.append(playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments]))
            return started[-1]

        yield launched
        for browser in started:
            browser.close()


@pytest.fixture(scope="session")
def browser(launch: Starts) -> Browser:
    return launch()


@pytest.fixture
def open_page(browser: Browser, stack: Stack) -> Iterator[Window]:
    """Open windows with their own cookies. Fails on a request to another host, a console message or a server error."""
    witness = Witness(stack)
    contexts: list[BrowserContext] = []

    def opened(
        *, script: bool = True, width: int = 1280, scheme: Any = "light", language: str = "fr", on: Browser = browser
    ) -> Page:
        context = on.new_context(
            java_script_enabled=script,
            viewport={"width": width, "height": HEIGHT},
            color_scheme=scheme,
            locale=language,
            reduced_motion="reduce",  # scrolls without animation
        )
        context.set_default_timeout(PATIENCE)
        witness.watch(context)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert witness.strangers == []
    assert witness.complaints == []
    assert witness.breakdowns == []


@pytest.fixture
def somebody(stack: Stack) -> Becomes:
    """Make a new applicant for a page."""
    return lambda page: Applicant(page, stack)


@pytest.fixture
def applicant(open_page: Window, somebody: Becomes) -> Applicant:
    """A person whose browser runs no script."""
    return somebody(open_page(script=False))
