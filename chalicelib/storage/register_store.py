"""What the desk records on a seat: the arrival and the outcome of its appointment, each with its audit item.

A write is one transaction, at four write units. It returns False, and changes nothing, if the seat is no longer as it
was read: only its holder, its state and who recorded that count.
"""

from collections.abc import Sequence
from datetime import datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.seat import Seat, State
from chalicelib.storage import dynamodb, items
from chalicelib.storage.desk_items import DeskAuditItem
from chalicelib.storage.items import SeatItem


def record_arrival(seat: Seat, agent_id: str, now: datetime, audit: DeskAuditItem) -> bool:
    """Record the arrival to a confirmed appointment."""
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED)]
    actions += [SeatItem.arrived_at.set(now), SeatItem.arrived_by.set(agent_id)]
    return _write(seat, actions, _unchanged(seat), audit)


def record_outcome(seat: Seat, outcome: State, agent_id: str, now: datetime, audit: DeskAuditItem) -> bool:
    """Record the outcome of an appointment."""
    actions: list[Action] = [SeatItem.state.set(outcome)]
    actions += [SeatItem.outcome_at.set(now), SeatItem.outcome_by.set(agent_id)]
    return _write(seat, actions, _unchanged(seat), audit)


def take_back_arrival(seat: Seat, agent_id: str, audit: DeskAuditItem) -> bool:
    """Take back an arrival that this agent recorded."""
    actions: list[Action] = [SeatItem.state.set(State.CONFIRMED)]
    actions += [SeatItem.arrived_at.remove(), SeatItem.arrived_by.remove()]
    return _write(seat, actions, _unchanged(seat) & (SeatItem.arrived_by == agent_id), audit)


def take_back_outcome(seat: Seat, agent_id: str, audit: DeskAuditItem) -> bool:
    """Take back an outcome that this agent recorded. The arrival stays, if it was recorded."""
    actions: list[Action] = [SeatItem.state.set(State.ARRIVED if seat.arrived_at else State.CONFIRMED)]
    actions += [SeatItem.outcome_at.remove(), SeatItem.outcome_by.remove()]
    return _write(seat, actions, _unchanged(seat) & (SeatItem.outcome_by == agent_id), audit)


def _unchanged(seat: Seat) -> Condition:
    condition: Condition = (SeatItem.hold == seat.hold) & (SeatItem.state == seat.state)
    return condition


def _write(seat: Seat, actions: Sequence[Action], condition: Condition, audit: DeskAuditItem) -> bool:
    def write(writes: TransactWrite) -> None:
        writes.save(audit)
        writes.update(items.seat_item(seat.key), list(actions), condition)

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False
