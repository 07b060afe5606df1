"""The commands `requests`: find, show and cancel a request; export, correct and erase personal data."""

from dataclasses import replace
from datetime import date, datetime, time
from gettext import gettext as _
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from chalicelib.booking import ending, families, personal_data
from chalicelib.domain import codec
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.seat import Key, Seat, SeatKey, State
from chalicelib.storage import lock_store, person_store, request_store, seat_maintenance, seat_store
from chalicelib.web import forms
from infra.ops import output
from infra.ops.audit import audit_reading, audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, StageName, Yes
from infra.ops.search import PersonRequest, Query, email_lock_keys, filed_as, full_name, request_of, search
from infra.ops.session import REFUSED, Refused, Session, open_session

requests = typer.Typer(
    name="requests",
    no_args_is_help=True,
    help="Find, show and cancel requests; export, correct and erase personal data.",
)

LIVE = {State.PENDING, State.CONFIRMED}
Name = Annotated[str, typer.Option("--name", help="Names, or how they begin, in any order.")]
Reference = Annotated[str, typer.Option("--reference", help="Like AES-7K3M9-QXPT2.")]
Email = Annotated[str, typer.Option("--email", help="The whole e-mail address.")]
CorrectValue = Annotated[str | None, typer.Option(help="The right value.")]
ReferenceArgument = Annotated[str, typer.Argument(metavar="REFERENCE", help="Like AES-7K3M9-QXPT2.")]


@requests.command()
def find(
    ctx: typer.Context,
    name: Name = "",
    reference: Reference = "",
    email: Email = "",
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Find requests that match all given options. Reads the whole table."""
    query = Query(name, reference, email)
    if query == Query():
        raise typer.BadParameter(_("give --name, --reference or --email"))
    with open_session(ctx, stage, as_json=as_json) as session:
        matches = sorted(_search(session, query), key=lambda request: _order(request.person.seat))
        lines = [
            (
                request.person.reference,
                full_name(request.person.details),
                f"{request.person.details.birth_date:%d/%m/%Y}",
                _appointment(request.person.seat),
                request.state_name,
            )
            for request in matches
        ]
        options = [option for option, value in vars(query).items() if value]
        audit_reading(session, "requests find", len(matches), by=options)
        table = output.table(("reference", "name", "born", "appointment", "state"), lines)
        documents = [_document(session, request) for request in matches]
        session.show({"requests": documents}, table if matches else _("No request was found."))
        if not matches:
            raise typer.Exit(REFUSED)


def _order(key: Key) -> tuple[date, time, int, str]:
    """Return by what requests are sorted: by appointment, and entries last."""
    if isinstance(key, SeatKey):
        return key.day, key.start, key.unit, key.service
    return date.max, time.max, 0, key.ref


def _appointment(key: Key) -> str:
    return f"{output.day(key.day)} {key.start:%H:%M}" if isinstance(key, SeatKey) else _("entry in the draws")


def _found(request: PersonRequest) -> str:
    """Say which request was found, without personal data."""
    key = request.person.seat
    desk = _(", desk {}").format(key.unit) if isinstance(key, SeatKey) else ""
    return f"{request.person.reference}: {_(request.state_name)}, {_appointment(key)}{desk}."


def _search(session: Session, query: Query) -> list[PersonRequest]:
    return list(search(query, session.now, watch=session.progress("people")))


def _read(session: Session, reference: str) -> PersonRequest:
    requests = _search(session, Query(reference=reference))
    if not requests:
        raise Refused(_("there is no request {} on {}, or its data is erased").format(reference, session.stage))
    return requests[0]


def _document(session: Session, request: PersonRequest) -> dict[str, Any]:
    person, key, details = request.person, request.person.seat, request.person.details
    until, seat = request.seat.until if request.seat else None, key if isinstance(key, SeatKey) else None
    return {
        "reference": person.reference,
        "service": session.past_service(person.service).id,
        "state": request.state_name,
        "date": seat and seat.day,
        "start": seat and seat.start,
        "desk": seat and seat.unit,
        "first_name": details.first_name,
        "last_name": details.last_name,
        "birth_name": details.birth_name,
        "filed_as": filed_as(person),
        "birth_date": details.birth_date,
        "email": details.email,
        "phone": details.phone,
        "language": details.language,
        "filed_at": person.filed_at,
        "confirm_before": until if request.state is State.PENDING else None,
        "choose_before": until if request.state is State.DISPLACED else None,
        "letters": sorted(person.sent),
    }


@requests.command()
def show(
    ctx: typer.Context, reference: ReferenceArgument, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Show everything about a request."""
    with open_session(ctx, stage, as_json=as_json) as session:
        request = _read(session, reference)
        document = _document(session, request)
        zone = session.past_service(request.person.service).zone
        audit_reading(session, "requests show", 1, reference=request.person.reference)
        lines = [(_(name.replace("_", " ")), _in_words(value, zone)) for name, value in document.items() if value]
        session.show(document, output.table(("field", "value"), lines))


def _in_words(value: Any, zone: ZoneInfo) -> str:  # noqa: ANN401 - what a document holds
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
    reference: ReferenceArgument,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Cancel a request. The applicant gets a letter, and the seat opens again at a secret moment."""
    with open_session(ctx, stage, as_json=as_json) as session:
        request = _read(session, reference)
        person, seat, service = request.person, request.seat, session.past_service(request.person.service)
        if seat is None or request.state not in LIVE:
            raise Refused(_("{} is {} already").format(person.reference, _(request.state_name)))
        appointment = _appointment(seat.key)
        if isinstance(seat.key, SeatKey):
            appointment += _(", desk {}").format(seat.key.unit)
        document = {"reference": person.reference, "was": request.state, "cancelled": not dry_run}
        if dry_run:
            session.show(
                document, _("{} would be cancelled: {}, {}.").format(person.reference, appointment, _(request.state))
            )
            return
        effect = f"{person.reference}: {appointment}, {_(request.state)}."
        session.confirm(_("Cancel this request? It cannot be undone."), effect, yes=yes)
        with audited(session, "requests cancel", reference=person.reference) as counts:
            counts["cancelled"] += ending.end_request(
                service, seat, State.WITHDRAWN, now=session.now, email_keys=email_lock_keys
            )
            if request_of(person).state is not State.WITHDRAWN:
                raise _changed(person.reference)
        consequence = (
            _("The applicant gets a letter.")
            if person.details.email
            else _("No e-mail reaches the applicant: tell them.")
        )
        session.show(document, _("{} is cancelled: {}. {}").format(person.reference, appointment, consequence))


def _changed(reference: str) -> Refused:
    return Refused(
        _("{} changed at the same moment: show it, and run this again if it is still right").format(reference)
    )


# Rights of a person, on a written request


@requests.command()
def export(
    ctx: typer.Context, reference: ReferenceArgument, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Print all data about a person as a JSON document to send them, with or without --json."""
    with open_session(ctx, stage, as_json=as_json) as session:
        request = _read(session, reference)
        service = session.past_service(request.person.service)
        document = personal_data.document_of(service, request.person, request.state, request.seat)
        audit_reading(session, "requests export", 1, reference=request.person.reference)
        session.show(document, output.as_json(document))


@requests.command()
def correct(
    ctx: typer.Context,
    reference: ReferenceArgument,
    *,
    first_name: CorrectValue = None,
    last_name: CorrectValue = None,
    birth_name: CorrectValue = None,
    birth_date: CorrectValue = None,
    phone: CorrectValue = None,
    stage: StageName = STAGE_DEFAULT,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Correct the data of a person who proved it. A new convocation follows. An e-mail address cannot be corrected."""
    options = {
        "first_name": first_name,
        "last_name": last_name,
        "birth_name": birth_name,
        "birth_date": birth_date,
        "phone": phone,
    }
    values = {name: value for name, value in options.items() if value is not None}
    if not values:
        raise typer.BadParameter(_("give at least one value to correct"))
    with open_session(ctx, stage, as_json=as_json) as session:
        request = _read(session, reference)
        person, details = request.person, request.person.details
        body = codec.details_to_document(details) | {"email_confirmation": details.email} | values
        try:
            read = forms.read_details(
                body, today=session.now.date(), language=details.language, email_required=bool(details.email)
            )
        except InvalidFields as refusal:
            raise Refused(_("these values cannot be used: {}").format(", ".join(refusal.errors))) from refusal
        corrected = replace(read, email=details.email)
        changed = sorted(name for name in values if getattr(corrected, name) != getattr(details, name))
        document = {"reference": person.reference, "dry_run": dry_run, "corrected": changed}
        lines = [_found(request)]
        if same := ", ".join(sorted(set(values) - set(changed))):
            lines.append(_("As given already: {}.").format(same))
        sends = request.state is State.CONFIRMED and isinstance(person.seat, SeatKey) and changed not in ([], ["phone"])
        if changed and not dry_run:
            fields = _("To correct: {}.").format(", ".join(changed))
            session.confirm(_("Correct this? The desk will see the name before as well."), *lines, fields, yes=yes)
            with audited(session, "requests correct", reference=person.reference, fields=changed) as counts:
                counts["corrected"] += request_store.correct(
                    person,
                    corrected,
                    person.key,  # the key of the new name needs the stage's secret, so the new name is not locked
                    now=session.now,
                    erase_at=session.now,  # of the lock of a new name, and there is none
                    send=sends,
                    is_live=lock_store.LockRule(lambda *_: True, session.now),
                )
                if not counts["corrected"]:
                    raise _changed(person.reference)
        lines.append(f"{_('To correct') if dry_run else _('Corrected')}: {', '.join(changed) or _('nothing')}.")
        lines.append(_("A new convocation follows.") if sends else _("No new convocation follows."))
        session.show(document, *lines)


@requests.command()
def erase(
    ctx: typer.Context,
    reference: ReferenceArgument,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase all data about a person. A live request is cancelled, without a letter. It cannot be undone."""
    with open_session(ctx, stage, as_json=as_json) as session:
        request = _read(session, reference)
        person, seat, service = request.person, request.seat, session.past_service(request.person.service)
        document = {"reference": person.reference, "was": request.state_name, "erased": not dry_run}
        effects = [_found(request), _("All data about this person is erased, and no letter is sent.")]
        if request.state in LIVE:
            effects.append(_("The request is cancelled, and what it has is given back."))
        if dry_run:
            session.show(document, *effects)
            return
        session.confirm(_("Erase all data about this person? It cannot be undone."), *effects, yes=yes)
        with audited(session, "requests erase", reference=person.reference) as counts:
            keys = email_lock_keys(person)
            families.forget(person)
            if seat and request.state in LIVE:  # when the seat changes, the mailer has nobody to write to
                if not ending.erase_request(service, seat, person, keys, State.WITHDRAWN, now=session.now):
                    raise _changed(person.reference)
                counts["cancelled"] += 1
            else:
                person_store.erase(person, keys)
            if isinstance(seat, Seat) and request.state is State.DISPLACED:
                counts["cancelled"] += seat_maintenance.give_up_choice(seat)
            counts["erased"] += 1
            seat_store.remove_person(person.seat, person.hold)
            families.send_convocations(person, session.now)
        session.show(document, _("{} is erased.").format(person.reference))
