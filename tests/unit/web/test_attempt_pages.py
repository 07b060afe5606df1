"""The attestation that nothing is free: when it is given, how it is checked, and its pages."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.booking import attempts
from chalicelib.domain import attestation
from chalicelib.domain.attestation import Attestation, Outcome
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.service import Service
from chalicelib.keys import attestation_keys
from chalicelib.storage import items, service_store
from chalicelib.web import clock
from tests.client import FIRST, FORM, JSON, Answer, Browser, all_items, fields, get, post, refused, send
from tests.conftest import Clock, document, fill

pytestmark = pytest.mark.slow

BUTTON = "Obtenir une attestation"
PATH = "/services/aes/attempts"


@pytest.fixture
def full(service: Service) -> Service:
    """The small service, with every seat held."""
    while post("/services/aes/holds", FIRST).status == 201:
        pass
    return service


def attested(weeks: int = 1, service: str = "aes") -> str:
    """Return the code of an attestation with attempts in this many weeks, the last one a week ago."""
    at = clock.now().replace(second=0, microsecond=0) - timedelta(weeks=1)
    earlier = tuple(at - timedelta(weeks=n) for n in range(1, weeks))
    return attestation.sign(Attestation(service, at, Outcome.FULL, None, earlier), attestation_keys()[0])


def send_form(earlier: str) -> Answer:
    return send("POST", PATH, FORM, urlencode({"earlier": earlier}).encode())


# Giving


@pytest.mark.usefixtures("full")
def test_an_attestation_says_what_when_and_when_seats_open_next_and_writes_nothing() -> None:
    before = all_items()
    answer = post(PATH)
    assert answer.status == 201
    data = answer.data
    at = datetime.fromisoformat(data["at"])
    assert at == clock.now().replace(second=0, microsecond=0)
    assert (data["service"], data["outcome"]) == ("aes", "full")
    assert datetime.fromisoformat(data["next_release"]) > at
    assert [attempt["at"] for attempt in data["attempts"]] == [data["at"]]
    assert get(f"/attempts/{data['attestation']}").data == data
    assert all_items() == before
    assert "Set-Cookie" not in answer.headers


@pytest.mark.usefixtures("service")
def test_it_is_refused_while_a_seat_of_any_open_week_is_free() -> None:
    problem = refused(post(PATH), 409, "not-full")
    free = get("/services/aes/slots").data
    assert problem["first_free"] == free["first_free"]
    assert problem["slots"] == f"slots?week={free['week']}"
    browser = Browser("/services/aes")
    browser.arrive(send("POST", PATH, FORM))
    browser.path = PATH
    assert browser.title == "Des rendez-vous sont libres"
    browser.follow("Voir les rendez-vous libres")
    assert browser.answer.status == 200


@pytest.mark.usefixtures("table")
def test_a_service_without_an_open_week_says_so() -> None:
    service_store.put(document(release={"weeks_ahead": 0, "moments": [{"day": "sunday", "at": "23:59"}]}))
    data = post(PATH).data
    assert data["outcome"] == "not-open"
    page = Browser(f"/attempts/{data['attestation']}")
    assert "aucune semaine n’était ouverte" in page.answer.text


def test_an_attestation_for_an_unknown_service_is_not_found(full: Service) -> None:  # noqa: ARG001  # for its effect
    refused(post("/services/nope/attempts"), 404, "not-found")


@pytest.mark.usefixtures("full")
def test_earlier_attempts_are_repeated_from_codes_and_links() -> None:
    typed = f"https://example.org/attempts/{attested(2)}\n{attested()}"
    data = post(PATH, {"earlier": typed}).data
    assert len(data["attempts"]) == 3
    weeks = [attempt["week"] for attempt in data["attempts"]]
    assert weeks == sorted(set(weeks))


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("typed", ["bonjour", "aes." + "a" * 52, "x" * 8_001, 5, ["aes"]])
def test_a_text_without_a_valid_code_is_refused(typed: object) -> None:
    assert fields(post(PATH, {"earlier": typed})) == ["earlier"]


@pytest.mark.usefixtures("full")
def test_a_code_of_another_service_and_one_of_2019_are_refused_and_what_was_typed_is_kept() -> None:
    at = datetime(2019, 12, 9, 8, 3, tzinfo=UTC)
    old = attestation.sign(Attestation("aes", at, Outcome.FULL, None), attestation_keys()[0])
    for code in (attested(service="vie"), old):
        assert fields(post(PATH, {"earlier": code})) == ["earlier"]
        page = send_form(code)
        assert (page.status, page.kind) == (422, "text/html")
        assert code in page.text
        assert 'aria-invalid="true"' in page.text


@pytest.mark.usefixtures("full")
def test_more_codes_than_weeks_are_refused() -> None:
    codes = " ".join(
        f"aes.{number:>052}".replace("0", "a").replace("1", "b").replace("8", "c").replace("9", "d")
        for number in range(53)
    )
    assert fields(post(PATH, {"earlier": codes})) == ["earlier"]
    assert fields(post(PATH, {"other": "x"})) == ["other"]


def test_an_attestation_signed_before_a_rotation_is_repeated_by_the_new_key(full: Service) -> None:
    code = attested()
    with pytest.raises(InvalidFields):
        attempts.attest(full, [code[:-1] + ("a" if code[-1] != "a" else "b")], clock.now())
    again = attempts.attest(full, [code], clock.now())
    assert len(again.moments) == 2


# Pages


@pytest.mark.usefixtures("full")
def test_the_calendar_offers_an_attestation_only_when_nothing_is_free() -> None:
    browser = Browser("/services/aes/slots")
    browser.press(BUTTON)
    assert (browser.answer.status, browser.title) == (200, "Attestation")
    assert "aucun rendez-vous n’était libre" in browser.answer.text
    assert "data:image/svg+xml" in browser.answer.text
    assert "no-store" in browser.answer.headers["Cache-Control"]


@pytest.mark.usefixtures("service")
def test_the_calendar_of_a_full_week_offers_none_while_another_week_is_free() -> None:
    free = get("/services/aes/slots").data["week"]
    later = next(item for item in range(1, 53) if f"W{item:02}" == free[5:])
    assert BUTTON not in send("GET", "/services/aes/slots", FORM).text
    following = f"{free[:5]}W{later + 1:02}"
    assert BUTTON not in send("GET", f"/services/aes/slots?week={following}", FORM).text


def test_four_weeks_make_one_attestation_by_the_button_of_the_saved_link(full: Service, clock: Clock) -> None:
    browser = Browser("/services/aes/slots")
    browser.press(BUTTON)
    for week in range(1, 4):
        clock.move(timedelta(weeks=1))
        fill(full, clock())
        take_all_seats()
        service_store.clear_caches()
        browser.go(browser.path)  # the person opens the saved link
        browser.press("Ajouter une tentative maintenant")
        assert f"Tentatives dans {week + 1} semaines différentes" in browser.answer.text
        assert ("Voir la lettre à imprimer" in browser.page.links) is (week >= 2)
    browser.follow("Voir la lettre à imprimer")
    assert browser.title == "Lettre à la préfecture"
    assert "J’ai essayé dans 4 semaines différentes" in browser.answer.text
    assert "1 rue de l’Exemple" in browser.answer.text
    assert "référé mesures utiles" in browser.answer.text


def take_all_seats() -> None:
    """Set every seat to confirmed."""
    for item in items.SeatItem.scan(items.SeatItem.pk.startswith("SEATS#")):
        item.update([items.SeatItem.state.set("confirmed")])


@pytest.mark.usefixtures("full")
def test_the_letter_is_not_shown_before_three_weeks() -> None:
    code = attested(2)
    assert "Lettre à la préfecture" not in send("GET", f"/attempts/{code}?letter=true", FORM).text
    assert "<h1>Lettre à la préfecture</h1>" in send("GET", f"/attempts/{attested(3)}?letter=true", FORM).text


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("language", ["en", "ar"])
def test_french_comes_first_on_the_page_in_another_language(language: str) -> None:
    text = send("GET", f"/attempts/{attested()}?lang={language}", FORM).text
    french, translated = text.index('<section lang="fr" dir="ltr">'), text.index(f'<section lang="{language}"')
    assert french < text.index("aucun rendez-vous n’était libre") < translated


# Checking


@pytest.mark.usefixtures("service")
def test_a_changed_code_and_one_of_2019_have_their_own_pages() -> None:
    code = attested()
    changed = code[:-1] + ("a" if code[-1] != "a" else "b")
    at = datetime(2019, 12, 9, 8, 3, tzinfo=UTC)
    old = attestation.sign(Attestation("aes", at, Outcome.FULL, None), b"k" * 32)
    for wrong, status, name, title in (
        (changed, 404, "not-found", "Cette attestation n’est pas valable"),
        ("x" * 5_000, 404, "not-found", "Cette attestation n’est pas valable"),
        (old, 410, "attestation-too-old", "Cette attestation est trop ancienne pour être vérifiée"),
    ):
        refused(get(f"/attempts/{wrong}"), status, name)
        page = Browser(f"/attempts/{wrong}")
        assert (page.answer.status, page.title) == (status, title)


@pytest.mark.usefixtures("table")
def test_the_attestation_of_a_withdrawn_service_is_still_verified() -> None:
    code = attested(3, service="gone")
    assert get(f"/attempts/{code}").data["service"] == "gone"
    page = Browser(f"/attempts/{code}?letter=true")
    assert page.title == "Attestation"
    assert "Ajouter une tentative maintenant" not in page.answer.text


@pytest.mark.usefixtures("service")
def test_anybody_checks_a_code_that_is_typed_in_groups_or_pasted_as_a_link() -> None:
    code = attested()
    for typed in (code, f"https://guichet.example.org/attempts/{code}", f" {code[:10]} {code[10:]}".upper()):
        browser = Browser("/attempts")
        browser.press("Vérifier", code=typed)
        assert browser.title == "Attestation"
        assert urlsplit(browser.path).path == f"/attempts/{code}"
    browser.go("/attempts?code=bonjour")
    assert browser.answer.status == 422
    assert "bonjour" in browser.answer.text
    assert send("GET", "/attempts?code=bonjour", JSON).status == 422
    assert send("GET", "/attempts", JSON).data == {}
