"""Booking for somebody on its pages: by phone, for a family, by an association, in a draw; and what is never lost."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.desk import accounts
from chalicelib.domain import timetable
from chalicelib.domain.agent import Role
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import entry_store, person_store, seat_store, service_store
from infra.local.provider import Provider
from tests.client import Answer, get, wednesday
from tests.conftest import Clock, document, fill
from tests.unit.allocation import entrants
from tests.unit.desk.office import Desk, invited
from tests.unit.web.pages import Tags, text_of

pytestmark = pytest.mark.slow

BOOK = "/desk/aes/book"
AWA = {"last_name_1": "Exemple", "first_name_1": "Awa", "birth_date_1": "17/05/1990", "phone": "06 12 34 56 78"}
FAMILY = {
    **AWA,
    "people": "3",
    "email": "awa@example.org",
    "language": "ar",
    "last_name_2": "Exemple",
    "first_name_2": "Moussa",
    "birth_date_2": "01/02/1988",
    "last_name_3": "Exemple",
    "first_name_3": "Fatoumata",
    "birth_date_3": "03/04/2015",
}
SignedIn = Callable[..., Desk]


@pytest.fixture
def signed_in(service: Service, provider: Provider, clock: Clock) -> SignedIn:  # noqa: ARG001  # the service is there for its effect
    """Give the browser of an agent who is signed in."""

    def enter(subject: str = "basile", role: Role = Role.AGENT) -> Desk:
        invited(subject, clock.now, role)
        desk = Desk(provider)
        desk.sign_in(subject)
        return desk

    return enter


@pytest.fixture
def helper(table: None, provider: Provider, clock: Clock) -> Desk:  # noqa: ARG001  # the table is there for its effect
    """Give the browser of an association, in a service with four seats a day for the desk alone."""
    opening = {"days": ["wednesday"], "from": "10:00", "to": "10:15"}
    planning = {"desks": [1, 2], "internal": 4, "openings": [opening]}
    release = {"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]}
    limits = {"domain_requests": 0, "association_bookings": 2}
    times = {"notice_hours": 24}
    fill(service_store.put(document(plannings=[planning], release=release, times=times, limits=limits)), clock.now)
    invited("gisele", clock.now, Role.ASSOCIATION)
    desk = Desk(provider)
    desk.sign_in("gisele")
    return desk


def typed(answer: Answer) -> dict[str, str]:
    """Return what is in the fields of a form."""
    tags = Tags(answer.text)
    return {a["name"]: a.get("value", "") for a in tags.all("input") if a.get("name") not in {None, "csrf", "secret"}}


def at(minute: int = 0, weeks: int = 1) -> str:
    """Return the id of the seat of desk 1 at ten past ten and so on, on the Wednesday of the next week."""
    return f"{wednesday(weeks):%Y%m%d}.10{minute:02}.1"


def seat(minute: int = 0) -> Seat:
    return seat_store.read(SeatKey.parse(f"aes.{at(minute)}"))


def here(minute: int = 0) -> str:
    """Return the page of who has a seat."""
    return f"/desk/aes/seats/aes.{at(minute)}"


def book(desk: Desk, **fields: str) -> Answer:
    shown = Tags(desk.get(f"{BOOK}?seat={fields.get('seat', at())}").text)
    (secret,) = [a["value"] for a in shown.all("input") if a.get("name") == "secret"]
    return desk.post(BOOK, **{"do": "book", "seat": at(), "secret": secret, **AWA, **fields})


def test_by_phone_without_an_e_mail_address_the_paper_prints_at_once(signed_in: SignedIn) -> None:
    desk = signed_in()
    seats = desk.get(BOOK)
    assert at() in desk.get(f"{BOOK}?date={wednesday():%Y-%m-%d}").text
    assert "autofocus" in next(a for a in Tags(seats.text).all("button") if a.get("name") == "seat")
    answer = book(desk)
    assert answer.headers["Location"] == f"../..{here()}/convocation?done=booked"
    paper = desk.get(f"{here()}/convocation?done=booked")
    text = text_of(paper.text)
    assert "C’est réservé Awa Exemple : mercredi " in text
    assert ", 10 h 00, guichet 1, numéro 1000A" in text
    assert ('data-now="yes"' in paper.text, "e-mail" in text.partition("Convocation")[2]) == (True, False)
    assert seat().state is State.CONFIRMED
    assert 'data-now="yes"' not in desk.get(f"{here()}/convocation").text  # printed again by hand
    assert "1000A" in text_of(desk.get(f"{here()}/label").text)


def test_one_paper_names_a_family_in_its_language_and_each_can_be_cancelled_alone(signed_in: SignedIn) -> None:
    desk = signed_in()
    assert book(desk, **FAMILY).status == 303
    text = text_of(desk.get(f"{here()}/convocation?done=booked").text)
    for part in ("1000A", "1005A", "1010A", "Fatoumata Exemple", "part aussi par e-mail", "الأشخاص المستدعون"):
        assert part in text
    assert [seat(minute).state for minute in (0, 5, 10)] == [State.CONFIRMED] * 3
    renamed = desk.post(f"{here(5)}/details", **{**typed(desk.get(f"{here(5)}/details")), "first_name_1": "Musa"})
    assert renamed.status == 303  # the family shares its e-mail address
    cancelled = f"{here(5)}/cancellation"
    hold = seat(5).hold
    assert "Les autres personnes" in text_of(desk.get(cancelled).text)
    assert desk.post(cancelled, hold=hold).headers["Location"].endswith("cancellation?done=yes")
    assert "Le rendez-vous est annulé" in text_of(desk.get(f"{cancelled}?done=yes").text)
    assert "Musa" not in text_of(desk.get(f"{here()}/convocation").text)


def test_a_second_press_of_the_button_books_once(signed_in: SignedIn) -> None:
    desk = signed_in()
    form = {"do": "book", "seat": at(), "secret": "s" * 52, **AWA}
    first, second = desk.post(BOOK, **form), desk.post(BOOK, **form)
    assert first.headers["Location"] == second.headers["Location"]


def test_a_mistake_keeps_what_was_typed_and_names_each_person(signed_in: SignedIn) -> None:
    answer = book(signed_in(), **{**FAMILY, "last_name_2": "", "birth_date_3": "31/02/2015"})
    assert (answer.status, seat().state) == (422, State.OPEN)
    assert "Nom (personne 2)&nbsp;: Écrivez le nom." in text_of(answer.text)
    assert typed(answer) | {"last_name_2": "", "birth_date_3": "31/02/2015"} == typed(answer)
    assert {name: typed(answer)[name] for name in AWA} == AWA


def test_who_has_a_request_is_shown_to_an_agent_and_nothing_is_lost(signed_in: SignedIn) -> None:
    desk = signed_in()
    assert book(desk).status == 303
    answer = book(desk, seat=at(5), email="other@example.org")
    text = text_of(answer.text)
    assert (answer.status, "Cette personne a déjà un rendez-vous" in text) == (409, True)
    assert f"seats/aes.{at()}" in answer.text
    assert typed(answer)["email"] == "other@example.org"


def test_an_address_that_somebody_else_uses_is_a_warning_and_a_tick_goes_on(signed_in: SignedIn) -> None:
    desk = signed_in()
    assert book(desk, email="awa@example.org", first_name_1="Moussa").status == 303
    answer = book(desk, seat=at(5), email="awa@example.org")
    assert (answer.status, seat(5).state) == (409, State.OPEN)
    assert "share_email" in typed(answer)
    assert book(desk, seat=at(5), email="awa@example.org", share_email="on").status == 303


def test_more_people_another_hour_and_fewer_people_keep_what_was_typed(signed_in: SignedIn) -> None:
    desk = signed_in()
    more = desk.post(BOOK, do="add", seat=at(), people="1", **AWA)
    assert (typed(more)["people"], typed(more)["last_name_1"], "last_name_2" in typed(more)) == ("2", "Exemple", True)
    other = desk.post(BOOK, do="choose", seat=at(), people="2", **AWA)
    assert (typed(other)["last_name_1"], 'name="seat"' in other.text) == ("Exemple", True)
    back = desk.post(BOOK, seat=at(5), people="2", **AWA)
    assert (typed(back)["seat"], typed(back)["last_name_1"]) == (at(5), "Exemple")
    assert typed(desk.post(BOOK, do="remove", seat=at(), people="2", **AWA))["people"] == "1"


def test_a_family_larger_than_the_rest_of_the_morning_is_told_and_chooses_another_hour(signed_in: SignedIn) -> None:
    desk = signed_in()
    answer = desk.post(BOOK, do="add", seat=at(10), people="1", **AWA)
    assert ("n’a pas assez de places" in answer.text, typed(answer)["last_name_1"]) == (True, "Exemple")
    assert at(5) in answer.text
    assert "at(10)" not in answer.text
    four = desk.get(f"{BOOK}?people=4")
    assert (four.status, "Au plus 3 à la suite" in text_of(four.text)) == (200, True)


def test_the_end_of_a_session_loses_nothing_not_even_six_people_with_long_names(
    signed_in: SignedIn, clock: Clock
) -> None:
    desk = signed_in()
    csrf = desk.csrf()
    clock.move(timedelta(minutes=31))
    answer = desk.post(BOOK, csrf=csrf, do="book", seat=at(), **FAMILY)
    assert (answer.status, "vous le retrouverez" in answer.text, seat().state) == (401, True, State.OPEN)
    desk.sign_in("basile")
    shown = typed(desk.get(BOOK))
    kept = {**FAMILY, "seat": at()}
    del kept["language"]  # a list, not a field
    assert {name: shown[name] for name in kept} == kept


def test_what_is_too_long_for_a_cookie_waits_in_the_page_itself(signed_in: SignedIn, clock: Clock) -> None:
    desk = signed_in()
    csrf = desk.csrf()
    clock.move(timedelta(minutes=31))
    long = {f"{name}_{number}": "Ñ" * 99 for number in range(1, 7) for name in ("last_name", "first_name")}
    answer = desk.post(BOOK, csrf=csrf, do="book", seat=at(), **{**AWA, "people": "6", **long})
    assert (answer.status, "Retrouver ma saisie" in answer.text, 'target="_blank"' in answer.text) == (401, True, True)
    carried = typed(answer)
    desk.sign_in("basile")
    again = desk.post(BOOK, csrf="", **carried)
    assert (again.status, typed(again)["last_name_6"], seat().state) == (403, "Ñ" * 99, State.OPEN)


def test_a_form_of_another_session_books_nothing_and_keeps_what_was_typed(signed_in: SignedIn) -> None:
    answer = signed_in().post(BOOK, csrf="x" * 52, do="book", seat=at(), **AWA)
    assert (answer.status, typed(answer)["last_name_1"], seat().state) == (403, "Exemple", State.OPEN)


def test_an_association_books_its_own_seats_prints_once_and_sees_nothing_else(helper: Desk, clock: Clock) -> None:
    assert helper.get("/desk").headers["Location"] == "desk/aes/book"
    seats = helper.get(BOOK)
    assert "Cette semaine : 0 sur 2 réservations" in text_of(seats.text)
    assert "Places ouvertes" not in seats.text
    (first, *_rest) = re.findall(r'name="seat" value="([^"]+)"', seats.text)
    answer = book(helper, seat=first)
    assert (answer.status, "C’est réservé Awa Exemple" in text_of(answer.text)) == (201, True)
    assert "/seats/" not in answer.text
    for page in ("day", "print", "evening", f"seats/aes.{first}", f"seats/aes.{first}/convocation", "accounts"):
        assert helper.get(f"/desk/aes/{page}").status == 403
    assert helper.post(f"/desk/aes/seats/aes.{first}/cancellation", hold="x").status == 403
    day = [f"{at(minute)[:-1]}{unit}" for minute in (0, 5, 10) for unit in (1, 2)]
    service = service_store.read("aes", clock.now)
    internal = timetable.internal_seats(service, f"{wednesday():%G-W%V}")
    public = next(row for row in day if SeatKey.parse(f"aes.{row}") not in internal)
    assert helper.post(BOOK, do="book", seat=public, **{**AWA, "first_name_1": "Moussa"}).status == 409


def test_an_association_learns_of_a_request_that_there_is_one_and_no_more_and_stops_at_its_ceiling(
    helper: Desk,
) -> None:
    first, second = re.findall(r'name="seat" value="([^"]+)"', helper.get(BOOK).text)[:2]
    assert book(helper, seat=first).status == 201
    known = book(helper, seat=second)
    assert (known.status, "Une seule demande est possible" in text_of(known.text)) == (409, True)
    assert "/seats/" not in known.text
    assert book(helper, seat=second, first_name_1="Fatoumata").status == 201
    (third,) = re.findall(r'name="seat" value="([^"]+)"', helper.get(f"{BOOK}?date={wednesday():%Y-%m-%d}").text)[-1:]
    over = book(helper, seat=third, first_name_1="Mariam")
    assert (over.status, "nombre de réservations de la semaine (2)" in text_of(over.text)) == (409, True)


def test_in_a_draw_the_form_asks_for_half_days_and_the_receipt_prints(
    provider: Provider,
    table: None,  # noqa: ARG001  # it is there for its effect
    clock: Clock,
) -> None:
    clock.now = entrants.NOW
    entrants.put_service()
    invited("basile", clock.now, Role.AGENT)
    desk = Desk(provider)
    desk.sign_in("basile")
    assert "preference_1" in desk.get(BOOK).text
    wrong = desk.post(BOOK, do="book", **AWA)
    assert (wrong.status, typed(wrong)["last_name_1"]) == (422, "Exemple")
    answer = desk.post(BOOK, do="book", secret="s" * 52, preference_1="tue-am", preference_2="any", **AWA)
    assert (answer.status, "Votre reçu" in answer.text, 'data-now="yes"' in answer.text) == (201, True, True)
    (entry,) = entry_store.read_all("aes")
    person = person_store.read(entry.person, "aes")
    assert person
    assert accounts.name_of(person.booked_by) == "Basile Exemple"


def test_an_agent_changes_details_and_the_date_later(signed_in: SignedIn) -> None:
    desk = signed_in()
    book(desk)
    person = here()
    for page in ("convocation", "label", "details", "move", "cancellation"):
        assert f"{person[1:]}/{page}" in desk.get(person).text
    shown = typed(desk.get(f"{person}/details"))
    assert shown["birth_date_1"] == "17/05/1990"
    wrong = desk.post(f"{person}/details", **{**shown, "phone": "x", "last_name_1": "Bexemple"})
    assert (wrong.status, typed(wrong)["last_name_1"]) == (422, "Bexemple")
    answer = desk.post(f"{person}/details", **{**shown, "last_name_1": "Bexemple"})
    assert answer.headers["Location"].endswith(f"{at()}/convocation?done=changed")
    assert "Bexemple" in desk.get(person).text
    hold = seat().hold
    assert f'value="{at(5)}"' in desk.get(f"{person}/move?date={wednesday():%Y-%m-%d}").text
    assert desk.post(f"{person}/move", hold=hold, seat="x").status == 422
    moved = desk.post(f"{person}/move", hold=hold, seat=at(5))
    assert moved.headers["Location"].endswith(f"aes.{at(5)}/convocation?done=moved")
    assert (seat().state, seat(5).state) == (State.OPEN, State.CONFIRMED)


def test_a_viewer_books_nothing_and_only_planners_receive_walk_ins(signed_in: SignedIn) -> None:
    viewer, agent = signed_in("chloe", Role.VIEWER), signed_in()
    assert (viewer.get(BOOK).status, book_status(viewer), seat().state) == (403, 403, State.OPEN)
    assert agent.get(f"{BOOK}?walk_in=yes").status == 403
    assert agent.post(BOOK, do="book", seat=at(), walk_in="yes", **AWA).status == 403


def test_a_planner_receives_somebody_on_the_day_although_the_notice_is_over(signed_in: SignedIn, clock: Clock) -> None:
    clock.now = wednesday(0) + timedelta(minutes=2)
    desk, now = signed_in("denis", Role.PLANNER), at(weeks=0)
    assert desk.post(BOOK, do="book", seat=now, **AWA).status == 409  # not as an ordinary booking
    form = desk.get(f"{BOOK}?seat={now}&walk_in=yes")
    assert (typed(form)["walk_in"], typed(form)["seat"]) == ("yes", now)
    answer = desk.post(BOOK, do="book", secret="s" * 52, **{**typed(form), **AWA})
    assert answer.headers["Location"].endswith(f"{now}/convocation?done=booked")


def book_status(desk: Desk) -> int:
    return desk.post(BOOK, do="book", seat=at(), **AWA).status


@pytest.mark.parametrize("query", ["seat=x", "people=x", "people=0", "date=x", "seat=20261332.1000.1", "seat="])
def test_odd_values_in_the_url_show_the_free_seats(signed_in: SignedIn, query: str) -> None:
    answer = signed_in().get(f"{BOOK}?{query}")
    assert (answer.status, 'name="seat"' in answer.text) == (200, True)


@pytest.mark.parametrize("ref", ["x", "aes.20261332.1000.1", "other.20261203.1000.1", "aes.20261202.1000.2"])
def test_a_seat_without_an_appointment_has_no_paper_and_nothing_to_change(signed_in: SignedIn, ref: str) -> None:
    desk = signed_in()
    for page in ("convocation", "label", "details", "move", "cancellation"):
        assert desk.get(f"/desk/aes/seats/{ref}/{page}").status == 404


def test_the_applicant_sees_who_comes_with_them(signed_in: SignedIn) -> None:
    book(signed_in(), **FAMILY)
    seat = seat_store.read(SeatKey.parse(f"aes.{at(5)}"))
    link = keys().link_token(seat.key, seat.hold, seat.generation)
    page = text_of(get(f"/requests/{link}", Accept="text/html").text)
    for part in ("pris ce rendez-vous pour vous", "10 h 00 – Awa Exemple", "seulement celui de Moussa Exemple"):
        assert part in page
    paper = text_of(get(f"/requests/{link}/convocation", Accept="text/html").text)
    assert "Fatoumata Exemple" in paper
