"""Whom each desk has called, in the table: one item for each desk of a service on a day."""

from datetime import date, datetime, timedelta

from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.desk_call import DeskCall
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import desk_items, dynamodb, register_store, seat_keys
from chalicelib.storage.desk_items import DeskAuditItem, DeskCallItem
from chalicelib.storage.items import SeatItem

RETENTION = timedelta(days=2)


def call(seat: Seat, desk: int, agent_id: str, now: datetime, audit: DeskAuditItem) -> bool:
    """Call an applicant to a desk, for the first time or again.

    Return False, and change nothing, if the seat is no longer as it was read, or if the desk has called somebody else.
    One transaction, at six write units.
    """
    calls = seat.calls + 1
    actions: list[Action] = [SeatItem.state.set(State.CALLED), SeatItem.calls.set(calls)]
    actions += [SeatItem.called_by.set(agent_id), SeatItem.called_to.set(desk)]
    actions += [] if seat.called_at else [SeatItem.called_at.set(now)]
    row = desk_items.call_item(
        seat.key.service,
        seat.key.day,
        desk,
        seat=seat.key.ref,
        number=seat.key.number,
        agent=agent_id,
        at=now,
        calls=calls,
        erase_at=int((now + RETENTION).timestamp()),
    )

    def write(writes: TransactWrite) -> None:
        writes.save(row, condition=DeskCallItem.pk.does_not_exist() | (DeskCallItem.seat == seat.key.ref))
        writes.save(audit)
        writes.update(seat_keys.seat_item(seat.key), actions, register_store.unchanged(seat))

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False


def read_calls(service_id: str, day: date) -> list[DeskCall]:
    """Return whom the desks of a service have called and not finished with, the latest call first.

    One consistent Query of one small partition.
    """
    with dynamodb.translated_errors():
        rows = list(DeskCallItem.query(desk_items.calls_partition(service_id, day), consistent_read=True))
    calls = [DeskCall(int(row.sk), row.number, row.at, int(row.calls)) for row in rows]
    return sorted(calls, key=lambda call: (call.at, call.desk), reverse=True)
