"""A paused service: nobody can begin to book, and what was begun before runs on."""

from datetime import datetime

import pytest

from chalicelib.storage import service_store
from tests.client import AWA, FIRST, Answer, Browser, get, hold, link, pass_captcha, post, refused
from tests.conftest import Clock, draw_document

MESSAGE = {"fr": "Panne. Revenez lundi.", "en": "Out of order. Come back on Monday."}
ENTRY = {"preferences": ["tue-am"], "conditions_accepted": True}


def check_paused(answer: Answer) -> None:
    assert refused(answer, 503, "paused")["message"] == "Panne. Revenez lundi."
    assert 60 <= int(answer.headers["Retry-After"]) <= 300


@pytest.mark.usefixtures("service")
def test_a_program_is_told_to_come_back_later_until_the_service_is_resumed() -> None:
    service_store.pause("aes", MESSAGE)
    check_paused(post("/services/aes/holds", FIRST))
    check_paused(get("/services/aes/slots"))
    check_paused(post("/services/aes/attempts"))
    assert get("/").data["services"][0]["paused"] is True
    service_store.pause("aes", None)
    assert get("/").data["services"][0]["paused"] is False
    hold()


@pytest.mark.usefixtures("service")
def test_a_visitor_reads_the_message_in_their_language_and_in_french_where_it_is_missing() -> None:
    service_store.pause("aes", MESSAGE)
    assert "Ce service est en pause." in Browser("/").answer.text
    assert "Out of order. Come back on Monday." in Browser("/services/aes?lang=en").answer.text
    french = '<bdi lang="fr">Panne. Revenez lundi.</bdi>'
    for path in ("/services/aes", "/services/aes/slots"):
        assert french in Browser(f"{path}?lang=ar").answer.text
    assert get("/services/aes").data["weeks"] == []


@pytest.mark.usefixtures("service")
def test_without_a_message_a_visitor_reads_the_usual_one() -> None:
    service_store.pause("aes", {})
    assert get("/services/aes").data["paused"] == "Nous travaillons sur ce service. Revenez un peu plus tard."
    assert "We are working on this service." in Browser("/services/aes?lang=en").answer.text


@pytest.mark.usefixtures("service")
def test_a_form_that_was_open_leads_to_the_message() -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    service_store.pause("aes", MESSAGE)
    person.press("Premier créneau libre")
    assert (person.answer.status, person.title) == (503, "Ce service est en pause.")
    assert "Panne. Revenez lundi." in person.answer.text


@pytest.mark.usefixtures("service")
def test_a_booking_that_was_begun_goes_on() -> None:
    held = hold()
    service_store.pause("aes", MESSAGE)
    pass_captcha(held)
    assert post(f"/holds/{held}/details", AWA).status == 202
    confirmed = post(f"/requests/{link(held)}/confirmation")
    assert (confirmed.status, confirmed.data["state"]) == (200, "confirmed")


def test_nobody_can_enter_a_paused_draw_and_an_entry_that_was_begun_goes_on(table: None, clock: Clock) -> None:  # noqa: ARG001  # a fixture for its effect
    clock.now = datetime.fromisoformat("2026-11-27T12:00:00+01:00")
    service_store.put(draw_document())
    begun = post("/services/aes/entries", ENTRY).data["hold"]
    service_store.pause("aes", MESSAGE)
    check_paused(post("/services/aes/entries", ENTRY))
    check_paused(get("/services/aes/entries"))
    page = Browser("/services/aes/entries").answer
    assert (page.status, "Panne. Revenez lundi." in page.text) == (503, True)
    pass_captcha(begun)
    assert post(f"/holds/{begun}/details", AWA).status == 202
