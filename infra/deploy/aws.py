"""The clients through which the deployment calls AWS, and the error that stops it."""

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

Client = Callable[[str], Any]
"""Returns a boto3 client of the stage's account and region for the name of a service."""


class CannotDeploy(SystemExit):
    """The stage cannot be changed. The message is one line that says why and what to do."""

    def __init__(self, line: str) -> None:
        super().__init__(f"guichet: {line}")


def clients(region: str) -> Client:
    """Return the clients of this shell's account in a region."""
    session, config = boto3.Session(region_name=region), Config(retries={"mode": "standard", "total_max_attempts": 5})
    return lambda service: session.client(service, config=config)
