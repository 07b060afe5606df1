"""The convocation on paper (PDF): a sheet in French, which is authentic, and one in the person's own language.

Only the mailer imports this module: its libraries are the heaviest of all.
"""

import functools
import io
import itertools
from collections.abc import Iterator
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
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    HRFlowable,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Table,
)

from chalicelib.domain.service import Text
from chalicelib.rendering.bidi import is_right_to_left, isolate, shape, split_lines, visual_order
from chalicelib.rendering.convocation import Convocation
from chalicelib.rendering.i18n import Locale, locale_for

FONTS = Path(__file__).parent.parent / "fonts"  # every Latin letter, and Arabic; base-14 fonts lack half of them
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
MILLIMETRE = 72 / 25.4
SIDE, TOP, BOTTOM = 20 * MILLIMETRE, 16 * MILLIMETRE, 17 * MILLIMETRE
WIDTH = A4[0] - 2 * SIDE
QR_SIDE = 32 * MILLIMETRE
QUIET = 5 * MILLIMETRE  # a scanner wants white around a code
BOX = 14  # between a character and the mark that stands before it
INK, RULE = "#161616", "#929292"


def render(convocation: Convocation, own: Locale) -> bytes:
    """A4: one sheet a language, more if the texts are long; the same convocation gives the same bytes."""
    _use_fonts()
    out = io.BytesIO()
    paper = BaseDocTemplate(
        out,
        pagesize=A4,
        title=f"Convocation {convocation.reference}",
        author=convocation.office,
        subject="",
        creator="Guichet",
        producer="Guichet",
        lang="fr-FR",
        displayDocTitle=True,
        invariant=1,
    )
    french = locale_for("fr")
    sheets = [_Sheet(convocation, french)]
    if own.language != french.language:
        sheets.append(_Sheet(convocation, own))
    paper.addPageTemplates([sheet.page() for sheet in sheets])
    story: list[Flowable] = []
    for sheet in sheets:
        if story:
            story += [NextPageTemplate(sheet.words.language), PageBreak()]
        story += sheet.story()
    paper.build(story)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The convocation in one language."""

    convocation: Convocation
    words: Locale

    @property
    def leftward(self) -> bool:
        return self.words.direction == "rtl"

    def page(self) -> PageTemplate:
        """What every page of this sheet has: its margins, the reference and a number."""
        frame = Frame(
            SIDE,
            BOTTOM,
            WIDTH,
            A4[1] - TOP - BOTTOM,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        return PageTemplate(id=self.words.language, frames=[frame], onPage=self.draw_foot)

    def draw_foot(self, canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setFont(REGULAR, 8)
        canvas.setFillColor(INK)
        _ = self.words._
        parts = [
            f"{_('Convocation')} {isolate(self.convocation.reference)}",
            self.say(_("Page %(number)s"), number=document.page),
        ]
        left, right = (visual_order(shape(part), leftward=self.leftward) for part in self.ordered(parts))
        canvas.drawString(SIDE, BOTTOM - 6 * MILLIMETRE, left)
        canvas.drawRightString(A4[0] - SIDE, BOTTOM - 6 * MILLIMETRE, right)

    def story(self) -> list[Flowable]:
        """Everything, from top to bottom."""
        _, own, told = self.words._, self.words, self.convocation
        person, birth = isolate(told.person), own.date(told.birth_date)
        return [
            *self.warning(),
            self.head(),
            self.when(),
            *self.section(_("Personne convoquée")),
            self.fact(_("Nom"), told.last_name),
            self.fact(_("Prénom"), told.first_name),
            *([self.fact(_("Nom de naissance"), told.birth_name)] if told.birth_name else []),
            self.line(f"{self.label(_('Date de naissance'))} {birth}", 11, after=3),
            self.line(
                self.say(
                    _(
                        "Cette convocation est valable uniquement pour %(person)s, né(e) le %(birth)s. "
                        "Elle est nulle pour toute autre personne : elle ne peut être ni cédée ni vendue."
                    ),
                    person=person,
                    birth=birth,
                ),
                10,
            ),
            *self.section(_("Lieu")),
            self.line(isolate(", ".join(told.place)), 11),
            self.line(self.say(_("Pour trouver le lieu, cherchez son adresse dans une application de cartes.")), 9),
            *self.section(_("Ce que vous devez apporter")),
            *(self.document(document) for document in told.documents),
            *(self.line(self.text(note), 9, before=2) for note in told.notes),
            *self.section(_("Un empêchement, une question ?")),
            self.line(
                self.say(
                    _(
                        "Si vous ne pouvez pas venir, supprimez votre rendez-vous avec le lien du message : "
                        "une autre personne aura la place."
                    )
                ),
                10,
                after=2,
            ),
            self.line(self.say(_("Une question ? %(contact)s"), contact=isolate(told.contact)), 10),
        ]

    def warning(self) -> Iterator[Flowable]:
        """Nothing on the French sheet: it is the one that counts."""
        if self.words.language != "fr":
            _ = self.words._
            note = _("Cette page est une traduction, pour vous aider. Seule la page en français fait foi.")
            yield self.line(self.say(note), 10, bold=True, after=8)

    def head(self) -> Flowable:
        _ = self.words._
        title = [
            self.line(isolate(self.convocation.office), 11, bold=True, after=6),
            self.line(_("Convocation"), 24, bold=True, after=1),
            self.line(self.text(self.convocation.service), 12, after=4),
            self.fact(_("Référence"), self.convocation.reference, size=11),
        ]
        return self.table([title, [_Code(self.convocation.reference)]], [WIDTH - QR_SIDE, QR_SIDE], gap=12, after=QUIET)

    def when(self) -> Flowable:
        _, own, told = self.words._, self.words, self.convocation
        day = own.day(told.start.date())
        minutes = own.ngettext("%(num)s minute", "%(num)s minutes", told.minutes) % {"num": told.minutes}
        come = _("Venez 10 minutes en avance, à %(time)s, avec cette convocation imprimée et une pièce d’identité.")
        lines = [
            self.line(day[0].upper() + day[1:], 20, bold=True),
            self.line(isolate(own.clock(told.start)), 28, bold=True, after=4),
            self.line(self.say(come, time=isolate(own.clock(told.early))), 11),
            self.line(f"{self.label(_('Durée'))} {minutes}", 11),
        ]
        box = [
            ("BOX", (0, 0), (-1, -1), 1.5, INK),
            ("LEFTPADDING", (0, 0), (-1, -1), 14),
            ("RIGHTPADDING", (0, 0), (-1, -1), 14),
            ("TOPPADDING", (0, 0), (-1, -1), 8),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 10),
        ]
        return Table([[lines]], colWidths=[WIDTH], style=box)

    def section(self, title: str) -> list[Flowable]:
        return [
            CondPageBreak(24 * MILLIMETRE),  # a title keeps the first lines under it
            HRFlowable(width="100%", thickness=0.5, color=RULE, spaceBefore=7, spaceAfter=4),
            self.line(self.say(title), 12, bold=True, after=2),
        ]

    def document(self, document: Text) -> Flowable:
        """A box to tick, and what to bring."""
        return self.table([self.line("□", 11), self.line(self.text(document), 11)], [BOX, WIDTH - BOX])

    def table(self, cells: list[Any], widths: list[float], *, gap: float = 0, after: float = 0) -> Flowable:
        """Cells side by side, from the side where reading begins."""
        first = (-1 if self.leftward else 0, 0)
        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
            ("LEFTPADDING" if self.leftward else "RIGHTPADDING", first, first, gap),
        ]
        return Table([self.ordered(cells)], colWidths=self.ordered(widths), style=style, spaceAfter=after)

    def ordered(self, parts: list[Any]) -> list[Any]:
        """As they stand on the page, from left to right."""
        return parts[::-1] if self.leftward else parts

    def say(self, sentence: str, **values: object) -> str:
        sentence = self.words.typeset(sentence)
        return sentence % values if values else sentence

    def text(self, text: Text) -> str:
        return self.words.typeset(self.words.of(text))

    def label(self, name: str) -> str:
        return self.say(self.words._("%(label)s :"), label=name)

    def fact(self, name: str, value: str, *, size: int = 12, after: int = 0) -> Flowable:
        return self.line(f"{self.label(name)} {isolate(value)}", size, bold=True, after=after)

    def line(self, text: str, size: int, *, bold: bool = False, before: int = 0, after: int = 0) -> Flowable:
        style = _style(size=size, bold=bold, before=before, after=after, leftward=self.leftward)
        read = shape(text)
        if self.leftward or is_right_to_left(read):
            return _Reordered(read, style)
        return Paragraph(escape(visual_order(read, leftward=False), quote=False), style)


class _Reordered(Paragraph):  # type: ignore[misc]  # reportlab has no types
    """A text with Arabic in it: broken into lines as it is read, each line drawn as it is seen."""

    def __init__(self, text: str, style: ParagraphStyle) -> None:
        super().__init__(escape(text, quote=False), style)
        if len(self.frags) > 1:  # reportlab cuts a text at each `&`, `<` and `>`, and then breaks it in another way
            self.frags[0].text = "".join(frag.text for frag in self.frags)
            del self.frags[1:]

    def breakLines(self, width: Any) -> Any:  # noqa: N802  # reportlab's name
        broken = super().breakLines(width)
        self.read = split_lines([" ".join(line) for _room, line in broken.lines])
        leftward = self.style.alignment == TA_RIGHT
        broken.lines = [
            (room, visual_order(line, leftward=leftward).split(" "))
            for (room, _), line in zip(broken.lines, self.read, strict=True)
        ]
        return broken

    def split(self, width: float, height: float) -> list[Flowable]:
        """The lines that fit, and the others."""
        self.wrap(width, height)
        fit = int(height / self.style.leading)
        parts = [self.read[:fit], self.read[fit:]]
        return [_Reordered(" ".join(part), self.style) for part in parts] if fit else []


class _Code(Flowable):  # type: ignore[misc]  # the same
    """The reference as a QR code."""

    def __init__(self, reference: str) -> None:
        super().__init__()
        self.modules = segno.make_qr(reference, error="m").matrix

    def wrap(self, *_room: float) -> tuple[float, float]:
        return QR_SIDE, QR_SIDE

    def draw(self) -> None:
        self.canv.setFillColor("#000000")
        step = QR_SIDE / len(self.modules)
        for row, line in enumerate(self.modules, start=1):
            for column, run in _dark_runs(line):
                self.canv.rect(column * step, QR_SIDE - row * step, run * step, step, stroke=0, fill=1)


def _dark_runs(line: bytearray) -> list[tuple[int, int]]:
    runs, column = [], 0
    for dark, modules in itertools.groupby(line):
        run = len(list(modules))
        if dark:
            runs.append((column, run))
        column += run
    return runs


@functools.cache
def _style(*, size: int, bold: bool, before: int, after: int, leftward: bool) -> ParagraphStyle:
    return ParagraphStyle(
        "line",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.3,
        textColor=INK,
        spaceBefore=before,
        spaceAfter=after,
        alignment=TA_RIGHT if leftward else TA_LEFT,
    )


@functools.cache
def _use_fonts() -> None:
    for name in (REGULAR, BOLD):
        registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
