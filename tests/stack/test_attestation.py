"""Attestations that nothing is free, from the function that signs them to the one that checks them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path

import pytest
import yaml

from infra.deploy.package import ROOT
from infra.local.stack import Stack
from tests.stack.storm import document
from tests.stack.visitor import Visitor, answered, refused, restart, until

FULL = "plein"


@pytest.fixture
def full(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """Put a service with one seat, which is free. Return its id, and delete the service afterwards."""
    file = tmp_path / f"{FULL}.yaml"
    file.write_text(yaml.safe_dump(document(FULL), allow_unicode=True), "utf-8")
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", str(file)]
    subprocess.run(command, cwd=ROOT, env=environ | {"AWS_ENDPOINT_URL": stack.endpoint}, check=True)
    start = datetime.now(UTC) + timedelta(days=4)
    table = stack.client("dynamodb")
    seat = {
        "pk": {"S": f"SEATS#{FULL}#{start:%G-W%V}"},
        "sk": {"S": f"{start:%Y-%m-%d}T0900#001"},
        "opens_at": {"N": str(int((time.time() - 60) * 1000))},
        "state": {"S": "open"},
        "extra": {"BOOL": True},
    }
    table.put_item(TableName=stack.table, Item=seat)
    restart(stack, "hold", "slots")
    yield FULL
    table.delete_item(TableName=stack.table, Key={"pk": {"S": "SERVICES"}, "sk": {"S": FULL}})
    restart(stack, "page", "slots")


def test_a_full_service_attests_that_nothing_is_free_and_anybody_can_check_it(stack: Stack, full: str) -> None:
    visitor, path = Visitor(stack), f"/services/{full}/attempts"
    assert "first_free" in refused(visitor.post(path), 409, "not-full")
    visitor.hold(full)

    def given() -> str | None:
        answer = visitor.post(path)
        return str(answer.json()["attestation"]) if answer.status_code == 201 else None

    code = until(given, seconds=5)  # a calendar is cached for one second
    document = answered(Visitor(stack).get(f"/attempts/{code.upper()}"), 200)
    assert (document["service"], document["outcome"], len(document["attempts"])) == (full, "full", 1)
    again = answered(visitor.post(path, {"earlier": f"{stack.api}/attempts/{code}"}), 201)
    assert len(again["attempts"]) == 1  # the first attempt of a week counts
    refused(visitor.get(f"/attempts/aes.{code.partition('.')[2]}"), 404, "not-found")
    for language in ("fr", "ar"):
        page = visitor.get(f"/attempts/{code}", **{"Accept": "text/html", "Accept-Language": language})
        assert (page.status_code, page.headers["Content-Language"]) == (200, language)
        assert "Pour vérifier cette attestation" in page.text  # everybody at a desk or in a court reads French
