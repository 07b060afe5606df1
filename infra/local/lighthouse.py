"""Run Lighthouse (mobile) on the first pages of a local stack: `make lighthouse`. Needs node and the npm registry."""

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
PAGES = ("/", "/services/aes")  # the calendar is not indexed, which lowers its SEO score
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
MINIMUM = 0.98


def scores(stack: Stack, page: str, folder: Path) -> dict[str, float]:
    """Return the scores of the four categories of a page, from 0 to 1."""
    report = folder / "report.json"
    command = ["npx", "--yes", PACKAGE, stack.api + page, "--quiet", "--output=json", f"--output-path={report}"]
    env = os.environ | {"CHROME_PATH": find()}
    subprocess.run([*command, f"--chrome-flags={FLAGS}"], env=env, check=True, cwd=folder)
    categories = json.loads(report.read_text("utf-8"))["categories"]
    return {name: category["score"] for name, category in categories.items()}


def main() -> None:
    """Print the scores of each page. Exit with 1 if one is below the minimum."""
    if not shutil.which("npx"):
        raise SystemExit("guichet: Lighthouse needs node: install the packages nodejs and npm")
    failed = False
    with running() as stack, TemporaryDirectory(prefix="guichet-") as folder:
        for page in PAGES:
            results = scores(stack, page, Path(folder))
            failed = failed or min(results.values()) < MINIMUM
            print(f"{page:24}", *(f"{name} {score:.2f}" for name, score in results.items()), sep="  ", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    no_arguments("infra.local.lighthouse", "Run Lighthouse on the first pages.")
    main()
