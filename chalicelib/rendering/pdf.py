"""The convocation as a PDF: a sheet in French, which is authentic, and one in the applicant's language.

Import it where it is used, because its libraries are slow to load. The file has no tags, so it says that the same
convocation is on an accessible web page.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, NextPageTemplate, PageBreak, PageTemplate, Table

from chalicelib.rendering import pdf_layout
from chalicelib.rendering.bidi import isolate, shape, visual_order
from chalicelib.rendering.convocation import MEMBER, Convocation, Member
from chalicelib.rendering.i18n import Locale, french_and
from chalicelib.rendering.pdf_layout import (
    DOCUMENT,
    INK,
    MILLIMETRE,
    QR_SIDE,
    REGULAR,
    SIDE,
    WIDTH,
    Layout,
    QrCode,
    register_fonts,
)

TOP, BOTTOM = 15 * MILLIMETRE, 16 * MILLIMETRE
BODY = 10
"""The size of sentences and lists, in points: a rule about the documents is as large as the documents."""
SMALL_QR_SIDE = 15 * MILLIMETRE
QR_MARGIN = 5 * MILLIMETRE  # scanners need white around a code


def render(convocation: Convocation, locale: Locale, *, now: datetime) -> bytes:
    """Return the convocation on A4, one sheet for each language; more if the texts are long.

    The same convocation at the same moment always gives the same bytes. `now` is the creation date of the file.
    """
    register_fonts()
    output = io.BytesIO()
    document = BaseDocTemplate(
        output,
        title=f"Convocation {convocation.reference}",
        author=convocation.office,
        **DOCUMENT,
    )
    created = now.astimezone(convocation.start.tzinfo)
    sheets = [_Sheet(convocation, locale, created) for locale in french_and(locale)]
    document.addPageTemplates([sheet.page_template() for sheet in sheets])
    flowables: list[Flowable] = []
    for sheet in sheets:
        if flowables:
            flowables += [NextPageTemplate(sheet.locale.language), PageBreak()]
        flowables += sheet.flowables()
    document.build(flowables)
    return output.getvalue()


def data_uri(convocation: Convocation, locale: Locale, *, now: datetime) -> str:
    """Return the PDF as a `data:` URI."""
    return pdf_layout.data_uri(render(convocation, locale, now=now))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The convocation in one language."""

    convocation: Convocation
    locale: Locale
    created: datetime

    @property
    def layout(self) -> Layout:
        return Layout(self.locale)

    def page_template(self) -> PageTemplate:
        """Return the margins and the foot of every page of this sheet."""
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
        return PageTemplate(id=self.locale.language, frames=[frame], onPage=self.draw_foot)

    def draw_foot(self, canvas: Canvas, document: BaseDocTemplate) -> None:
        """Draw the reference and the page number. Set the creation date of the file."""
        layout, _ = self.layout, self.locale._
        canvas.setDateFormatter(self.creation_date)
        canvas.setFont(REGULAR, 8)
        canvas.setFillColor(INK)
        parts = [
            f"{_('Convocation')} {isolate(self.convocation.reference)}",
            layout.sentence(_("Page %(number)s"), number=document.page),
        ]
        left, right = (
            visual_order(shape(part), right_to_left=layout.right_to_left) for part in layout.left_to_right(parts)
        )
        canvas.drawString(SIDE, BOTTOM - 6 * MILLIMETRE, left)
        canvas.drawRightString(A4[0] - SIDE, BOTTOM - 6 * MILLIMETRE, right)

    def creation_date(self, *_date: int) -> str:
        """Return the creation date as PDF writes it, such as `D:20261130090001+01'00'`, whatever reportlab passes."""
        offset = f"{self.created:%z}"
        return f"D:{self.created:%Y%m%d%H%M%S}{offset[:3]}'{offset[3:]}'"

    def flowables(self) -> list[Flowable]:
        """Return everything on the sheet, from top to bottom."""
        return [*self.translation_warning(), self.head(), self.time(), *self.person(), *self.body()]

    def translation_warning(self) -> Iterator[Flowable]:
        """Say on every sheet but the French one that the French one is authentic."""
        if not self.locale.is_source:
            _ = self.locale._
            warning = _("Cette page est une traduction, pour vous aider. Seule la page en français fait foi.")
            yield self.layout.line(self.layout.sentence(warning), 10, bold=True, after=8)

    def head(self) -> Flowable:
        """Return the office, the title, the reference and its QR code."""
        layout, _ = self.layout, self.locale._
        lines = [
            layout.line(isolate(self.convocation.office), 11, bold=True, after=6),
            layout.line(_("Convocation"), 22, bold=True, after=1),
            layout.line(layout.text(self.convocation.service), 12, after=4),
            layout.fact(_("Référence"), self.convocation.reference, size=11),
        ]
        cells = [lines, [QrCode(self.convocation.reference)]]
        return layout.table(cells, [WIDTH - QR_SIDE, QR_SIDE], gap=12, after=QR_MARGIN)

    def time(self) -> Flowable:
        """Return the box with the day, the time and the duration of the appointment."""
        layout, locale, _ = self.layout, self.locale, self.locale._
        start = self.convocation.begins
        day = locale.full_date(start.date())
        number = f" – {layout.label(_('Numéro d’appel'))} {isolate(self.convocation.number)}"
        if self.convocation.family or not self.convocation.number:  # each of a family has their own
            number = ""
        duration = locale.duration(self.convocation.length)
        early = _("Venez 10 minutes en avance, à %(time)s, avec cette convocation imprimée et une pièce d’identité.")
        if self.convocation.family:
            early = _(
                "Venez tous 10 minutes en avance, à %(time)s, avec cette convocation imprimée et une pièce d’identité "
                "pour chaque personne."
            )
        lines = [
            layout.line(day[0].upper() + day[1:], 18, bold=True),
            layout.line(isolate(locale.time_of_day(start)), 26, bold=True, after=4),
            layout.line(layout.sentence(early, time=isolate(locale.time_of_day(self.convocation.early))), 11),
            layout.line(f"{layout.label(_('Durée'))} {duration}{number}", 11),
        ]
        box = [
            ("BOX", (0, 0), (-1, -1), 1.5, INK),
            ("LEFTPADDING", (0, 0), (-1, -1), 14),
            ("RIGHTPADDING", (0, 0), (-1, -1), 14),
            ("TOPPADDING", (0, 0), (-1, -1), 8),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 10),
        ]
        return Table([[lines]], colWidths=[WIDTH], style=box)

    def person(self) -> list[Flowable]:
        """Return who is summoned. The convocation is void for anybody else."""
        layout, _, convocation = self.layout, self.locale._, self.convocation
        if convocation.family:
            return self.family()
        birth_date = self.locale.long_date(convocation.birth_date)
        birth_name = [layout.fact(_("Nom de naissance"), convocation.birth_name)] if convocation.birth_name else []
        return [
            *layout.section(_("Personne convoquée")),
            layout.fact(_("Nom"), convocation.last_name),
            layout.fact(_("Prénom"), convocation.first_name),
            *birth_name,
            layout.line(f"{layout.label(_('Date de naissance'))} {birth_date}", 11, after=3),
            layout.line(
                layout.sentence(
                    _(
                        "Cette convocation est valable uniquement pour %(person)s, né(e) le %(birth)s. "
                        "Elle est nulle pour toute autre personne : elle ne peut être ni cédée ni vendue."
                    ),
                    person=isolate(convocation.person),
                    birth=birth_date,
                ),
                BODY,
            ),
        ]

    def family(self) -> list[Flowable]:
        """Return who is summoned together, each with a time and a code to scan."""
        layout, _ = self.layout, self.locale._
        void = _(
            "Cette convocation est valable uniquement pour les personnes qui y sont nommées. Elle est nulle pour toute "
            "autre personne : elle ne peut être ni cédée ni vendue."
        )
        members = [self.member(member) for member in self.convocation.family]
        return [*layout.section(_("Personnes convoquées")), *members, layout.line(layout.sentence(void), BODY)]

    def member(self, member: Member) -> Flowable:
        """Return one of several people: when, who, and what the desk needs."""
        layout, locale, _ = self.layout, self.locale, self.locale._
        when = isolate(locale.time_of_day(member.start))
        if member.start.date() != self.convocation.start.date():
            when = _("%(day)s à %(time)s") % {"day": locale.full_date(member.start.date()), "time": when}
        facts = layout.sentence(
            _(MEMBER),
            birth=locale.long_date(member.birth_date),
            number=isolate(member.number),
            reference=isolate(member.reference),
        )
        lines = [layout.line(f"{when} – {isolate(member.person)}", 12, bold=True)]
        if member.birth_name:
            lines.append(layout.line(f"{layout.label(_('Nom de naissance'))} {isolate(member.birth_name)}", BODY))
        lines.append(layout.line(facts, BODY))
        widths = [WIDTH - SMALL_QR_SIDE, SMALL_QR_SIDE]
        return layout.table([lines, [QrCode(member.reference, SMALL_QR_SIDE)]], widths, gap=12, after=QR_MARGIN)

    def body(self) -> list[Flowable]:
        """Return the postal address, the documents to bring, and what to do if the applicant cannot come."""
        layout, _, convocation = self.layout, self.locale._, self.convocation
        find = _("Pour trouver le lieu, cherchez son adresse dans une application de cartes.")
        cancel = _(
            "Si vous ne pouvez pas venir, annulez votre rendez-vous avec le lien de votre e-mail : "
            "il servira à une autre personne."
        )
        if not convocation.has_email:
            cancel = _("Si vous ne pouvez pas venir, dites-le-nous : votre rendez-vous servira à une autre personne.")
        twin = _("La même convocation existe en page web accessible : ouvrez le lien de votre e-mail.")
        contact = layout.text(convocation.contact)
        if self.locale.language not in convocation.contact:  # French among other words
            contact = isolate(contact)
        documents = _("Documents à apporter, pour chaque personne") if convocation.family else _("Documents à apporter")
        question = layout.sentence(_("Une question ? %(contact)s"), contact=contact)
        return [
            *layout.section(_("Lieu")),
            layout.line(isolate(", ".join(convocation.postal_address)), BODY),
            layout.line(layout.sentence(find), BODY),
            *layout.section(documents),
            *(layout.checkbox(document, BODY) for document in convocation.documents),
            *(layout.line(layout.text(note), BODY, before=2) for note in convocation.notes),
            *layout.section(_("Un empêchement, une question ?")),
            layout.line(layout.sentence(cancel), BODY),
            layout.line(question, BODY),
            *([layout.line(layout.sentence(twin), BODY)] if convocation.has_email else []),
        ]
