"""The locks of a request: one for each spelling of its person, and one for its e-mail address.

Locks change in one transaction with the items of their request. Each item costs two write units.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.entry import Entry
from chalicelib.domain.refusals import AlreadyRequested, NotFound, TooManyRequests
from chalicelib.domain.seat import EntryKey, Key, State, parse_key
from chalicelib.storage import dynamodb, items, person_store, seat_expressions, seat_keys, seat_store
from chalicelib.storage.items import Item, LockItem, PersonItem, SeatItem

TRIES = 3
LAST_LETTERS = timedelta(days=14)
"""How long a letter can wait to be sent: the retention period of the queue of failed letters."""
NOT_COPIED = {"wanted_at", "wanted_2", "wanted_3", "attempt_at"}
"""Attributes that would trigger a letter if they were copied."""

Update = tuple[Item, list[Action], Condition]


@dataclass(frozen=True, slots=True)
class LockRule:
    """When a lock keeps others out."""

    counts: Callable[[Key, str, str], bool]
    """Tells whether the request of a lock keeps others out, from its seat, its hold and its person key."""
    erase_entry_at: datetime
    """When the data of an entry is erased that keeps nobody out and is replaced."""


@dataclass(frozen=True, slots=True)
class OtherKeys:
    """The keys of the same persons and e-mail addresses under the other secrets of the stage, around a rotation."""

    people: Sequence[str] = ()
    emails: Sequence[str] = ()

    def locks(self, service_id: str) -> list[LockItem]:
        """Return the locks under these keys, with their keys only."""
        people = [items.name_lock(key, service_id) for key in self.people]
        return [*people, *(items.email_lock(key, service_id) for key in self.emails)]


NO_OTHER_KEYS = OtherKeys()


@dataclass(frozen=True, slots=True)
class LockChange:
    """Locks to write or to delete (`freed`) for a hold, and the updates of the same transaction.

    The locks of people who are booked together have a hold each; `hold` is one of them.
    """

    locks: Sequence[LockItem]
    updates: Sequence[Update]
    hold: str
    freed: Sequence[LockItem] = ()
    twins: Sequence[LockItem] = ()
    """The same locks under the keys of other secrets. Nothing is written to them, and none may keep others out."""
    records: Sequence[Item] = ()
    """Items that are put with the locks, without a condition."""

    @property
    def holds(self) -> set[str]:
        """The holds that the locks are for."""
        return {self.hold, *(row.hold for row in self.locks)}


def change(change: LockChange, is_live: LockRule, now: datetime) -> bool:
    """Write the locks and make the updates, all or none.

    A lock of a request that is no longer live is replaced; its twin stays as it is. A live entry that keeps nobody out
    ends in the same transaction. Return False when the condition of an update fails, or the same change was made a
    moment ago. Raise AlreadyRequested when a lock or a twin belongs to another live request, and record the attempt on
    that request. Raise TooManyRequests when other writes keep interfering.
    """
    others: dict[str, LockItem] = {}
    for _ in range(TRIES):
        entries = _live_entries(others, now)
        at = is_live.erase_entry_at
        endings = [update for entry in entries for update in _end_entry(entry, at, change.locks, now)]
        updated = {row.pk for row, _, _ in endings}
        twins = [twin for twin in change.twins if twin.pk not in updated]
        whole = replace(change, twins=twins, updates=[*change.updates, *endings])
        try:
            failed = dynamodb.transact(partial(_write, change=whole, others=others, now=now))
        except dynamodb.TransactionConflict:
            continue
        if not failed:
            return True
        start, end = len(twins) + len(change.freed), len(twins) + len(change.freed) + len(change.locks)
        if any((*failed[len(twins) : start], *failed[end : len(failed) - len(endings)])):
            return False
        are_taken = (*failed[: len(twins)], *failed[start:end])
        for lock, is_taken in zip((*twins, *change.locks), are_taken, strict=True):
            if is_taken and _check_other(lock, change.holds, others, is_live, now) in change.holds:
                return False  # the same form was sent a moment ago
    raise TooManyRequests


def _check_other(
    lock: LockItem, holds: Collection[str], others: dict[str, LockItem], is_live: LockRule, now: datetime
) -> str:
    """Read the stored lock and return its hold; empty if it is gone. Add it to `others`, the locks that do not count.

    Raise AlreadyRequested if the request of another hold than `holds` is live.
    """
    stored = PersonItem(lock.pk, lock.sk)
    others.pop(lock.pk, None)
    with dynamodb.translated_errors():
        try:
            stored.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return ""
    owner = stored.person or stored.key
    if stored.hold not in holds and is_live.counts(parse_key(stored.seat), stored.hold, owner):
        person_store.note_attempt(owner, stored.service_id, stored.hold, now)
        raise AlreadyRequested(parse_key(stored.seat), lock.key)
    others[lock.pk] = stored
    return str(stored.hold)


def _live_entries(others: dict[str, LockItem], now: datetime) -> list[Entry]:
    """Return the live entries of locks that keep nobody out."""
    entries = {}
    for stored in others.values():
        key = parse_key(stored.seat)
        if isinstance(key, EntryKey):
            with suppress(NotFound):
                entry = seat_store.read(key)
                if entry.has_live(stored.hold, stored.person or stored.key, now):
                    entries[key] = entry
    return list(entries.values())


def _end_entry(entry: Entry, erase_at: datetime, locks: Sequence[LockItem], now: datetime) -> Iterator[Update]:
    """Yield the updates that end an entry and, unless a lock replaces it, erase its person item in time."""
    moment = int(erase_at.timestamp())
    actions = [*seat_expressions.end_request(entry.hold, State.WITHDRAWN, None), SeatItem.erase_at.set(moment)]
    yield seat_keys.seat_item(entry.key), actions, seat_expressions.is_live(entry, State.WITHDRAWN, now)
    row = items.person_item(entry.person, entry.key.service)
    if row.pk not in {lock.pk for lock in locks}:
        yield row, [PersonItem.erase_at.set(moment)], PersonItem.hold == entry.hold


def _write(writes: TransactWrite, change: LockChange, others: dict[str, LockItem], now: datetime) -> None:
    for twin in change.twins:
        writes.condition_check(LockItem, twin.pk, twin.sk, condition=_is_unlocked(others.get(twin.pk)))
    for freed in change.freed:
        writes.delete(freed, LockItem.pk.does_not_exist() | (LockItem.hold == change.hold))
    for lock in change.locks:
        stored = others.get(lock.pk)
        if stored:
            for attribute in person_store.LINK_TIMES:  # a new request must not reset the limit of letters on demand
                setattr(lock, attribute.attr_name, getattr(stored, attribute.attr_name))
        writes.save(lock, _is_unlocked(stored))
    for stored in (others.get(lock.pk) for lock in change.locks):
        if isinstance(stored, PersonItem) and stored.details is not None:
            writes.save(_copy(stored, now))
    for record in change.records:
        writes.save(record)
    for row, actions, condition in change.updates:
        writes.update(row, actions, condition)


def _is_unlocked(stored: LockItem | None) -> Condition:
    """Return the condition that there is no lock, or still this one, whose request is no longer live."""
    if stored is None:
        condition: Condition = LockItem.pk.does_not_exist()
    else:
        condition = (LockItem.hold == stored.hold) & (LockItem.seat == stored.seat)
    return condition


def _copy(stored: PersonItem, now: datetime) -> PersonItem:
    """Return a copy of a person item that is about to be replaced: its last letters may not have been sent yet."""
    copy = items.replaced_person_item(stored.key, stored.service_id, stored.hold)
    for name in PersonItem.get_attributes():
        if name not in {"pk", "sk", *NOT_COPIED}:
            setattr(copy, name, getattr(stored, name))
    copy.erase_at = min(int(stored.erase_at), int((now + LAST_LETTERS).timestamp()))
    return copy
