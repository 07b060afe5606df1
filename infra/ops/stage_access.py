"""How the program reaches the table of a stage, what went wrong when it does not, and who asks."""

import getpass
import os
from functools import cache

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.storage import dynamodb, items
from infra.local.stack import FIRST_PORT, HOST, KEYS, REGION, STAGE, port_of

TRIES = 1
"""How often a call is tried again: nobody queues behind this program. More would keep a mistaken port waiting."""
_REFUSED = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


def table_of(stage: str) -> str:
    """The table of a stage, as `infra/deploy/templates/data.yaml` names it."""
    return f"guichet-{stage}"


def reach(stage: str) -> str:
    """Turn the rows to the table of this stage; its region. The laptop's engine has keys and a place of its own."""
    if stage == STAGE:
        os.environ.setdefault(
            "AWS_ENDPOINT_URL", f"http://{HOST}:{port_of(os.environ.get('GUICHET_PORT', '')) or FIRST_PORT}"
        )
        os.environ.update(KEYS, AWS_DEFAULT_REGION=REGION)
        for own in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):  # the operator's keys are not for the engine
            os.environ.pop(own, None)
    region = os.environ.get("AWS_REGION") or get_session().get_config_variable("region") or REGION
    meta = items.Item.Meta
    meta.table_name, meta.region, meta.max_retry_attempts = table_of(stage), region, TRIES
    return region


def reason(error: Exception, stage: str, region: str) -> str | None:
    """Why the table cannot be used, in one line; None for an error that is no matter of reaching it."""
    if isinstance(error, TooManyRequests):
        return "the table asks to slow down: try again in a minute"
    said = error.__cause__ if isinstance(error, Unavailable) else error
    if not isinstance(said, PynamoDBException):
        return None
    code, place = dynamodb.error_code(said), f"the table {table_of(stage)} in {region}"
    if code == "ResourceNotFoundException":
        return f"there is no table {table_of(stage)} in {region}: is the stage deployed, is its name right?"
    if code in _REFUSED:
        return f"AWS does not let you use {place} ({code})"
    if isinstance(error, Unavailable):
        hint = ". Does `make run` run, and is GUICHET_PORT its port?" if stage == STAGE else ""
        return f"cannot reach {place}: {code or said.cause}{hint}"
    return None


@cache
def caller(region: str) -> str:
    """Who asks, as AWS knows them; where it does not answer, the user of this machine."""
    quick = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
    try:
        sts = get_session().create_client("sts", region_name=region, config=quick)
        return str(sts.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError):
        return f"user {getpass.getuser()}"
