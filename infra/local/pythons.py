"""Run the unit tests and one walk of the stack on each version of Python that Lambda may run. See `make test-pythons`.

Each version gets an environment of its own in `build/pythons`. uv finds the interpreter on the PATH or fetches it.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.deploy.package import BUILD, ROOT, UV
from infra.deploy.stage import PYTHONS

LIST = ROOT / "requirements-dev.txt"
UNIT = ("-n", "auto", "--dist", "worksteal", "tests/unit", "--ignore", "tests/unit/infra", "-m", "not slow")
WALK = ("tests/stack/test_walk.py",)
Run = Callable[[Sequence[str]], int]
"""Runs a command from the root of the project, and returns its exit code."""


def run_command(command: Sequence[str]) -> int:
    """Run a command from the root of the project. Its output is the user's."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def play(version: str, run: Run) -> str:
    """Run the tests on a version of Python, or on the interpreter at this path. Return what happened, in words."""
    folder = BUILD / "pythons" / Path(version).name
    if run([UV, "venv", "--quiet", "--clear", "--no-project", "--python", version, str(folder)]):
        return "missing: put it on the PATH, or name its interpreter with PYTHONS="
    python = str(folder / "bin" / "python")
    if run([UV, "pip", "install", "--quiet", "--require-hashes", "--python", python, "--requirement", str(LIST)]):
        return "failed: its packages cannot be installed"
    for name, tests in (("unit tests", UNIT), ("walk of the stack", WALK)):
        if run([python, "-m", "pytest", "-p", "no:cacheprovider", *tests]):
            return f"failed: {name}"
    return "passed"


def main(words: Sequence[str], *, run: Run = run_command) -> None:
    """Run the command line. Raise SystemExit if a version is missing or fails its tests."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.pythons", description=__doc__)
    parser.add_argument(
        "python", nargs="*", default=PYTHONS, help="a version, like 3.13, or the path of an interpreter"
    )
    results = {version: play(version, run) for version in parser.parse_args(words).python}
    for version, result in results.items():
        print(f"Python {version}: {result}")
    if set(results.values()) != {"passed"}:
        raise SystemExit("guichet: not every version passes")


if __name__ == "__main__":
    main(sys.argv[1:])
