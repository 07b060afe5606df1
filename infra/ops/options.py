"""The options and arguments that several commands share."""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from gettext import gettext as _
from typing import Annotated, TypeVar

import typer

from chalicelib.domain.seat import monday_of
from infra.local.settings import STAGE

T = TypeVar("T")
STAGE_DEFAULT = STAGE


def _parser(pattern: str, read: Callable[[str], T], form: str) -> Callable[[str], T]:
    """Return a parser for values of this pattern; it names the expected form of any other value."""

    def parse(value: str) -> T:
        try:
            if re.fullmatch(pattern, value, re.ASCII):
                return read(value)
        except ValueError:
            pass
        raise typer.BadParameter(_("{!r} is not {}").format(value, _(form)))

    return parse


def _week(value: str) -> str:
    monday_of(value)  # raises ValueError for a week 54
    return value


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}"
_day = _parser(_DAY, date.fromisoformat, "a date like 2026-12-03")
_clock = _parser(_CLOCK, time.fromisoformat, "a time like 09:00")
_moment = _parser(f"{_DAY}T{_CLOCK}", datetime.fromisoformat, "a date and time like 2026-12-07T09:00")
_stage = _parser(r"[a-z][a-z0-9-]{0,19}", str, "a stage name: small letters, digits and hyphens, 20 at most")

StageName = Annotated[
    str, typer.Option("--stage", envvar="GUICHET_STAGE", parser=_stage, metavar="NAME", help="The stage to work on.")
]
StageBefore = Annotated[
    str | None,
    typer.Option("--stage", parser=_stage, metavar="NAME", help="The stage to work on; allowed after the command too."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
ServiceId = Annotated[str, typer.Argument(metavar="SERVICE", help="The id of the service, like aes.")]
Day = Annotated[date, typer.Argument(metavar="DATE", parser=_day, help="Like 2026-12-03.")]
Last = Annotated[
    date | None, typer.Option("--last", metavar="DATE", parser=_day, help="The last day; without it, one day.")
]
Since = Annotated[date | None, typer.Option("--since", metavar="DATE", parser=_day, help="Like 2026-12-03.")]
Week = Annotated[
    str | None,
    typer.Option(
        "--week",
        metavar="WEEK",
        parser=_parser("[0-9]{4}-W[0-9]{2}", _week, "a week like 2026-W49"),
        help="Like 2026-W49; without it, the current week.",
    ),
]
_FROM = typer.Option("--from", metavar="TIME", parser=_clock, help="Like 09:00, in the service's time zone.")
_TO = typer.Option("--to", metavar="TIME", parser=_clock, help="Like 10:30: when the last slot ends.")
From = Annotated[time, _FROM]
To = Annotated[time, _TO]
MaybeFrom = Annotated[time | None, _FROM]
MaybeTo = Annotated[time | None, _TO]
_DESK = typer.Option("--desk", min=1, max=999, help="The number of a desk; may be repeated.")
Desks = Annotated[list[int] | None, _DESK]
AtDesks = Annotated[list[int], _DESK]
Opens = Annotated[
    datetime | None,
    typer.Option(
        "--opens",
        metavar="MOMENT",
        parser=_moment,
        help="Like 2026-12-07T09:00, in the service's time zone; without it, now.",
    ),
]


def stage_of(ctx: typer.Context, stage: str) -> str:
    """Return the stage that the option after the command or the one before it names. Refuse two different names."""
    before: str | None = ctx.find_root().params.get("stage")
    if before is None:
        return stage
    source = ctx.get_parameter_source("stage")
    if source is not None and source.name == "COMMANDLINE" and stage != before:
        raise typer.BadParameter(_("--stage {} before the command and --stage {} after it").format(before, stage))
    return before
