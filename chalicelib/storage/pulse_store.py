"""The items that say that something runs: the beat of the expiry function, and the last success of the canary."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute

from chalicelib.storage import dynamodb
from chalicelib.storage.items import Item, TimestampAttribute

PULSE, EXPIRY, CANARY = "PULSE", "EXPIRY", "CANARY"
"""The partition of these items, and their sort keys."""


class PulseItem(Item):
    """When the expiry function last ran. It changes each minute, so that the mailer always has an age to report."""

    beaten_at = TimestampAttribute()


class SuccessItem(Item):
    """When the canary last succeeded, and how long it took."""

    succeeded_at = TimestampAttribute()
    milliseconds = NumberAttribute()


@dataclass(frozen=True, slots=True)
class Success:
    """The last success of the canary."""

    at: datetime
    took: timedelta


def beat(now: datetime) -> None:
    """Write the moment. The first write of a stage is no change: the mailer hears of the second."""
    with dynamodb.translated_errors():
        PulseItem(PULSE, EXPIRY).update([PulseItem.beaten_at.set(now)])


def record_success(now: datetime, took: timedelta) -> None:
    """Write that the canary succeeded now."""
    milliseconds = round(took / timedelta(milliseconds=1))
    with dynamodb.translated_errors():
        SuccessItem(PULSE, CANARY, succeeded_at=now, milliseconds=milliseconds).save()


def last_success() -> Success | None:
    """Read the last success of the canary; None if it never succeeded. Costs half a read unit."""
    with dynamodb.translated_errors():
        try:
            item = SuccessItem.get(PULSE, CANARY)
        except SuccessItem.DoesNotExist:
            return None
    return Success(item.succeeded_at, timedelta(milliseconds=int(item.milliseconds)))
