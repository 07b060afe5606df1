"""What the programs of this folder share: a stage on the command line, and one line for what AWS refuses."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
"""The name of a stage."""
ABSENT = ("NonExistentQueue", "QueueDoesNotExist", "TableNotFoundException", "ResourceNotFoundException")
"""The endings of AWS error codes for a queue or a table that does not exist."""


def no_arguments(module: str, about: str) -> None:
    """Show the help of a program that takes no arguments, or refuse those that were given, before it does anything."""
    argparse.ArgumentParser(prog=f"python -m {module}", description=about).parse_args()


def stage_name(text: str) -> str:
    """Read the name of a stage from the command line."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a stage: small letters, digits and hyphens, 20 at most"
        )
    return text


@contextmanager
def one_line(stage: str) -> Iterator[None]:
    """Turn what AWS refuses into one line and exit code 1."""
    try:
        yield
    except NoRegionError as error:
        raise SystemExit(f"guichet: no AWS region is set: set AWS_DEFAULT_REGION to the one of {stage}") from error
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"].endswith(ABSENT):
            raise SystemExit(
                f"guichet: there is no stage {stage} in this account and region: is it deployed, is its name right, "
                "is AWS_DEFAULT_REGION its region?"
            ) from error
        raise SystemExit(f"guichet: AWS: {' '.join(str(error).split())}") from error
