"""What other programs say, in the language of the locale: typer about wrong use, and the public checker of a draw.

Typer translates only a part of its messages, and the checker is one file for everybody that speaks English.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from gettext import gettext as _
from typing import Any

from typer.core import TyperGroup
from typer.exceptions import TyperException

from chalicelib.domain.messages import N_

TYPER = (
    N_("Missing argument {}."),
    N_("Missing option {}."),
    N_("Invalid value for {}: {}"),
    N_("Invalid value: {}"),
    N_("No such option: {} (Possible options: {})"),
    N_("No such option: {}"),
    N_("Got unexpected extra argument(s) ({})"),
    N_("Option {} requires an argument."),
    N_("Option {} does not take a value."),
    N_("{}. Did you mean {}?"),
    N_("Input should be a valid integer, unable to parse string as an integer"),
    N_("Input should be greater than or equal to {}"),
    N_("Input should be less than or equal to {}"),
    N_("Input should be {}"),
)
"""The messages of typer that it does not translate itself, the special ones first."""
CHECKER = (
    N_("Note: {}"),
    N_("WRONG: {}"),
    N_("Not checked: {}"),
    N_("{}: {} entries, {} seats, {} offers: as the rule says"),
    N_("{}: void ({}), {} entries, {} seats"),
    N_("the signature of drand was NOT checked: install py_ecc, or compare it with {}"),
    N_("there is no outside source of randomness: who runs the service may have tried several seeds."),
    N_("the entries and seats were published late, so a later round decided."),
    N_("the promise was made after the window had closed."),
    N_("{} winners did not get their seat. The record does not show why."),
    N_(
        "Shown: the order, seats and {} offers of {} follow by the rule from the published entries, and nobody's "
        "number of lost draws is wrong, {}; not shown: that each entry is a person, that none was left out (look for "
        "your own receipt), that who is recorded as left did leave, and which seats came free."
    ),
    N_("{} and of the {} draws before"),
    N_("and rule, seed, entries and seats are the ones that your promise and root fixed"),
    N_(
        "and rule, seed and earlier records are the ones that your promise fixed, but without --root it is not shown "
        "that entries and seats were fixed before the draw"
    ),
    N_(
        "and entries and seats are the ones that your root fixed, but without --promise it is not shown that rule and "
        "seed were fixed before"
    ),
    N_("but this is only consistent, not shown to be fixed beforehand (--promise, --root)"),
    N_("{}: its entries are not frozen yet, so there is no result to check"),
    N_("{}: it is not drawn yet. What is published so far is consistent"),
    N_("{}: the draw was declared void ({}): nobody won or lost"),
)
"""The messages of the checker. A contradiction that it finds stays in its own words: it is evidence."""


def in_words(text: str, messages: Sequence[str]) -> str:
    """Translate a text that is one of these messages with its placeholders filled; return any other as it is."""
    for message in messages:
        pattern = re.escape(message).replace(r"\{\}", "(.*?)")
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return _(message).format(*(in_words(part, messages) for part in match.groups()))
    return text


@contextmanager
def wrong_use() -> Iterator[None]:
    """Translate what typer says about wrong use."""
    try:
        yield
    except TyperException as error:
        text = in_words(error.format_message(), TYPER)
        error.format_message = lambda: text  # type: ignore[method-assign]  # its classes are private
        raise


_Formatter: Any = TyperGroup.context_class.formatter_class


class Formatter(_Formatter):  # type: ignore[misc]  # typer hides the type
    """Begins a line of usage in the language of the locale."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage of a command."""
        super().write_usage(prog, args, prefix or _("Usage: "))


TyperGroup.context_class.formatter_class = Formatter
