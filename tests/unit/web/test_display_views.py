"""The screen of the waiting room and the page of its links."""

import re
from datetime import timedelta

import pytest

from chalicelib.desk import calls, displays, register
from chalicelib.domain import display
from chalicelib.domain.agent import Role
from chalicelib.domain.desk_call import DeskCall
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import desk_items
from infra.local.provider import Provider
from tests.client import FORM, PARIS, Answer, TableFails, confirmed, get, refused, send, wish
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited
from tests.unit.web.pages import text_of

SECRET = "a2" * 26
URL = f"/display/aes.{SECRET}"
PAGE = "/desk/aes/displays"


@pytest.fixture
def link(service: object, clock: Clock) -> str:  # noqa: ARG001  # the service is there for its effect
    """Make the link of a screen."""
    displays.add("aes", "Salle A", SECRET, "agent", clock.now)
    return URL


def called(clock: Clock, desk: int, number: str, seconds: int = 0, calls: int = 1) -> DeskCall:
    """Let a desk call somebody, some seconds before now."""
    at = clock.now - timedelta(seconds=seconds)
    day = clock.now.astimezone(PARIS).date()
    desk_items.call_item(
        "aes", day, desk, seat="s", number=number, agent="a", at=at, calls=calls, erase_at=int(at.timestamp()) + 9999
    ).save()
    return DeskCall(desk, number, at, calls)


def html(path: str = URL, **headers: str) -> Answer:
    return send("GET", path, {**FORM, **headers})


def test_a_screen_shows_the_latest_call_first_and_at_most_eight(link: str, clock: Clock) -> None:
    for desk in range(1, 10):
        called(clock, desk, f"10{desk:02}A", seconds=desk)
    data = get(link).data
    assert [(call["number"], call["desk"]) for call in data["calls"]][:2] == [("1001A", 1), ("1002A", 2)]
    assert (len(data["calls"]), data["day"]) == (9, f"{clock.now.astimezone(PARIS):%Y-%m-%d}")
    rows = re.findall(r"<li data-key.*?</li>", html().text)
    assert [text_of(row) for row in rows] == [f"10{desk:02}A Guichet {desk}" for desk in range(1, 9)]
    assert f'data-key="1 1001A {data["calls"][0]["at"]}"' in rows[0]


def test_whom_a_desk_calls_is_on_the_screen_until_the_outcome(link: str, service: Service, clock: Clock) -> None:
    seat = keys().read_link_token(confirmed(wish(0))).seat
    clock.now = service.start_of(seat)
    register.arrive(service, seat, "a" * 16, clock.now)
    calls.call_next(service, 2, "a" * 16, clock.now)
    (call,) = get(link).data["calls"]
    assert (call["number"], call["desk"], call["calls"]) == (seat.number, 2, 1)
    register.record(service, seat, State.SEEN, "a" * 16, clock.now)
    assert get(link).data["calls"] == []


def test_a_screen_has_no_cookie_no_name_and_is_never_cached_logged_or_indexed(
    link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = html(f"{link}?lang=ar", **{"Accept-Language": "tr"})
    assert (answer.cookies, answer.headers["Cache-Control"]) == ((), "no-store")
    assert '<meta name="robots" content="noindex">' in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    log = "".join(capsys.readouterr())
    assert ("/display/{token}" in log, SECRET in log) == (True, False)
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in answer.text
    assert '<html lang="fr"' in answer.text
    assert all(word in answer.text for word in ("Your number will appear here.", 'lang="ar" dir="rtl"', 'lang="tr"'))


def test_a_link_of_last_year_a_revoked_one_and_an_invented_one_are_refused_in_the_same_words(
    link: str, clock: Clock
) -> None:
    invented = html(f"/display/aes.{'b' * 52}")
    displays.revoke("aes", displays.of_service("aes", clock.now)[0].id, "agent", clock.now)
    revoked = html(link)
    displays.add("aes", "Salle A", SECRET, "agent", clock.now)
    clock.move(display.LIFETIME)
    over = html(link)
    assert {answer.status for answer in (invented, revoked, over)} == {404}
    assert "Ce lien d’affichage n’est plus valable." in over.text
    assert over.text == revoked.text == invented.text
    refused(get(link), 404, "not-found")


def test_a_screen_that_cannot_be_shown_now_loads_itself_again(link: str, table_fails: TableFails) -> None:
    table_fails(None)
    answer = html(link)
    assert (answer.status, "n’est plus valable" in answer.text) == (503, False)
    assert '<meta http-equiv="refresh" content="15">' in answer.text


def signed_in(provider: Provider, clock: Clock, role: Role) -> Desk:
    invited("basile", clock.now, role)
    desk = Desk(provider)
    desk.sign_in("basile")
    return desk


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_a_planner_makes_a_link_once_and_revokes_it(provider: Provider, clock: Clock) -> None:
    desk = signed_in(provider, clock, Role.PLANNER)
    secret = re.findall(r'name="secret" value="([a-z2-7]{52})"', desk.get(PAGE).text)[0]
    for _ in range(2):  # a second press shows the same link again
        answer = desk.post(PAGE, place="Salle <A>", secret=secret)
        assert answer.status == 200
        (url,) = re.findall(r'href="https://guichet.example.org/api(/display/[^"]+)"', answer.text)
    assert get(url).data["calls"] == []
    (made,) = displays.of_service("aes", clock.now)
    page = desk.get(PAGE)
    assert ("Salle &lt;A&gt;" in page.text, "/display/" in page.text, "Basile" in page.text) == (True, False, True)
    answer = desk.post(PAGE, revoke=made.id)
    assert (answer.status, answer.headers["Location"]) == (303, "../../desk/aes/displays?revoked=yes#revoked")
    assert {desk.post(PAGE, revoke=other).status for other in (made.id, "x")} == {303}
    assert "Le lien est désactivé." in text_of(desk.get(f"{PAGE}?revoked=yes").text)
    assert get(url).status == 404


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_a_form_without_a_place_keeps_what_was_typed_and_one_that_is_not_ours_makes_nothing(
    provider: Provider, clock: Clock
) -> None:
    desk = signed_in(provider, clock, Role.PLANNER)
    answer = desk.post(PAGE, place=" ", secret=SECRET)
    assert (answer.status, "Indiquez où est l’écran." in answer.text) == (422, True)
    answer = desk.post(PAGE, place="x" * 61, secret=SECRET)
    assert (answer.status, f'value="{"x" * 61}"' in answer.text) == (422, True)
    assert desk.post(PAGE, place="Salle A", secret="A" * 52).status == 404
    assert displays.of_service("aes", clock.now) == []
    desk.jar.pop("__Host-desk")
    answer = desk.post(PAGE, place="Salle A", secret=SECRET, csrf="x")
    assert (answer.status, "to=desk/aes/displays" in answer.text) == (401, True)


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_an_agent_who_is_no_planner_makes_no_link(provider: Provider, clock: Clock) -> None:
    desk = signed_in(provider, clock, Role.AGENT)
    assert desk.get(PAGE).status == 403
    assert desk.post(PAGE, place="Salle A", secret=SECRET).status == 403
    assert "displays" not in desk.get("/desk/aes/day").text
