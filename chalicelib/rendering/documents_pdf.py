"""The list of the documents to bring as a PDF: a sheet in French, and one in the language of the reader.

Import this module only where the PDF is made, because its libraries are slow to load.
"""

import io
from functools import lru_cache

from reportlab.platypus import Flowable, PageBreak, SimpleDocTemplate

from chalicelib.domain.languages import SOURCE
from chalicelib.domain.service import Service
from chalicelib.rendering import pdf_layout
from chalicelib.rendering.bidi import isolate
from chalicelib.rendering.i18n import Locale, french_and, locale_for
from chalicelib.rendering.pdf_layout import DOCUMENT, MILLIMETRE, SIDE, Layout, register_fonts

MARGIN = 16 * MILLIMETRE
PADDING = 6
"""The padding of reportlab's own frame, in points."""


@lru_cache(maxsize=32)
def data_uri(service: Service, locale: Locale) -> str:
    """Return the PDF as a `data:` URI."""
    return pdf_layout.data_uri(render(service, locale))


def render(service: Service, locale: Locale) -> bytes:
    """Return the list on A4, one sheet for each language, French first. The same list always gives the same bytes."""
    register_fonts()
    output = io.BytesIO()
    document = SimpleDocTemplate(
        output,
        leftMargin=SIDE - PADDING,
        rightMargin=SIDE - PADDING,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=locale_for(SOURCE)._("Documents à apporter"),
        author=service.office,
        **DOCUMENT,
    )
    flowables: list[Flowable] = []
    for sheet in french_and(locale):
        flowables += [PageBreak(), *_sheet(service, sheet)] if flowables else _sheet(service, sheet)
    document.build(flowables)
    return output.getvalue()


def _sheet(service: Service, locale: Locale) -> list[Flowable]:
    layout, _ = Layout(locale), locale._
    contact = layout.text(service.contact)
    if locale.language not in service.contact:  # French among other words
        contact = isolate(contact)
    question = layout.sentence(_("Une question ? %(contact)s"), contact=contact)
    return [
        layout.line(isolate(service.office), 11, bold=True, after=6),
        layout.line(_("Documents à apporter"), 22, bold=True, after=2),
        layout.line(layout.text(service.name), 12, after=8),
        *(layout.checkbox(document, 11) for document in service.documents),
        *(layout.line(layout.text(note), 11, before=6) for note in service.documents_note),
        *layout.section(_("Un empêchement, une question ?")),
        layout.line(question, 11),
    ]
