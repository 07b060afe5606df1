"""A person goes back, reloads and loses the network: each form leads to a page that can be shown again."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest

import app
from chalicelib.domain.seat import State
from chalicelib.domain.service import Limits
from chalicelib.keys import keys
from chalicelib.web import clock, drafts
from tests.client import (
    AWA,
    AWA_TYPED,
    FORM,
    Browser,
    TableFails,
    captcha_passed,
    confirmed,
    expire,
    filed,
    hold,
    post,
    seat_of,
    send,
    wednesday,
)
from tests.conftest import Clock
from tests.security.events import event

pytestmark = pytest.mark.usefixtures("service")


def with_cookies(path: str, **jar: str) -> Browser:
    return Browser(path, {"lang": "fr", **jar})


def reload(person: Browser) -> str:
    """Load the page again, as a browser does after Back and on Reload. Return its text."""
    person.go(person.path)
    return person.answer.text


def typed_in(person: Browser) -> dict[str, str]:
    values = person.page.fields("first_name")
    return {name: values[name] for name in AWA_TYPED}


def at_details() -> Browser:
    return with_cookies(f"/holds/{captcha_passed()}")


def at_filed() -> str:
    """File a request for another person than `filed` does. Return the id of its hold."""
    hold_id = captcha_passed()
    other = {**AWA, "last_name": "Bcdf", "email": "bcdf@example.org", "email_confirmation": "bcdf@example.org"}
    assert post(f"/holds/{hold_id}/details", other).status == 202
    return hold_id


def test_every_form_of_a_booking_is_answered_by_a_redirect() -> None:
    person = with_cookies(f"/holds/{hold()}")
    person.press("Plus de temps")
    person.press("Écouter")
    assert "data:audio/wav;base64," in person.answer.text
    person.press("Étape suivante", answer="wrong")
    assert "data:audio/wav;base64," in person.answer.text
    person.press("Étape suivante", answer="")
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
    person.press("Étape suivante", **{**AWA_TYPED, "phone": ""})
    person.press("Étape suivante", **AWA_TYPED)
    person.press("English")
    person.press("Français")
    person.press("Plus de temps")
    person.press("Modifier")
    person.press("Étape suivante")
    person.press("Valider et terminer")
    person.press("Envoyer à cette adresse", email="awa@example", email_confirmation="awa@example")
    person.press("Envoyer à cette adresse", email="awa@example.net", email_confirmation="awa@example.net")
    assert person.title == "Vous n’avez pas encore de rendez-vous"
    assert {answer.status for answer in person.answers} == {303}


def test_details_with_a_mistake_show_the_same_page_when_it_is_reloaded() -> None:
    person = at_details()
    wrong = {**AWA_TYPED, "phone": "call me", "last_name": '"><b>O’Exemple'}
    person.press("Étape suivante", **wrong)
    assert (person.answer.status, person.page.html["title"][:6]) == (200, "Erreur")
    page = person.answer.text
    assert 'id="phone-error"' in page
    assert typed_in(person) == wrong
    assert reload(person) == page


def test_the_check_page_can_be_reloaded_and_the_details_before_it_are_kept() -> None:
    person = at_details()
    details = person.path
    person.press("Étape suivante", **AWA_TYPED)
    page = person.answer.text
    assert reload(person) == page
    person.go(details)
    assert (person.title, typed_in(person)) == ("Coordonnées personnelles", AWA_TYPED)


@pytest.mark.parametrize(("field", "target"), [("phone", "phone"), ("birth_date", "birth_day"), ("x<", "")])
def test_a_change_link_leads_to_the_field(field: str, target: str) -> None:
    person = at_details()
    person.press("Étape suivante", **AWA_TYPED)
    person.post(f"{person.path.partition('?')[0]}/details", {**AWA_TYPED, "change": field})
    assert person.answers[-1].headers["Location"].partition("#")[2] == target
    assert typed_in(person) == AWA_TYPED


def test_the_browser_forgets_the_details_once_they_are_filed_or_the_slot_is_given_back() -> None:
    for button, title in (
        ("Valider et terminer", "Vous n’avez pas encore de rendez-vous"),
        ("Abandonner et rendre ce créneau", "Votre créneau est rendu"),
    ):
        person = at_details()
        person.press("Étape suivante", **{**AWA_TYPED, "first_name": button[:2]})
        assert person.jar
        assert "draft" in person.jar
        person.press(button)
        assert "draft" not in person.jar
        assert person.title == title
        reload(person)
        assert person.title == title


def test_a_page_from_before_the_filing_changes_nothing_says_so_and_keeps_nothing() -> None:
    person = at_details()
    person.press("Étape suivante", **AWA_TYPED)
    details = f"{person.path.partition('?')[0]}/details"
    person.press("Valider et terminer")
    for button in ({"back": "true"}, {"change": "phone"}, {"lang": "fr"}, {}):
        person.post(details, {**AWA_TYPED, **button})
        assert person.title == "Vous n’avez pas encore de rendez-vous"
    person.post(details, {**AWA_TYPED, "last_name": "Autre", "checked": "true"})
    assert "Vous avez déjà une demande de rendez-vous." in person.answer.text
    assert person.jar == {"lang": "fr"}


def test_the_details_are_in_no_item_before_they_are_filed_and_in_no_url() -> None:
    person = at_details()
    person.press("Étape suivante", **AWA_TYPED)
    seat = seat_of(person.path.partition("?")[0].rpartition("/")[2])
    assert (seat.state, seat.person) == (State.HELD, "")
    for answer in person.answers:
        assert "Awa" not in answer.headers["Location"]
    (cookie,) = person.answers[-1].cookies
    assert cookie.endswith("; Path=/; Max-Age=3600; SameSite=Lax; Secure; HttpOnly")


def test_the_browser_forgets_another_form_once_it_is_right() -> None:
    token = filed()
    wrong = {"email": "awa@example", "email_confirmation": "awa@example"}
    right = {"email": "awa@example.net", "email_confirmation": "awa@example.net"}
    for path, button, bad, good in (
        (
            "/manage",
            "Recevoir mon lien",
            {"reference": "?"},
            {"reference": "AES-22222-22222", "email": "a@example.org"},
        ),
        (f"/requests/{token}/correction", "Enregistrer", {"phone": "?"}, {"phone": "06 00 00 00 00"}),
        (f"/holds/{at_filed()}", "Envoyer à cette adresse", wrong, right),
    ):
        person = with_cookies(path)
        person.press(button, **bad)
        assert person.jar
        assert "typed" in person.jar
        person.press(button, **good)
        assert "typed" not in person.jar


def test_a_redirect_repeats_no_line_break_of_the_url() -> None:
    token = hold()
    expire(seat_of(token).key)
    path, ids = f"/api/holds/{token}\r\n/extension", {"hold": f"{token}\r\n"}
    request = event("POST", "/holds/{hold}/extension", path, ids=ids, headers={"accept": "text/html"})
    answer = app.app(request, None)
    assert (answer["statusCode"], answer["headers"]["Location"]) == (303, f"../../holds/{token}")


def test_a_browser_without_cookies_gets_the_pages_themselves() -> None:
    person = Browser(f"/holds/{captcha_passed()}")
    person.press("Étape suivante", **{**AWA_TYPED, "phone": ""})
    assert (person.answer.status, typed_in(person)["first_name"]) == (422, "Awa")
    person.press("Étape suivante", **AWA_TYPED)
    assert (person.answer.status, person.title) == (200, "Vérifiez avant de valider")
    person.press("Valider et terminer")
    assert person.answer.cookies == ()
    assert person.title == "Vous n’avez pas encore de rendez-vous"


def test_details_that_are_too_long_for_a_cookie_are_kept_on_the_page() -> None:
    person = at_details()
    person.press("Étape suivante", **{**AWA_TYPED, "last_name": "A" * 4000})
    assert (person.answer.status, person.answer.cookies) == (422, ())
    assert typed_in(person)["last_name"] == "A" * 4000


NOT_A_DRAFT = [
    "x",
    "é",
    "A" * 9000,
    urlsafe_b64encode(b"[1]").decode(),
    urlsafe_b64encode(b'{"first_name": 5}').decode(),
    urlsafe_b64encode(b'{"first_name": "\\ud800"}').decode(),
    urlsafe_b64encode(b"[" * 2000).decode(),
    urlsafe_b64encode(b'{"nickname": "<b>"}').decode(),
    urlsafe_b64encode(b'{"first_name": "' + b"A" * 3000 + b'"}').decode(),  # longer than the service sets
]


@pytest.mark.parametrize("cookie", NOT_A_DRAFT)
@pytest.mark.parametrize("step", ["", "?step=check", "?step=x&refused=x"])
def test_a_cookie_that_is_no_draft_is_an_empty_form(cookie: str, step: str) -> None:
    person = with_cookies(f"/holds/{captcha_passed()}{step}", draft=cookie)
    assert (person.answer.status, person.title) == (200, "Coordonnées personnelles")
    assert set(typed_in(person).values()) == {""}


def test_a_forged_draft_is_checked_like_a_form() -> None:
    forged = urlsafe_b64encode(b'{"first_name": "<script>x</script>", "email": "x"}').decode()
    person = with_cookies(f"/holds/{captcha_passed()}?refused=invalid-fields", draft=forged)
    assert person.title == "Coordonnées personnelles"
    assert "<script>x" not in person.answer.text
    assert 'id="first_name-error"' in person.answer.text


@pytest.mark.parametrize(
    "query",
    [
        "?refused=captcha-wrong",
        "?refused=captcha-wrong&challenge=x&tries=9",
        "?refused=invalid-fields&challenge=" + "0" * 59,
        "?refused=x&returned=x",
        "?returned=2026-12-03T10:05<b>",
    ],
)
def test_a_forged_query_of_a_captcha_shows_a_new_challenge(query: str) -> None:
    person = with_cookies(f"/holds/{hold()}{query}")
    assert (person.answer.status, person.title) == (200, "Contrôle de sécurité")
    assert "Erreur" not in person.page.html["title"]


def test_a_wrong_answer_can_be_reloaded_and_is_one_try() -> None:
    person = with_cookies(f"/holds/{hold()}")
    person.press("Étape suivante", answer="wrong")
    assert "Il vous reste 4 essais." in person.answer.text
    challenge = person.page.fields("challenge")
    assert "Il vous reste 4 essais." in reload(person)
    assert person.page.fields("challenge") == challenge
    person.press("Étape suivante", answer="wrong")
    assert "Il vous reste 3 essais." in person.answer.text


def test_a_step_is_no_success_while_its_page_is_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    person = at_details()
    capsys.readouterr()
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Étape suivante" if "Étape suivante" in person.page.links else "Modifier")
    assert "Requests" not in capsys.readouterr().err
    person.press("Étape suivante")
    person.press("Valider et terminer")
    logged = capsys.readouterr().err
    assert logged.count("Requests") == 2  # the name of the metric, and its value
    assert "Awa" not in logged


# A slot that is lost or replaced


def test_an_expired_hold_keeps_what_was_typed_and_offers_the_nearest_slots_in_one_click(clock: Clock) -> None:
    person = at_details()
    expire(seat_of(person.path.rpartition("/")[2]).key)
    clock.move(timedelta(seconds=2))
    person.press("Étape suivante", **AWA_TYPED)
    assert (person.answers[-1].status, person.answer.status) == (303, 410)
    assert person.title == "Votre créneau n’est plus gardé."
    assert "vous n’aurez pas à le taper de nouveau" in person.answer.text
    offered = [button for form in person.page.forms for button in form.buttons]
    assert len(offered) == 3
    person.press(offered[0])
    assert person.title == "Contrôle de sécurité"
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
    assert (person.title, typed_in(person)) == ("Coordonnées personnelles", AWA_TYPED)


def test_the_step_before_the_details_is_the_calendar_and_the_hold_and_the_details_stay() -> None:
    person = at_details()
    held = person.path
    week = f"{seat_of(held.rpartition('/')[2]).key.week}"
    person.press("Étape précédente : choisir un autre créneau", **AWA_TYPED)
    assert person.title == "Choix d’un créneau"
    assert f"week={week}&" in person.path
    person.go(held)
    assert typed_in(person) == AWA_TYPED


def test_a_second_hold_in_the_same_browser_says_that_the_first_slot_is_given_back() -> None:
    person = with_cookies("/services/aes")
    for minute in ("00", "10"):
        person.go("/services/aes/slots?conditions_accepted=true")
        person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT}10:{minute}")
        assert ("Vous aviez choisi un autre créneau" in person.answer.text) == (minute == "10")
    message = person.answer.text.partition('id="returned"')[2].partition("</div>")[0]
    assert "10\u00a0h\u00a000" in message


def test_a_person_with_a_request_is_led_to_manage_it_and_keeps_what_was_typed() -> None:
    filed()
    person = at_details()
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.answers[-1].status == 303
    assert "Vous avez déjà une demande de rendez-vous." in reload(person)
    assert typed_in(person) == AWA_TYPED
    person.follow("Recevoir le lien de ma demande")
    assert person.path == "/manage"


# A network that is lost


def test_a_form_whose_answer_was_lost_is_sent_again_or_its_page_is_opened_and_nothing_is_lost() -> None:
    person = with_cookies(f"/holds/{hold()}")
    path, challenge = person.path, person.page.fields("challenge")["challenge"]
    steps = [
        ("captcha/answer", {"challenge": challenge, "answer": keys().picture_answer(challenge)}),
        ("details", AWA_TYPED),
        ("details", {**AWA_TYPED, "step": "check", "change": "phone"}),
        ("extension", AWA_TYPED),
        ("details", {**AWA_TYPED, "step": "check", "checked": "true"}),
        ("email", {"email": "awa@example.net", "email_confirmation": "awa@example.net"}),
        ("end", {}),
    ]
    for step, body in steps:
        for _ in range(2):
            person.post(f"{path}/{step}", body)
            assert (step, person.answers[-1].status, person.answer.status) == (step, 303, 200)
            if step == "extension":
                assert typed_in(person) == AWA_TYPED
        person.go(path)
        assert person.answer.status == 200
    assert person.title == "Vous n’avez pas encore de rendez-vous"


def test_details_are_kept_while_the_service_does_not_answer(table_fails: TableFails) -> None:
    person = at_details()
    table_fails(None)
    person.press("Étape suivante", **AWA_TYPED)
    assert person.answer.status == 503
    assert person.page.links["Réessayer"].endswith("?step=details")
    assert person.jar
    assert "draft" in person.jar


# The pages of a request


@pytest.mark.parametrize("jar", [None, {"lang": "fr"}])
def test_the_forms_of_a_request_lead_to_pages_that_can_be_reloaded(jar: dict[str, str] | None) -> None:
    token = confirmed()
    person = Browser(f"/requests/{token}/correction", jar)
    person.press("Enregistrer", first_name="Awa", last_name="", phone="1")
    assert "Indiquez votre nom." in person.answer.text
    assert 'value="1"' in person.answer.text
    person.press("Enregistrer", first_name="Zoé", last_name="Autre", phone="06 12 34 56 78")
    assert "pas donner le rendez-vous à une autre personne" in person.answer.text
    assert 'value="Zoé"' in person.answer.text
    if jar:
        assert {answer.status for answer in person.answers} == {303}
        assert "pas donner le rendez-vous à une autre personne" in reload(person)
    person.go(f"/requests/{token}")
    person.press("Recevoir de nouveau ma convocation")
    assert "Votre convocation part de nouveau" in reload(person)
    person.go(f"/requests/{token}/erasure")
    person.press("Oui, effacer mes données et annuler mon rendez-vous")
    assert person.answers[-1].status == 303
    erased = person.answer.text
    assert reload(person) == erased
    assert "Oui, effacer" not in erased


def test_what_was_typed_for_one_request_is_not_shown_on_the_page_of_another() -> None:
    typed = json.dumps({"at": "requests/another/correction", "first_name": "Typed", "last_name": "Elsewhere"})
    kept = urlsafe_b64encode(typed.encode()).decode()
    person = with_cookies(f"/requests/{confirmed()}/correction?refused=invalid-fields", typed=kept)
    assert person.page.fields("first_name")["first_name"] == AWA["first_name"]


# The link of a request


def test_a_second_request_for_a_link_within_two_minutes_says_so_whether_it_exists_or_not(clock: Clock) -> None:
    hold_id = captcha_passed()
    reference = post(f"/holds/{hold_id}/details", AWA).data["reference"]
    pages = []
    for asked in (reference, "AES-22222-22222"):
        person = with_cookies("/manage")
        seen = []
        for spelling in (asked, asked.lower().replace("-", " ")):
            person.go("/manage")
            person.press("Recevoir mon lien", reference=spelling, email="awa@example.org")
            seen.append((person.path, person.answer.text, person.answers[-1].status))
        assert "il y a moins de deux minutes" in seen[1][1]
        person.go("/manage")
        person.press("Recevoir mon lien", reference="AES-33333-33333", email="awa@example.org")
        assert "C’est noté" in person.answer.text
        pages.append(seen)
    assert pages[0] == pages[1]
    clock.move(timedelta(minutes=2))
    person.go("/manage")
    person.press("Recevoir mon lien", reference="AES-33333-33333", email="awa@example.org")
    assert "C’est noté" in person.answer.text


def test_the_receipt_of_a_link_tells_nothing_that_was_typed() -> None:
    body = urlencode({"reference": "AES-22222-22222", "email": "awa@example.org"}).encode()
    answer = send("POST", "/manage", {**FORM, "Cookie": "lang=fr"}, body)
    (cookie,) = answer.cookies
    assert cookie.startswith(f"asked={int(clock.now().timestamp() * 1000):011x}")
    assert "Max-Age=120; " in cookie
    assert "awa" not in cookie


def test_a_cookie_is_longer_than_the_longest_hold() -> None:
    assert timedelta(seconds=drafts.LIFETIME[drafts.DETAILS]) > Limits().longest_hold


def test_a_reference_and_a_receipt_are_bound_to_each_other() -> None:
    receipt = keys().link_asked("AES-22222-22222", "awa@example.org", clock.now())
    assert keys().link_asked_at(receipt, "AES-22222-22222", "AWA@example.org") is not None
    assert keys().link_asked_at(receipt, "AES-33333-33333", "awa@example.org") is None
    assert keys().link_asked_at("x", "AES-22222-22222", "awa@example.org") is None
