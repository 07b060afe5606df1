"""Store many entries in the draws at once, as if so many people had entered. For tests of size only."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import islice

from chalicelib.domain import codec, entry, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import EntryKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, seat_keys
from chalicelib.storage.items import Item, SeatItem

AT_ONCE = 25
"""DynamoDB writes so many items in one call."""


def secret(number: int, purpose: str) -> str:
    """Return the text in base 32 that stands for a random one of this entrant: the same in every run."""
    return base64.b32encode(sha256(f"{purpose} {number}".encode()).digest()).decode().lower().rstrip("=")


def receipt(number: int) -> str:
    """Return the receipt of an entrant."""
    return secret(number, "receipt")[: tokens.RECEIPT_LENGTH]


def entry_item(service: Service, number: int, preferences: Sequence[str], proved_at: datetime) -> SeatItem:
    """Return the item of an entry whose e-mail address is proven, with all attributes that such an entry has."""
    hold = secret(number, "hold")
    row = seat_keys.seat_item(EntryKey(service.id, hold[:16]))
    row.state, row.hold = State.CONFIRMED, hold
    row.person = secret(number, "person")
    row.filed_at, row.proved_at, row.until = proved_at - timedelta(minutes=5), proved_at, proved_at + entry.LIFE
    row.receipt = receipt(number)
    row.preferences = ",".join(preferences)
    row.erase_at = int((row.until + service.limits.erase_after).timestamp())
    return row


def person_items(service: Service, number: int, filed_at: datetime, birth_date: date) -> list[Item]:
    """Return the person item and the lock of an entrant's e-mail address."""
    hold, email = secret(number, "hold"), f"awa{number}@example.org"
    ref = EntryKey(service.id, hold[:16]).ref
    common = {"seat": ref, "hold": hold, "erase_at": int((filed_at + entry.LIFE).timestamp())}
    person = items.person_item(secret(number, "person"), service.id)
    lock = items.email_lock(keys().email_key(email), service.id)
    for name, value in common.items():
        setattr(person, name, value)
        setattr(lock, name, value)
    details = Details("Awa", "Exemple", "", birth_date, email, "06 12 34 56 78", "fr")
    person.filed_at, person.details = filed_at, codec.details_to_document(details)
    lock.person = person.key
    return [person, lock]


def put_all(rows: Iterable[Item]) -> int:
    """Write items in batches. Return how many. Not for a real table: what it throttles is not written again."""
    client, count = dynamodb.connection().connection.client, 0
    for batch in _batches(rows):
        requests = [{"PutRequest": {"Item": row.serialize(null_check=False)}} for row in batch]
        answer = client.batch_write_item(RequestItems={Item.Meta.table_name: requests})
        assert not answer.get("UnprocessedItems")
        count += len(requests)
    return count


def _batches(rows: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, AT_ONCE)):
        yield batch
