"""Wrong use of each program: one clear line, exit code 1 or 2, and no traceback."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from moto import mock_aws

from infra.deploy import commands, output, package, stage
from infra.deploy.aws import CannotDeploy
from infra.deploy.commands import Environment
from infra.deploy.package import ROOT
from infra.ops import redrive, restore
from tests.long import LONG
from tests.table import SHAPE

PROGRAMS = [
    "infra.tools.architecture",
    "infra.tools.browser",
    "infra.deploy",
    "infra.local",
    "infra.local.desk_pictures",
    "infra.local.lighthouse",
    "infra.local.plain",
    "infra.ops",
    "infra.deploy.package",
    "infra.deploy.plain",
    "infra.deploy.scan",
    "infra.ops.restore",
    "infra.ops.redrive",
    "infra.tools.licences",
    "infra.local.pythons",
    "infra.tools.voices",
    "tests.security.fuzz",
    "tests.security.timing",
    "tests.load.bench",
    "tests.load.calendars",
    "tests.load.calls",
    "tests.load.day",
    "tests.load.draw",
    "tests.load.fairness",
    "tests.load.mutants",
    "tests.load.office",
    "tests.load.outbox",
    "tests.load.peer",
    "tests.load.rush",
    "tests.load.rush.table",
    "tests.load.simulation.aws",
    "tests.load.simulation.aws.measure",
    "tests.load.simulation.storm.compare",
    "tests.load.units",
    "tests.rehearsal.drill",
]
MOMENT = "2026-11-30T08:55:00+01:00"
NO_STAGE = (
    "guichet: there is no stage none in this account and region: is it deployed, is its name right, "
    "is AWS_DEFAULT_REGION its region?"
)


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GUICHET_"))}
    command = [sys.executable, "-m", *words]
    return subprocess.run(  # noqa: S603 - programs of this project
        command, cwd=ROOT, env=plain | environ, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@LONG
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_has_a_help_that_does_nothing(program: str) -> None:
    ended = run(program, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "usage: " in ended.stdout.lower()


def test_the_list_of_programs_is_complete() -> None:
    files = [
        path
        for folder in ("infra", "tests/load", "tests/rehearsal", "tests/security")
        for path in (ROOT / folder).rglob("*.py")
    ]
    with_main = [path for path in files if '\nif __name__ == "__main__":' in path.read_text("utf-8")]
    modules = {str(path.relative_to(ROOT)).removesuffix(".py").replace("/", ".") for path in with_main}
    started_by_others = {
        "infra.local.emulator",
        "infra.local.mailer",
        "infra.local.process_guard",
        "tests.load.rush.crowd",
        "tests.load.peerevent",
    }
    assert {module.removesuffix(".__main__") for module in modules} - started_by_others == set(PROGRAMS)


Main = Callable[[list[str]], None]


@pytest.mark.parametrize("main", [redrive.main, restore.main, package.main, commands.main])
def test_a_program_without_its_arguments_ends_with_two(main: Main, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    shown = capfd.readouterr()
    assert "usage: " in (shown.out + shown.err).lower()


@pytest.mark.parametrize("words", [["deploi", "prod"], ["deploy", "prod", "--eraze", "x"], ["rollback", "prod", "x"]])
def test_a_command_line_that_deploy_does_not_know_ends_with_two(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.main(words)
    assert ended.value.code == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("main", [redrive.main, package.main, lambda words: restore.main([*words, MOMENT])])
def test_a_name_that_no_stage_can_have_ends_with_two(main: Main, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["Prod"])
    assert ended.value.code == 2
    assert "'Prod' is no name of a stage: lower-case letters, digits and hyphens, at most 20" in capfd.readouterr().err


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-30T08:55:00", "2026-13-30T08:55:00+01:00"])
def test_a_moment_without_its_offset_is_refused(moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        restore.main(["trial", moment])
    assert ended.value.code == 2
    assert f"'{moment}' is not a date and time with a UTC offset, like {MOMENT}" in capsys.readouterr().err


@pytest.mark.parametrize("main", [redrive.main, lambda words: restore.main([*words, MOMENT])])
def test_a_stage_that_does_not_exist_is_one_line(main: Main) -> None:
    with mock_aws(), pytest.raises(SystemExit) as ended:
        main(["none"])
    assert ended.value.code == NO_STAGE


@pytest.mark.parametrize("words", [["infra.ops.redrive", "none"], ["infra.ops.restore", "none", MOMENT]])
def test_a_shell_without_a_region_is_one_line(words: list[str], tmp_path: Path) -> None:
    ended = run(*words, AWS_CONFIG_FILE=str(tmp_path / "none"), AWS_EC2_METADATA_DISABLED="true")
    assert ended.returncode == 1
    assert ended.stderr == "guichet: no AWS region is set: set AWS_DEFAULT_REGION to the one of none\n"


@pytest.mark.parametrize("program", ["infra.local", "infra.ops"])
def test_a_wrong_port_is_one_line(program: str) -> None:
    words = [program, *(["services", "list"] if program == "infra.ops" else [])]
    ended = run(*words, GUICHET_PORT="abc")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "guichet: GUICHET_PORT must be a port number from 1 to 65535, not 'abc'\n"


class Unchanged:
    """A client of DynamoDB that restores an empty copy of a table."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.exceptions = client.exceptions
        self.get_paginator = client.get_paginator
        self.describe_table = client.describe_table
        self.put_item = client.put_item

    def restore_table_to_point_in_time(self, **names: Any) -> None:
        self.client.create_table(TableName=names["TargetTableName"], **SHAPE)


class WithLoss(Unchanged):
    """One that restores a copy with two items that the table has lost; one of them is due for erasure."""

    def restore_table_to_point_in_time(self, **names: Any) -> None:
        super().restore_table_to_point_in_time(**names)
        for key, erase_at in (("kept", "4102444800"), ("due", "1")):
            item = {"pk": {"S": f"TRIAL#{key}"}, "sk": {"S": "1"}, "erase_at": {"N": erase_at}}
            self.client.put_item(TableName=names["TargetTableName"], Item=item)


@pytest.mark.parametrize(
    ("words", "line"),
    [([], "     1 can be put back: run this again with --put-back"), (["--put-back"], "     1 put back")],
)
def test_a_restoration_says_what_comes_back_and_what_does_not(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(TableName="guichet-trial", **SHAPE)
        restore.main(["trial", MOMENT, *words], client=WithLoss(client))
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "     2 TRIAL missing",
        "     1 missing but not put back: due for erasure, or of a person without a request since",
        line,
    ]


def test_a_restoration_without_differences_reports_none(capsys: pytest.CaptureFixture[str]) -> None:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(TableName="guichet-trial", **SHAPE)
        restore.main(["trial", MOMENT], client=Unchanged(client))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "no differences: guichet-trial has the same 0 items as then",
        "to delete the copy: aws dynamodb delete-table --table-name guichet-trial-20261130T075500",
    ]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.mkdir(), "guichet: {path} cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "guichet: {path}:1: this is not YAML"),
        (lambda path: path.write_text("a: [", "utf-8"), "guichet: {path}:1: this is not YAML"),
        (lambda path: path.write_text("a: \x01", "utf-8"), "guichet: {path}:1: this is not YAML"),
        (lambda path: path.write_text("[a]: 1", "utf-8"), "guichet: {path}:1: this is not YAML"),
        (lambda path: path.write_text("", "utf-8"), "guichet: {path}: expected `setting: value` on each line"),
        (lambda path: path.write_text("- a", "utf-8"), "guichet: {path}: expected `setting: value` on each line"),
        (lambda path: path.write_text("1: a", "utf-8"), "guichet: {path}: 1 is no setting"),
    ],
)
def test_a_stage_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, make: Callable[[Path], object], line: str
) -> None:
    path = tmp_path / "trial.yaml"
    make(path)
    with pytest.raises(CannotDeploy) as refused:
        commands.main(["deploy", "trial", "--file", str(path)])
    assert str(refused.value) == line.format(path=path)


def test_a_program_that_fails_while_packaging_is_one_line() -> None:
    error = subprocess.CalledProcessError(1, ["/a b/chalice", "package"], "", "Traceback:\nNo space left on device\n")
    assert str(package.packaging_failed(error)) == (
        "guichet: cannot package the functions: `chalice package` failed: No space left on device"
    )


def test_a_path_is_no_name_of_a_stage() -> None:
    with pytest.raises(CannotDeploy, match=r"^guichet: '\.\./prod' is no name of a stage"):
        stage.check_name("../prod")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            KeyboardInterrupt(),
            "guichet: stopped: CloudFormation finishes what it has begun; until then `make deploy` is refused",
        ),
        (NoCredentialsError(), "guichet: AWS: Unable to locate credentials"),
        (
            subprocess.CalledProcessError(1, ["pip", "download"], "", "no such host\n"),
            "guichet: cannot package the functions: `pip download` failed: no such host",
        ),
    ],
)
def test_what_stops_a_deployment_is_one_line(error: BaseException, line: str) -> None:
    def client(_: str) -> Any:
        raise error

    with pytest.raises(CannotDeploy) as refused:
        commands.main(["rollback", "example"], environment=Environment(connect=lambda _: client))
    assert str(refused.value) == line


class Terminal(io.StringIO):
    """A terminal at which somebody types a text."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["", "\n", "no\n", "perhaps\n"])
def test_any_answer_but_yes_changes_nothing(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    with pytest.raises(CannotDeploy, match=r"^guichet: nothing was changed$"):
        output.asker(yes=False)("Apply these changes?")


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "YES\n"])
def test_a_yes_goes_on(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    output.asker(yes=False)("Apply these changes?")


def test_without_a_terminal_only_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    output.asker(yes=True)("Apply these changes?")
    with pytest.raises(
        CannotDeploy, match=r"^guichet: nothing was changed: this needs a terminal to ask at, or YES=1$"
    ):
        output.asker(yes=False)("Apply these changes?")
