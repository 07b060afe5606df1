"""Whole bookings, by a program (JSON) and by a browser without script, on a table in this process."""

from datetime import UTC, timedelta
from random import Random

import pytest

from chalicelib.booking import captcha, filing, holds, schedule
from chalicelib.domain import tokens
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State, week_of
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.web import forms
from tests.client import (
    AWA,
    AWA_TYPED,
    CLIENT,
    FORM,
    Browser,
    all_items,
    captcha_passed,
    count_taken_seats,
    filed,
    get,
    hold,
    link,
    post,
    wednesday,
    wish,
)

pytestmark = pytest.mark.usefixtures("service")


def test_a_program_books_from_the_services_to_the_convocation_and_cancels() -> None:
    day = f"{wednesday():%Y-%m-%d}"
    offered = get("/").data["services"][0]
    assert offered["id"] == "aes"
    assert get("/services/aes").data["slot_minutes"] == 5
    week = get(f"/services/aes/slots?week={week_of(wednesday().date())}").data
    assert week["days"][2] == {
        "date": day,
        "slots": [
            {"start": "10:00", "end": "10:05", "free": 2, "capacity": 2},
            {"start": "10:05", "end": "10:10", "free": 2, "capacity": 2},
            {"start": "10:10", "end": "10:15", "free": 2, "capacity": 2},
        ],
    }
    placed = post("/services/aes/holds", wish(5))
    assert placed.status == 201
    hold_id = placed.data["hold"]
    assert (placed.data["date"], placed.data["start"], placed.data["end"]) == (day, "10:05", "10:10")
    assert placed.data["captcha"] == "required"
    assert get(f"/holds/{hold_id}").data["expires_at"] == placed.data["expires_at"]
    asked = post(f"/holds/{hold_id}/captcha")
    assert asked.status == 201
    answer = {"challenge": asked.data["challenge"], "answer": keys().sound_answer(asked.data["challenge"])}
    assert post(f"/holds/{hold_id}/captcha/answer", answer).data["captcha"] == "passed"
    request = post(f"/holds/{hold_id}/details", AWA)
    assert request.status == 202
    assert (request.data["state"], request.data["start"]) == ("pending", "10:05")
    assert get(f"/holds/{hold_id}").data["reference"] == request.data["reference"]
    token = link(hold_id)
    assert get(f"/requests/{token}").data == request.data
    confirmed = post(f"/requests/{token}/confirmation")
    assert (confirmed.status, confirmed.data["state"], confirmed.data["confirm_before"]) == (200, "confirmed", None)
    paper = get(f"/requests/{token}/convocation").data
    assert (paper["first_name"], paper["birth_date"]) == ("Awa", "1990-05-17")
    assert post("/manage", {"reference": paper["reference"], "email": "awa@example.org"}).status == 202
    assert post(f"/requests/{token}/cancellation").data["state"] == "cancelled"


def test_a_browser_without_script_books_by_forms_and_links_alone() -> None:
    person = Browser("/")
    person.follow("Admission exceptionnelle au séjour")
    person.press("Effectuer une demande de rendez-vous", conditions_accepted="true")
    assert person.title == "Choix d’un créneau"
    person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.title == "Contrôle de sécurité"
    person.press("Écouter")
    assert "data:audio/wav;base64," in person.answer.text
    person.press("Une autre image")
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge).upper())
    assert person.title == "Coordonnées personnelles"
    hold_id = person.path.rpartition("/")[2]
    person.press("Étape suivante", **AWA_TYPED)
    assert person.title == "Vérifiez avant de valider"
    person.press("Modifier")
    assert person.title == "Coordonnées personnelles"
    person.press("Étape suivante", first_name="Awa Marie")
    person.press("Valider et terminer")
    assert person.path == f"/holds/{hold_id}"
    assert person.title == "Vous n’avez pas encore de rendez-vous"
    person = Browser(f"/requests/{link(hold_id)}")
    person.press("Confirmer ma demande")
    person.follow("Voir et imprimer ma convocation")
    assert "Awa Marie" in person.answer.text


@pytest.mark.slow
@pytest.mark.parametrize("confirmed", [False, True])
def test_opening_the_links_of_a_letter_a_hundred_times_changes_nothing(
    confirmed: bool,  # noqa: FBT001  # both states of a request
) -> None:
    token = filed()
    if confirmed:
        post(f"/requests/{token}/confirmation")
    pages_linked = ["", "/confirmation", "/cancellation", *(["/move", "/convocation"] if confirmed else [])]
    before = all_items()
    for turn in range(100):
        path = f"/requests/{token}{pages_linked[turn % len(pages_linked)]}"
        page = CLIENT.http.get(path, headers=FORM)
        head = CLIENT.http.request("HEAD", path, headers=FORM)
        assert (page.status_code, head.status_code, head.body) == (200, 200, b"")
        assert head.headers == page.headers
    assert all_items() == before


def test_the_same_clock_and_the_same_random_source_give_the_same_seat_and_the_same_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn() -> tuple[str, str, str]:
        monkeypatch.setattr(RNG, "source", Random("again"))  # noqa: S311  # to draw again
        visit = get("/services/aes").headers["Set-Cookie"]
        hold_id = hold()
        challenge = post(f"/holds/{hold_id}/captcha").data["challenge"]
        post(f"/holds/{hold_id}/end")
        service_store.clear_caches()
        return visit, hold_id, challenge

    assert drawn() == drawn()


def test_each_step_twice_gives_the_same_answer_and_one_request() -> None:
    hold_id = hold()
    challenge = post(f"/holds/{hold_id}/captcha").data["challenge"]
    sent = {"challenge": challenge, "answer": keys().picture_answer(challenge)}
    until = [post(f"/holds/{hold_id}/captcha/answer", sent).data["expires_at"] for _ in range(2)]
    assert until[0] == until[1]
    assert post(f"/holds/{hold_id}/details", AWA).data == post(f"/holds/{hold_id}/details", AWA).data
    token = link(hold_id)
    for step in ("confirmation", "cancellation"):
        assert post(f"/requests/{token}/{step}").data == post(f"/requests/{token}/{step}").data
    assert count_taken_seats() == 0


def test_a_person_may_book_again_after_the_appointment() -> None:
    post(f"/requests/{filed()}/confirmation")
    later = (wednesday() + timedelta(days=1)).astimezone(UTC)
    schedule.release_seats(later)
    hold_id = holds.place("aes", holds.Wish(None, conditions_accepted=True), now=later)
    asked = captcha.new_challenge(hold_id.id, later)
    captcha.answer(hold_id.id, asked.id, asked.sound, now=later)
    details = forms.read_details(AWA, today=later.date(), language="fr")
    assert filing.file(holds.view_ready(hold_id.id, later), details, now=later).state is State.PENDING


def test_the_log_of_a_whole_booking_has_no_token_and_no_personal_data(capsys: pytest.CaptureFixture[str]) -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    token = link(hold_id)
    post(f"/requests/{token}/confirmation")
    logged = capsys.readouterr().err
    assert '"route": "/requests/{token}/confirmation"' in logged
    for secret in (hold_id[-78:], token[-78:], tokens.digest(hold_id[-78:-26]), "Awa", "example.org", "1990"):
        assert secret not in logged
