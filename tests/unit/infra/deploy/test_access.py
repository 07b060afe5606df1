"""The policies of deployer, operator and observer allow what their names say, on their own stage."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy import rollout
from infra.deploy.cloudformation import ACCESS, APP, read_template
from infra.deploy.package import ROOT
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage
from tests.rehearsal.access import actions_of

VALUES = {"Partition": "aws", "Region": "eu-west-3", "AccountId": "111122223333"}
BOUNDARY = "arn:aws:iam::111122223333:policy/guichet-prod-functions"
LONGEST = {"Stage": "s" * 20, "Sender": "rendez-vous.prefecture-de-la-seine-saint-denis.example.org"}
MOST_CHARACTERS = 6_144
"""The longest managed policy that IAM accepts, without white space."""
LIMITS = re.compile("aws:CalledVia|aws:(Request|Resource)Tag/guichet-stage|lambda:FunctionArn|iam:PermissionsBoundary")
"""The conditions that limit an action on what AWS names to one stage, or to CloudFormation."""
READS = re.compile(r"\w+:(BatchGet|Describe|Filter|Get|List|Lookup|Query|Scan)\w*")


OF_THE_ACCOUNT = {"ses:DeleteSuppressedDestination"}
"""What an operator may change of the whole account: nothing else lets a corrected address get letters again."""
COMMAND = re.compile(r"\baws ([a-z0-9]+) ([a-z]+-[a-z-]+|tail)")


def policy(name: str, **parameters: str) -> dict[str, Any]:
    """Return the document of a policy as CloudFormation makes it."""
    values = {**{f"AWS::{name}": value for name, value in VALUES.items()}, **LONGEST, **parameters}

    def rendered(part: Any) -> Any:
        if isinstance(part, list):
            return [rendered(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.keys() == {"Ref"}:
            return BOUNDARY if part["Ref"] == "Functions" else values[part["Ref"]]
        if part.keys() == {"Fn::Sub"}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: values[match[1]], part["Fn::Sub"])
        return {key: rendered(value) for key, value in part.items()}

    document: dict[str, Any] = rendered(read_template(ACCESS)["Resources"][name]["Properties"]["PolicyDocument"])
    return document


def allowed(name: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield each allowed action, its resources, and whether a condition limits these."""
    for statement in policy(name, Stage="prod")["Statement"]:
        if statement["Effect"] == "Allow":
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            limited = bool(LIMITS.search(json.dumps(statement.get("Condition", {}))))
            yield from ((action, resources, limited) for action in actions_of(statement))


@pytest.mark.parametrize("name", ["Deployer", "Functions", "Operator", "Observer"])
def test_a_policy_fits_and_allows_no_action_on_everything(name: str) -> None:
    assert len(json.dumps(policy(name), separators=(",", ":"))) <= MOST_CHARACTERS
    for action, resources, limited in allowed(name):
        assert re.fullmatch(r"[a-z0-9]+:\S+", action)
        if "*" in resources:
            assert limited or READS.fullmatch(action) or action in OF_THE_ACCOUNT, f"{action} on everything"
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


def test_the_operator_may_run_each_command_of_the_runbook() -> None:
    pages = [
        *(ROOT / "docs" / "runbook").glob("*.md"),
        *(ROOT / "docs" / f"{name}.md" for name in ("letters", "operations")),
    ]
    commands = {command for page in pages for command in COMMAND.findall(page.read_text("utf-8"))}
    actions = {
        f"{service.removesuffix('v2')}:{name.replace('tail', 'filter-log-events').title().replace('-', '')}"
        for service, name in commands
    }
    assert len(actions) > 10
    assert actions - {action for action, _, _ in allowed("Operator")} == set()


def test_the_boundary_of_the_functions_has_what_their_policies_allow_and_no_more() -> None:
    """WarmUpRole has no file; DynamoDB uses the key with the role of its caller."""
    files = set((ROOT / ".chalice").glob("policy-*.json")) - {ROOT / ".chalice" / "policy-dev.json"}
    documents = [json.loads(file.read_text("utf-8")) for file in files]
    statements = [each for document in documents for each in document["Statement"] if each["Effect"] == "Allow"]
    of_functions = {action for statement in statements for action in statement["Action"]}
    beyond = {f"lambda:{name}ProvisionedConcurrencyConfig" for name in ("Put", "Delete")}
    beyond |= {f"kms:{name}" for name in ("CreateGrant", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")}
    assert {action for action, _, _ in allowed("Functions")} == of_functions | beyond


def test_a_deployer_gives_rights_to_roles_with_the_boundary_only_and_takes_it_from_none() -> None:
    rights = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
    given = {
        (each["Resource"].rpartition("/")[2], json.dumps(each.get("Condition")))
        for each in policy("Deployer", Stage="prod")["Statement"]
        if rights & set(actions_of(each))
    }
    bounded = json.dumps({"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}})
    assert given == {("guichet-prod-*", bounded), ("guichet-account-*", "null")}
    assert "iam:DeleteRolePermissionsBoundary" not in {action for action, _, _ in allowed("Deployer")}


def test_each_role_of_the_application_can_have_the_boundary() -> None:
    functions = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))["lambda_functions"]
    roles = {f"{name.title().replace('_', '')}Role" for name in functions} | {"WarmUpRole"}
    resources = read_template(APP)["Resources"]
    bounded = {name for name, each in resources.items() if "PermissionsBoundary" in each.get("Properties", {})}
    assert bounded == roles


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


@pytest.mark.parametrize(("domain", "sender"), [("", "awa@example.org"), ("example.org", "example.org")])
def test_make_access_names_the_sender_that_ses_verifies(
    monkeypatch: pytest.MonkeyPatch, domain: str, sender: str
) -> None:
    planned: list[str] = []
    monkeypatch.setattr(rollout, "check_keys", lambda *_: None)
    monkeypatch.setattr(Deployment, "plan_access", lambda _, name: planned.append(name))
    data = {"MailFrom": "awa@example.org", "MailDomain": domain}
    stage = Stage("prod", "111122223333", "eu-west-3", "3.13", (), data, {}, {})
    rollout.give_access(stage, Deployment("prod", lambda _: None), lambda _: None)
    assert planned == [sender]
