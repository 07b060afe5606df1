"""What the command-line programs share: the name of a stage as an argument, and one line for each error of AWS."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from chalicelib.domain.messages import N_

STAGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
NOT_A_STAGE_NAME = N_("{!r} is no name of a stage: lower-case letters, digits and hyphens, at most 20")
ABSENT = ("NonExistentQueue", "QueueDoesNotExist", "TableNotFoundException", "ResourceNotFoundException")
"""The endings of AWS error codes for a queue or a table that does not exist."""


def no_arguments(module: str, description: str) -> None:
    """Handle `--help`, and refuse all arguments. A program without arguments calls it before it does anything."""
    argparse.ArgumentParser(prog=f"python -m {module}", description=description).parse_args()


def stage_name(text: str) -> str:
    """Check the name of a stage from the command line, for argparse."""
    if not STAGE_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(_(NOT_A_STAGE_NAME).format(text))
    return text


def _stage_name(text: str) -> str:
    if not STAGE_NAME.fullmatch(text):
        raise typer.BadParameter(_(NOT_A_STAGE_NAME).format(text))
    return text


StageArgument = Annotated[
    str, typer.Argument(metavar="STAGE", parser=_stage_name, help="The name of the stage, like prod.")
]


@contextmanager
def one_line(stage: str) -> Iterator[None]:
    """Turn an error of AWS into one line and exit code 1."""
    try:
        yield
    except NoRegionError as error:
        text = _("guichet: no AWS region is set: set AWS_DEFAULT_REGION to the one of {}")
        raise SystemExit(text.format(stage)) from error
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"].endswith(ABSENT):
            text = _(
                "guichet: there is no stage {} in this account and region: is it deployed, is its name right, "
                "is AWS_DEFAULT_REGION its region?"
            )
            raise SystemExit(text.format(stage)) from error
        raise SystemExit(f"guichet: AWS: {' '.join(str(error).split())}") from error
