"""Move a request to another seat in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.person import Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import dynamodb, items, person_store, seat_expressions
from chalicelib.storage.items import LockItem, PersonItem, SeatItem


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a request, confirmed or displaced, from `seat` to the seat `to`."""

    seat: Seat
    to: SeatKey
    person: Person
    email_key: str
    opens_at: datetime
    """When the seat that becomes free opens again."""
    erase_at: datetime
    most_moves: int | None
    """How often the applicant may move the request; None if this move does not count."""


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
        writes.update(items.seat_item(move.to), _arrive(move, now), _may_take(move.seat, now))
        writes.update(items.seat_item(move.seat.key), *_leave(move, now))
        writes.update(items.person_item(person.key, person.service), person_actions, unchanged)
        for lock in person_store.locks_of_person(person, [move.email_key]):
            writes.update(lock, lock_actions, LockItem.hold == hold)

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise TooManyRequests from conflict
    if any(failed[1:]):
        return MoveResult.REQUEST_CHANGED
    return MoveResult.SEAT_TAKEN if any(failed) else MoveResult.DONE


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


def _may_take(old: Seat, now: datetime) -> Condition:
    """Return the condition of the new seat: it is free, or set aside for the applicants displaced from the old one."""
    condition = seat_expressions.is_free(now)
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
