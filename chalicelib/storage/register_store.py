"""What the desk records on a seat: the arrival and the outcome of its appointment, each with its audit item.

A write is one transaction, at four write units; six if it ends a call, because it deletes the item of the desk. It
returns False, and changes nothing, if the seat is no longer as it was read: only its holder, its state, its calls and
who recorded that count.
"""

from collections.abc import Sequence
from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.seat import Seat, State
from chalicelib.storage import desk_items, dynamodb, seat_keys
from chalicelib.storage.desk_items import DeskAuditItem
from chalicelib.storage.items import SeatItem


def record_arrival(seat: Seat, agent_id: str, now: datetime, audit: DeskAuditItem) -> bool:
    """Record the arrival to a confirmed appointment."""
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED)]
    actions += [SeatItem.arrived_at.set(now), SeatItem.arrived_by.set(agent_id)]
    return _write(seat, actions, unchanged(seat), audit)


def record_outcome(seat: Seat, outcome: State, agent_id: str, now: datetime, audit: DeskAuditItem) -> bool:
    """Record the outcome of an appointment."""
    actions: list[Action] = [SeatItem.state.set(outcome)]
    actions += [SeatItem.outcome_at.set(now), SeatItem.outcome_by.set(agent_id)]
    return _write(seat, actions, unchanged(seat), audit)


def take_back_arrival(seat: Seat, agent_id: str, audit: DeskAuditItem) -> bool:
    """Take back an arrival that this agent recorded, and what is left of earlier calls."""
    actions: list[Action] = [SeatItem.state.set(State.CONFIRMED)]
    actions += [SeatItem.arrived_at.remove(), SeatItem.arrived_by.remove(), SeatItem.parked.remove(), *_no_calls()]
    return _write(seat, actions, unchanged(seat) & (SeatItem.arrived_by == agent_id), audit)


def take_back_call(seat: Seat, agent_id: str, audit: DeskAuditItem) -> bool:
    """Take back a call that this agent made. Calls before the applicant was put aside stay."""
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED), *([] if seat.parked else _no_calls())]
    return _write(seat, actions, unchanged(seat) & (SeatItem.called_by == agent_id), audit)


def park(seat: Seat, audit: DeskAuditItem) -> bool:
    """Put an applicant aside who was called."""
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED), SeatItem.parked.set(True)]
    return _write(seat, actions, unchanged(seat), audit)


def take_back_outcome(seat: Seat, agent_id: str, audit: DeskAuditItem) -> bool:
    """Take back an outcome that this agent recorded. The arrival stays, if it was recorded.

    Who was called before is put aside: the desk may have called somebody else since.
    """
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED if seat.arrived_at else State.CONFIRMED)]
    actions += [SeatItem.outcome_at.remove(), SeatItem.outcome_by.remove()]
    actions += [SeatItem.parked.set(True)] if seat.called_at else []
    arrival = SeatItem.arrived_at.exists() if seat.arrived_at else SeatItem.arrived_at.does_not_exist()
    return _write(seat, actions, unchanged(seat) & arrival & (SeatItem.outcome_by == agent_id), audit)


def unchanged(seat: Seat) -> Condition:
    """Return the condition that a seat has the same holder, state and calls as when it was read."""
    condition: Condition = (SeatItem.hold == seat.hold) & (SeatItem.state == seat.state)
    if seat.calls:
        condition &= (SeatItem.calls == seat.calls) & (SeatItem.called_to == seat.called_to)
    else:
        condition &= SeatItem.calls.does_not_exist()
    return condition


def _no_calls() -> list[Action]:
    calls = (SeatItem.called_at, SeatItem.called_by, SeatItem.called_to, SeatItem.calls)
    return [attribute.remove() for attribute in calls]


def _write(seat: Seat, actions: Sequence[Action], condition: Condition, audit: DeskAuditItem) -> bool:
    def write(writes: TransactWrite) -> None:
        if seat.state is State.CALLED:
            writes.delete(desk_items.call_item(seat.key.service, seat.key.day, seat.called_to))
        writes.save(audit)
        writes.update(seat_keys.seat_item(seat.key), list(actions), condition)

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False
