"""Read templates, and change stacks through change sets."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError, WaiterError

from infra.deploy.aws import CannotDeploy, Client
from infra.deploy.bucket import Bucket

TEMPLATES = Path(__file__).parent / "templates"
DATA = TEMPLATES / "data.yaml"
APP = TEMPLATES / "app.yaml"
CDN = TEMPLATES / "cdn.yaml"
ACCOUNT = TEMPLATES / "account.yaml"
ACCESS = TEMPLATES / "access.yaml"
WAIT = {"Delay": 1, "MaxAttempts": 3600}
"""Poll each second, for at most an hour."""
READY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "REVIEW_IN_PROGRESS"}
ABSENT = {"DELETE_COMPLETE", "REVIEW_IN_PROGRESS"}
"""States of a stack that must be created, not updated."""
NEVER_USED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}
"""States of a stack whose creation failed or has not begun. It holds no data."""

_CREATION_FAILED = "it could not be created: `make destroy STAGE={stage}` deletes it, then deploy again"
_BLOCKED = {
    "ROLLBACK_COMPLETE": _CREATION_FAILED,
    "ROLLBACK_FAILED": _CREATION_FAILED,
    "DELETE_FAILED": "it could not be deleted: `make destroy STAGE={stage}` tries again and names the obstacle",
    "UPDATE_ROLLBACK_FAILED": "an update could not be rolled back: run `aws cloudformation continue-update-rollback`",
    "UPDATE_FAILED": "an update stopped half-way: run `aws cloudformation rollback-stack`",
}
_BUSY = "another operation is running: see it in CloudFormation, and try again when it has ended"


class _TemplateLoader(yaml.SafeLoader):
    """Expands CloudFormation's short forms: `!Sub x` becomes `{Fn::Sub: x}`."""


def _expand(loader: _TemplateLoader, name: str, node: yaml.Node) -> dict[str, Any]:
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


_TemplateLoader.add_multi_constructor("!", _expand)


def read_template(path: Path) -> dict[str, Any]:
    """Read a template, with its short forms, anchors and merge keys expanded."""
    document: dict[str, Any] = yaml.load(path.read_text("utf-8"), _TemplateLoader)  # noqa: S506 - a SafeLoader
    return document


@dataclass(frozen=True)
class Plan:
    """A change set that waits to be executed."""

    stack: str
    change_set: str
    new: bool
    changes: tuple[tuple[str, str, str], ...]
    """The action (Add, Modify, Replace, Remove), the name and the type of each resource."""

    def lines(self) -> list[str]:
        """Return the changes as lines for a person."""
        title = f"{self.stack}: {'a new stack' if self.new else 'an update'}"
        return [title, *(f"  {action:8} {name} ({kind})" for action, name, kind in self.changes)]


@dataclass(frozen=True)
class Stacks:
    """The CloudFormation stacks of one account and region."""

    client: Client
    bucket: Bucket
    tags: Mapping[str, str] = field(default_factory=dict)

    def status(self, stack: str) -> str:
        """Return the status of a stack; DELETE_COMPLETE if there is none."""
        try:
            (description,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return "DELETE_COMPLETE"
        return str(description["StackStatus"])

    def plan(self, stack: str, document: Mapping[str, Any], parameters: Mapping[str, str]) -> Plan | None:
        """Create a change set. Return None, and leave no change set, if nothing changes.

        Raises CannotDeploy if the stack cannot be changed now or CloudFormation refuses the template. `parameters`
        must have the `Stage`.
        """
        cloudformation, status = self.client("cloudformation"), self.status(stack)
        if status not in READY | ABSENT:
            reason = _BLOCKED.get(status, _BUSY).format(stage=parameters["Stage"])
            raise CannotDeploy(f"{stack} is {status}: {reason}")
        template = json.dumps(document, ensure_ascii=False).encode()
        key = f"{stack}-{hashlib.sha256(template).hexdigest()}.template"
        self.bucket.upload(key, template)
        change_set = {"StackName": stack, "ChangeSetName": f"guichet-{datetime.now(UTC):%Y%m%d%H%M%S%f}"}
        cloudformation.create_change_set(
            **change_set,
            ChangeSetType="CREATE" if status in ABSENT else "UPDATE",
            TemplateURL=self.bucket.url(key),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(parameters.items())],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": name, "Value": value} for name, value in sorted(self.tags.items())],
        )
        try:
            cloudformation.get_waiter("change_set_create_complete").wait(**change_set, WaiterConfig=WAIT)
        except WaiterError as error:
            reason = str(cloudformation.describe_change_set(**change_set).get("StatusReason", error))
            cloudformation.delete_change_set(**change_set)
            if "didn't contain changes" in reason or "No updates are to be performed" in reason:
                return None
            raise CannotDeploy(f"CloudFormation refuses {stack}: {' '.join(reason.split())}") from error
        return Plan(stack, change_set["ChangeSetName"], status in ABSENT, self._changes(change_set))

    def _changes(self, change_set: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
        pages = self.client("cloudformation").get_paginator("describe_change_set").paginate(**change_set)
        changes = [change["ResourceChange"] for page in pages for change in page["Changes"]]
        return tuple(
            (
                "Replace" if change.get("Replacement") == "True" else change["Action"],
                change["LogicalResourceId"],
                change["ResourceType"].removeprefix("AWS::"),
            )
            for change in changes
        )

    def execute(self, plan: Plan) -> None:
        """Execute a plan and wait. Raise CannotDeploy with the first reason if CloudFormation rolled it back."""
        cloudformation, start = self.client("cloudformation"), datetime.now(UTC)
        cloudformation.execute_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        waiter = cloudformation.get_waiter("stack_create_complete" if plan.new else "stack_update_complete")
        try:
            waiter.wait(StackName=plan.stack, WaiterConfig=WAIT)
        except WaiterError as error:
            events = cloudformation.describe_stack_events(StackName=plan.stack)["StackEvents"]
            failures = [
                f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
                for event in reversed(events)  # the newest comes first
                if event["ResourceStatus"].endswith("_FAILED") and event["Timestamp"] >= start
            ]
            reason = failures[0] if failures else "see its events"
            raise CannotDeploy(f"{plan.stack} is {self.status(plan.stack)}: {reason}") from error

    def drop(self, plan: Plan) -> None:
        """Delete a plan, and the empty stack that CloudFormation creates for the plan of a new stack."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_change_set(StackName=plan.stack, ChangeSetName=plan.change_set)
        if plan.new:
            cloudformation.delete_stack(StackName=plan.stack)

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a stack."""
        (description,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", ())}

    def resources(self, stack: str) -> list[dict[str, str]]:
        """Return the resources of a stack, without those it has deleted."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        return [resource for resource in resources if resource["ResourceStatus"] != "DELETE_COMPLETE"]

    def protect(self, stack: str, *, enabled: bool) -> None:
        """Set the termination protection of a stack."""
        self.client("cloudformation").update_termination_protection(
            StackName=stack, EnableTerminationProtection=enabled
        )

    def delete(self, stack: str) -> None:
        """Delete a stack and wait. Raise CannotDeploy if CloudFormation could not delete it."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack)
        try:
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=WAIT)
        except WaiterError as error:
            raise CannotDeploy(f"{stack} is {self.status(stack)}: see its events in CloudFormation") from error
