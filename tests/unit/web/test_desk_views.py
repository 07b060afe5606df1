"""A day at the desk, on its pages: who may do what, what a refusal says, and what bad input leads to."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest

from chalicelib.domain.agent import Role
from chalicelib.domain.seat import State
from tests.conftest import Clock
from tests.unit.web.desk_day import NAMES, SignedIn, Today, signed_in, today
from tests.unit.web.pages import Tags, text_of

__all__ = ["signed_in", "today"]
pytestmark = pytest.mark.slow
LIST = "/desk/aes/day"


def test_sign_in_leads_to_today_s_list(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    answer = desk.get("/desk")
    assert (answer.status, answer.headers["Location"]) == (303, "desk/aes/day")
    shown = desk.get(LIST)
    assert (shown.status, shown.headers["Cache-Control"]) == (200, "no-store")
    assert re.findall(r"<tr id=\"r(\S+)\"", shown.text) == list(map(today.row, range(3)))
    assert "1970" not in shown.text  # no date of birth


def test_one_press_notes_an_arrival_and_returns_to_its_row(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    answer = desk.post(LIST, do=f"arrived.{today.row(1)}", date=today.date, show="planned")
    assert (
        answer.headers["Location"]
        == f"../../desk/aes/day?date={today.date}&show=planned&at={today.row(1)}#r{today.row(1)}"
    )
    assert today.state(1) is State.ARRIVED
    shown = desk.get(f"{LIST}?date={today.date}&show=planned&at={today.row(1)}")
    assert "Exemplaire Awa, 10 h 05, guichet 1 : arrivé 10 h 10" in text_of(shown.text)
    assert f'<tr id="r{today.row(1)}" tabindex="-1"' in shown.text  # although the filter has no arrivals
    desk.post(LIST, do=f"undo-arrived.{today.row(1)}")
    assert today.state(1) is State.CONFIRMED


def test_ticked_rows_are_noted_at_once_and_the_others_are_named(signed_in: SignedIn, today: Today) -> None:
    basile, agnes = signed_in(), signed_in("agnes")
    agnes.post(LIST, do=f"missed.{today.row(0)}")
    answer = basile.post(LIST, do="seen", date=today.date, **{today.row(number): "on" for number in range(3)})
    assert (answer.status, today.state(0), today.state(1), today.state(2)) == (
        409,
        State.MISSED,
        State.SEEN,
        State.SEEN,
    )
    text = text_of(answer.text)
    assert "2 sur 3 sont notés" in text
    assert "Exemple Awa, 10 h 00, guichet 1 : Agnès Exemple a déjà noté « absent » à 10 h 10." in text
    answer = basile.post(LIST, do="seen", **{today.row(1): "on"})
    assert answer.headers["Location"].endswith("&done=seen&count=1")
    assert "Noté pour 1 personne : reçu" in text_of(basile.get(f"{LIST}?done=seen&count=1").text)


def test_a_colleague_who_was_first_is_named_and_nothing_changes(signed_in: SignedIn, today: Today) -> None:
    basile, agnes = signed_in(), signed_in("agnes")
    agnes.post(LIST, do=f"arrived.{today.row(0)}")
    for path in (LIST, f"{today.page(0)}"):
        answer = basile.post(path, do=f"arrived.{today.row(0)}")
        assert answer.status == 409
        assert "Agnès Exemple a déjà noté « arrivé » à 10 h 10. Rien n’a été changé." in text_of(answer.text)
    assert basile.post(LIST, do=f"undo-arrived.{today.row(0)}").status == 409
    assert today.state(0) is State.ARRIVED


def test_a_name_leads_to_the_person_and_from_there_back_to_the_search_box(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    answer = desk.post("/desk/aes/search", q="moussa")
    assert answer.headers["Location"] == f"../..{today.page(2)}"
    shown = desk.get(today.page(2))
    assert all(text in shown.text for text in ("Moussa-Exemple", "20 septembre 1970", "06 12 34 56 78"))
    answer = desk.post(today.page(2), do=f"seen.{today.row(2)}")
    assert (answer.headers["Location"], today.state(2)) == (f"../../../desk/aes/day?at={today.row(2)}", State.SEEN)


def test_many_results_are_listed_and_the_words_are_in_no_url(signed_in: SignedIn) -> None:
    answer = signed_in().post("/desk/aes/search", q="exempl")
    assert (answer.status, "<h1>3 résultats</h1>" in answer.text) == (200, True)
    assert not [a for a in Tags(answer.text).all("a", "form") if "exempl" in a.get("href", a.get("action", ""))]
    assert [a["value"] for a in Tags(answer.text).all("input") if a["name"] == "q"] == ["exempl"]


def test_with_the_box_ticked_a_scan_is_an_arrival_and_the_next_one_can_follow(
    signed_in: SignedIn, today: Today
) -> None:
    desk = signed_in()
    scanned = today.reference(0).lower()
    answer = desk.post("/desk/aes/search", q=scanned, scan="on")
    assert (answer.headers["Location"], today.state(0)) == (
        f"../../desk/aes/day?at={today.row(0)}&scan=on",
        State.ARRIVED,
    )
    (box,) = [a for a in Tags(desk.get(f"{LIST}?at={today.row(0)}&scan=on").text).all("input") if a["name"] == "scan"]
    assert "checked" in box
    desk.post("/desk/aes/search", q="moussa", scan="on")  # a name is no scan
    assert today.state(2) is State.CONFIRMED
    other = signed_in("agnes").post("/desk/aes/search", q=scanned, scan="on")
    assert (other.status, "Basile Exemple a déjà noté « arrivé »" in text_of(other.text)) == (409, True)
    (box,) = [a for a in Tags(other.text).all("input") if a["name"] == "q"]
    assert "autofocus" in box


def test_a_scan_on_another_day_says_when_the_appointment_is(signed_in: SignedIn, today: Today, clock: Clock) -> None:
    desk = signed_in()
    clock.move(timedelta(days=-1, minutes=-5))
    desk.sign_in("basile")
    answer = desk.post("/desk/aes/search", q=today.reference(0), scan="on")
    assert (answer.status, today.state(0)) == (409, State.CONFIRMED)
    assert "son rendez-vous est le " in text_of(answer.text)
    answer = desk.get(f"{today.page(0)}")
    assert "Ce rendez-vous n’est pas aujourd’hui, mais le " in text_of(answer.text)
    assert "arrived." not in answer.text


@pytest.mark.parametrize(
    "words", ["https://example.org/?q=AES-0000000000", "WIFI:S:x;;", "AES-00000-00000", "<b>x</b>", "=1+1", "%00", "'"]
)
def test_a_code_that_is_something_else_finds_nobody_and_is_shown_as_text(signed_in: SignedIn, words: str) -> None:
    answer = signed_in().post("/desk/aes/search", q=words, scan="on")
    assert (answer.status, "Aucun rendez-vous de ce service ne correspond" in answer.text) == (200, True)
    assert Tags(answer.text).open == []
    assert words in text_of(answer.text).replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
    assert Tags(answer.text).all("b") == []


@pytest.mark.parametrize("words", ["", "   ", "x" * 201])
def test_a_search_without_words_or_with_too_many_says_so_in_the_list(signed_in: SignedIn, words: str) -> None:
    answer = signed_in().post("/desk/aes/search", q=words)
    assert answer.status == 422
    (box,) = [a for a in Tags(answer.text).all("input") if a["name"] == "q"]
    assert (box["value"], box["aria-describedby"]) == (words, "q-error")


@pytest.mark.parametrize(
    "fields",
    [{}, {"do": "seen"}, {"do": "erase.x"}, {"do": "seen.20261332.1000.1"}, {"do": "seen", "20261332.1000.1": "on"}],
)
def test_a_form_that_is_none_of_ours_or_has_nothing_ticked_changes_nothing(
    signed_in: SignedIn, fields: dict[str, str], today: Today
) -> None:
    answer = signed_in().post(LIST, **fields)
    assert (answer.status, {today.state(number) for number in range(3)}) == (422, {State.CONFIRMED})


@pytest.mark.parametrize("query", ["date=2026-02-30", "date=x", "date=0001-01-01", "date=9999-12-31"])
def test_a_day_that_does_not_exist_leads_to_today_s_list(signed_in: SignedIn, query: str) -> None:
    desk = signed_in()
    for page in ("day", "print", "export", "evening"):
        answer = desk.get(f"/desk/aes/{page}?{query}")
        assert (answer.status, "Écrivez une date" in answer.text, "aujourd’hui" in answer.text) == (422, True, True)


def test_odd_values_in_the_url_of_the_list_say_nothing(signed_in: SignedIn) -> None:
    desk = signed_in()
    for query in ("show=x", "at=x", "at=20261332.1000.1", "at=20200101.1000.9", "done=seen&count=²", "done=x&count=1"):
        answer = desk.get(f"{LIST}?{query}")
        assert (answer.status, 'id="said"' in answer.text) == (200, False), query


@pytest.mark.parametrize("ref", ["x", "other.20261209.1000.1", "aes.20261209.1000.9", "aes.entry.abcdefgh234567ij"])
def test_a_seat_that_does_not_exist_or_is_of_another_service_is_not_found(
    signed_in: SignedIn, ref: str, today: Today
) -> None:
    desk = signed_in()
    assert desk.get(f"/desk/aes/seats/{ref}").status == 404
    assert desk.post(f"/desk/aes/seats/{ref}", do=f"seen.{today.row(0)}").status == 404
    assert today.state(0) is State.CONFIRMED


def test_a_viewer_sees_the_list_and_no_more(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in("chloe", Role.VIEWER)
    assert {desk.get(f"/desk/aes/{page}").status for page in ("day", "print", "evening")} == {200}
    assert {desk.get(f"/desk/aes/{page}").status for page in ("export", f"seats/{today.key(0).ref}")} == {403}
    for path in (LIST, "/desk/aes/search", f"{today.page(0)}"):
        answer = desk.post(path, do=f"seen.{today.row(0)}", q="moussa")
        assert (answer.status, "Votre compte ne permet pas" in answer.text) == (403, True)
    assert today.state(0) is State.CONFIRMED


def test_an_agent_of_one_service_sees_nothing_of_another(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    for page in ("day", "print", "export", "evening", f"seats/{today.key(0).ref}"):
        assert desk.get(f"/desk/other/{page}").status == 403
    assert desk.post("/desk/other/day", do=f"seen.{today.row(0)}").status == 403


def test_a_form_of_another_session_changes_nothing(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    for csrf in ("", "x" * 52):
        answer = desk.post(LIST, csrf=csrf, do=f"seen.{today.row(0)}")
        assert (answer.status, "Ce formulaire n’est plus valable" in answer.text) == (403, True)
    assert today.state(0) is State.CONFIRMED


def test_a_session_that_ends_in_a_form_keeps_the_ticks_and_the_words(
    signed_in: SignedIn, clock: Clock, today: Today
) -> None:
    desk = signed_in()
    csrf = desk.csrf()
    clock.move(timedelta(minutes=31))
    place = f"desk/aes/day?date={today.date}&show=open"
    answer = desk.post(
        LIST, csrf=csrf, do="seen", date=today.date, show="open", **{today.row(0): "on", today.row(2): "on"}
    )
    assert (answer.status, "ce que vous avez écrit est gardé" in answer.text, today.state(0)) == (
        401,
        True,
        State.CONFIRMED,
    )
    assert desk.sign_in("basile", place.replace("?", "%3F").replace("&", "%26")).headers["Location"] == f"../{place}"
    boxes = {a["name"]: "checked" in a for a in Tags(desk.get(f"/{place}").text).all("input") if "." in a["name"]}
    assert boxes == {today.row(0): True, today.row(1): False, today.row(2): True}
    csrf = desk.csrf()
    clock.move(timedelta(minutes=31))
    assert desk.post("/desk/aes/search", csrf=csrf, q="moussa", date=today.date, show="open").status == 401
    desk.sign_in("basile")
    assert [a["value"] for a in Tags(desk.get(f"/{place}").text).all("input") if a["name"] == "q"] == ["moussa"]


def test_a_refreshed_list_does_not_prolong_the_session(signed_in: SignedIn, clock: Clock) -> None:
    desk = signed_in()
    for _ in range(2):
        clock.move(timedelta(minutes=14))
        assert desk.get(f"{LIST}?live=yes").status == 200
    clock.move(timedelta(minutes=3))
    assert desk.get(LIST).status == 401


def test_sheet_file_and_figures_of_the_day(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in()
    desk.post(LIST, do=f"missed.{today.row(1)}")
    sheet = text_of(desk.get("/desk/aes/print").text)
    assert "3 rendez-vous" in sheet
    assert "10:00 Exemple Awa" in sheet
    answer = desk.get("/desk/aes/export")
    assert (answer.kind, answer.headers["Content-Disposition"]) == (
        "text/csv",
        f'attachment; filename="aes-{today.date}.csv"',
    )
    assert answer.text.startswith("\ufeffHeure;")
    assert "Exemplaire;Awa" in answer.text
    figures = text_of(desk.get("/desk/aes/evening").text)
    assert "Places prévues3 Rendez-vous pris3 : voir la liste" in figures
    assert "Il reste 2 rendez-vous sans suite" in figures


def test_the_figures_of_a_day_and_a_week_have_no_name_and_are_a_file_too(signed_in: SignedIn, today: Today) -> None:
    desk = signed_in("chloe", Role.VIEWER)
    week = f"{today.start:%G-W%V}"
    for page in (f"evening?date={today.date}", f"week?week={week}"):
        answer = desk.get(f"/desk/aes/{page}")
        (link,) = [a for a in Tags(answer.text).all("a") if "download" in a]
        assert f"\r\n{today.date};tous;" in unquote(link["href"])
        assert not [name for name in NAMES[1:] if name in unquote(answer.text)]
    assert "Aucune place cette semaine." in desk.get("/desk/aes/week?week=2030-W01").text


@pytest.mark.parametrize("week", ["2026-W60", "x", "0001-W01", "9999-W52"])
def test_a_week_that_does_not_exist_leads_to_today_s_list(signed_in: SignedIn, week: str) -> None:
    answer = signed_in().get(f"/desk/aes/week?week={week}")
    assert (answer.status, "Écrivez une semaine" in answer.text, "aujourd’hui" in answer.text) == (422, True, True)
