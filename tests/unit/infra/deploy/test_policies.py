"""What each function may do is what docs/deploy.md says, with what fails without it."""

import json
import re
from typing import Any

import pytest

from infra.deploy.package import ROOT
from tests.rehearsal.permissions import NEEDED, NOT_ASKED

FUNCTIONS = ("page", "slots", "hold", "captcha", "request", "mailer", "feedback", "release", "expiry")
ROW = re.compile(r"\| (\w+) \| `(\w+:\w+)` \| ([^|]+) \| ([^|]+) \|")
TABLE = {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-TableArn"}}
ARN = "arn:${AWS::Partition}:"
HERE = "${AWS::Region}:${AWS::AccountId}"
SENDER = {"Sender": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-Sender"}}}
RESOURCES: dict[str, Any] = {
    "table": TABLE,
    "stream": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-StreamArn"}},
    "streams of the table": {"Fn::Sub": ["${Table}/stream/*", {"Table": TABLE}]},
    "queue": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-UnsentArn"}},
    "sender and configuration set": {
        "Fn::If": [
            "OnLaptop",
            "*",
            [
                {"Fn::Sub": [f"{ARN}ses:{HERE}:identity/${{Sender}}", SENDER]},
                {"Fn::Sub": f"{ARN}ses:{HERE}:configuration-set/guichet-${{Stage}}"},
            ],
        ]
    },
}


def table() -> list[tuple[str, str, str, str]]:
    """The rows of the page."""
    return [row.groups() for row in ROW.finditer((ROOT / "docs" / "deploy.md").read_text("utf-8"))]  # type: ignore[misc]  # four groups


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_says_what_the_page_says_on_these_resources_and_no_other(name: str) -> None:
    document = json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text("utf-8"))
    own = {
        **RESOURCES,
        "its log group": {"Fn::Sub": f"{ARN}logs:{HERE}:log-group:/aws/lambda/guichet-${{Stage}}-{name}:*"},
    }
    said = {(action, json.dumps(own[on])) for who, action, on, _ in table() if who in {name, "every"}}
    allowed = [
        (action, json.dumps(statement["Resource"]))
        for statement in document["Statement"]
        for action in statement["Action"]
    ]
    assert (sorted(allowed), {statement["Effect"] for statement in document["Statement"]}) == (sorted(said), {"Allow"})


def test_each_permission_is_taken_away_in_the_rehearsal_or_is_one_that_the_engine_does_not_ask() -> None:
    rows = table()
    assert len(rows) == 34
    shown = {(who, action) for who, action, _, fails in rows if not fails.endswith("(AWS)")}
    assert shown == set(NEEDED)
    assert {action for _, action, _, fails in rows if fails.endswith("(AWS)")} == set(NOT_ASKED)
