"""Lists for a spreadsheet.

Applicants type names and addresses. A terminal, a spreadsheet or another program must not run them as commands.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories of invisible characters. They control a terminal or turn the direction of its text."""
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def clean(text: str) -> str:
    """Return the text on one line, without characters that could control a terminal."""
    return "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in UNSAFE)


def as_csv(lines: Iterable[Sequence[object]]) -> str:
    """Return lines that Excel opens with a click: `;` between cells, and no cell that it takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerows([_csv_cell(str(cell)) for cell in line] for line in lines)
    return BOM + out.getvalue()


def _csv_cell(cell: str) -> str:
    text = clean(cell)
    is_formula = cell.startswith(("\t", "\r")) or text.lstrip().startswith(_FORMULA_STARTS)
    return f"'{text}" if is_formula else text
