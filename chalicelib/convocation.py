"""The convocation on paper (PDF), in a calendar, and as a QR code that a desk can scan. In French, which is authentic.

The libraries are imported where they are used: every Lambda imports this package, one prints.
"""

import functools
import io
import itertools
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalicelib.words import words

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import BaseDocTemplate, Flowable, Paragraph

FONTS = Path(__file__).parent / "fonts"  # every Latin letter; base-14 fonts lack half of them
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
MILLIMETRE = 72 / 25.4
QR_SIDE = 32 * MILLIMETRE
INK, RULE = "#161616", "#929292"
SUMMARY = "Rendez-vous à la préfecture"
"""What a lock screen may show: not what the appointment is about, nor with whom."""


@dataclass(frozen=True, slots=True)
class Convocation:
    """All that is printed. `start` is in the zone of the place, as its clock shows it; ValueError otherwise."""

    reference: str
    service: str
    first_name: str
    last_name: str
    birth_date: date
    start: datetime
    minutes: int
    place: tuple[str, ...]
    documents: tuple[str, ...]
    contact: str
    office: str
    uid: str
    sequence: int = 0
    come_early_minutes: int = 10

    def __post_init__(self) -> None:
        if not isinstance(self.start.tzinfo, ZoneInfo):
            raise ValueError("start must be in the zone of the place, not naive and not UTC")  # noqa: TRY004

    @property
    def person(self) -> str:
        return f"{self.first_name} {self.last_name}"


def pdf(convocation: Convocation) -> bytes:
    """One page A4, more if the texts are long; the same convocation gives the same bytes."""
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415  see the top
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate  # noqa: PLC0415

    _use_fonts()
    out = io.BytesIO()
    paper = BaseDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * MILLIMETRE,
        rightMargin=20 * MILLIMETRE,
        topMargin=16 * MILLIMETRE,
        bottomMargin=17 * MILLIMETRE,
        title=f"Convocation {convocation.reference}",
        author=_plain(convocation.office),
        subject="",
        creator="Guichet",
        producer="Guichet",
        lang="fr-FR",
        displayDocTitle=True,
        invariant=1,
    )
    frame = Frame(
        paper.leftMargin,
        paper.bottomMargin,
        paper.width,
        paper.height,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )

    def draw_margins(canvas: "Canvas", document: "BaseDocTemplate") -> None:
        canvas.setFont(REGULAR, 8)
        canvas.setFillColor(INK)
        height = 11 * MILLIMETRE
        canvas.drawString(document.leftMargin, height, f"Convocation {convocation.reference}")
        canvas.drawRightString(A4[0] - document.rightMargin, height, f"Page {document.page}")
        if document.page == 1:
            canvas.setFillColor("#000000")
            _draw_qr(canvas, convocation.reference, A4[0] - document.rightMargin, A4[1] - document.topMargin)

    paper.addPageTemplates(PageTemplate(frames=[frame], onPage=draw_margins))
    paper.build(_story(convocation, paper.width))
    return out.getvalue()


def calendar_file(convocation: Convocation, *, now: datetime, cancelled: bool = False) -> bytes:
    """One event as text/calendar, published or cancelled; it says when and where, never why nor who.

    A calendar replaces the event it knows by `uid` when `sequence` is higher.
    """
    from icalendar import Alarm, Calendar, Event  # noqa: PLC0415  see the top

    calendar = Calendar()
    calendar.add("prodid", "-//Guichet//Guichet//FR")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    event = Event()
    event.add("uid", convocation.uid)
    event.add("sequence", convocation.sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", convocation.start.astimezone(UTC))
    event.add("dtend", convocation.start.astimezone(UTC) + timedelta(minutes=convocation.minutes))
    event.add("summary", SUMMARY)
    event.add("location", ", ".join(convocation.place))
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    if not cancelled:
        event.add(
            "description",
            f"Venez {_minutes(convocation.come_early_minutes)} en avance, avec votre convocation.",
        )
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", SUMMARY)
        alarm.add("trigger", timedelta(days=-1))
        event.add_component(alarm)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def qr_svg(reference: str) -> str:
    """The reference as a QR code, an SVG in a `data:` URI; its white border keeps it readable on a dark page."""
    import segno  # noqa: PLC0415  see the top

    return str(segno.make_qr(reference, error="m").svg_data_uri(scale=4, dark="#000", light="#fff"))


def _story(convocation: Convocation, width: float) -> "list[Flowable]":
    from reportlab.platypus import Spacer, Table  # noqa: PLC0415  see the top

    french = words("fr")
    start = convocation.start
    early = start - timedelta(minutes=convocation.come_early_minutes)
    person, birth = convocation.person, f"{convocation.birth_date:%d/%m/%Y}"
    head = Table(
        [
            [
                [
                    _line(convocation.office, 11, bold=True, after=10),
                    _line("Convocation", 24, bold=True, after=2),
                    _line(convocation.service, 12),
                ],
                [Spacer(1, QR_SIDE)],
            ]
        ],
        colWidths=[width - QR_SIDE, QR_SIDE],
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (0, 0), 12),
            ("RIGHTPADDING", (1, 0), (1, 0), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ],
    )
    when = Table(
        [
            [
                [
                    _line(french.day(start.date()).capitalize(), 20, bold=True),
                    _line(f"à {french.clock(start)}", 28, bold=True, after=4),
                    _line(
                        f"Venez {_minutes(convocation.come_early_minutes)} en avance, à {french.clock(early)},"
                        " avec cette convocation et une pièce d’identité.",
                        11,
                    ),
                    _line(f"Durée prévue\u00a0: {_minutes(convocation.minutes)}.", 11),
                ]
            ]
        ],
        colWidths=[width],
        style=[
            ("BOX", (0, 0), (-1, -1), 1.5, INK),
            ("LEFTPADDING", (0, 0), (-1, -1), 14),
            ("RIGHTPADDING", (0, 0), (-1, -1), 14),
            ("TOPPADDING", (0, 0), (-1, -1), 10),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 12),
        ],
    )
    return [
        head,
        _line(f"Référence\u00a0: {convocation.reference}", 11, bold=True, before=4, after=10),
        when,
        *_section("Personne convoquée"),
        _line(f"Nom\u00a0: {convocation.last_name}", 12, bold=True),
        _line(f"Prénom\u00a0: {convocation.first_name}", 12, bold=True),
        _line(f"Date de naissance\u00a0: {birth}", 11, after=4),
        _line(
            f"Cette convocation est valable uniquement pour {person}, né(e) le {birth}."
            " Elle est nulle pour toute autre personne\u00a0: elle ne peut être ni cédée ni vendue.",
            11,
        ),
        *_section("Lieu"),
        *(_line(part, 11) for part in convocation.place),
        *_section("Documents à apporter"),
        _line("Pour chacun\u00a0: l’original et une copie.", 11, after=3),
        *(_line(document, 11, mark="□", after=2) for document in convocation.documents),
        *_section("Un empêchement, une question\u00a0?"),
        _line(
            "Si vous ne pouvez pas venir, supprimez votre rendez-vous avec le lien du courriel\u00a0:"
            " une autre personne aura la place.",
            11,
            after=3,
        ),
        _line(f"Nous écrire\u00a0: {convocation.contact}", 11),
    ]


def _section(title: str) -> "list[Flowable]":
    from reportlab.platypus import CondPageBreak, HRFlowable  # noqa: PLC0415  see the top

    return [
        CondPageBreak(24 * MILLIMETRE),  # a title keeps the first lines under it
        HRFlowable(width="100%", thickness=0.5, color=RULE, spaceBefore=8, spaceAfter=5),
        _line(title, 12, bold=True, after=3),
    ]


def _line(
    text: str, size: int, *, bold: bool = False, before: int = 0, after: int = 0, mark: str | None = None
) -> "Paragraph":
    from reportlab.platypus import Paragraph  # noqa: PLC0415  see the top

    style = _style(size=size, bold=bold, before=before, after=after, marked=mark is not None)
    return Paragraph(escape(_plain(text), quote=False), style, bulletText=mark)


@functools.cache
def _style(*, size: int, bold: bool, before: int, after: int, marked: bool) -> "ParagraphStyle":
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415  see the top

    return ParagraphStyle(
        "line",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.3,
        textColor=INK,
        spaceBefore=before,
        spaceAfter=after,
        leftIndent=16 if marked else 0,
        bulletFontName=REGULAR,
        bulletFontSize=size,
    )


def _minutes(number: int) -> str:
    return f"{number}\u00a0minute{'s' if number > 1 else ''}"


def _plain(text: str) -> str:
    """With composed letters: the font has them, and PDF does not put an accent on a letter by itself."""
    return unicodedata.normalize("NFC", text)


def _draw_qr(canvas: "Canvas", reference: str, right: float, top: float) -> None:
    import segno  # noqa: PLC0415  see the top

    modules = segno.make_qr(reference, error="m").matrix
    step = QR_SIDE / len(modules)
    for row, line in enumerate(modules, start=1):
        for column, run in _dark_runs(line):
            canvas.rect(right - QR_SIDE + column * step, top - row * step, run * step, step, stroke=0, fill=1)


def _dark_runs(line: bytearray) -> list[tuple[int, int]]:
    runs, column = [], 0
    for dark, modules in itertools.groupby(line):
        run = len(list(modules))
        if dark:
            runs.append((column, run))
        column += run
    return runs


@functools.cache
def _use_fonts() -> None:
    from reportlab.pdfbase.pdfmetrics import registerFont  # noqa: PLC0415  see the top
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415

    for name in (REGULAR, BOLD):
        registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
