"""Access to the table of a stage: which table, what went wrong, and who calls."""

import getpass
import os
from functools import cache
from gettext import gettext as _

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.storage import dynamodb, items
from infra.local.settings import FIRST_PORT, HOST, KEYS, REGION, STAGE, read_port

LIVE = "live"
"""The alias of the version of a function that is in use."""
RETRIES = 1
"""An operator can run a command again; more retries would make a wrong port slow to notice."""
QUICK = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
"""For calls beside the table, whose failure stops no command."""
ACCESS_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


def table_of(stage: str) -> str:
    """Return the table of a stage, as `infra/deploy/templates/data.yaml` names it."""
    return f"guichet-{stage}"


def select_stage(stage: str) -> str:
    """Let the table models use this stage's table, and return its region. The local stack has its own keys and URL."""
    if stage == STAGE:
        port = read_port(os.environ.get("GUICHET_PORT", "")) or FIRST_PORT
        os.environ.setdefault("AWS_ENDPOINT_URL", f"http://{HOST}:{port}")
        os.environ.update(KEYS, AWS_DEFAULT_REGION=REGION)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):  # the operator's credentials are not for the emulator
            os.environ.pop(name, None)
    region = os.environ.get("AWS_REGION") or get_session().get_config_variable("region") or REGION
    meta = items.Item.Meta
    meta.table_name, meta.region, meta.max_retry_attempts = table_of(stage), region, RETRIES
    return region


def problem_of(error: Exception, stage: str, region: str) -> str | None:
    """Say in one line why the table cannot be used; None for an error that has another reason."""
    if isinstance(error, TooManyRequests):
        return _("DynamoDB throttles the table: try again in a minute")
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    if not isinstance(cause, PynamoDBException):
        return str(error) or None if isinstance(error, Unavailable) else None  # what it says of a damaged item
    code, table = dynamodb.error_code(cause), _("the table {} in {}").format(table_of(stage), region)
    if code == "ResourceNotFoundException":
        return _("there is no table {} in {}: is the stage deployed, is its name right?").format(
            table_of(stage), region
        )
    if code in ACCESS_ERRORS:
        return _("AWS denies access to {} ({}): check your AWS credentials").format(table, code)
    if isinstance(error, Unavailable):
        hint = _(". Is `make run` running, on the port that GUICHET_PORT names?") if stage == STAGE else ""
        return _("cannot reach {}: {}{}").format(table, code or cause.cause, hint)
    return None


@cache
def caller(region: str) -> str:
    """Return the AWS identity of the caller; the user of this machine if AWS does not answer."""
    try:
        sts = get_session().create_client("sts", region_name=region, config=QUICK)
        return str(sts.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError):
        return f"user {getpass.getuser()}"
