"""The card of the key facts."""

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from chalicelib.domain.service import LANGUAGES, Service
from chalicelib.rendering import templates
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import AES, START, Tags, text_of

CARD = '{% import "card.html" as card with context %}{{ card.key_facts(service, start, reference) }}'
REFERENCE = "AES-7K3M9-QXPT2"


def card(language: str = "fr", reference: str = REFERENCE, service: Service = AES) -> str:
    template = templates.environment().from_string(CARD)
    return template.render(
        locale=locale_from_source(language), root="../../", service=service, start=START, reference=reference
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_begins_with_the_date_and_the_time(language: str) -> None:
    locale = locale_from_source(language)
    read = text_of(card(language))
    facts = [
        locale.full_date(START),
        locale.time_of_day(START).replace("\u00a0", " "),
        locale.text(AES.name),
        "2 rue Charles de Gaulle",
        "42000 Saint-Étienne",
        REFERENCE,
    ]
    places = [read.index(fact) for fact in facts]
    assert places == sorted(places)


def test_the_card_leads_to_the_documents_and_to_a_map_of_the_postal_address() -> None:
    building = replace(AES, postal_address=("Bâtiment B & C", *AES.postal_address))
    documents, place = (link["href"] for link in reversed(Tags(card(service=building)).all("a")))
    assert documents == "../../services/aes/documents"
    url, _, query = place.partition("?query=")
    assert url == "https://www.openstreetmap.org/search"
    assert unquote(query) == "2 rue Charles de Gaulle, 42000 Saint-Étienne"


def test_the_reference_of_the_card_is_left_to_right_and_nothing_but_the_reference() -> None:
    assert re.search(rf'<code [^>]*dir="ltr">{REFERENCE}</code>', card("ar"))
    assert "<code" not in card(reference="")


CONTACT = '{% import "parts.html" as parts with context %}{{ parts.contact(service) }}'


def contact(language: str, service: Service = AES) -> str:
    template = templates.environment().from_string(CONTACT)
    return template.render(locale=locale_from_source(language), root="", service=service)


def test_the_opening_hours_are_in_the_language_of_the_page_and_the_e_mail_address_is_a_link() -> None:
    for language, hours in (("fr", "lundi"), ("en", "Monday"), ("ar", "الاثنين")):
        html = contact(language)
        assert hours in html
        assert Tags(html).all("a") == [{"href": "mailto:sejour.loire@prefecture.example.org"}]


def test_a_contact_without_a_translation_is_marked_as_french() -> None:
    (line,) = Tags(contact("ar", replace(AES, contact={"fr": "Accueil du lundi au vendredi"}))).all("bdi")
    assert line == {"lang": "fr", "dir": "ltr"}
