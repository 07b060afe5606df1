"""The commands `services`: check service files and put them in place; list and withdraw services."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from gettext import gettext as _
from pathlib import Path
from typing import Annotated, Any

import typer
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.desk import history
from chalicelib.domain import timetable
from chalicelib.storage import dynamodb, service_items, service_store
from chalicelib.storage.service_items import ServiceItem
from infra.ops import day_partitions, output, stored_services
from infra.ops.audit import audited
from infra.ops.effect import Effect, effect_of
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, StageName, Yes
from infra.ops.pause import pause, resume
from infra.ops.session import REFUSED, Refused, Session, open_session
from infra.ops.stage_access import caller
from infra.ops.withdraw import withdraw
from infra.servicefile import reader

services = typer.Typer(
    name="services",
    no_args_is_help=True,
    help="Check service files and put them in place; list and withdraw services.",
)
HOURS = {"slot_minutes", "plannings", "closures", "public_holidays", "release", "times", "limits", "allocation", "draw"}
"""The parts of a file of which the history keeps what they said before and after."""
Hidden = Annotated[
    bool,
    typer.Option("--hidden", help="Leave these services off the home page until their files are put without --hidden."),
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files, one service each.")]


@services.command()
def check(ctx: typer.Context, paths: Files, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Check files and name each mistake by its line. Nothing is written."""
    with open_session(ctx, stage, as_json=as_json) as session:
        checked = _read(session, paths)
        ids = [document["id"] for document in checked.documents]
        warnings = [note.document() for note in checked.warnings]
        session.show({"services": ids, "warnings": warnings}, _("All files are correct."))


def _read(session: Session, paths: list[Path]) -> reader.Services:
    try:
        checked = reader.read(paths, today=session.now.date())
    except reader.Mistakes as mistakes:
        if session.json:
            session.show({"mistakes": [note.document() for note in mistakes.notes]})
        for note in mistakes.notes:
            session.note(f"guichet: {note}")
        raise typer.Exit(REFUSED) from mistakes
    for note in checked.warnings:
        session.note(_("notice: {}").format(note))
    return checked


@services.command()
def put(
    ctx: typer.Context,
    paths: Files,
    stage: StageName = STAGE_DEFAULT,
    *,
    hidden: Hidden = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put all files in place, or none. Seats follow within the hour or after `release run`. Nobody loses a seat."""
    with open_session(ctx, stage, as_json=as_json) as session:
        checked = _read(session, paths)
        stored = stored_services.read_all()
        new = [document | ({"listing": "hidden"} if hidden else {}) for document in checked.documents]
        effects = [effect_of(document, stored.get(document["id"]), session.now) for document in new]
        by_day = {effect.service.id: day_partitions.first_week(effect.service, session.now) for effect in effects}
        document = {
            "put": not dry_run,
            "services": [effect.document() | {"by_day_from": by_day[effect.service.id]} for effect in effects],
            "warnings": [note.document() for note in checked.warnings],
        }
        lines = [line for effect in effects for line in (*effect.lines(), *_by_day_line(by_day[effect.service.id]))]
        changed = [effect for effect in effects if not effect.is_none or by_day[effect.service.id]]
        if dry_run or not changed:
            session.show(document, *lines)
            return
        session.confirm(_("Put this in place? Visitors see it within a minute."), *lines, yes=yes)
        ids = [effect.service.id for effect in changed]
        rules = sorted({rule["rule"] for effect in changed for rule in effect.rules})
        with audited(session, "services put", services=ids, rules=rules) as counts, ExitStack() as recorded:
            recorded_counts = [recorded.enter_context(_recorded(session, effect)) for effect in changed]
            _store([effect.file for effect in changed], by_day)
            counts["put"] = len(changed)
            for done in recorded_counts:
                done["put"] = 1
        lines = [*(lines if yes else ()), _("In place: {}.").format(", ".join(ids))]
        if hidden:
            lines.append(
                _("To list them on the home page, put the same files without --hidden and without `listing: hidden`.")
            )
        session.show(document, *lines)


def _recorded(session: Session, effect: Effect) -> AbstractContextManager[Counter[str]]:
    """Record in the history of the opening hours what changes. Of texts and addresses it only says that they did."""
    rules = [
        rule if rule["rule"].partition(".")[0] in HOURS and "witnesses" not in rule["rule"] else {"rule": rule["rule"]}
        for rule in effect.rules
    ]
    who = caller(session.region)
    return history.recorded(effect.service.id, who, history.Act.SERVICE, session.now, rules=rules)


def _by_day_line(week: str | None) -> Iterator[str]:
    if week:
        yield _("  many seats: from week {} on, each day has its own partition of the table").format(week)


def _store(documents: list[dict[str, Any]], by_day: Mapping[str, str | None]) -> None:
    """Store all documents, and from which week on seats are stored by day, in one transaction.

    Raise Refused if another operator stored such a week meanwhile.
    """

    def write(writes: TransactWrite) -> None:
        for document in documents:
            actions: list[Action] = [ServiceItem.document.set(document)]  # a pause outlives a new file
            is_unknown = None
            if week := by_day[document["id"]]:
                actions.append(ServiceItem.by_day_from.set(week))
                is_unknown = ServiceItem.by_day_from.does_not_exist()
            writes.update(service_items.service_item(document["id"]), actions=actions, condition=is_unknown)

    try:
        is_refused = bool(dynamodb.transact(write))
    except dynamodb.TransactionConflict:
        is_refused = True
    if is_refused:
        raise Refused(_("another operator is changing these services: run this again"))
    service_store.clear_caches()


@services.command("list")
def list_(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """List the services of the stage."""
    with open_session(ctx, stage, as_json=as_json) as session:
        stage_services = sorted(service_store.read_all(session.now), key=lambda service: service.id)
        documents, lines = [], []
        for service in stage_services:
            desks = sorted({desk for opening in service.openings for desk in opening.desks})
            opens = timetable.next_release(service, session.now)
            paused = service.paused is not None
            facts = {"id": service.id, "name": service.name, "timezone": str(service.zone), "paused": paused}
            documents.append(facts | {"slot_minutes": service.minutes, "desks": desks, "next_release": opens})
            release = (
                _("seats are drawn") if service.draw else output.moment(opens, service.zone) if opens else _("none")
            )
            lines.append(
                (
                    service.id,
                    output.in_own_language(service.name),
                    _("{} min").format(service.minutes),
                    " ".join(map(str, desks)),
                    _("paused") if paused else release,
                )
            )
        table = output.table(("service", "name", "slot", "desks", "next release"), lines)
        session.show({"services": documents}, table if lines else _("There is no service."))


for command in (pause, resume, withdraw):
    services.command()(command)
