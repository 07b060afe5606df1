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

# Moving a request: three items and a seat change together or not at all


@dataclass(frozen=True, slots=True)
class Move:
    """A person's request on `seat`, booked or displaced, goes to the seat `to`; `most` limits the moves they make."""

    seat: Seat
    to: SeatKey
    person: Person
    address: str
    opens_at: datetime
    erase_at: datetime
    most: int | None


class MoveResult(StrEnum):
    """How a move went: done, the new seat is gone, or the request is no longer as it was read."""

    YES = "yes"
    SEAT_TAKEN = "seat taken"
    NOT_ITS_OWN = "not its own"


def move(todo: Move, now: datetime) -> MoveResult:
    """Take the new seat, give back the old, and follow with the locks, in one transaction: 8 write units.

    Each other name that the person was corrected to costs 2 more.
    """
    person, hold = todo.person, todo.person.hold
    theirs = items.person_item(person.key, person.service)
    erase_at = int(todo.erase_at.timestamp())
    own = PersonItem.hold == hold
    follow: list[Action] = [
        PersonItem.seat.set(todo.to.ref),
        PersonItem.erase_at.set(erase_at),
        PersonItem.sequence.add(1),
    ]
    if todo.most is not None:
        follow.append(PersonItem.moves.add(1))
        own &= PersonItem.moves.does_not_exist() | (PersonItem.moves < todo.most)

    def write(writes: TransactWrite) -> None:
        writes.update(items.seat_item(todo.to), _arrive(todo, now), _may_take(todo.seat, now))
        writes.update(items.seat_item(todo.seat.key), *_leave(todo, now))
        writes.update(theirs, follow, own & (PersonItem.seat == todo.seat.key.ref))
        for lock in person_store.locks_of_person(person, [todo.address]):
            writes.update(
                lock, [LockItem.seat.set(todo.to.ref), LockItem.erase_at.set(erase_at)], LockItem.hold == hold
            )

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise TooManyRequests from conflict
    if any(failed[1:]):
        return MoveResult.NOT_ITS_OWN
    return MoveResult.SEAT_TAKEN if any(failed) else MoveResult.YES


def _arrive(todo: Move, now: datetime) -> list[Action]:
    person = todo.person
    actions: list[Action] = [
        SeatItem.state.set(State.CONFIRMED),
        SeatItem.hold.set(person.hold),
        SeatItem.until.set(now),
    ]
    actions += [SeatItem.person.set(person.key), SeatItem.filed_at.set(person.filed_at)]
    return [*actions, *seat_expressions.count_hold(now), *seat_expressions.new_hold(generation=todo.seat.generation)]


def _may_take(old: Seat, now: datetime) -> Condition:
    free = seat_expressions.is_free(now)
    if old.past_state is not State.DISPLACED:
        return free
    condition: Condition = free | (
        (SeatItem.state == State.OPEN) & (SeatItem.reserve == old.reserve) & (SeatItem.opens_at > now)
    )
    return condition


def _leave(todo: Move, now: datetime) -> tuple[list[Action], Condition]:
    hold = todo.person.hold
    if todo.seat.past_state is State.DISPLACED:
        may = (SeatItem.past == hold) & (SeatItem.past_state == State.DISPLACED) & (SeatItem.until > now)
        return [SeatItem.past_state.set(State.MOVED), *seat_expressions.without_wait()], may
    return seat_expressions.end_request(hold, State.MOVED, todo.opens_at), (SeatItem.state == State.CONFIRMED) & (
        SeatItem.hold == hold
    )
