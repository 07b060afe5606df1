"""The S3 bucket that the code and the templates of a deployment go through.

Anybody can guess its name and create it first, in another account. So each call names the account that must own it.
CloudFormation and Lambda have no such parameter: they read an object under the hash of what was uploaded here.
"""

from dataclasses import dataclass
from functools import cached_property

from botocore.exceptions import ClientError

from infra.deploy.package import CannotDeploy, Client

ABSENT = {"404", "NoSuchBucket"}
REFUSED = {"403", "AccessDenied", *ABSENT}


@dataclass(frozen=True)
class Bucket:
    """The bucket of the account and region of these clients."""

    client: Client

    @cached_property
    def account(self) -> str:
        """The account of the caller's keys."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def name(self) -> str:
        """The name of the bucket, which is created if it does not exist; CannotDeploy if another account owns it."""
        s3 = self.client("s3")
        region = s3.meta.region_name
        name = f"guichet-packages-{self.account}-{region}"
        try:
            s3.head_bucket(Bucket=name, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if _code(error) not in ABSENT:
                raise self._refusal(name, error) from error
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            try:
                s3.create_bucket(Bucket=name, **where)
            except s3.exceptions.BucketAlreadyExists as taken:  # another account was faster
                raise self._refusal(name, taken) from taken
        return name

    def upload(self, key: str, body: bytes) -> None:
        """Put an object into the bucket; CannotDeploy, and nothing is sent, if another account owns it."""
        try:
            self.client("s3").put_object(Bucket=self.name, Key=key, Body=body, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if _code(error) not in REFUSED:
                raise
            raise self._refusal(self.name, error) from error

    def url(self, key: str) -> str:
        """Return the URL of an object, for CloudFormation, which reads it with the caller's rights."""
        signed = self.client("s3").generate_presigned_url("get_object", {"Bucket": self.name, "Key": key})
        return str(signed).partition("?")[0]

    def _refusal(self, name: str, error: ClientError) -> CannotDeploy:
        """Return the refusal of a bucket. S3 answers 403 for a foreign bucket and for keys that may not use it."""
        return CannotDeploy(
            f"the bucket {name} cannot be used ({_code(error)}): it belongs to another account than {self.account}, or "
            "your keys may not use it. No code was sent. `aws s3api list-buckets` shows the buckets of your account"
        )


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
