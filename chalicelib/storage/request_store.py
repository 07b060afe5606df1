"""Transactions on a request: its seat, its person item and its locks change together or not at all.

Filing, correcting a name, correcting the e-mail address and erasing are here; `places.move` is the fifth. Each costs
two write units for each item.
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
"""How long a letter can wait to be sent: the queue of failed letters keeps it for this long."""

NOT_COPIED = {"wanted_at", "wanted_2", "wanted_3", "attempt_at"}
"""Attributes that would trigger a letter if they were copied."""

LockRule = Callable[[SeatKey, str, str], bool]
"""Tells whether a lock keeps others out, by the seat, the hold and the person that it names."""
Update = tuple[Item, list[Action], Condition]


@dataclass(frozen=True, slots=True)
class LockChange:
    """Locks to put, with the writes that must happen together with them; `freed` locks are deleted."""

    locks: Sequence[LockItem]
    updates: Sequence[Update]
    hold: str
    freed: Sequence[LockItem] = ()


def _change(change: LockChange, counts: LockRule, now: datetime) -> bool:
    """Put the locks and make the updates, all or none.

    Return False when one of the updates lost its condition. Raise AlreadyRequested when a lock belongs to another live
    request; that request's person item then records the attempt. A lock that no longer counts is replaced.
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
        for lock, lost in zip(change.locks, failed[start:end], strict=True):
            if lost and _judge(lock, others, counts, now) == change.hold:
                return False  # the same form was sent a moment ago
    raise TooManyRequests


def _judge(lock: LockItem, others: dict[str, LockItem], counts: LockRule, now: datetime) -> str:
    """Read the lock that is in the way, and return its hold; empty if it is gone.

    Raise AlreadyRequested if it counts for another hold, else note it as one to replace.
    """
    there = PersonItem(lock.pk, lock.sk)
    others.pop(lock.pk, None)
    with dynamodb.translated_errors():
        try:
            there.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return ""
    owner = there.person or there.pk.partition("#")[2]
    if there.hold != lock.hold and counts(SeatKey.parse(there.seat), there.hold, owner):
        person_store.note_attempt(owner, there.sk.removeprefix("SERVICE#"), there.hold, now)
        raise AlreadyRequested
    others[lock.pk] = there
    return str(there.hold)


def _write(writes: TransactWrite, change: LockChange, others: dict[str, LockItem], now: datetime) -> None:
    for freed in change.freed:
        writes.delete(freed, LockItem.pk.does_not_exist() | (LockItem.hold == change.hold))
    for lock in change.locks:
        condition: Condition = LockItem.pk.does_not_exist()
        if there := others.get(lock.pk):
            condition = (LockItem.hold == there.hold) & (LockItem.seat == there.seat)
            for (
                times
            ) in person_store.LINK_TIMES:  # so that a new request does not start the count of letters on demand again
                setattr(lock, times.attr_name, getattr(there, times.attr_name))
        writes.save(lock, condition)
    for there in others.values():
        if isinstance(there, PersonItem) and there.details is not None:
            writes.save(_copy(there, now))
    for row, actions, condition in change.updates:
        writes.update(row, actions, condition)


def _copy(there: PersonItem, now: datetime) -> PersonItem:
    """Copy the person item of an ended request that is about to be replaced: its last letters may not have left."""
    copy = items.replaced_person_item(there.pk.removeprefix("PERSON#"), there.sk.removeprefix("SERVICE#"), there.hold)
    for name in PersonItem.get_attributes():
        if name not in {"pk", "sk", *NOT_COPIED}:
            setattr(copy, name, getattr(there, name))
    copy.erase_at = min(int(there.erase_at), int((now + LAST_LETTERS).timestamp()))
    return copy


def file(person: Person, address: str, until: datetime, *, now: datetime, erase_at: datetime, counts: LockRule) -> bool:
    """File a request: the seat waits for its confirmation until `until`, and both locks are put.

    Return False when the hold is over, was filed already, or has not passed the captcha. Raise AlreadyRequested when
    the person or the e-mail address has another live request. A refusal leaves nothing behind. Costs 6 write units.
    """
    row = items.person_item(person.key, person.service)
    row.seat, row.hold, row.reference = person.seat.ref, person.hold, person.reference
    row.filed_at, row.erase_at = person.filed_at, int(erase_at.timestamp())
    row.details = codec.details_to_document(person.details)
    seat = items.seat_item(person.seat)
    change = LockChange(
        [_lock(items.email_lock(address, person.service), person, erase_at), row],
        [(seat, *seat_expressions.file_request(person.hold, person.key, until, now))],
        person.hold,
    )
    return _change(change, counts, now)


def _lock(row: LockItem, person: Person, erase_at: datetime) -> LockItem:
    row.seat, row.hold, row.person, row.reference = person.seat.ref, person.hold, person.key, person.reference
    row.erase_at = int(erase_at.timestamp())
    return row


def correct(
    person: Person, details: Details, name: str, *, now: datetime, erase_at: datetime, send: bool, counts: LockRule
) -> bool:
    """Put corrected details in place, keep those that were filed, and lock the corrected name too.

    `name` is the person key of the corrected name; the name as filed stays locked. With `send` the convocation goes out
    again. Return False when the request changed since it was read. Raise AlreadyRequested when the corrected name has
    another live request.
    """
    actions: list[Action] = [PersonItem.details.set(codec.details_to_document(details)), PersonItem.corrected.add(1)]
    if person.as_filed is None:
        actions.append(PersonItem.as_filed.set(codec.details_to_document(person.details)))
    if send:
        actions += person_store.push(person_store.CONVOCATION_TIMES, now)
    new: list[LockItem] = []
    if name not in {person.key, *person.names}:
        actions.append(PersonItem.names.set(" ".join((*person.names, name))))
        new = [_lock(items.name_lock(name, person.service), person, erase_at)]
    had = PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    mine = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref) & had
    return _change(
        LockChange(new, [(items.person_item(person.key, person.service), actions, mine)], person.hold), counts, now
    )


@dataclass(frozen=True, slots=True)
class NewEmail:
    """A corrected e-mail address, with the lock keys of the old and of the new one."""

    email: str
    old: str
    new: str


def change_email(
    seat: Seat, person: Person, email: NewEmail, until: datetime, *, now: datetime, erase_at: datetime, counts: LockRule
) -> bool:
    """Write a pending request to another e-mail address, and end the links sent so far.

    Return False when the request changed since it was read. Raise AlreadyRequested when the new address has another
    live request.
    """
    details = replace(person.details, email=email.email)
    actions: list[Action] = [PersonItem.details.set(codec.details_to_document(details)), PersonItem.stopped.remove()]
    actions.append(PersonItem.generation.set(seat.generation + 1))
    mine = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref)
    new = items.email_lock(email.new, person.service)
    generation = seat.generation + 1
    updates: list[Update] = [
        (items.seat_item(seat.key), *seat_expressions.change_email(seat, until, now)),
        (items.person_item(person.key, person.service), actions, mine),
    ]
    other = email.new != email.old
    if other:
        new.generation = generation
    else:  # the same mailbox in another spelling keeps its lock
        updates.append((new, [LockItem.generation.set(generation)], LockItem.hold == person.hold))
    change = LockChange(
        [_lock(new, person, erase_at)] if other else [],
        updates,
        person.hold,
        [items.email_lock(email.old, person.service)] if other else (),
    )
    return _change(change, counts, now)


def erase(
    seat: Seat, person: Person, addresses: Sequence[str], *, ended: State, opens_at: datetime, now: datetime
) -> bool:
    """End a live request as `ended` and delete its person item and locks.

    Return False when the request moved or ended since it was read; then nothing was deleted. `addresses` are the lock
    keys of its e-mail address. A lock that a newer request has replaced stays: the appointment was over by then.
    """
    mine = (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref)
    own = person_store.locks_of_person(person, addresses)

    def write(writes: TransactWrite) -> None:
        for row in own:
            writes.delete(row, LockItem.pk.does_not_exist() | (LockItem.hold == person.hold))
        writes.delete(items.person_item(person.key, person.service), PersonItem.pk.does_not_exist() | mine)
        actions = [*seat_expressions.end_request(seat.hold, ended, opens_at), SeatItem.person.remove()]
        writes.update(items.seat_item(seat.key), actions, seat_expressions.is_live(seat, ended, now, early=True))

    person_store.forget_replaced(person)  # first: after the transaction no link leads to the copies any more
    for _ in range(TRIES):
        try:
            failed = dynamodb.transact(write)
        except dynamodb.TransactionConflict:
            continue
        if not failed:
            return True
        if any(failed[len(own) :]):
            return False
        own = [row for row, lost in zip(own, failed, strict=False) if not lost]
    raise TooManyRequests
