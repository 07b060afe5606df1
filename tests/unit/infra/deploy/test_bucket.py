"""The bucket of packages. Its name can be guessed, so each call to S3 names the account that must own it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.deploy.aws import CannotDeploy
from infra.deploy.stacks import Deployment

OWN, OTHER = "123456789012", "999999999999"  # moto's account, and another one
BUCKET = f"guichet-packages-{OWN}-eu-west-3"
TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


class Cloud:
    """CloudFormation as a deployment calls it for a new stack; it accepts everything."""

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        raise ClientError({"Error": {"Code": "ValidationError", "Message": f"{StackName} does not exist"}}, "any")

    def create_change_set(self, **_: object) -> None:
        """Accept it."""

    def get_waiter(self, _: str) -> "Cloud":
        return self

    def get_paginator(self, _: str) -> "Cloud":
        return self

    def wait(self, **_: object) -> None:
        """Wait for nothing."""

    def paginate(self, **_: object) -> list[Any]:
        return []


class Secrets:
    """The stage's secret."""

    def describe_secret(self, **_: object) -> Any:
        return {"VersionIdsToStages": {"1": ["AWSCURRENT"]}}


class Accounts:
    """Clients that record each call to S3, and refuse it as S3 does if the bucket has another owner than expected.

    The bucket of another account accepts writes from everybody: only the expected owner keeps code out of it.
    """

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        if service == "cloudformation":
            return Cloud()
        if service == "secretsmanager":
            return Secrets()
        client = boto3.client(service, region_name="eu-west-3")
        if service == "s3":
            client.meta.events.register("provide-client-params.s3", self.record)
        return client

    def record(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self.calls.append((model.name, dict(params)))
        if model.name == "CreateBucket":
            if self.owner:
                raise self.refusal("BucketAlreadyExists", model.name)
            self.owner = OWN
        elif not self.owner:
            raise self.refusal("404", model.name)
        elif params.get("ExpectedBucketOwner", self.owner) != self.owner:
            raise self.refusal("403" if model.name == "HeadBucket" else "AccessDenied", model.name)

    def refusal(self, code: str, operation: str) -> ClientError:
        client = boto3.client("s3", region_name="eu-west-3")
        kind = client.exceptions.BucketAlreadyExists if code == "BucketAlreadyExists" else ClientError
        refusal: ClientError = kind({"Error": {"Code": code, "Message": "no"}}, operation)
        return refusal


@contextmanager
def aws(owner: str = "") -> Iterator[tuple[Accounts, Deployment]]:
    with mock_aws():
        if owner:
            location = {"LocationConstraint": "eu-west-3"}
            boto3.client("s3", region_name="eu-west-3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        accounts = Accounts(owner)
        yield accounts, Deployment("trial", accounts.client)


def test_each_call_to_the_bucket_names_the_account_that_must_own_it(tmp_path: Path) -> None:
    (tmp_path / "sam.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}", "utf-8")
    (tmp_path / "deployment.zip").write_bytes(b"code")
    with aws(OWN) as (accounts, deployment):
        assert deployment.plan_app(tmp_path / "sam.yaml", {})
        assert deployment.stacks.plan("guichet-trial-data", TEMPLATE, {"Stage": "trial"})
    calls = [(name, params.get("ExpectedBucketOwner")) for name, params in accounts.calls if name != "GetObject"]
    assert calls == [("HeadBucket", OWN), ("PutObject", OWN), ("PutObject", OWN), ("PutObject", OWN)]


def test_a_bucket_that_does_not_exist_is_created_once() -> None:
    with aws() as (accounts, deployment):
        deployment.bucket.upload("1.zip", b"code")
        deployment.bucket.upload("2.zip", b"code")
    assert [name for name, _ in accounts.calls] == ["HeadBucket", "CreateBucket", "PutObject", "PutObject"]


def test_no_code_is_sent_to_the_bucket_of_another_account() -> None:
    with aws(OTHER) as (accounts, deployment):
        with pytest.raises(CannotDeploy) as refused:
            deployment.bucket.upload("1.zip", b"code")
        assert str(refused.value) == (
            f"guichet: the bucket {BUCKET} cannot be used (403): it belongs to another account than {OWN}, or "
            "your keys may not use it. No code was sent. `aws s3api list-buckets` shows the buckets of your account"
        )
    assert [name for name, _ in accounts.calls] == ["HeadBucket"]


def test_a_bucket_that_changes_hands_after_the_check_gets_no_code() -> None:
    with aws(OWN) as (accounts, deployment):
        assert deployment.bucket.name == BUCKET
        accounts.owner = OTHER
        with pytest.raises(CannotDeploy, match=r"\(AccessDenied\): it belongs to another account"):
            deployment.bucket.upload("1.zip", b"code")


def test_a_bucket_that_somebody_else_creates_a_moment_before_is_refused() -> None:
    class Faster(Accounts):
        def record(self, params: dict[str, Any], model: Any, **_: object) -> None:
            super_call = super().record
            if model.name == "CreateBucket":
                self.owner = OTHER
            super_call(params=params, model=model)

    with mock_aws():
        deployment = Deployment("trial", Faster().client)
        with pytest.raises(CannotDeploy, match=r"\(BucketAlreadyExists\): it belongs to another account"):
            deployment.bucket.upload("1.zip", b"code")
