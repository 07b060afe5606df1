"""Visitors: the live hold of each visitor token, and the counters of client networks.

No IP address is stored: a client network is a keyed digest that changes every hour. Its counters refuse nobody; they
only decide whether the captcha comes first.
"""

from datetime import datetime, timedelta

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from chalicelib.domain import tokens
from chalicelib.domain.seat import Key, parse_key
from chalicelib.storage import counter_items, dynamodb, items
from chalicelib.storage.counter_items import CounterItem
from chalicelib.storage.items import LockItem

LIFETIME = timedelta(hours=1)
"""How long the items of visitors and client networks are stored."""
MOST_CROWDED = 10_000
_crowded: set[str] = set()


def clear_cache() -> None:
    """Empty the cache of crowded client networks."""
    _crowded.clear()


def count_hold(client_network: str, now: datetime) -> int:
    """Count one more hold of a client network. Return how many it had this hour."""
    return increment(counter_items.hold_counter(client_network), now, LIFETIME)


def increment(counter: CounterItem, now: datetime, lifetime: timedelta) -> int:
    """Add one to a counter, and return it. Costs one write unit. The table deletes the counter after its lifetime."""
    erase_at = int((now + lifetime).timestamp())
    actions: list[Action] = [CounterItem.number.add(1), CounterItem.erase_at.set(erase_at)]
    with dynamodb.translated_errors():
        counter.update(actions)
    return int(counter.number)


def mark_crowded(client_network: str) -> None:
    """Cache that a client network has used up its holds of this hour, so that its next holds wait at once."""
    if len(_crowded) >= MOST_CROWDED:
        _crowded.clear()
    _crowded.add(client_network)


def is_crowded(client_network: str) -> bool:
    return client_network in _crowded


def claim_hold(visitor_token: str, key: Key, hold: str, now: datetime, *, ended: str = "") -> tuple[Key, str] | None:
    """Make this hold the only live hold of a visitor token. Return the seat and the hold that stand in the way, if any.

    The caller gives that seat back and calls again, with the hold as `ended`: such a hold is replaced.
    """
    row = items.visitor_item(tokens.digest(visitor_token), seat=key.ref, hold=hold)
    row.erase_at = int((now + LIFETIME).timestamp())
    unclaimed = LockItem.pk.does_not_exist() | LockItem.hold.is_in(hold, ended)
    if dynamodb.try_write(lambda: row.save(unclaimed)):
        return None
    stored = LockItem(row.pk, row.sk)
    with dynamodb.translated_errors():
        try:
            stored.refresh(consistent_read=True)
        except DoesNotExist:  # erased since the write
            return key, hold
    return parse_key(stored.seat), stored.hold
