"""Move a request to another seat, or from its entry in a draw to a seat, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import dynamodb, items, person_store, seat_expressions, seat_keys
from chalicelib.storage.items import Item, LockItem, PersonItem, SeatItem


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a request, confirmed or displaced, from `seat` to the seat `to`."""

    seat: Seat
    to: SeatKey
    person: Person
    email_keys: Sequence[str]
    opens_at: datetime
    """When the seat that becomes free opens again."""
    erase_at: datetime
    most_moves: int | None
    """How often the applicant may move the request; None if this move does not count."""
    kept: Seat | None = None
    """The new seat as an agent read it, who may take it before it opens; None for an applicant."""
    records: Sequence[Item] = ()
    """Items that are put with the move."""


class MoveResult(StrEnum):
    """The result of a move. Only DONE has changed anything."""

    DONE = "done"
    SEAT_TAKEN = "seat taken"
    REQUEST_CHANGED = "request changed"
    """The request is no longer as it was read, or has no moves left."""


def move(move: Move, now: datetime) -> MoveResult:
    """Take the new seat, free the old one, and update the person item and the locks, all or none.

    Raise TooManyRequests when another write changes one of the items at this moment. Costs 8 write units, and 2 more
    for each other name that the person was corrected to.
    """
    person, hold = move.person, move.person.hold
    erase_at = int(move.erase_at.timestamp())
    unchanged = (PersonItem.hold == hold) & (PersonItem.seat == move.seat.key.ref)
    person_actions: list[Action] = [
        PersonItem.seat.set(move.to.ref),
        PersonItem.erase_at.set(erase_at),
        PersonItem.sequence.add(1),
    ]
    if move.most_moves is not None:
        person_actions.append(PersonItem.moves.add(1))
        unchanged &= PersonItem.moves.does_not_exist() | (PersonItem.moves < move.most_moves)
    lock_actions: list[Action] = [LockItem.seat.set(move.to.ref), LockItem.erase_at.set(erase_at)]

    def write(writes: TransactWrite) -> None:
        for record in move.records:
            writes.save(record)
        writes.update(seat_keys.seat_item(move.to), _arrive(move, now), _may_take(move, now))
        writes.update(seat_keys.seat_item(move.seat.key), *_leave(move, now))
        writes.update(items.person_item(person.key, person.service), person_actions, unchanged)
        for lock in person_store.locks_of_person(person, move.email_keys):
            writes.update(lock, lock_actions, LockItem.hold == hold)

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise TooManyRequests from conflict
    if any(failed[len(move.records) + 1 :]):
        return MoveResult.REQUEST_CHANGED
    return MoveResult.SEAT_TAKEN if any(failed) else MoveResult.DONE


@dataclass(frozen=True, slots=True)
class Award:
    """The seat `to` that an entry is drawn for, or offered (`by_draw`).

    It must be confirmed before `until`. That is None for somebody who cannot confirm by e-mail: it is confirmed then.
    """

    entry: Entry
    to: SeatKey
    by_draw: str
    until: datetime | None
    person: Person
    email_keys: Sequence[str]
    erase_at: datetime
    also: Sequence[Item] = ()
    """Items that are put with the move. If one of them exists, nothing is moved."""


def award(award: Award, now: datetime) -> MoveResult:
    """Move the request of an entry to its seat: the entry, the seat, the person item and the locks, all or none.

    The entry must be entered, and the seat open and not set aside. Raise TooManyRequests when another write changes one
    of the items at this moment. Costs 8 write units, and 2 for each lock of a corrected name and each item of `also`.
    """
    entry, person, hold = award.entry, award.person, award.entry.hold
    erase_at = int(award.erase_at.timestamp())
    entered = (SeatItem.state == State.CONFIRMED) & (SeatItem.hold == hold)
    leaving = [*seat_expressions.end_request(hold, State.MOVED, None), SeatItem.moved_to.set(award.to.ref)]
    of_entry = (LockItem.hold == hold) & (LockItem.seat == entry.key.ref)
    actions: list[Action] = [LockItem.seat.set(award.to.ref), LockItem.erase_at.set(erase_at)]
    free = (SeatItem.state == State.OPEN) & (SeatItem.reserve.does_not_exist() | (SeatItem.opens_at <= now))

    def write(writes: TransactWrite) -> None:
        for item in award.also:
            writes.save(item, Item.pk.does_not_exist())
        writes.update(seat_keys.seat_item(award.to), _arrive_from_draw(award, now), free)
        writes.update(seat_keys.seat_item(entry.key), [*leaving, SeatItem.erase_at.set(erase_at)], entered)
        for lock in (
            items.person_item(person.key, person.service),
            *person_store.locks_of_person(person, award.email_keys),
        ):
            writes.update(lock, actions, of_entry)

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise TooManyRequests from conflict
    seat = len(award.also)
    if any((*failed[:seat], *failed[seat + 1 :])):
        return MoveResult.REQUEST_CHANGED
    return MoveResult.SEAT_TAKEN if any(failed) else MoveResult.DONE


def _arrive_from_draw(award: Award, now: datetime) -> list[Action]:
    return [
        SeatItem.state.set(State.PENDING if award.until else State.CONFIRMED),
        SeatItem.hold.set(award.entry.hold),
        SeatItem.until.set(award.until or now),
        SeatItem.person.set(award.person.key),
        SeatItem.filed_at.set(award.person.filed_at),
        SeatItem.by_draw.set(award.by_draw),
        *seat_expressions.count_hold(now),
        *seat_expressions.new_hold(generation=award.entry.generation),
    ]


def _arrive(move: Move, now: datetime) -> list[Action]:
    return [
        SeatItem.state.set(State.CONFIRMED),
        SeatItem.hold.set(move.person.hold),
        SeatItem.until.set(now),
        SeatItem.person.set(move.person.key),
        SeatItem.filed_at.set(move.person.filed_at),
        *seat_expressions.count_hold(now),
        *seat_expressions.new_hold(generation=move.seat.generation),
    ]


def _may_take(move: Move, now: datetime) -> Condition:
    """Return the condition of the new seat: it is free, or set aside for the applicants displaced from the old one."""
    if move.kept:
        return seat_expressions.is_unused(move.kept, now)
    old, condition = move.seat, seat_expressions.is_free(now)
    if old.past_state is State.DISPLACED:
        condition |= (SeatItem.state == State.OPEN) & (SeatItem.reserve == old.reserve) & (SeatItem.opens_at > now)
    return condition


def _leave(move: Move, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write on the old seat. It opens again, unless it was closed and its applicant displaced."""
    hold = move.person.hold
    if move.seat.past_state is State.DISPLACED:
        may_choose = (SeatItem.past == hold) & (SeatItem.past_state == State.DISPLACED) & (SeatItem.until > now)
        return [SeatItem.past_state.set(State.MOVED), *seat_expressions.without_wait()], may_choose
    confirmed = (SeatItem.state == State.CONFIRMED) & (SeatItem.hold == hold)
    return seat_expressions.end_request(hold, State.MOVED, move.opens_at), confirmed
