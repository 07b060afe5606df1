"""Requests of people: find one, show it, cancel it; and their rights: export, correct, erase."""

from dataclasses import replace
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from chalicelib.booking import personal_data
from chalicelib.domain import codec, lifecycle
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.storage import person_store, request_store, seat_admin, seat_store
from chalicelib.web import forms
from infra.ops import output
from infra.ops.audit import act, looked
from infra.ops.search import Asked, Found, addresses, filed_as, find, full_name, on_seat
from infra.ops.session import REFUSED, STAGE_DEFAULT, DryRun, Json, Refused, Session, StageName, Yes, at

requests = typer.Typer(
    name="requests", no_args_is_help=True, help="Requests of people, and their rights over what is kept."
)

LIVE = {State.PENDING, State.CONFIRMED}
Name = Annotated[str, typer.Option("--name", help="Names or their beginnings, in any order.")]
Reference = Annotated[str, typer.Option("--reference", help="Like AES-7K3M9-QXPT2.")]
Email = Annotated[str, typer.Option("--email", help="The whole address.")]
Changed = Annotated[str | None, typer.Option(help="As it should be.")]
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
        found = sorted(_find(session, asked), key=lambda one: one.person.seat)
        lines = [
            (
                one.person.reference,
                full_name(one.person.details),
                f"{one.person.details.birth_date:%d/%m/%Y}",
                f"{output.day(one.person.seat.day)} {one.person.seat.start:%H:%M}",
                one.told,
            )
            for one in found
        ]
        by = [word for word, said in vars(asked).items() if said]
        looked(session, "requests find", len(found), by=by)
        drawn = output.table(("reference", "name", "born", "appointment", "state"), lines)
        session.show({"requests": [_document(session, one) for one in found]}, drawn if found else "Nobody found.")
        if not found:
            raise typer.Exit(REFUSED)


def _find(session: Session, asked: Asked) -> list[Found]:
    return list(find(asked, session.now, watch=session.track("looking")))


def _one(session: Session, reference: str) -> Found:
    found = _find(session, Asked(reference=reference))
    if not found:
        raise Refused(f"there is no request {reference} on {session.stage}, or its data is erased")
    return found[0]


def _document(session: Session, found: Found) -> dict[str, Any]:
    person, key, details = found.person, found.person.seat, found.person.details
    until = found.seat.until if found.seat else None
    service = session.past_service(person.service)
    return {
        "reference": person.reference,
        "service": service.id,
        "state": found.told,
        "date": key.day,
        "start": key.start,
        "desk": key.unit,
        "first_name": details.first_name,
        "last_name": details.last_name,
        "birth_name": details.birth_name,
        "filed_as": filed_as(person),
        "birth_date": details.birth_date,
        "email": details.email,
        "phone": details.phone,
        "language": details.language,
        "filed_at": person.filed_at,
        "confirm_before": until if found.state is State.PENDING else None,
        "choose_before": until if found.state is State.DISPLACED else None,
        "letters": sorted(person.sent),
    }


@requests.command()
def show(ctx: typer.Context, reference: One, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """One request with all that is known of it."""
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        document = _document(session, found)
        zone = session.past_service(found.person.service).zone
        looked(session, "requests show", 1, reference=found.person.reference)
        lines = [(name.replace("_", " "), _shown(value, zone)) for name, value in document.items() if value]
        session.show(document, output.table(("what", "value"), lines))


def _shown(value: Any, zone: ZoneInfo) -> str:  # noqa: ANN401 - what a document holds
    if isinstance(value, datetime):
        return output.moment(value, zone)
    if isinstance(value, date):
        return output.day(value)
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
        seat, service = found.seat, session.past_service(found.person.service)
        if seat is None or found.state not in LIVE:
            raise Refused(f"{found.person.reference} is {found.told} already")
        when = f"{output.day(seat.key.day)} {seat.key.start:%H:%M}, desk {seat.key.unit}"
        document = {"reference": found.person.reference, "was": found.state, "cancelled": not dry_run}
        if dry_run:
            session.show(document, f"{found.person.reference} would be cancelled: {when}, {found.state}.")
            return
        session.ask(
            "Cancel this request? It cannot be undone.", f"{found.person.reference}: {when}, {found.state}.", yes=yes
        )
        with act(session, "requests cancel", reference=found.person.reference) as done:
            back = lifecycle.return_moment(service, seat.key, session.now, RNG.random())
            done["cancelled"] += seat_store.end_request(seat, State.WITHDRAWN, back, session.now)
            if on_seat(found.person).state is not State.WITHDRAWN:
                raise Refused(f"{found.person.reference} changed meanwhile: look at it again")
        session.show(document, f"{found.person.reference} is cancelled: {when}. The person gets a letter.")


# The rights of a person, on a written request


@requests.command()
def export(ctx: typer.Context, reference: One, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Everything that is kept about a person, as the JSON document to send them; with or without --json."""
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        document = personal_data.document_of(session.past_service(found.person.service), found.person, found.state)
        looked(session, "requests export", 1, reference=found.person.reference)
        session.show(document, output.as_json(document))


@requests.command()
def correct(
    ctx: typer.Context,
    reference: One,
    *,
    first_name: Changed = None,
    last_name: Changed = None,
    birth_name: Changed = None,
    birth_date: Changed = None,
    phone: Changed = None,
    stage: StageName = STAGE_DEFAULT,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Correct what is kept about a person who proved it; a new convocation follows. An address cannot be corrected."""
    said = {
        "first_name": first_name,
        "last_name": last_name,
        "birth_name": birth_name,
        "birth_date": birth_date,
        "phone": phone,
    }
    changes = {name: value for name, value in said.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what to correct")
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        person, details = found.person, found.person.details
        body = codec.details_to_document(details) | {"email_confirmation": details.email} | changes
        try:
            read = forms.read_details(body, today=session.now.date(), language=details.language)
        except InvalidFields as refusal:
            raise Refused(f"cannot be used: {', '.join(refusal.errors)}") from refusal
        wanted = replace(read, email=details.email)
        changed = sorted(name for name in changes if getattr(wanted, name) != getattr(details, name))
        document = {"reference": person.reference, "dry_run": dry_run, "corrected": changed}
        told = f"{person.reference}: {', '.join(changed) or 'nothing'}"
        if changed and not dry_run:
            session.ask("Correct it? The desk will see the name before as well.", told, yes=yes)
            with act(session, "requests correct", reference=person.reference, fields=changed) as done:
                send = found.state is State.CONFIRMED and changed != ["phone"]
                done["corrected"] += request_store.correct(
                    person,
                    wanted,
                    person.key,  # without the secret no other name can be locked
                    now=session.now,
                    erase_at=session.past_service(person.service).erase_at(person.seat),
                    send=send,
                    counts=lambda *_: True,
                )
                if not done["corrected"]:
                    raise Refused(f"{person.reference} changed meanwhile: look at it again")
        session.show(document, f"{told} {'to correct' if dry_run else 'corrected'}.")


@requests.command("erase")
def erase_(
    ctx: typer.Context,
    reference: One,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase all that is kept about a person; a live request is cancelled, without a letter. It cannot be undone."""
    with at(ctx, stage, as_json=as_json) as session:
        found = _one(session, reference)
        person, seat, service = found.person, found.seat, session.past_service(found.person.service)
        document = {"reference": person.reference, "was": found.told, "erased": not dry_run}
        told = f"{person.reference}: {found.told}."
        if dry_run:
            session.show(document, told)
            return
        session.ask("Erase all that is kept about this person? It cannot be undone.", told, yes=yes)
        with act(session, "requests erase", reference=person.reference) as done:
            if seat and found.state in LIVE:  # the mailer has nobody to write to when the seat changes
                back = lifecycle.return_moment(service, seat.key, session.now, RNG.random())
                keys = addresses(person)
                if not request_store.erase(seat, person, keys, ended=State.WITHDRAWN, opens_at=back, now=session.now):
                    raise Refused(f"{person.reference} moved or ended at this moment: look it up again")
                done["cancelled"] += 1
            else:
                person_store.erase(person, addresses(person))
            if seat and found.state is State.DISPLACED:
                done["cancelled"] += seat_admin.give_up_choice(seat)
            done["erased"] += 1
            seat_store.forget_person(person.seat, person.hold)
        session.show(document, f"{person.reference} is erased.")
