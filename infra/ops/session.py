"""One run of a command: its stage and moment, what it prints, and how it ends.

Exit codes: 0 done, 1 refused or nothing found, 2 wrong use, 3 the table cannot be reached.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from gettext import gettext as _
from typing import IO, Any, TypeVar

import typer
from botocore.exceptions import ClientError
from pynamodb.exceptions import PynamoDBException
from rich.console import Console, RenderableType
from rich.progress import track
from rich.text import Text

from chalicelib.desk import spreadsheet
from chalicelib.domain import codec
from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.seat import week_of
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, service_store
from infra.ops import damage, functions, output, stored_services
from infra.ops.options import stage_of
from infra.ops.stage_access import problem_of, select_stage, table_of
from infra.tools.numbers import number

REFUSED, UNREACHABLE = 1, 3
"""Exit codes."""
PRINTED_WIDTH = 120
"""Columns of what goes to a file or a printer."""
T = TypeVar("T")


class Refused(Exception):
    """Raised when a command cannot be done or is not confirmed. The message is the one line that says why."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Session:
    """One run of a command on a stage."""

    stage: str
    region: str
    json: bool
    clock: Callable[[], datetime] = _now
    now: datetime = field(default_factory=_now)
    invoker: Callable[..., Any] = functions.invoke
    out: Console = field(default_factory=lambda: console(sys.stdout))
    err: Console = field(default_factory=lambda: console(sys.stderr))

    def show(self, document: object, *parts: RenderableType) -> None:
        """Print the result: the document with `--json`, the parts without."""
        if self.json:
            sys.stdout.write(output.as_json(document) + "\n")
            return
        for part in parts:
            _print(self.out, part)

    def note(self, line: str) -> None:
        """Print a line on stderr, beside the result."""
        _print(self.err, line)

    def confirm(self, question: str, *effects: str, yes: bool) -> None:
        """Print the effects and ask at the terminal; `--yes` answers. Raise Refused without a yes."""
        if yes:
            return
        for line in effects:
            self.note(line)
        if not sys.stdin.isatty():
            raise Refused(_("nothing was changed: confirm with --yes, or run this at a terminal"))
        self.err.print(f"{spreadsheet.clean(question)} {_('[y/N]')} ", end="")
        if sys.stdin.readline().strip().casefold() not in {"y", "yes", *_("y yes").split()}:
            raise Refused(_("nothing was changed"))

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the function answers
        """Invoke a function of the stage. Raise Refused, in one line, if that is not possible."""
        try:
            return self.invoker(self.stage, self.region, function, event)
        except functions.CannotInvoke as error:
            raise Refused(str(error)) from error

    def progress(self, label: str) -> Callable[[Iterable[T]], Iterable[T]]:
        """Return a function that passes items on one by one and shows a progress bar at a terminal."""
        hidden = not self.err.is_terminal
        return lambda items: track(items, label, console=self.err, transient=True, disable=hidden)

    def service(self, service_id: str) -> Service:
        """Return the service with this id. Raise Refused, with the ids that exist, if there is none."""
        services = {service.id: service for service in service_store.read_all(self.now)}
        if service_id not in services:
            names = ", ".join(sorted(services))
            hint = _("use one of {}").format(names) if names else _("put one in place with `services put FILE`")
            raise Refused(_("there is no service {} on {}: {}").format(service_id, self.stage, hint))
        return services[service_id]

    def past_service(self, service_id: str) -> Service:
        """Return the service with this id, also a withdrawn one: its past applicants keep their rights."""
        current = {service.id for service in service_store.read_all(self.now)}
        document = stored_services.read_withdrawn(service_id) if service_id not in current else None
        return codec.service_from_document(document) if document else self.service(service_id)

    def week(self, service: Service, week: str | None) -> str:
        """Return the given week, or the current one in the service's time zone."""
        return week or week_of(self.now.astimezone(service.zone).date())


def console(stream: IO[str]) -> Console:
    """Return what prints to a stream, in colour only at a terminal, and without if NO_COLOR is set."""
    width = None if stream.isatty() else PRINTED_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def _print(console: Console, part: RenderableType) -> None:
    """Print a table within the width, and a text on one line."""
    if isinstance(part, str):
        console.print(spreadsheet.clean(part), soft_wrap=True)
    else:
        console.print(part, soft_wrap=isinstance(part, Text))


@contextmanager
def open_session(ctx: typer.Context, stage: str, *, as_json: bool) -> Iterator[Session]:
    """Open a session on a stage. Turn a refusal, or a table out of reach, into one line and the exit code."""
    clock, invoker = ctx.obj or (_now, functions.invoke)  # tests pass their own
    stage = stage_of(ctx, stage)
    session = Session(stage, select_stage(stage), as_json, clock, clock(), invoker=invoker)
    try:
        yield session
    except Refused as refused:
        _exit(session, str(refused), REFUSED)
    except (Unavailable, TooManyRequests, PynamoDBException) as error:
        problem = problem_of(error, stage, session.region)
        if problem is None:
            raise
        _exit(session, problem, UNREACHABLE)
    except (KeyError, TypeError, ValueError) as error:
        if not (problem := _damage(stage, type(error).__name__)):
            raise
        _exit(session, problem, REFUSED)


def _damage(stage: str, error: str) -> str:
    """Say in one line that items of the table cannot be read; empty if all can, or if you may not read them all.

    It reads the whole table.
    """
    try:
        table = damage.read_items(table_of(stage), client=dynamodb.connection().connection.client)
    except ClientError:
        return ""
    count = len(table) - len(damage.readable(table))
    text = _(
        "{error}; damaged items in the table: {count}. Name them with `python -m infra.ops.restore {stage} --damaged`"
    )
    return text.format(error=error, count=number(count), stage=stage) if count else ""


def _exit(session: Session, line: str, code: int) -> None:
    session.note(f"guichet: {line}")
    if session.json:
        session.show({"error": line})
    raise typer.Exit(code)
