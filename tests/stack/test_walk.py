"""Bookings over HTTP, from the first page to the cancelled appointment."""

import base64
import gzip
import io
import re
import wave
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import pytest
import requests
from PIL import Image

from infra.local.stack import Stack
from tests.stack.visitor import JSON, PAGE, Visitor, answered, key_of, links, path_of, person, refused, until
from tests.stackfixture import ANSWER

PARIS = ZoneInfo("Europe/Paris")
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
FIRST_PAGE = 20_000  # bytes, with its style sheet
CALENDAR = 4_000
HIDDEN = re.compile(r'name="challenge" value="([^"]+)"')


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def french(day: date) -> str:
    number = "1er" if day.day == 1 else str(day.day)
    return f"{DAYS[day.weekday()]} {number} {MONTHS[day.month - 1]} {day.year}"


def clock(moment: datetime) -> str:
    return f"{moment.hour} h {moment.minute:02}"


def one_line(text: str) -> str:
    """Return text in which each run of spaces and line breaks is one space."""
    return " ".join(text.split())


def plain(letter: dict[str, Any]) -> str:
    return one_line(letter["text"])


def calendar(visitor: Visitor, week: str = "") -> dict[str, Any]:
    return answered(visitor.get(f"/services/aes/slots{f'?week={week}' if week else ''}"), 200)


def free_slot(visitor: Visitor) -> dict[str, str]:
    """Return the last slot with a free seat, in the first week that has one."""
    days = reversed(calendar(visitor)["days"])
    return next(
        {"date": day["date"], "start": slot["start"]} for day in days for slot in reversed(day["slots"]) if slot["free"]
    )


# Reading


def test_the_services_and_the_notice_of_one_are_read_as_json(visitor: Visitor) -> None:
    assert "aes" in [service["id"] for service in answered(visitor.get("/"), 200)["services"]]
    notice = answered(visitor.get("/services/aes"), 200)
    assert notice["slot_minutes"] == 5
    assert notice["timezone"] == "Europe/Paris"
    assert len(notice["not_for"]) == 3


def test_the_calendar_has_the_fields_of_the_contract_and_thirty_seats_a_day(visitor: Visitor) -> None:
    week = calendar(visitor)
    moments = {"generated_at", "next_release", "first_free"}
    assert {"service", "week", "timezone", "slot_minutes", "days"} | moments <= set(week)
    assert len(week["days"]) == 7
    capacities = [sum(slot["capacity"] for slot in day["slots"]) for day in week["days"]]
    assert capacities == [0, 30, 0, 30, 0, 0, 0]
    assert list(week["days"][1]["slots"][0]) == ["start", "end", "free", "capacity"]


def test_the_health_page_answers_ok(visitor: Visitor) -> None:
    assert answered(visitor.get("/health"), 200)["status"] == "ok"


def test_the_contract_is_served_and_names_every_path(visitor: Visitor) -> None:
    document = answered(visitor.get("/openapi.json"), 200)
    assert document["openapi"].startswith("3.1")
    assert "/holds/{hold}/captcha/answer" in document["paths"]


# The whole booking


def test_one_booking_goes_from_the_calendar_to_a_confirmed_appointment_and_is_cancelled(visitor: Visitor) -> None:
    awa = person(first_name="Awa", last_name="Exemple-Entière")
    held = visitor.hold()
    assert {"hold", "service", "date", "start", "end", "expires_at", "captcha"} <= set(held)
    assert held["captcha"] == "required"
    start = datetime.fromisoformat(f"{held['date']}T{held['start']}").replace(tzinfo=PARIS)

    passed = visitor.pass_captcha(held["hold"])
    assert passed["captcha"] == "passed"
    assert datetime.fromisoformat(passed["expires_at"]) - datetime.now(UTC) > timedelta(minutes=14)

    filed = answered(visitor.post(f"/holds/{held['hold']}/details", awa), 202)
    assert filed["state"] == "pending"
    assert all(filed[name] == held[name] for name in ("service", "date", "start", "end"))
    assert datetime.fromisoformat(filed["confirm_before"]) - datetime.now(UTC) > timedelta(minutes=2879)

    first = visitor.letter(awa["email"])
    check_first_letter(first, start, filed["reference"])
    confirm, delete, *others = links(first)
    assert confirm.startswith(f"{visitor.stack.api}/requests/")
    assert delete == f"{confirm}/cancellation"
    assert not any(link.startswith(confirm) for link in others)

    link = path_of(confirm)
    assert answered(visitor.get(link), 200)["state"] == "pending"
    assert answered(visitor.post(f"{link}/confirmation"), 200)["state"] == "confirmed"
    check_second_letter(visitor, visitor.letter(awa["email"], 2), start)

    printed = visitor.get(f"{link}/convocation", **PAGE)
    assert printed.status_code == 200
    for words in (filed["reference"], "Exemple-Entière", french(start.date())):
        assert words in one_line(printed.text)

    question = visitor.get(path_of(delete), **PAGE)
    assert question.status_code == 200
    assert answered(visitor.get(link), 200)["state"] == "confirmed"
    assert answered(visitor.post(path_of(delete)), 200)["state"] == "cancelled"
    assert visitor.letter(awa["email"], 3)["subject"] == "Votre rendez-vous est annulé"
    refused(visitor.post(f"{link}/confirmation"), 410, "link-over")
    refused(visitor.get(f"{link}/convocation"), 410, "link-over")
    assert len(visitor.letters(awa["email"])) == 3


def check_first_letter(letter: dict[str, Any], start: datetime, reference: str) -> None:
    """Check that it has all facts and both links, in the text and in the HTML."""
    today = datetime.now(PARIS)
    words = plain(letter)
    assert letter["subject"] == "Confirmez votre demande de rendez-vous"
    assert "Nature : Demande d’admission exceptionnelle au séjour (AES)" in words
    assert f"Déposée le : {french(today.date())}, {today.hour} h" in words
    assert f"Date : {french(start.date())}" in words
    assert f"Heure : {clock(start)} " in words
    assert "Durée : 5 minutes" in words
    assert f"Référence : {reference}" in words
    assert "Vous avez 48 heures pour la confirmer ou la supprimer" in words
    assert all(f'href="{link}"' in letter["html"] for link in links(letter))
    assert letter["attachments"] == []


def check_second_letter(visitor: Visitor, letter: dict[str, Any], start: datetime) -> None:
    """Check that it has the convocation as a PDF and as a calendar entry."""
    files = [(file["name"], file["type"]) for file in letter["attachments"]]
    assert files == [("convocation.pdf", "application/pdf"), ("rendez-vous.ics", "text/calendar")]
    box = visitor.stack.inbox.rstrip("/")
    pdf, ics = (requests.get(box + file["url"], timeout=30).content for file in letter["attachments"])
    assert pdf.startswith(b"%PDF-")
    assert ics.startswith(b"BEGIN:VCALENDAR")
    assert f"DTSTART:{start.astimezone(UTC):%Y%m%dT%H%M}00Z".encode() in ics


def test_a_hold_is_placed_on_the_slot_that_the_body_names(visitor: Visitor) -> None:
    wish = free_slot(visitor)
    held = visitor.hold(**wish)
    assert {"date": held["date"], "start": held["start"]} == wish
    answered(visitor.post(f"/holds/{held['hold']}/end"), 200)


def test_the_same_post_twice_gives_the_same_answer(visitor: Visitor) -> None:
    awa = person()
    hold = visitor.captcha_passed()
    once, again = (answered(visitor.post(f"/holds/{hold}/details", awa), 202) for _ in range(2))
    assert once == again
    link = visitor.link(awa["email"])
    confirmed = [answered(visitor.post(f"{link}/confirmation"), 200) for _ in range(2)]
    assert confirmed[0] == confirmed[1]
    assert visitor.letter(awa["email"], 2)["subject"] == "Votre rendez-vous est confirmé : votre convocation"
    cancelled = [answered(visitor.post(f"{link}/cancellation"), 200) for _ in range(2)]
    assert cancelled[0] == cancelled[1]
    visitor.letter(awa["email"], 3)
    assert len(visitor.letters(awa["email"])) == 3


def test_the_delete_link_works_before_the_request_is_confirmed(visitor: Visitor) -> None:
    awa = person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    assert answered(visitor.post(f"{link}/cancellation"), 200)["state"] == "cancelled"
    assert visitor.letter(awa["email"], 2)["subject"] == "Votre demande de rendez-vous est supprimée"
    refused(visitor.post(f"{link}/confirmation"), 410, "link-over")
    visitor.file(awa)  # the locks went with the request


def confirmed(visitor: Visitor, awa: dict[str, str]) -> str:
    """File and confirm a request. Return its path."""
    visitor.file(awa)
    link = visitor.link(awa["email"])
    answered(visitor.post(f"{link}/confirmation"), 200)
    visitor.letter(awa["email"], 2)
    return link


def test_another_date_brings_a_new_convocation_and_a_new_link(visitor: Visitor) -> None:
    awa = person()
    link = confirmed(visitor, awa)
    choice = answered(visitor.get(f"{link}/move"), 200)["choices"][-1]
    moved = answered(visitor.post(f"{link}/move", choice), 200)
    assert {name: moved["request"][name] for name in choice} == choice
    letter = visitor.letter(awa["email"], 3)
    assert letter["subject"] == "Votre rendez-vous a changé de date : votre convocation"
    assert next(links(letter)).endswith(f"/requests/{moved['token']}/convocation")
    seats = [visitor.item(path) for path in (link, moved["token"])]
    assert [seat["state"]["S"] for seat in seats] == ["open", "confirmed"]
    assert seats[0]["past"] == seats[1]["hold"]
    assert answered(visitor.get(link), 200)["state"] == "moved"
    answered(visitor.post(f"/requests/{moved['token']}/cancellation"), 200)
    visitor.letter(awa["email"], 4)
    assert len(visitor.letters(awa["email"])) == 4


def test_a_cancelled_seat_returns_later_and_looks_like_a_taken_one_until_then(visitor: Visitor) -> None:
    awa = person()
    wish = free_slot(visitor)
    hold = visitor.hold(**wish)["hold"]
    visitor.pass_captcha(hold)
    answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    answered(visitor.post(f"{visitor.link(awa['email'])}/cancellation"), 200)
    seat = visitor.item(hold)
    assert (seat["state"]["S"], "hold" in seat) == ("open", False)
    assert int(seat["opens_at"]["N"]) / 1000 - datetime.now(UTC).timestamp() > 3600
    visitor.post("/services/aes/holds", {**wish, "conditions_accepted": True})  # the other desk, if it was free
    refused(visitor.post("/services/aes/holds", {**wish, "conditions_accepted": True}), 409, "slot-taken")


def test_opening_the_links_of_a_letter_a_hundred_times_changes_nothing(visitor: Visitor) -> None:
    awa = person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    keys = [key_of(link), {"pk": {"S": f"PERSON#{visitor.item(link)['person']['S']}"}, "sk": {"S": "SERVICE#aes"}}]
    table = visitor.stack.client("dynamodb")

    def stored() -> list[dict[str, Any]]:
        return [table.get_item(TableName=visitor.stack.table, Key=key, ConsistentRead=True)["Item"] for key in keys]

    until(lambda: "sent" in stored()[1] or None)
    before = stored()
    for _ in range(17):  # GET and HEAD of three URLs, 102 requests in all
        for path in (link, f"{link}/cancellation", f"{link}/confirmation"):
            assert visitor.get(path, **PAGE).status_code == 200
            visitor.web.head(visitor.url(path), timeout=30)
    assert stored() == before
    assert before[0]["state"]["S"] == "pending"


# The captcha


def test_a_challenge_is_a_picture_and_a_sound_without_the_answer(visitor: Visitor) -> None:
    hold = visitor.hold()["hold"]
    challenge = answered(visitor.post(f"/holds/{hold}/captcha"), 201)
    picture, sound = challenge["picture"], challenge["sound"]
    assert picture.startswith("data:image/png;base64,")
    assert sound.startswith("data:audio/wav;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    assert (image.format, image.size) == ("PNG", (280, 90))
    with wave.open(io.BytesIO(base64.b64decode(sound.partition(",")[2]))) as recording:
        assert recording.getframerate() == 8000
        assert recording.getnframes() > 5 * 8000
    assert list(challenge) == ["challenge", "picture", "sound"]
    other = answered(visitor.post(f"/holds/{hold}/captcha"), 201)
    assert other["challenge"] != challenge["challenge"]
    assert other["picture"] != challenge["picture"]


def test_a_wrong_answer_counts_down_the_tries_and_the_sixth_is_spent(visitor: Visitor) -> None:
    hold = visitor.hold()["hold"]
    challenge = answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"]
    wrong = {"challenge": challenge, "answer": "wrong!"}
    path = f"/holds/{hold}/captcha/answer"
    left = [refused(visitor.post(path, wrong), 422, "captcha-wrong")["tries_left"] for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    refused(visitor.post(path, {"challenge": challenge, "answer": ANSWER}), 409, "captcha-spent")
    assert visitor.pass_captcha(hold)["captcha"] == "passed"


def test_the_case_and_the_spaces_of_an_answer_do_not_matter(visitor: Visitor) -> None:
    hold = visitor.hold()["hold"]
    challenge = answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"]
    assert visitor.answer(hold, challenge, " te st42 ")["captcha"] == "passed"


def test_a_challenge_of_another_hold_is_refused(visitor: Visitor) -> None:
    hold, other = visitor.hold()["hold"], visitor.hold()["hold"]
    challenge = answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"]
    body = {"challenge": challenge, "answer": ANSWER}
    refused(visitor.post(f"/holds/{other}/captcha/answer", body), 409, "captcha-spent")


# One request per person and per mailbox


def test_a_second_request_of_the_same_person_is_refused_in_any_spelling_of_the_name(visitor: Visitor) -> None:
    eloise = {"first_name": "Éloïse-Marie", "last_name": "Dupré Exemple", "birth_date": "1987-02-28"}
    visitor.file(person(**eloise))
    hold = visitor.captcha_passed()
    for names in (
        {},
        {"first_name": "  ÉLOÏSE marie ", "last_name": "DUPRÉ exemple"},
        {"first_name": "Dupre-Exemple", "last_name": "Eloise Marie"},
    ):
        refused(visitor.post(f"/holds/{hold}/details", person(**eloise) | names), 409, "already-requested")


def test_two_people_with_one_name_and_different_birth_dates_may_both_file(visitor: Visitor) -> None:
    names = {"first_name": "Ndeye", "last_name": "Exemple-Homonyme"}
    visitor.file(person(**names, birth_date="1980-01-01"))
    visitor.file(person(**names, birth_date="1980-01-02"))


def test_a_second_request_of_the_same_mailbox_is_refused_in_any_spelling(visitor: Visitor) -> None:
    visitor.file(person(email="stack.plus@gmail.com", email_confirmation="stack.plus@gmail.com"))
    hold = visitor.captcha_passed()
    for other in ("STACK.plus@gmail.com", "stackplus+rendezvous@gmail.com", "s.t.a.c.k.plus@googlemail.com"):
        details = person(email=other, email_confirmation=other)
        refused(visitor.post(f"/holds/{hold}/details", details), 409, "already-requested")
    assert visitor.item(hold)["state"]["S"] == "held"


# A hold


def test_a_hold_that_is_given_back_is_over_and_its_seat_is_free_at_once(visitor: Visitor) -> None:
    hold = visitor.hold()["hold"]
    assert visitor.item(hold)["state"]["S"] == "held"
    assert answered(visitor.post(f"/holds/{hold}/end"), 200)["state"] == "ended"
    assert visitor.item(hold)["state"]["S"] == "open"
    assert answered(visitor.post(f"/holds/{hold}/end"), 200)["state"] == "ended"
    refused(visitor.get(f"/holds/{hold}"), 410, "hold-over")
    refused(visitor.post(f"/holds/{hold}/captcha"), 410, "hold-over")


def test_a_hold_is_extended_twice_and_no_more(visitor: Visitor) -> None:
    held = visitor.hold()
    more = f"/holds/{held['hold']}/extension"
    once, twice, again = (answered(visitor.post(more), 200)["expires_at"] for _ in range(3))
    assert held["expires_at"] < once < twice == again
    assert answered(visitor.get(f"/holds/{held['hold']}"), 200)["expires_at"] == twice


def test_details_before_the_captcha_are_refused_and_nothing_is_filed(visitor: Visitor) -> None:
    hold = visitor.hold()["hold"]
    refused(visitor.post(f"/holds/{hold}/details", person()), 409, "captcha-required")
    assert visitor.item(hold)["state"]["S"] == "held"


def test_a_slot_with_two_desks_is_taken_after_two_holds_and_the_nearest_are_named(visitor: Visitor) -> None:
    wish = {**free_slot(visitor), "conditions_accepted": True}
    statuses = [visitor.post("/services/aes/holds", wish) for _ in range(3)]
    last = refused(statuses[-1], 409, "slot-taken")
    assert 1 <= len(last["nearest"]) <= 3
    assert list(last["nearest"][0]) == ["date", "start"]


def test_a_slot_of_the_coming_release_is_refused_with_the_moment_it_opens(visitor: Visitor) -> None:
    release = datetime.fromisoformat(calendar(visitor)["next_release"])
    year, week, _ = (release + timedelta(weeks=2)).isocalendar()
    coming = calendar(visitor, f"{year}-W{week:02}")
    assert coming["opens_at"] == release.isoformat()
    slot = next(day for day in coming["days"] if day["slots"])
    body = {"date": slot["date"], "start": slot["slots"][0]["start"], "conditions_accepted": True}
    problem = refused(visitor.post("/services/aes/holds", body), 409, "not-open-yet")
    assert problem["opens_at"] == release.isoformat()


def test_a_hold_without_the_conditions_is_refused(visitor: Visitor) -> None:
    refused(visitor.post("/services/aes/holds", {"first_free": True}), 422, "conditions-not-accepted")


# The link


def test_managing_a_request_sends_its_link_and_does_not_reveal_whether_it_exists(visitor: Visitor) -> None:
    awa, nobody = person(), person()
    reference = visitor.file(awa)["reference"]
    first = visitor.letter(awa["email"])
    known = visitor.post("/manage", {"reference": reference, "email": awa["email"]})
    unknown = visitor.post("/manage", {"reference": reference, "email": nobody["email"]})
    wrong = visitor.post("/manage", {"reference": "AES-22222-33333", "email": awa["email"]})
    answers = [(response.status_code, response.json()) for response in (known, unknown, wrong)]
    assert answers == [(202, {"status": "accepted"})] * 3
    second = visitor.letter(awa["email"], 2)
    assert second["subject"] == "Votre lien pour gérer votre demande de rendez-vous"
    assert next(links(second)) == next(links(first))
    visitor.file(nobody)
    visitor.letter(nobody["email"])
    assert len(visitor.letters(nobody["email"])) == 1
    assert len(visitor.letters(awa["email"])) == 2


# Paths


@pytest.mark.parametrize(("language", "title"), [("fr", "Cette page n’existe pas"), ("ar", "هذه الصفحة غير موجودة")])
def test_an_unknown_path_of_any_depth_is_a_page_in_the_language_of_the_visitor(
    visitor: Visitor, language: str, title: str
) -> None:
    for path in ("/none", "/none/of", "/none/of/these", "/none/of/these/exists"):
        answer = visitor.get(path, **{"Accept": "text/html", "Accept-Language": language})
        assert (answer.status_code, answer.headers["Content-Language"]) == (404, language)
        assert title in answer.text
        assert visitor.web.get(urljoin(answer.url, "../" * (path.count("/") - 1) + "legal"), timeout=30).ok


def test_the_url_of_a_form_opened_as_a_page_says_so(visitor: Visitor) -> None:
    answer = visitor.get("/services/aes/holds", Accept="text/html")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_an_unknown_path_and_an_unknown_method_are_problems_not_found(visitor: Visitor) -> None:
    refused(visitor.get("/nothing/here"), 404, "not-found")
    refused(visitor.web.delete(visitor.url("/health"), headers=JSON, timeout=30), 405, "wrong-method")


@pytest.mark.parametrize(
    "path", ["/services/none", "/services/none/slots", "/holds/none", "/requests/none", "/services/aes/slots?week=x"]
)
def test_an_unknown_service_hold_request_or_week_is_a_problem_not_found(visitor: Visitor, path: str) -> None:
    refused(visitor.get(path), 404, "not-found")


def test_a_booking_follows_relative_urls_from_the_first_page_to_the_confirmation(visitor: Visitor) -> None:
    awa = person()
    web = visitor.web
    web.headers.update(PAGE)
    root = visitor.stack.api + "/"

    def follow(response: requests.Response) -> requests.Response:
        assert response.status_code == 303, response.text
        assert not response.headers["location"].startswith(("/", "http"))
        return web.get(urljoin(response.url, response.headers["location"]), timeout=30)

    def send(url: str, **form: str) -> requests.Response:
        return web.post(url, data=form, allow_redirects=False, timeout=30)

    first = web.get(root, timeout=30)
    service = urljoin(root, re.findall(r'href="([^"]*services/aes)"', first.text)[0])
    assert service == f"{root}services/aes"
    style = urljoin(root, re.findall(r'href="([^"]*\.css)"', first.text)[0])
    assert web.get(style, timeout=30).headers["content-type"].startswith("text/css")

    step = follow(send(f"{service}/holds", first_free="true", conditions_accepted="true"))
    assert step.url.startswith(f"{root}holds/")
    hold = step.url
    challenge = HIDDEN.findall(step.text)[0]
    step = follow(send(f"{hold}/captcha/answer", challenge=challenge, answer=ANSWER))
    assert step.url == hold
    born = {"birth_day": "17", "birth_month": "mai", "birth_year": "1990"}
    details = {name: value for name, value in awa.items() if name != "birth_date"} | born
    check_page = send(f"{hold}/details", **details)
    assert check_page.status_code == 200
    assert awa["email"] in check_page.text
    step = follow(send(f"{hold}/details", **details, checked="true"))
    assert step.url == hold
    link = visitor.url(visitor.link(awa["email"]))
    page = web.get(link, timeout=30)
    action = urljoin(link, re.findall(r'action="([^"]*/confirmation)"', page.text)[0])
    assert action == f"{link}/confirmation"
    step = follow(send(action))
    assert step.url == link
    assert "confirmé" in step.text


# Weight


def compressed_size(response: requests.Response) -> int:
    """Return the size as API Gateway compresses it; the local stack does not compress."""
    assert response.status_code == 200
    return len(gzip.compress(response.content, 6, mtime=0))


def test_the_first_page_and_the_calendar_are_within_their_size_limits(visitor: Visitor) -> None:
    page = visitor.get("/services/aes", **PAGE)
    style = visitor.get(urljoin("/services/aes", re.findall(r'href="([^"]*\.css)"', page.text)[0]))
    home = visitor.get("/", **PAGE)
    assert max(compressed_size(page), compressed_size(home)) + compressed_size(style) <= FIRST_PAGE
    assert compressed_size(visitor.get("/services/aes/slots")) <= CALENDAR
    assert compressed_size(visitor.get("/services/aes/slots", **PAGE)) <= CALENDAR
