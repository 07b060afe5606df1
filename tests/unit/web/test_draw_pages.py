"""The public pages of draws: what citizens read about a draw before and after it, and the search for a receipt."""

from datetime import timedelta

import pytest

from chalicelib.booking import requests
from chalicelib.domain import draw_record
from chalicelib.domain.draw_record import Figure, ListKind
from chalicelib.storage import draw_items, draw_store
from chalicelib.web import draw_views
from tests.client import Browser, fields, get, post, refused
from tests.conftest import Clock
from tests.unit.allocation import drawing
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT, any_round, at, put, receipt, results
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, entered, somebody
from tests.unit.web.pages import page, text_of

pytestmark = pytest.mark.slow

LIST = "/services/aes/draws"
BASE = f"{LIST}/{WEEK}"
SEARCH = "Chercher"


@pytest.fixture(autouse=True)
def _service(table: None, clock: Clock) -> None:  # noqa: ARG001  # a fixture for its effect
    clock.now = NOW
    put()
    at(OPENS)


def drawn(people: int = 6) -> list[requests.Request]:
    made = [entered(somebody(number), preferences=("tue-am", "any")) for number in range(people)]
    at(FROZEN_AT)
    return made


def searched(typed: str) -> Browser:
    person = Browser(BASE)
    person.press(SEARCH, receipt=typed)
    return person


def test_before_the_draw_the_page_says_when_it_will_be_and_what_is_promised(clock: Clock) -> None:
    person = Browser(BASE)
    text = text_of(person.answer.text)
    assert person.title == "Tirage au sort pour la semaine du lundi 21 décembre 2026"
    assert "Ce tirage n’a pas encore eu lieu" in text
    assert "Le tirage a lieu le dimanche 6 décembre 2026 à 18 h 01" in text
    assert get(BASE).data["promise"] in text
    assert "qui gère le service pourrait ajouter des inscriptions" in text
    assert SEARCH not in [button for form in person.page.forms for button in form.buttons]
    refused(post(BASE, {"receipt": "a" * 26}), 404, "not-found")
    clock.now = CLOSES + timedelta(minutes=15)
    assert "Ce tirage est en retard" in Browser(BASE).answer.text


def test_a_frozen_draw_waits_for_a_round_of_drand_that_the_page_links_to(clock: Clock) -> None:
    draw_items.draw_item("aes", WEEK).delete()
    put({"beacon": "drand", "witnesses": ["temoin@example.org"]})
    at(OPENS)
    made = entered(somebody(1), preferences=("tue-am",))
    at(FROZEN_AT)
    clock.now = FROZEN_AT
    number = get(BASE).data["beacon"]["round"]
    text = Browser(BASE).answer.text
    assert f"/public/{number}" in text
    assert "18 h 30" in text_of(text)
    assert "Des témoins" in text
    assert "Le tirage n’a pas encore eu lieu." in searched(receipt(made)).answer.text
    at(DRAWN_AT, any_round)
    assert "Tiré au sort le" in Browser(BASE).answer.text


def test_after_the_draw_the_page_has_numbers_figures_and_the_way_to_check_it() -> None:
    drawn()
    person = Browser(BASE)
    text = text_of(person.answer.text)
    record = get(BASE).data
    for part in ("6 inscriptions pour 4 rendez-vous", record["root"], record["seed"], "67", "Sur 100"):
        assert part in text
    assert f"--promise {record['promise']} --root {record['root']}" in text
    for name in ("entries", "seats", "results", "offers"):
        assert f"services{LIST[9:]}/{WEEK}/{name}" in person.answer.text
    assert "verify_draw.py" in person.answer.text
    assert '<rect class="gu-plot__won"' in person.answer.text


def test_the_list_names_each_draw_with_its_state() -> None:
    assert "pas encore tiré" in Browser(LIST).answer.text
    drawn()
    person = Browser(LIST)
    assert "tiré au sort : 6 inscriptions pour 4 rendez-vous" in text_of(person.answer.text)
    person.follow("Semaine du 21 décembre 2026")
    assert person.path == BASE
    draw_items.draw_item("aes", WEEK).delete()
    assert "Il n’y a pas encore eu de tirage." in Browser(LIST).answer.text


def test_a_void_draw_says_so_plainly() -> None:
    draw_items.seed_item("aes", WEEK).delete()
    drawn(1)
    assert "Ce tirage est annulé" in Browser(BASE).answer.text
    assert "annulé" in Browser(LIST).answer.text


def test_a_late_draw_says_so_plainly() -> None:
    at(CLOSES + timedelta(minutes=21))
    assert "plus de 20 minutes après la fermeture" in Browser(BASE).answer.text


def test_a_receipt_is_found_in_capitals_and_with_blanks_and_is_in_no_url_cookie_or_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    people = drawn()
    for person in people:
        mine = receipt(person)
        result = next(result for result in results() if result.receipt == mine)
        browser = searched(f" {mine[:13].upper()} - {mine[13:]}\u200b")
        text = text_of(browser.answer.text)
        assert f"{result.rank} sur 6" in text
        assert "mardi matin" in text
        assert ("Ce reçu a été tiré au sort : " in text) == (result.seat is not None)
        assert (browser.path, browser.answer.cookies) == (BASE, ())
        assert post(BASE, {"receipt": mine}).data == {
            "found": True,
            "waited": 0,
            "preferences": ["2026-12-22-am", "any"],
            "rank": result.rank,
            "seat": result.seat,
            "offered": None,
        }
        assert browser.answer.headers["Cache-Control"] == "no-store"
        assert mine not in capsys.readouterr().err


def test_a_seat_that_was_offered_later_and_a_departure_are_told() -> None:
    people = {receipt(person): person for person in drawn(7)}
    ranked = [people[result.receipt] for result in results()]
    requests.cancel(ranked[4].token, FROZEN_AT)
    requests.cancel(ranked[0].token, FROZEN_AT)
    at(DRAWN_AT)
    assert "a quitté le tirage au sort ensuite" in searched(receipt(ranked[4])).answer.text
    assert "Un rendez-vous libéré lui a été proposé ensuite" in searched(receipt(ranked[5])).answer.text


def test_a_winner_who_had_left_did_not_get_the_seat() -> None:
    made = entered(somebody(1), preferences=("tue-am",))
    at(FROZEN_AT)
    draw_items.draw_item("aes", WEEK).update([draw_items.DrawItem.unassigned.set(receipt(made))])
    assert "le rendez-vous n’a pas pu être donné" in searched(receipt(made)).answer.text


def test_a_receipt_of_another_draw_is_said_not_to_have_taken_part() -> None:
    drawn(1)
    assert "n’a pas participé à ce tirage" in searched("a" * 26).answer.text
    assert post(BASE, {"receipt": "a" * 26}).data == {"found": False}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Écrivez votre reçu."),
        ("  ", "Écrivez votre reçu."),
        ("a" * 25, "Recopiez le reçu de votre e-mail"),
        ("0" * 26, "Recopiez le reçu de votre e-mail"),
        ("é" * 26, "Recopiez le reçu de votre e-mail"),
        ("x" * 300, "Ce champ est trop long."),
    ],
)
def test_what_cannot_be_a_receipt_is_refused_at_the_field_and_kept(typed: str, message: str) -> None:
    drawn(1)
    assert fields(post(BASE, {"receipt": typed})) == ["receipt"]
    person = searched(typed)
    assert person.answer.status == 422
    assert f'id="receipt-error">{message}' in person.answer.text
    assert person.page.fields("receipt")["receipt"] == typed[:200]


@pytest.mark.parametrize("body", [{}, {"receipt": 3}, {"receipt": ["a"]}, {"receipt": None}, {"other": "a" * 26}])
def test_a_body_without_a_receipt_is_refused(body: dict[str, object]) -> None:
    drawn(1)
    assert "receipt" in fields(post(BASE, body))


def test_a_change_of_language_keeps_the_answer_and_what_was_typed() -> None:
    (mine,) = drawn(1)
    for typed, kept in ((receipt(mine), "1 of 1"), ("wrong", "")):
        person = searched(typed)
        person.press("English")
        assert person.page.html["lang"] == "en"
        assert kept in text_of(person.answer.text)
        assert person.page.fields("receipt")["receipt"] == typed


@pytest.mark.parametrize("week", ["2026-W51", "2026-W99", "none", "2026-W5"])
def test_a_week_without_a_draw_is_not_found(week: str) -> None:
    person = Browser(f"{LIST}/{week}")
    assert (person.answer.status, person.title) == (404, "Cette page n’existe pas, ou n’existe plus.")
    refused(post(f"{LIST}/{week}", {"receipt": "a" * 26}), 404, "not-found")


def test_the_rank_is_found_in_a_list_of_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_store, "PART_SIZE", 120)
    people = drawn(9)
    draw = drawing.stored()
    assert draw.lists[ListKind.RESULTS].parts > 2
    lines = draw_record.parse_results(draw_store.read_list(draw, ListKind.RESULTS))
    ranks = {result.receipt: result.rank for result in lines}
    assert [post(BASE, {"receipt": receipt(person)}).data["rank"] for person in people] == [
        ranks[receipt(person)] for person in people
    ]
    assert draw_store.find_result(draw, 0) is None
    assert draw_store.find_result(draw, 10) is None


def test_long_waits_are_one_group_and_a_small_chance_is_not_none() -> None:
    groups = draw_views.groups([Figure(0, 1000, 1), Figure(5, 3, 0), Figure(6, 2, 1), Figure(9, 2, 2)])
    assert groups == [Figure(0, 1000, 1), Figure(5, 3, 0), Figure(6, 4, 3)]
    read = text_of(page("draw, drawn", groups=groups))
    assert "Aucun tirage perdu 1 " in read
    assert "6 tirages perdus ou plus 75 " in read
    assert "1 000" in read
