"""The canary: what a run records, what it leaves behind, and what /health/booking says of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.canary import run as canary
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.canary.trial import Trial
from chalicelib.storage import pulse_store, service_store
from infra.deploy import smoke
from infra.servicefile import reader
from tests.client import TableFails, get, refused
from tests.conftest import Clock
from tests.unit.booking.steps import NOW
from tests.unit.canary.simulation import SimulatedApi, left


@pytest.fixture
def stage(table: None, tmp_path: Path) -> None:  # noqa: ARG001  # a fixture for its effect
    """Put the hidden services, as a deployment does."""
    for file in smoke.write_files(tmp_path):
        (document,) = reader.read([file], today=date(2026, 11, 23)).documents
        service_store.put(document)


def run(*, hours: int = 0, seconds: float = 2.5, **simulation: Any) -> None:
    """Make a run that takes so many seconds by its timer."""
    now = NOW.astimezone(UTC) + timedelta(hours=hours)
    readings = iter((0.0, seconds, seconds, seconds))
    canary.run(now, connect=lambda _: SimulatedApi(now, **simulation), patience=0, timer=lambda: next(readings))


def logged(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"canary"' in line]
    assert len(lines) == 1
    return {name: lines[0].get(name) for name in ("CanarySuccess", "CanaryMilliseconds", "failure", "skipped")}


@pytest.mark.usefixtures("stage")
def test_a_run_that_passes_is_counted_and_remembered_and_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    expected = {"CanarySuccess": 1, "CanaryMilliseconds": 2500, "failure": None, "skipped": None}
    assert logged(capsys) == expected
    assert pulse_store.last_success() == pulse_store.Success(NOW + timedelta(seconds=2.5), timedelta(seconds=2.5))
    assert left() == []


@pytest.mark.usefixtures("stage")
def test_a_run_that_fails_is_counted_says_why_and_does_not_change_the_last_success(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run()
    capsys.readouterr()
    run(hours=1, failing=("/details",))
    reason = "POST /holds/…/details answered 500 internal; expected 202"
    assert logged(capsys) == {"CanarySuccess": 0, "CanaryMilliseconds": 2500, "failure": reason, "skipped": None}
    success = pulse_store.last_success()
    assert success
    assert success.at == NOW + timedelta(seconds=2.5)
    assert left() == []


@pytest.mark.usefixtures("table")
def test_without_its_hidden_service_a_run_fails(capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert logged(capsys)["failure"] == "NotFound"


@pytest.mark.usefixtures("stage")
def test_a_table_that_is_away_fails_the_run_and_not_the_function(
    table_fails: TableFails, capsys: pytest.CaptureFixture[str]
) -> None:
    table_fails(None)
    run()
    assert logged(capsys)["CanarySuccess"] == 0


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("path", ["/captcha", "/confirmation", "/erasure"])
def test_what_a_run_leaves_that_was_cut_is_deleted_by_the_next(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Cut(SimulatedApi):
        def send(self, method: str, path_sent: str, body: Any) -> Any:
            if path_sent.endswith(path):
                raise KeyboardInterrupt  # as Lambda ends a function: nothing after it runs
            return super().send(method, path_sent, body)

    class CutItems(HiddenItems):
        def delete_seats(self, now: datetime) -> None:
            """Do nothing: the function has ended."""

        def delete_person(self, person_key: str) -> None:
            """Do nothing either."""

    now = NOW.astimezone(UTC)
    items = canary.hidden_items(now)
    cut = CutItems(items.client, items.table, items.keys, items.service)
    with pytest.raises(KeyboardInterrupt):
        list(Trial(Cut(now), cut, now, 0).steps())
    assert left() != []
    service_store.clear_caches()  # the cached seats of a week expire after a second, and the time here stands still
    run()
    assert logged(capsys)["CanarySuccess"] == 1
    assert left() == []


@pytest.mark.usefixtures("stage")
def test_the_smoke_test_and_the_canary_leave_the_seat_of_the_other_alone(tmp_path: Path) -> None:
    names = [reader.read([file], today=NOW.date()).documents[0]["id"] for file in smoke.write_files(tmp_path)]
    assert names == ["essai", "canari"]


def test_a_function_without_a_public_url_has_nothing_to_try(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = replace(settings.current(), public_url="")
    monkeypatch.setattr(settings, "current", lambda: here)
    run()
    assert logged(capsys)["skipped"] == "no public URL"


# /health/booking


@pytest.mark.usefixtures("table")
def test_the_health_of_the_booking_is_the_age_of_the_last_success_and_fails_after_a_quarter_of_an_hour(
    clock: Clock,
) -> None:
    never = {"status": "failing", "last_success": None, "age_seconds": None, "milliseconds": None}
    assert (get("/health/booking").status, get("/health/booking").data) == (503, never)
    pulse_store.record_success(clock.now, timedelta(seconds=2.5))
    moment = clock.now.isoformat(timespec="seconds")
    clock.move(timedelta(minutes=15))
    recent = get("/health/booking")
    fresh = {"status": "ok", "last_success": moment, "age_seconds": 900, "milliseconds": 2500}
    assert (recent.status, recent.data, recent.headers["Cache-Control"]) == (200, fresh, "no-store")
    clock.move(timedelta(seconds=1))
    late = get("/health/booking")
    assert (late.status, late.data["status"], late.data["age_seconds"]) == (503, "failing", 901)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(None, 503, "try-again"), ("ProvisionedThroughputExceededException", 429, "too-many-requests")],
)
def test_the_health_of_the_booking_is_unknown_while_the_table_does_not_answer(
    table_fails: TableFails, error: str | None, status: int, code: str
) -> None:
    table_fails(error)
    refused(get("/health/booking"), status, code)
