"""The item that changes each minute, so that the mailer always has a change to read and its age to report."""

from datetime import datetime

from chalicelib.storage import dynamodb
from chalicelib.storage.items import Item, TimestampAttribute


class PulseItem(Item):
    """When the expiry function last ran."""

    beaten_at = TimestampAttribute()


def beat(now: datetime) -> None:
    """Write the moment. The first write of a stage is no change: the mailer hears of the second."""
    with dynamodb.translated_errors():
        PulseItem("PULSE", "EXPIRY").update([PulseItem.beaten_at.set(now)])
