"""A planner closes desks on the pages: what they see first, what is refused, and what the history then says."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from chalicelib.desk import closing, register
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import Unavailable
from chalicelib.domain.seat import BY_RULES, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import desk_store, items, seat_maintenance, seat_store
from chalicelib.web import desk_absence_views
from infra.local import practice_day
from infra.local.provider import Provider
from tests.client import Answer, Page, change, wednesday
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited
from tests.unit.rendering.samples import FRENCH
from tests.unit.web.pages import Tags, text_of

pytestmark = pytest.mark.slow

ABSENCE = "/desk/aes/absence"
HISTORY = "/desk/aes/history"


@pytest.fixture
def planner(service: Service, provider: Provider, clock: Clock) -> Desk:  # noqa: ARG001  # the service is there for its effect
    """Give the browser of a planner who is signed in."""
    return browser("agnes", provider, clock.now)


def browser(subject: str, provider: Provider, now: datetime, role: Role = Role.PLANNER) -> Desk:
    invited(subject, now, role)
    desk = Desk(provider)
    desk.sign_in(subject)
    return desk


def key(minute: int = 0, desk: int = 1, weeks: int = 1) -> SeatKey:
    return SeatKey(wednesday(weeks).date(), time(10, minute), desk, "aes")


def book(service: Service, seat: SeatKey, number: int, **changes: str) -> None:
    """Book a seat for an invented person."""
    details = replace(practice_day.details(number), **changes)  # type: ignore[arg-type]  # texts only
    for item in practice_day.booking(service, keys(), seat, details, service.start_of(seat) - timedelta(days=1)):
        item.save()


@pytest.fixture
def morning(service: Service) -> Service:
    """Two people are booked on the Wednesday of next week: at 10:00 at desk 1, at 10:05 at desk 2."""
    book(service, key(), 1, first_name="Awa", last_name="Exemple")
    book(service, key(5, 2), 2, first_name="Ben", last_name="Bexemple", email="", phone="06 12 34 56 99")
    return service


def read(html: str) -> str:
    """Return the text of a page, with a space for each tag."""
    return text_of(html.replace("<", " <")).replace(" ,", ",")


def states() -> set[State]:
    return {seat.state for seat in seats()}


def seats(weeks: int = 1) -> list[Seat]:
    return seat_store.read_day("aes", key(weeks=weeks).day)


def fill_in(desk: Desk, **fields: str) -> Answer:
    """Send the form of a closing: next Wednesday, unless the fields say another day."""
    return desk.post(ABSENCE, **{"first": f"{key().day}", **fields})


def preview(desk: Desk, **fields: str) -> str:
    """Send the form, for all desks unless the fields name some, and return the page that follows."""
    answer = fill_in(desk, **(fields or {"all": "on"}))
    assert answer.status == 303, read(answer.text)
    return desk.get(answer.headers["Location"].removeprefix("../..")).text


def press(desk: Desk, page: str, **fields: str) -> Answer:
    """Press the button that closes."""
    (form,) = [form for form in Page(page).forms if "seen" in form.fields]
    return desk.post(ABSENCE, **{**form.fields, "do": "close", **fields})


def follow(desk: Desk, answer: Answer) -> str:
    """Return the text of the page that a redirect leads to."""
    assert answer.status == 303, read(answer.text)
    return read(desk.get(answer.headers["Location"].removeprefix("../..").partition("#")[0]).text)


def changes(desk: Desk) -> list[str]:
    """Return the lines of the history."""
    return read(desk.get(HISTORY).text).split("Fermeture : ")[1:]


@pytest.mark.usefixtures("morning")
def test_a_planner_sees_who_is_booked_and_what_they_are_offered_before_anything_closes(planner: Desk) -> None:
    before = seats()
    shown = read(preview(planner))
    assert "Places à fermer 6" in shown
    assert "10 h 00, guichet 1 Exemple Awa attendu lettre par e-mail" in shown
    assert "10 h 05, guichet 2 Bexemple Ben attendu à prévenir : 06 12 34 56 99" in shown
    assert f"{key(weeks=2).day.day} décembre 2026 : 2 places, à 10 h 00" in shown
    assert seats() == before


@pytest.mark.usefixtures("morning")
def test_a_closing_says_what_it_did_and_whom_no_letter_reaches(planner: Desk, clock: Clock) -> None:
    page = preview(planner)
    answer = press(planner, page)
    shown = follow(planner, answer)
    assert states() == {State.CLOSED}
    assert "C’est fermé : 6 places" in shown
    assert "2 personnes peuvent choisir une autre date avant le " in shown
    assert "À prévenir vous-même" in shown
    assert "Bexemple Ben, 10 h 05, guichet 2 : 06 12 34 56 99" in shown
    assert "Exemple Awa" not in shown
    assert follow(planner, press(planner, page)) == shown  # pressed twice
    (line,) = changes(planner)
    assert f"{FRENCH.long_date(key().day)}, toute la journée, tous les guichets" in line
    assert "6 places fermées, 2 personnes déplacées, 2 places gardées" in line
    name = f"{key().day:%Y%m%d}.0000-2359.all"
    acts = {row.act: row.facts for row in desk_store.read_audit("aes", clock.now.astimezone(UTC).date())}
    assert acts["close"] == {"closing": name}
    assert acts.keys() >= {"view history", f"view absence {name}"}


@pytest.mark.usefixtures("morning")
def test_what_was_closed_by_mistake_opens_again_except_what_somebody_has_lost(planner: Desk, clock: Clock) -> None:
    shown = planner.get(
        press(planner, preview(planner)).headers["Location"].removeprefix("../..").partition("#")[0]
    ).text
    assert "Rouvrir 4 places" in read(shown)
    (form,) = [form for form in Page(shown).forms if "Rouvrir 4 places" in form.buttons]
    clock.move(timedelta(seconds=5))
    reopen = {**form.fields, "do": "reopen"}
    opened = follow(planner, planner.post(ABSENCE, **reopen))
    assert "C’est rouvert" in opened
    assert "2 places restent fermées" in opened
    assert [seat.key for seat in seats() if seat.state is State.CLOSED] == [key(), key(5, 2)]
    assert follow(planner, planner.post(ABSENCE, **reopen)) == opened
    assert read(planner.get(HISTORY).text).count("4 places rouvertes") == 1


@pytest.mark.usefixtures("morning")
def test_some_hours_of_a_desk_on_several_days_are_closed_and_nothing_else(planner: Desk) -> None:
    page = preview(planner, last=f"{key(weeks=2).day}", start="10:05", end="10 h 10", **{"desk-1": "on"})
    assert "de 10 h 05 à 10 h 10, guichet 1" in read(page)
    follow(planner, press(planner, page))
    closed = [seat.key for week in (1, 2) for seat in seats(week) if seat.state is State.CLOSED]
    assert closed == [key(5), key(5, weeks=2)]


def test_nobody_who_is_called_or_has_arrived_is_displaced(planner: Desk, morning: Service, clock: Clock) -> None:
    seat = key()
    clock.now = morning.start_of(seat) - timedelta(minutes=5)
    planner.sign_in("agnes")
    register.arrive(morning, seat, "a" * 16, clock.now)
    today = {"first": f"{seat.day}", "all": "on"}
    page = preview(planner, **today)
    assert "On ne peut pas fermer : 1 personne est là" in read(page)
    assert "1000A Exemple Awa, 10 h 00, guichet 1 : arrivé 9 h 55" in read(page)
    assert 'value="close"' not in page
    register.undo(morning, seat, State.ARRIVED, "a" * 16, clock.now)
    page = preview(planner, **today)
    change(seat, items.SeatItem.state.set(State.CALLED), items.SeatItem.called_to.set(1))
    answer = press(planner, page, short="on")  # called after the preview
    assert (answer.status, "1000A Exemple Awa" in read(answer.text)) == (409, True)
    found = {seat.state for seat in seats(weeks=0)}
    assert found == {State.OPEN, State.CALLED, State.CONFIRMED}


@pytest.mark.usefixtures("morning")
def test_a_preview_that_is_out_of_date_closes_nothing_and_shows_the_new_one(planner: Desk, morning: Service) -> None:
    page = preview(planner)
    book(morning, key(10), 3, last_name="Fexemple")
    answer = press(planner, page)
    assert (answer.status, "Des rendez-vous ont changé depuis" in answer.text) == (409, True)
    assert "10 h 10, guichet 1 Fexemple" in read(answer.text)
    assert State.CLOSED not in states()
    assert press(planner, answer.text).status == 303
    assert states() == {State.CLOSED}


@pytest.mark.usefixtures("morning")
def test_more_applicants_than_other_seats_need_a_tick(planner: Desk, clock: Clock) -> None:
    for seat in seats(weeks=2)[1:]:
        assert seat_maintenance.close(seat.key, BY_RULES, clock.now)
    page = preview(planner)
    assert "Il manque 1 place" in read(page)
    answer = press(planner, page)
    assert (answer.status, "Cochez cette case pour fermer quand même." in read(answer.text)) == (422, True)
    assert State.CLOSED not in states()
    assert press(planner, answer.text, short="on").status == 303
    assert states() == {State.CLOSED}


@pytest.mark.usefixtures("morning")
def test_two_planners_at_once_close_each_seat_once(planner: Desk, provider: Provider, clock: Clock) -> None:
    basile = browser("basile", provider, clock.now)
    first, second = preview(planner), preview(basile)
    shown = follow(planner, press(planner, first))
    assert follow(basile, press(basile, second)) == shown.replace("Agnès", "Basile")
    assert len(changes(planner)) == 1


@pytest.mark.usefixtures("morning")
def test_a_large_closing_goes_on_with_the_same_button(
    planner: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_absence_views, "MOST_WRITES", 3)
    page = preview(planner)
    for left in (5, 2):
        shown = planner.get(press(planner, page).headers["Location"].removeprefix("../..").partition("#")[0]).text
        assert f"{left} à fermer encore" in read(shown)
        assert f"Continuer : fermer {left} place" in read(shown)
        page = shown
        clock.move(timedelta(seconds=5))
    assert "C’est fermé : 6 places" in follow(planner, press(planner, page))
    assert len(changes(planner)) == 3


@pytest.mark.usefixtures("morning")
def test_an_interrupted_closing_is_in_the_history_and_goes_on(planner: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = preview(planner)
    with monkeypatch.context() as patch:
        patch.setattr(closing, "close", interrupted)
        assert press(planner, page).status == 503
    assert "interrompu" not in read(planner.get(HISTORY).text)
    assert len(changes(planner)) == 1
    assert "C’est fermé : 6 places" in follow(planner, press(planner, page))


def interrupted(*_: object, **__: object) -> None:
    raise Unavailable


def test_a_form_with_a_mistake_says_which_and_keeps_the_rest(planner: Desk) -> None:
    answer = fill_in(planner, start="25:00", end="11:59", **{"desk-2": "on"})
    assert (answer.status, "Écrivez une heure, par exemple 09:15." in read(answer.text)) == (422, True)
    inputs = {a["name"]: a for a in Tags(answer.text).all("input") if "name" in a}
    assert (inputs["start"]["value"], inputs["end"]["value"]) == ("25:00", "11:59")
    assert [name for name, a in inputs.items() if "checked" in a] == ["desk-2"]


def test_a_desk_that_the_service_does_not_have_is_refused(planner: Desk) -> None:
    answer = fill_in(planner, **{"desk-9": "on"})
    shown = planner.get(answer.headers["Location"].removeprefix("../.."))
    assert (shown.status, "Ce service n’a pas ce guichet." in shown.text) == (422, True)


def test_hours_without_seats_have_nothing_to_close(planner: Desk) -> None:
    page = preview(planner, start="18:00", all="on")
    assert "Il n’y a aucune place à fermer" in read(page)
    later = preview(planner, first=f"{key(weeks=4).day}", all="on")
    assert "6 places de ces jours n’existent pas encore" in read(later)


def test_an_agent_can_neither_close_nor_see_the_history(
    service: Service,  # noqa: ARG001  # it is there for its effect
    provider: Provider,
    clock: Clock,
) -> None:
    agent = browser("basile", provider, clock.now, Role.AGENT)
    assert {agent.get(path).status for path in (ABSENCE, HISTORY)} == {403}
    assert fill_in(agent, all="on").status == 403
    assert fill_in(agent, all="on", do="close", seen="x").status == 403
    assert ABSENCE.removeprefix("/") not in agent.get("/desk/aes/day").text


@pytest.mark.usefixtures("morning")
def test_a_session_that_ends_keeps_the_form_and_leads_back_to_the_preview(planner: Desk, clock: Clock) -> None:
    page, csrf = preview(planner), planner.csrf()
    clock.move(timedelta(minutes=31))
    answer = fill_in(planner, csrf=csrf, start="10:05", **{"desk-2": "on"})
    assert (answer.status, "ce que vous avez écrit est gardé" in answer.text) == (401, True)
    planner.sign_in("agnes")
    inputs = {a["name"]: a for a in Tags(planner.get(ABSENCE).text).all("input") if "name" in a}
    assert (inputs["first"]["value"], inputs["start"]["value"]) == (f"{key().day}", "10:05")
    assert [name for name, a in inputs.items() if "checked" in a] == ["desk-2"]
    clock.move(timedelta(minutes=31))
    answer = press(planner, page)
    (link,) = [a["href"] for a in Tags(answer.text).all("a") if "sign-in" in a["href"]]
    assert link.endswith(f"?to=desk/aes/absence%3Ffirst%3D{key().day}%26desks%3Dall")
    assert State.CLOSED not in states()
