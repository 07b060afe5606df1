"""The operator program on the deployed stack: it puts a service and its seats, lists a day, and cancels a request."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deploy.package import ROOT
from infra.local.stack import Stack, release
from tests.stack.visitor import Visitor, answered, person, restart

SERVICE = "bureau"


def ops(stack: Stack, *words: str, code: int = 0) -> Any:
    """Run a command on the stack, check its exit code and return its JSON document."""
    env = {"PATH": os.environ["PATH"], "GUICHET_PORT": stack.endpoint.rpartition(":")[2]}
    command = [sys.executable, "-m", "infra.ops", *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def file(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A service file of these tests alone; the service is removed afterwards."""
    path = tmp_path_factory.mktemp("ops") / "bureau.yaml"
    write(path, "10:30")
    yield path
    key = {"pk": {"S": "SERVICES"}, "sk": {"S": SERVICE}}
    stack.client("dynamodb").delete_item(TableName=stack.table, Key=key)
    restart(stack, "page", "slots", "release")


def write(path: Path, end: str) -> None:
    real = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    openings = [{"days": ["tuesday", "thursday"], "from": "09:15", "to": end}]
    changes = {"id": SERVICE, "plannings": [{"desks": [1], "openings": openings}]}
    del real["public_holidays"]
    path.write_text(yaml.safe_dump(real | changes, allow_unicode=True), "utf-8")


def test_a_service_is_put_and_its_seats_are_created_and_closed_as_the_file_says(stack: Stack, file: Path) -> None:
    assert ops(stack, "services", "put", str(file), code=1)["error"].startswith("nothing was changed")
    assert ops(stack, "services", "put", str(file), "--yes")["services"][0]["new"]
    ops(stack, "release", "run", SERVICE)
    week = ops(stack, "release", "preview", SERVICE, "--weeks", "1")["releases"][0]
    assert (week["seats"], week["desks"]) == (30, 1)
    write(file, "10:00")
    changed = ops(stack, "services", "put", str(file), "--yes")["services"][0]
    assert [rule["rule"] for rule in changed["rules"]] == ["plannings"]
    restart(stack, "release")
    release(stack)
    totals = ops(stack, "calendar", SERVICE, "--week", week["week"])["totals"]
    assert (totals["coming"], totals["closed"]) == (18, 12)


def test_a_request_is_on_the_day_list_and_its_applicant_gets_a_letter_when_it_is_cancelled(stack: Stack) -> None:
    visitor, owner = Visitor(stack), person()
    filed = visitor.file(owner)
    link = visitor.link(owner["email"])
    reference = filed["reference"]
    assert ops(stack, "requests", "find", "--email", owner["email"])["requests"][0]["reference"] == reference
    listed = ops(stack, "day", "aes", filed["date"])["seats"]
    assert [line["state"] for line in listed if line["reference"] == reference] == ["pending"]
    assert ops(stack, "requests", "cancel", reference, "--yes")["cancelled"]
    assert visitor.letter(owner["email"], 2)["subject"] == "Votre rendez-vous ne pourra pas avoir lieu"
    assert answered(visitor.get(link), 200)["state"] == "withdrawn"
    act = ops(stack, "audit")["acts"][0]
    assert (act["what"], act["outcome"], act["arguments"]) == ("requests cancel", "done", {"reference": reference})
    assert act["who"].startswith("arn:aws:")


def test_a_missing_stage_is_exit_code_3(stack: Stack) -> None:
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": stack.endpoint, "AWS_DEFAULT_REGION": "eu-west-3"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [sys.executable, "-m", "infra.ops", "services", "list", "--stage", "none"]
    done = subprocess.run(command, cwd=ROOT, env=env | keys, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("guichet: there is no table guichet-none in eu-west-3")
