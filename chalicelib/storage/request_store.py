"""File, correct and erase a request: its seat, its person item and its locks change in one transaction.

Each transaction costs two write units for each item. `move_store` has one more, that of a move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain import codec
from chalicelib.domain.entry import Carrier
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import EntryKey, State
from chalicelib.storage import dynamodb, items, lock_store, person_store, seat_expressions, seat_keys
from chalicelib.storage.items import Item, LockItem, PersonItem, SeatItem

TRIES = 3


def file(
    person: Person,
    email_key: str,
    until: datetime,
    *,
    now: datetime,
    erase_at: datetime,
    is_live: lock_store.LockRule,
    receipt: str = "",
    other_keys: lock_store.OtherKeys = lock_store.NO_OTHER_KEYS,
    records: Sequence[Item] = (),
    updates: Sequence[lock_store.Update] = (),
) -> bool:
    """File a request, to be confirmed before `until`, and write its two locks. Costs 6 write units, and 2 for each
    of the other keys.

    `email_key` is empty for a person without an e-mail address. An entry with a `receipt` needs no proof.
    `records` and `updates` are written in the same transaction.
    Return False when the hold has expired, was filed already, or its captcha is not passed, or the condition of one of
    the updates fails. Raise AlreadyRequested when
    the person or the e-mail address has another live request. A refusal changes nothing.
    """
    row = person_row(person, erase_at)
    actions, condition = seat_expressions.file_request(person.hold, person.key, until, now, receipt)
    if isinstance(person.seat, EntryKey):
        actions.append(SeatItem.erase_at.set(row.erase_at))
    locks = [email_row(person, email_key, erase_at)] if email_key else []
    change = lock_store.LockChange(
        [*locks, row],
        [(seat_keys.seat_item(person.seat), actions, condition), *updates],
        person.hold,
        twins=(lock_store.OtherKeys(other_keys.people) if person.unlocked_email else other_keys).locks(person.service),
        records=records,
    )
    return lock_store.change(change, is_live, now)


def person_row(person: Person, erase_at: datetime) -> PersonItem:
    """Return the person item of a new request."""
    row = items.person_item(person.key, person.service)
    row.seat, row.hold, row.reference = person.seat.ref, person.hold, person.reference
    row.filed_at, row.erase_at = person.filed_at, int(erase_at.timestamp())
    row.details = codec.details_to_document(person.details)
    row.booked_by, row.family = person.booked_by or None, " ".join(person.family) or None
    row.unlocked_email = person.unlocked_email or None
    return row


def email_row(person: Person, email_key: str, erase_at: datetime) -> LockItem:
    """Return a new item of a person's e-mail address."""
    row = _lock(person_store.email_item(person, email_key), person, erase_at)
    row.generation = person.generation or None
    return row


def name_row(person: Person, name: str, erase_at: datetime) -> LockItem:
    """Return the lock of a further name of a person."""
    return _lock(items.name_lock(name, person.service), person, erase_at)


def _lock(row: LockItem, person: Person, erase_at: datetime) -> LockItem:
    row.seat, row.hold, row.person, row.reference = person.seat.ref, person.hold, person.key, person.reference
    row.erase_at = int(erase_at.timestamp())
    return row


def correct(
    person: Person,
    details: Details,
    name: str,
    *,
    now: datetime,
    erase_at: datetime,
    send: bool,
    is_live: lock_store.LockRule,
    other_keys: lock_store.OtherKeys = lock_store.NO_OTHER_KEYS,
) -> bool:
    """Replace the details of a request, keep those that were filed, and lock the corrected name as well.

    `name` is the person key of the corrected name. With `send` the convocation is sent again. Return False when the
    request changed since it was read. Raise AlreadyRequested when the corrected name has another live request.
    """
    actions: list[Action] = [PersonItem.details.set(codec.details_to_document(details)), PersonItem.corrected.add(1)]
    if person.as_filed is None:
        actions.append(PersonItem.as_filed.set(codec.details_to_document(person.details)))
    if send:
        actions += person_store.record_time(person_store.CONVOCATION_TIMES, now)
    new: list[LockItem] = []
    if name not in {person.key, *person.names}:
        actions.append(PersonItem.names.set(" ".join((*person.names, name))))
        new = [name_row(person, name, erase_at)]
    not_corrected = (
        PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    )
    unchanged = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref) & not_corrected
    updates = [(items.person_item(person.key, person.service), actions, unchanged)]
    twins = other_keys.locks(person.service) if new else ()
    return lock_store.change(lock_store.LockChange(new, updates, person.hold, twins=twins), is_live, now)


@dataclass(frozen=True, slots=True)
class NewEmail:
    """A corrected e-mail address, and the keys of the old and the new one."""

    email: str
    old_key: str
    new_key: str
    other_keys: Sequence[str] = ()
    """The keys of the new one under the other secrets of the stage."""


def change_email(
    seat: Carrier,
    person: Person,
    email: NewEmail,
    until: datetime,
    *,
    now: datetime,
    erase_at: datetime,
    is_live: lock_store.LockRule,
) -> bool:
    """Change the e-mail address of a pending request, and end the links sent so far.

    Return False when the request changed since it was read. Raise AlreadyRequested when the new e-mail
    address has another live request.
    """
    generation = seat.generation + 1
    details = replace(person.details, email=email.email)
    actions: list[Action] = [PersonItem.details.set(codec.details_to_document(details)), PersonItem.stopped.remove()]
    actions.append(PersonItem.generation.set(generation))
    unchanged = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref)
    new = person_store.email_item(person, email.new_key)
    updates: list[lock_store.Update] = [
        (seat_keys.seat_item(seat.key), *seat_expressions.change_email(seat, until, now)),
        (items.person_item(person.key, person.service), actions, unchanged),
    ]
    is_other_mailbox = email.new_key != email.old_key
    if is_other_mailbox:
        new.generation = generation
    else:  # another spelling of the same mailbox keeps its lock
        updates.append((new, [LockItem.generation.set(generation)], LockItem.hold == person.hold))
    change = lock_store.LockChange(
        [_lock(new, person, erase_at)] if is_other_mailbox else [],
        updates,
        person.hold,
        [person_store.email_item(person, email.old_key)] if is_other_mailbox else (),
        lock_store.OtherKeys(emails=email.other_keys).locks(person.service) if is_other_mailbox else (),
    )
    return lock_store.change(change, is_live, now)


def erase(
    seat: Carrier,
    person: Person,
    email_keys: Sequence[str],
    *,
    ended: State,
    opens_at: datetime | None,
    now: datetime,
) -> bool:
    """End a live request as `ended`, and delete its person item and locks.

    Return False when the request moved or ended since it was read; then nothing is deleted. A lock that a newer request
    has replaced stays. Raise TooManyRequests when other writes keep interfering.
    """
    unchanged = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref)
    locks = person_store.locks_of_person(person, email_keys)

    def write(writes: TransactWrite) -> None:
        for row in locks:
            writes.delete(row, LockItem.pk.does_not_exist() | (LockItem.hold == person.hold))
        writes.delete(items.person_item(person.key, person.service), PersonItem.pk.does_not_exist() | unchanged)
        actions = [*seat_expressions.end_request(seat.hold, ended, opens_at), SeatItem.person.remove()]
        writes.update(seat_keys.seat_item(seat.key), actions, seat_expressions.is_live(seat, ended, now, early=True))

    person_store.delete_replaced(person)  # first: no link leads to the copies after the transaction
    for _ in range(TRIES):
        try:
            failed = dynamodb.transact(write)
        except dynamodb.TransactionConflict:
            continue
        if not failed:
            return True
        if any(failed[len(locks) :]):
            return False
        locks = [lock for lock, is_replaced in zip(locks, failed, strict=False) if not is_replaced]
    raise TooManyRequests
