"""Each command of the runbook runs on the service, as an operator types it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.deploy import smoke
from infra.deploy.package import ROOT
from infra.local.settings import KEYS, REGION
from infra.local.stack import Stack
from tests.long import LONG

PAGES = sorted((ROOT / "docs" / "runbook").glob("*.md"))
PROGRAMS = ("aws ", ".venv/bin/python -m ")
NOT_RUN = ("make rollback", "make deploy")
"""`make rehearse` runs them: the local stack has no settings of a stage, and no version before."""


def commands() -> list[str]:
    """Return each command of the pages once."""
    lines = {line.strip() for page in PAGES for line in page.read_text("utf-8").splitlines() if re.match(" {8}", line)}
    assert all(line.startswith((*PROGRAMS, *NOT_RUN)) for line in lines)
    return sorted(line for line in lines if line.startswith(PROGRAMS))


@pytest.fixture(scope="module")
def drawn(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Put a service whose seats are drawn, and return its id. In the files of the stack, `aes` is first come."""
    file = smoke.write_files(tmp_path_factory.mktemp("services"))[-1]
    closes = {"day": "thursday", "at": "12:00"}  # the window of the canary never closes
    document = yaml.safe_load(file.read_text("utf-8"))
    document |= {"id": "tirage", "draw": document["draw"] | {"closes": closes}}
    file = file.with_name("tirage.yaml")
    file.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", str(file)]
    env = {**os.environ, **KEYS, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=True)
    return "tirage"


@LONG
@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_runbook_runs(stack: Stack, drawn: str, tmp_path: Path, command: str) -> None:
    if "infra.ops draws" in command:
        command = command.replace(" aes ", f" {drawn} ")
    (rule, *_) = stack.client("events").list_rules(NamePrefix="guichet-laptop-")["Rules"]
    line = command.replace("STAGE", "laptop").replace("--name RULE", f"--name {rule['Name']}")
    line = line.replace(".venv/bin/python", shlex.quote(sys.executable))
    aws = shlex.quote(str(Path(sys.executable).with_name("aws")))  # it ignores AWS_ENDPOINT_URL for queues
    line = re.sub(r"\baws (?=[a-z0-9]+ )", f"{aws} --endpoint-url {stack.endpoint} ", line)
    region = {} if "--region" in line else {"AWS_DEFAULT_REGION": REGION}
    files = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    env = {**files, **KEYS, **region, "AWS_ENDPOINT_URL": stack.endpoint, "AWS_PAGER": ""}
    ran = subprocess.run(["bash", "-ec", line], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode in ({0, 1} if "status" in line and "infra.ops" in line else {0}), ran.stdout + ran.stderr
