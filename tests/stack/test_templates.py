"""What CloudFormation is given, looked at without an account."""

import subprocess
import sys
from pathlib import Path

from infra.package import ROOT, package

LINT = str(Path(sys.executable).with_name("cfn-lint"))


def lint(*templates: Path) -> str:
    """What is wrong with templates, the edge's in its own region too."""
    command = [LINT, "--regions", "eu-west-3", "us-east-1", "--", *map(str, templates)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def test_the_templates_and_what_is_merged_of_them_are_without_a_mistake(tmp_path: Path) -> None:
    assert lint(package("prod", out=tmp_path), *(ROOT / "infra" / name for name in ("data.yaml", "edge.yaml"))) == ""


def test_every_rule_that_is_switched_off_has_its_reason() -> None:
    for path in ("app.yaml", "data.yaml", "edge.yaml"):
        text = (ROOT / "infra" / path).read_text("utf-8")
        off = text.partition("ignore_checks:\n")[2].splitlines() if "ignore_checks" in text else []
        for line in off:
            if not line.strip().startswith("- "):
                break
            assert "  # " in line, line
