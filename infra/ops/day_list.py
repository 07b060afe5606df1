"""The desk's list of a day, to print or for a spreadsheet."""

import sys
from collections.abc import Iterator
from datetime import time
from typing import Annotated, Any

import typer
from rich import box

from chalicelib.domain import lifecycle
from chalicelib.domain.person import Person
from chalicelib.domain.seat import Seat, State, week_of
from chalicelib.domain.service import Service, text_in
from chalicelib.storage import person_store, seat_store
from infra.ops import output
from infra.ops.audit import looked
from infra.ops.search import filed_as, full_name
from infra.ops.session import STAGE_DEFAULT, Day, Json, ServiceId, StageName, at
from infra.ops.status import Status

Csv = Annotated[bool, typer.Option("--csv", help="For a spreadsheet: `;` between cells.")]
COLUMNS = ("time", "desk", "name", "born", "reference", "phone", "state")


def day(
    ctx: typer.Context,
    service: ServiceId,
    of_day: Day,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Who comes on a day, in order: time, desk, name, birth date, reference, phone."""
    if as_csv and as_json:
        raise typer.BadParameter("--csv or --json, not both")
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        seats = sorted(seat_store.read_week(of.id, week_of(of_day)), key=_order)
        here = [seat for seat in seats if seat.key.day == of_day and of.erase_at(seat.key) > session.now]
        found = [line for seat in session.track("people")(here) for line in _line(of, seat)]
        lines = [_cells(line) for line in found]
        looked(session, "day", sum(line["name"] is not None for line in found), service=of.id, day=of_day)
        if as_csv:
            sys.stdout.buffer.write(output.as_csv([COLUMNS, *lines]).encode())
            return
        people = sum(line["state"] in {State.PENDING, State.CONFIRMED} for line in found)
        head = f"{text_in(of.name, 'fr')} - {output.day(of_day)} - {output.count(people, 'appointment')}"
        drawn = output.table(COLUMNS, lines, style=box.ASCII2)
        session.show({"service": of.id, "date": of_day, "seats": found}, head, *([drawn] if lines else []))


def _order(seat: Seat) -> tuple[time, int]:
    return seat.key.start, seat.key.unit


def _line(service: Service, seat: Seat) -> Iterator[dict[str, Any]]:
    """The seat's line: whoever is booked, or was and may come all the same, or why nobody does."""
    if seat.state in {State.PENDING, State.CONFIRMED}:
        yield _of(seat, seat.state, _person(seat, seat.hold))
    elif seat.past_state is State.DISPLACED and seat.person:
        yield _of(seat, State.DISPLACED, _person(seat, seat.past))
    elif lifecycle.stays_closed(service, seat):
        yield _of(seat, Status.LATE, None)


def _person(seat: Seat, hold: str) -> Person | None:
    person = person_store.read(seat.person, seat.key.service)
    return person if person and person.hold == hold else None


def _of(seat: Seat, state: str, person: Person | None) -> dict[str, Any]:
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
    """The line as it is printed, a corrected name with the one before."""
    shown = line | {"time": f"{line['time']:%H:%M}", "born": f"{line['born']:%d/%m/%Y}" if line["born"] else ""}
    if line["filed_as"]:
        shown["name"] = f"{line['name']} (filed as {line['filed_as']})"
    return [str(shown[name] or "") for name in COLUMNS]
