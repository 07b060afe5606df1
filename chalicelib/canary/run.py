"""The canary: the trial that a schedule makes every five minutes, at the URL that applicants use."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import log, settings
from chalicelib.canary.api import Api
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.canary.trial import StepFailed, Trial
from chalicelib.domain.refusals import Refusal
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, pulse_store, service_store

SERVICE = "canari"
"""The id of the canary's hidden service, which each deployment puts in place."""
PATIENCE = 45.0
"""Seconds to wait for a step. A run waits five times at most, which fits into the function's four minutes."""


def hidden_items(now: datetime) -> HiddenItems:
    """Return the items of the canary's hidden service. Raises NotFound when nobody has put it."""
    client = dynamodb.connection().connection.client
    return HiddenItems(client, settings.current().table, keys(), service_store.read(SERVICE, now))


def run(
    now: datetime,
    *,
    connect: Callable[[str], Api] = Api,
    patience: float = PATIENCE,
    timer: Callable[[], float] = time.monotonic,
) -> None:
    """Make one trial and record whether it passed, and how long it took. A run that was cut is cleaned up by the next.

    A failed trial is no error of this function: its metric sets off the alarm. Without a public URL, as in a plain
    `chalice deploy`, there is nothing to try.
    """
    url = settings.current().public_url
    if not url:
        log.event("canary", skipped="no public URL")
        return
    started = timer()
    failure = None
    try:
        for _ in Trial(connect(url), hidden_items(now), now, patience).steps():
            pass
        took = timedelta(seconds=timer() - started)
        pulse_store.record_success(now + took, took)
    except (StepFailed, Refusal) as error:
        failure = str(error) or type(error).__name__
    except (BotoCoreError, ClientError, PynamoDBException) as error:  # their messages may have a key of the table
        failure = type(error).__name__
    milliseconds = round((timer() - started) * 1000)
    log.event("canary", {"CanarySuccess": int(not failure), "CanaryMilliseconds": milliseconds}, failure=failure)
