"""Correcting the e-mail address, and the further captcha over a limit, as programs and browsers meet them."""

from datetime import timedelta

import pytest

from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import service_store
from tests.client import AWA, AWA_TYPED, FIRST, Browser, captcha_passed, get, hold, link, post, refused, wednesday
from tests.conftest import Clock, document, fill

RIGHT = {"email": "awa@example.net", "email_confirmation": "awa@example.net"}
TICK = timedelta(milliseconds=1)


@pytest.fixture
def service(table: None, clock: Clock) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Wednesdays 10:00, 10:05 and 10:10; an e-mail domain may file one request a day before another captcha."""
    put = service_store.put(
        document(
            plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:15"}]}],
            release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
            times={"notice_hours": 24},
            limits={"domain_requests": 1},
        )
    )
    fill(put, clock())
    return put


# The e-mail address


@pytest.mark.usefixtures("service")
def test_a_corrected_email_address_ends_the_old_link() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    old = link(hold_id)
    assert get(f"/holds/{hold_id}").data["email"] == "awa@example.org"
    corrected = post(f"/holds/{hold_id}/email", RIGHT)
    assert (corrected.status, corrected.data["state"]) == (202, "pending")
    shown = get(f"/holds/{hold_id}").data
    assert (shown["email"], shown["email_changes_left"]) == ("awa@example.net", 1)
    refused(get(f"/requests/{old}"), 410, "link-over")


@pytest.mark.usefixtures("service")
def test_a_person_corrects_the_email_address_on_the_page_that_follows_the_form() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    person = Browser(f"/holds/{hold_id}")
    assert "awa@example.org" in person.answer.text
    person.press("Envoyer à cette adresse", email="awa@example", email_confirmation="awa@example")
    assert person.answer.status == 422
    assert 'value="awa@example"' in person.answer.text
    person.press("Envoyer à cette adresse", **RIGHT)
    assert person.path == f"/holds/{hold_id}"
    assert "awa@example.net" in person.answer.text


@pytest.mark.usefixtures("service")
def test_after_the_time_of_the_form_the_email_address_is_neither_shown_nor_corrected(clock: Clock) -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    clock.move(timedelta(minutes=15))
    assert "awa@example.org" not in Browser(f"/holds/{hold_id}").answer.text
    assert "email" not in get(f"/holds/{hold_id}").data
    late = refused(post(f"/holds/{hold_id}/email", RIGHT), 422, "invalid-fields")
    assert [error["field"] for error in late["errors"]] == ["email"]


@pytest.mark.usefixtures("service")
def test_before_the_details_no_email_address_is_corrected() -> None:
    refused(post(f"/holds/{captcha_passed()}/email", RIGHT), 410, "hold-over")
    refused(post(f"/holds/{hold()}/email", RIGHT), 409, "captcha-required")


# A further captcha


def over_the_limit() -> None:
    """Use up the day's requests of the domain example.org."""
    hold_id = captcha_passed()
    assert post(f"/holds/{hold_id}/details", {**AWA, "first_name": "Ben", **BEN}).status == 202


BEN = {"email": "ben@example.org", "email_confirmation": "ben@example.org"}


@pytest.mark.usefixtures("service")
def test_a_program_over_a_limit_passes_another_captcha_and_sends_its_details_again(clock: Clock) -> None:
    over_the_limit()
    hold_id = captcha_passed(FIRST)
    clock.move(TICK)
    refused(post(f"/holds/{hold_id}/details", AWA), 409, "captcha-required")
    assert get(f"/holds/{hold_id}").data["captcha"] == "required"
    clock.move(TICK)
    asked = post(f"/holds/{hold_id}/captcha").data["challenge"]
    answer = {"challenge": asked, "answer": keys().sound_answer(asked)}
    assert post(f"/holds/{hold_id}/captcha/answer", answer).data["captcha"] == "passed"
    assert post(f"/holds/{hold_id}/details", AWA).status == 202


@pytest.mark.usefixtures("service")
def test_a_person_over_a_limit_passes_another_captcha_and_types_nothing_twice(clock: Clock) -> None:
    over_the_limit()
    hold_id = captcha_passed({"date": f"{wednesday():%Y-%m-%d}", "start": "10:05", "conditions_accepted": True})
    clock.move(TICK)
    person = Browser(f"/holds/{hold_id}")
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.title == "Contrôle de sécurité"
    assert "vos réponses sont gardées" in person.answer.text
    clock.move(TICK)
    person.press("Écouter")
    person.press("Étape suivante", answer="wrong")
    assert person.title == "Contrôle de sécurité"
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
    assert person.title == "Vérifiez avant de valider"
    for typed in ("Awa", "Exemple", "awa@example.org", "06 12 34 56 78"):
        assert typed in person.answer.text
    person.press("Valider et terminer")
    assert person.title == "Vous n’avez pas encore de rendez-vous"


@pytest.mark.usefixtures("service")
def test_a_further_captcha_is_passed_on_the_page_that_requires_it(clock: Clock) -> None:
    person = at_further_captcha(clock)
    answer_captcha(person)
    assert person.title == "Vérifiez avant de valider"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("button", "next_step"), [("English", "Next step"), ("Plus de temps", "Étape suivante")])
def test_a_change_of_language_or_an_extension_keeps_the_details_at_a_further_captcha(
    clock: Clock, button: str, next_step: str
) -> None:
    person = at_further_captcha(clock)
    clock.move(TICK)
    person.press(button)
    challenge = person.page.fields("challenge")["challenge"]
    person.press(next_step, answer=keys().picture_answer(challenge))
    for typed in ("Awa", "Exemple", "awa@example.org", "06 12 34 56 78"):
        assert typed in person.answer.text


def at_further_captcha(clock: Clock) -> Browser:
    """A person whose details are sent and owe a further captcha."""
    over_the_limit()
    hold_id = captcha_passed({"date": f"{wednesday():%Y-%m-%d}", "start": "10:05", "conditions_accepted": True})
    clock.move(TICK)
    person = Browser(f"/holds/{hold_id}")
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.title == "Contrôle de sécurité"
    return person


def answer_captcha(person: Browser) -> None:
    """Type what the picture on the page shows."""
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
