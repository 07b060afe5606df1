"""The hidden services that a deployment puts: for the smoke test, for the canary, and with the draw that it enters."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.allocation import run as draws
from chalicelib.booking import availability, figures, filing, holds, schedule
from chalicelib.booking.hold import Held
from chalicelib.canary import run as canary
from chalicelib.canary.entry_trial import EntryTrial
from chalicelib.domain import draw_window
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import EntryKey, State
from chalicelib.domain.service import CANARY_DRAW, Service
from chalicelib.storage import dynamodb, seat_store, service_store
from infra.deploy import smoke
from infra.deploy.removal import count_appointments
from infra.servicefile import reader
from tests.conftest import draw_document
from tests.unit.booking.steps import AWA, NOW
from tests.unit.canary.simulation import SimulatedApi, left, the_table

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.usefixtures("stage")
def test_a_deployment_puts_three_hidden_services_that_no_page_lists(tmp_path: Path) -> None:
    read = reader.read(smoke.write_files(tmp_path), today=NOW.date())
    assert [document["id"] for document in read.documents] == ["essai", "canari", "canari-tirage"]
    assert [note for note in read.warnings if "window" in note.problem] == []
    assert all(service.hidden for service in service_store.read_all(NOW))
    assert availability.services(NOW) == []


def test_any_other_service_has_a_pause_between_two_windows(tmp_path: Path) -> None:
    file = smoke.write_files(tmp_path)[-1]
    file.write_text(file.read_text("utf-8").replace(f"id: {CANARY_DRAW}", "id: tirage"), "utf-8")
    with pytest.raises(reader.Mistakes, match="the window opens and closes on monday at 00:00"):
        reader.read([file], today=NOW.date())


def drawn() -> Service:
    return service_store.read(CANARY_DRAW, NOW)


def moments() -> Iterator[datetime]:
    """Yield every quarter of an hour, and the second before it, of weeks in which clocks and years change."""
    for day in (datetime(2026, 12, 28), datetime(2027, 3, 22), datetime(2027, 10, 25)):  # noqa: DTZ001  # set below
        start = day.replace(tzinfo=PARIS).astimezone(UTC)
        for quarter in range(10 * 96):
            yield start + quarter * timedelta(minutes=15)
            yield start + quarter * timedelta(minutes=15) - timedelta(seconds=1)


@pytest.mark.usefixtures("stage")
def test_the_window_of_its_draw_is_open_at_every_moment() -> None:
    assert [now for now in moments() if draw_window.open_window(drawn(), now) is None] == []


@pytest.mark.usefixtures("stage")
def test_its_draw_has_no_seat_no_record_and_no_figures_and_another_service_is_drawn() -> None:
    """An entry is in it for three weeks, in which every schedule runs."""
    service_store.put(draw_document({"beacon": "commitment"}))
    entry = interrupted_entry()
    for day in range(21):
        now = NOW + timedelta(days=day)
        service_store.clear_caches()
        draws.run(partial(datetime.fromtimestamp, now.timestamp(), UTC))
        schedule.release_seats(now)
        schedule.end_expired(now)
        figures.publish(now)
    assert seat_store.read(entry).state is State.CONFIRMED
    assert of_service(CANARY_DRAW) == {"SERVICES", "ENTRIES", "PERSON", "EMAIL"}
    assert {"DRAWS", "DRAWSEED"} <= of_service("aes")


def of_service(service_id: str) -> set[str]:
    """Return the kinds of the items whose keys name a service."""
    keys_of = [(row["pk"]["S"], row["sk"]["S"]) for row in rows()]
    return {pk.partition("#")[0] for pk, sk in keys_of if service_id in {*pk.split("#"), *sk.split("#")}}


def interrupted_entry() -> EntryKey:
    """Enter as the canary does until the e-mail address is proven, and end the run there."""
    now = NOW.astimezone(UTC)
    trial = EntryTrial(SimulatedApi(now), canary.hidden_items(CANARY_DRAW, now), now, 0)
    steps = trial.apply()
    for _ in range(3):
        next(steps)
    (row,) = [row for row in rows() if row["pk"]["S"].startswith("ENTRIES#")]
    return EntryKey(CANARY_DRAW, row["sk"]["S"])


def rows() -> list[dict[str, dict[str, str]]]:
    items: list[dict[str, dict[str, str]]] = dynamodb.connection().connection.client.scan(TableName="guichet-test")[
        "Items"
    ]
    return items


@pytest.mark.usefixtures("stage")
def test_an_entry_of_an_interrupted_run_is_not_counted_as_an_appointment_of_the_stage() -> None:
    interrupted_entry()
    assert count_appointments(the_table(), NOW.date()) == 0


# Visitors


@pytest.mark.usefixtures("stage")
def test_a_visitor_cannot_file_in_the_draw_of_the_canary_so_nobody_else_gets_a_letter() -> None:
    with pytest.raises(NotFound):
        filing.file(entered(), AWA, now=NOW)
    assert {"PERSON", "EMAIL"} & set(left()) == set()


@pytest.mark.usefixtures("stage")
def test_an_e_mail_address_filed_there_cannot_be_corrected_to_that_of_somebody_else() -> None:
    hold = entered()
    filing.file(hold, replace(AWA, email="success+awa@simulator.amazonses.com"), now=NOW)
    with pytest.raises(NotFound):
        filing.change_email(hold.id, AWA.email, now=NOW)
    with pytest.raises(NotFound):
        filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)  # the form again


def entered() -> Held:
    """Return an entry of a visitor whose captcha is passed."""
    now = NOW.astimezone(UTC)
    api = SimulatedApi(now)
    trial = EntryTrial(api, canary.hidden_items(CANARY_DRAW, now), now, 0)
    hold = trial.place_entry()
    assert hold
    return holds.view_ready(trial.pass_captcha(hold), now)
