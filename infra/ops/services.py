"""The commands `services`: check service files and put them in place; list and withdraw services."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pynamodb.transactions import TransactWrite

from chalicelib.booking import schedule
from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.desk import history
from chalicelib.domain import codec, timetable
from chalicelib.domain.seat import BOOKED
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service, text_in
from chalicelib.storage import dynamodb, items, service_store
from chalicelib.storage.items import ServiceItem
from infra.ops import output, stored_services
from infra.ops.audit import audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, StageName, Yes
from infra.ops.pause import pause, resume
from infra.ops.session import REFUSED, Session, open_session
from infra.ops.stage_access import caller
from infra.ops.withdraw import withdraw
from infra.servicefile import reader

services = typer.Typer(
    name="services",
    no_args_is_help=True,
    help="Check service files and put them in place; list and withdraw services.",
)
KEPT = "kept"
SHORT = 30
"""Characters. A changed rule with longer values is printed without them."""
HOURS = {"slot_minutes", "plannings", "closures", "public_holidays", "release", "times", "limits", "allocation", "draw"}
"""The parts of a file of which the history keeps what they said before and after."""
Hidden = Annotated[
    bool,
    typer.Option("--hidden", help="Leave these services off the home page until their files are put without --hidden."),
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files, one service each.")]


@dataclass(frozen=True)
class Effect:
    """What a file changes: the rules now, and the seats at the next run of the release function."""

    service: Service
    document: dict[str, Any]
    new: bool
    rules: tuple[dict[str, Any], ...]
    seats: Counter[str]
    opens: Counter[tuple[str, datetime]]
    """New seats by their week and the moment when they open."""
    internal: Counter[str]
    """New seats that only the desk gives, by their week."""
    now: datetime

    @property
    def is_none(self) -> bool:
        """Tell whether the file is in place already."""
        return not self.new and not self.rules

    def lines(self) -> Iterator[str]:
        """Return the effect as it is printed."""
        if self.is_none:
            yield f"{self.service.id}: nothing changes"
            return
        yield f"{self.service.id}: {'a new service' if self.new else 'an existing service'}"
        for rule in self.rules:
            before, after = ("none" if rule[side] is None else str(rule[side]) for side in ("before", "after"))
            yield f"  {rule['rule']}" + (f": {before} -> {after}" if max(len(before), len(after)) <= SHORT else "")
        counts = ", ".join(
            f"{output.count(self.seats[kind], 'seat')} {_EFFECTS[kind]}" for kind in ChangeKind if self.seats[kind]
        )
        yield f"  {counts or 'no seat changes'}"
        if self.seats[KEPT]:
            yield f"  {output.count(self.seats[KEPT], 'seat')} kept: booked outside the new hours"
        for (week, moment), number in sorted(self.opens.items()):
            when = "as soon as they are created" if moment == self.now else output.moment(moment, self.service.zone)
            yield f"  week {week}: {output.count(number, 'seat')}, open {when}"
        for week, number in sorted(self.internal.items()):
            yield f"  week {week}: {output.count(number, 'internal seat')}, for the desk"
        if self.service.hidden:
            yield "  hidden: not on the home page; only visitors who know its URL can book"
        elif self.new or any(rule["rule"] == "listing" for rule in self.rules):
            yield "  public: on the home page from now on"


_EFFECTS = {
    ChangeKind.CREATE: "to create",
    ChangeKind.MOVE: "to open at another moment",
    ChangeKind.CLOSE: "to close",
    ChangeKind.REOPEN: "to open again",
}


@services.command()
def check(ctx: typer.Context, paths: Files, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Check files and name each mistake by its line. Nothing is written."""
    with open_session(ctx, stage, as_json=as_json) as session:
        checked = _read(session, paths)
        ids = [document["id"] for document in checked.documents]
        warnings = [note.document() for note in checked.warnings]
        session.show({"services": ids, "warnings": warnings}, "All files are correct.")


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
        session.note(f"guichet: {note}")
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
        effects = [_effect(document, stored.get(document["id"]), session.now) for document in new]
        document = {
            "put": not dry_run,
            "services": [
                {
                    "id": effect.service.id,
                    "new": effect.new,
                    "hidden": effect.service.hidden,
                    "rules": effect.rules,
                    "seats": effect.seats,
                    "opens": [
                        {"week": week, "opens_at": moment, "seats": number}
                        for (week, moment), number in sorted(effect.opens.items())
                    ],
                    "internal": effect.internal,
                }
                for effect in effects
            ],
            "warnings": [note.document() for note in checked.warnings],
        }
        lines = [line for effect in effects for line in effect.lines()]
        changed = [effect for effect in effects if not effect.is_none]
        if dry_run or not changed:
            session.show(document, *lines)
            return
        session.confirm("Put this in place? Visitors see it within a minute.", *lines, yes=yes)
        ids = [effect.service.id for effect in changed]
        rules = sorted({rule["rule"] for effect in changed for rule in effect.rules})
        with audited(session, "services put", services=ids, rules=rules) as counts, ExitStack() as recorded:
            recorded_counts = [recorded.enter_context(_recorded(session, effect)) for effect in changed]
            _store([effect.document for effect in changed])
            counts["put"] = len(changed)
            for done in recorded_counts:
                done["put"] = 1
        lines = [*(lines if yes else ()), f"In place: {', '.join(ids)}."]
        if hidden:
            lines.append(
                "To list them on the home page, put the same files without --hidden and without `listing: hidden`."
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


def _effect(document: dict[str, Any], old: dict[str, Any] | None, now: datetime) -> Effect:
    service = codec.service_from_document(document)
    rules = () if old is None else tuple(_differences(old, document))
    changes = schedule.changes(service, now)
    seats = Counter(str(change.kind) for change in changes)
    created = [change.seat for change in changes if change.kind is ChangeKind.CREATE]
    of_desk = [seat for seat in created if timetable.is_internal(service, seat, now)]
    of_public = [seat for seat in created if seat not in of_desk and not service.draw]
    opens = Counter((seat.key.week, max(seat.opens_at, now)) for seat in of_public)
    internal = Counter(seat.key.week for seat in of_desk)
    seats[KEPT] = sum(
        seat.state in BOOKED and not seat.extra and seat.key not in planned and service.start_of(seat.key) > now
        for week, week_seats in weeks_with_seats(service, now)
        for planned in [set(timetable.planned_seats(service, week))]
        for seat in week_seats
    )
    return Effect(service, document, old is None, rules, seats, opens, internal, now)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield {"rule": f"{prefix}{key}", "before": before, "after": after}


def _store(documents: list[dict[str, Any]]) -> None:
    """Store all documents in one transaction."""
    with dynamodb.translated_errors(), TransactWrite(connection=dynamodb.connection().connection) as writes:
        for document in documents:
            content = ServiceItem.document.set(document)  # a pause outlives a new file
            writes.update(items.service_item(document["id"]), actions=[content])
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
            release = "seats are drawn" if service.draw else output.moment(opens, service.zone) if opens else "none"
            name = text_in(service.name, "en")
            lines.append(
                (service.id, name, f"{service.minutes} min", " ".join(map(str, desks)), "paused" if paused else release)
            )
        table = output.table(("service", "name", "slot", "desks", "next release"), lines)
        session.show({"services": documents}, table if lines else "There is no service.")


for command in (pause, resume, withdraw):
    services.command()(command)
