"""The pages of a request, and its letters."""

import re
from dataclasses import replace

import pytest

from chalicelib.domain.entry import Entry
from chalicelib.domain.seat import EntryKey, State
from chalicelib.domain.service import LANGUAGES
from chalicelib.mail import draw_letters, letters
from chalicelib.mail.draw_letters import EntryFacts
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.mail.letter_parts import Content
from chalicelib.rendering import convocation, templates
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import AES, NOW, PERSON, START, TOKEN, Tags, page, request, text_of

ENTRY = EntryFacts(Entry(EntryKey("aes", "a" * 16), preferences=("any",)), None, 1, 2, "c" * 64)


def test_a_pending_request_offers_to_confirm_and_to_delete() -> None:
    html = page("pending")
    assert f'action="../../requests/{TOKEN}/confirmation"' in html
    assert f'href="../../requests/{TOKEN}/cancellation"' in html
    assert "Ñandú" in html


def test_before_the_confirmation_a_request_is_deleted_and_after_it_an_appointment_is_cancelled() -> None:
    assert "Supprimer ma demande" in page("pending")
    assert "Annuler mon rendez-vous" not in page("pending")
    assert "Annuler mon rendez-vous" in page("confirmed")
    assert "Supprimer ma demande" not in page("confirmed")
    assert "supprimer votre demande" in page("cancel")
    assert "annuler votre rendez-vous" in page("cancel", request=request(State.CONFIRMED))


@pytest.mark.parametrize("name", ["pending", "confirmed", "displaced", "expired", "cancelled"])
def test_a_state_of_a_request_has_one_main_action(name: str) -> None:
    actions = [a for a in Tags(page(name)).all("a", "button") if a.get("class") == "fr-btn"]
    assert len(actions) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_after_filing_does_not_look_like_success_before_the_confirmation(language: str) -> None:
    html = page("done", language)
    assert "fr-alert--success" not in html
    assert "gu-pending" in html
    assert "awa@example.org" in html.partition("</h1>")[2][:400]
    assert 'href="../../manage"' in html
    assert "fr-alert--success" in page("done", language, confirmed=True)


@pytest.mark.parametrize("name", ["cancelled", "expired"])
def test_an_ended_request_shows_no_person_and_how_to_start_again(name: str) -> None:
    assert "Awa" not in page(name)
    assert 'href="../../services/aes"' in page(name)


def test_the_convocation_states_all_that_the_desk_needs() -> None:
    read = text_of(page("convocation"))
    for fact in (
        "Demande d’admission exceptionnelle au séjour",
        "Awa",
        "D’Exemple",
        "Ñandú",
        "17 mai 1990",
        "jeudi 3 décembre 2026",
        "10 h 15",
        "5 minutes",
        "2 rue Charles de Gaulle",
        "AES-7K3M9-QXPT2",
        "10 minutes en avance, à 10 h 05",
        "uniquement pour Awa D’Exemple, né(e) le 17 mai 1990",
        "nulle pour toute autre personne",
        "l’original et une copie",
    ):
        assert fact in read, fact


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_convocation_states_each_fact_in_french_first_and_then_in_the_language_of_the_person(language: str) -> None:
    french, own = locale_from_source("fr"), locale_from_source(language)
    sheet = page("convocation", language).partition("<article")[2].partition("</article>")[0]
    spans = re.findall(r'<span (?:class="gu-own" )?lang="(\w+)"[^>]*>(.*?)</span>', sheet, re.DOTALL)
    assert [code for code, _ in spans] == ["fr", language] * (len(spans) // 2)
    pairs = [(spans[n][1], spans[n + 1][1]) for n in range(0, len(spans), 2)]
    documents = [(document["fr"], document[language]) for document in (*AES.documents, *AES.documents_note)]
    for french_text, own_text in [
        (french.full_date(START), own.full_date(START)),
        ("Documents à apporter", own._("Documents à apporter")),
        (french.text(AES.name), own.text(AES.name)),
        *documents,
    ]:
        assert (french.typeset(french_text), own_text) in pairs
    assert "Venez 10 minutes en avance, à 10 h 05" in text_of(sheet)
    assert "valable uniquement pour Awa D’Exemple, né(e) le 17 mai 1990" in text_of(sheet)


def test_a_french_convocation_says_everything_once() -> None:
    assert 'class="gu-own"' not in page("convocation")
    assert text_of(page("convocation")).count("Documents à apporter") == 1


def test_the_page_of_the_convocation_saves_its_pdf_without_another_request() -> None:
    (link,) = (a for a in Tags(page("convocation")).all("a") if "download" in a)
    assert link == {
        "class": "fr-btn fr-btn--secondary",
        "href": "data:application/pdf;base64,AA==",
        "download": "convocation.pdf",
        "id": "pdf",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_one_column_in_the_language_of_the_person(language: str) -> None:
    locale = locale_from_source(language)
    letter = letters.compose(LetterKind.CONFIRM, AES, PERSON, f"https://example.org/requests/{TOKEN}", locale)
    html = templates.render("mail.html", locale, "", letter=letter)
    tags = Tags(html)
    assert tags.all("html") == [{"lang": language, "dir": locale.direction}]
    assert tags.all("img", "link", "script") == []
    links = [a["href"] for a in tags.all("a")]
    assert links[:2] == [url for _, url in letter.actions]
    assert links[2:] == [*(url for _, url in letter.links), "mailto:sejour.loire@prefecture.example.org"]
    assert links[2] == "https://example.org/services/aes/documents"
    assert tags.all("style") == []
    text = templates.render("mail.txt", locale, "", letter=letter)
    for part in (*letter.lines, *(url for _, url in letter.actions), *letter.steps, *letter.signature, *letter.closing):
        assert part in text
    assert "&" not in text


def test_a_person_with_a_single_name_is_named_without_the_hyphen() -> None:
    single = replace(PERSON, details=replace(PERSON.details, first_name="-", last_name="Exemple"))
    letter = letters.compose(
        LetterKind.CONFIRM, AES, single, "https://example.org/requests/x", locale_from_source("fr")
    )
    assert letter.greeting == "Bonjour Exemple,"
    assert convocation.convocation_of(AES, single).person == "Exemple"


def letter_about(kind: LetterKind, language: str = "fr") -> Content:
    locale, url = locale_from_source(language), f"https://example.org/requests/{TOKEN}"
    entry = ENTRY if kind in draw_letters.BODIES else None
    return letters.compose(kind, AES, PERSON, url, locale, until=NOW, entry=entry)


@pytest.mark.parametrize("kind", LetterKind)
def test_a_letter_begins_with_the_office_and_ends_with_its_postal_address(kind: LetterKind) -> None:
    letter = letter_about(kind)
    for template in ("mail.html", "mail.txt"):
        read = text_of(templates.render(template, locale_from_source("fr"), "", letter=letter))
        assert read.index("Préfecture de la Loire") < read.index("Bonjour Awa")
        assert "42000 Saint-Étienne" in read.rpartition("Référence")[2]
        assert "9 h à 12 h" in read


def test_the_display_name_of_the_sender_does_not_say_what_the_appointment_is_about() -> None:
    board = replace(AES, office="Préfecture de la Loire, commission médicale")
    locale = locale_from_source("fr")
    letter = letters.compose(LetterKind.CONFIRM, board, PERSON, "https://example.org/requests/x", locale)
    assert letter.sender_name == "Préfecture de la Loire – rendez-vous"


@pytest.mark.parametrize("kind", ["convocation", "moved", "reminder"])
def test_a_letter_about_an_appointment_lists_the_documents_and_what_happens_next(kind: str) -> None:
    letter = letter_about(LetterKind(kind))
    html = templates.render("mail.html", locale_from_source("fr"), "", letter=letter)
    for text in (*AES.documents, *AES.documents_note):
        assert text["fr"].partition("www")[0] in html
    assert len(letter.steps) == 3
    assert [label for label, _ in letter.actions] == ["Voir ma convocation", "Annuler mon rendez-vous"]


@pytest.mark.parametrize("kind", ["cancelled", "deleted", "expired", "withdrawn", "displaced"])
def test_a_letter_about_a_lost_slot_asks_for_no_documents_and_calls_the_slot_lost(kind: str) -> None:
    letter = letter_about(LetterKind(kind))
    assert (letter.documents, letter.notes, letter.links, letter.steps) == ((), (), (), ())
    assert letter.facts_title == "Le créneau qui n’est plus à votre nom"
