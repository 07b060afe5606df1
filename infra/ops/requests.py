"""Requests of people: find one, show it, cancel it."""

import random
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from chalicelib import store, timetable
from chalicelib.model import State
from infra.ops import look
from infra.ops.audit import act
from infra.ops.people import Asked, Found, filed_as, find, full_name, on_seat
from infra.ops.session import REFUSED, STAGE_DEFAULT, DryRun, Json, Refused, Session, StageName, Yes, at

requests = typer.Typer(name="requests", no_args_is_help=True, help="Requests of people: find one, show it, cancel it.")
_chance = random.SystemRandom()
Name = Annotated[str, typer.Option("--name", help="Names or their beginnings, in any order.")]
Reference = Annotated[str, typer.Option("--reference", help="Like AES-7K3M9-QXPT2.")]
Email = Annotated[str, typer.Option("--email", help="The whole address.")]
One = Annotated[str, typer.Argument(metavar="REFERENCE", help="Like AES-7K3M9-QXPT2.")]


@requests.command("find")
def find_(
    ctx: typer.Context,
    name: Name = "",
    reference: Reference = "",
    email: Email = "",
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Find requests by what people say at the desk; all that is given must fit. Reads the whole table."""
    asked = Asked(name, reference, email)
    if asked == Asked():
        raise typer.BadParameter("say --name, --reference or --email")
    with at(ctx, stage, as_json=as_json) as session:
        found = sorted(_find(session, asked), key=lambda one: one.seat.key)
        lines = [
            (
                one.person.reference,
                full_name(one.person.details),
                f"{one.person.details.birth_date:%d/%m/%Y}",
                f"{look.day(one.seat.key.day)} {one.seat.key.start:%H:%M}",
                one.state,
            )
            for one in found
        ]
        drawn = look.table(("reference", "name", "born", "appointment", "state"), lines)
        session.show({"requests": [_document(session, one) for one in found]}, drawn if found else "Nobody found.")
        if not found:
            raise typer.Exit(REFUSED)


def _find(session: Session, asked: Asked) -> list[Found]:
    return list(find(asked, watch=session.track("looking")))


def _one(session: Session, reference: str) -> Found:
    found = _find(session, Asked(reference=reference))
    if not found:
        raise Refused(f"there is no request {reference} on {session.stage}, or its seat went on to somebody else")
    return found[0]


def _document(session: Session, found: Found) -> dict[str, Any]:
    person, seat, details = found.person, found.seat, found.person.details
    service = session.service(person.service)
    return {
        "reference": person.reference,
        "service": service.id,
        "state": found.state,
        "date": seat.key.day,
        "start": seat.key.start,
        "desk": seat.key.unit,
        "first_name": details.first_name,
        "last_name": details.last_name,
        "birth_name": details.birth_name,
        "filed_as": filed_as(person),
        "birth_date": details.birth_date,
        "email": details.email,
        "phone": details.phone,
        "language": details.language,
        "filed_at": person.filed_at,
        "confirm_before": seat.until if found.state is State.PENDING else None,
        "choose_before": seat.until if found.state is State.DISPLACED else None,
        "letters": sorted(person.sent),
    }


@requests.command()
def show(ctx: typer.Context, reference: One, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """One request with all that is known of it."""
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        document = _document(session, found)
        zone = session.service(found.person.service).zone
        lines = [(name.replace("_", " "), _shown(value, zone)) for name, value in document.items() if value]
        session.show(document, look.table(("what", "value"), lines))


def _shown(value: Any, zone: ZoneInfo) -> str:  # noqa: ANN401 - what a document holds
    if isinstance(value, datetime):
        return look.moment(value, zone)
    if isinstance(value, date):
        return look.day(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return " ".join(value) if isinstance(value, list) else str(value)


@requests.command()
def cancel(
    ctx: typer.Context,
    reference: One,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Cancel a request; the person gets a letter, and the seat opens again at a moment that nobody is told."""
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        seat, service = found.seat, session.service(found.person.service)
        when = f"{look.day(seat.key.day)} {seat.key.start:%H:%M}, desk {seat.key.unit}"
        if found.state not in {State.PENDING, State.CONFIRMED}:
            raise Refused(f"{found.person.reference} is {found.state} already")
        document = {"reference": found.person.reference, "was": found.state, "cancelled": not dry_run}
        if dry_run:
            session.show(document, f"{found.person.reference} would be cancelled: {when}, {found.state}.")
            return
        session.ask(
            "Cancel this request? It cannot be undone.", f"{found.person.reference}: {when}, {found.state}.", yes=yes
        )
        with act(session, "requests cancel", reference=found.person.reference) as done:
            back = timetable.return_moment(service, seat.key, session.now, _chance.random())
            done["cancelled"] += store.end_request(seat, State.WITHDRAWN, back, session.now)
            now = on_seat(found.person)
            if not now or now.state is not State.WITHDRAWN:
                raise Refused(f"{found.person.reference} changed meanwhile: look at it again")
        session.show(document, f"{found.person.reference} is cancelled: {when}. The person gets a letter.")
