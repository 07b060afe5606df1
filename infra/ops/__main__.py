"""The operator program: `python -m infra.ops --help`."""

import sys

import typer

from infra.ops.agents import agents
from infra.ops.audit import audit
from infra.ops.close import close
from infra.ops.day_list import day
from infra.ops.displays import group as displays
from infra.ops.draws import draws
from infra.ops.history import show as history
from infra.ops.options import StageBefore
from infra.ops.release import release
from infra.ops.requests import requests
from infra.ops.seats import seats
from infra.ops.services import services
from infra.ops.stage_status import status
from infra.ops.watch import watch
from infra.ops.weeks import calendar, figures

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate a stage of Guichet: its services, seats, releases, draws and requests. "
    "Exit codes: 0 done, 1 refused or nothing found, 2 wrong use, 3 the table cannot be reached.",
)


@app.callback()
def options(stage: StageBefore = None) -> None:
    """Accept `--stage` before the command too; `options.stage_of` reads it."""


for group in (services, release, seats, requests, draws, agents, displays):
    app.add_typer(group)
for command in (status, watch, calendar, day, figures, close, audit):
    app.command()(command)
app.command("history")(history)

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a name may not fit the terminal's encoding
    app(prog_name="python -m infra.ops")
