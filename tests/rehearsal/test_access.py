"""The policies of access.yaml on an emulator: each person can do their work, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local import inbox
from infra.local.launcher import start_emulator
from infra.local.settings import ACCOUNT, any_port
from tests.rehearsal.access import COPY, DIRECT, KEY, PARAMETERS, PERMISSIONS, QUEUE, TABLE, Person, install
from tests.rehearsal.operator import STAGE, STEPS, Operator

OTHER = {"TableName": "guichet-other"}
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
NOW = datetime.now(UTC).isoformat(timespec="seconds")
PROGRAMS = [
    ("infra.ops", "status"),
    ("infra.ops", "services", "list"),
    ("infra.ops", "calendar", "aes"),
    ("infra.ops", "watch", "aes", "--json"),
]
OPERATORS_PROGRAMS = [
    ("infra.ops", "day", "aes", "2026-12-07"),
    ("infra.ops", "requests", "find", "--name", "awa exemple"),
    ("infra.ops", "services", "pause", "aes", "--yes"),
    ("infra.ops", "agents", "list"),
    ("infra.ops.redrive", STAGE),
    ("infra.ops.restore", STAGE, NOW),
]
FUNCTION = {"FunctionName": f"{TABLE}-draw"}
SEED = {"TableName": TABLE, "Key": {"pk": {"S": "DRAWSEED#aes"}, "sk": {"S": "2026-W51"}}}
AGENT = {"TableName": TABLE, "Key": {"pk": {"S": "DESKAGENTS"}, "sk": {"S": "EXAMPLE"}}}
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("operator", "dynamodb:DeleteTable", {"TableName": TABLE}),
    ("operator", "dynamodb:Scan", OTHER),
    ("operator", "dynamodb:GetItem", SEED),
    ("operator", "iam:CreateUser", {"UserName": "somebody"}),
    ("operator", "lambda:GetFunctionConfiguration", FUNCTION),  # its settings have the secret
    ("operator", "lambda:InvokeFunction", {"FunctionName": "guichet-other-draw"}),
    ("operator", "lambda:UpdateFunctionConfiguration", FUNCTION),
    ("operator", "secretsmanager:GetSecretValue", {"SecretId": TABLE}),
    ("operator", "sqs:SendMessage", {"QueueUrl": QUEUE, "MessageBody": "example"}),
    ("observer", "cloudwatch:SetAlarmState", PARAMETERS["cloudwatch:SetAlarmState"]),
    ("observer", "dynamodb:GetItem", AGENT),
    ("observer", "dynamodb:GetItem", SEED),
    ("observer", "dynamodb:PutItem", {"TableName": TABLE, "Item": KEY}),
    ("observer", "dynamodb:Scan", {"TableName": TABLE}),  # all attributes
    ("observer", "dynamodb:Scan", {"TableName": TABLE, "AttributesToGet": ["pk", "details"]}),
    ("observer", "lambda:GetFunctionConfiguration", FUNCTION),
    ("observer", "lambda:InvokeFunction", FUNCTION),
    ("observer", "secretsmanager:GetSecretValue", {"SecretId": TABLE}),
    ("observer", "sqs:ReceiveMessage", {"QueueUrl": QUEUE}),
    ("deployer", "cloudformation:DeleteStack", {"StackName": "guichet-other"}),
    ("deployer", "dynamodb:GetItem", SEED),
    ("deployer", "dynamodb:Scan", OTHER),
    ("deployer", "iam:AttachUserPolicy", {"UserName": "deployer", "PolicyArn": ADMINISTRATOR}),
    ("deployer", "iam:AttachRolePolicy", {"RoleName": f"{TABLE}-page", "PolicyArn": ADMINISTRATOR}),
    ("deployer", "iam:PutRolePolicy", {"RoleName": "other", "PolicyName": "more", "PolicyDocument": "{}"}),
    ("deployer", "kms:DescribeKey", {"KeyId": "of another stage"}),
    ("deployer", "lambda:GetFunction", {"FunctionName": "guichet-other-page"}),
    ("deployer", "s3:CreateBucket", {"Bucket": "other"}),
    ("deployer", "secretsmanager:GetSecretValue", {"SecretId": "guichet-other"}),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Person]]:
    """A deployer, an operator and an observer of one stage."""
    folder = tmp_path_factory.mktemp("emulator")
    with inbox.serving() as mailbox, start_emulator(any_port(), folder, smtp=mailbox.smtp) as emulator:
        administrator = Operator(emulator.url, tmp_path_factory.mktemp("home"))
        install(administrator)
        yield {role: Person(administrator, role) for role in ("deployer", "operator", "observer")}


@pytest.mark.parametrize(("role", "sid", "action"), PERMISSIONS)
def test_a_call_works_with_this_permission_only(people: dict[str, Person], role: str, sid: str, action: str) -> None:
    parameters = PARAMETERS.get(action, {})
    if sid == "TheCopy" and "TableName" in parameters:
        parameters = {**parameters, "TableName": COPY}
    assert people[role].may(action, **parameters)
    with people[role].without(sid, action):
        assert not people[role].may(action, **parameters)


@pytest.mark.parametrize(("sid", "action"), DIRECT)
def test_a_call_of_the_deployer_works_with_this_permission_only(
    people: dict[str, Person], sid: str, action: str
) -> None:
    called, parameters = DIRECT[sid, action]
    if "KeyId" in parameters:
        keys = people["deployer"].operator.client("kms")
        parameters = {"KeyId": keys.describe_key(KeyId=f"alias/{TABLE}")["KeyMetadata"]["Arn"]}
    assert people["deployer"].may(called, **parameters)
    with people["deployer"].without(sid, action):
        assert not people["deployer"].may(called, **parameters)


@pytest.mark.parametrize(("role", "action", "parameters"), REFUSED)
def test_a_person_may_not(people: dict[str, Person], role: str, action: str, parameters: dict[str, Any]) -> None:
    if "KeyId" in parameters:
        parameters = {"KeyId": people[role].operator.client("kms").create_key()["KeyMetadata"]["Arn"]}
    assert not people[role].may(action, **parameters)


def test_with_the_boundary_of_functions_somebody_who_may_do_everything_uses_the_items_of_the_stage_only(
    people: dict[str, Person],
) -> None:
    function = Person(people["deployer"].operator, "functions", bounded=True)
    assert function.may("dynamodb:Query", **PARAMETERS["dynamodb:Query"])
    assert not function.may("dynamodb:Scan", **PARAMETERS["dynamodb:Scan"])
    assert not function.may("dynamodb:GetItem", **OTHER, Key=KEY)
    assert not function.may("secretsmanager:GetSecretValue", SecretId=TABLE)


@pytest.mark.parametrize("words", [*PROGRAMS, *OPERATORS_PROGRAMS])
def test_the_operator_can_run_the_operator_program(people: dict[str, Person], words: tuple[str, ...]) -> None:
    assert people["operator"].runs(*words)


@pytest.mark.parametrize("words", PROGRAMS)
def test_the_observer_can_run_what_shows_the_state(people: dict[str, Person], words: tuple[str, ...]) -> None:
    assert people["observer"].runs(*words)


@pytest.mark.parametrize("words", OPERATORS_PROGRAMS)
def test_the_observer_cannot_run_what_changes_anything(people: dict[str, Person], words: tuple[str, ...]) -> None:
    assert not people["observer"].runs(*words)


def test_the_deployer_deploys_rolls_back_rotates_and_erases(people: dict[str, Person]) -> None:
    """Last, because it ends the stage. The functions pass the smoke test within their boundary."""
    deployer, administrator = people["deployer"], people["deployer"].operator
    keys = deployer.keys  # made before its policy changes
    with deployer.without("Packages", "s3:PutObject"):
        refused = administrator.run("deploy", "--yes", code=1, environ=keys)
    assert f"the bucket guichet-packages-{ACCOUNT}-eu-west-3 cannot be used (AccessDenied)" in refused[-1]
    lines = administrator.run("deploy", "--yes", environ=keys, Boundary='"yes"')
    assert [line for line in lines if line.startswith("  ok: ")] == STEPS
    administrator.run("rollback", "--yes", environ=keys)
    administrator.run("rotate", "--yes", environ=keys)
    secrets = administrator.client("secretsmanager")
    secrets.create_secret(Name=f"{TABLE}-desk", SecretString="example")
    administrator.run("destroy", "--yes", "--erase", TABLE, environ=keys)
    assert administrator.deployment.stacks.status(f"{TABLE}-data") == "DELETE_COMPLETE"
    assert "DeletedDate" in secrets.describe_secret(SecretId=f"{TABLE}-desk")
