"""The command `services withdraw`: hide and close a service, check again that nobody has a seat, erase seats and file.

Each step can be interrupted and run again. Closing a seat is a conditional write, so a visitor who books at the same
moment either has the seat first, and the withdrawal is refused, or finds the seat closed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from gettext import gettext as _
from typing import Any

import typer
from pynamodb.transactions import TransactWrite

from chalicelib.desk import history
from chalicelib.domain import codec
from chalicelib.domain.seat import BOOKED, BY_OPERATOR, BY_RULES, CLOCK_SKEW, Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import (
    dynamodb,
    entry_store,
    items,
    seat_keys,
    seat_maintenance,
    seat_store,
    service_items,
    service_store,
    timetable_store,
)
from chalicelib.storage.items import PersonItem, SeatItem
from chalicelib.storage.service_items import ServiceItem
from infra.ops import output, stored_services
from infra.ops.audit import RETENTION, audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, ServiceId, StageName, Yes
from infra.ops.session import Refused, open_session
from infra.ops.stage_access import caller
from infra.ops.stored_services import WithdrawnItem

FOR_GOOD = "9999-12-31"
INTERRUPTED = "It is hidden and closed already: run this again later, or put its file in place again"


@dataclass(frozen=True)
class Live:
    """What somebody has of a seat, and until when. The service cannot be withdrawn before."""

    kind: str
    until: datetime


def withdraw(
    ctx: typer.Context,
    service_id: ServiceId,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Withdraw a service and erase its seats. Refused while anybody has an appointment, a request or a hold.

    An interrupted withdrawal can be run again. The details of past applicants stay until their own erasure date.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        document = stored_services.read_all().get(service_id)
        last_document = document or stored_services.read_withdrawn(service_id)
        service = codec.service_from_document(last_document) if last_document else session.service(service_id)
        seats = seat_store.read_all_weeks(service.id)
        _refuse_if_live(service, seats, session.now)
        people, erased_by = _past_applicants(service.id, session.now)
        result: dict[str, Any] = {"service": service.id, "dry_run": dry_run, "seats": len(seats), "people": people}
        lines = [
            _("{}: {} to erase, with the figures of their weeks.").format(service.id, output.count(len(seats), "seat"))
        ]
        if people:
            lines.append(
                _("The details of {} stay until {} at the latest; `requests` finds them until then.").format(
                    output.count(people, "past applicant"), output.day(erased_by.date())
                )
            )
        if dry_run:
            session.show(result, *lines)
            return
        session.confirm(_("Withdraw this service? Nobody can book it any more."), *lines, yes=yes)
        with (
            audited(session, "services withdraw", service=service.id) as counts,
            history.recorded(service.id, caller(session.region), history.Act.WITHDRAWN, session.now) as done,
        ):
            closed = _close_service(document, session.now.astimezone(service.zone).date().isoformat())
            for seat in session.progress("closing")(seats):
                counts["closed"] += _close(seat, session.now)
            seats = seat_store.read_all_weeks(service.id)
            _refuse_if_live(service, seats, session.now, _(INTERRUPTED))
            for seat in session.progress("erasing")(seats):
                counts["erased"] += _erase(seat)
            if remaining := seat_store.read_all_weeks(service.id):
                raise Refused(_("{} changed meanwhile: run this again").format(output.count(len(remaining), "seat")))
            if closed:
                _remove(service.id, closed, max(erased_by, session.now + RETENTION))
            done.update(counts)
        if session.stage != STAGE_DEFAULT:
            lines.append(
                _(
                    "Remove its file from `services` in infra/stages/{}.yaml: `make deploy` puts all of them in place."
                ).format(session.stage)
            )
        session.show(result | {"done": counts}, _("{} is withdrawn.").format(service.id), *lines[1:])


def _refuse_if_live(service: Service, seats: Iterable[Seat], now: datetime, hint: str = "") -> None:
    """Raise Refused while anybody has one of these seats, or an entry in the draws: how many, and until when."""
    ends: dict[str, list[datetime]] = {}
    for seat in seats:
        for live in _live(service, seat, now):
            ends.setdefault(live.kind, []).append(live.until)
    for entry in entry_store.read_all(service.id):
        if entry.until and entry.until > now and entry.state is not State.OPEN:
            ends.setdefault(_("draw applicant"), []).append(entry.until)
    if ends:
        parts = [
            _("{} (the last until {})").format(
                output.count(len(moments), kind), output.moment(max(moments), service.zone)
            )
            for kind, moments in sorted(ends.items())
        ]
        raise Refused(_("{} has {}").format(service.id, ", ".join(parts)) + (f". {hint}" if hint else ""))


def _live(service: Service, seat: Seat, now: datetime) -> Iterator[Live]:
    ends = service.start_of(seat.key) + service.slot
    if seat.state in BOOKED and ends > now:
        yield Live("request" if seat.state is State.PENDING else "appointment", ends)
    elif seat.state is State.HELD and seat.until and seat.until >= now - CLOCK_SKEW:
        yield Live("hold", seat.until)
    elif seat.past_state is State.DISPLACED and seat.until and seat.until > now:
        yield Live(_("choice of another seat"), seat.until)


def _past_applicants(service_id: str, now: datetime) -> tuple[int, datetime]:
    """Count the person items of the service, and return when the last is erased. Reads no details."""
    of_service = items.is_person_item(service_id)
    attributes = ["pk", "sk", "erase_at"]
    with dynamodb.translated_errors():
        dates = [int(item.erase_at) for item in PersonItem.scan(of_service, attributes_to_get=attributes)]
    return len(dates), max((datetime.fromtimestamp(date, UTC) for date in dates), default=now)


def _close_service(document: dict[str, Any] | None, today: str) -> dict[str, Any] | None:
    """Store the document hidden and closed for good, so that no release creates a seat. Return what was stored."""
    if document is None:
        return None
    closures = [*document.get("closures", ()), {"first": today, "last": FOR_GOOD, "reason": "withdrawn"}]
    closed = document if _is_closed(document) else document | {"listing": "hidden", "closures": closures}
    with dynamodb.translated_errors():
        service_items.service_item(document["id"]).update(actions=[ServiceItem.document.set(closed)])
    service_store.clear_caches()
    return closed


def _is_closed(document: dict[str, Any]) -> bool:
    """Tell whether an interrupted withdrawal has closed the service already."""
    return any(closure.get("last") == FOR_GOOD for closure in document.get("closures", ()))


def _close(seat: Seat, now: datetime) -> bool:
    """Close a seat that nobody has. A seat of the rules opens again when the file is put in place again."""
    if seat.state not in {State.OPEN, State.HELD}:
        return False
    return seat_maintenance.close(seat.key, BY_OPERATOR if seat.extra or seat.reserve else BY_RULES, now)


def _erase(seat: Seat) -> bool:
    """Delete a seat unless its state changed since it was read."""
    item, is_unchanged = seat_keys.seat_item(seat.key), SeatItem.state == seat.state
    return dynamodb.try_write(lambda: item.delete(is_unchanged))


def _remove(service_id: str, closed: dict[str, Any], erase_at: datetime) -> None:
    """Move the document to the withdrawn services, whose past applicants keep their rights.

    Raise Refused if the document changed since it was closed.
    """
    stored, _in_place = stored_services.read_row(service_id)
    withdrawn = WithdrawnItem(
        service_items.WITHDRAWN,
        service_id,
        document=closed,
        by_day_from=stored and stored.by_day_from,
        erase_at=int((erase_at + timedelta(days=1)).timestamp()),
    )

    def write(writes: TransactWrite) -> None:
        writes.delete(service_items.service_item(service_id), ServiceItem.document == closed)
        writes.save(withdrawn)
        writes.delete(timetable_store.timetable_item(service_id))

    try:
        failed = dynamodb.transact(write)
    except dynamodb.TransactionConflict as conflict:
        raise Refused(_("another operator is changing {}: run this again").format(service_id)) from conflict
    if failed:
        raise Refused(_("{} is not withdrawn: its file was put in place meanwhile").format(service_id))
    service_store.clear_caches()
