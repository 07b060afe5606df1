"""Concurrent holds and filings: no seat has two holders and no person two requests. Broken copies are rejected."""

import io
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deploy.package import ROOT
from infra.local.settings import ACCOUNT, BUCKET, REGION
from infra.local.stack import Stack
from tests.load.mutations import Edit, drop, mutate_source
from tests.stack.program import run_module
from tests.stack.storm import SEATS, TAKEN, Verdict, document, seated, storm
from tests.stack.visitor import restart

SERVICES = ("storm", "storm-a", "storm-b")
BROKEN = {"storm-a": drop("State.OPEN"), "storm-b": drop("SeatItem.until")}
"""The condition that each broken copy lacks."""


@pytest.fixture(scope="module")
def services(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put services for these tests alone with the operator program, and delete them afterwards."""
    folder = tmp_path_factory.mktemp("services")
    for service in SERVICES:
        (folder / f"{service}.yaml").write_text(yaml.safe_dump(document(service), allow_unicode=True), "utf-8")
    subprocess.run(
        [sys.executable, "-m", "infra.ops", "services", "put", "--yes", *sorted(map(str, folder.iterdir()))],
        cwd=ROOT,
        env=os.environ | {"AWS_ENDPOINT_URL": stack.endpoint},
        check=True,
    )
    restart(stack, "hold")
    yield
    for service in SERVICES:
        key = {"pk": {"S": "SERVICES"}, "sk": {"S": service}}
        stack.client("dynamodb").delete_item(TableName=stack.table, Key=key)
    restart(stack, "page", "slots")


# A hundred seats


@pytest.mark.usefixtures("services")
def test_of_two_thousand_attempts_32_at_a_time_exactly_a_hundred_get_a_seat(stack: Stack) -> None:
    verdict = storm(seated(stack, stack.api, "storm"), attempts=2000, threads=32)
    sys.stdout.write(verdict.figures() + "\n")
    assert verdict.problems() == []
    assert verdict.answers[(201, "")] == 100
    assert sum(verdict.answers[answer] for answer in TAKEN) == 1900


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    "service",
    ["storm-a", "storm-b"],
    ids=["without the condition on the state", "without the condition on the end of the hold"],
)
def test_a_copy_of_the_hold_with_a_broken_condition_is_rejected(stack: Stack, tmp_path: Path, service: str) -> None:
    with deploy_broken(stack, service, broken_zip(stack, tmp_path, BROKEN[service])) as api:
        verdict = storm(seated(stack, api, service), attempts=400, threads=6)
    sys.stdout.write(f"{verdict.figures()} {verdict.problems()}\n")
    assert verdict.answers[(201, "")] > SEATS
    problems = " ".join(verdict.problems())
    assert "seats with more than one holder" in problems
    assert f"holders of {SEATS} seats" in problems
    assert "answers that a loser must not have" not in problems


def broken_zip(stack: Stack, folder: Path, edit: Edit) -> bytes:
    """Return the deployed zip with an edit of `is_free`, and without the bytecode of its module."""
    bucket = stack.client("s3")
    packed = max(
        bucket.list_objects_v2(Bucket=BUCKET)["Contents"], key=lambda entry: entry["Size"]
    )  # the bucket has templates too
    deployed = io.BytesIO(bucket.get_object(Bucket=BUCKET, Key=packed["Key"])["Body"].read())
    broken = folder / "broken.zip"
    with zipfile.ZipFile(deployed) as old, zipfile.ZipFile(broken, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.startswith("chalicelib/storage/__pycache__/seat_expressions."):
                continue
            if entry.filename == "chalicelib/storage/seat_expressions.py":
                content = mutate_source(content.decode(), "is_free", [edit]).encode()
            new.writestr(entry, content, zipfile.ZIP_STORED)
    return broken.read_bytes()


@contextmanager
def deploy_broken(stack: Stack, name: str, code: bytes) -> Iterator[str]:
    """Run a copy of the hold function with this code behind its own API during the block. Yields the URL of the API."""
    functions, gateway = stack.client("lambda"), stack.client("apigateway")
    hold = functions.get_function_configuration(FunctionName="guichet-laptop-hold")
    stack.client("s3").put_object(Bucket=BUCKET, Key=f"{name}.zip", Body=code)
    functions.create_function(
        FunctionName=name,
        Code={"S3Bucket": BUCKET, "S3Key": f"{name}.zip"},
        **{setting: hold[setting] for setting in ("Role", "Runtime", "Handler", "Timeout", "MemorySize")},
        Environment={"Variables": hold["Environment"]["Variables"]},
    )
    functions.add_permission(
        FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    api = gateway.create_rest_api(name=name)["id"]
    resource = gateway.get_resources(restApiId=api)["items"][0]["id"]
    for part in ("services", "{service}", "holds"):
        resource = gateway.create_resource(restApiId=api, parentId=resource, pathPart=part)["id"]
    gateway.put_method(restApiId=api, resourceId=resource, httpMethod="POST", authorizationType="NONE")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    gateway.put_integration(
        restApiId=api,
        resourceId=resource,
        httpMethod="POST",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
    )
    gateway.create_deployment(restApiId=api, stageName="api")
    yield f"{stack.endpoint}/_aws/execute-api/{api}/api"
    gateway.delete_rest_api(restApiId=api)
    functions.delete_function(FunctionName=name)


def test_the_verdict_names_every_problem() -> None:
    token, other = (f"storm.20261203.0915.{unit}.{'a' * 78}" for unit in (1, 2))
    digest = "nqnt3r5ha245zajvfjtrnoogm3darwdcmjzmms4rjkyfk4x4n2ca"
    fair = Verdict(1, Counter({(201, ""): 1, (409, "slot-taken"): 5}), [token], {"20261203.0915.1": digest})
    assert fair.problems() == []
    assert replace(fair, seats=2).problems() == ["1 holders of 2 seats"]
    assert replace(fair, seats=2, holds=[token, token]).problems() == ["1 seats with more than one holder"]
    assert replace(fair, held={"20261203.0915.1": "x"}).problems() == ["1 holders whose seat is another's in the table"]
    assert replace(fair, answers=Counter({(500, ""): 1})).problems() == [
        "answers that a loser must not have: [(500, '')]"
    ]
    assert replace(fair, holds=[other]).problems() == [
        "the table has other seats held than were given",
        "1 holders whose seat is another's in the table",
    ]


# Eight files at once


@pytest.fixture(scope="module")
def rushes(stack: Stack) -> list[dict[str, Any]]:
    """Run tests/stack/rivals.py. Return its list."""
    code, read = run_module(stack, "tests.stack.rivals")
    assert code == 0
    return list(read)


@pytest.mark.parametrize("scene", ["one person", "one mailbox"])
def test_of_eight_threads_that_file_at_once_exactly_one_files_a_request(
    rushes: list[dict[str, Any]], scene: str
) -> None:
    results = [rush for rush in rushes if rush["scene"] == scene]
    counts = {"filed": 1, "references": 1, "refused": 7, "live": 1, "with its details": 1}
    assert results == [{"scene": scene, "round": number, **counts} for number in range(10)]


def test_one_form_sent_eight_times_at_once_files_one_request_with_its_details(rushes: list[dict[str, Any]]) -> None:
    results = [rush for rush in rushes if rush["scene"] == "one hold"]
    counts = {"filed": 8, "references": 1, "refused": 0, "live": 1, "with its details": 1}
    assert results == [{"scene": "one hold", "round": number, **counts} for number in range(10)]
