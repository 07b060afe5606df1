"""The pages and the JSON of a service: its calendar, and the holds that are refused."""

import base64
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
from chalicelib.web.reply import ONE_SECOND
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
from tests.conftest import Clock, calls

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
    person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert "Une autre personne vient de prendre ce créneau." in person.answer.text
    near = next(label for label in person.page.forms[0].buttons if "10 h 05" in label.replace("\u00a0", " "))
    person.press(near)
    assert person.title == "Contrôle de sécurité"


def test_when_all_is_taken_the_refusal_says_when_the_next_slots_open(service: Service) -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    now = clock.now()
    for week in timetable.open_weeks(service, now):
        for seat in seat_store.read_week("aes", week):
            seat_store.take(seat.key, "other", now + timedelta(days=1), now)
    for sent in (FIRST, wish()):
        problem = refused(post("/services/aes/holds", sent), 409, "nothing-free")
        assert problem["next_release"] == release_after(service, now)
    person.press("Premier créneau libre")
    assert "Il n’y a plus de créneau libre pour le moment." in person.answer.text


def test_a_slot_of_the_coming_release_is_refused_with_its_opening_time(service: Service) -> None:
    problem = refused(post("/services/aes/holds", wish(weeks=2)), 409, "not-open-yet")
    assert problem["opens_at"] == release_after(service, clock.now())
    assert count_taken_seats() == 0


def take_week(week: str) -> None:
    """Take every seat of a week for others."""
    now = clock.now()
    for seat in seat_store.read_week("aes", week):
        seat_store.take(seat.key, "other", now + timedelta(days=1), now)


def two_open_weeks(clock: Clock) -> tuple[str, str]:
    """Set the clock to Monday of next week. Return that week and the next one, which are open."""
    this_week, next_week = (f"{wednesday(n):%G-W%V}" for n in (1, 2))
    clock.now = wednesday() - timedelta(days=2)
    return this_week, next_week


def link_of(person: Browser, ending: str) -> str:
    """Return the text of the first link that ends so."""
    return next(text for text in person.page.links if text.endswith(ending))


def test_one_full_week_is_not_everything_the_notice_and_the_calendar_name_the_week_with_free_seats(
    clock: Clock,
) -> None:
    this_week, next_week = two_open_weeks(clock)
    take_week(this_week)
    assert get("/services/aes").data["weeks"] == [{"week": this_week, "free": 0}, {"week": next_week, "free": 6}]
    shown = get("/services/aes/slots").data
    assert (shown["week"], shown["weeks"][1]) == (next_week, {"week": next_week, "free": 6})
    person = Browser("/services/aes")
    person.follow(link_of(person, "complet"))
    assert person.title == "Choix d’un créneau"
    assert "Cette semaine est complète." in person.answer.text
    person.follow(link_of(person, " : 6 rendez-vous libres"))
    assert "Choisir ce créneau" in person.page.forms[0].buttons


def test_everything_is_full_only_when_all_open_weeks_are_and_says_when_to_come_back(service: Service) -> None:
    for week in timetable.open_weeks(service, clock.now()):
        take_week(week)
    notice = Browser("/services/aes")
    assert "Complet pour le moment" in notice.answer.text
    person = Browser("/services/aes/slots?conditions_accepted=true")
    assert person.title == "Vérification de disponibilité"
    assert any(link.startswith("Essayer plus tard, le lundi") for link in person.page.links)
    assert person.page.forms[0].buttons == {}


def test_the_week_that_is_over_is_neither_shown_first_nor_reached_by_the_previous_week(clock: Clock) -> None:
    this_week, next_week = two_open_weeks(clock)
    assert get("/services/aes/slots").data["week"] == this_week
    assert "Semaine précédente" in Browser(f"/services/aes/slots?week={next_week}").page.links
    clock.move(timedelta(days=1, hours=1))
    shown = get("/services/aes/slots").data
    assert (shown["week"], [count["week"] for count in shown["weeks"]]) == (next_week, [next_week])
    assert "Semaine précédente" not in Browser("/services/aes/slots").page.links
    assert "Il est trop tard" in Browser(f"/services/aes/slots?week={this_week}").answer.text


def test_the_previous_week_is_the_nearest_one_with_something_free(clock: Clock) -> None:
    this_week, next_week = two_open_weeks(clock)
    take_week(this_week)
    assert "Semaine précédente" not in Browser(f"/services/aes/slots?week={next_week}").page.links


def test_who_sends_no_slot_reads_to_choose_one_at_the_slots() -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    person.press("Choisir ce créneau")
    assert 'id="slot-error">Choisissez un créneau.' in person.answer.text
    assert fields(post("/services/aes/holds", {"conditions_accepted": True})) == ["date", "start"]
    assert count_taken_seats() == 0


def test_the_documents_to_bring_are_a_page_a_pdf_and_json(service: Service) -> None:
    assert get("/services/aes/documents").data["documents"] == [dict(line) for line in service.documents]
    person = Browser("/services/aes")
    person.follow("Liste des documents à imprimer ou à télécharger")
    assert person.title == "Documents à apporter"
    pdf = person.page.links["Télécharger la liste (PDF)"].removeprefix("data:application/pdf;base64,")
    assert base64.b64decode(pdf).startswith(b"%PDF-")


def test_the_notice_stays_when_the_table_throttles(service: Service, table_fails: TableFails) -> None:
    assert service_store.read(service.id, clock.now())
    table_fails("ThrottlingException", operation="Query")
    weeks = get("/services/aes").data["weeks"]
    assert {count["free"] for count in weeks} == {None}
    assert "Complet" not in Browser("/services/aes").answer.text


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
    for body in (b"%ff=%fe&\xff", b"&".join(b"a%d=1" % n for n in range(401)), b"slot=" + b"1" * 1_000_000):
        answer = send("POST", "/services/aes/holds", FORM, body)
        assert (answer.status, answer.kind) == (422, "text/html")
    assert count_taken_seats() == 0


def test_a_person_who_did_not_accept_the_conditions_sees_the_week_of_the_slot_and_the_box() -> None:
    person = Browser("/services/aes/slots")
    person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT%H:%M}")
    assert 'id="conditions_accepted-error"' in person.answer.text
    assert f'value="{wednesday():%Y-%m-%dT%H:%M}" checked' in person.answer.text
    assert count_taken_seats() == 0


def refused_page(person: Browser, button: str, **typed: str) -> Browser:
    """Press a button of the calendar whose slot cannot be held. The page that follows can be reloaded."""
    person.press(button, **typed)
    assert person.answers[-1].status == 303
    page = person.answer.text
    assert person.page.html["title"].startswith("Erreur")
    person.go(person.path)
    assert (person.answer.status, person.answer.text) == (200, page)
    assert person.answer.headers["Cache-Control"] == ONE_SECOND
    return person


@pytest.mark.parametrize("jar", [None, {"lang": "fr"}], ids=["no cookies", "cookies"])
def test_every_refusal_of_a_slot_is_a_page_that_can_be_reloaded(jar: dict[str, str] | None) -> None:
    slot = f"{wednesday():%Y-%m-%dT%H:%M}"
    other = Browser("/services/aes/slots", jar)
    assert f'value="{slot}" checked' in refused_page(other, "Choisir ce créneau", slot=slot).answer.text
    person = Browser("/services/aes/slots?conditions_accepted=true", jar)
    for _ in range(2):
        post("/services/aes/holds", wish())
    taken = refused_page(person, "Choisir ce créneau", slot=slot)
    assert taken.page.fields("week")["conditions_accepted"] == "true"
    take_week(f"{wednesday():%G-W%V}")
    take_week(f"{wednesday(0):%G-W%V}")
    assert "Il n’y a plus de créneau libre pour le moment." in refused_page(person, "Premier créneau libre").answer.text


def test_who_chooses_no_slot_stays_in_the_week_that_was_shown(clock: Clock) -> None:
    _, later = two_open_weeks(clock)
    for week in (later, "2036-W48", "x"):
        person = Browser(f"/services/aes/slots?week={later}&conditions_accepted=true")
        refused_page(person, "Choisir ce créneau", week=week)
        assert (f"week={later}" in person.path) == (week == later)


def test_a_slot_that_was_just_taken_is_not_among_the_nearest_while_a_cache_still_shows_it() -> None:
    slot = f"{wednesday():%Y-%m-%dT%H:%M}"
    buttons = Browser(f"/services/aes/slots?refused=slot-taken&slot={slot}").page.forms[0].buttons.values()
    nearest = {button["slot"] for button in buttons}
    assert nearest >= {f"{wednesday():%Y-%m-%d}T10:05", f"{wednesday():%Y-%m-%d}T10:10"}
    assert slot not in nearest


@pytest.mark.parametrize(
    "query",
    [
        "refused=x",
        "refused=nothing-free",
        "refused=&slot=x",
        "slot=2036-01-01T10:00",
        "refused=captcha-wrong",
        "step=x",
    ],
)
def test_a_forged_query_of_a_calendar_shows_no_refusal(query: str) -> None:
    assert not Browser(f"/services/aes/slots?{query}").page.html["title"].startswith("Erreur")


@pytest.mark.parametrize("slot", ["", "x", "2036-01-01T10:00", "9999-12-31T23:59", "\u0661", "%00"])
def test_a_forged_slot_of_a_refusal_is_that_of_none(slot: str) -> None:
    assert Browser(f"/services/aes/slots?{urlencode({'refused': 'slot-taken', 'slot': slot})}").answer.status == 200


def test_the_same_wish_twice_holds_two_seats() -> None:
    assert hold() != hold()
    assert count_taken_seats() == 2


def test_a_hold_whose_write_is_throttled_holds_nothing_and_its_page_has_retry_after(table_fails: TableFails) -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true")
    table_fails("ThrottlingException", operation="UpdateItem")
    person.press("Premier créneau libre")
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
