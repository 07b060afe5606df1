"""The turns of a batch as programs and browsers meet them, by the contract."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from chalicelib import settings
from chalicelib.booking import captcha
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.web import clock as web_clock
from tests.client import AWA, AWA_TYPED, FIRST, Browser, count_taken_seats, get, post, refused
from tests.conftest import MONDAY, Clock, document, fill

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def service(table: None, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ARG001  # a fixture for its effect
    """Two seats a week, each taken after the captcha, with a batch of a minute that has just begun."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "600")
    settings.current.cache_clear()
    moments = [{"day": "monday", "at": "09:00"}]
    stored = service_store.put(
        document(
            plannings=[{"desks": [1], "openings": [{"days": ["tuesday"], "from": "09:15", "to": "09:25"}]}],
            release={"weeks_ahead": 2, "moments": moments, "batch_seconds": 60},
            seat_after="captcha",
        )
    )
    fill(stored, MONDAY - timedelta(minutes=1))
    clock.now = MONDAY + timedelta(seconds=1)
    yield
    settings.current.cache_clear()


def solved(hold: str) -> dict[str, str]:
    challenge = captcha.new_challenge(hold, web_clock.now())
    return {"challenge": challenge.id, "answer": challenge.picture}


def queued() -> tuple[str, datetime]:
    """Return a hold that waits for its turn, and the turn."""
    hold = post("/services/aes/holds", FIRST).data["hold"]
    data = post(f"/holds/{hold}/captcha/answer", solved(hold)).data
    return data["hold"], datetime.fromisoformat(data["turn_at"])


def solve(person: Browser) -> None:
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))


def slot_heading(person: Browser) -> str:
    """Return the heading above the slot."""
    match = re.search(r'<h2 class="fr-callout__title" id="kept" tabindex="-1">(.+)</h2>', person.answer.text)
    assert match
    return match[1]


def test_a_program_is_told_its_turn_refused_before_it_and_served_at_it(clock: Clock) -> None:
    placed = post("/services/aes/holds", FIRST).data["hold"]
    passed = post(f"/holds/{placed}/captcha/answer", solved(placed))
    hold, turn = passed.data["hold"], datetime.fromisoformat(passed.data["turn_at"])
    assert (passed.status, passed.data["state"], passed.data["captcha"]) == (200, "turn", "passed")
    assert 59 <= passed.data["turn_in"] <= 104
    assert hold != placed
    assert get(f"/holds/{hold}").data == passed.data == post(f"/holds/{hold}/captcha/answer", solved(hold)).data
    refused(post(f"/holds/{placed}/seat"), 409, "captcha-required")
    for early in (turn - clock.now, timedelta(milliseconds=1)):
        clock.now = turn - early
        for answer in (post(f"/holds/{hold}/seat"), post(f"/holds/{hold}/details", AWA)):
            problem = refused(answer, 409, "not-your-turn")
            seconds = -(-early // timedelta(seconds=1))
            assert (problem["turn_at"], problem["turn_in"]) == (passed.data["turn_at"], seconds)
            assert answer.headers["Retry-After"] == str(seconds)
    assert count_taken_seats() == 0
    clock.now = turn
    assert "Retry-After" not in post(f"/holds/{hold}/details", AWA).headers
    held = post(f"/holds/{hold}/seat")
    assert (held.status, held.data["state"], held.data["captcha"]) == (200, "held", "passed")
    assert post(f"/holds/{hold}/seat").data == held.data == get(f"/holds/{hold}").data
    assert post(f"/holds/{hold}/details", AWA).status == 202
    assert count_taken_seats() == 1


def test_a_person_without_script_waits_comes_back_at_the_turn_and_books(clock: Clock) -> None:
    person = Browser("/services/aes/slots?conditions_accepted=true", {"lang": "fr"})
    person.press("Premier créneau libre")
    assert slot_heading(person) == "Créneau demandé"
    solve(person)
    assert person.title == "Attendez votre tour"
    page = person.path
    seconds = int(re.search(r'<noscript><meta http-equiv="refresh" content="(\d+)">', person.answer.text)[1])  # type: ignore[index]  # it is there
    assert f"dans {seconds} secondes" in person.answer.text
    assert slot_heading(person) == "Créneau demandé"
    person.press("Est-ce mon tour ?")
    assert (person.title, person.path) == ("Attendez votre tour", page)
    clock.move(timedelta(seconds=seconds))
    person.go(page)
    assert person.title == "C’est votre tour"
    assert "http-equiv" not in person.answer.text
    assert slot_heading(person) == "Créneau demandé"
    person.press("Prendre mon créneau")
    assert person.title == "Coordonnées personnelles"
    assert slot_heading(person) == "Votre créneau"
    person.press("Étape suivante", **AWA_TYPED)
    person.press("Valider et terminer")
    assert person.title == "Vous n’avez pas encore de rendez-vous"


def test_whoever_finds_nothing_at_the_turn_is_told_so_and_can_have_it_attested(clock: Clock) -> None:
    holds = [queued() for _ in range(8)]
    clock.now = holds[0][1]
    free = 0
    while post(f"/holds/{holds[free][0]}/seat").status == 200:
        free += 1
    refused(post(f"/holds/{holds[-1][0]}/seat"), 409, "nothing-free")
    person = Browser(f"/holds/{holds[-1][0]}")
    person.press("Prendre mon créneau")
    assert person.title == "Il n’y a plus de créneau libre pour le moment."
    assert "attestation" in person.answer.text
    person.go(f"/holds/{holds[-1][0]}")
    assert person.title == "C’est votre tour"


def test_a_person_may_choose_again_and_keeps_the_turn() -> None:
    hold, turn = queued()
    person = Browser(f"/holds/{hold}")
    person.follow("Étape précédente : choisir un autre créneau")
    assert post(f"/holds/{hold}/end").data["state"] == "ended"
    assert queued()[1] == turn


@pytest.mark.parametrize("is_late", [False, True])
def test_a_person_may_give_up_while_waiting_and_at_the_turn(clock: Clock, *, is_late: bool) -> None:
    hold, turn = queued()
    clock.now = turn if is_late else clock.now
    person = Browser(f"/holds/{hold}", {"lang": "fr"})
    person.press("Abandonner ma demande")
    assert person.title == "Votre demande est abandonnée"
    assert "Aucun créneau n’était gardé pour vous." in person.answer.text
    assert count_taken_seats() == 0
    person.follow("English")
    assert person.title == "Your request is given up"
    person.follow("Français")
    person.go(f"/holds/{hold}")
    assert person.title == ("C’est votre tour" if is_late else "Attendez votre tour")


def test_a_seat_that_was_taken_at_the_turn_is_given_back_as_any_other(clock: Clock) -> None:
    hold, clock.now = queued()
    person = Browser(f"/holds/{hold}", {"lang": "fr"})
    person.press("Prendre mon créneau")
    person.go(f"{person.path}?ended=true")
    assert person.title == "Coordonnées personnelles"  # it is not given back yet
    person.press("Abandonner et rendre ce créneau")
    assert person.title == "Votre créneau est rendu"
    assert count_taken_seats() == 0


def test_details_before_the_turn_lead_to_its_page() -> None:
    hold, _ = queued()
    person = Browser(f"/holds/{hold}", {"lang": "fr"})
    person.post(f"/holds/{hold}/details", AWA_TYPED)
    assert person.title == "Attendez votre tour"


def test_a_service_says_that_being_quick_gives_nothing_in_its_batch() -> None:
    page = get("/services/aes", Accept="text/html").text
    assert "Pendant 60 secondes après une ouverture, être rapide ne donne rien." in page.replace("&nbsp;", " ")
