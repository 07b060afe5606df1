"""A Chromium for the browser tests: this system's, else Debian's package, else Playwright's own. Prints its path."""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from infra.tools.command_line import no_arguments

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def system() -> str | None:
    """The Chromium that is installed here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def playwrights() -> str | None:
    """The Chromium that Playwright downloaded here."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.access(path, os.X_OK) else None


def try_to(*command: str) -> None:
    """Run it quietly; whether it helped is looked up afterwards."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=env, check=False, capture_output=True, stdin=subprocess.DEVNULL)


def find() -> str:
    """The path of a Chromium, installed now if need be; one line and the end when there is none."""
    if path := system():
        return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        try_to("apt-get", "update")
        try_to("apt-get", "install", "-y", "--no-install-recommends", "chromium")
        if path := system():
            return path
    if path := playwrights():
        return path
    try_to(sys.executable, "-m", "playwright", "install", "chromium")
    if path := playwrights():
        return path
    raise SystemExit("guichet: the browser tests need Chromium: install the package chromium")


if __name__ == "__main__":
    no_arguments("infra.tools.browser", "Find or install a Chromium for the browser tests, and print its path.")
    print(find())
