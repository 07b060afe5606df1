"""A stage on an emulator that checks permissions, and people who have one of the policies of access.yaml each."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

from infra.deploy.cloudformation import ACCESS, read_template
from infra.deploy.package import ROOT, package
from infra.local.settings import ACCOUNT, REGION
from tests.rehearsal.operator import SETTINGS, STAGE, Operator

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"}
TABLE, COPY, OTHER = f"guichet-{STAGE}", f"guichet-{STAGE}-20261130T075500", "guichet-other"
KEY = {"pk": {"S": "EXAMPLE"}, "sk": {"S": "EXAMPLE"}}
QUEUE = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{TABLE}-unsent"
STREAM = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}/stream/2026-11-30T07:55:00.000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
HOUR = {"StartTime": 1795996800, "EndTime": 1796000400}
LOG = {"logGroupName": f"/aws/lambda/{TABLE}-page"}
OTHER_NAMES = {
    "dynamodb:ConditionCheckItem": ("dynamodb", "TransactWriteItems"),
    "dynamodb:GetRecords": ("dynamodbstreams", "GetRecords"),
    "dynamodb:GetShardIterator": ("dynamodbstreams", "GetShardIterator"),
    "lambda:InvokeFunction": ("lambda", "Invoke"),
    "ses:DeleteSuppressedDestination": ("sesv2", "DeleteSuppressedDestination"),
    "ses:GetAccount": ("sesv2", "GetAccount"),
}
"""Actions of IAM that have another name in boto3."""
_QUERY = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": KEY["pk"]}}
PARAMETERS: dict[str, dict[str, Any]] = {
    "cloudwatch:GetDashboard": {"DashboardName": TABLE},
    "cloudwatch:GetMetricData": {"MetricDataQueries": [], **HOUR},
    "cloudwatch:GetMetricStatistics": {"Namespace": "Guichet", "MetricName": "Holds", "Period": 60, **HOUR},
    "cloudwatch:SetAlarmState": {"AlarmName": f"{TABLE}-failures", "StateValue": "OK", "StateReason": "drill"},
    "dynamodb:BatchGetItem": {"RequestItems": {TABLE: {"Keys": [KEY]}}},
    "dynamodb:BatchWriteItem": {"RequestItems": {COPY: [{"PutRequest": {"Item": KEY}}]}},
    "dynamodb:ConditionCheckItem": {
        "TransactItems": [{"ConditionCheck": {"TableName": TABLE, "Key": KEY, "ConditionExpression": "pk = sk"}}]
    },
    "dynamodb:DeleteItem": {"TableName": TABLE, "Key": KEY},
    "dynamodb:DeleteTable": {"TableName": TABLE},
    "dynamodb:DescribeTable": {"TableName": TABLE},
    "dynamodb:GetItem": {"TableName": TABLE, "Key": KEY},
    "dynamodb:GetRecords": {"ShardIterator": f"{STREAM}|1|none"},
    "dynamodb:GetShardIterator": {
        "StreamArn": STREAM,
        "ShardId": "shardId-00000000000000000001",
        "ShardIteratorType": "LATEST",
    },
    "dynamodb:PutItem": {"TableName": TABLE, "Item": KEY},
    "dynamodb:Query": {"TableName": TABLE, **_QUERY},
    "dynamodb:RestoreTableToPointInTime": {"SourceTableName": "guichet-none", "TargetTableName": COPY},
    "dynamodb:Scan": {"TableName": TABLE, "AttributesToGet": ["pk", "sent"]},
    "dynamodb:UpdateItem": {"TableName": TABLE, "Key": KEY},
    "events:DisableRule": {"Name": f"{TABLE}-none"},
    "events:EnableRule": {"Name": f"{TABLE}-none"},
    "lambda:GetFunctionConcurrency": {"FunctionName": f"{TABLE}-page"},
    "lambda:InvokeFunction": {"FunctionName": f"{TABLE}-office", "InvocationType": "DryRun"},
    "logs:DescribeLogStreams": LOG,
    "logs:FilterLogEvents": LOG,
    "logs:GetLogEvents": {**LOG, "logStreamName": "none"},
    "ses:DeleteSuppressedDestination": {"EmailAddress": "awa@example.org"},
    "sqs:ChangeMessageVisibility": {"QueueUrl": QUEUE, "ReceiptHandle": "none", "VisibilityTimeout": 0},
    "sqs:DeleteMessage": {"QueueUrl": QUEUE, "ReceiptHandle": "none"},
    "sqs:GetQueueAttributes": {"QueueUrl": QUEUE},
    "sqs:GetQueueUrl": {"QueueName": f"{TABLE}-unsent"},
    "sqs:PurgeQueue": {"QueueUrl": QUEUE},
    "sqs:ReceiveMessage": {"QueueUrl": QUEUE},
}
"""What a call of an action is given, for those that need anything."""
NAMED_OTHERWISE = {
    "Changes": "the emulator checks no stream by name",
    "Letters": "it checks no sender by name",
    "NamesOfKeys": "it checks no alias by name",
    "RestoreIntoACopy": "it checks no table that is restored by name",
    "Schedules": "it calls the rule R of the default bus rule/default/R, as AWS does not",
}
"""Statements of which the emulator checks the actions only. Their resource becomes `*`."""
NOT_CHECKED = {
    ("TheCopy", "dynamodb:RestoreTableToPointInTime"): "the emulator checks no copy by name",
    ("TheMailersStream", "lambda:UpdateEventSourceMapping"): "the emulator allows it to everybody",
    ("MetricsAndQuotas", "lambda:GetAccountSettings"): "the same",
    ("MetricsAndQuotas", "lambda:GetFunctionConcurrency"): "the emulator takes it for PutFunctionConcurrency",
}
"""Permissions, each by its statement and action, that the emulator does not check."""


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    """Return the actions of a statement."""
    actions = statement["Action"]
    return actions if isinstance(actions, list) else [actions]


def allowing(action: str) -> dict[str, Any]:
    """Return a policy that allows an action on everything."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


PERMISSIONS = [
    (role, statement["Sid"], action)
    for role in ("operator", "observer")
    for statement in read_template(ACCESS)["Resources"][role.title()]["Properties"]["PolicyDocument"]["Statement"]
    if statement["Effect"] == "Allow"
    for action in actions_of(statement)
    if (statement["Sid"], action) not in NOT_CHECKED
]
"""What operator and observer may do: the role, the statement, the action."""
_PACKAGES = f"guichet-packages-{ACCOUNT}-{REGION}"
DIRECT: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("TheStage", "cloudformation:*"): ("cloudformation:DescribeStacks", {"StackName": TABLE}),
    ("TheStage", "dynamodb:*"): ("dynamodb:Scan", {"TableName": TABLE}),
    ("TheStage", "lambda:*"): ("lambda:GetAlias", {"FunctionName": f"{TABLE}-page", "Name": "live"}),
    ("TheStage", "secretsmanager:*"): ("secretsmanager:GetSecretValue", {"SecretId": TABLE}),
    ("TheStage", "sns:*"): ("sns:DeleteTopic", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{TABLE}-none"}),
    ("TheStage", "sqs:*"): ("sqs:DeleteQueue", {"QueueUrl": QUEUE.replace("unsent", "none")}),
    ("Packages", "s3:GetObject"): ("s3:GetObject", {"Bucket": _PACKAGES, "Key": "none"}),
    ("Packages", "s3:ListBucket"): ("s3:HeadBucket", {"Bucket": _PACKAGES}),
    ("Packages", "s3:PutObject"): ("s3:PutObject", {"Bucket": _PACKAGES, "Key": "example"}),
    ("KeysOfTheStage", "kms:DescribeKey"): ("kms:DescribeKey", {"KeyId": "the stage's"}),
    ("Apis", "apigateway:GET"): ("apigateway:GetAccount", {}),
    ("Quotas", "ses:GetAccount"): ("ses:GetAccount", {}),
}
"""For a permission of the deployer, a call that the commands make themselves, not through CloudFormation."""


@dataclass(frozen=True)
class Person:
    """Somebody with one of the policies, on the stage of an operator with all permissions."""

    operator: Operator
    role: str
    bounded: bool = False
    """Whether the policy is a boundary of somebody who may do everything."""

    @property
    def policy(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:policy/{TABLE}-{self.role}"

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The access key of a new user who has this policy only."""
        iam = self.operator.client("iam")
        self.put(self.document)
        iam.create_user(UserName=self.role, **({"PermissionsBoundary": self.policy} if self.bounded else {}))
        if self.bounded:
            iam.put_user_policy(UserName=self.role, PolicyName="everything", PolicyDocument=json.dumps(allowing("*")))
        else:
            iam.attach_user_policy(UserName=self.role, PolicyArn=self.policy)
        key = iam.create_access_key(UserName=self.role)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    @cached_property
    def document(self) -> dict[str, Any]:
        """The policy as CloudFormation made it, with resources as the emulator names them."""
        iam = self.operator.client("iam")
        version = iam.get_policy(PolicyArn=self.policy)["Policy"]["DefaultVersionId"]
        stored = iam.get_policy_version(PolicyArn=self.policy, VersionId=version)["PolicyVersion"]
        document: dict[str, Any] = stored["Document"]
        for statement in document["Statement"]:
            if statement["Sid"] in NAMED_OTHERWISE:
                statement["Resource"] = "*"
        return document

    def put(self, document: Mapping[str, Any]) -> None:
        """Replace the policy."""
        iam, text = self.operator.client("iam"), json.dumps(document)
        iam.create_policy_version(PolicyArn=self.policy, PolicyDocument=text, SetAsDefault=True)
        for version in iam.list_policy_versions(PolicyArn=self.policy)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=self.policy, VersionId=version["VersionId"])

    def may(self, action: str, **parameters: Any) -> bool:
        """Call an action, and return whether it was allowed. A call that fails for another reason was."""
        service, name = OTHER_NAMES.get(action, action.split(":"))
        keys = {name.lower(): value for name, value in self.keys.items()}
        client = boto3.client(service, endpoint_url=self.operator.endpoint, region_name=REGION, **keys)
        try:
            getattr(client, xform_name(name))(**(parameters or PARAMETERS.get(action, {})))
        except ClientError as error:
            return error.response["Error"]["Code"] not in DENIED
        return True

    def runs(self, module: str, *words: str) -> bool:
        """Run a program, and return whether all that it did was allowed. It may find nothing."""
        environ = {**self.keys, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.operator.endpoint}
        command = [sys.executable, "-m", module, *words]
        home = {"PATH": "/usr/bin:/bin", "HOME": str(self.operator.folder), "GUICHET_STAGE": STAGE}
        ended = subprocess.run(command, cwd=ROOT, env={**home, **environ}, check=False, capture_output=True, text=True)
        denied = "AccessDenied" in ended.stderr
        assert denied or ended.returncode <= 1, ended.stdout + ended.stderr
        return not denied

    @contextmanager
    def without(self, sid: str, action: str) -> Iterator[None]:
        """Take an action out of a statement of the policy for as long as the block lasts."""
        statements = self.document["Statement"]
        remaining = [
            {**each, "Action": [a for a in actions_of(each) if each["Sid"] != sid or a != action]}
            for each in statements
        ]
        assert [len(actions_of(each)) for each in remaining] != [len(actions_of(each)) for each in statements]
        self.put({**self.document, "Statement": [each for each in remaining if each["Action"]]})
        try:
            yield
        finally:
            self.put(self.document)


def install(operator: Operator) -> None:
    """Create the policies as an administrator does, and the stacks of the stage, with a service."""
    operator.run("access", "--yes")
    deployment = operator.deployment
    plan = deployment.plan_data({"MailFrom": SETTINGS["MailFrom"]})
    assert plan
    deployment.stacks.execute(plan)
    plan = deployment.plan_app(package(STAGE), {"Reserve": "no", "Boundary": "yes"})
    assert plan
    deployment.stacks.execute(plan)
    operator.run_program("infra.ops", "services", "put", "--yes", "infra/services/aes.yaml", "--stage", STAGE)
    bound(operator)


def bound(operator: Operator) -> None:
    """Give each role its boundary, which the emulator's CloudFormation does not. Let the mailer use any sender."""
    boundary, iam = Person(operator, "functions"), operator.client("iam")
    boundary.put(boundary.document)
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"].startswith(f"{TABLE}-"):
            iam.put_role_permissions_boundary(RoleName=role["RoleName"], PermissionsBoundary=boundary.policy)
        if role["RoleName"].startswith(f"{TABLE}-MailerRole"):
            any_sender = json.dumps(allowing("ses:SendRawEmail"))
            iam.put_role_policy(RoleName=role["RoleName"], PolicyName="any-sender", PolicyDocument=any_sender)
