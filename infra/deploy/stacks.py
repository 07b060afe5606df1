"""The stacks of a stage, on AWS or on the emulator of the local stack.

guichet-STAGE-data    infra/deploy/templates/data.yaml: table, key, secret, sender. They outlive every deployment
guichet-STAGE         the application: `chalice package` merged with infra/deploy/templates/app.yaml
guichet-STAGE-edge    infra/deploy/templates/cdn.yaml, in us-east-1: the CDN, only for a stage with a domain
guichet-account       infra/deploy/templates/account.yaml: what an account needs once for the logs of API Gateway
guichet-STAGE-access  infra/deploy/templates/access.yaml: who may do what. Only `make access` changes it
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.deploy.aws import CannotDeploy, Client
from infra.deploy.bucket import Bucket
from infra.deploy.cloudformation import ACCESS, ACCOUNT, CDN, DATA, Plan, Stacks, read_template
from infra.deploy.versions import LIVE, Versions


@dataclass(frozen=True)
class Deployment:
    """One stage in one account and region: its names, stacks and function versions."""

    stage: str
    client: Client
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_stack(self) -> str:
        return f"guichet-{self.stage}-data"

    @property
    def app_stack(self) -> str:
        return f"guichet-{self.stage}"

    @property
    def cdn_stack(self) -> str:
        return f"guichet-{self.stage}-edge"

    @property
    def table(self) -> str:
        return f"guichet-{self.stage}"

    @cached_property
    def bucket(self) -> Bucket:
        return Bucket(self.client)

    @cached_property
    def stacks(self) -> Stacks:
        return Stacks(self.client, self.bucket, self.tags)

    @cached_property
    def versions(self) -> Versions:
        return Versions(self.client, self.stacks, self.app_stack)

    def plan_data(self, parameters: Mapping[str, str]) -> Plan | None:
        """Plan the data stack. Return None if nothing changes."""
        return self._plan(self.data_stack, read_template(DATA), parameters)

    def plan_cdn(self, parameters: Mapping[str, str]) -> Plan | None:
        """Plan the CDN stack. Return None if nothing changes. This deployment must be one in us-east-1."""
        return self._plan(self.cdn_stack, read_template(CDN), parameters)

    def plan_access(self, sender: str) -> Plan | None:
        """Plan the policies of who works on the stage. Return None if nothing changes. SES verifies `sender`."""
        return self._plan(f"{self.app_stack}-access", read_template(ACCESS), {"Sender": sender})

    def plan_account(self) -> Plan | None:
        """Plan the role with which API Gateway writes logs. Return None if the account has one in this region."""
        if self.client("apigateway").get_account().get("cloudwatchRoleArn"):
            return None
        return self._plan("guichet-account", read_template(ACCOUNT), {})

    def plan_app(self, package: Path, parameters: Mapping[str, str]) -> Plan | None:
        """Upload the functions with their layers and plan the application stack. Return None if nothing changes.

        `package` is the packaged template, beside its zips. The data stack must exist.
        """
        document = read_template(package)
        key = self._upload(package.with_name("deployment.zip"))
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Lambda::LayerVersion":
                content = resource["Properties"]["Content"]
                content |= {"S3Bucket": self.bucket.name, "S3Key": self._upload(package.with_name(content["S3Key"]))}
        values = {**parameters, "SecretVersion": self.secret_version()}
        if parameters.get("DeskIssuer"):
            values["DeskSecretVersion"] = self.desk_secret_version()
        # A changed setting must publish a new version too, so the revision covers more than the code.
        revision = hashlib.sha256(json.dumps([document, key, values], sort_keys=True).encode()).hexdigest()
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = {"Bucket": self.bucket.name, "Key": key}
                resource["Properties"]["AutoPublishCodeSha256"] = revision
        return self._plan(self.app_stack, document, values)

    def _upload(self, file: Path) -> str:
        """Upload a zip. Return its key, which is the hash of its content."""
        code = file.read_bytes()
        key = f"{hashlib.sha256(code).hexdigest()}.zip"
        self.bucket.upload(key, code)
        return key

    def _plan(self, stack: str, document: Mapping[str, Any], parameters: Mapping[str, str]) -> Plan | None:
        return self.stacks.plan(stack, document, {"Stage": self.stage, **parameters})

    def secret_version(self) -> str:
        """Return the id of the current version of the stage's secret. CloudFormation reads the secret itself."""
        versions = self.client("secretsmanager").describe_secret(SecretId=self.table)["VersionIdsToStages"]
        return str(next(version for version, stages in versions.items() if "AWSCURRENT" in stages))

    def desk_secret_version(self) -> str:
        """Return the id of the current version of the client secret. Raise CannotDeploy if it is not stored."""
        secrets = self.client("secretsmanager")
        try:
            versions = secrets.describe_secret(SecretId=f"{self.table}-desk")["VersionIdsToStages"]
        except secrets.exceptions.ResourceNotFoundException as error:
            raise CannotDeploy(
                f"the desk of {self.stage} has no client secret: store the one that the identity provider gave in "
                f"Secrets Manager as {self.table}-desk (docs/deploy.md)"
            ) from error
        return str(next(version for version, stages in versions.items() if "AWSCURRENT" in stages))

    def release(self) -> None:
        """Invoke the release function now, as its schedule does every hour."""
        self.invoke("release")

    def invoke(self, function: str) -> None:
        """Invoke a scheduled function now. Raise CannotDeploy if it fails."""
        event = {
            "version": "0",
            "id": "now",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
            "account": "",
            "region": "",
            "time": datetime.now(UTC).isoformat(),
            "resources": [],
        }
        answer = self.client("lambda").invoke(
            FunctionName=f"guichet-{self.stage}-{function}", Qualifier=LIVE, Payload=json.dumps(event).encode()
        )
        payload = answer["Payload"].read().decode()  # unread, it keeps the connection open
        if "FunctionError" in answer:
            raise CannotDeploy(f"the {function} function failed, see its log: {payload}")

    def environ(self) -> dict[str, str]:
        """Return the environment for a program that works on this stage."""
        return {**os.environ, "AWS_DEFAULT_REGION": self.client("s3").meta.region_name}

    def erase(self) -> None:
        """Delete the data stack and everything that outlives it: table, sender, topic, queue, secrets and key."""
        if self.stacks.status(self.data_stack) == "DELETE_COMPLETE":
            return
        ids = {
            resource["ResourceType"]: resource["PhysicalResourceId"]
            for resource in self.stacks.resources(self.data_stack)
        }
        self.stacks.protect(self.data_stack, enabled=False)
        dynamodb = self.client("dynamodb")
        dynamodb.update_table(TableName=self.table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=self.table)
        self.stacks.delete(self.data_stack)
        dynamodb.delete_table(TableName=self.table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=self.table)
        self.client("sesv2").delete_email_identity(EmailIdentity=ids["AWS::SES::EmailIdentity"])
        self.client("sesv2").delete_configuration_set(ConfigurationSetName=self.table)
        self.client("sns").delete_topic(TopicArn=ids["AWS::SNS::Topic"])
        self.client("sqs").delete_queue(QueueUrl=ids["AWS::SQS::Queue"])
        self.delete_secrets()
        self.client("kms").delete_alias(AliasName=f"alias/{self.table}")
        self.client("kms").schedule_key_deletion(KeyId=ids["AWS::KMS::Key"], PendingWindowInDays=30)

    def delete_secrets(self) -> None:
        """Delete the secret of the stage, and the client secret of its desk if somebody has stored one."""
        secrets = self.client("secretsmanager")
        secrets.delete_secret(SecretId=self.table, RecoveryWindowInDays=7)
        not_there, deleted_before = (
            secrets.exceptions.ResourceNotFoundException,
            secrets.exceptions.InvalidRequestException,
        )
        with suppress(not_there, deleted_before):
            secrets.delete_secret(SecretId=f"{self.table}-desk", RecoveryWindowInDays=7)
