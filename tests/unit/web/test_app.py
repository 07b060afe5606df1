"""The service as visitors meet it: a program (JSON) and a browser without script, on a table that moto plays.

Every answer that these tests see is held against `openapi.json`.
"""

import gc
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from pynamodb.expressions.update import Action

import app
from chalicelib.booking import captcha, filing, holds, personal_data, requests, schedule
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import SeatKey, State, week_of
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import templates
from chalicelib.storage import items, seat_admin, seat_expressions, seat_store, service_store
from chalicelib.web import clock, forms, problems
from tests.client import (
    AWA,
    AWA_TYPED,
    CLIENT,
    CONTRACT,
    FIRST,
    FORM,
    JSON,
    ROUTES,
    Answer,
    Browser,
    Page,
    Says,
    confirmed,
    fields,
    filed,
    get,
    hold,
    link,
    passed,
    post,
    refused,
    seat_of,
    send,
    table_now,
    taken,
    wednesday,
    wish,
)
from tests.conftest import calls

BIDI = "\u202e"


# What an answer is, and that the contract promises it


# A browser without script


# A service whose seats are there whatever day it is


def release_after(service: Service, now: datetime) -> str:
    release = timetable.next_release(service, now)
    assert release
    return release.isoformat()


def change(key: SeatKey, *actions: Action) -> None:
    """Write to a seat past every condition."""
    row = items.SeatItem(f"SEATS#{key.service}#{key.week}", f"{key.day}T{key.start:%H%M}#{key.unit:03}")
    row.update(list(actions))


def run_out(key: SeatKey) -> None:
    """Let the time of a seat's hold or request run out a minute ago."""
    change(key, items.SeatItem.until.set(clock.now() - timedelta(minutes=1)))


def passed_on(token: str, now: datetime) -> SeatKey:
    """Cancel a request, and let another person file one on the same seat."""
    key = keys().read_token("link", token).seat
    post(f"/requests/{token}/cancellation")
    change(key, items.SeatItem.opens_at.set(now))
    until = now + timedelta(minutes=3)
    assert seat_store.take(key, "next", until, now)
    assert seat_store.pass_captcha(key, "next", 1, until, now, most=5)
    assert seat_store.update(key, *seat_expressions.file_request("next", "next person", until, now))
    return key


# The contract


def test_every_route_is_in_the_contract_and_the_reverse() -> None:
    verbs = {"get", "post", "put", "patch", "delete"}
    told = sorted((verb.upper(), path) for path, item in CONTRACT["paths"].items() for verb in verbs & item.keys())
    assert told == ROUTES


def test_every_refusal_has_its_answer_and_the_contract_has_each_with_the_same_status() -> None:
    # by name: a dataclass with slots leaves its first class behind until it is collected
    assert {kind.__name__ for kind in problems.STATUS_OF} == {
        kind.__name__ for kind in refusals.Refusal.__subclasses__()
    }
    prefix = "urn:guichet:problem:"
    shapes = [schema["properties"] for schema in CONTRACT["components"]["schemas"].values() if "properties" in schema]
    told = {
        (one["type"]["const"].removeprefix(prefix), one["status"]["const"])
        for one in shapes
        if prefix in one.get("type", {}).get("const", "")
    }
    assert told == {(code, status) for status, code, _ in problems.STATUS_OF.values()} | {("try-again", 500)}


def test_the_contract_names_the_fields_that_are_read_and_no_others() -> None:
    shapes = {name: set(schema.get("properties", {})) for name, schema in CONTRACT["components"]["schemas"].items()}
    parts = {"birth_day", "birth_month", "birth_year"}
    assert shapes["Details"] == {*forms.DETAILS} - parts
    assert shapes["DetailsForm"] == {*forms.DETAILS, *forms.BUTTONS} - {"birth_date"}
    assert shapes["WishForm"] == {"slot", *shapes["Wish"]}
    assert shapes["Answer"] == {"challenge", "answer"}
    assert shapes["Manage"] == {"reference", "email"}


def test_the_contract_is_served_as_it_is_kept() -> None:
    answer = get("/openapi.json")
    assert (answer.status, answer.kind, answer.data) == (200, "application/json", CONTRACT)


def test_health_tells_the_version_and_touches_no_table(table_says: Says) -> None:
    table_says(None)
    assert get("/health").data == {"status": "ok", "version": "0.1.0"}


# The walk


@pytest.mark.usefixtures("service")
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
    kept = placed.data["hold"]
    assert (placed.data["date"], placed.data["start"], placed.data["end"]) == (day, "10:05", "10:10")
    assert placed.data["captcha"] == "required"
    assert get(f"/holds/{kept}").data["expires_at"] == placed.data["expires_at"]
    asked = post(f"/holds/{kept}/captcha")
    assert asked.status == 201
    answer = {"challenge": asked.data["challenge"], "answer": keys().sound_answer(asked.data["challenge"])}
    assert post(f"/holds/{kept}/captcha/answer", answer).data["captcha"] == "passed"
    request = post(f"/holds/{kept}/details", AWA)
    assert request.status == 202
    assert (request.data["state"], request.data["start"]) == ("pending", "10:05")
    assert get(f"/holds/{kept}").data["reference"] == request.data["reference"]
    token = link(kept)
    assert get(f"/requests/{token}").data == request.data
    confirmed = post(f"/requests/{token}/confirmation")
    assert (confirmed.status, confirmed.data["state"], confirmed.data["confirm_before"]) == (200, "confirmed", None)
    paper = get(f"/requests/{token}/convocation").data
    assert (paper["first_name"], paper["birth_date"]) == ("Awa", "1990-05-17")
    assert post("/manage", {"reference": paper["reference"], "email": "awa@example.org"}).status == 202
    assert post(f"/requests/{token}/cancellation").data["state"] == "cancelled"


@pytest.mark.usefixtures("service")
def test_a_browser_without_script_books_by_forms_and_links_alone() -> None:
    person = Browser("/")
    person.follow("Admission exceptionnelle au séjour")
    person.press("Effectuer une demande de rendez-vous", conditions_accepted="true")
    assert person.title == "Choix d’une plage horaire"
    person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.title == "Contrôle de sécurité"
    person.press("Écouter")
    assert "data:audio/wav;base64," in person.answer.text
    person.press("Une autre image")
    challenge = next(one.fields["challenge"] for one in person.page.forms if "challenge" in one.fields)
    person.press("Étape suivante", answer=keys().picture_answer(challenge).upper())
    assert person.title == "Coordonnées personnelles"
    kept = person.path.rpartition("/")[2]
    person.press("Étape suivante", **AWA_TYPED)
    assert person.title == "Vérifiez avant de valider"
    person.press("Modifier")
    assert person.title == "Coordonnées personnelles"
    person.press("Étape suivante", first_name="Awa Marie")
    person.press("Valider et terminer")
    assert person.path == f"/holds/{kept}"
    assert person.title == "Votre demande est enregistrée. Il reste à la confirmer."
    person = Browser(f"/requests/{link(kept)}")
    person.press("Confirmer ma demande")
    person.follow("Voir et imprimer ma convocation")
    assert "Awa Marie" in person.answer.text


@pytest.mark.usefixtures("service")
def test_the_delete_link_of_a_mail_asks_and_its_button_cancels() -> None:
    token = filed()
    person = Browser(f"/requests/{token}/cancellation")
    assert get(f"/requests/{token}").data["state"] == "pending"
    person.press("Oui, supprimer ma demande")
    assert person.path == f"/requests/{token}"
    assert get(f"/requests/{token}").data["state"] == "cancelled"


@pytest.mark.usefixtures("service")
def test_the_confirmation_link_of_a_mail_changes_nothing_until_its_button_is_pressed() -> None:
    token = filed()
    person = Browser(f"/requests/{token}/confirmation")
    assert get(f"/requests/{token}").data["state"] == "pending"
    person.press("Confirmer ma demande")
    assert get(f"/requests/{token}").data["state"] == "confirmed"


@pytest.mark.slow
@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_scanner_that_opens_a_letters_links_a_hundred_times_finds_them_alive_and_changes_nothing(
    confirmed: bool,  # noqa: FBT001  # both states of a request
) -> None:
    token = filed()
    if confirmed:
        post(f"/requests/{token}/confirmation")
    pages_linked = ["", "/confirmation", "/cancellation", *(["/move", "/convocation"] if confirmed else [])]
    before = table_now()
    for turn in range(100):
        path = f"/requests/{token}{pages_linked[turn % len(pages_linked)]}"
        seen = CLIENT.http.get(path, headers=FORM)
        told = CLIENT.http.request("HEAD", path, headers=FORM)
        assert (seen.status_code, told.status_code, told.body) == (200, 200, b"")
        assert told.headers == seen.headers
    assert table_now() == before


def test_the_collector_that_rests_while_the_service_loads_works_again() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("service")
def test_a_person_gives_a_place_back_or_keeps_it_longer_by_a_button() -> None:
    kept = hold()
    until = seat_of(kept).until
    person = Browser(f"/holds/{kept}")
    person.press("Garder ma place plus longtemps")
    later = seat_of(kept).until
    assert until is not None
    assert later is not None
    assert later > until
    person.press("Abandonner et rendre ma place")
    assert person.title == "Votre place est rendue"
    assert taken() == 0


def test_one_asks_for_ones_link_on_a_page_and_nobody_is_told_whether_there_is_one(service: Service) -> None:
    token = filed()
    reference = requests.view(token, clock.now()).reference
    known, unknown = Browser("/manage"), Browser("/manage")
    known.press("Recevoir mon lien", reference=reference, email="awa@example.org")
    unknown.press("Recevoir mon lien", reference=f"{service.id}-22222-22222", email="bob@example.org")
    assert known.answer.status == 202
    assert known.answer.text == unknown.answer.text


@pytest.mark.usefixtures("service")
def test_at_the_root_without_a_slash_links_go_through_the_stage() -> None:
    event = {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/", "path": "/api"},
        "headers": {"accept": "text/html"},
        "stageVariables": None,
        "pathParameters": {},
        "multiValueQueryStringParameters": None,
        "body": None,
    }
    assert Page(app.app(event, None)["body"]).links["Admission exceptionnelle au séjour"] == "api/services/aes"


# Refusals, in the order of the contract's table


@pytest.mark.usefixtures("service")
def test_a_hold_without_the_conditions_is_refused_and_nothing_is_held() -> None:
    refused(post("/services/aes/holds", {"first_free": True}), 422, "conditions-not-accepted")
    refused(post("/services/aes/holds", {**FIRST, "conditions_accepted": False}), 422, "conditions-not-accepted")
    assert taken() == 0


@pytest.mark.usefixtures("service")
def test_a_wrong_answer_tells_how_many_tries_are_left_and_the_sixth_that_the_challenge_is_spent() -> None:
    kept = hold()
    sent = {"challenge": post(f"/holds/{kept}/captcha").data["challenge"], "answer": "wrong"}
    for left in (4, 3, 2, 1, 0):
        answer = post(f"/holds/{kept}/captcha/answer", sent)
        assert refused(answer, 422, "captcha-wrong")["tries_left"] == left
    refused(post(f"/holds/{kept}/captcha/answer", sent), 409, "captcha-spent")


@pytest.mark.usefixtures("service")
def test_a_person_who_is_wrong_sees_the_same_picture_and_how_many_tries_are_left() -> None:
    person = Browser(f"/holds/{hold()}")
    challenge = next(one.fields["challenge"] for one in person.page.forms if "challenge" in one.fields)
    person.press("Étape suivante", answer="wrong")
    assert person.answer.status == 422
    assert "Il vous reste 4 essais." in person.answer.text
    assert any(one.fields.get("challenge") == challenge for one in person.page.forms)


@pytest.mark.usefixtures("service")
def test_a_person_whose_challenge_is_spent_is_given_another() -> None:
    person = Browser(f"/holds/{hold()}")
    challenge = next(one.fields["challenge"] for one in person.page.forms if "challenge" in one.fields)
    person.press("Étape suivante", answer="x", challenge="0" * 59)
    assert person.answer.status == 409
    fresh = next(one.fields["challenge"] for one in person.page.forms if "challenge" in one.fields)
    assert fresh not in {challenge, "0" * 59}


@pytest.mark.usefixtures("service")
def test_another_holds_captcha_is_refused_as_spent() -> None:
    mine, other = hold(), hold()
    challenge = post(f"/holds/{other}/captcha").data["challenge"]
    sent = {"challenge": challenge, "answer": keys().picture_answer(challenge)}
    refused(post(f"/holds/{mine}/captcha/answer", sent), 409, "captcha-spent")
    assert get(f"/holds/{mine}").data["captcha"] == "required"


@pytest.mark.usefixtures("service")
def test_a_taken_slot_is_refused_with_the_three_nearest() -> None:
    for _ in range(2):
        assert post("/services/aes/holds", wish(5)).status == 201
    problem = refused(post("/services/aes/holds", wish(5)), 409, "slot-taken")
    near = {(one["date"], one["start"]) for one in problem["nearest"]}
    assert near >= {(f"{wednesday():%Y-%m-%d}", "10:00"), (f"{wednesday():%Y-%m-%d}", "10:10")}
    assert taken() == 2


@pytest.mark.usefixtures("service")
def test_a_person_whose_slot_is_taken_takes_a_near_one_with_one_button() -> None:
    for _ in range(2):
        post("/services/aes/holds", wish())
    person = Browser("/services/aes/slots?conditions_accepted=true")
    person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.answer.status == 409
    near = next(one for one in person.page.forms[0].buttons if "10 h 05" in one.replace("\u00a0", " "))
    person.press(near)
    assert person.title == "Contrôle de sécurité"


def test_when_all_is_taken_the_refusal_says_when_the_next_slots_open(service: Service) -> None:
    now = clock.now()
    for week in timetable.open_weeks(service, now):
        for seat in seat_store.read_week("aes", week):
            seat_store.take(seat.key, "other", now + timedelta(days=1), now)
    for sent in (FIRST, wish()):
        problem = refused(post("/services/aes/holds", sent), 409, "nothing-free")
        assert problem["next_release"] == release_after(service, now)
    person = Browser("/services/aes/slots?conditions_accepted=true")
    person.press("Première plage horaire libre")
    assert person.answer.status == 409


def test_a_slot_of_the_coming_release_is_refused_with_its_moment_and_not_held(service: Service) -> None:
    problem = refused(post("/services/aes/holds", wish(weeks=2)), 409, "not-open-yet")
    assert problem["opens_at"] == release_after(service, clock.now())
    assert taken() == 0


@pytest.mark.usefixtures("service")
def test_details_before_the_captcha_are_refused_on_a_page_too() -> None:
    kept = hold()
    refused(post(f"/holds/{kept}/details", AWA), 409, "captcha-required")
    answer = send("POST", f"/holds/{kept}/details", FORM, urlencode(AWA_TYPED).encode())
    assert answer.status == 409
    assert seat_of(kept).state is State.HELD


@pytest.mark.usefixtures("service")
def test_a_second_request_of_the_same_person_is_refused_and_the_page_keeps_what_was_typed() -> None:
    filed()
    refused(post(f"/holds/{passed()}/details", AWA), 409, "already-requested")
    person = Browser(f"/holds/{passed()}")
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.answer.status == 409
    kept = next(one.fields for one in person.page.forms if "first_name" in one.fields)
    assert {name: kept[name] for name in AWA_TYPED} == AWA_TYPED


@pytest.mark.usefixtures("service")
def test_a_hold_that_became_a_request_is_not_given_back() -> None:
    kept = passed()
    post(f"/holds/{kept}/details", AWA)
    refused(post(f"/holds/{kept}/end"), 409, "already-requested")
    assert seat_of(kept).state is State.PENDING


@pytest.mark.usefixtures("service")
def test_an_invented_hold_or_link_is_not_found_by_any_of_its_routes() -> None:
    owned = [(method, route) for method, route in ROUTES if "{hold}" in route or "{token}" in route]
    assert len(owned) == 21
    for wrong in ("x", "aes.20261203.1015.1." + "a" * 78, "%00", "a" * 2000, BIDI):
        for method, route in owned:
            refused(touch(method, route, wrong, wrong), 404, "not-found")


@pytest.mark.usefixtures("service")
def test_an_unknown_service_or_file_is_not_found() -> None:
    for path in (
        "/services/nope",
        "/services/nope/slots",
        "/services/AES",
        "/static/guichet.css",
        "/static/..%2fapp.py",
    ):
        refused(get(path), 404, "not-found")
    refused(post("/services/nope/holds", FIRST), 404, "not-found")


@pytest.mark.usefixtures("service")
def test_a_week_that_is_not_shown_is_not_found() -> None:
    for week in ("2026-W99", "2036-W48", "1999-W01", "0000-W00", "9999-W52", "x", "", "%00", "-1"):
        refused(get(f"/services/aes/slots?week={week}"), 404, "not-found")


@pytest.mark.usefixtures("service")
def test_a_slot_that_never_was_is_not_found_and_nothing_is_held() -> None:
    years = [("2036-12-03", "10:00"), ("2020-12-02", "10:00"), ("0001-01-01", "00:00"), ("9999-12-31", "23:59")]
    for date, start in [*years, (f"{wednesday():%Y-%m-%d}", "10:03"), (f"{wednesday():%Y-%m-%d}", "22:00")]:
        sent = {"date": date, "start": start, "conditions_accepted": True}
        refused(post("/services/aes/holds", sent), 404, "not-found")
    assert taken() == 0


# Bad bodies


WISHES = [
    (b"", ["date", "start"]),
    (b"{", ["body"]),
    (b"null", ["body"]),
    (b"[]", ["body"]),
    (b'"text"', ["body"]),
    (b"\xff\xfe", ["body"]),
    (b"[" * 16_000, ["body"]),
    (b"1" * 10_000, ["body"]),
    (b'{"date": "' + b"x" * 1_000_000 + b'"}', ["body"]),
    (b'{"date": 20261203, "start": ["10:15"], "conditions_accepted": true}', ["date", "start"]),
    (b'{"date": "2026-02-30", "start": "10:00", "conditions_accepted": true}', ["date"]),
    (b'{"date": "2026-12-03\\u0000", "start": "10:00", "conditions_accepted": true}', ["date"]),
    (b'{"date": "2026-12-03", "start": "25:00", "conditions_accepted": true}', ["date"]),
    (b'{"first_free": "perhaps", "conditions_accepted": true}', ["first_free"]),
    (b'{"first_free": 1, "conditions_accepted": true}', ["first_free"]),
    (b'{"first_free": true, "conditions_accepted": 1}', ["conditions_accepted"]),
    (b'{"first_free": true, "conditions_accepted": {"a": []}}', ["conditions_accepted"]),
    (b'{"first_free": true, "conditions_accepted": true, "seat": "1"}', ["seat"]),
    (b'{"first_free": true, "conditions_accepted": true, "\\ud800": "1"}', ["body"]),
]


@pytest.mark.usefixtures("service")
def test_a_wish_that_cannot_be_used_is_refused_by_field_and_nothing_is_held() -> None:
    for body, named in WISHES:
        assert (body[:80], fields(post("/services/aes/holds", body))) == (body[:80], named)
    assert taken() == 0


@pytest.mark.usefixtures("service")
def test_a_content_type_that_is_no_form_is_read_as_json() -> None:
    for kind in ("text/plain", "image/png", "application/json; charset=utf-16", "x"):
        answer = send("POST", "/services/aes/holds", {**JSON, "Content-Type": kind}, b"first_free=true")
        assert fields(answer) == ["body"]


@pytest.mark.usefixtures("service")
def test_a_form_that_is_no_form_is_refused_and_nothing_is_held() -> None:
    for body in (b"%ff=%fe&\xff", b"&".join(b"a%d=1" % n for n in range(41)), b"slot=" + b"1" * 1_000_000):
        answer = send("POST", "/services/aes/holds", FORM, body)
        assert (answer.status, answer.kind) == (422, "text/html")
    assert taken() == 0


DETAILS: list[tuple[dict[str, Any], str]] = [
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


@pytest.mark.usefixtures("service")
def test_details_that_cannot_be_used_are_refused_by_field_and_the_place_is_kept() -> None:
    kept = passed()
    for change, named in DETAILS:
        answer = post(f"/holds/{kept}/details", {**AWA, **change})
        assert (change, fields(answer)) == (change, [named])
    assert (seat_of(kept).state, seat_of(kept).captcha_passed) == (State.HELD, True)


@pytest.mark.usefixtures("service")
def test_a_person_born_tomorrow_is_refused() -> None:
    tomorrow = (clock.now() + timedelta(days=1)).date().isoformat()
    assert fields(post(f"/holds/{passed()}/details", {**AWA, "birth_date": tomorrow})) == ["birth_date"]


@pytest.mark.usefixtures("service")
def test_a_birth_date_far_outside_any_calendar_is_refused_on_the_page_too() -> None:
    person = Browser(f"/holds/{passed()}")
    person.press("Étape suivante", **{**AWA_TYPED, "birth_year": "9" * 20})
    assert person.answer.status == 422
    assert 'id="birth_date-error"' in person.answer.text


@pytest.mark.usefixtures("service")
def test_empty_details_name_every_field_that_must_be_filled() -> None:
    named = fields(post(f"/holds/{passed()}/details", b""))
    assert named == ["first_name", "last_name", "email", "email_confirmation", "birth_date", "phone"]


@pytest.mark.usefixtures("service")
def test_a_page_with_a_mistake_says_so_at_its_field_and_keeps_what_was_typed() -> None:
    typed = {**AWA_TYPED, "email_confirmation": "bob@example.org", "last_name": '"><b>O’Exemple', "birth_day": "31"}
    person = Browser(f"/holds/{passed()}")
    person.press("Étape suivante", **typed)
    assert person.answer.status == 422
    assert person.page.html["title"].startswith("Erreur")
    marked = re.findall(r'id="([a-z_]+)-error"', person.answer.text)
    assert marked == ["last_name", "email_confirmation"]
    kept = next(one.fields for one in person.page.forms if "first_name" in one.fields)
    assert {name: kept[name] for name in typed} == typed


@pytest.mark.usefixtures("service")
def test_a_captcha_answer_that_is_missing_or_of_the_wrong_type_is_refused_by_field_and_counts_no_try() -> None:
    kept = hold()
    path = f"/holds/{kept}/captcha/answer"
    assert fields(post(path, b"")) == ["challenge", "answer"]
    assert fields(post(path, {"challenge": 5, "answer": ["x"]})) == ["challenge", "answer"]
    assert fields(post(path, {"challenge": "x", "answer": "a" * 41, "sound": True})) == ["answer", "sound"]
    challenge = post(f"/holds/{kept}/captcha").data["challenge"]
    answer = post(path, {"challenge": challenge, "answer": "wrong"})
    assert refused(answer, 422, "captcha-wrong")["tries_left"] == 4


@pytest.mark.usefixtures("service")
def test_a_forgotten_captcha_answer_is_told_on_the_page_at_its_field() -> None:
    person = Browser(f"/holds/{hold()}")
    person.press("Étape suivante", answer="")
    assert person.answer.status == 422
    assert 'id="answer-error"' in person.answer.text


@pytest.mark.usefixtures("service")
def test_a_link_is_not_sent_for_what_cannot_be_a_reference_or_an_address_and_the_page_keeps_both() -> None:
    assert fields(post("/manage", b"")) == ["reference", "email"]
    assert fields(post("/manage", {"reference": "AES\x00", "email": f"a{BIDI}@example.org"})) == ["reference", "email"]
    assert fields(post("/manage", {"reference": "?", "email": "awa@", "x": 1})) == ["reference", "email", "x"]
    person = Browser("/manage")
    person.press("Recevoir mon lien", reference="?", email="awa@")
    assert person.answer.status == 422
    assert person.page.forms[0].fields == {"reference": "?", "email": "awa@"}


@pytest.mark.usefixtures("service")
def test_a_person_who_forgot_the_box_sees_the_week_of_the_slot_again_with_the_box_to_tick() -> None:
    person = Browser("/services/aes/slots")
    person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.answer.status == 422
    assert 'id="conditions_accepted-error"' in person.answer.text
    assert f'value="{wednesday():%Y-%m-%dT%H:%M}"' in person.answer.text
    assert taken() == 0


# Everything twice


@pytest.mark.usefixtures("service")
def test_the_same_hold_twice_is_two_places() -> None:
    assert hold() != hold()
    assert taken() == 2


@pytest.mark.usefixtures("service")
def test_with_the_same_clock_and_chance_the_service_draws_the_same_seat_and_the_same_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn() -> tuple[str, str, str]:
        monkeypatch.setattr(RNG, "source", Random("again"))  # noqa: S311  # to draw again
        visit = get("/services/aes").headers["Set-Cookie"]
        kept = hold()
        challenge = post(f"/holds/{kept}/captcha").data["challenge"]
        post(f"/holds/{kept}/end")
        service_store.forget()
        return visit, kept, challenge

    assert drawn() == drawn()


@pytest.mark.usefixtures("service")
def test_each_step_twice_gives_the_same_answer_and_one_request() -> None:
    kept = hold()
    challenge = post(f"/holds/{kept}/captcha").data["challenge"]
    sent = {"challenge": challenge, "answer": keys().picture_answer(challenge)}
    until = [post(f"/holds/{kept}/captcha/answer", sent).data["expires_at"] for _ in range(2)]
    assert until[0] == until[1]
    assert post(f"/holds/{kept}/details", AWA).data == post(f"/holds/{kept}/details", AWA).data
    token = link(kept)
    for step in ("confirmation", "cancellation"):
        assert post(f"/requests/{token}/{step}").data == post(f"/requests/{token}/{step}").data
    assert taken() == 0


@pytest.mark.usefixtures("service")
def test_a_wrong_answer_after_the_right_one_takes_nothing_back() -> None:
    kept = passed()
    sent = {"challenge": post(f"/holds/{kept}/captcha").data["challenge"], "answer": "wrong"}
    assert post(f"/holds/{kept}/captcha/answer", sent).data["captcha"] == "passed"


@pytest.mark.usefixtures("service")
def test_a_hold_that_became_a_request_does_not_take_another_persons_details() -> None:
    kept = passed()
    post(f"/holds/{kept}/details", AWA)
    refused(post(f"/holds/{kept}/details", {**AWA, "first_name": "Bob"}), 410, "hold-over")
    person = requests.view(link(kept), clock.now()).person
    assert person is not None
    assert person.details.first_name == "Awa"


@pytest.mark.usefixtures("service")
def test_after_the_appointment_the_same_person_may_ask_again() -> None:
    post(f"/requests/{filed()}/confirmation")
    later = (wednesday() + timedelta(days=1)).astimezone(UTC)
    schedule.release_seats(later)
    kept = holds.place("aes", holds.Wish(None, conditions_accepted=True), now=later)
    asked = captcha.new_challenge(kept.id, later)
    captcha.answer(kept.id, asked.id, asked.sound, now=later)
    details = forms.read_details(AWA, today=later.date(), language="fr")
    assert filing.file(kept.id, details, now=later).state is State.PENDING


@pytest.mark.usefixtures("service")
def test_giving_back_twice_is_once_and_a_third_extension_changes_nothing() -> None:
    kept = hold()
    answers = [post(f"/holds/{kept}/extension").data for _ in range(3)]
    assert [answer["can_extend"] for answer in answers] == [True, False, False]
    assert answers[0]["expires_at"] < answers[1]["expires_at"] == answers[2]["expires_at"]
    assert post(f"/holds/{kept}/end").data == post(f"/holds/{kept}/end").data
    assert taken() == 0


# Everything after expiry


@pytest.mark.usefixtures("service")
def test_after_its_time_a_hold_is_over_for_every_step_and_giving_it_back_changes_nothing() -> None:
    kept = passed()
    challenge = post(f"/holds/{kept}/captcha").data["challenge"]
    run_out(seat_of(kept).key)
    refused(get(f"/holds/{kept}"), 410, "hold-over")
    refused(post(f"/holds/{kept}/extension"), 410, "hold-over")
    refused(post(f"/holds/{kept}/captcha"), 410, "hold-over")
    refused(post(f"/holds/{kept}/captcha/answer", {"challenge": challenge, "answer": "x"}), 410, "hold-over")
    refused(post(f"/holds/{kept}/details", AWA), 410, "hold-over")
    before = seat_of(kept)
    assert post(f"/holds/{kept}/end").status == 200
    assert seat_of(kept) == before


@pytest.mark.usefixtures("service")
def test_a_person_whose_hold_is_over_is_told_on_a_page_with_a_way_on() -> None:
    kept = passed()
    person = Browser(f"/holds/{kept}")
    run_out(seat_of(kept).key)
    person.press("Étape suivante", **AWA_TYPED)
    assert person.answer.status == 410
    assert person.title == "Votre place n’est plus gardée."
    person.follow("Recommencer une demande")
    assert person.path.endswith("/services/aes")


@pytest.mark.usefixtures("service")
def test_after_its_time_a_request_cannot_be_confirmed_or_cancelled_and_its_page_says_it_has_ended() -> None:
    token = filed()
    run_out(keys().read_token("link", token).seat)
    refused(post(f"/requests/{token}/confirmation"), 410, "link-over")
    refused(post(f"/requests/{token}/cancellation"), 410, "link-over")
    refused(get(f"/requests/{token}/convocation"), 410, "link-over")
    assert get(f"/requests/{token}").data["state"] == "expired"


@pytest.mark.usefixtures("service")
def test_an_old_link_opens_nothing_of_the_next_persons_request_on_the_same_seat() -> None:
    old, now = filed(), clock.now()
    key = passed_on(old, now)
    for _ in ("pending", "confirmed"):
        for route in ("", "/confirmation", "/cancellation", "/convocation"):
            refused(get(f"/requests/{old}{route}"), 410, "link-over")
        for route in ("/confirmation", "/cancellation"):
            refused(post(f"/requests/{old}{route}"), 410, "link-over")
        seat_store.confirm(key, "next", now)
    assert seat_store.read(key).hold == "next"


@pytest.mark.usefixtures("service")
def test_an_old_link_tells_nothing_of_how_the_next_persons_request_ended() -> None:
    old, now = filed(), clock.now()
    key = passed_on(old, now)
    run_out(key)
    refused(get(f"/requests/{old}"), 410, "link-over")
    assert seat_store.end_request(seat_store.read(key), State.EXPIRED, clock.now(), clock.now())
    refused(get(f"/requests/{old}"), 410, "link-over")


@pytest.mark.usefixtures("service")
def test_a_request_that_waits_for_its_confirmation_has_no_convocation_yet() -> None:
    refused(get(f"/requests/{filed()}/convocation"), 410, "link-over")


@pytest.mark.usefixtures("service")
def test_a_challenge_made_five_minutes_ago_is_spent() -> None:
    kept = hold()
    old = keys().new_challenge(seat_of(kept).hold, clock.now() - timedelta(minutes=5))
    sent = {"challenge": old, "answer": keys().picture_answer(old)}
    refused(post(f"/holds/{kept}/captcha/answer", sent), 409, "captcha-spent")


# The table slow or away


TABLE_ROUTES = [
    (method, path) for method, path in ROUTES if "429" in CONTRACT["paths"][path][method.lower()]["responses"]
]


def touch(method: str, route: str, kept: str, token: str) -> Answer:
    """Send a route something that makes it ask the table."""
    bodies = {
        "place_hold": FIRST,
        "answer_challenge": {"challenge": "x", "answer": "x"},
        "send_details": AWA,
        "correct_email": {"email": "awa@example.org", "email_confirmation": "awa@example.org"},
        "ask_link": {"reference": "AES-22222-22222", "email": "awa@example.org"},
    }
    path = route.replace("{service}", "aes").replace("{hold}", kept).replace("{token}", token)
    sent = bodies.get(CONTRACT["paths"][route][method.lower()]["operationId"])
    return get(path) if method == "GET" else post(path, sent)


@pytest.mark.usefixtures("service")
def test_a_table_that_throttles_is_told_as_too_many_requests_by_every_route_that_asks_it(table_says: Says) -> None:
    kept, token = passed(), filed()
    table_says("ProvisionedThroughputExceededException")
    for method, route in TABLE_ROUTES:
        service_store.forget()
        answer = touch(method, route, kept, token)
        refused(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5


@pytest.mark.usefixtures("service")
def test_a_table_that_is_away_is_told_as_try_again_by_every_route_that_asks_it(table_says: Says) -> None:
    kept, token = passed(), filed()
    table_says(None)
    for method, route in TABLE_ROUTES:
        service_store.forget()
        answer = touch(method, route, kept, token)
        refused(answer, 503, "try-again")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5


@pytest.mark.usefixtures("service")
def test_a_failure_that_is_ours_is_told_as_one_to_try_again_later_to_programs_and_on_a_page(table_says: Says) -> None:
    table_says("AccessDeniedException")
    service_store.forget()
    answer = get("/services/aes")
    refused(answer, 500, "try-again")
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    page = send("GET", "/services/aes", FORM)
    assert (page.status, page.kind) == (500, "text/html")
    assert "AccessDenied" not in answer.text + page.text


@pytest.mark.usefixtures("service")
def test_a_hold_whose_write_is_throttled_holds_nothing_and_the_page_says_when_to_try_again(table_says: Says) -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    table_says("ThrottlingException", operation="UpdateItem")
    person.press("Première plage horaire libre")
    assert (person.answer.status, person.answer.kind) == (429, "text/html")
    assert 1 <= int(person.answer.headers["Retry-After"]) <= 5
    assert taken() == 0


# Headers and languages


@pytest.mark.usefixtures("service")
def test_every_answer_carries_the_security_headers() -> None:
    css = f"/static/{templates.asset('guichet.css')}"
    answers = [get("/health"), get("/services/aes"), get("/services/nope"), get(css), get("/openapi.json")]
    answers += [send("GET", "/", FORM), send("POST", f"/holds/{hold()}/extension", FORM)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200, 200, 303]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("service")
def test_what_is_somebodys_is_stored_nowhere() -> None:
    kept, token = passed(), filed()
    post(f"/requests/{token}/confirmation")
    for method, route in ROUTES:
        if "{hold}" in route or "{token}" in route or route == "/manage":
            assert touch(method, route, kept, token).headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("service")
def test_a_calendar_is_good_for_a_second_at_the_edge_and_a_hashed_file_for_a_year() -> None:
    assert get("/services/aes/slots").headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
    answer = send("GET", f"/static/{templates.asset('guichet.css')}", FORM)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("accept", "language", "direction", "title"),
    [
        ("en-GB,en;q=0.9", "en", "ltr", "Exceptional admission – Guichet"),
        ("ar", "ar", "rtl", "القبول – Guichet"),
        ("fr;q=0.2, en;q=0.1", "fr", "ltr", "Admission exceptionnelle au séjour – Guichet"),
        ("de, xx;q=x", "fr", "ltr", "Admission exceptionnelle au séjour – Guichet"),
    ],
)
def test_a_page_is_in_the_first_of_our_languages_that_the_browser_asks_for(
    accept: str, language: str, direction: str, title: str
) -> None:
    person = Browser("/services/aes", **{"Accept-Language": accept})
    html = person.page.html
    assert (html["lang"], html["dir"], html["title"]) == (language, direction, title)
    assert person.answer.headers["Content-Language"] == language


@pytest.mark.usefixtures("service")
def test_a_chosen_language_is_kept_in_a_cookie_and_goes_before_what_the_browser_asks_for() -> None:
    chosen = send("GET", "/manage?lang=ar", {**FORM, "Accept-Language": "en"})
    assert chosen.headers["Set-Cookie"] == "lang=ar; Path=/; Max-Age=31536000; SameSite=Lax; Secure"
    assert chosen.headers["Cache-Control"] == "no-store"
    later = send("GET", "/manage", {**FORM, "Accept-Language": "en", "Cookie": "a=b; lang=ar"})
    assert later.headers["Content-Language"] == "ar"
    assert "Set-Cookie" not in later.headers


@pytest.mark.usefixtures("service")
def test_a_change_of_language_in_the_middle_of_the_form_keeps_what_was_typed_and_judges_nothing() -> None:
    kept = passed()
    person = Browser(f"/holds/{kept}")
    typed = {**AWA_TYPED, "last_name": "D’Éxemple <b>", "email": "not an address", "phone": ""}
    person.press("العربية", **typed)
    assert (person.answer.status, person.page.html["lang"]) == (200, "ar")
    assert person.answer.headers["Set-Cookie"].startswith("lang=ar; ")
    assert "-error" not in person.answer.text
    shown = next(one.fields for one in person.page.forms if one.id == "details")
    assert shown == {**typed, "birth_name": "", "language": "ar"}
    assert seat_of(kept).state is State.HELD
    person.press("English", **typed)
    assert person.page.html["lang"] == "en"


@pytest.mark.usefixtures("service")
def test_after_a_mistake_too_the_language_changes_and_what_was_typed_stays() -> None:
    person = Browser(f"/holds/{passed()}")
    person.press("Étape suivante", **{**AWA_TYPED, "phone": "none"})
    assert person.answer.status == 422
    person.press("English")
    assert (person.answer.status, person.page.html["lang"]) == (200, "en")
    shown = next(one.fields for one in person.page.forms if one.id == "details")
    assert shown == {**AWA_TYPED, "phone": "none", "birth_name": "", "language": "en"}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("button", "language"), [("English", "en"), ("Garder ma place plus longtemps", "fr")])
def test_the_check_page_is_the_check_page_again_in_another_language_or_with_more_time(
    button: str, language: str
) -> None:
    kept = passed()
    person = Browser(f"/holds/{kept}")
    person.press("Étape suivante", **AWA_TYPED)
    before = next(one.fields for one in person.page.forms if one.id == "details")
    person.press(button)
    assert (person.answer.status, person.page.html["lang"]) == (200, language)
    after = next(one.fields for one in person.page.forms if one.id == "details")
    assert after["step"] == "check"
    assert after == {**before, "language": language}
    assert seat_of(kept).state is State.HELD


@pytest.mark.usefixtures("service")
def test_a_language_that_is_not_ours_is_neither_chosen_nor_kept() -> None:
    answer = send("GET", "/manage?lang=%0d%0aSet-Cookie:x", {**FORM, "Cookie": "lang=zz"})
    assert answer.headers["Content-Language"] == "fr"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_refusal_and_its_fields_are_told_in_the_persons_language(language: str) -> None:
    french, other = (post("/services/aes/holds", b"{", **{"Accept-Language": one}).data for one in ("fr", language))
    assert other["title"] != french["title"]
    assert other["errors"][0]["message"] != french["errors"][0]["message"]


# What is kept of a visitor


@pytest.mark.usefixtures("service")
def test_the_log_of_a_whole_walk_has_no_token_and_nothing_personal(capsys: pytest.CaptureFixture[str]) -> None:
    kept = passed()
    post(f"/holds/{kept}/details", AWA)
    token = link(kept)
    post(f"/requests/{token}/confirmation")
    logged = capsys.readouterr().err
    assert '"route": "/requests/{token}/confirmation"' in logged
    for secret in (kept[-78:], token[-78:], tokens.digest(kept[-78:-26]), "Awa", "example.org", "1990"):
        assert secret not in logged


# A seat that waits to return


def everything_about(minute: int) -> list[tuple[int, dict[str, str], str]]:
    """Every answer, page and JSON, that could tell how this slot of next week stands, without clock and ticket."""
    week = f"{wednesday():%G-W%V}"
    slot = urlencode({"slot": f"{wednesday():%Y-%m-%d}T10:{minute:02}", "conditions_accepted": "true"}).encode()
    answers = [
        get("/services/aes"),
        get("/services/aes", Accept="text/html"),
        get("/services/aes/slots"),
        get(f"/services/aes/slots?week={week}"),
        get(f"/services/aes/slots?week={week}", Accept="text/html"),
        post("/services/aes/holds", wish(minute)),
        send("POST", "/services/aes/holds", FORM, slot),
    ]
    clock = re.compile(r'"generated_at":\s*"[^"]+"|À <bdi dir="ltr">[^<]+</bdi>')
    told = [{name: value for name, value in one.headers.items() if name != "Set-Cookie"} for one in answers]
    return [(one.status, headers, clock.sub("", one.text)) for one, headers in zip(answers, told, strict=True)]


def booked_and(act: Callable[[SeatKey], object]) -> list[SeatKey]:
    """Both seats of next Wednesday 10:05, booked, and then what became of them."""
    keys = [SeatKey(wednesday().date(), wednesday().time().replace(minute=5), unit, "aes") for unit in (1, 2)]
    now = clock.now()
    for key in keys:
        assert seat_store.take(key, "h", now + timedelta(minutes=3), now)
        assert seat_store.pass_captcha(key, "h", 1, now + timedelta(minutes=3), now, most=5)
        assert seat_store.update(key, *seat_expressions.file_request("h", "p", now + timedelta(days=2), now))
        assert seat_store.confirm(key, "h", now)
        act(key)
    service_store.forget()
    return keys


def freed(key: SeatKey) -> bool:
    now = clock.now()
    return seat_store.end_request(seat_store.read(key), State.CANCELLED, now + timedelta(hours=9), now)


def expired(key: SeatKey) -> None:
    now = clock.now()
    change(key, items.SeatItem.state.set(State.PENDING), items.SeatItem.until.set(now - timedelta(seconds=1)))
    assert seat_store.end_request(seat_store.read(key), State.EXPIRED, now + timedelta(hours=9), now)


def set_aside(key: SeatKey) -> None:
    change(key, items.SeatItem.state.set(State.OPEN), items.SeatItem.hold.remove())
    assert seat_admin.set_aside(seat_store.read(key), "r", clock.now() + timedelta(days=7))


@pytest.mark.parametrize("waiting", [freed, expired, set_aside])
@pytest.mark.usefixtures("service")
def test_no_answer_page_or_header_tells_a_seat_that_waits_to_return_from_one_that_is_taken(
    waiting: Callable[[SeatKey], object],
) -> None:
    keys = booked_and(lambda _key: None)
    as_taken = everything_about(5)
    for key in keys:
        waiting(key)
    service_store.forget()
    assert everything_about(5) == as_taken
    assert "slot-taken" in as_taken[5][2]
    assert not seat_store.read(keys[0]).is_free(clock.now())


def test_a_seat_that_waits_costs_as_many_calls_of_the_table_as_one_that_is_taken(service: Service) -> None:
    booked_and(lambda _key: None)
    with calls() as of_taken:
        everything_about(5)
    for unit in (1, 2):
        freed(SeatKey(wednesday().date(), wednesday().time().replace(minute=5), unit, service.id))
    service_store.forget()
    with calls() as of_waiting:
        everything_about(5)
    assert of_waiting == of_taken != []


# Another date


@pytest.mark.usefixtures("service")
def test_a_program_moves_a_request_to_one_of_its_choices_and_goes_on_with_the_new_token() -> None:
    token = confirmed()
    choices = get(f"/requests/{token}/move").data["choices"]
    wanted = choices[-1]
    moved = post(f"/requests/{token}/move", wanted).data
    assert {name: moved["request"][name] for name in ("date", "start", "state")} == {**wanted, "state": "confirmed"}
    assert get(f"/requests/{moved['token']}").data == moved["request"]
    assert get(f"/requests/{token}").data["state"] == "moved"
    assert post(f"/requests/{token}/move", wanted).data == moved
    again = post(f"/requests/{moved['token']}/move", choices[0]).data["token"]
    refused(post(f"/requests/{again}/move", choices[1]), 409, "moves-spent")
    refused(get(f"/requests/{again}/move"), 409, "moves-spent")
    refused(get(f"/requests/{token}/move"), 410, "link-over")


@pytest.mark.usefixtures("service")
def test_a_person_changes_the_date_and_the_old_link_says_so() -> None:
    token = confirmed(wish(0))
    person = Browser(f"/requests/{token}")
    person.follow("Changer de date")
    assert person.path == f"/requests/{token}/move"
    slot = f"{wednesday(1) + timedelta(minutes=10):%Y-%m-%dT%H:%M}"
    person.press("Prendre cette date", slot=slot)
    assert person.path != f"/requests/{token}"
    assert "Merci, votre rendez-vous est confirmé" in person.answer.text
    assert "Ce rendez-vous a changé de date" in get(f"/requests/{token}", Accept="text/html").text


@pytest.mark.usefixtures("service")
def test_a_move_to_no_slot_or_a_wrong_one_is_refused_with_the_choices_on_the_page() -> None:
    token = confirmed()
    for body in ({}, {"date": "x", "start": "10:00"}, {"slot": 5}, {"date": "2026-12-02"}):
        refused(post(f"/requests/{token}/move", body), 422, "invalid-fields")
    page = send("POST", f"/requests/{token}/move", FORM, b"")
    assert page.status == 422
    assert "Erreur" in page.text.partition("</title>")[0]
    assert 'name="slot"' in page.text
    refused(post(f"/requests/{token}/move", {"date": "2030-01-01", "start": "10:00"}), 409, "slot-taken")
    assert get(f"/requests/{token}").data["state"] == "confirmed"


# What an owner may do


@pytest.mark.usefixtures("service")
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


@pytest.mark.usefixtures("service")
def test_after_three_convocations_in_a_day_the_owner_is_told_that_no_other_leaves() -> None:
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


@pytest.mark.usefixtures("service")
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
    person.press("Oui, effacer mes données et supprimer mon rendez-vous")
    assert person.title == "Vos données sont effacées"
    assert get(f"/requests/{token}").data["state"] == "cancelled"


@pytest.mark.usefixtures("service")
def test_a_person_whose_request_has_ended_downloads_and_erases_what_is_still_kept() -> None:
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


@pytest.mark.usefixtures("service")
def test_asking_for_a_link_makes_the_same_one_call_whether_the_request_exists_or_not() -> None:
    token = confirmed()
    reference = get(f"/requests/{token}").data["reference"]
    said = []
    for body in (
        {"reference": reference, "email": AWA["email"]},
        {"reference": reference, "email": "other@example.org"},
        {"reference": "AES-22222-22222", "email": AWA["email"]},
        {"reference": "NOPE-22222-22222", "email": "nobody@example.org"},
    ):
        with calls() as asked:
            answer = post("/manage", body)
        said.append((answer.status, answer.text, {**answer.headers}, asked))
    assert said[0] == said[1] == said[2] == said[3]
    assert (said[0][0], said[0][3]) == (202, ["UpdateItem"])


@pytest.mark.usefixtures("service")
def test_showing_a_captcha_reads_the_seat_once_and_writes_nothing() -> None:
    held = hold()
    with calls() as asked:
        shown = send("GET", f"/holds/{held}", FORM)
    assert "data:image/png;base64," in shown.text
    assert asked == ["GetItem"]
