"""What CloudFormation is given, looked at without an account."""

from pathlib import Path

from infra.deploy.package import ROOT, package
from tests.stack.linting import lint


def test_the_templates_and_what_is_merged_of_them_are_without_a_mistake(tmp_path: Path) -> None:
    assert (
        lint(
            package("prod", out=tmp_path),
            *(ROOT / "infra/deploy/templates" / name for name in ("data.yaml", "cdn.yaml")),
        )
        == ""
    )


def test_every_rule_that_is_switched_off_has_its_reason() -> None:
    for path in ("app.yaml", "data.yaml", "cdn.yaml"):
        text = (ROOT / "infra/deploy/templates" / path).read_text("utf-8")
        off = text.partition("ignore_checks:\n")[2].splitlines() if "ignore_checks" in text else []
        for line in off:
            if not line.strip().startswith("- "):
                break
            assert "  # " in line, line
