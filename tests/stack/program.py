"""Run a program of the tests in its own process, on the running emulator."""

import json
import os
import subprocess
import sys
from typing import Any

from infra.deploy.package import ROOT
from infra.local.stack import Stack


def run_module(stack: Stack, module: str, *words: str) -> tuple[int, Any]:
    """Run `python -m module words`. Return its exit code and the JSON that it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    return ended.returncode, json.loads(ended.stdout)
