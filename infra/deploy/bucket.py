"""The S3 bucket for the code and the templates of a deployment.

Anybody can guess its name and create it first in another account. So each call names the account that must own it.
CloudFormation and Lambda have no such parameter. They read objects whose keys are the hashes of what was uploaded here.
"""

from dataclasses import dataclass
from functools import cached_property

from botocore.exceptions import ClientError

from infra.deploy.aws import CannotDeploy, Client

ABSENT = {"404", "NoSuchBucket"}
REFUSED = {"403", "AccessDenied", *ABSENT}


@dataclass(frozen=True)
class Bucket:
    """The bucket of one account and region."""

    client: Client

    @cached_property
    def account(self) -> str:
        """The account that the keys belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def name(self) -> str:
        """The name of the bucket, created if it does not exist. Raises CannotDeploy if another account owns it."""
        s3 = self.client("s3")
        region = s3.meta.region_name
        name = f"guichet-packages-{self.account}-{region}"
        try:
            s3.head_bucket(Bucket=name, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if _code(error) not in ABSENT:
                raise self._refusal(name, error) from error
            location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            try:
                s3.create_bucket(Bucket=name, **location)
            except s3.exceptions.BucketAlreadyExists as taken:  # by another account, in this moment
                raise self._refusal(name, taken) from taken
        return name

    def upload(self, key: str, body: bytes) -> None:
        """Upload an object. If another account owns the bucket, raise CannotDeploy and send nothing."""
        try:
            self.client("s3").put_object(Bucket=self.name, Key=key, Body=body, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if _code(error) not in REFUSED:
                raise
            raise self._refusal(self.name, error) from error

    def url(self, key: str) -> str:
        """Return the URL of an object for CloudFormation, which reads it with the caller's permissions."""
        signed = self.client("s3").generate_presigned_url("get_object", {"Bucket": self.name, "Key": key})
        return str(signed).partition("?")[0]

    def _refusal(self, name: str, error: ClientError) -> CannotDeploy:
        # S3 answers 403 both for the bucket of another account and for keys without the permission.
        return CannotDeploy(
            f"the bucket {name} cannot be used ({_code(error)}): it belongs to another account than {self.account}, or "
            "your keys may not use it. No code was sent. `aws s3api list-buckets` shows the buckets of your account"
        )


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
