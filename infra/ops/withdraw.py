"""Withdraw a service: hide and close it, look again that nobody has a seat, then erase its seats and its file.

Each step can be cut off and run again. Closing a seat is a conditional write, so a booking in the same moment either
has the seat before, and the withdrawal is refused, or finds it closed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from pynamodb.transactions import TransactWrite

from chalicelib.domain import codec
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, CLOCK_SKEW, Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, items, seat_admin, seat_store, service_store
from chalicelib.storage.items import PersonItem, SeatItem, ServiceItem
from infra.ops import output
from infra.ops.audit import KEPT, act
from infra.ops.desk_changes import TimetableRow
from infra.ops.session import (
    STAGE_DEFAULT,
    DryRun,
    Json,
    Refused,
    ServiceId,
    StageName,
    WithdrawnRow,
    Yes,
    at,
    documents,
    withdrawn,
)

BOOKED = {State.PENDING, State.CONFIRMED}
FOR_GOOD = "9999-12-31"
STOPPED = "It is hidden and closed already: run this again later, or put its file again"


@dataclass(frozen=True)
class Live:
    """A seat that keeps a service from being withdrawn: what somebody has of it, and until when."""

    what: str
    until: datetime


def withdraw(
    ctx: typer.Context,
    service: ServiceId,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Withdraw a service and erase its seats. Refused while anybody has an appointment, a request or a hold.

    Cut short, it is run again. The details of its past applicants stay until they are erased as promised.
    """
    with at(ctx, stage, as_json=as_json) as session:
        document, before = documents().get(service), withdrawn(service)
        if document is None and before is None:
            session.service(service)  # refuses, and names those that there are
        of = codec.service_from_document(document or before or {})
        seats = seat_store.read_all_weeks(of.id)
        _refuse_live(of, seats, session.now)
        people, erased_by = _people(of.id, session.now)
        result: dict[str, Any] = {"service": of.id, "dry_run": dry_run, "seats": len(seats), "people": people}
        lines = [f"{of.id}: {output.count(len(seats), 'seat')} to erase, with the figures of their weeks."]
        if people:
            details = f"The details of past applicants stay until {output.day(erased_by.date())} at the latest"
            lines.append(f"{details}: {people} so far; `requests` finds them until then.")
        if dry_run:
            session.show(result, *lines)
            return
        session.ask("Withdraw this service? Nobody can book it any more.", *lines, yes=yes)
        with act(session, "services withdraw", service=of.id) as done:
            closed = _close_rules(document, session.now.astimezone(of.zone).date().isoformat())
            for seat in session.track("closing")(seats):
                done["closed"] += _close(seat, session.now)
            seats = seat_store.read_all_weeks(of.id)
            _refuse_live(of, seats, session.now, STOPPED)
            for seat in session.track("erasing")(seats):
                done["erased"] += _erase(seat)
            if left := seat_store.read_all_weeks(of.id):
                raise Refused(f"{output.count(len(left), 'seat')} changed meanwhile: run it again")
            if closed:
                _remove(of.id, closed, max(erased_by, session.now + KEPT))
        if stage != STAGE_DEFAULT:
            lines.append(
                f"Take its file out of `services` in infra/stages/{stage}.yaml: `make deploy` puts all of them."
            )
        session.show(result | {"done": done}, f"{of.id} is withdrawn.", *lines[1:])


def _refuse_live(service: Service, seats: Iterable[Seat], now: datetime, more: str = "") -> None:
    """Refuse while anybody has one of these seats: how many, and until when."""
    kinds: dict[str, list[datetime]] = {}
    for seat in seats:
        for live in _live(service, seat, now):
            kinds.setdefault(live.what, []).append(live.until)
    if kinds:
        parts = [
            f"{output.count(len(moments), what)} (the last until {output.moment(max(moments), service.zone)})"
            for what, moments in sorted(kinds.items())
        ]
        raise Refused(f"{service.id} has {', '.join(parts)}" + (f". {more}" if more else ""))


def _live(service: Service, seat: Seat, now: datetime) -> Iterator[Live]:
    ends = service.start_of(seat.key) + service.slot
    if seat.state in BOOKED and ends > now:
        yield Live("appointment" if seat.state is State.CONFIRMED else "request", ends)
    elif seat.state is State.HELD and seat.until and seat.until >= now - CLOCK_SKEW:
        yield Live("hold", seat.until)
    elif seat.past_state is State.DISPLACED and seat.until and seat.until > now:
        yield Live("choice of another seat", seat.until)


def _people(service_id: str, now: datetime) -> tuple[int, datetime]:
    """How many person items the service still has, and when the last is erased. No detail is read."""
    of_service = PersonItem.pk.startswith("PERSON#") & (PersonItem.sk == f"SERVICE#{service_id}")
    of_service &= PersonItem.details.exists()  # not the locks of corrected names
    with dynamodb.translated_errors():
        kept = [int(row.erase_at) for row in PersonItem.scan(of_service, attributes_to_get=["pk", "sk", "erase_at"])]
    return len(kept), max((datetime.fromtimestamp(at, UTC) for at in kept), default=now)


def _close_rules(document: dict[str, Any] | None, today: str) -> dict[str, Any] | None:
    """Store the file hidden and closed for good, so that no release makes a seat; None if it is gone already."""
    if document is None:
        return None
    closures = [*document.get("closures", ()), {"first": today, "last": FOR_GOOD, "reason": "withdrawn"}]
    closed = document if _is_closed(document) else document | {"listing": "hidden", "closures": closures}
    with dynamodb.translated_errors():
        items.service_item(document["id"], document=closed).save()
    service_store.forget()
    return closed


def _is_closed(document: dict[str, Any]) -> bool:
    """Tell whether an interrupted withdrawal has closed the service already."""
    return any(closure.get("last") == FOR_GOOD for closure in document.get("closures", ()))


def _close(seat: Seat, now: datetime) -> bool:
    """Close a seat that nobody has. A seat of the rules opens again when the file is put in place again."""
    if seat.state not in {State.OPEN, State.HELD}:
        return False
    return seat_admin.close(seat.key, BY_OPERATOR if seat.extra or seat.reserve else BY_RULES, now)


def _erase(seat: Seat) -> bool:
    """Delete a seat unless it changed since it was read."""
    row, as_read = items.seat_item(seat.key), SeatItem.state == seat.state
    return dynamodb.try_write(lambda: row.delete(as_read))


def _remove(service_id: str, closed: dict[str, Any], erase_at: datetime) -> None:
    """Move the file to the withdrawn ones, where the rights of its past applicants need it, unless it was put again."""
    row = WithdrawnRow(
        "WITHDRAWN", service_id, document=closed, erase_at=int((erase_at + timedelta(days=1)).timestamp())
    )

    def write(writes: TransactWrite) -> None:
        writes.delete(items.service_item(service_id), ServiceItem.document == closed)
        writes.save(row)
        writes.delete(TimetableRow("TIMETABLE", service_id))

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise Refused(f"somebody else changes {service_id} at this moment: run it again") from conflict
    if failed:
        raise Refused(f"the file of {service_id} was put in place meanwhile: it is not withdrawn")
    service_store.forget()
