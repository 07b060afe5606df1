"""Find a Chromium for the browser tests: this system's, else Debian's package, else Playwright's. Print its path."""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from infra.tools.command_line import no_arguments

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def installed() -> str | None:
    """Return the path of the system's Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def downloaded() -> str | None:
    """Return the path of the Chromium that Playwright has downloaded."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.access(path, os.X_OK) else None


def try_to(*command: str) -> None:
    """Run a command without output, and ignore its failure. The caller checks the result."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=env, check=False, capture_output=True, stdin=subprocess.DEVNULL)


def find() -> str:
    """Return the path of a Chromium, and install one if there is none. Raise SystemExit if that fails."""
    if path := installed():
        return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        try_to("apt-get", "update")
        try_to("apt-get", "install", "-y", "--no-install-recommends", "chromium")
        if path := installed():
            return path
    if path := downloaded():
        return path
    try_to(sys.executable, "-m", "playwright", "install", "chromium")
    if path := downloaded():
        return path
    raise SystemExit("guichet: the browser tests need Chromium: install the package chromium")


if __name__ == "__main__":
    no_arguments("infra.tools.browser", "Find or install a Chromium for the browser tests, and print its path.")
    print(find())
