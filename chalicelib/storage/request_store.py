"""File, correct and erase a request: its seat, its person item and its locks change in one transaction.

Each transaction costs two write units for each item. `move_store` has one more, that of a move.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, TooManyRequests
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import dynamodb, items, person_store, seat_expressions
from chalicelib.storage.items import Item, LockItem, PersonItem, SeatItem

TRIES = 3
LAST_LETTERS = timedelta(days=14)
"""How long a letter can wait to be sent: the retention period of the queue of failed letters."""
NOT_COPIED = {"wanted_at", "wanted_2", "wanted_3", "attempt_at"}
"""Attributes that would trigger a letter if they were copied."""

LockRule = Callable[[SeatKey, str, str], bool]
"""Tells whether the request of a lock is live, from its seat, its hold and its person key."""
Update = tuple[Item, list[Action], Condition]


@dataclass(frozen=True, slots=True)
class LockChange:
    """Locks to write or to delete (`freed`) for a hold, and the updates of the same transaction."""

    locks: Sequence[LockItem]
    updates: Sequence[Update]
    hold: str
    freed: Sequence[LockItem] = ()


def _change(change: LockChange, is_live: LockRule, now: datetime) -> bool:
    """Write the locks and make the updates, all or none.

    A lock of a request that is no longer live is replaced. Return False when the condition of an update fails, or the
    same change was made a moment ago. Raise AlreadyRequested when a lock belongs to another live request, and record
    the attempt on that request. Raise TooManyRequests when other writes keep interfering.
    """
    others: dict[str, LockItem] = {}
    for _ in range(TRIES):
        try:
            failed = dynamodb.transact(lambda writes: _write(writes, change, others, now))
        except dynamodb.TransactionConflict:
            continue
        if not failed:
            return True
        start, end = len(change.freed), len(change.freed) + len(change.locks)
        if any((*failed[:start], *failed[end:])):
            return False
        for lock, is_taken in zip(change.locks, failed[start:end], strict=True):
            if is_taken and _check_other(lock, others, is_live, now) == change.hold:
                return False  # the same form was sent a moment ago
    raise TooManyRequests


def _check_other(lock: LockItem, others: dict[str, LockItem], is_live: LockRule, now: datetime) -> str:
    """Read the stored lock and return its hold; empty if it is gone. Add it to `others`, the locks to replace.

    Raise AlreadyRequested if the request of another hold is live.
    """
    stored = PersonItem(lock.pk, lock.sk)
    others.pop(lock.pk, None)
    with dynamodb.translated_errors():
        try:
            stored.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return ""
    owner = stored.person or stored.key
    if stored.hold != lock.hold and is_live(SeatKey.parse(stored.seat), stored.hold, owner):
        person_store.note_attempt(owner, stored.service_id, stored.hold, now)
        raise AlreadyRequested
    others[lock.pk] = stored
    return str(stored.hold)


def _write(writes: TransactWrite, change: LockChange, others: dict[str, LockItem], now: datetime) -> None:
    for freed in change.freed:
        writes.delete(freed, LockItem.pk.does_not_exist() | (LockItem.hold == change.hold))
    for lock in change.locks:
        condition: Condition = LockItem.pk.does_not_exist()
        if stored := others.get(lock.pk):
            condition = (LockItem.hold == stored.hold) & (LockItem.seat == stored.seat)
            for attribute in person_store.LINK_TIMES:  # a new request must not reset the limit of letters on demand
                setattr(lock, attribute.attr_name, getattr(stored, attribute.attr_name))
        writes.save(lock, condition)
    for stored in others.values():
        if isinstance(stored, PersonItem) and stored.details is not None:
            writes.save(_copy(stored, now))
    for row, actions, condition in change.updates:
        writes.update(row, actions, condition)


def _copy(stored: PersonItem, now: datetime) -> PersonItem:
    """Return a copy of a person item that is about to be replaced: its last letters may not have been sent yet."""
    copy = items.replaced_person_item(stored.key, stored.service_id, stored.hold)
    for name in PersonItem.get_attributes():
        if name not in {"pk", "sk", *NOT_COPIED}:
            setattr(copy, name, getattr(stored, name))
    copy.erase_at = min(int(stored.erase_at), int((now + LAST_LETTERS).timestamp()))
    return copy


def file(
    person: Person, email_key: str, until: datetime, *, now: datetime, erase_at: datetime, is_live: LockRule
) -> bool:
    """File a request, to be confirmed before `until`, and write its two locks. Costs 6 write units.

    Return False when the hold has expired, was filed already, or its captcha is not passed. Raise AlreadyRequested when
    the person or the e-mail address has another live request. A refusal changes nothing.
    """
    row = items.person_item(person.key, person.service)
    row.seat, row.hold, row.reference = person.seat.ref, person.hold, person.reference
    row.filed_at, row.erase_at = person.filed_at, int(erase_at.timestamp())
    row.details = codec.details_to_document(person.details)
    seat = items.seat_item(person.seat)
    change = LockChange(
        [_lock(items.email_lock(email_key, person.service), person, erase_at), row],
        [(seat, *seat_expressions.file_request(person.hold, person.key, until, now))],
        person.hold,
    )
    return _change(change, is_live, now)


def _lock(row: LockItem, person: Person, erase_at: datetime) -> LockItem:
    row.seat, row.hold, row.person, row.reference = person.seat.ref, person.hold, person.key, person.reference
    row.erase_at = int(erase_at.timestamp())
    return row


def correct(
    person: Person, details: Details, name: str, *, now: datetime, erase_at: datetime, send: bool, is_live: LockRule
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
        new = [_lock(items.name_lock(name, person.service), person, erase_at)]
    not_corrected = (
        PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    )
    unchanged = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref) & not_corrected
    return _change(
        LockChange(new, [(items.person_item(person.key, person.service), actions, unchanged)], person.hold),
        is_live,
        now,
    )


@dataclass(frozen=True, slots=True)
class NewEmail:
    """A corrected e-mail address, and the keys of the old and the new one."""

    email: str
    old_key: str
    new_key: str


def change_email(
    seat: Seat,
    person: Person,
    email: NewEmail,
    until: datetime,
    *,
    now: datetime,
    erase_at: datetime,
    is_live: LockRule,
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
    new = items.email_lock(email.new_key, person.service)
    updates: list[Update] = [
        (items.seat_item(seat.key), *seat_expressions.change_email(seat, until, now)),
        (items.person_item(person.key, person.service), actions, unchanged),
    ]
    is_other_mailbox = email.new_key != email.old_key
    if is_other_mailbox:
        new.generation = generation
    else:  # another spelling of the same mailbox keeps its lock
        updates.append((new, [LockItem.generation.set(generation)], LockItem.hold == person.hold))
    change = LockChange(
        [_lock(new, person, erase_at)] if is_other_mailbox else [],
        updates,
        person.hold,
        [items.email_lock(email.old_key, person.service)] if is_other_mailbox else (),
    )
    return _change(change, is_live, now)


def erase(
    seat: Seat, person: Person, email_keys: Sequence[str], *, ended: State, opens_at: datetime, now: datetime
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
        writes.update(items.seat_item(seat.key), actions, seat_expressions.is_live(seat, ended, now, early=True))

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
