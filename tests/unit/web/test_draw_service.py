"""What visitors and programs read of a service that draws its seats."""

from datetime import datetime, timedelta

import pytest

from chalicelib.domain import draw_window
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.web import clock
from tests.client import FIRST, Browser, get, post, refused, wednesday
from tests.conftest import Clock, document, draw_document, fill

NOW = datetime.fromisoformat("2026-11-27T12:00:00+01:00")
"""A Friday: the window for 2026-W51 is open until Sunday 18:00."""


@pytest.fixture
def drawn(table: None, clock: Clock) -> Service:  # noqa: ARG001  # a fixture for its effect
    clock.now = NOW
    return service_store.put(draw_document())


@pytest.mark.usefixtures("drawn")
def test_a_draw_says_so_with_its_window_and_half_days() -> None:
    data = get("/services/aes").data
    assert data["allocation"] == "draw"
    assert data["next_release"] is None
    assert data["draw"] == {
        "opens": "2026-11-26T09:00:00+01:00",
        "closes": "2026-11-29T18:00:00+01:00",
        "week": "2026-W51",
        "half_days": ["tue-am", "thu-am"],
        "promise": None,
    }


def test_after_the_close_the_next_window_is_named(drawn: Service, clock: Clock) -> None:
    clock.now = draw_window.window_of(drawn, "2026-W51").closes - timedelta(milliseconds=1)
    assert get("/services/aes").data["draw"]["week"] == "2026-W51"
    clock.move(timedelta(milliseconds=1))
    data = get("/services/aes").data["draw"]
    assert (data["week"], data["opens"]) == ("2026-W52", "2026-12-03T09:00:00+01:00")


@pytest.mark.usefixtures("table")
def test_a_service_without_a_draw_is_first_come_first_served() -> None:
    service_store.put(document())
    data = get("/services/aes").data
    assert data["allocation"] == "first_come"
    assert "draw" not in data


@pytest.mark.usefixtures("drawn")
def test_a_hold_is_refused() -> None:
    for body in (FIRST, {"date": "2026-12-15", "start": "10:00", "conditions_accepted": True}):
        refused(post("/services/aes/holds", body), 409, "wrong-allocation")


@pytest.mark.usefixtures("drawn")
def test_the_calendar_of_a_draw_offers_no_slot_and_names_no_opening() -> None:
    for week in ("2026-W49", "2026-W51", "2026-W52"):
        data = get(f"/services/aes/slots?week={week}").data
        assert (data["first_free"], data["next_release"], "opens_at" in data) == (None, None, False)
    refused(get("/services/aes/slots?week=2026-W53"), 404, "not-found")


CHANGED = "Ce service a changé la façon de donner ses rendez-vous. Revenez à sa page."


@pytest.mark.usefixtures("service")
def test_a_person_whose_calendar_is_older_than_the_draw_is_led_back_to_the_service() -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    service_store.put(draw_document())
    person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT}10:05")
    assert (person.answer.status, person.title) == (409, CHANGED)
    person.follow("Recommencer une demande")
    assert person.answer.status == 200


@pytest.mark.usefixtures("service")
def test_a_person_who_waits_for_the_captcha_when_a_draw_begins_is_led_back_to_the_service() -> None:
    service_store.put(document(seat_after="captcha"))
    fill(service_store.read("aes", clock.now()), clock.now())
    hold = post("/services/aes/holds", FIRST).data["hold"]
    person = Browser(f"/holds/{hold}")
    challenge = person.page.fields("challenge")["challenge"]
    service_store.put(draw_document())
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
    assert (person.answer.status, person.title) == (409, CHANGED)
    person.follow("Recommencer une demande")
    assert person.answer.status == 200
    refused(post(f"/holds/{hold}/captcha/answer", {"challenge": challenge, "answer": "x"}), 422, "captcha-wrong")
    challenge = post(f"/holds/{hold}/captcha").data["challenge"]
    answer = {"challenge": challenge, "answer": keys().sound_answer(challenge)}
    refused(post(f"/holds/{hold}/captcha/answer", answer), 409, "wrong-allocation")
