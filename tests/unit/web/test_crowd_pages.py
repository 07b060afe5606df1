"""The crowd as programs and browsers meet it, by the contract."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib import settings
from chalicelib.domain import timetable
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import counter_items, items, recent, seat_keys, seat_store, service_store
from chalicelib.web import clock
from tests.client import AWA, AWA_TYPED, FIRST, Browser, count_taken_seats, get, link, post, refused, wednesday, wish
from tests.conftest import document, fill


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Wednesdays 10:00, 10:05 and 10:10, two desks, each seat taken after the captcha."""
    put = service_store.put(
        document(
            plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:15"}]}],
            release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
            times={"notice_hours": 24},
            seat_after="captcha",
        )
    )
    fill(put, clock.now())
    return put


def lose(*keys: SeatKey) -> None:
    """These seats go to somebody else, and every process knows."""
    for key in keys:
        row = seat_keys.seat_item(key)
        row.update(
            [items.SeatItem.state.set(State.CONFIRMED), items.SeatItem.until.set(clock.now() + timedelta(days=1))]
        )
    recent.SEATS.clear()


def desks(minute: int) -> list[SeatKey]:
    """Both seats of a slot of next Wednesday."""
    day = wednesday()
    return [SeatKey(day.date(), day.replace(minute=minute).time(), unit, "aes") for unit in (1, 2)]


def solved(hold: str) -> dict[str, str]:
    asked = post(f"/holds/{hold}/captcha").data["challenge"]
    return {"challenge": asked, "answer": keys().sound_answer(asked)}


def test_a_program_waits_gets_another_slot_and_files_with_its_old_id(service: Service) -> None:
    placed = post("/services/aes/holds", wish(5))
    hold = placed.data["hold"]
    assert (placed.status, placed.data["state"], placed.data["captcha"]) == (201, "waiting", "required")
    assert 1070 < placed.data["expires_in"] <= 1080
    assert get(f"/holds/{hold}").data["expires_at"] == placed.data["expires_at"]
    assert post(f"/holds/{hold}/extension").data["expires_at"] == placed.data["expires_at"]
    assert count_taken_seats() == 0
    refused(post(f"/holds/{hold}/details", AWA), 409, "captcha-required")
    lose(*desks(5))
    passed = post(f"/holds/{hold}/captcha/answer", solved(hold))
    assert (passed.status, passed.data["state"], passed.data["start"]) == (200, "held", "10:00")
    assert passed.data["instead_of"] == {"date": f"{wednesday():%Y-%m-%d}", "start": "10:05"}
    assert passed.data["hold"] != hold
    assert get(f"/holds/{hold}").data["hold"] == passed.data["hold"]
    request = post(f"/holds/{hold}/details", AWA)
    assert (request.status, request.data["start"]) == (202, "10:00")
    assert get(f"/holds/{hold}").data["reference"] == request.data["reference"]
    assert get(f"/requests/{link(passed.data['hold'])}").data["state"] == "pending"
    assert service.seat_after == "captcha"


@pytest.mark.usefixtures("service")
def test_a_person_who_got_another_slot_can_go_on_or_give_the_seat_back() -> None:
    for go_on in (True, False):
        person = Browser("/services/aes/slots?conditions_accepted=true")
        person.press("Choisir ce créneau", slot=f"{wednesday():%Y-%m-%dT}10:05")
        assert person.title == "Contrôle de sécurité"
        assert "n’est pas encore gardé pour vous" in person.answer.text
        lose(*desks(5))
        challenge = person.page.fields("challenge")["challenge"]
        person.press("Étape suivante", answer=keys().picture_answer(challenge))
        assert person.title == "Coordonnées personnelles"
        assert "Vous avez un autre créneau" in person.answer.text
        if go_on:
            person.press("Étape suivante", **AWA_TYPED)
            person.press("Valider et terminer")
            assert person.title == "Vous n’avez pas encore de rendez-vous"
            row = seat_keys.seat_item(SeatKey(wednesday().date(), wednesday().replace(minute=5).time(), 1, "aes"))
            row.update([items.SeatItem.state.set(State.OPEN)])  # so that the next person can choose it
            recent.SEATS.clear()
        else:
            person.press("Abandonner et rendre ce créneau")
            assert person.title == "Votre créneau est rendu"


def test_when_nothing_is_free_after_the_captcha_the_refusal_says_when_seats_open(service: Service) -> None:
    hold = post("/services/aes/holds", FIRST).data["hold"]
    answer = solved(hold)
    person = Browser(f"/holds/{hold}")
    for week in timetable.open_weeks(service, clock.now()):
        lose(*(seat.key for seat in seat_store.read_week("aes", week)))
    release = refused(post(f"/holds/{hold}/captcha/answer", answer), 409, "nothing-free")["next_release"]
    assert release is not None
    person.press("Étape suivante", answer=answer["answer"], challenge=answer["challenge"])
    assert person.title == "Il n’y a plus de créneau libre pour le moment."
    assert "Prochaine ouverture" in person.answer.text
    assert "Recommencer une demande" in person.page.links


@pytest.mark.usefixtures("service")
def test_a_service_says_when_its_seats_are_taken() -> None:
    assert get("/services/aes").data["seat_after"] == "captcha"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Holds are counted by the client network."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "3")
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.mark.usefixtures("service", "counted")
def test_the_seat_is_counted_for_the_client_network_that_sent_the_answer() -> None:
    hold = post("/services/aes/holds", wish(5)).data["hold"]
    post(f"/holds/{hold}/captcha/answer", solved(hold))
    (row,) = counter_items.CounterItem.scan(counter_items.CounterItem.pk.startswith("ORIGIN#"))
    hours = (clock.now(), clock.now() - timedelta(minutes=1))  # the hour may have turned
    assert row.pk in {f"ORIGIN#{keys().client_network('127.0.0.1', hour)}" for hour in hours}
    assert int(row.number) == 1
