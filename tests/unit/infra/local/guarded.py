"""Start a Python program under the process guard."""

import subprocess
import sys
from pathlib import Path

from infra.deploy.package import ROOT


def guarded(folder: Path, program: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "infra/local/process_guard.py"), str(folder), sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - fixed arguments
