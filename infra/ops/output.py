"""How results are printed: dates and times in words, tables, JSON and CSV.

Applicants type names and addresses. A terminal, a spreadsheet or another program must not run them as commands.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from gettext import gettext as _
from gettext import ngettext
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table
from rich.text import Text

from chalicelib.desk.spreadsheet import UNSAFE, clean
from chalicelib.domain import service
from infra.tools.numbers import number as written

STYLES = {
    **dict.fromkeys(("free", "open", "done", "seen"), "green"),
    **dict.fromkeys(("confirmed", "arrived", "called"), "cyan"),
    **dict.fromkeys(("held", "pending", "paused", "begun", "interrupted"), "yellow"),
    **dict.fromkeys(("closed", "void", "failed", "refused", "missed", "displaced", "incomplete"), "red"),
}
"""The colours of states. The word is there too. Without a terminal, or with NO_COLOR, Rich prints none."""
STATE_COLUMNS = {"state", "stage", "outcome", "seats"}


def in_own_language(text: service.Text) -> str:
    """Return a text of a service in the language of the program, or in French if it has no translation."""
    return service.text_in(text, _("en"))  # the catalogue translates the code of the language


def table(columns: Sequence[str], lines: Iterable[Sequence[object]], *, style: box.Box = box.SIMPLE_HEAD) -> Table:
    """Return a table of cleaned cells, numbers aligned to the right. An empty line becomes a rule."""
    result = Table(box=style, pad_edge=False)
    rows = list(lines)
    for number, name in enumerate(columns):
        is_numeric = bool(rows) and all(isinstance(row[number], int) for row in rows if row)
        result.add_column(
            name and _(name),
            justify="right" if is_numeric else "left",
            overflow="fold",
            header_style=STYLES.get(name, ""),
        )
    for row in rows:
        if row:
            result.add_row(*(_cell(name, cell) for name, cell in zip(columns, row, strict=True)))
        else:
            result.add_section()
    return result


def _cell(column: str, cell: object) -> Text:
    text = "" if cell in {0, None} else clean(str(cell))
    if isinstance(cell, StrEnum) or (text and column in STATE_COLUMNS):
        return Text(_(text), style=STYLES.get(text, ""))
    return Text(text)


def day(value: date) -> str:
    """Return `Monday 7 December 2026`."""
    return f"{_(value.strftime('%A'))} {value.day} {_(value.strftime('%B'))} {value.year}"


def moment(value: datetime, zone: ZoneInfo) -> str:
    """Return `Monday 7 December 2026 09:00`, in this time zone."""
    local = value.astimezone(zone)
    return f"{day(local)} {local:%H:%M}"


def count(number: int, noun: str) -> str:
    """Return `1 seat` or `2 seats`."""
    return f"{written(number)} {ngettext(noun, f'{noun}s', number)}"


def as_json(document: object) -> str:
    """Return one JSON document on one line, with characters that could control a terminal escaped."""
    text = json.dumps(document, ensure_ascii=False, default=_json_value)
    for c in {c for c in text if unicodedata.category(c) in UNSAFE}:
        text = text.replace(c, json.dumps(c)[1:-1])
    return text


def _json_value(value: Any) -> str:  # noqa: ANN401 - json passes any value that it does not know
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value))
