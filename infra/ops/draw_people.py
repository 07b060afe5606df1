"""The commands `draws enter`, `receipt`, `change`, `renew` and `calls`: people who came by post, phone or in person.

The details of a person are read from a file or from standard input: a shell keeps the arguments of its commands.
"""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from gettext import gettext as _
from pathlib import Path
from typing import Annotated, Any

import typer

from chalicelib.allocation import entries, office, publication
from chalicelib.desk import spreadsheet
from chalicelib.domain import draw_window, tokens
from chalicelib.domain.call import Call
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import InvalidFields, LinkExpired, NotInWindow, Refusal, WrongAllocation
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.rendering import paper
from chalicelib.storage import entry_store
from infra.ops import output
from infra.ops.audit import audit_reading, audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, ServiceId, StageName, Week
from infra.ops.search import Query, email_lock_keys, full_name, search
from infra.ops.session import Refused, Session, open_session

MOST_BYTES = 10_000
COLUMNS = ("reason", "name", "phone", "language", "appointment", "reference", "what to say")
ReferenceArgument = Annotated[str, typer.Argument(metavar="REFERENCE", help="Like AES-7K3M9-QXPT2.")]
FormFile = Annotated[
    str, typer.Argument(metavar="[FILE]", help="A JSON file with the details and preferences; - or nothing for stdin.")
]
Wishes = Annotated[list[str], typer.Argument(metavar="HALF-DAY...", help="Most wanted first: tue-am thu-pm any.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet, with `;` between cells.")]


class Channel(StrEnum):
    """How somebody came."""

    POST = "post"
    PHONE = "phone"
    COUNTER = "counter"


By = Annotated[Channel, typer.Option("--by", help="How the person came; it is recorded in the audit.")]


def enter(
    ctx: typer.Context,
    service_id: ServiceId,
    file: FormFile = "-",
    *,
    by: By,
    stage: StageName = STAGE_DEFAULT,
    as_json: Json = False,
) -> None:
    """Enter somebody in the draws and print their receipt. Without an e-mail address, they take part at once."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        form = _read_form(file)
        learned: dict[str, str] = {}
        call = {"service": service.id, "secret": tokens.new_secret(), "form": form}
        with audited(session, "draws enter", learned, service=service.id, by=by) as counts:
            answer = session.invoke("office", call)
            if code := answer.get("refused"):
                raise Refused(_refusal(code, answer, service))
            learned["reference"] = answer["reference"]
            counts["entered"] += 1
        person, live = _read(session, answer["reference"])
        _show_receipt(session, service, person, live)


def _read_form(file: str) -> Mapping[str, Any]:
    """Read a JSON document with the details of a person. Raise Refused for anything else; never print what it has."""
    try:
        text = sys.stdin.read(MOST_BYTES + 1) if file == "-" else Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(_("cannot read {}: {}").format(file, type(error).__name__)) from error
    try:
        form = json.loads(text) if len(text) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        form = None
    if not isinstance(form, dict):
        raise Refused(_("the details are not a JSON object: docs/ops.md has an example"))
    return form


def _refusal(code: str, answer: Mapping[str, Any], service: Service) -> str:
    """Say in one line why somebody was not entered."""
    if code == "invalid-fields":
        fields = "; ".join(f"{name}: {message}" for name, message in answer["errors"].items())
        return _("these fields cannot be used. {}").format(fields)
    if code == "not-in-window":
        return _("the window is closed. {}").format(_next_window(service, datetime.fromisoformat(answer["opens_at"])))
    texts = {
        "already-requested": _(
            "this person, or this e-mail address, is in the list or has an appointment already: see `requests find`"
        ),
        "wrong-allocation": _("{} does not draw its seats").format(service.id),
    }
    return texts.get(code, f"{code}: {answer['title']}")


def _next_window(service: Service, opens_at: datetime) -> str:
    return _("The next one of {} opens on {}").format(service.id, output.moment(opens_at, service.zone))


def _read(session: Session, reference: str) -> tuple[Person, Entry]:
    """Read the live entry with this reference. Raise Refused if there is none."""
    found = next(search(Query(reference=reference), session.now, watch=session.progress("people")), None)
    if found is None:
        raise Refused(_("there is no request {} on {}, or its data is erased").format(reference, session.stage))
    live = office.entry_of(found.person)
    if live is None:
        state = (
            _("has a seat: {}").format(_(found.state_name))
            if isinstance(found.person.seat, SeatKey)
            else _("is not in the list")
        )
        raise Refused(f"{found.person.reference} {state}")
    return found.person, live


def receipt(
    ctx: typer.Context, reference: ReferenceArgument, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Print the receipt of an entry, in French and in the language of the person: draws receipt REFERENCE | lp."""
    with open_session(ctx, stage, as_json=as_json) as session:
        person, live = _read(session, reference)
        service = session.service(person.service)
        audit_reading(session, "draws receipt", 1, reference=person.reference)
        _show_receipt(session, service, person, live)


def _show_receipt(session: Session, service: Service, person: Person, live: Entry) -> None:
    window = draw_window.current_window(service, session.now)
    promise = publication.promise(service.id, window.week) if window else None
    document = {
        "reference": person.reference,
        "receipt": live.receipt or None,
        "preferences": live.preferences,
        "until": live.until,
        "promise": promise,
    }
    if not live.receipt:  # the letter has it once the e-mail address is proven
        session.show(document, _("{}: a letter with a link goes to the e-mail address.").format(person.reference))
        return
    text = paper.receipt_text(paper.Receipt(service, person, live, window, promise))
    session.show(document, *text.splitlines())


def change(
    ctx: typer.Context,
    reference: ReferenceArgument,
    wishes: Wishes,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replace the half-days of an entry, while the window is open. The entry keeps its receipt."""
    with open_session(ctx, stage, as_json=as_json) as session:
        person, live = _read(session, reference)
        service = session.service(person.service)
        with _refusals(service):
            checked = entries.check_preferences(service, wishes, session.now)
        if not dry_run:
            with audited(session, "draws change", reference=person.reference), _refusals(service):
                entries.replace_preferences(service, live, checked, session.now)
        document = {"reference": person.reference, "preferences": checked, "dry_run": dry_run}
        session.show(document, f"{person.reference}: {', '.join(checked)}{_(' to set') if dry_run else ''}.")


def renew(
    ctx: typer.Context, reference: ReferenceArgument, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Let an entry take part in draws for another 26 weeks from now. It keeps its receipt."""
    with open_session(ctx, stage, as_json=as_json) as session:
        person, live = _read(session, reference)
        service = session.service(person.service)
        owned = entry_store.Owned(live, person, email_lock_keys(person))
        with audited(session, "draws renew", reference=person.reference), _refusals(service):
            renewed = entries.extend(service, owned, session.now)
        until = output.moment(renewed.until, service.zone) if renewed.until else ""
        document = {"reference": person.reference, "until": renewed.until}
        session.show(document, _("{} takes part until {}.").format(person.reference, until))


class _refusals:  # noqa: N801  # a context manager, used as a function
    """Turn the refusals of an entry into one line."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _kind: object, refusal: BaseException | None, _traceback: object) -> None:
        """Raise Refused for a refusal."""
        if isinstance(refusal, Refusal):
            raise Refused(_text_of(refusal, self._service)) from refusal


def _text_of(refusal: Refusal, service: Service) -> str:
    match refusal:
        case NotInWindow():
            return _("the window is closed. {}").format(_next_window(service, refusal.opens_at))
        case InvalidFields():
            return "; ".join(refusal.errors.values())
        case WrongAllocation():
            return _("{} does not draw its seats").format(service.id)
        case LinkExpired():
            return _("the entry is not proven yet, or has ended meanwhile")
    raise refusal


def calls(
    ctx: typer.Context,
    service_id: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """List whom to call or write to after a draw, because they have no e-mail address, with what to say in French.

    Without --week, of the last draw. Personal data: shred the list, do not mail it.
    """
    if as_csv and as_json:
        raise typer.BadParameter(_("use --csv or --json, not both"))
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        drawn = publication.draws(service.id)
        if week is None and not drawn:
            raise Refused(_("{} has no draw that is drawn yet").format(service.id))
        of_week = week or drawn[-1]["week"]
        listed = list(office.calls(service, of_week, session.now))
        audit_reading(session, "draws calls", len(listed), service=service.id, week=of_week)
        lines = [_call_line(call, service) for call in listed]
        if as_csv:
            sys.stdout.buffer.write(spreadsheet.as_csv([COLUMNS, *lines]).encode())
            return
        documents = [dict(zip(COLUMNS, line, strict=True)) for line in lines]
        document = {"service": service.id, "week": of_week, "calls": documents}
        session.show(document, output.table(COLUMNS, lines) if lines else _("There is nobody to call or write to."))


def _call_line(call: Call, service: Service) -> tuple[str, ...]:
    details = call.person.details
    appointment = f"{service.start_of(call.seat):%Y-%m-%d %H:%M}" if call.seat else ""
    phone = details.phone or _("by post: see the form")
    words = paper.words_of(call, service)
    return call.reason, full_name(details), phone, details.language, appointment, call.person.reference, words
