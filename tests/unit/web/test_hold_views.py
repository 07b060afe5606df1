"""The pages and the JSON of a hold: its captcha, its details and its end."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.booking import requests
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.web import clock
from tests.client import (
    AWA,
    AWA_TYPED,
    FORM,
    Browser,
    captcha_passed,
    count_taken_seats,
    expire,
    fields,
    filed,
    get,
    hold,
    link,
    post,
    refused,
    seat_of,
    send,
)
from tests.conftest import calls

pytestmark = pytest.mark.usefixtures("service")

BIDI = "\u202e"


WRONG_DETAILS: list[tuple[dict[str, Any], str]] = [
    ({"first_name": ""}, "first_name"),
    ({"first_name": 5}, "first_name"),
    ({"first_name": ["Awa"]}, "first_name"),
    ({"first_name": "A" * 300}, "first_name"),
    ({"last_name": "Exem\x00ple"}, "last_name"),
    ({"last_name": f"Exem{BIDI}ple"}, "last_name"),
    ({"last_name": "Exem\ud800ple"}, "body"),
    ({"last_name": "<b>Exemple</b>"}, "last_name"),
    ({"last_name": "12"}, "last_name"),
    ({"birth_name": "5"}, "birth_name"),
    ({"birth_date": "2001-02-30"}, "birth_date"),
    ({"birth_date": "30/02/2001"}, "birth_date"),
    ({"birth_date": ""}, "birth_date"),
    ({"birth_date": 19900517}, "birth_date"),
    ({"birth_date": "1890-01-01"}, "birth_date"),
    ({"birth_date": "2199-01-01"}, "birth_date"),
    ({"email": "awa@"}, "email"),
    ({"email": "awa"}, "email"),
    ({"email": "awa@example"}, "email"),
    ({"email": "awa@exa\nmple.org"}, "email"),
    ({"email": "awa@example.org\nBcc: bob@example.org"}, "email"),
    ({"email_confirmation": "bob@example.org"}, "email_confirmation"),
    ({"phone": "call me"}, "phone"),
    ({"phone": "0" * 31}, "phone"),
    ({"language": "xx"}, "language"),
    ({"nickname": "Awa"}, "nickname"),
]


def test_a_person_extends_a_hold_and_gives_its_seat_back_by_buttons() -> None:
    hold_id = hold()
    until = seat_of(hold_id).until
    person = Browser(f"/holds/{hold_id}")
    person.press("Plus de temps")
    later = seat_of(hold_id).until
    assert until is not None
    assert later is not None
    assert later > until
    person.press("Abandonner et rendre ce créneau")
    assert person.title == "Votre créneau est rendu"
    assert count_taken_seats() == 0


def test_a_hold_is_extended_twice_and_giving_it_back_again_changes_nothing() -> None:
    hold_id = hold()
    answers = [post(f"/holds/{hold_id}/extension").data for _ in range(3)]
    assert [answer["can_extend"] for answer in answers] == [True, False, False]
    assert answers[0]["expires_at"] < answers[1]["expires_at"] == answers[2]["expires_at"]
    assert post(f"/holds/{hold_id}/end").data == post(f"/holds/{hold_id}/end").data
    assert count_taken_seats() == 0


def test_an_expired_hold_is_refused_at_every_step_and_giving_it_back_changes_nothing() -> None:
    hold_id = captcha_passed()
    challenge = post(f"/holds/{hold_id}/captcha").data["challenge"]
    expire(seat_of(hold_id).key)
    refused(get(f"/holds/{hold_id}"), 410, "hold-over")
    refused(post(f"/holds/{hold_id}/extension"), 410, "hold-over")
    refused(post(f"/holds/{hold_id}/captcha"), 410, "hold-over")
    refused(post(f"/holds/{hold_id}/captcha/answer", {"challenge": challenge, "answer": "x"}), 410, "hold-over")
    refused(post(f"/holds/{hold_id}/details", AWA), 410, "hold-over")
    before = seat_of(hold_id)
    assert post(f"/holds/{hold_id}/end").status == 200
    assert seat_of(hold_id) == before


def test_the_page_of_an_expired_hold_leads_back_to_the_service() -> None:
    hold_id = captcha_passed()
    person = Browser(f"/holds/{hold_id}")
    expire(seat_of(hold_id).key)
    person.press("Étape suivante", **AWA_TYPED)
    assert (person.answers[-1].status, person.answer.status) == (303, 410)
    assert person.title == "Votre créneau n’est plus gardé."
    person.follow("Voir tous les créneaux")
    assert person.title == "Choix d’un créneau"


def test_a_hold_that_became_a_request_is_not_given_back() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    refused(post(f"/holds/{hold_id}/end"), 409, "already-requested")
    assert seat_of(hold_id).state is State.PENDING


def test_a_hold_that_became_a_request_does_not_take_another_persons_details() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    refused(post(f"/holds/{hold_id}/details", {**AWA, "first_name": "Bob"}), 410, "hold-over")
    person = requests.view(link(hold_id), clock.now()).person
    assert person is not None
    assert person.details.first_name == "Awa"


def test_showing_a_captcha_reads_the_seat_once_and_writes_nothing() -> None:
    held = hold()
    with calls() as asked:
        shown = send("GET", f"/holds/{held}", FORM)
    assert "data:image/png;base64," in shown.text
    assert asked == ["GetItem"]


def test_a_challenge_is_spent_after_five_wrong_answers() -> None:
    hold_id = hold()
    sent = {"challenge": post(f"/holds/{hold_id}/captcha").data["challenge"], "answer": "wrong"}
    for left in (4, 3, 2, 1, 0):
        answer = post(f"/holds/{hold_id}/captcha/answer", sent)
        assert refused(answer, 422, "captcha-wrong")["tries_left"] == left
    refused(post(f"/holds/{hold_id}/captcha/answer", sent), 409, "captcha-spent")


def test_after_a_wrong_answer_a_person_sees_the_same_challenge_and_the_tries_left() -> None:
    person = Browser(f"/holds/{hold()}")
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer="wrong")
    assert (person.answers[-1].status, person.answer.status) == (303, 200)
    assert "Il vous reste 4 essais." in person.answer.text
    assert any(item.fields.get("challenge") == challenge for item in person.page.forms)


def test_a_person_whose_challenge_is_spent_gets_another() -> None:
    person = Browser(f"/holds/{hold()}")
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer="x", challenge="0" * 59)
    assert (person.answers[-1].status, person.answer.status) == (303, 200)
    assert "Cette image n’est plus valable." in person.answer.text
    fresh = person.page.fields("challenge")["challenge"]
    assert fresh not in {challenge, "0" * 59}


def test_the_challenge_of_another_hold_is_refused_as_spent() -> None:
    hold_id, other = hold(), hold()
    challenge = post(f"/holds/{other}/captcha").data["challenge"]
    sent = {"challenge": challenge, "answer": keys().picture_answer(challenge)}
    refused(post(f"/holds/{hold_id}/captcha/answer", sent), 409, "captcha-spent")
    assert get(f"/holds/{hold_id}").data["captcha"] == "required"


def test_a_challenge_made_five_minutes_ago_is_spent() -> None:
    hold_id = hold()
    old = keys().new_challenge(seat_of(hold_id).hold, clock.now() - timedelta(minutes=5))
    sent = {"challenge": old, "answer": keys().picture_answer(old)}
    refused(post(f"/holds/{hold_id}/captcha/answer", sent), 409, "captcha-spent")


def test_a_wrong_answer_after_the_right_one_changes_nothing() -> None:
    hold_id = captcha_passed()
    sent = {"challenge": post(f"/holds/{hold_id}/captcha").data["challenge"], "answer": "wrong"}
    assert post(f"/holds/{hold_id}/captcha/answer", sent).data["captcha"] == "passed"


def test_an_invalid_captcha_answer_is_refused_by_field_and_uses_up_no_try() -> None:
    hold_id = hold()
    path = f"/holds/{hold_id}/captcha/answer"
    assert fields(post(path, b"")) == ["challenge", "answer"]
    assert fields(post(path, {"challenge": 5, "answer": ["x"]})) == ["challenge", "answer"]
    assert fields(post(path, {"challenge": "x", "answer": "a" * 41, "sound": True})) == ["answer", "sound"]
    challenge = post(f"/holds/{hold_id}/captcha").data["challenge"]
    answer = post(path, {"challenge": challenge, "answer": "wrong"})
    assert refused(answer, 422, "captcha-wrong")["tries_left"] == 4


def test_an_empty_captcha_answer_is_an_error_at_its_field() -> None:
    person = Browser(f"/holds/{hold()}")
    person.press("Étape suivante", answer="")
    assert (person.answers[-1].status, person.answer.status) == (303, 200)
    assert 'id="answer-error"' in person.answer.text


def test_details_before_the_captcha_are_refused() -> None:
    hold_id = hold()
    refused(post(f"/holds/{hold_id}/details", AWA), 409, "captcha-required")
    answer = send("POST", f"/holds/{hold_id}/details", FORM, urlencode(AWA_TYPED).encode())
    assert answer.status == 409
    assert seat_of(hold_id).state is State.HELD


def test_a_second_request_of_the_same_person_is_refused_and_the_page_keeps_what_was_typed() -> None:
    filed()
    refused(post(f"/holds/{captcha_passed()}/details", AWA), 409, "already-requested")
    person = Browser(f"/holds/{captcha_passed()}")
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.answer.status == 409
    values = person.page.fields("first_name")
    assert {name: values[name] for name in AWA_TYPED} == AWA_TYPED


def test_invalid_details_are_refused_by_field_and_the_seat_stays_held() -> None:
    hold_id = captcha_passed()
    for change, named in WRONG_DETAILS:
        answer = post(f"/holds/{hold_id}/details", {**AWA, **change})
        assert (change, fields(answer)) == (change, [named])
    assert (seat_of(hold_id).state, seat_of(hold_id).captcha_passed) == (State.HELD, True)


def test_a_person_born_tomorrow_is_refused() -> None:
    tomorrow = (clock.now() + timedelta(days=1)).date().isoformat()
    assert fields(post(f"/holds/{captcha_passed()}/details", {**AWA, "birth_date": tomorrow})) == ["birth_date"]


def test_a_birth_year_of_twenty_digits_is_refused_on_the_page() -> None:
    person = Browser(f"/holds/{captcha_passed()}")
    person.press("Étape suivante", **{**AWA_TYPED, "birth_year": "9" * 20})
    assert person.answer.status == 422
    assert 'id="birth_date-error"' in person.answer.text


def test_empty_details_are_refused_with_every_required_field() -> None:
    named = fields(post(f"/holds/{captcha_passed()}/details", b""))
    assert named == ["first_name", "last_name", "email", "email_confirmation", "birth_date", "phone"]


def test_a_page_marks_the_wrong_fields_and_keeps_what_was_typed() -> None:
    typed = {**AWA_TYPED, "email_confirmation": "bob@example.org", "last_name": '"><b>O’Exemple', "birth_day": "31"}
    person = Browser(f"/holds/{captcha_passed()}")
    person.press("Étape suivante", **typed)
    assert person.answer.status == 422
    assert person.page.html["title"].startswith("Erreur")
    marked = re.findall(r'id="([a-z_]+)-error"', person.answer.text)
    assert marked == ["last_name", "email_confirmation"]
    values = person.page.fields("first_name")
    assert {name: values[name] for name in typed} == typed


def test_a_change_of_language_keeps_what_was_typed_and_checks_nothing() -> None:
    hold_id = captcha_passed()
    person = Browser(f"/holds/{hold_id}")
    typed = {**AWA_TYPED, "last_name": "D’Éxemple <b>", "email": "not an address", "phone": ""}
    person.press("العربية", **typed)
    assert (person.answer.status, person.page.html["lang"]) == (200, "ar")
    assert person.answer.headers["Set-Cookie"].startswith("lang=ar; ")
    assert "-error" not in person.answer.text
    shown = person.page.fields("first_name")
    assert shown == {**typed, "birth_name": "", "language": "ar"}
    assert seat_of(hold_id).state is State.HELD
    person.press("English", **typed)
    assert person.page.html["lang"] == "en"


def test_a_change_of_language_after_a_mistake_keeps_what_was_typed() -> None:
    person = Browser(f"/holds/{captcha_passed()}")
    person.press("Étape suivante", **{**AWA_TYPED, "phone": "none"})
    assert person.answer.status == 422
    person.press("English")
    assert (person.answer.status, person.page.html["lang"]) == (200, "en")
    shown = person.page.fields("first_name")
    assert shown == {**AWA_TYPED, "phone": "none", "birth_name": "", "language": "en"}


@pytest.mark.parametrize(("button", "language"), [("English", "en"), ("Plus de temps", "fr")])
def test_a_change_of_language_or_an_extension_shows_the_check_page_again(button: str, language: str) -> None:
    hold_id = captcha_passed()
    person = Browser(f"/holds/{hold_id}")
    person.press("Étape suivante", **AWA_TYPED)
    before = person.page.fields("first_name")
    person.press(button)
    assert (person.answer.status, person.page.html["lang"]) == (200, language)
    after = person.page.fields("first_name")
    assert after["step"] == "check"
    assert after == {**before, "language": language}
    assert seat_of(hold_id).state is State.HELD
