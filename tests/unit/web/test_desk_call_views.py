"""The page of the calls: one press calls one applicant, and bad input leads to a clear page."""

from datetime import timedelta

import pytest

from chalicelib.desk import register
from chalicelib.domain.agent import Role
from chalicelib.domain.seat import State
from chalicelib.storage import call_store, seat_store
from tests.client import Answer
from tests.conftest import Clock
from tests.unit.desk.office import Desk
from tests.unit.web.desk_day import SignedIn, Today, signed_in, today
from tests.unit.web.pages import Tags, text_of

__all__ = ["signed_in", "today"]
pytestmark = pytest.mark.slow
CALL = "/desk/aes/call"
HERE = f"{CALL}?desk=1"


@pytest.fixture
def waiting(today: Today, clock: Clock) -> Today:
    """Record that the first two have arrived."""
    for number in range(2):
        register.arrive(today.service, today.key(number), "a" * 16, clock.now - timedelta(minutes=12))
    return today


def buttons(answer: Answer) -> list[str]:
    return [a["value"] for a in Tags(answer.text).all("button") if a.get("name") == "do"]


def press(desk: Desk, button: str, at: str = "1") -> Answer:
    return desk.post(CALL, desk=at, do=button)


def test_an_agent_chooses_a_desk_calls_the_next_one_and_records_the_outcome(
    signed_in: SignedIn, waiting: Today
) -> None:
    desk = signed_in()
    chosen = desk.get(CALL)
    assert "Votre guichet" in text_of(chosen.text)
    free = desk.get(HERE)
    (button,) = [a for a in Tags(free.text).all("button") if a.get("value") == "next"]
    assert "autofocus" in button
    assert "Suivant : 1000A Exemple Awa, 12 min d’attente" in text_of(free.text)
    assert press(desk, "next").headers["Location"] == "../../desk/aes/call?desk=1"
    shown = desk.get(HERE)
    id_ = waiting.row(0)
    assert buttons(shown) == [
        f"seen.{id_}",
        f"missed.{id_}",
        f"incomplete.{id_}",
        f"call-1.{id_}",
        f"park.{id_}",
        f"undo-called.{id_}",
    ]
    assert "1000A Exemple Awa" in text_of(shown.text)
    assert "1970" not in shown.text  # no date of birth
    assert "appelé au guichet 1, 10 h 10" in text_of(desk.get("/desk/aes/day").text)
    answer = press(desk, f"seen.{id_}")
    assert answer.headers["Location"] == f"../../desk/aes/call?desk=1&at={id_}"
    assert waiting.state(0) is State.SEEN
    after = desk.get(f"{HERE}&at={id_}")
    assert "Exemple Awa, 10 h 00, guichet 1 : reçu 10 h 10" in text_of(after.text)
    assert f"undo-seen.{id_}" in buttons(after)
    assert "Suivant : 1005A Exemplaire Awa" in text_of(desk.get(CALL).text)  # at the desk of the last call


def test_a_button_pressed_twice_calls_one_applicant_and_the_second_answer_is_that_of_the_first(
    signed_in: SignedIn, waiting: Today
) -> None:
    desk = signed_in()
    for _ in range(2):
        assert press(desk, "next").status == 303
    assert (waiting.state(0), waiting.state(1)) == (State.CALLED, State.ARRIVED)
    for _ in range(2):
        assert press(desk, f"call-1.{waiting.row(0)}").status == 303
    assert seat_store.read(waiting.key(0)).calls == 2


def test_who_is_put_aside_is_taken_back_by_hand_and_a_call_is_taken_back(signed_in: SignedIn, waiting: Today) -> None:
    desk = signed_in()
    press(desk, "next")
    press(desk, f"park.{waiting.row(0)}")
    shown = desk.get(f"{HERE}&at={waiting.row(0)}")
    assert "arrivé 9 h 58, mis de côté" in text_of(shown.text)
    assert buttons(shown) == ["next", f"call-0.{waiting.row(1)}", f"call-1.{waiting.row(0)}"]
    press(desk, f"call-1.{waiting.row(0)}", "2")
    assert seat_store.read(waiting.key(0)).called_to == 2
    assert press(desk, f"undo-called.{waiting.row(0)}", "2").status == 303
    assert waiting.state(0) is State.ARRIVED
    press(desk, f"call-0.{waiting.row(1)}", "2")
    answer = desk.post("/desk/aes/day", do=f"undo-called.{waiting.row(1)}")  # from the list
    assert (answer.status, waiting.state(1)) == (303, State.ARRIVED)


def test_a_desk_that_a_colleague_uses_says_whom_it_called(signed_in: SignedIn, waiting: Today) -> None:
    basile, agnes = signed_in(), signed_in("agnes")
    press(agnes, "next")
    for button in ("next", f"call-0.{waiting.row(1)}"):
        answer = press(basile, button)
        assert answer.status == 409
        text = text_of(answer.text)
        assert "Ce guichet a déjà appelé quelqu’un. Personne d’autre n’a été appelé." in text
        assert "Exemple Awa, 10 h 00, guichet 1 : Agnès Exemple a déjà noté « appelé au guichet 1 » à 10 h 10." in text
    answer = press(basile, f"call-0.{waiting.row(0)}", "2")  # who was called a moment ago
    assert (answer.status, "Agnès Exemple a déjà noté « appelé au guichet 1 »" in text_of(answer.text)) == (409, True)
    assert f"park.{waiting.row(0)}" in buttons(basile.get(f"{CALL}?desk=2"))
    assert press(basile, f"undo-called.{waiting.row(0)}", "2").status == 409
    assert press(basile, f"park.{waiting.row(0)}", "2").status == 303  # a colleague may free the desk
    assert call_store.read_calls("aes", waiting.start.date()) == []


def test_the_last_applicant_goes_to_one_of_two_desks(signed_in: SignedIn, waiting: Today) -> None:
    basile, agnes = signed_in(), signed_in("agnes")
    press(basile, "next")
    press(basile, f"park.{waiting.row(0)}")
    assert press(agnes, "next", "2").status == 303
    answer = press(basile, "next")
    text = text_of(answer.text)
    assert (answer.status, "Personne n’attend en ce moment" in text, "1 personne mise de côté" in text) == (
        409,
        True,
        True,
    )
    (button,) = [a for a in Tags(answer.text).all("button") if a.get("value") == "next"]
    assert (button["aria-describedby"], "autofocus" in button) == ("errors", True)  # Enter tries again


def test_who_left_has_an_outcome_or_has_not_arrived_is_not_called(
    signed_in: SignedIn, waiting: Today, clock: Clock
) -> None:
    desk = signed_in()
    desk.post("/desk/aes/day", do=f"missed.{waiting.row(0)}")
    for number, words in (
        (0, "Vous avez déjà noté « absent » à 10 h 10. Rien n’a été changé."),
        (2, "L’arrivée de cette personne n’est pas notée."),
        (3, "Ce rendez-vous n’existe plus"),
    ):
        answer = press(desk, f"call-0.{waiting.row(number)}")
        assert (answer.status, words in text_of(answer.text)) == (404 if number == 3 else 409, True), words
        assert 'data-seat=""' in answer.text
    clock.move(timedelta(days=1, minutes=-20))
    desk.sign_in("basile")
    answer = press(desk, f"call-0.{waiting.row(1)}")
    assert (answer.status, "son rendez-vous est le " in text_of(answer.text)) == (409, True)
    assert waiting.state(1) is State.ARRIVED


@pytest.mark.parametrize("number", ["9", "0", "x", "1000", ""])
def test_an_unknown_desk_leads_to_the_choice_and_calls_nobody(signed_in: SignedIn, waiting: Today, number: str) -> None:
    desk = signed_in()
    for answer in [press(desk, "next", number), *([desk.get(f"{CALL}?desk={number}")] if number else [])]:
        words = text_of(answer.text)
        assert (answer.status, "Votre guichet" in words) == (422, True)
        assert "Ce service n’a pas ce guichet aujourd’hui." in words or not number
    assert waiting.state(0) is State.ARRIVED
    if number == "9":  # the reason of another refusal is shown all the same
        assert "Rien n’a été changé." in text_of(press(desk, f"park.{waiting.row(0)}", number).text)


@pytest.mark.parametrize("button", ["", "call", "call-0", "called.20261209.1000.1", "park.20261332.1000.1", "seen"])
def test_a_form_that_is_none_of_ours_changes_nothing(signed_in: SignedIn, waiting: Today, button: str) -> None:
    desk = signed_in()
    assert press(desk, button).status == 422
    assert desk.post(CALL, desk="1", do=button, **{waiting.row(0): "on"}).status == 422
    if button.startswith("called"):
        assert desk.post("/desk/aes/day", do=f"called.{waiting.row(0)}").status == 422
    assert waiting.state(0) is State.ARRIVED


def test_a_session_that_ends_in_between_calls_nobody_and_leads_back_to_the_desk(
    signed_in: SignedIn, waiting: Today, clock: Clock
) -> None:
    desk = signed_in()
    csrf = desk.csrf()
    clock.move(timedelta(minutes=31))
    answer = desk.post(CALL, csrf=csrf, desk="2", do="next")
    assert (answer.status, "sign-in?to=desk/aes/call%3Fdesk%3D2" in answer.text) == (401, True)
    assert waiting.state(0) is State.ARRIVED
    assert desk.sign_in("basile", "desk/aes/call%3Fdesk%3D2").headers["Location"] == "../desk/aes/call?desk=2"


def test_a_viewer_calls_nobody(signed_in: SignedIn, waiting: Today) -> None:
    desk = signed_in("chloe", Role.VIEWER)
    assert (desk.get(HERE).status, press(desk, "next").status) == (403, 403)
    assert waiting.state(0) is State.ARRIVED
    assert "/call" not in desk.get("/desk/aes/day").text
