"""Invoke the functions of a stage that need what an operator has not: its secret, or the seed of a draw."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from gettext import gettext as _
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from infra.ops.stage_access import ACCESS_ERRORS, LIVE

PATIENT = Config(connect_timeout=2, read_timeout=310, retries={"total_max_attempts": 1})
"""The draw function may take 300 s."""


class CannotInvoke(Exception):
    """Raised when a function cannot be invoked, or fails. The message is one line."""


def scheduled_event() -> dict[str, Any]:
    """Return the event with which a schedule starts a function."""
    return {
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


def invoke(stage: str, region: str, name: str, event: Mapping[str, Any], *, client: Any = None) -> Any:  # noqa: ANN401 - botocore and JSON
    """Invoke a function of a stage and return its answer. Raise CannotInvoke with one line that says why not."""
    function = f"guichet-{stage}-{name}"
    caller = client or get_session().create_client("lambda", region_name=region, config=PATIENT)
    try:
        answer = caller.invoke(FunctionName=function, Qualifier=LIVE, Payload=json.dumps(event).encode())
        payload = answer["Payload"].read()  # unread, it keeps the connection open
    except ClientError as error:
        raise CannotInvoke(_reason(error.response["Error"]["Code"], function)) from error
    except BotoCoreError as error:
        raise CannotInvoke(_("cannot reach the function {}: {}").format(function, type(error).__name__)) from error
    if "FunctionError" in answer:
        raise CannotInvoke(_("the function {} failed: look at its log").format(function))
    return json.loads(payload)


def _reason(code: str, function: str) -> str:
    if code in ACCESS_ERRORS:
        return _("AWS does not allow you to start the function {}: you need lambda:InvokeFunction on it").format(
            function
        )
    if code == "TooManyRequestsException":
        return _("the function {} is running already: look again in a minute").format(function)
    if code == "ResourceNotFoundException":
        return _("there is no function {}: deploy the stage").format(function)
    return _("cannot start the function {} ({})").format(function, code)
