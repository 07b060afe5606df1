"""cfn-lint reports a mistake in a template."""

from pathlib import Path

from infra.deploy.package import ROOT
from tests.stack.linting import lint


def test_a_mistake_in_a_template_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "data.yaml"
    broken.write_text(
        (ROOT / "infra/deploy/templates/data.yaml").read_text("utf-8").replace("BillingMode: PAY", "BillingMode: PAI")
    )
    assert "E3030" in lint(broken)
