"""The stacks of a stage, put in place by change sets: on AWS, and on the engine that plays it on a laptop.

guichet-STAGE-data    infra/deploy/templates/data.yaml: what outlives everything
guichet-STAGE         the application: `chalice package` merged with infra/deploy/templates/app.yaml
guichet-STAGE-edge    infra/deploy/templates/cdn.yaml, in us-east-1: only for a stage with a domain
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError, WaiterError

from infra.deploy.bucket import Bucket
from infra.deploy.package import ROOT, CannotDeploy, Client

TEMPLATES = ROOT / "infra/deploy/templates"
DATA = TEMPLATES / "data.yaml"
APP = TEMPLATES / "app.yaml"
EDGE = TEMPLATES / "cdn.yaml"
LIVE, BEFORE = "live", "before"
"""The alias of each function that everything calls, and the one that remembers what it was before."""
WAIT = {"Delay": 1, "MaxAttempts": 3600}
READY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "REVIEW_IN_PROGRESS"}
NOT_MADE = {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"}
"""The stack exists in name only: it is made, not changed."""
NEVER_MADE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}
"""Its creation failed or was never begun: nothing in it was ever used."""


class _Tags(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Sub x` is `{Fn::Sub: x}`."""


def _long(loader: _Tags, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # there is no fourth kind
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Tags.add_multi_constructor("!", _long)


def template(path: Path) -> dict[str, Any]:
    """A template of this project, its short forms and repetitions written out."""
    read: dict[str, Any] = yaml.load(path.read_text("utf-8"), _Tags)  # noqa: S506 - a SafeLoader
    return read


@dataclass(frozen=True)
class Plan:
    """A change set that waits: which stack, and what it would do to which resource."""

    stack: str
    change_set: str
    new: bool
    changes: tuple[tuple[str, str, str], ...]
    """What is done (Add, Modify, Replace, Remove), the name and the type of each resource."""

    def lines(self) -> list[str]:
        """The changes as people read them."""
        words = [f"{self.stack}: {'a new stack' if self.new else 'an update'}"]
        return words + [f"  {do:8} {name} ({kind})" for do, name, kind in self.changes]


@dataclass(frozen=True)
class Deployment:
    """One stage in one account and region."""

    stage: str
    client: Client
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_stack(self) -> str:
        """The stack that outlives everything."""
        return f"guichet-{self.stage}-data"

    @property
    def app_stack(self) -> str:
        """The application."""
        return f"guichet-{self.stage}"

    @property
    def edge_stack(self) -> str:
        """CloudFront before it."""
        return f"guichet-{self.stage}-edge"

    @property
    def table(self) -> str:
        """The table of the stage."""
        return f"guichet-{self.stage}"

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket that code and templates go through."""
        return Bucket(self.client)

    def data(self, parameters: Mapping[str, str]) -> Plan | None:
        """What would change in the data stack; None if nothing."""
        return self.plan(self.data_stack, template(DATA), parameters)

    def edge(self, parameters: Mapping[str, str]) -> Plan | None:
        """What would change at the edge, of a deployment to us-east-1; None if nothing."""
        return self.plan(self.edge_stack, template(EDGE), parameters)

    def app(self, package: Path, parameters: Mapping[str, str]) -> Plan | None:
        """What would change in the application, given its package; None if nothing. The data stack must be there."""
        document = template(package)
        code = package.with_name("deployment.zip").read_bytes()
        key = f"{hashlib.sha256(code).hexdigest()}.zip"
        self.bucket.upload(key, code)
        values = {**parameters, "SecretVersion": self.secret_version()}
        revision = hashlib.sha256(json.dumps([document, key, values], sort_keys=True).encode()).hexdigest()
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = {"Bucket": self.bucket.name, "Key": key}
                resource["Properties"]["AutoPublishCodeSha256"] = revision  # other settings are another version too
        return self.plan(self.app_stack, document, values)

    def secret_version(self) -> str:
        """Which version of the stage's secret is in use: CloudFormation reads the secret itself."""
        found = self.client("secretsmanager").describe_secret(SecretId=self.table)["VersionIdsToStages"]
        return str(next(version for version, stages in found.items() if "AWSCURRENT" in stages))

    def status(self, stack: str) -> str:
        """The state of a stack; DELETE_COMPLETE when there is none."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return "DELETE_COMPLETE"
        return str(found[0]["StackStatus"])

    def plan(self, stack: str, document: dict[str, Any], parameters: Mapping[str, str]) -> Plan | None:
        """A change set for this stack; None, and no change set is left, if it changes nothing."""
        cloud, status = self.client("cloudformation"), self.status(stack)
        if status not in READY | NOT_MADE:
            raise CannotDeploy(f"{stack} is {status}: {_WAY_OUT.get(status, _WAIT_FOR_IT).format(stage=self.stage)}")
        text = json.dumps(document, ensure_ascii=False).encode()
        key = f"{stack}-{hashlib.sha256(text).hexdigest()}.template"
        self.bucket.upload(key, text)
        name = f"guichet-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
        values = {"Stage": self.stage, **parameters}
        cloud.create_change_set(
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if status in NOT_MADE else "UPDATE",
            TemplateURL=self.bucket.url(key),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(values.items())],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": key, "Value": value} for key, value in sorted(self.tags.items())],
        )
        which = {"StackName": stack, "ChangeSetName": name}
        try:
            cloud.get_waiter("change_set_create_complete").wait(**which, WaiterConfig=WAIT)
        except WaiterError as error:
            why = str(cloud.describe_change_set(**which).get("StatusReason", error))
            cloud.delete_change_set(**which)
            if "didn't contain changes" in why or "No updates are to be performed" in why:
                return None
            raise CannotDeploy(f"CloudFormation refuses {stack}: {' '.join(why.split())}") from error
        return Plan(stack, name, status in NOT_MADE, self._changes(which))

    def _changes(self, which: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
        pages = self.client("cloudformation").get_paginator("describe_change_set").paginate(**which)
        found = [change["ResourceChange"] for page in pages for change in page["Changes"]]
        return tuple(
            (
                "Replace" if change.get("Replacement") == "True" else change["Action"],
                change["LogicalResourceId"],
                change["ResourceType"].removeprefix("AWS::"),
            )
            for change in found
        )

    def execute(self, plan: Plan) -> None:
        """Do what a plan says; CannotDeploy when CloudFormation took it back, with its first reason."""
        cloud, began = self.client("cloudformation"), datetime.now(UTC)
        cloud.execute_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        waiter = cloud.get_waiter("stack_create_complete" if plan.new else "stack_update_complete")
        try:
            waiter.wait(StackName=plan.stack, WaiterConfig=WAIT)
        except WaiterError as error:
            events = cloud.describe_stack_events(StackName=plan.stack)["StackEvents"]
            failed = [
                f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
                for event in reversed(events)
                if event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"] >= began
            ]
            why = failed[0] if failed else "see its events"
            raise CannotDeploy(f"{plan.stack} is {self.status(plan.stack)}: {why}") from error

    def drop(self, plan: Plan) -> None:
        """Forget a plan, and the empty stack that CloudFormation keeps for the plan of a new one."""
        cloud = self.client("cloudformation")
        cloud.delete_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        if plan.new:
            cloud.delete_stack(StackName=plan.stack)

    def outputs(self, stack: str) -> dict[str, str]:
        """What a stack says of itself."""
        found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}

    def release(self) -> None:
        """Let the release function do at once what it does every hour."""
        event = {"version": "0", "id": "now", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
        place = {"account": "", "region": "", "time": datetime.now(UTC).isoformat(), "resources": []}
        name, payload = f"guichet-{self.stage}-release", json.dumps(event | place).encode()
        done = self.client("lambda").invoke(FunctionName=name, Qualifier=LIVE, Payload=payload)
        if "FunctionError" in done:
            raise CannotDeploy(f"the release function failed, see its log: {done['Payload'].read().decode()}")

    def environ(self) -> dict[str, str]:
        """The environment of a program that works on this stage."""
        return {**os.environ, "AWS_DEFAULT_REGION": self.client("s3").meta.region_name}

    def delete(self, stack: str) -> None:
        """Delete a stack; CannotDeploy says what was in the way."""
        cloud = self.client("cloudformation")
        cloud.delete_stack(StackName=stack)
        try:
            cloud.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=WAIT)
        except WaiterError as error:
            raise CannotDeploy(f"{stack} is {self.status(stack)}: see its events in CloudFormation") from error

    def erase(self) -> None:
        """Erase what the data stack keeps, and it: nothing else does."""
        cloud, stack = self.client("cloudformation"), self.data_stack
        if self.status(stack) == "DELETE_COMPLETE":
            return
        pages = cloud.get_paginator("list_stack_resources").paginate(StackName=stack)
        kept = {
            one["ResourceType"]: one["PhysicalResourceId"] for page in pages for one in page["StackResourceSummaries"]
        }
        cloud.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
        table = self.client("dynamodb")
        table.update_table(TableName=self.table, DeletionProtectionEnabled=False)
        table.get_waiter("table_exists").wait(TableName=self.table)
        self.delete(stack)
        table.delete_table(TableName=self.table)
        table.get_waiter("table_not_exists").wait(TableName=self.table)
        self.client("sesv2").delete_email_identity(EmailIdentity=kept["AWS::SES::EmailIdentity"])
        self.client("sesv2").delete_configuration_set(ConfigurationSetName=self.table)
        self.client("sns").delete_topic(TopicArn=kept["AWS::SNS::Topic"])
        self.client("sqs").delete_queue(QueueUrl=kept["AWS::SQS::Queue"])
        self.client("secretsmanager").delete_secret(SecretId=self.table, RecoveryWindowInDays=7)
        self.client("kms").delete_alias(AliasName=f"alias/{self.table}")
        self.client("kms").schedule_key_deletion(KeyId=kept["AWS::KMS::Key"], PendingWindowInDays=30)

    # Versions

    def live(self) -> dict[str, str]:
        """The version of each function that everything calls; empty before the first deployment."""
        return self._versions(LIVE)

    def before(self) -> dict[str, str]:
        """The version of each function before the last deployment."""
        return self._versions(BEFORE)

    def _versions(self, alias: str) -> dict[str, str]:
        functions, found = self.client("lambda"), {}
        for name in self.functions():
            try:
                found[name] = functions.get_alias(FunctionName=name, Name=alias)["FunctionVersion"]
            except functions.exceptions.ResourceNotFoundException:
                continue
        return found

    def functions(self) -> list[str]:
        """The names of the functions of the stage."""
        if self.status(self.app_stack) in NOT_MADE:
            return []
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.app_stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        kept = (one for one in resources if one["ResourceStatus"] != "DELETE_COMPLETE")
        return sorted(one["PhysicalResourceId"] for one in kept if one["ResourceType"] == "AWS::Lambda::Function")

    def published(self) -> dict[str, str]:
        """The version of each function that the stack describes: other than `live` after a rollback."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.app_stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        arns = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::Lambda::Version"]
        return {arn.split(":")[6]: arn.split(":")[7] for arn in arns}

    def point(self, alias: str, versions: Mapping[str, str]) -> None:
        """Turn an alias of each function to this version."""
        functions = self.client("lambda")
        for name, version in versions.items():
            try:
                functions.update_alias(FunctionName=name, Name=alias, FunctionVersion=version)
            except functions.exceptions.ResourceNotFoundException:
                functions.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)


_WAIT_FOR_IT = "something is under way: look at it in CloudFormation, and try again when it is done"
_WAY_OUT = {
    "ROLLBACK_COMPLETE": "it could not be created: `make destroy STAGE={stage}` clears it away, then deploy again",
    "ROLLBACK_FAILED": "it could not be created: `make destroy STAGE={stage}` clears it away, then deploy again",
    "DELETE_FAILED": "it could not be deleted: `make destroy STAGE={stage}` tries again and says what is in the way",
    "UPDATE_ROLLBACK_FAILED": "an update could not be taken back: `aws cloudformation continue-update-rollback` does",
    "UPDATE_FAILED": "an update stopped half-way: `aws cloudformation rollback-stack` takes it back",
}
