"""The operator program on a service that draws its seats."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.allocation import entries
from chalicelib.booking import personal_data, requests, schedule
from chalicelib.domain.seat import DRAWN as DRAWN_BY
from chalicelib.domain.service import CANARY_DRAW, Service
from chalicelib.storage import seat_keys, seat_store, service_store
from tests.conftest import draw_document, fill
from tests.unit.allocation.entrants import CLOSES, WEEK, entered, entry_of, put_service
from tests.unit.allocation.entrants import NOW as ENTERED_AT
from tests.unit.infra.ops.bookings import NOW
from tests.unit.infra.ops.program import ops
from tests.unit.infra.servicefile.samples import DRAWN


@pytest.fixture
def drawn(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    service = service_store.put(draw_document())
    schedule.release_seats(NOW)
    return service


@pytest.mark.usefixtures("drawn")
def test_a_draw_needs_no_attention_because_it_releases_nothing() -> None:
    ran = ops("status")
    assert (ran.code, "  next release: none: the seats are drawn" in ran.out.splitlines()) == (0, True)
    assert ops("services", "list").out.count("seats are drawn") == 1
    assert ops("release", "preview", "aes").out == "Nothing opens: the seats are drawn.\n"


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("command", ["list", "preview"])
def test_the_draw_that_the_canary_enters_is_not_said_to_be_late(command: str) -> None:
    service_store.put({**draw_document(), "id": CANARY_DRAW})
    ran = ops("draws", command, CANARY_DRAW)
    assert (ran.code, "nothing is ever drawn" in ran.err) == (1, True)


@pytest.mark.usefixtures("drawn")
def test_the_figures_of_a_week_name_no_release() -> None:
    later = NOW + timedelta(days=30)
    assert ops("figures", "aes", "--week", "2026-W51", "--json", now=later).json["releases"] == []


@pytest.mark.usefixtures("table")
def test_a_file_with_a_draw_is_put_in_place_and_its_seats_open_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("essai.yaml").write_text(DRAWN, "utf-8")
    (effect,) = ops("services", "put", "essai.yaml", "--json", "--yes").json["services"]
    assert (effect["new"], effect["opens"]) == (True, [])
    ops("release", "run", "essai")
    seats = seat_store.read_week("essai", "2026-W51")
    assert len(seats) == 48
    assert not any(seat.is_free(NOW + timedelta(days=10)) for seat in seats)


@pytest.mark.usefixtures("service")
def test_the_effect_of_a_change_to_a_draw_names_the_seats_that_move() -> None:
    schedule.release_seats(NOW)
    service_store.put(draw_document())
    changed = ops("release", "run", "aes", "--dry-run", "--json").json["services"]["aes"]
    assert changed["move"] > 100


def test_the_seats_of_a_draw_are_missing_when_its_window_opens_soon(
    drawn: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> int:
        schedule.end_expired(SOON)
        (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"SeatsMissing"' in line]
        return int(line["SeatsMissing"])

    assert missing() == 0
    for seat in seat_store.read_week(drawn.id, "2026-W52"):
        seat_keys.seat_item(seat.key).delete()
    assert missing() == 1


SOON = NOW + timedelta(days=2, hours=10)
"""Less than 15 hours before the window for 2026-W52 opens."""


def test_a_drawn_appointment_is_in_the_list_of_its_day_with_its_corrected_name(table: None) -> None:  # noqa: ARG001
    fill(put_service(), ENTERED_AT)
    request = entered()
    to = seat_store.read_week("aes", WEEK)[0].key
    entries.give_seat(request.service, entry_of(request), to, DRAWN_BY, now=CLOSES)
    personal_data.correct(personal_data.view_correctable(request.token, CLOSES), "Awa", "Exempel", "06", now=CLOSES)
    requests.confirm(request.token, CLOSES)
    (line,) = ops("day", "aes", to.day.isoformat(), "--json", now=CLOSES).json["seats"]
    assert (line["reference"], line["state"], line["name"]) == (request.reference, "confirmed", "Exempel Awa")
    assert ops("day", "aes", "2026-12-10", "--json", now=CLOSES).json["seats"] == []
