"""How things look: days and moments as people say them, and text of strangers that can do no harm.

What people typed goes to a terminal, a spreadsheet or another program, each of which may take it for an order.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table
from rich.text import Text

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Categories of characters that steer a terminal or turn the direction of its text, and show nothing."""
_ORDERS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def clean(text: str) -> str:
    """The text without what could steer a terminal, on one line."""
    return "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in HIDDEN)


def table(columns: Sequence[str], lines: Iterable[Sequence[object]], *, style: box.Box = box.SIMPLE_HEAD) -> Table:
    """A table whose cells are shown as they are, numbers to the right; an empty line draws a rule."""
    drawn = Table(box=style, pad_edge=False)
    filled = list(lines)
    for number, name in enumerate(columns):
        numbers = all(isinstance(line[number], int) for line in filled if line)
        drawn.add_column(name, justify="right" if numbers and filled else "left", overflow="fold")
    for line in filled:
        if line:
            drawn.add_row(*(Text("" if cell in {0, None} else clean(str(cell))) for cell in line))
        else:
            drawn.add_section()
    return drawn


def day(of: date) -> str:
    """`Monday 7 December 2026`."""
    return f"{of:%A} {of.day} {of:%B %Y}"


def moment(of: datetime, zone: ZoneInfo) -> str:
    """`Monday 7 December 2026 09:00`, on the clock of the place."""
    there = of.astimezone(zone)
    return f"{day(there)} {there:%H:%M}"


def count(number: int, word: str) -> str:
    """`1 seat`, `2 seats`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def as_json(document: object) -> str:
    """One JSON document on one line, the characters that could steer a terminal written as escapes."""
    text = json.dumps(document, ensure_ascii=False, default=_plain)
    hidden = (c for c in set(text) if unicodedata.category(c) in HIDDEN)
    for c in hidden:
        text = text.replace(c, json.dumps(c)[1:-1])
    return text


def _plain(value: Any) -> str:  # noqa: ANN401 - json asks for anything it does not know
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value))


def as_csv(lines: Iterable[Sequence[object]]) -> str:
    """What Excel opens with a click: `;` between cells, and no cell that it would compute."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerows([_harmless(str(cell)) for cell in line] for line in lines)
    return BOM + out.getvalue()


def _harmless(cell: str) -> str:
    shown = clean(cell)
    return f"'{shown}" if cell.startswith(("\t", "\r")) or shown.lstrip().startswith(_ORDERS) else shown
