"""What agents book and change for others: each change is one transaction with its audit item.

It costs two write units for each item. A write returns False, and changes nothing, if a condition fails.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import (
    desk_items,
    dynamodb,
    items,
    lock_store,
    person_store,
    recent,
    request_store,
    seat_expressions,
    seat_keys,
)
from chalicelib.storage.counter_items import CounterItem
from chalicelib.storage.desk_items import DeskAuditItem
from chalicelib.storage.items import LockItem, PersonItem, SeatItem


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many people an association may book in a week."""

    service: str
    week: str
    account: str
    most: int
    erase_at: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A seat, as it was read, for one person. `email_key` is empty without an e-mail address."""

    seat: Seat
    person: Person
    email_key: str
    erase_at: datetime


def book(
    bookings: Sequence[Booking],
    other_keys: lock_store.OtherKeys,
    records: Sequence[DeskAuditItem],
    ceiling: Ceiling | None,
    *,
    is_live: lock_store.LockRule,
    now: datetime,
) -> bool:
    """Take the seats, write the person items and the items of the e-mail addresses, and count the people.

    Return False if a seat is not free any more, the ceiling is reached, or the same was booked a moment ago. Raise
    AlreadyRequested if one of the people has another live request.
    """
    service_id = bookings[0].person.service
    updates: list[lock_store.Update] = [
        (seat_keys.seat_item(b.seat.key), _take(b.person, now), seat_expressions.is_unused(b.seat, now))
        for b in bookings
    ]
    if ceiling:
        updates.append(count_in(ceiling, len(bookings)))
    change = lock_store.LockChange(
        [row for booking in bookings for row in _rows(booking)],
        updates,
        bookings[0].person.hold,
        twins=other_keys.locks(service_id),
        records=records,
    )
    is_ours = lock_store.change(change, is_live, now)
    for key in (booking.seat.key for booking in bookings if is_ours):
        recent.SEATS.record_taken(key, now, by_us=True)
    return is_ours


def _rows(booking: Booking) -> Iterator[items.LockItem]:
    if booking.email_key:
        yield request_store.email_row(booking.person, booking.email_key, booking.erase_at)
    yield request_store.person_row(booking.person, booking.erase_at)


def _take(person: Person, now: datetime) -> list[Action]:
    return [
        SeatItem.state.set(State.CONFIRMED),
        SeatItem.hold.set(person.hold),
        SeatItem.until.set(now),
        SeatItem.person.set(person.key),
        SeatItem.filed_at.set(person.filed_at),
        *seat_expressions.count_hold(now),
        *seat_expressions.new_hold(),
    ]


def count_in(ceiling: Ceiling, people: int) -> lock_store.Update:
    """Return the update that counts so many more people, unless they are over the ceiling."""
    row = desk_items.ceiling_item(ceiling.service, ceiling.week, ceiling.account)
    left = ceiling.most - people
    below = CounterItem.number <= left
    if left >= 0:
        below |= CounterItem.number.does_not_exist()
    return row, [CounterItem.number.add(people), CounterItem.erase_at.set(int(ceiling.erase_at.timestamp()))], below


def count(service_id: str, week: str, account_id: str) -> int:
    """Return for how many people an association has booked in a week."""
    row = desk_items.ceiling_item(service_id, week, account_id)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return 0
    return int(row.number)


def cancel(seat: Seat, opens_at: datetime, now: datetime, record: DeskAuditItem) -> bool:
    """Cancel the request on a seat, which opens again at `opens_at`."""
    actions = seat_expressions.end_request(seat.hold, State.CANCELLED, opens_at)
    condition = seat_expressions.is_live(seat, State.CANCELLED, now)

    def write(writes: TransactWrite) -> None:
        writes.save(record)
        writes.update(seat_keys.seat_item(seat.key), actions, condition)

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False


@dataclass(frozen=True, slots=True)
class NewDetails:
    """The details that replace those of a request, and the keys of the new name and of both e-mail addresses.

    A key of an e-mail address is empty if there is none.
    """

    details: Details
    name: str
    old_email: str
    new_email: str
    other_people: Sequence[str]
    """The keys of the new name under the other secrets of the stage."""
    send: bool
    """Whether the convocation is sent again."""


def change_details(
    seat: Seat,
    person: Person,
    new: NewDetails,
    record: DeskAuditItem,
    *,
    erase_at: datetime,
    is_live: lock_store.LockRule,
    now: datetime,
) -> bool:
    """Replace the details of a live request. A new e-mail address ends the links sent so far.

    A new name is locked as well, a new e-mail address is not. Raise AlreadyRequested if the name is locked.
    """
    changes_email = new.details.email != person.details.email
    changes_mailbox = new.old_email != new.new_email
    after = replace(
        person,
        details=new.details,
        unlocked_email=person.unlocked_email or changes_mailbox,
        generation=person.generation + changes_email,
    )
    is_new_name = new.name not in {person.key, *person.names}
    locks = [request_store.name_row(after, new.name, erase_at)] if is_new_name else []
    if changes_mailbox and new.new_email:
        locks.append(request_store.email_row(after, new.new_email, erase_at))
    updates: list[lock_store.Update] = [
        (items.person_item(person.key, person.service), *_changed_person(person, after, new, now))
    ]
    if changes_email:
        live = seat_expressions.is_live(seat, State.CANCELLED, now)
        updates.append((seat_keys.seat_item(seat.key), [SeatItem.generation.set(after.generation)], live))
    if changes_email and not changes_mailbox and new.new_email:  # another spelling of the same mailbox keeps its item
        row = person_store.email_item(person, new.new_email)
        updates.append((row, [LockItem.generation.set(after.generation)], LockItem.hold == person.hold))
    change = lock_store.LockChange(
        locks,
        updates,
        person.hold,
        [person_store.email_item(person, new.old_email)] if changes_mailbox and new.old_email else (),
        lock_store.OtherKeys(new.other_people).locks(person.service) if is_new_name else (),
        [record],
    )
    return lock_store.change(change, is_live, now)


def _changed_person(person: Person, after: Person, new: NewDetails, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write on the person item. It keeps the details that were filed, as a correction does."""
    actions: list[Action] = [PersonItem.details.set(codec.details_to_document(new.details))]
    actions.append(PersonItem.corrected.add(1))
    if person.as_filed is None:
        actions.append(PersonItem.as_filed.set(codec.details_to_document(person.details)))
    if new.name not in {person.key, *person.names}:
        actions.append(PersonItem.names.set(" ".join((*person.names, new.name))))
    if after.generation != person.generation:
        actions += [PersonItem.generation.set(after.generation), PersonItem.stopped.remove()]
    if after.unlocked_email:
        actions.append(PersonItem.unlocked_email.set(True))
    if new.send:
        actions += person_store.record_time(person_store.CONVOCATION_TIMES, now)
    had = PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    return actions, (PersonItem.hold == person.hold) & (PersonItem.seat == person.seat.ref) & had
