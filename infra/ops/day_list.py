"""The command `day`: the desk's list of a day, to print or for a spreadsheet."""

import sys
from collections.abc import Iterator
from datetime import datetime
from gettext import gettext as _
from typing import Annotated, Any

import typer
from rich import box

from chalicelib.desk import day as desk_day
from chalicelib.desk import spreadsheet
from chalicelib.desk.day import Row
from chalicelib.domain.person import Person
from chalicelib.domain.seat import BOOKED, Seat
from chalicelib.domain.service import Service
from infra.ops import output
from infra.ops.audit import audit_reading
from infra.ops.options import STAGE_DEFAULT, Day, Json, ServiceId, StageName
from infra.ops.search import filed_as, full_name
from infra.ops.seat_status import SeatStatus, seat_status
from infra.ops.session import open_session

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet, with `;` between cells.")]
COLUMNS = ("time", "desk", "name", "born", "reference", "phone", "state")


def day(
    ctx: typer.Context,
    service_id: ServiceId,
    date: Day,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List the applicants of a day in order: time, desk, name, birth date, reference, phone."""
    if as_csv and as_json:
        raise typer.BadParameter(_("use --csv or --json, not both"))
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        rows = desk_day.read_day(service, date, session.now)
        kept = [row for row in rows if service.erase_at(row.seat.key) > session.now]
        lines = [line for row in kept for line in _lines(service, row, session.now)]
        cells = [_cells(line) for line in lines]
        audit_reading(session, "day", sum(line["name"] is not None for line in lines), service=service.id, day=date)
        if as_csv:
            sys.stdout.buffer.write(spreadsheet.as_csv([COLUMNS, *cells]).encode())
            return
        people = sum(line["state"] in BOOKED for line in lines)
        title = f"{output.in_own_language(service.name)} - {output.day(date)} - {output.count(people, 'appointment')}"
        table = output.table(COLUMNS, cells, style=box.ASCII2)
        session.show({"service": service.id, "date": date, "seats": lines}, title, *([table] if cells else []))


def _lines(service: Service, row: Row, now: datetime) -> Iterator[dict[str, Any]]:
    """Return the line of a seat, if it has one.

    It has an applicant, booked or displaced, or it is free and internal, or it was given back too late.
    """
    if row.is_listed:
        yield _line(row.seat, row.state, row.person)
        return
    status = seat_status(service, row.seat, now)
    if status in {SeatStatus.INTERNAL, SeatStatus.LATE}:
        yield _line(row.seat, status, None)


def _line(seat: Seat, state: str, person: Person | None) -> dict[str, Any]:
    details = person.details if person else None
    return {
        "time": seat.key.start,
        "desk": seat.key.unit,
        "name": full_name(details) if details else None,
        "filed_as": filed_as(person) if person else None,
        "born": details.birth_date if details else None,
        "reference": person.reference if person else None,
        "phone": details.phone if details else None,
        "state": state,
    }


def _cells(line: dict[str, Any]) -> list[str]:
    """Return a line as it is printed; a corrected name is followed by the name before."""
    texts = line | {"time": f"{line['time']:%H:%M}", "born": f"{line['born']:%d/%m/%Y}" if line["born"] else ""}
    if line["filed_as"]:
        texts["name"] = _("{} (filed as {})").format(line["name"], line["filed_as"])
    return [str(texts[name] or "") for name in COLUMNS]
