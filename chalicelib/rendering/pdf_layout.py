"""The blocks of a printed page, such as a line, a fact or a section, for both directions of writing."""

import functools
import itertools
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import segno
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import CondPageBreak, Flowable, HRFlowable, Paragraph, Table

from chalicelib.domain.service import Text
from chalicelib.rendering.bidi import is_right_to_left, isolate, reopen_directions, shape, visual_order
from chalicelib.rendering.i18n import Locale

FONTS = Path(__file__).parent.parent / "fonts"  # every Latin letter, and Arabic; the base-14 fonts lack half of them
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
MILLIMETRE = 72 / 25.4
SIDE = 20 * MILLIMETRE
WIDTH = A4[0] - 2 * SIDE
QR_SIDE = 32 * MILLIMETRE
CHECKBOX_WIDTH = 14
INK, RULE = "#161616", "#929292"
DOCUMENT: Mapping[str, Any] = {
    "pagesize": A4,
    "subject": "",
    "creator": "Guichet",
    "producer": "Guichet",
    "lang": "fr-FR",
    "displayDocTitle": True,
    "invariant": 1,
}
"""What all our PDF files have in common. With `invariant` the same content always gives the same bytes."""


def data_uri(pdf: bytes) -> str:
    """Return a PDF as a `data:` URI for a link that saves it: the Lambda functions send no binary content."""
    return f"data:application/pdf;base64,{b64encode(pdf).decode()}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of a sheet, in the language and the direction of its reader."""

    locale: Locale

    @property
    def right_to_left(self) -> bool:
        return self.locale.direction == "rtl"

    def sentence(self, message: str, **values: object) -> str:
        """Return a translated message with its values and its non-breaking spaces."""
        typeset = self.locale.typeset(message)
        return typeset % values if values else typeset

    def text(self, text: Text) -> str:
        """Return a text of the service."""
        return self.locale.typeset(self.locale.text(text))

    def label(self, name: str) -> str:
        """Return a label with its colon."""
        return self.sentence(self.locale._("%(label)s :"), label=name)

    def line(self, text: str, size: int, *, bold: bool = False, before: int = 0, after: int = 0) -> Flowable:
        """Return a paragraph in one size. `before` and `after` are the space around it, in points."""
        style = _style(size=size, bold=bold, before=before, after=after, right_to_left=self.right_to_left)
        shaped = shape(text)
        if self.right_to_left or is_right_to_left(shaped):
            return _BidiParagraph(shaped, style)
        return Paragraph(escape(visual_order(shaped, right_to_left=False), quote=False), style)

    def fact(self, name: str, value: str, *, size: int = 12, after: int = 0) -> Flowable:
        """Return a label and its value on one line."""
        return self.line(f"{self.label(name)} {isolate(value)}", size, bold=True, after=after)

    def section(self, title: str) -> list[Flowable]:
        """Return a rule and a title, which stay on the page of the first lines under them."""
        return [
            CondPageBreak(24 * MILLIMETRE),
            HRFlowable(width="100%", thickness=0.5, color=RULE, spaceBefore=6, spaceAfter=3),
            self.line(self.sentence(title), 12, bold=True, after=2),
        ]

    def checkbox(self, text: Text, size: int) -> Flowable:
        """Return a box to tick and its text."""
        return self.table(
            [self.line("□", size), self.line(self.text(text), size)], [CHECKBOX_WIDTH, WIDTH - CHECKBOX_WIDTH]
        )

    def table(self, cells: list[Any], widths: list[float], *, gap: float = 0, after: float = 0) -> Flowable:
        """Return cells side by side, the first one where reading begins."""
        first = (-1 if self.right_to_left else 0, 0)
        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
            ("LEFTPADDING" if self.right_to_left else "RIGHTPADDING", first, first, gap),
        ]
        return Table([self.left_to_right(cells)], colWidths=self.left_to_right(widths), style=style, spaceAfter=after)

    def left_to_right(self, parts: list[Any]) -> list[Any]:
        """Return parts that are in reading order in the order in which they are drawn."""
        return parts[::-1] if self.right_to_left else parts


class _BidiParagraph(Paragraph):  # type: ignore[misc]  # reportlab has no types
    """A paragraph with Arabic in it: broken into lines in reading order, each line drawn in visual order."""

    def __init__(self, text: str, style: ParagraphStyle) -> None:
        super().__init__(escape(text, quote=False), style)
        if len(self.frags) > 1:  # reportlab makes a fragment at each `&`, `<` and `>`, and breaks several differently
            self.frags[0].text = "".join(frag.text for frag in self.frags)
            del self.frags[1:]

    def breakLines(self, width: Any) -> Any:  # noqa: N802  # reportlab's name
        broken = super().breakLines(width)
        self.reading_lines = reopen_directions([" ".join(words) for _extra_space, words in broken.lines])
        right_to_left = self.style.alignment == TA_RIGHT
        broken.lines = [
            (extra_space, visual_order(line, right_to_left=right_to_left).split(" "))
            for (extra_space, _), line in zip(broken.lines, self.reading_lines, strict=True)
        ]
        return broken

    def split(self, width: float, height: float) -> list[Flowable]:
        """Return two paragraphs: the lines that fit into this height, and the others. None if no line fits."""
        self.wrap(width, height)
        fitting = int(height / self.style.leading)
        if not fitting:
            return []
        parts = [self.reading_lines[:fitting], self.reading_lines[fitting:]]
        return [_BidiParagraph(" ".join(part), self.style) for part in parts]


class QrCode(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A reference as a QR code."""

    def __init__(self, reference: str, side: float = QR_SIDE) -> None:
        super().__init__()
        self.modules = segno.make_qr(reference, error="m").matrix
        self.side = side

    def wrap(self, *_available: float) -> tuple[float, float]:
        return self.side, self.side

    def draw(self) -> None:
        self.canv.setFillColor("#000000")
        side = self.side / len(self.modules)
        for row, modules in enumerate(self.modules, start=1):
            for column, length in _dark_runs(modules):
                self.canv.rect(column * side, self.side - row * side, length * side, side, stroke=0, fill=1)


def _dark_runs(row: bytearray) -> list[tuple[int, int]]:
    """Return where each run of dark modules begins, and its length: one rectangle for each leaves no white seam."""
    runs, column = [], 0
    for dark, modules in itertools.groupby(row):
        length = len(list(modules))
        if dark:
            runs.append((column, length))
        column += length
    return runs


@functools.cache
def _style(*, size: int, bold: bool, before: int, after: int, right_to_left: bool) -> ParagraphStyle:
    return ParagraphStyle(
        "line",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.3,
        textColor=INK,
        spaceBefore=before,
        spaceAfter=after,
        alignment=TA_RIGHT if right_to_left else TA_LEFT,
    )


@functools.cache
def register_fonts() -> None:
    """Make the fonts known to reportlab."""
    for name in (REGULAR, BOLD):
        registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
