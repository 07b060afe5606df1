"""Who asks for a seat, as far as it is kept: the one live hold of a ticket, the holds of an hour from one place.

No address: a place of origin is a keyed digest of this clock hour. Nobody is refused by it: the captcha comes first.
"""

from datetime import datetime, timedelta

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from chalicelib.domain import tokens
from chalicelib.domain.seat import SeatKey
from chalicelib.storage import dynamodb, items
from chalicelib.storage.items import CounterItem, LockItem

KEPT = timedelta(hours=1)
MOST_REMEMBERED = 10_000
_crowded: set[str] = set()


def forget() -> None:
    """Empty what this process remembers."""
    _crowded.clear()


def count_hold(origin: str, now: datetime) -> int:
    """Count one more hold of this client network; how many it had this hour."""
    return increment(f"ORIGIN#{origin}", "HOLDS", now, KEPT)


def increment(name: str, kind: str, now: datetime, kept: timedelta) -> int:
    """Add one to a counter that is kept for a while, and return it. Costs one write unit."""
    row = CounterItem(name, kind)
    actions: list[Action] = [CounterItem.number.add(1), CounterItem.erase_at.set(int((now + kept).timestamp()))]
    with dynamodb.translated_errors():
        row.update(actions)
    return int(row.number)


def mark_crowded(origin: str) -> None:
    """Remember that this origin had all its holds of the hour: the next ones are not even tried."""
    if len(_crowded) >= MOST_REMEMBERED:
        _crowded.clear()
    _crowded.add(origin)


def is_crowded(origin: str) -> bool:
    """Is it remembered as one that had all its holds of the hour?"""
    return origin in _crowded


def claim_hold(visit: str, key: SeatKey, hold: str, now: datetime, *, ended: str = "") -> tuple[SeatKey, str] | None:
    """Name this hold as the one of a ticket; the seat and hold that stand there instead, until they are `ended`."""
    row = items.visitor_item(tokens.digest(visit), seat=key.ref, hold=hold)
    row.erase_at = int((now + KEPT).timestamp())
    mine = LockItem.pk.does_not_exist() | LockItem.hold.is_in(hold, ended)
    if dynamodb.try_write(lambda: row.save(mine)):
        return None
    there = LockItem(row.pk, row.sk)
    with dynamodb.translated_errors():
        try:
            there.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return key, hold
    return SeatKey.parse(there.seat), there.hold
