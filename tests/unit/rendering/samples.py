"""A convocation that several tests render."""

import gettext
from datetime import date, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from chalicelib.domain.languages import TABLE
from chalicelib.rendering.convocation import Convocation
from chalicelib.rendering.i18n import LOCALE, Locale, locale_for

PARIS = ZoneInfo("Europe/Paris")
FRENCH = locale_for("fr")
TOLD = Convocation(
    reference="K7FM3R8HW2",
    service={
        "fr": "Admission exceptionnelle au séjour",
        "en": "Exceptional admission to stay",
        "ar": "القبول الاستثنائي",
    },
    first_name="Awa",
    last_name="Exemple",
    birth_date=date(1990, 1, 2),
    start=datetime(2026, 12, 3, 10, 15, tzinfo=PARIS),
    minutes=5,
    postal_address=("Bâtiment B, guichets 3 à 6", "1 rue de l’Exemple", "42000 Exempleville"),
    documents=(
        {"fr": "Passeport", "en": "Passport", "ar": "جواز السفر"},
        {"fr": "Acte de naissance et sa traduction", "en": "Birth certificate", "ar": "شهادة الميلاد"},
    ),
    notes=({"fr": "L’original et une copie.", "en": "The original and one copy.", "ar": "الأصل ونسخة واحدة."},),
    contact={"fr": "guichet@example.org"},
    office="Préfecture de l’Exemple",
    uid="K7FM3R8HW2@guichet",
)


def catalogue(language: str) -> Catalog:
    row = TABLE[language]
    with (LOCALE / row.catalogue / "LC_MESSAGES" / "guichet.po").open("rb") as file:
        return read_po(file, locale=row.code.partition("-")[0], domain="guichet", abort_invalid=True)


def locale_from_source(language: str) -> Locale:
    """Return the locale of a language from its .po file, compiled or not."""
    if language == "fr":
        return locale_for("fr")
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    read = gettext.GNUTranslations(compiled)
    return Locale(language, read.gettext, read.ngettext)
