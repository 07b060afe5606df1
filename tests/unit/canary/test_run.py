"""The canary: what a run records, what it leaves behind, and what /health/booking says of it."""

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.booking.request_limits import MOST_CAPTCHAS
from chalicelib.canary import run as canary
from chalicelib.canary.booking_trial import BookingTrial
from chalicelib.canary.entry_trial import EntryTrial
from chalicelib.canary.hidden_items import MOST_OF_SHARD, HiddenItems
from chalicelib.canary.trial import FURTHER_CAPTCHAS, StepFailed, Trial
from chalicelib.domain.service import CANARY_DRAW
from chalicelib.storage import dynamodb, entry_keys, pulse_store, service_store
from chalicelib.storage.items import Item
from tests.client import TableFails, get, refused
from tests.conftest import Clock
from tests.unit.booking.steps import NOW
from tests.unit.canary.simulation import SimulatedApi, left


def run(*, hours: float = 0, seconds: float = 2.5, **simulation: Any) -> None:
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
    reason = "booking: POST /holds/…/details answered 500 internal; expected 202"
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


# The two trials


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "/entries",
            "POST /services/canari-tirage/entries answered 500 internal; an entry did not come within 0 seconds",
        ),
        ("/captcha", "POST /holds/…/captcha answered 500 internal; expected 201"),
        ("/answer", "POST /holds/…/answer answered 500 internal; expected 200"),
        ("/details", "POST /holds/…/details answered 500 internal; expected 202"),
        ("/confirmation", "POST /requests/…/confirmation answered 500 internal; expected 200"),
        ("/erasure", "POST /requests/…/erasure answered 500 internal; expected 200"),
    ],
)
def test_a_draw_that_cannot_be_entered_fails_the_run_names_the_step_and_leaves_nothing(
    path: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(failing=(path,), draw_fails=True)
    line = logged(capsys)
    assert (line["CanarySuccess"], line["failure"].startswith(f"draw: {reason}")) == (0, True)
    assert pulse_store.last_success() is None
    assert left() == []


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("trial_of", [BookingTrial, EntryTrial])
def test_a_letter_that_does_not_leave_fails_either_trial(trial_of: type[Trial]) -> None:
    with pytest.raises(StepFailed, match=f"^{trial_of.part}: .*details answered 202; the first e-mail did not come"):
        list(trial(trial_of, sends=False).steps())
    assert left() == []


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("trial_of", [BookingTrial, EntryTrial])
def test_the_second_letter_is_waited_for_too(trial_of: type[Trial]) -> None:
    run_of = trial(trial_of)

    def until_the_letters_stop() -> None:
        for step in run_of.steps():
            run_of.api.sends = "its letter has left" not in step  # type: ignore[attr-defined]

    with pytest.raises(StepFailed, match=f"^{trial_of.part}: .*confirmation answered 200; the (convocation|receipt) "):
        until_the_letters_stop()
    assert left() == []


def trial(
    trial_of: type[Trial], *, api: SimulatedApi | None = None, items: HiddenItems | None = None, **simulation: Any
) -> Trial:
    """Return a trial at the time of its API."""
    api = api or SimulatedApi(NOW.astimezone(UTC), **simulation)
    service_id = canary.SERVICE if trial_of is BookingTrial else CANARY_DRAW
    return trial_of(api, items or canary.hidden_items(service_id, api.now), api.now, 0)


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("trial_of", [BookingTrial, EntryTrial])
@pytest.mark.parametrize("path", ["/captcha", "/details", "/confirmation", "/erasure"])
def test_what_a_run_leaves_that_was_cut_is_deleted_by_the_next(
    trial_of: type[Trial], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(trial_of, path)
    run()
    assert logged(capsys)["CanarySuccess"] == 1
    assert left() == []


class Cut(SimulatedApi):
    """Ends the function at a path, as Lambda does: nothing after it runs."""

    def __init__(self, now: datetime, path: str) -> None:
        super().__init__(now)
        self.path, self.is_cut = path, False

    def send(self, method: str, path: str, body: Any) -> Any:
        if path.endswith(self.path):
            self.is_cut = True
            raise KeyboardInterrupt
        return super().send(method, path, body)


@dataclass(frozen=True)
class CutItems(HiddenItems):
    """Deletes nothing once the function has ended."""

    api: Cut

    def delete_seats(self, now: datetime) -> None:
        if not self.api.is_cut:
            super().delete_seats(now)

    def delete_entries(self) -> None:
        if not self.api.is_cut:
            super().delete_entries()

    def delete_person(self, person_key: str) -> None:
        if not self.api.is_cut:
            super().delete_person(person_key)


def cut_short(trial_of: type[Trial], path: str, now: datetime = NOW) -> None:
    """Make a trial that is cut before the call of a path. It leaves something, unless nothing was stored before."""
    service_store.clear_caches()  # the cached seats of a week expire after a second, and the time here stands still
    api = Cut(now.astimezone(UTC), path)
    items = trial(trial_of).items
    cut = CutItems(items.client, items.table, items.keys, items.service, api)
    with pytest.raises(KeyboardInterrupt):
        list(trial(trial_of, api=api, items=cut).steps())
    service_store.clear_caches()
    assert (left() == []) is (trial_of is EntryTrial and path == "/captcha")  # only the token knows it before


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("trial_of", [BookingTrial, EntryTrial])
@pytest.mark.parametrize("path", ["/details", "/confirmation", "/erasure"])
def test_runs_that_are_cut_for_an_hour_leave_only_what_the_last_one_left(
    trial_of: type[Trial], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_short(trial_of, path)
    once = items_left()
    for number in range(1, 12):
        cut_short(trial_of, path, NOW + number * timedelta(minutes=5))
        assert items_left() == once
    run(hours=1)
    assert logged(capsys)["CanarySuccess"] == 1
    assert items_left() == 0


@pytest.mark.usefixtures("stage")
def test_runs_that_fail_half_way_for_an_hour_leave_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        run(hours=number / 12, failing=("/confirmation",), draw_fails=True)
        assert logged(capsys)["CanarySuccess"] == 0
        assert items_left() == 0
        service_store.clear_caches()


def items_left() -> int:
    """Count the items of the table without the documents and the last success."""
    items = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    return sum(item["pk"]["S"] not in {"SERVICES", "PULSE"} for item in items)


@pytest.mark.usefixtures("stage")
def test_entries_of_visitors_are_deleted_a_number_at_a_time() -> None:
    items = trial(EntryTrial).items
    for number in range(MOST_OF_SHARD + 1):
        row = Item(entry_keys.partition(CANARY_DRAW, 2), f"entry{number}")
        items.client.put_item(TableName=items.table, Item=row.serialize())
    for expected in (1, 0):
        items.delete_entries()
        assert items_left() == expected


def test_a_trial_solves_as_many_further_captchas_as_a_request_can_owe() -> None:
    assert FURTHER_CAPTCHAS == MOST_CAPTCHAS


@pytest.mark.usefixtures("stage")
def test_the_further_captchas_that_a_client_network_owes_are_solved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve runs an hour are 24 holds of one client network; beyond a third of its holds each owes captchas."""
    counted = replace(settings.current(), network_holds=30)
    monkeypatch.setattr(settings, "current", lambda: counted)
    for number in range(12):
        run(hours=number / 12, ip_address="203.0.113.7")
        assert logged(capsys)["failure"] is None
        assert left() == []
        service_store.clear_caches()


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("trial_of", [BookingTrial, EntryTrial])
def test_no_step_begins_after_the_time_of_a_run(trial_of: type[Trial]) -> None:
    late = replace(trial(trial_of), ends=time.monotonic() - 1)
    with pytest.raises(StepFailed, match=f"^{trial_of.part}: ; the run has taken too long"):
        list(late.steps())


@pytest.mark.usefixtures("stage")
def test_a_run_whose_steps_are_slow_ends_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = NOW.astimezone(UTC)
    api = SimulatedApi(now, sends=False)
    started = time.monotonic()
    canary.run(now, connect=lambda _: api, patience=60, longest=0.3)
    assert time.monotonic() - started < 5
    assert (
        "the run has taken too long" in logged(capsys)["failure"]
    )  # at the first e-mail, or before it on a busy machine


def test_a_run_fits_into_the_time_of_the_function() -> None:
    config = json.loads((Path(__file__).parents[3] / ".chalice/config.json").read_text("utf-8"))
    timeout = config["lambda_functions"]["canary"]["lambda_timeout"]
    assert timeout >= canary.LONGEST + 30 + 15  # the last call, and the deletion


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
