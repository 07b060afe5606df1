"""That the test of the templates can fail, and what a plain `chalice deploy` would make."""

import subprocess
import sys
from pathlib import Path

import yaml

from infra.package import ROOT, copy_sources
from tests.stack.test_templates import lint

CHALICE = str(Path(sys.executable).with_name("chalice"))


def test_a_mistake_in_a_template_is_seen(tmp_path: Path) -> None:
    broken = tmp_path / "data.yaml"
    broken.write_text((ROOT / "infra" / "data.yaml").read_text("utf-8").replace("BillingMode: PAY", "BillingMode: PAI"))
    assert "E3030" in lint(broken)


def test_a_plain_chalice_package_of_the_stage_dev_has_every_function_and_its_settings(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    copy_sources(project)
    command = [CHALICE, "--project-dir", str(project), "package", "--stage", "dev", "--template-format", "yaml"]
    stream = "arn:aws:dynamodb:eu-west-3:111122223333:table/guichet-dev/stream/2026-11-23T09:00:00.000"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_DEFAULT_REGION": "eu-west-3", "GUICHET_STREAM": stream}
    subprocess.run([*command, str(tmp_path / "out")], env=env, check=True, capture_output=True)
    made = yaml.safe_load((tmp_path / "out" / "sam.yaml").read_text("utf-8"))["Resources"]
    functions = {name: one["Properties"] for name, one in made.items() if one["Type"] == "AWS::Serverless::Function"}
    assert len(functions) == 9
    for function in functions.values():
        known = function["Environment"]["Variables"]
        assert (known["GUICHET_STAGE"], known["GUICHET_TABLE"]) == ("dev", "guichet-dev")
    (source,) = functions["Mailer"]["Events"].values()
    assert source["Properties"]["Stream"] == stream
