"""Entries in the draws: reads of whole shards, and the writes that only an entry has.

An entry is stored as a seat is, so `seat_store` and `request_store` hold it, file its request and correct it. As there,
a write returns False when its condition fails.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.pagination import ResultIterator
from pynamodb.transactions import TransactWrite

from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import EntryKey, State
from chalicelib.storage import dynamodb, entry_keys, items, person_store, rows, seat_expressions, seat_keys, seat_store
from chalicelib.storage.items import Image, LockItem, PersonItem, SeatItem

TRIES = 3
READ_AT_ONCE = 6
"""How many shards a freeze reads at the same time."""
LIVE = (State.PENDING, State.CONFIRMED)


def read_shard(service_id: str, shard: int, *, consistent: bool = True) -> Iterator[Entry]:
    """Yield the entries of a shard in the order of their ids, ended ones and unfinished holds included.

    One page of a Query (1 MB) is in memory at a time. Not by a PynamoDB model, which takes 0.1 ms for an item.
    """
    partition = (entry_keys.partition(service_id, shard),)
    options = {"consistent_read": consistent}
    with dynamodb.translated_errors():
        yield from ResultIterator(dynamodb.connection().query, partition, options, map_fn=rows.entry_from)


def read_all(service_id: str, *, consistent: bool = True) -> Iterator[Entry]:
    """Yield all entries of a service, shard by shard."""
    for shard in range(entry_keys.SHARDS):
        yield from read_shard(service_id, shard, consistent=consistent)


_FROZEN_ATTRIBUTES = ["pk", "sk", "state", "until", "preferences", "receipt", "proved_at"]


def read_entered(service_id: str) -> Iterator[Entry]:
    """Yield the entries whose e-mail address is proven and that have not ended, with only what a draw needs of them.

    Several shards are read at once, because a read waits for the table more than it computes.
    """
    with ThreadPoolExecutor(READ_AT_ONCE) as threads:
        for first in range(0, entry_keys.SHARDS, READ_AT_ONCE):
            shards = range(first, min(first + READ_AT_ONCE, entry_keys.SHARDS))
            for entered in threads.map(partial(_entered, service_id), shards):
                yield from entered


def _entered(service_id: str, shard: int) -> list[Entry]:
    partition = (entry_keys.partition(service_id, shard),)
    options = {"consistent_read": True, "attributes_to_get": _FROZEN_ATTRIBUTES}
    with dynamodb.translated_errors():
        stored: Iterator[Entry] = ResultIterator(
            dynamodb.connection().query, partition, options, map_fn=rows.entry_from
        )
        return [entry for entry in stored if entry.state is State.CONFIRMED]


def entry_from_image(image: Image) -> Entry | None:
    """Return the entry in an image of the stream; None for an item of another kind."""
    return rows.entry_from(image) if entry_keys.is_entry(image["pk"]["S"]) else None


def create(key: EntryKey, hold: str, preferences: Sequence[str], until: datetime, erase_at: datetime) -> bool:
    """Store the entry of a hold whose captcha is passed. Return False, and change nothing, if it exists."""
    actions: list[Action] = [
        SeatItem.state.set(State.HELD),
        SeatItem.hold.set(hold),
        SeatItem.until.set(until),
        SeatItem.captcha_passed.set(True),
        SeatItem.preferences.set(",".join(preferences)),
        SeatItem.erase_at.set(int(erase_at.timestamp())),
    ]
    return seat_store.update(key, actions, SeatItem.pk.does_not_exist())


def discard(key: EntryKey, hold: str) -> None:
    """Delete an entry that is held and not filed, so that the same hold can make it again."""
    held = (SeatItem.hold == hold) & (SeatItem.state == State.HELD)
    row = seat_keys.seat_item(key)
    dynamodb.try_write(lambda: row.delete(held))


def confirm(entry: Entry, receipt: str, until: datetime, now: datetime) -> bool:
    """Record the proof of the e-mail address: the entry gets its receipt, and takes part in draws until `until`.

    Return False if it is not pending or its time is over, also when another proof came first. Costs one write unit:
    the entry, its person item and its locks are stored long enough from the filing on.
    """
    pending = (SeatItem.hold == entry.hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > now)
    actions: list[Action] = [SeatItem.state.set(State.CONFIRMED), SeatItem.receipt.set(receipt)]
    actions += [SeatItem.proved_at.set(now), SeatItem.until.set(until)]
    return seat_store.update(entry.key, actions, pending)


def change_preferences(entry: Entry, preferences: Sequence[str], now: datetime) -> bool:
    """Replace the preferences of a live entry."""
    live = (SeatItem.hold == entry.hold) & SeatItem.state.is_in(*LIVE) & (SeatItem.until > now)
    return seat_store.update(entry.key, [SeatItem.preferences.set(",".join(preferences))], live)


def mark_ends_soon(entry: Entry) -> bool:
    """Record that the applicant is to be told that the entry ends soon. The stream tells the mailer, once."""
    unchanged = (SeatItem.hold == entry.hold) & (SeatItem.state == State.CONFIRMED) & (SeatItem.until == entry.until)
    return seat_store.update(entry.key, [SeatItem.reminded.set(True)], unchanged & SeatItem.reminded.does_not_exist())


@dataclass(frozen=True, slots=True)
class Owned:
    """An entry with its person, if the person item is still that of its request, and its e-mail lock keys."""

    entry: Entry
    person: Person | None
    email_keys: Sequence[str] = ()


def renew(owned: Owned, until: datetime, erase_at: datetime, now: datetime) -> bool:
    """Let an entry take part in draws until `until`, and keep its data for as long. Costs at least 6 write units."""
    actions: list[Action] = [SeatItem.until.set(until), SeatItem.reminded.remove()]
    condition = (SeatItem.hold == owned.entry.hold) & (SeatItem.state == State.CONFIRMED) & (SeatItem.until > now)
    return _update_all(owned, actions, condition, erase_at)


def end(owned: Owned, ended: State, erase_at: datetime, now: datetime, *, early: bool = False) -> bool:
    """End an entry as `ended`, and erase its data at `erase_at`.

    Return False if it has ended otherwise or was drawn. EXPIRED needs an entry whose time has run out, or `early`.
    """
    entry = owned.entry
    condition = seat_expressions.is_live(entry, ended, now, early=early)
    return _update_all(owned, seat_expressions.end_request(entry.hold, ended, None), condition, erase_at)


def _update_all(owned: Owned, actions: list[Action], condition: Condition, erase_at: datetime) -> bool:
    """Update an entry, and set when it, its person item and its locks are erased, in one transaction.

    A lock that a newer request has replaced is left out. Raise TooManyRequests when other writes keep interfering.
    """
    entry, person, moment = owned.entry, owned.person, int(erase_at.timestamp())
    locks: list[LockItem] = []
    if person:
        row = items.person_item(person.key, person.service)
        locks = [*person_store.locks_of_person(person, owned.email_keys), row]

    def write(writes: TransactWrite) -> None:
        writes.update(seat_keys.seat_item(entry.key), [*actions, SeatItem.erase_at.set(moment)], condition)
        for lock in locks:
            of_request = (LockItem.hold == entry.hold) & (LockItem.seat == entry.key.ref)
            writes.update(lock, [PersonItem.erase_at.set(moment)], of_request)

    for _ in range(TRIES):
        try:
            failed = dynamodb.transact(write)
        except dynamodb.TransactionConflict:
            continue
        if not failed:
            return True
        if failed[0]:
            return False
        locks = [lock for lock, is_replaced in zip(locks, failed[1:], strict=True) if not is_replaced]
    raise TooManyRequests
