"""The printed part of an attestation: in French, which is authentic, and in the reader's language beside it."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from chalicelib.domain.languages import SOURCE
from chalicelib.rendering import templates
from chalicelib.rendering.i18n import Locale, french_and, locale_for


@dataclass(frozen=True, slots=True)
class Sheet:
    """What an attestation says, in one language."""

    language: str
    direction: str
    html: Markup


def french() -> Locale:
    """Return the locale of the authentic text."""
    return locale_for(SOURCE)


def sheets(checked: Any, locale: Locale, *, url: str, root: str) -> list[Sheet]:
    """Return the French sheet, with the QR code of the URL that checks it, and the same in another language."""
    printed = []
    for of_sheet in french_and(locale):
        qr = qr_svg(url) if of_sheet.is_source else ""
        html = templates.render("attempt_sheet.html", of_sheet, root, checked=checked, qr=qr)
        printed.append(Sheet(of_sheet.language, of_sheet.direction, Markup(html)))  # noqa: S704  # the template escaped it
    return printed


def qr_svg(url: str) -> str:
    """Return a URL as a QR code, in a `data:` URI with an SVG. A long URL gets less error correction."""
    import segno  # noqa: PLC0415  # only the page of an attestation needs it

    return str(segno.make_qr(url, error="l").svg_data_uri(scale=3, dark="#000", light="#fff"))
