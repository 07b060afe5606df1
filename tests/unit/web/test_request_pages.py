"""The pages of a request, and its letters."""

import pytest

from chalicelib.domain.service import LANGUAGES
from chalicelib.mail import letters
from chalicelib.rendering import templates
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import AES, PERSON, TOKEN, Tags, page, text_of


def test_a_pending_request_offers_to_confirm_and_to_delete() -> None:
    html = page("pending")
    assert f'action="../../requests/{TOKEN}/confirmation"' in html
    assert f'href="../../requests/{TOKEN}/cancellation"' in html
    assert "Ñandú" in html


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_one_column_in_the_language_of_the_person(language: str) -> None:
    locale = locale_from_source(language)
    letter = letters.compose(letters.LetterKind.CONFIRM, AES, PERSON, f"https://example.org/requests/{TOKEN}", locale)
    html = templates.render("mail.html", locale, "", letter=letter)
    tags = Tags(html)
    assert tags.all("html") == [{"lang": language, "dir": locale.direction}]
    assert tags.all("img", "link", "script") == []
    assert [a["href"] for a in tags.all("a")] == [url for _, url in letter.actions]
    text = templates.render("mail.txt", locale, "", letter=letter)
    for part in (*letter.lines, *(url for _, url in letter.actions), *letter.closing):
        assert part in text
    assert "&" not in text
