"""Service files: check them, put them in place, list and withdraw what is there."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pynamodb.transactions import TransactWrite

from chalicelib.booking import schedule
from chalicelib.domain import codec, timetable
from chalicelib.domain.seat import State
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service, text_in
from chalicelib.storage import dynamodb, items, service_store
from infra.ops import output
from infra.ops.audit import act
from infra.ops.session import REFUSED, STAGE_DEFAULT, DryRun, Json, Session, StageName, Yes, at, documents
from infra.ops.withdraw import withdraw
from infra.servicefile import reader

services = typer.Typer(
    name="services",
    no_args_is_help=True,
    help="Service files: check them, put them in place, list and withdraw what is there.",
)
KEPT = "kept"
SHORT = 30
"""Characters of a value that is shown; of a longer one only the name."""
Hidden = Annotated[
    bool, typer.Option("--hidden", help="Leave the services off the home page until they are put without it.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML files, one service each.")]


@dataclass(frozen=True)
class Effect:
    """What a file changes: rules, and seats once the release function has made them agree."""

    service: Service
    document: dict[str, Any]
    new: bool
    rules: tuple[dict[str, Any], ...]
    seats: Counter[str]
    opens: Counter[tuple[str, datetime]]
    """New seats by their week and the moment when they open."""
    made_at: datetime

    @property
    def is_none(self) -> bool:
        """Is the file in place already?"""
        return not self.new and not self.rules

    def lines(self) -> Iterator[str]:
        """The effect in words."""
        if self.is_none:
            yield f"{self.service.id}: nothing changes"
            return
        yield f"{self.service.id}: {'a new service' if self.new else 'an existing service'}"
        for rule in self.rules:
            short = all(len(_shown(rule[side])) <= SHORT for side in ("before", "after"))
            yield f"  {rule['rule']}" + (f": {_shown(rule['before'])} -> {_shown(rule['after'])}" if short else "")
        counts = ", ".join(f"{output.count(self.seats[do], 'seat')} {_WILL[do]}" for do in ChangeKind if self.seats[do])
        yield f"  {counts or 'no seat changes'}"
        if self.seats[KEPT]:
            yield f"  {output.count(self.seats[KEPT], 'seat')} kept: booked outside the new hours"
        for (week, moment), number in sorted(self.opens.items()):
            when = "as soon as they are made" if moment == self.made_at else output.moment(moment, self.service.zone)
            yield f"  week {week}: {output.count(number, 'seat')}, open {when}"
        if self.service.hidden:
            yield "  hidden: the home page leaves it out; only who knows its address can book"
        elif self.new or any(rule["rule"] == "listing" for rule in self.rules):
            yield "  public: everybody sees it on the home page from now on"


_WILL = {
    ChangeKind.CREATE: "to create",
    ChangeKind.MOVE: "to open at another moment",
    ChangeKind.CLOSE: "to close",
    ChangeKind.REOPEN: "to open again",
}


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


@services.command()
def check(ctx: typer.Context, paths: Files, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Check files and touch nothing: each mistake with its line."""
    with at(ctx, stage, as_json=as_json) as session:
        read = _read(session, paths)
        names = [document["id"] for document in read.documents]
        session.show({"services": names, "warnings": [asdict(note) for note in read.warnings]}, "All files are right.")


def _read(session: Session, paths: list[Path]) -> reader.Services:
    try:
        read = reader.read(paths, today=session.now.date())
    except reader.Mistakes as mistakes:
        if session.json:
            session.show({"mistakes": [asdict(note) for note in mistakes.notes]})
        for note in mistakes.notes:
            session.tell(f"guichet: {note}")
        raise typer.Exit(REFUSED) from mistakes
    for note in read.warnings:
        session.tell(f"guichet: {note}")
    return read


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
    """Put files in place, all or none. Seats agree within the hour, or after `release run`; nobody loses a seat."""
    with at(ctx, stage, as_json=as_json) as session:
        read = _read(session, paths)
        there = documents()
        files_read = [document | ({"listing": "hidden"} if hidden else {}) for document in read.documents]
        effects = [_effect(document, there.get(document["id"]), session.now) for document in files_read]
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
                }
                for effect in effects
            ],
            "warnings": [asdict(note) for note in read.warnings],
        }
        lines = [line for effect in effects for line in effect.lines()]
        todo = [effect for effect in effects if not effect.is_none]
        if dry_run or not todo:
            session.show(document, *lines)
            return
        session.ask("Put this in place? Everybody sees it within a minute.", *lines, yes=yes)
        names = [effect.service.id for effect in todo]
        rules = sorted({rule["rule"] for effect in todo for rule in effect.rules})
        with act(session, "services put", services=names, rules=rules) as done:
            _store([effect.document for effect in todo])
            done["put"] = len(todo)
        lines = [*(lines if yes else ()), f"In place: {', '.join(names)}."]
        if hidden:
            lines.append(
                "To show them later: put the same files without --hidden, and without `listing: hidden` in them."
            )
        session.show(document, *lines)


def _effect(document: dict[str, Any], old: dict[str, Any] | None, now: datetime) -> Effect:
    service = codec.service_from_document(document)
    rules = () if old is None else tuple(_differences(old, document))
    changes = schedule.changes(service, now)
    seats = Counter(str(change.do) for change in changes)
    created = [change.seat for change in changes if change.do is ChangeKind.CREATE]
    opens = Counter((seat.key.week, max(seat.opens_at, now)) for seat in created)
    seats[KEPT] = sum(
        seat.state in {State.PENDING, State.CONFIRMED}
        and not seat.extra
        and seat.key not in hours
        and service.start_of(seat.key) > now
        for week, found in schedule.weeks_with_seats(service, now)
        for hours in [set(timetable.planned_seats(service, week))]
        for seat in found
    )
    return Effect(service, document, old is None, rules, seats, opens, now)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], inside: str = "") -> Iterator[dict[str, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{inside}{key}.")
        elif before != after:
            yield {"rule": f"{inside}{key}", "before": before, "after": after}


def _store(found: list[dict[str, Any]]) -> None:
    """All of them, or none."""
    with dynamodb.translated_errors(), TransactWrite(connection=dynamodb.connection().connection) as writes:
        for document in found:
            writes.save(items.service_item(document["id"], document=document))
    service_store.forget()


@services.command("list")
def list_(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """The services of the stage."""
    with at(ctx, stage, as_json=as_json) as session:
        found = sorted(service_store.read_all(session.now), key=lambda service: service.id)
        document, lines = [], []
        for service in found:
            desks = sorted({desk for opening in service.openings for desk in opening.desks})
            opens = timetable.next_release(service, session.now)
            facts = {"id": service.id, "name": service.name, "timezone": str(service.zone)}
            document.append(facts | {"slot_minutes": service.minutes, "desks": desks, "next_release": opens})
            when = output.moment(opens, service.zone) if opens else "none"
            name = text_in(service.name, "en")
            lines.append((service.id, name, f"{service.minutes} min", " ".join(map(str, desks)), when))
        drawn = output.table(("service", "name", "slot", "desks", "next release"), lines)
        session.show({"services": document}, drawn if lines else "There is no service.")


services.command()(withdraw)
