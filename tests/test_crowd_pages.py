"""The crowd as programs and browsers meet it, by the contract."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib import booking, edge, memory, rows, settings, store
from chalicelib.model import SeatKey, Service, State
from tests.conftest import document, fill
from tests.test_app import AWA, AWA_TYPED, FIRST, Browser, get, link, post, refused, taken, wednesday, wish


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Wednesdays 10:00, 10:05 and 10:10, two desks, each seat taken after the captcha."""
    put = store.put_service(
        document(
            plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:15"}]}],
            release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
            times={"notice_hours": 24},
            seat_after="captcha",
        )
    )
    fill(put, edge.now())
    return put


def lose(minute: int) -> None:
    """Both desks of this slot go to somebody else, and every process knows."""
    day = wednesday()
    for unit in (1, 2):
        key = SeatKey(day.date(), day.replace(minute=minute).time(), unit, "aes")
        row = store.seat_row(key)
        row.update([rows.SeatRow.state.set(State.CONFIRMED), rows.SeatRow.until.set(edge.now() + timedelta(days=1))])
    memory.forget()


def solved(hold: str) -> dict[str, str]:
    asked = post(f"/holds/{hold}/captcha").data["challenge"]
    return {"challenge": asked, "answer": booking.keys().sound_answer(asked)}


def test_a_program_waits_answers_gets_another_slot_and_files_by_its_old_id(service: Service) -> None:
    placed = post("/services/aes/holds", wish(5))
    hold = placed.data["hold"]
    assert (placed.status, placed.data["state"], placed.data["captcha"]) == (201, "waiting", "required")
    assert 1070 < placed.data["expires_in"] <= 1080
    assert get(f"/holds/{hold}").data["expires_at"] == placed.data["expires_at"]
    assert post(f"/holds/{hold}/extension").data["expires_at"] == placed.data["expires_at"]
    assert taken() == 0
    refused(post(f"/holds/{hold}/details", AWA), 409, "captcha-required")
    lose(5)
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
def test_a_person_who_lost_the_slot_is_told_on_the_next_page_and_can_go_on_or_give_the_seat_back() -> None:
    for go_on in (True, False):
        person = Browser("/services/aes/slots?conditions_accepted=true")
        person.press("Choisir cette plage horaire", slot=f"{wednesday():%Y-%m-%dT}10:05")
        assert person.title == "Contrôle de sécurité"
        assert "n’est pas encore gardée pour vous" in person.answer.text
        lose(5)
        challenge = next(form.fields["challenge"] for form in person.page.forms if "challenge" in form.fields)
        person.press("Étape suivante", answer=booking.keys().picture_answer(challenge))
        assert person.title == "Coordonnées personnelles"
        assert "Vous avez une autre plage horaire" in person.answer.text
        if go_on:
            person.press("Étape suivante", **AWA_TYPED)
            person.press("Valider et terminer")
            assert person.title == "Votre demande est enregistrée. Il reste à la confirmer."
            row = store.seat_row(SeatKey(wednesday().date(), wednesday().replace(minute=5).time(), 1, "aes"))
            row.update([rows.SeatRow.state.set(State.OPEN)])  # so that the next person can choose it
            memory.forget()
        else:
            person.press("Abandonner et rendre ma place")
            assert person.title == "Votre place est rendue"


@pytest.mark.usefixtures("service")
def test_when_nothing_is_free_after_the_captcha_both_are_told_when_seats_open() -> None:
    hold = post("/services/aes/holds", FIRST).data["hold"]
    answer = solved(hold)
    person = Browser(f"/holds/{hold}")
    for minute in (0, 5, 10):
        lose(minute)
    release = refused(post(f"/holds/{hold}/captcha/answer", answer), 409, "nothing-free")["next_release"]
    assert release is not None
    person.press("Étape suivante", answer=answer["answer"], challenge=answer["challenge"])
    assert person.title == "Il n’y a plus de plage horaire libre pour le moment."
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
    (row,) = rows.CountRow.scan(rows.CountRow.pk.startswith("ORIGIN#"))
    hours = (edge.now(), edge.now() - timedelta(minutes=1))  # the hour may have turned
    assert row.pk in {f"ORIGIN#{booking.keys().origin('127.0.0.1', hour)}" for hour in hours}
    assert int(row.number) == 1
