"""Lighthouse (mobile) on the first pages of a running stack: `make lighthouse`. Needs node; fetches the npm package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.stack import Stack, running
from infra.tools.browser import find
from infra.tools.command_line import no_arguments

PACKAGE = "lighthouse@12.8.2"
PAGES = ("/", "/services/aes")  # the calendar asks not to be indexed
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLOOR = 0.98


def scores(stack: Stack, page: str, folder: Path) -> dict[str, float]:
    """The four columns of one page, 0 to 1."""
    report = folder / "report.json"
    command = ["npx", "--yes", PACKAGE, stack.api + page, "--quiet", "--output=json", f"--output-path={report}"]
    env = os.environ | {"CHROME_PATH": find()}
    subprocess.run([*command, f"--chrome-flags={FLAGS}"], env=env, check=True, cwd=folder)
    found = json.loads(report.read_text("utf-8"))["categories"]
    return {name: category["score"] for name, category in found.items()}


def main() -> None:
    """Print a line a page; exit with 1 when a column is under the floor."""
    if not shutil.which("npx"):
        raise SystemExit("guichet: Lighthouse needs node: install the packages nodejs and npm")
    low = False
    with running() as stack, TemporaryDirectory(prefix="guichet-") as place:
        for page in PAGES:
            found = scores(stack, page, Path(place))
            low = low or min(found.values()) < FLOOR
            print(f"{page:24}", *(f"{name} {score:.2f}" for name, score in found.items()), sep="  ", flush=True)
    sys.exit(low)


if __name__ == "__main__":
    no_arguments("infra.tools.lighthouse", "Run Lighthouse on the first pages.")
    main()
