"""What the operator program says of seats that only the desk gives, and what it leaves to the desk."""

from pathlib import Path

import pytest

from chalicelib.domain import timetable
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store, service_store
from chalicelib.storage.items import SeatItem
from tests.conftest import document, fill
from tests.unit.infra.ops.bookings import NOW, book
from tests.unit.infra.ops.program import ops
from tests.unit.infra.servicefile.samples import GOOD

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("table")]


@pytest.fixture
def mixed(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Put two seats a day in place, one of them internal for ever."""
    hours = {"days": ["tuesday"], "from": "10:00", "to": "10:10"}
    service = service_store.put(document(plannings=[{"desks": [1], "openings": [hours], "internal": 1}]))
    fill(service, NOW)
    return service


def internal(service: Service, week: str = "2026-W50") -> SeatKey:
    (key,) = timetable.internal_seats(service, week)
    return key


def give(service: Service, **values: object) -> None:
    """Let the desk have given its seat, or taken it back."""
    actions = [getattr(SeatItem, name).set(value) for name, value in values.items()]
    assert seat_store.update(internal(service), actions, SeatItem.pk.exists())


def test_the_calendar_and_the_figures_of_a_week_tell_internal_seats_from_coming_and_opened_ones(mixed: Service) -> None:
    week = ops("calendar", "aes", "--week", "2026-W50", "--json").json["totals"]
    assert {name: number for name, number in week.items() if number} == {"internal": 1, "free": 1}
    figures = ops("figures", "aes", "--week", "2026-W50", "--json").json
    assert (figures["opened"], [release["seats"] for release in figures["releases"]]) == (1, [1])
    give(mixed, state=State.CONFIRMED, filed_at=NOW)
    assert ops("figures", "aes", "--week", "2026-W50", "--json").json["opened"] == 1
    give(mixed, state=State.OPEN, past_state=State.CANCELLED)
    assert ops("calendar", "aes", "--week", "2026-W50", "--json").json["totals"]["internal"] == 1


def test_the_list_of_a_day_names_a_free_internal_seat(mixed: Service) -> None:
    day = str(internal(mixed).day)
    for values in ({}, {"past_state": State.CANCELLED}):
        give(mixed, state=State.OPEN, **values)
        (line,) = ops("day", "aes", day, "--json").json["seats"]
        assert (line["time"], line["state"]) == (f"{internal(mixed).start:%H:%M}", "internal")
    give(mixed, state=State.CONFIRMED)
    assert [line["state"] for line in ops("day", "aes", day, "--json").json["seats"]] == ["confirmed"]


@pytest.mark.usefixtures("mixed")
def test_the_list_of_releases_has_no_internal_seat() -> None:
    (coming,) = ops("release", "preview", "aes", "--weeks", "1", "--json").json["releases"]
    assert (coming["week"], coming["seats"]) == ("2026-W52", 1)


def test_a_closing_sets_no_internal_seat_aside(mixed: Service) -> None:
    (public,) = set(timetable.planned_seats(mixed, "2026-W50")) - timetable.internal_seats(mixed, "2026-W50")
    book(public)
    for week in ("2026-W51", "2026-W52"):
        for key in set(timetable.planned_seats(mixed, week)) - timetable.internal_seats(mixed, week):
            assert seat_store.update(key, [SeatItem.state.set(State.CONFIRMED)], SeatItem.pk.exists())
    assert ops("close", "aes", str(public.day), "--yes", "--short", "--json").code == 0
    later = [seat for week in ("2026-W51", "2026-W52") for seat in seat_store.read_week("aes", week)]
    assert [seat.key for seat in later if seat.reserve] == []


def test_the_effect_of_a_file_counts_its_internal_seats_by_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = GOOD.replace("[1, 2]\n", '[1, 2]\n    internal: 2\n    internal_until: {days_before: 3, at: "09:00"}\n')
    Path("essai.yaml").write_text(text.replace("seats: 30", "seats: 20"), "utf-8")
    lines = ops("services", "put", "essai.yaml", "--dry-run").out.splitlines()
    assert "  week 2026-W50: 4 internal seats, for the desk" in lines
    (effect,) = ops("services", "put", "essai.yaml", "--dry-run", "--json").json["services"]
    assert effect["internal"]["2026-W51"] == 4
    assert sum(opens["seats"] for opens in effect["opens"] if opens["week"] == "2026-W51") == 44
