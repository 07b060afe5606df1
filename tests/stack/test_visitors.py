"""The limits for a client network and for a visitor token, in the deployed functions with their own roles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy.package import ROOT
from infra.local.stack import Stack, release
from tests.stack.limited import (
    limited,  # noqa: F401  # a fixture
    with_visitor_token,
)
from tests.stack.visitor import Visitor, answered, key_of, person, refused, restart


def test_the_second_hold_of_a_visitor_token_ends_the_first(stack: Stack) -> None:
    visitor = with_visitor_token(stack)
    first, second = visitor.hold()["hold"], visitor.hold()["hold"]
    refused(visitor.get(f"/holds/{first}"), 410, "hold-over")
    assert answered(visitor.get(f"/holds/{second}"), 200)["state"] == "held"
    answered(visitor.post(f"/holds/{second}/end"), 200)


@pytest.mark.usefixtures("limited")
def test_over_its_hourly_limit_a_client_network_gets_a_seat_only_after_the_captcha(stack: Stack) -> None:
    placed = [with_visitor_token(stack).hold() for _ in range(3)]
    assert [hold["state"] for hold in placed] == ["held"] * 3
    late = with_visitor_token(stack)
    waiting = late.hold()
    assert (waiting["state"], waiting["captcha"]) == ("waiting", "required")
    assert 1070 < waiting["expires_in"] <= 1080
    hold = waiting["hold"]
    assert late.item(hold)["state"] == {"S": "open"}
    refused(late.post(f"/holds/{hold}/details", person()), 409, "captcha-required")
    assert late.pass_captcha(hold)["state"] == "held"
    assert late.item(hold)["state"] == {"S": "held"}
    for token in (*(early["hold"] for early in placed), hold):
        answered(late.post(f"/holds/{token}/end"), 200)


@pytest.fixture
def crowded(stack: Stack, tmp_path: Path) -> str:
    """Put a service whose seats are always taken after the captcha. Return its id."""
    text = (ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8").replace("id: aes ", "id: foule ", 1)
    file = tmp_path / "foule.yaml"
    file.write_text(f"{text}\nseat_after: captcha\n", "utf-8")
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", str(file)]
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    restart(stack, "release", "hold", "captcha", "request")  # they cache the services for a minute
    release(stack)
    return "foule"


def test_in_a_crowd_the_captcha_takes_the_nearest_seat_and_the_first_hold_token_files_for_it(
    stack: Stack, crowded: str
) -> None:
    visitor = Visitor(stack)
    waiting = visitor.hold(crowded)
    hold = waiting["hold"]
    assert waiting["state"] == "waiting"
    assert visitor.item(hold)["state"] == {"S": "open"}
    table = stack.client("dynamodb")
    names = {"#state": "state"}
    values = {":closed": {"S": "closed"}}
    for unit in (1, 2):
        key = key_of(hold)
        key["sk"]["S"] = f"{key['sk']['S'].partition('#')[0]}#{unit:03}"
        table.update_item(
            TableName=stack.table,
            Key=key,
            UpdateExpression="SET #state = :closed",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
    passed = visitor.pass_captcha(hold)
    assert passed["instead_of"] == {"date": waiting["date"], "start": waiting["start"]}
    assert passed["hold"] != hold
    assert visitor.item(passed["hold"])["state"] == {"S": "held"}
    current = answered(visitor.get(f"/holds/{hold}"), 200)
    assert (current["hold"], current["instead_of"]) == (passed["hold"], passed["instead_of"])
    request = answered(visitor.post(f"/holds/{hold}/details", person()), 202)
    assert (request["date"], request["start"]) == (passed["date"], passed["start"])
