"""The pages and the JSON of a service: its calendar, and the holds that are refused."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

import app
from chalicelib.domain import timetable
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import items, seat_expressions, seat_maintenance, seat_store, service_store
from chalicelib.web import clock
from tests.client import (
    FIRST,
    FORM,
    Browser,
    Page,
    TableFails,
    change,
    count_taken_seats,
    fields,
    get,
    hold,
    post,
    refused,
    send,
    wednesday,
    wish,
)
from tests.conftest import calls

pytestmark = pytest.mark.usefixtures("service")


def release_after(service: Service, now: datetime) -> str:
    release = timetable.next_release(service, now)
    assert release
    return release.isoformat()


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


def answers_about(minute: int) -> list[tuple[int, dict[str, str], str]]:
    """Return every answer that could tell the state of this slot of next week, without its time and its cookie."""
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
    return [
        (
            answer.status,
            {name: value for name, value in answer.headers.items() if name != "Set-Cookie"},
            clock.sub("", answer.text),
        )
        for answer in answers
    ]


def booked_and(act: Callable[[SeatKey], object]) -> list[SeatKey]:
    """Book both seats of next Wednesday at 10:05, and do something with each."""
    keys = [SeatKey(wednesday().date(), wednesday().time().replace(minute=5), unit, "aes") for unit in (1, 2)]
    now = clock.now()
    for key in keys:
        assert seat_store.take(key, "h", now + timedelta(minutes=3), now)
        assert seat_store.pass_captcha(key, "h", 1, now + timedelta(minutes=3), now, most=5)
        assert seat_store.update(key, *seat_expressions.file_request("h", "p", now + timedelta(days=2), now))
        assert seat_store.confirm(key, "h", now)
        act(key)
    service_store.clear_caches()
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
    assert seat_maintenance.set_aside(seat_store.read(key), "r", clock.now() + timedelta(days=7))


def test_the_links_of_the_home_page_contain_the_stage_when_its_url_ends_without_a_slash() -> None:
    event = {
        "requestContext": {"httpMethod": "GET", "resourcePath": "/", "path": "/api"},
        "headers": {"accept": "text/html"},
        "stageVariables": None,
        "pathParameters": {},
        "multiValueQueryStringParameters": None,
        "body": None,
    }
    assert Page(app.app(event, None)["body"]).links["Admission exceptionnelle au séjour"] == "api/services/aes"


def test_a_hold_without_the_conditions_is_refused_and_nothing_is_held() -> None:
    refused(post("/services/aes/holds", {"first_free": True}), 422, "conditions-not-accepted")
    refused(post("/services/aes/holds", {**FIRST, "conditions_accepted": False}), 422, "conditions-not-accepted")
    assert count_taken_seats() == 0


def test_a_taken_slot_is_refused_with_the_three_nearest_free_ones() -> None:
    for _ in range(2):
        assert post("/services/aes/holds", wish(5)).status == 201
    problem = refused(post("/services/aes/holds", wish(5)), 409, "slot-taken")
    near = {(item["date"], item["start"]) for item in problem["nearest"]}
    assert near >= {(f"{wednesday():%Y-%m-%d}", "10:00"), (f"{wednesday():%Y-%m-%d}", "10:10")}
    assert count_taken_seats() == 2


def test_a_person_whose_slot_is_taken_takes_a_near_one_with_one_button() -> None:
    for _ in range(2):
        post("/services/aes/holds", wish())
    person = Browser("/services/aes/slots?conditions_accepted=true")
    person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.answer.status == 409
    near = next(label for label in person.page.forms[0].buttons if "10 h 05" in label.replace("\u00a0", " "))
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


def test_a_slot_of_the_coming_release_is_refused_with_its_opening_time(service: Service) -> None:
    problem = refused(post("/services/aes/holds", wish(weeks=2)), 409, "not-open-yet")
    assert problem["opens_at"] == release_after(service, clock.now())
    assert count_taken_seats() == 0


def test_a_week_that_is_not_shown_is_not_found() -> None:
    for week in ("2026-W99", "2036-W48", "1999-W01", "0000-W00", "9999-W52", "x", "", "%00", "-1"):
        refused(get(f"/services/aes/slots?week={week}"), 404, "not-found")


def test_a_slot_that_does_not_exist_is_not_found() -> None:
    years = [("2036-12-03", "10:00"), ("2020-12-02", "10:00"), ("0001-01-01", "00:00"), ("9999-12-31", "23:59")]
    for date, start in [*years, (f"{wednesday():%Y-%m-%d}", "10:03"), (f"{wednesday():%Y-%m-%d}", "22:00")]:
        sent = {"date": date, "start": start, "conditions_accepted": True}
        refused(post("/services/aes/holds", sent), 404, "not-found")
    assert count_taken_seats() == 0


def test_an_invalid_wish_is_refused_by_field_and_nothing_is_held() -> None:
    for body, named in WISHES:
        assert (body[:80], fields(post("/services/aes/holds", body))) == (body[:80], named)
    assert count_taken_seats() == 0


def test_an_unreadable_form_is_refused_and_nothing_is_held() -> None:
    for body in (b"%ff=%fe&\xff", b"&".join(b"a%d=1" % n for n in range(41)), b"slot=" + b"1" * 1_000_000):
        answer = send("POST", "/services/aes/holds", FORM, body)
        assert (answer.status, answer.kind) == (422, "text/html")
    assert count_taken_seats() == 0


def test_a_person_who_did_not_accept_the_conditions_sees_the_week_of_the_slot_and_the_box() -> None:
    person = Browser("/services/aes/slots")
    person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert person.answer.status == 422
    assert 'id="conditions_accepted-error"' in person.answer.text
    assert f'value="{wednesday():%Y-%m-%dT%H:%M}"' in person.answer.text
    assert count_taken_seats() == 0


def test_the_same_wish_twice_holds_two_seats() -> None:
    assert hold() != hold()
    assert count_taken_seats() == 2


def test_a_hold_whose_write_is_throttled_holds_nothing_and_its_page_has_retry_after(table_fails: TableFails) -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    table_fails("ThrottlingException", operation="UpdateItem")
    person.press("Première plage horaire libre")
    assert (person.answer.status, person.answer.kind) == (429, "text/html")
    assert 1 <= int(person.answer.headers["Retry-After"]) <= 5
    assert count_taken_seats() == 0


@pytest.mark.parametrize("waiting", [freed, expired, set_aside])
def test_no_answer_distinguishes_a_seat_that_waits_to_return_from_a_taken_one(
    waiting: Callable[[SeatKey], object],
) -> None:
    keys = booked_and(lambda _key: None)
    as_taken = answers_about(5)
    for key in keys:
        waiting(key)
    service_store.clear_caches()
    assert answers_about(5) == as_taken
    assert "slot-taken" in as_taken[5][2]
    assert not seat_store.read(keys[0]).is_free(clock.now())


def test_a_seat_that_waits_to_return_costs_as_many_calls_of_the_table_as_a_taken_one(service: Service) -> None:
    booked_and(lambda _key: None)
    with calls() as of_taken:
        answers_about(5)
    for unit in (1, 2):
        freed(SeatKey(wednesday().date(), wednesday().time().replace(minute=5), unit, service.id))
    service_store.clear_caches()
    with calls() as of_waiting:
        answers_about(5)
    assert of_waiting == of_taken != []
