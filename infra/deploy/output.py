"""Print lines, and ask before anything is changed."""

import sys
from collections.abc import Callable

import typer

from infra.deploy.aws import CannotDeploy

Ask = Callable[[str], None]
"""Asks a question. Raises CannotDeploy unless the answer is yes."""


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def asker(*, yes: bool) -> Ask:
    """Return a function that asks at the terminal, or that asks nothing if `yes`."""

    def ask(question: str) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise CannotDeploy("nothing was changed: this needs a terminal to ask at, or YES=1")
        try:
            confirmed = typer.confirm(question)
        except typer.Abort:
            confirmed = False
        if not confirmed:
            raise CannotDeploy("nothing was changed")

    return ask
