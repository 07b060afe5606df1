"""The pages and the JSON of a request: its links, its moves, its convocation and the applicant's data."""

import re
from base64 import b64decode
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

from chalicelib.booking import personal_data, requests
from chalicelib.desk import calls as desk_calls
from chalicelib.desk import register
from chalicelib.domain.seat import OUTCOMES, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, seat_expressions, seat_store
from chalicelib.web import clock
from tests.client import (
    AWA,
    FORM,
    Browser,
    change,
    confirmed,
    expire,
    fields,
    filed,
    get,
    post,
    refused,
    send,
    wednesday,
    wish,
)
from tests.conftest import calls

pytestmark = pytest.mark.usefixtures("service")

BIDI = "\u202e"


def file_for_another_person(token: str, now: datetime) -> SeatKey:
    """Cancel a request, and let another person file one for the same seat."""
    key = keys().read_link_token(token).seat
    post(f"/requests/{token}/cancellation")
    change(key, items.SeatItem.opens_at.set(now))
    until = now + timedelta(minutes=3)
    assert seat_store.take(key, "next", until, now)
    assert seat_store.pass_captcha(key, "next", 1, until, now, most=5)
    assert seat_store.update(key, *seat_expressions.file_request("next", "next person", until, now))
    return key


@pytest.mark.parametrize(
    ("link_path", "button", "state"),
    [
        ("confirmation", "Confirmer ma demande", "confirmed"),
        ("cancellation", "Oui, supprimer ma demande", "cancelled"),
    ],
)
def test_a_link_of_a_letter_changes_nothing_until_its_button_is_pressed(
    link_path: str, button: str, state: str
) -> None:
    token = filed()
    person = Browser(f"/requests/{token}/{link_path}")
    assert get(f"/requests/{token}").data["state"] == "pending"
    person.press(button)
    assert person.path == f"/requests/{token}"
    assert get(f"/requests/{token}").data["state"] == state


def test_an_expired_request_cannot_be_confirmed_or_cancelled() -> None:
    token = filed()
    expire(keys().read_link_token(token).seat)
    refused(post(f"/requests/{token}/confirmation"), 410, "link-over")
    refused(post(f"/requests/{token}/cancellation"), 410, "link-over")
    refused(get(f"/requests/{token}/convocation"), 410, "link-over")
    assert get(f"/requests/{token}").data["state"] == "expired"


def test_an_old_link_does_not_open_the_next_persons_request_for_the_same_seat() -> None:
    old, now = filed(), clock.now()
    key = file_for_another_person(old, now)
    for _ in ("pending", "confirmed"):
        for route in ("", "/confirmation", "/cancellation", "/convocation"):
            refused(get(f"/requests/{old}{route}"), 410, "link-over")
        for route in ("/confirmation", "/cancellation"):
            refused(post(f"/requests/{old}{route}"), 410, "link-over")
        seat_store.confirm(key, "next", now)
    assert seat_store.read(key).hold == "next"


def test_an_old_link_does_not_tell_how_the_next_persons_request_ended() -> None:
    old, now = filed(), clock.now()
    key = file_for_another_person(old, now)
    expire(key)
    refused(get(f"/requests/{old}"), 410, "link-over")
    assert seat_store.end_request(seat_store.read(key), State.EXPIRED, clock.now(), clock.now())
    refused(get(f"/requests/{old}"), 410, "link-over")


def test_an_unconfirmed_request_has_no_convocation_and_no_calendar_file() -> None:
    token = filed()
    for page in ("convocation", "calendar"):
        refused(get(f"/requests/{token}/{page}"), 410, "link-over")


@pytest.mark.parametrize(("language", "summary"), [("fr", "Rendez-vous à la préfecture"), ("en", "Appointment at the")])
def test_a_confirmed_appointment_is_added_to_a_calendar_without_its_purpose(language: str, summary: str) -> None:
    token = filed()
    post(f"/requests/{token}/confirmation")
    answer = get(f"/requests/{token}/calendar", Accept="text/html", Cookie=f"lang={language}")
    assert (answer.status, answer.kind) == (200, "text/calendar")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="rendez-vous.ics"'
    assert answer.text.startswith("BEGIN:VCALENDAR\r\n")
    assert f"SUMMARY:{summary}" in answer.text
    assert "CLASS:PRIVATE" in answer.text
    reference = get(f"/requests/{token}").data["reference"]
    assert f"UID:{reference}@guichet\r\n" in answer.text
    assert not any(word in answer.text for word in ("séjour", "Awa", "1990"))


def test_the_convocation_of_a_person_holds_its_pdf() -> None:
    token = filed()
    post(f"/requests/{token}/confirmation")
    html = get(f"/requests/{token}/convocation", Accept="text/html").text
    encoded = re.search(r'href="data:application/pdf;base64,([^"]+)" download', html)
    assert encoded is not None
    assert b64decode(encoded[1]).startswith(b"%PDF")


def test_a_program_moves_a_request_to_one_of_its_choices_and_goes_on_with_the_new_token() -> None:
    token = confirmed()
    choices = get(f"/requests/{token}/move").data["choices"]
    choice = choices[-1]
    moved = post(f"/requests/{token}/move", choice).data
    assert {name: moved["request"][name] for name in ("date", "start", "state")} == {**choice, "state": "confirmed"}
    assert get(f"/requests/{moved['token']}").data == moved["request"]
    assert get(f"/requests/{token}").data["state"] == "moved"
    assert post(f"/requests/{token}/move", choice).data == moved
    again = post(f"/requests/{moved['token']}/move", choices[0]).data["token"]
    refused(post(f"/requests/{again}/move", choices[1]), 409, "moves-spent")
    refused(get(f"/requests/{again}/move"), 409, "moves-spent")
    refused(get(f"/requests/{token}/move"), 410, "link-over")


@pytest.mark.parametrize(
    ("state", "title"),
    [
        (State.ARRIVED, "Votre arrivée est notée"),
        (State.CALLED, "On vous appelle au guichet 2"),
        (State.SEEN, "Ce rendez-vous est terminé"),
        (State.MISSED, "Ce rendez-vous est noté comme manqué"),
        (State.INCOMPLETE, "Il manquait des documents à ce rendez-vous"),
    ],
)
def test_an_applicant_reads_kindly_what_the_desk_recorded_and_can_change_nothing(
    service: Service, state: State, title: str
) -> None:
    token = confirmed(wish(0))
    key = keys().read_link_token(token).seat
    start = service.start_of(key)
    if state in {State.ARRIVED, State.CALLED}:
        register.arrive(service, key, "a" * 16, start)
    if state is State.CALLED:
        desk_calls.call_next(service, 2, "a" * 16, start)
    elif state in OUTCOMES:
        register.record(service, key, state, "a" * 16, start)
    assert get(f"/requests/{token}").data["state"] == state
    assert get(f"/requests/{token}/convocation").data["state"] == state
    for path, body in (
        ("cancellation", None),
        ("erasure", None),
        ("convocation", None),
        ("correction", {"first_name": "Awa", "last_name": "Exemplo", "phone": "06 12 34 56 78"}),
        ("move", {"date": "2026-12-10", "start": "10:15"}),
    ):
        refused(post(f"/requests/{token}/{path}", body), 409, "appointment-begun")
        answer = send("POST", f"/requests/{token}/{path}", FORM, urlencode(body or {}).encode())
        assert answer.headers["Location"].endswith(f"/requests/{token}?refused=appointment-begun")
    for path in ("", "/cancellation", "/erasure", "/confirmation", "?refused=appointment-begun"):
        html = get(f"/requests/{token}{path}", Accept="text/html").text
        assert title in html
        assert ("Vous ne pouvez plus rien y changer ici." in html) is ("refused" in path)
        ways = ("cancellation", "erasure", "move", "correction")
        assert path or not [way for way in ways if f"/{token}/{way}" in html]
        assert "Vos données seront effacées le" in html


def test_a_person_changes_the_date_and_the_old_link_says_so() -> None:
    token = confirmed(wish(0))
    person = Browser(f"/requests/{token}")
    person.follow("Changer de date")
    assert person.path == f"/requests/{token}/move"
    slot = f"{wednesday(1) + timedelta(minutes=10):%Y-%m-%dT%H:%M}"
    person.press("Prendre cette date", slot=slot)
    assert person.path != f"/requests/{token}"
    assert "Votre rendez-vous est confirmé" in person.answer.text
    assert "Ce rendez-vous a changé de date" in get(f"/requests/{token}", Accept="text/html").text


def test_a_move_to_no_slot_or_a_wrong_one_is_refused_with_the_choices_on_the_page() -> None:
    token = confirmed()
    for body in ({}, {"date": "x", "start": "10:00"}, {"slot": 5}, {"date": "2026-12-02"}):
        refused(post(f"/requests/{token}/move", body), 422, "invalid-fields")
    page = send("POST", f"/requests/{token}/move", FORM, b"")
    assert (page.status, page.headers["Location"]) == (303, f"../../requests/{token}/move?refused=invalid-fields")
    person = Browser(f"/requests/{token}/move?refused=invalid-fields")
    assert "Erreur" in person.page.html["title"]
    assert "Choisissez un créneau." in person.answer.text
    assert 'name="slot"' in person.answer.text
    refused(post(f"/requests/{token}/move", {"date": "2030-01-01", "start": "10:00"}), 409, "slot-taken")
    assert get(f"/requests/{token}").data["state"] == "confirmed"


def test_a_program_corrects_downloads_and_erases() -> None:
    token = confirmed()
    assert post(f"/requests/{token}/convocation").status == 202
    now = get(f"/requests/{token}/correction").data
    assert now == {name: AWA[name] for name in ("first_name", "last_name", "phone")}
    assert post(f"/requests/{token}/correction", {**now, "phone": "06 00 00 00 00"}).status == 200
    refused(post(f"/requests/{token}/correction", {**now, "first_name": "Another"}), 422, "invalid-fields")
    refused(post(f"/requests/{token}/correction", {**now, "email": "x@example.org"}), 422, "invalid-fields")
    file = get(f"/requests/{token}/data")
    assert file.headers["Content-Disposition"] == 'attachment; filename="guichet.json"'
    assert file.headers["Cache-Control"] == "no-store"
    assert file.data["details"]["phone"] == "06 00 00 00 00"
    assert post(f"/requests/{token}/erasure").data["state"] == "cancelled"
    assert post(f"/requests/{token}/erasure").data["state"] == "cancelled"
    refused(get(f"/requests/{token}/data"), 410, "link-over")


def test_a_convocation_is_sent_at_most_three_times_a_day() -> None:
    token, now = confirmed(), clock.now()
    assert post(f"/requests/{token}/convocation").data["sent"] is True
    for minutes in (3, 6):
        personal_data.send_convocation(token, now + timedelta(minutes=minutes))
    answer = post(f"/requests/{token}/convocation")
    assert (answer.status, answer.data["sent"]) == (202, False)
    person = Browser(f"/requests/{token}")
    person.press("Recevoir de nouveau ma convocation")
    assert person.title == "Votre convocation est déjà partie trois fois"
    person.follow("Revenir à mon rendez-vous")


def test_a_person_corrects_a_name_and_erases_their_data() -> None:
    token = confirmed()
    person = Browser(f"/requests/{token}")
    person.follow("Corriger mon nom ou mon téléphone")
    person.press("Enregistrer", first_name="Bob")
    assert "Vous pouvez corriger une faute de frappe" in person.answer.text
    assert person.page.forms[-1].fields["first_name"] == "Bob"
    person.press("Enregistrer", first_name="Awah")
    assert "Awah" in person.answer.text
    person.press("Recevoir de nouveau ma convocation")
    assert person.title == "Votre convocation part de nouveau"
    person.follow("Revenir à mon rendez-vous")
    person.follow("Effacer mes données")
    assert get(f"/requests/{token}").data["state"] == "confirmed"
    person.press("Oui, effacer mes données et annuler mon rendez-vous")
    assert person.title == "Vos données sont effacées"
    assert get(f"/requests/{token}").data["state"] == "cancelled"


def test_a_person_whose_request_has_ended_downloads_and_erases_what_is_still_stored() -> None:
    token = confirmed()
    post(f"/requests/{token}/cancellation")
    person = Browser(f"/requests/{token}")
    assert "Awa" not in person.answer.text
    assert get(f"/requests/{token}/data").data["state"] == "cancelled"
    person.follow("Effacer mes données")
    assert "Cette demande a pris fin." in person.answer.text
    person.press("Oui, effacer mes données")
    assert person.title == "Vos données sont effacées"
    assert "Effacer mes données" not in Browser(f"/requests/{token}").answer.text
    refused(get(f"/requests/{token}/data"), 410, "link-over")


def test_the_page_that_sends_a_link_does_not_tell_whether_the_request_exists(service: Service) -> None:
    token = filed()
    reference = requests.view(token, clock.now()).reference
    known, unknown = Browser("/manage"), Browser("/manage")
    known.press("Recevoir mon lien", reference=reference, email="awa@example.org")
    unknown.press("Recevoir mon lien", reference=f"{service.id}-22222-22222", email="bob@example.org")
    assert (known.answers[-1].status, known.answer.status) == (303, 200)
    assert known.answer.text == unknown.answer.text


def test_an_invalid_reference_or_email_is_refused_by_field_and_the_page_keeps_both() -> None:
    assert fields(post("/manage", b"")) == ["reference", "email"]
    assert fields(post("/manage", {"reference": "AES\x00", "email": f"a{BIDI}@example.org"})) == ["reference", "email"]
    assert fields(post("/manage", {"reference": "?", "email": "awa@", "x": 1})) == ["reference", "email", "x"]
    person = Browser("/manage")
    person.press("Recevoir mon lien", reference="?", email="awa@")
    assert person.answer.status == 422
    assert person.page.forms[0].fields == {"reference": "?", "email": "awa@"}


def test_asking_for_a_link_makes_the_same_calls_whether_the_request_exists_or_not() -> None:
    token = confirmed()
    reference = get(f"/requests/{token}").data["reference"]
    answers = []
    for body in (
        {"reference": reference, "email": AWA["email"]},
        {"reference": reference, "email": "other@example.org"},
        {"reference": "AES-22222-22222", "email": AWA["email"]},
        {"reference": "NOPE-22222-22222", "email": "nobody@example.org"},
    ):
        with calls() as asked:
            answer = post("/manage", body)
        answers.append((answer.status, answer.text, {**answer.headers}, asked))
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert (answers[0][0], answers[0][3]) == (202, ["UpdateItem"] * 2)
