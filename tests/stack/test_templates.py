"""The CloudFormation templates pass cfn-lint."""

from pathlib import Path

import pytest

from infra.deploy.cloudformation import APP, CDN, DATA
from infra.deploy.package import OWN_PYTHON, package
from tests.stack.linting import lint


def test_the_templates_of_a_stage_have_no_mistake_after_merging(tmp_path: Path) -> None:
    template = package("prod", out=tmp_path)
    assert lint(template, DATA) == ""
    text = template.read_text("utf-8")
    # what `set_runtime` replaces
    assert text.count(f"Runtime: python{OWN_PYTHON}\n") == text.count("Type: AWS::Serverless::Function\n") > 0


def test_the_template_of_the_cdn_has_no_mistake_in_its_region() -> None:
    assert lint(CDN, region="us-east-1") == ""


@pytest.mark.parametrize("path", [APP, DATA, CDN], ids=lambda path: path.name)
def test_every_disabled_rule_has_its_reason(path: Path) -> None:
    lines = path.read_text("utf-8").partition("ignore_checks:\n")[2].splitlines()
    for line in lines:
        if not line.strip().startswith("- "):
            break
        assert "  # " in line, line
