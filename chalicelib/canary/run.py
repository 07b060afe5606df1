"""The canary: the trials that a schedule makes every five minutes, at the URL that applicants use."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib import log, settings
from chalicelib.canary.api import Api
from chalicelib.canary.booking_trial import BookingTrial
from chalicelib.canary.entry_trial import EntryTrial
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.canary.trial import StepFailed
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.service import CANARY_DRAW
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, pulse_store, service_store

SERVICE = "canari"
"""The id of the hidden service on which the canary books. Each deployment creates it, and the service of its draw."""
PATIENCE = 45.0
"""Seconds to wait for a step."""
LONGEST = 180.0
"""Seconds after which a run makes no further call: its last call and the end fit into the function's four minutes."""


def hidden_items(service_id: str, now: datetime) -> HiddenItems:
    """Return the items of a hidden service of the canary. Raises NotFound when nobody has put it."""
    client = dynamodb.connection().connection.client
    return HiddenItems(client, settings.current().table, keys(), service_store.read(service_id, now))


def steps(api: Api, now: datetime, patience: float, ends: float) -> Iterator[str]:
    """Run the steps of both trials: book an appointment, then enter a draw."""
    yield from BookingTrial(api, hidden_items(SERVICE, now), now, patience, ends).steps()
    yield from EntryTrial(api, hidden_items(CANARY_DRAW, now), now, patience, ends).steps()


def run(
    now: datetime,
    *,
    connect: Callable[[str], Api] = Api,
    patience: float = PATIENCE,
    longest: float = LONGEST,
    timer: Callable[[], float] = time.monotonic,
) -> None:
    """Make both trials, and record whether they passed and how long it took. The next run deletes what a cut one left.

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
        for _ in steps(connect(url), now, patience, time.monotonic() + longest):
            pass
        took = timedelta(seconds=timer() - started)
        pulse_store.record_success(now + took, took)
    except (StepFailed, Refusal) as error:
        failure = str(error) or type(error).__name__
    except (BotoCoreError, ClientError, PynamoDBException) as error:  # their messages may have a key of the table
        failure = type(error).__name__
    milliseconds = round((timer() - started) * 1000)
    log.event("canary", {"CanarySuccess": int(not failure), "CanaryMilliseconds": milliseconds}, failure=failure)
