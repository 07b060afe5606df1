"""Each command that the documents, the alarms and the programs name is run: one that does not parse fails here.

What acts on AWS is run up to its first call, or on a table in this process. `aws`, `curl` and `openssl` are not run.
"""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.storage import service_store
from infra.deploy.package import ROOT
from infra.ops import redrive, restore
from infra.ops.__main__ import COMMANDS
from tests.conftest import document
from tests.unit.infra.ops.program import ops

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = sorted(path for kind in ("*.py", "*.yaml") for path in (ROOT / "infra").rglob(kind))
MODULE = re.compile(r"python -m ((?:infra|tests)[.\w]*)([^`\"|>#\n]*)")
VENV = re.compile(r"\.venv/bin/(?!python\b)(\w+)((?: [\w./-]+)*)")
SPAN = re.compile(r"`([^`\n]+)`")
FILLED = {
    "STAGE": "test",
    "NAME": "test",
    "prod": "test",
    "SERVICE": "aes",
    "FILE": str(ROOT / "infra/services/aes.yaml"),
    "MOMENT": "2026-11-30T08:55:00+01:00",
    "STAGE=STAGE": "STAGE=test",
}
"""What stands for the words in capitals."""
GROUPS = {"services", "release", "seats", "requests", "draws", "agents", "displays"}
RELATIVE = re.compile(r"docs/[\w/-]+\.md")


def code_lines(path: Path) -> Iterator[str]:
    """The indented lines of a document, without their comments."""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("    ") and path.suffix == ".md":
            yield line.strip().partition("#")[0].rstrip()


def words_of(line: str) -> list[str]:
    """The words of a command line, placeholders filled in, up to a pipe."""
    filled = re.sub(r"\{[^{}]+\}", "test", line)
    words = shlex.split(filled.partition("|")[0].partition(">")[0].rstrip(" ,.;:)"))
    return [FILLED.get(word.removesuffix("..."), word) for word in words]


def modules() -> list[tuple[str, str]]:
    """Each `python -m MODULE WORDS` once."""
    texts = [path.read_text("utf-8") for path in (*DOCS, *PROGRAMS)]
    return sorted({(name, rest.strip()) for text in texts for name, rest in MODULE.findall(text)})


def ops_lines() -> list[str]:
    """The commands of the operator program: in full, or as its own page gives them."""
    full = {rest for name, rest in modules() if name == "infra.ops"}
    known = set(COMMANDS)
    short = {
        line for line in code_lines(ROOT / "docs" / "ops.md") if line.split(" ")[0] not in {"", ".venv/bin/python"}
    }
    assert {line.split()[0] for line in short} <= known
    return sorted(full | short)


def make_lines() -> list[str]:
    """Each `make TARGET` that a document or a program names."""
    texts = [(path, path.read_text("utf-8")) for path in (*DOCS, *PROGRAMS)]
    spans = [span for _, text in texts for span in SPAN.findall(text)]
    lines = [*spans, *(line for path in DOCS for line in code_lines(path))]
    return sorted({line for line in lines if re.match(r"([A-Z_]+=\S+ )*make( [a-z]|$)", line)})


def venv_lines() -> list[tuple[str, str]]:
    """Each other program of the environment with its command."""
    lines = [line for path in DOCS for line in [*code_lines(path), *SPAN.findall(path.read_text("utf-8"))]]
    return sorted({(name, rest.strip().split(" ")[0]) for line in lines for name, rest in VENV.findall(line)})


@pytest.fixture
def placed(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    """A service without seats."""
    service_store.put(document())


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("line", ops_lines())
def test_a_documented_command_of_the_operator_program_parses(line: str) -> None:
    words = words_of(line)
    if words in ([], ["--stage", "test"]):  # the program alone
        words.append("--help")
    if words[0] == "watch":  # it ends with Ctrl-C only
        words.append("--json")
    ran = ops(*words, *(["--yes"] if "put" in words else []))
    assert ran.code in {0, 1}, ran.err


@pytest.mark.parametrize(("name", "line"), modules())
def test_a_documented_program_exists(name: str, line: str) -> None:
    assert importlib.util.find_spec(name) is not None, line


@pytest.mark.parametrize("line", [line for name, line in modules() if name == "infra.ops.restore" and line])
def test_a_documented_restore_command_parses(line: str) -> None:
    class Reached(Exception):
        pass

    class Aws:
        def __getattr__(self, name: str) -> Any:
            raise Reached

    with pytest.raises(Reached):
        restore.main(words_of(line), client=Aws())


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("line", [line for name, line in modules() if name == "infra.ops.redrive" and line])
def test_a_documented_redrive_command_parses(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    boto3.client("sqs").create_queue(QueueName="guichet-test-unsent")
    redrive.main(words_of(line))
    assert capsys.readouterr().out.startswith("0 ")


@pytest.mark.parametrize("line", make_lines())
def test_a_documented_make_target_exists_and_reads_its_variables(line: str) -> None:
    words = words_of(line)
    at = words.index("make")
    done = subprocess.run(  # noqa: S603  # shows the commands of the Makefile and runs none
        ["make", "--dry-run", *words[at + 1 :]],  # noqa: S607  # found on the PATH, as by a person
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    makefile = (ROOT / "Makefile").read_text("utf-8")
    given = [word.partition("=")[0] for word in words[at + 1 :] if "=" in word]
    assert [name for name in given if f"$({name})" not in makefile and f"$(if $({name})" not in makefile] == []


@pytest.mark.parametrize(("name", "command"), venv_lines())
def test_another_documented_program_knows_its_command(name: str, command: str) -> None:
    program = Path(sys.executable).parent / name
    words = [str(program), *([command] if command and "/" not in command else []), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603  # asks for help
    assert done.returncode == 0, done.stderr


def short_commands() -> list[tuple[str, str]]:
    """Each command of a group that a sentence or a message names without its program."""
    texts = [path.read_text("utf-8") for path in (*DOCS, *PROGRAMS)]
    pattern = re.compile(rf"`({'|'.join(sorted(GROUPS))}) ([a-z]+)[^`\n]*`")
    return sorted({pair for text in texts for pair in pattern.findall(text)})


@pytest.mark.parametrize(("group", "command"), short_commands())
def test_a_command_named_in_a_sentence_exists(group: str, command: str) -> None:
    assert ops(group, command, "--help").code == 0


def test_a_document_that_an_alarm_or_a_program_names_exists() -> None:
    names = {name for path in PROGRAMS for name in RELATIVE.findall(path.read_text("utf-8"))}
    assert "docs/runbook/failures.md" in names
    assert [name for name in sorted(names) if not (ROOT / name).is_file()] == []


def test_the_documented_commands_are_found() -> None:
    lines = " | ".join(ops_lines())
    for command in ("status --stage STAGE", "release run --stage STAGE", "services withdraw aes", "seats add aes"):
        assert command in lines
    assert "make deploy STAGE=prod" in make_lines()
