"""The published version of each function that runs, ran before, or was deployed last."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.deploy.aws import Client
from infra.deploy.cloudformation import ABSENT, Stacks

LIVE = "live"
"""The alias of each function that API Gateway, the stream and the schedules invoke."""
BEFORE = "before"
"""The alias of the version that was live before the last deployment. A rollback returns to it."""


@dataclass(frozen=True)
class Versions:
    """The versions of the functions of an application stack, each as `{function: version}`."""

    client: Client
    stacks: Stacks
    app_stack: str

    def live(self) -> dict[str, str]:
        """Return the version that runs; empty before the first deployment."""
        return self._of_alias(LIVE)

    def before(self) -> dict[str, str]:
        """Return the version that ran before the last deployment."""
        return self._of_alias(BEFORE)

    def published(self) -> dict[str, str]:
        """Return the version that the stack describes. After a rollback it is not the live one."""
        arns = self._physical_ids("AWS::Lambda::Version")
        return {arn.split(":")[6]: arn.split(":")[7] for arn in arns}

    def functions(self) -> list[str]:
        """Return the names of the functions."""
        if self.stacks.status(self.app_stack) in ABSENT:
            return []
        return sorted(self._physical_ids("AWS::Lambda::Function"))

    def point(self, alias: str, versions: Mapping[str, str]) -> None:
        """Point an alias of each function at a version. Create the alias if it does not exist."""
        client = self.client("lambda")
        for function, version in versions.items():
            target = {"FunctionName": function, "Name": alias, "FunctionVersion": version}
            try:
                client.update_alias(**target)
            except client.exceptions.ResourceNotFoundException:
                client.create_alias(**target)

    def _of_alias(self, alias: str) -> dict[str, str]:
        client, versions = self.client("lambda"), {}
        for function in self.functions():
            try:
                versions[function] = client.get_alias(FunctionName=function, Name=alias)["FunctionVersion"]
            except client.exceptions.ResourceNotFoundException:
                continue
        return versions

    def _physical_ids(self, kind: str) -> list[str]:
        resources = self.stacks.resources(self.app_stack)
        return [resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == kind]
