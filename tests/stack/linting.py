"""Run cfn-lint on templates."""

import subprocess
import sys
from pathlib import Path

CFN_LINT = str(Path(sys.executable).with_name("cfn-lint"))


def lint(*templates: Path, region: str = "eu-west-3") -> str:
    """Return the mistakes in templates for a region."""
    command = [CFN_LINT, "--regions", region, "--", *map(str, templates)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout
