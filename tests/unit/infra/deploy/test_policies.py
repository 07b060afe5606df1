"""The policy of each function has the permissions that docs/deploy.md lists, and no others."""

import json
import re
from typing import Any

import pytest

from infra.deploy.package import ROOT
from tests.rehearsal.permissions import NEEDED, NOT_CHECKED

FUNCTIONS = (
    "page",
    "slots",
    "hold",
    "captcha",
    "request",
    "desk",
    "mailer",
    "feedback",
    "office",
    "release",
    "expiry",
    "draw",
    "canary",
)
ROW = re.compile(r"\| (\w+) \| `(\w+:\w+)` \| ([^|]+) \| ([^|]+) \|")
TABLE = {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-TableArn"}}
ARN = "arn:${AWS::Partition}:"
HERE = "${AWS::Region}:${AWS::AccountId}"
SENDER = {"Sender": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-Sender"}}}
RESOURCES: dict[str, Any] = {
    "table": TABLE,
    "stream": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-StreamArn"}},
    "streams of the table": {"Fn::Sub": ["${Table}/stream/*", {"Table": TABLE}]},
    "the stage's key": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-KeyArn"}},
    "queue": {"Fn::ImportValue": {"Fn::Sub": "guichet-${Stage}-UnsentArn"}},
    "queue of undone runs": {"Fn::Sub": f"{ARN}sqs:{HERE}:guichet-${{Stage}}-undone"},
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


def denial(actions: str | list[str], *keys: str) -> dict[str, Any]:
    condition = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": list(keys)}}
    return {"Effect": "Deny", "Action": actions, "Resource": TABLE, "Condition": condition}


ALL_BUT_PUT = [f"dynamodb:{name}Item" for name in ("BatchGet", "Delete", "Get")] + [
    "dynamodb:Query",
    "dynamodb:UpdateItem",
]
DENIED = {
    "draw": [denial("dynamodb:*", "DESK*")],
    "desk": [
        denial("dynamodb:*", "DRAWSEED#*"),
        denial(ALL_BUT_PUT, "DESKAUDIT#*"),
        denial(["dynamodb:DeleteItem", "dynamodb:UpdateItem"], "DESKHISTORY#*"),
    ],
}
SEEDS_AND_AGENTS = [denial("dynamodb:*", "DRAWSEED#*", "DESK*")]


def documented() -> list[tuple[str, str, str, str]]:
    """Return the rows of the table of permissions: function, action, resource, what fails without it."""
    return [row.groups() for row in ROW.finditer((ROOT / "docs" / "deploy.md").read_text("utf-8"))]  # type: ignore[misc]  # four groups


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_allows_the_documented_actions_on_their_resources_and_no_other(name: str) -> None:
    document = json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text("utf-8"))
    resources = {
        **RESOURCES,
        "its log group": {"Fn::Sub": f"{ARN}logs:{HERE}:log-group:/aws/lambda/guichet-${{Stage}}-{name}:*"},
    }
    expected = {(action, json.dumps(resources[on])) for who, action, on, _ in documented() if who in {name, "every"}}
    allowed = [
        (action, json.dumps(statement["Resource"]))
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]
    assert sorted(allowed) == sorted(expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_seeds_are_for_the_draw_only_agents_for_the_desk_only_and_the_audit_can_only_be_added_to(name: str) -> None:
    document = json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text("utf-8"))
    denied = [statement for statement in document["Statement"] if statement["Effect"] != "Allow"]
    assert denied == DENIED.get(name, SEEDS_AND_AGENTS)


@pytest.mark.parametrize("name", ["page", "slots"])
def test_the_functions_that_only_show_write_nothing_but_snapshots(name: str) -> None:
    document = json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text("utf-8"))
    writes = [statement for statement in document["Statement"] if "dynamodb:UpdateItem" in statement["Action"]]
    conditions = [statement["Condition"] for statement in writes]
    assert conditions == [{"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["CALENDAR#*"]}}]


def test_each_permission_is_revoked_in_the_rehearsal_or_is_one_that_the_emulator_does_not_check() -> None:
    rows = documented()
    assert len(rows) == 63
    revoked = {(who, action) for who, action, _, fails in rows if not fails.endswith("(AWS)")}
    assert revoked == set(NEEDED)
    assert {action for _, action, _, fails in rows if fails.endswith("(AWS)")} == set(NOT_CHECKED)


def test_the_role_of_a_plain_chalice_deploy_may_do_what_the_roles_of_the_functions_may_but_fill_queues() -> None:
    ours = {"queue", "queue of undone runs", "the stage's key"}  # Chalice makes none of them
    allowed = {(action, on) for _, action, on, _ in documented() if on not in ours}
    plain = {
        "table": ["table/guichet-dev"],
        "stream": ["table/guichet-dev/stream/*"],
        "streams of the table": ["table/guichet-dev/stream/*"],
        "sender and configuration set": ["identity/*", "configuration-set/guichet-dev"],
        "its log group": ["log-group:/aws/lambda/guichet-dev:*", "log-group:/aws/lambda/guichet-dev-*:*"],
    }
    expected = {
        (action, f"arn:aws:{action.partition(':')[0]}:*:*:{resource}")
        for action, on in allowed
        for resource in plain[on]
    }
    # Chalice names the log group of the API's function after another function, so Lambda creates that group itself.
    expected.add(("logs:CreateLogGroup", "arn:aws:logs:*:*:log-group:/aws/lambda/guichet-dev:*"))
    document = json.loads((ROOT / ".chalice" / "policy-dev.json").read_text("utf-8"))
    statements = document["Statement"]
    resources = [on if isinstance(on, list) else [on] for on in (statement["Resource"] for statement in statements)]
    found = [
        (action, resource)
        for statement, on in zip(statements, resources, strict=True)
        for action in statement["Action"]
        for resource in on
    ]
    assert sorted(found) == sorted(expected)
