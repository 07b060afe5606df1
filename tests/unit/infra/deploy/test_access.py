"""The policies of deployer, operator and observer allow what their names say, on their own stage."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy.cloudformation import ACCESS, read_template

VALUES = {"Partition": "aws", "Region": "eu-west-3", "AccountId": "111122223333"}
LONGEST = {"Stage": "s" * 20, "Sender": "rendez-vous.prefecture-de-la-seine-saint-denis.example.org"}
MOST_CHARACTERS = 6_144
"""The longest managed policy that IAM accepts, without white space."""
LIMITS = re.compile("aws:CalledVia|aws:(Request|Resource)Tag/guichet-stage|lambda:FunctionArn")
"""The conditions that limit an action on what AWS names to one stage, or to CloudFormation."""
READS = re.compile(r"\w+:(BatchGet|Describe|Filter|Get|List|Query|Scan)\w*")


def policy(name: str, **parameters: str) -> dict[str, Any]:
    """Return the document of a policy as CloudFormation makes it."""
    values = {**{f"AWS::{name}": value for name, value in VALUES.items()}, **LONGEST, **parameters}

    def rendered(part: Any) -> Any:
        if isinstance(part, list):
            return [rendered(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.keys() == {"Ref"}:
            return values[part["Ref"]]
        if part.keys() == {"Fn::Sub"}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: values[match[1]], part["Fn::Sub"])
        return {key: rendered(value) for key, value in part.items()}

    document: dict[str, Any] = rendered(read_template(ACCESS)["Resources"][name]["Properties"]["PolicyDocument"])
    return document


def allowed(name: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each allowed action, its resources, and whether a condition limits these."""
    for statement in policy(name, Stage="prod")["Statement"]:
        if statement["Effect"] == "Allow":
            actions, resources = (
                value if isinstance(value, list) else [value] for value in (statement["Action"], statement["Resource"])
            )
            limited = bool(LIMITS.search(json.dumps(statement.get("Condition", {}))))
            yield from ((action, resources, limited) for action in actions)


@pytest.mark.parametrize("name", ["Deployer", "Operator", "Observer"])
def test_a_policy_fits_and_allows_no_action_on_everything(name: str) -> None:
    assert len(json.dumps(policy(name), separators=(",", ":"))) <= MOST_CHARACTERS
    for action, resources, limited in allowed(name):
        assert re.fullmatch(r"[a-z0-9]+:\S+", action)
        if "*" in resources:
            assert limited or READS.fullmatch(action), f"{action} on everything"
            assert not action.endswith(":*")


@pytest.mark.parametrize("name", ["Deployer", "Operator"])
def test_what_is_written_belongs_to_the_stage_except_for_what_is_listed_here(name: str) -> None:
    others = {
        arn.split(":", 5)[2] + " " + arn.split(":", 5)[5]
        for action, resources, limited in allowed(name)
        for arn in resources
        if not limited and not READS.fullmatch(action) and arn != "*" and "guichet-prod" not in arn
    }
    listed = {
        "apigateway /account",
        "apigateway /restapis*",
        "apigateway /tags/*",
        "cloudformation stack/guichet-account/*",
        "cloudformation transform/Serverless-2016-10-31",
        "iam role/guichet-account-*",
        "s3 guichet-packages-111122223333-*",
        f"ses identity/{LONGEST['Sender']}",
    }
    assert others == (listed if name == "Deployer" else set())


def test_the_observer_changes_nothing_and_reads_no_secret() -> None:
    actions = {action for action, _, _ in allowed("Observer")}
    assert {action for action in actions if not READS.fullmatch(action)} == set()
    with_secrets = {"lambda:GetFunction", "lambda:GetFunctionConfiguration", "secretsmanager:GetSecretValue"}
    assert actions.isdisjoint(with_secrets)


def test_the_operator_cannot_change_code_settings_roles_or_keys_and_reads_no_secret() -> None:
    services = {action.split(":")[0] for action, _, _ in allowed("Operator")}
    assert services.isdisjoint({"iam", "kms", "s3", "secretsmanager", "cloudformation", "apigateway", "cloudfront"})
    functions = {action for action, _, _ in allowed("Operator") if action.startswith("lambda:")}
    assert functions == {
        "lambda:GetAccountSettings",
        "lambda:GetFunctionConcurrency",
        "lambda:InvokeFunction",
        "lambda:ListEventSourceMappings",
        "lambda:UpdateEventSourceMapping",
    }


@pytest.mark.parametrize("name", ["Deployer", "Operator", "Observer"])
def test_nobody_reads_the_seed_of_a_draw_by_its_key(name: str) -> None:
    (denied,) = (statement for statement in policy(name)["Statement"] if statement["Effect"] == "Deny")
    assert denied["Action"] == "dynamodb:*"
    assert "DRAWSEED#*" in denied["Condition"]["ForAnyValue:StringLike"]["dynamodb:LeadingKeys"]
