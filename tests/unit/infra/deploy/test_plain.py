"""The plain Chalice project: its settings, and what Chalice would make of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.settings import WrongSetting
from infra.deploy import plain
from infra.deploy.package import ROOT

SECRET = "s" * 64
STREAM = "arn:aws:dynamodb:eu-west-3:000000000000:table/guichet-dev/stream/2026-11-30T08:00:00.000"
GOOD = {"GUICHET_SECRET": SECRET, "GUICHET_STREAM": STREAM}


def test_the_settings_of_the_shell_become_those_of_the_plain_functions_and_others_do_not() -> None:
    config = json.loads(plain.configured({**GOOD, "GUICHET_PORT": "4600", "PATH": "/bin"}))
    assert config["stages"]["dev"]["environment_variables"] == {
        "GUICHET_STAGE": "dev",
        "GUICHET_TABLE": "guichet-dev",
        **GOOD,
    }


@pytest.mark.parametrize(
    ("changed", "value", "line"),
    [
        ("GUICHET_SECRET", "short", "guichet: GUICHET_SECRET is malformed. Set it to at least 43 random characters"),
        ("GUICHET_STREAM", STREAM.replace("dev", "prod"), "guichet: GUICHET_STREAM is missing or malformed."),
        ("GUICHET_MAIL_FROM", "rendez-vous@example.org", "guichet: GUICHET_MAIL_RATE is missing."),
    ],
)
def test_a_wrong_setting_is_one_line_and_the_earlier_project_stays(
    tmp_path: Path, changed: str, value: str, line: str
) -> None:
    earlier = tmp_path / "app.py"
    earlier.touch()
    with pytest.raises(WrongSetting) as refused:
        plain.write(tmp_path, {**GOOD, changed: value})
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)
    assert earlier.exists()


def test_plain_chalice_registers_only_functions_that_something_calls() -> None:
    program = "from app import app; print(*(made.name for made in (*app.pure_lambda_functions, *app.event_sources)))"
    variables = {"GUICHET_TABLE": "guichet-dev", "GUICHET_STAGE": "dev", "GUICHET_SECRET": SECRET}
    functions = {}
    for name in ("AWS_CHALICE_CLI_MODE", "GUICHET_PACKAGING"):
        variables[name] = "true"
        ended = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | variables,
            check=True,
            capture_output=True,
            text=True,
        )
        functions[name] = set(ended.stdout.split())
    assert functions["AWS_CHALICE_CLI_MODE"] == {"mailer", "release", "expiry", "draw"}
    of_stages = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))["lambda_functions"]
    assert functions["GUICHET_PACKAGING"] == set(of_stages) - {"api_handler"}


@pytest.mark.parametrize("words", [["local"], ["local", "--no-autoreload"], ["package", "unused"]])
def test_chalice_without_settings_is_refused_with_one_line_that_names_the_remedy(words: list[str]) -> None:
    nothing = {name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")}
    command = [str(Path(sys.executable).with_name("chalice")), *words]
    ended = subprocess.run(command, cwd=ROOT, env=nothing, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("guichet: GUICHET_SECRET is missing. Set it to at least 43 random characters")
    assert line.endswith(" `make local` and `make chalice` set it (docs/deploy.md).")
