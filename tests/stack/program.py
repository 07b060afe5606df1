"""The tests' own programs that need a process of their own, on the running engine."""

import json
import os
import subprocess
import sys
from typing import Any

from infra.deploy.package import ROOT
from infra.local.stack import Stack


def played(stack: Stack, module: str, *words: str) -> tuple[int, Any]:
    """How `python -m module words` ended, and the JSON that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.returncode, json.loads(done.stdout)
