"""The limits of one place and of one ticket, by the deployed functions with their own roles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy.package import ROOT
from infra.local.stack import Stack, release
from tests.stack.limited import (
    limited,  # noqa: F401  # a fixture
    ticketed,
)
from tests.stack.visitor import Visitor, answered, key_of, person, refused, restart


def test_the_second_hold_of_a_ticket_ends_the_first(stack: Stack) -> None:
    visitor = ticketed(stack)
    first, second = visitor.hold()["hold"], visitor.hold()["hold"]
    refused(visitor.get(f"/holds/{first}"), 410, "hold-over")
    assert answered(visitor.get(f"/holds/{second}"), 200)["state"] == "held"
    answered(visitor.post(f"/holds/{second}/end"), 200)


@pytest.mark.usefixtures("limited")
def test_after_the_holds_of_its_hour_a_place_keeps_a_seat_only_after_the_captcha(stack: Stack) -> None:
    kept = [ticketed(stack).hold() for _ in range(3)]
    assert [one["state"] for one in kept] == ["held"] * 3
    late = ticketed(stack)
    waiting = late.hold()
    assert (waiting["state"], waiting["captcha"]) == ("waiting", "required")
    assert 1070 < waiting["expires_in"] <= 1080
    hold = waiting["hold"]
    assert late.item(hold)["state"] == {"S": "open"}
    refused(late.post(f"/holds/{hold}/details", person()), 409, "captcha-required")
    assert late.pass_captcha(hold)["state"] == "held"
    assert late.item(hold)["state"] == {"S": "held"}
    for one in (*(one["hold"] for one in kept), hold):
        answered(late.post(f"/holds/{one}/end"), 200)


@pytest.fixture
def crowded(stack: Stack, tmp_path: Path) -> str:
    """A service whose seats are always taken after the captcha; its name."""
    text = (ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8").replace("id: aes ", "id: foule ", 1)
    file = tmp_path / "foule.yaml"
    file.write_text(f"{text}\nseat_after: captcha\n", "utf-8")
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", str(file)]
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    restart(stack, "release", "hold", "captcha", "request")  # they remember the services for a minute
    release(stack)
    return "foule"


def test_in_a_crowd_the_captcha_takes_the_nearest_seat_and_the_old_id_files_a_request_for_it(
    stack: Stack, crowded: str
) -> None:
    visitor = Visitor(stack)
    waiting = visitor.hold(crowded)
    hold = waiting["hold"]
    assert waiting["state"] == "waiting"
    assert visitor.item(hold)["state"] == {"S": "open"}
    table = stack.client("dynamodb")
    named = {"#state": "state"}
    lost = {":closed": {"S": "closed"}}
    for unit in (1, 2):
        key = key_of(hold)
        key["sk"]["S"] = f"{key['sk']['S'].partition('#')[0]}#{unit:03}"
        table.update_item(
            TableName=stack.table,
            Key=key,
            UpdateExpression="SET #state = :closed",
            ExpressionAttributeNames=named,
            ExpressionAttributeValues=lost,
        )
    passed = visitor.pass_captcha(hold)
    assert passed["instead_of"] == {"date": waiting["date"], "start": waiting["start"]}
    assert passed["hold"] != hold
    assert visitor.item(passed["hold"])["state"] == {"S": "held"}
    seen = answered(visitor.get(f"/holds/{hold}"), 200)
    assert (seen["hold"], seen["instead_of"]) == (passed["hold"], passed["instead_of"])
    request = answered(visitor.post(f"/holds/{hold}/details", person()), 202)
    assert (request["date"], request["start"]) == (passed["date"], passed["start"])
