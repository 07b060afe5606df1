"""The operator program: `python -m infra.ops --help`."""

import importlib
import sys
from gettext import gettext
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from infra.ops.options import StageBefore
from infra.ops.other_words import wrong_use

COMMANDS = {
    "status": (
        "stage_status:status",
        "Show each service: next release, seats, open weeks, letters. Exit with 1 if anything needs attention.",
    ),
    "watch": (
        "watch:watch",
        "Show a service every two seconds until Ctrl-C: seats, holds a second, letters that wait, the canary.",
    ),
    "calendar": (
        "weeks:calendar",
        "Show a week slot by slot: how many seats are free, held, booked, waiting to return, closed.",
    ),
    "day": ("day_list:day", "List the applicants of a day in order: time, desk, name, birth date, reference, phone."),
    "figures": (
        "weeks:figures",
        "Count the seats of a week: opened, held, confirmed, freed, expired, and the seconds until it was full.",
    ),
    "close": (
        "close:close",
        "Close days, some hours or some desks; booked applicants get a letter and may choose another seat first.",
    ),
    "audit": (
        "audit:audit",
        "Show what was done with this program, newest first: since a day, or in the last 30 days. Times are UTC.",
    ),
    "history": (
        "history:show",
        "Show who changed the opening hours of a service in two years: files, closings, seats added or reopened.",
    ),
    "services": (
        "services:services",
        "Check service files and put them in place; list and withdraw services.",
    ),
    "release": ("release:release", "Preview the next releases; apply the rules of a service to its seats."),
    "seats": ("seats:seats", "Add seats by hand, or reopen seats that an operator closed."),
    "requests": (
        "requests:requests",
        "Find, show and cancel requests; export, correct and erase personal data.",
    ),
    "draws": (
        "draws:draws",
        "List, preview, run, show and verify draws; enter people who came by post, phone or in person.",
    ),
    "agents": ("agents:agents", "Who may sign in at the desk, and with which role in which service."),
    "displays": ("displays:group", "The screens of the waiting room: their links, each good for 90 days."),
}
"""Where each command or group of commands is in this package, and its help as the list of commands shows it."""


class Commands(TyperGroup):
    """The commands by their names. The module of a command is imported only when that command runs.

    All modules together take half a second of CPU time to import, and the list of commands needs none of them.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - what typer passes
        """Take the settings of typer."""
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=text) for name, (_, text) in COMMANDS.items()}

    def make_context(self, *words: Any, **settings: Any) -> Any:  # noqa: ANN401 - typer hides the types
        """Read the options before the command."""
        with wrong_use():
            return super().make_context(*words, **settings)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer hides the types
        """Run the command."""
        with wrong_use():
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer hides the types
        """Print the help in the language of the locale."""
        translate(self, ctx)
        super().format_help(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - typer hides the types
        """Return the name, the command with its options, and the arguments that are left."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, translate(load(name), ctx) if name else command, rest


def load(name: str) -> Any:  # noqa: ANN401 - typer hides the type
    """Import a command or a group of commands."""
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(f"infra.ops.{module}"), attribute)
    if isinstance(command, typer.Typer):
        return get_group(command)
    single = typer.Typer(add_completion=False)
    single.command(name)(command)
    return get_command(single)


def translate(command: Any, ctx: Any) -> Any:  # noqa: ANN401 - typer hides the types
    """Translate the help of a command, of its options and of its own commands to the language of the locale."""
    for part in (command, *command.get_params(ctx)):
        if part.help:
            part.help = gettext(part.help)
    for name in getattr(command, "commands", {}):
        translate(command.commands[name], ctx)
    return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate a stage of Guichet: its services, seats, releases, draws and requests. "
    "Exit codes: 0 done, 1 refused or nothing found, 2 wrong use, 3 the table cannot be reached.",
)


@app.callback()
def options(stage: StageBefore = None) -> None:
    """Accept `--stage` before the command too; `options.stage_of` reads it."""


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a name may not fit the terminal's encoding
    app(prog_name="python -m infra.ops")
