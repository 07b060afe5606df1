"""What every command shares: its options, what it shows and asks, and how it ends.

Exit codes: 0 done, 1 refused or nothing found, 2 wrong use, 3 the table cannot be reached.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, TypeVar

import typer
from pynamodb.attributes import NumberAttribute
from pynamodb.exceptions import DoesNotExist, PynamoDBException
from rich.console import Console, RenderableType
from rich.progress import track

from chalicelib.domain import codec
from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, items, service_store
from chalicelib.storage.items import ServiceItem
from infra.local.stack import STAGE
from infra.ops import output
from infra.ops.stage_access import reach, reason

REFUSED, WRONG_USE, AWAY = 1, 2, 3
WIDE = 120
"""Columns of what goes to a file or a printer."""
T = TypeVar("T")


class Refused(Exception):
    """The act cannot be done, or must not be without a yes; the message is the one line that says why."""


# Options and arguments


def _read(pattern: str, read: Callable[[str], T], form: str) -> Callable[[str], T]:
    def parse(value: str) -> T:
        try:
            if re.fullmatch(pattern, value, re.ASCII):
                return read(value)
        except ValueError:
            pass
        raise typer.BadParameter(f"{value!r} is not {form}")

    return parse


def _week(value: str) -> str:
    monday_of(value)
    return value


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}"
_day = _read(_DAY, date.fromisoformat, "a day like 2026-12-03")
_clock = _read(_CLOCK, time.fromisoformat, "a time like 09:00")
_moment = _read(f"{_DAY}T{_CLOCK}", datetime.fromisoformat, "a moment like 2026-12-07T09:00")
_stage = _read(r"[a-z][a-z0-9-]{0,19}", str, "the name of a stage")

StageName = Annotated[
    str, typer.Option("--stage", envvar="GUICHET_STAGE", parser=_stage, metavar="NAME", help="The stage to work on.")
]
StageBefore = Annotated[
    str | None, typer.Option("--stage", parser=_stage, metavar="NAME", help="The stage; also after the command.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
ServiceId = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id, like aes.")]
Day = Annotated[date, typer.Argument(metavar="DATE", parser=_day, help="Like 2026-12-03.")]
Since = Annotated[date | None, typer.Option("--since", metavar="DATE", parser=_day, help="Like 2026-12-03.")]
Week = Annotated[
    str | None,
    typer.Option(
        "--week",
        metavar="WEEK",
        parser=_read("[0-9]{4}-W[0-9]{2}", _week, "a week like 2026-W49"),
        help="Like 2026-W49; this one if not given.",
    ),
]
_FROM = typer.Option("--from", metavar="TIME", parser=_clock, help="Like 09:00, at the place.")
_TO = typer.Option("--to", metavar="TIME", parser=_clock, help="Like 10:30: the end of the last slot.")
From = Annotated[time, _FROM]
To = Annotated[time, _TO]
MaybeFrom = Annotated[time | None, _FROM]
MaybeTo = Annotated[time | None, _TO]
Desks = Annotated[list[int] | None, typer.Option("--desk", min=1, max=999, help="A desk's number; may be repeated.")]
AtDesks = Annotated[list[int], typer.Option("--desk", min=1, max=999, help="A desk's number; may be repeated.")]
Opens = Annotated[
    datetime | None,
    typer.Option("--opens", metavar="MOMENT", parser=_moment, help="Like 2026-12-07T09:00, at the place; else now."),
]
STAGE_DEFAULT = STAGE


# One run of the program


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Session:
    """One command at work: on which stage, since when, and what it says to whom."""

    stage: str
    region: str
    json: bool
    clock: Callable[[], datetime] = _now
    now: datetime = field(default_factory=_now)
    out: Console = field(default_factory=lambda: _console(sys.stdout))
    err: Console = field(default_factory=lambda: _console(sys.stderr))

    def show(self, document: object, *drawn: RenderableType) -> None:
        """Show the result: to a program the document, to a person what is drawn."""
        if self.json:
            sys.stdout.write(output.as_json(document) + "\n")
            return
        for part in drawn:
            _print(self.out, part)

    def tell(self, line: str) -> None:
        """A line beside the result."""
        _print(self.err, line)

    def ask(self, question: str, *about: str, yes: bool) -> None:
        """Refuse unless somebody says yes: by `--yes`, or at the terminal after reading what it is about."""
        if yes:
            return
        for line in about:
            self.tell(line)
        if not sys.stdin.isatty():
            raise Refused("nothing was changed: this needs --yes, or a terminal to ask at")
        self.err.print(f"{output.clean(question)} [y/N] ", end="")
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            raise Refused("nothing was changed")

    def track(self, what: str) -> Callable[[Iterable[T]], Iterable[T]]:
        """Pass things on one by one, with a bar for whoever looks on."""
        quiet = not self.err.is_terminal
        return lambda things: track(things, what, console=self.err, transient=True, disable=quiet)

    def service(self, name: str) -> Service:
        """The service of this id; Refused names those that there are."""
        known = {service.id: service for service in service_store.read_all(self.now)}
        if name not in known:
            raise Refused(f"there is no service {name} on {self.stage}: {', '.join(sorted(known)) or 'there is none'}")
        return known[name]

    def past_service(self, name: str) -> Service:
        """The same, or one that was withdrawn and whose past applicants still have rights."""
        document = withdrawn(name) if name not in {of.id for of in service_store.read_all(self.now)} else None
        return codec.service_from_document(document) if document else self.service(name)

    def week(self, service: Service, named: str | None) -> str:
        """The week that was asked for, or this one at the place."""
        return named or week_of(self.now.astimezone(service.zone).date())


def _console(stream: Any) -> Console:  # noqa: ANN401 - any text stream
    wide = None if stream.isatty() else WIDE
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=wide)


def _print(console: Console, part: RenderableType) -> None:
    """What is drawn keeps to the width; a line stays one line."""
    if isinstance(part, str):
        console.print(output.clean(part), soft_wrap=True)
    else:
        console.print(part)


@contextmanager
def at(ctx: typer.Context, stage: str, *, as_json: bool) -> Iterator[Session]:
    """A session on a stage. What refuses it, or keeps it from the table, becomes one line and the exit code."""
    clock = ctx.obj or _now  # tests give their own
    stage = _stage_of(ctx, stage)
    session = Session(stage, reach(stage), as_json, clock, clock())
    try:
        yield session
    except Refused as refused:
        _end(session, str(refused), REFUSED)
    except (Unavailable, TooManyRequests, PynamoDBException) as error:
        why = reason(error, stage, session.region)
        if why is None:
            raise
        _end(session, why, AWAY)


def _stage_of(ctx: typer.Context, stage: str) -> str:
    """The stage, by the option after the command or the one before it; wrong use if they differ."""
    before: str | None = ctx.find_root().params.get("stage")
    if before is None:
        return stage
    source = ctx.get_parameter_source("stage")
    if source is not None and source.name == "COMMANDLINE" and stage != before:
        raise typer.BadParameter(f"--stage {before} before the command and --stage {stage} after it")
    return before


def _end(session: Session, line: str, code: int) -> None:
    session.tell(f"guichet: {line}")
    if session.json:
        session.show({"error": line})
    raise typer.Exit(code)


def documents() -> dict[str, dict[str, Any]]:
    """The services of the stage as they are stored, by their ids."""
    with dynamodb.translated_errors():
        return {row.sk: row.document for row in ServiceItem.query(items.SERVICES, consistent_read=True)}


class WithdrawnRow(ServiceItem):
    """The last file of a service that was withdrawn."""

    erase_at = NumberAttribute()


def withdrawn(service_id: str) -> dict[str, Any] | None:
    """The last file of a service that was withdrawn; None if it never was, or long ago."""
    row = WithdrawnRow("WITHDRAWN", service_id)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return dict(row.document)
