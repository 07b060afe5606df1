"""The smoke test of a deployment, at every hour of every weekday, and what it leaves behind."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from chalicelib.booking import holds
from chalicelib.canary.booking_trial import BookingTrial, seat_key
from chalicelib.canary.trial import StepFailed
from chalicelib.domain import calendar, timetable
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store
from infra.deploy import smoke
from infra.deploy.aws import CannotDeploy
from infra.deploy.removal import count_appointments
from infra.deploy.smoke import SmokeTestFailed
from infra.servicefile import reader
from tests.unit.canary.simulation import SimulatedApi, left, the_table

PARIS = ZoneInfo("Europe/Paris")
MONDAY_MIDNIGHT = datetime(2026, 11, 23, tzinfo=PARIS)
STEPS = [
    "the API answers",
    "a seat can be held",
    "the captcha is shown, and accepts what it shows",
    "a request is filed, and its letter has left",
    "it is confirmed, and the convocation has left",
    "it is erased",
    "nothing is left of it",
]


@pytest.fixture
def smoke_test(table: None) -> BookingTrial:  # noqa: ARG001  # a fixture for its effect
    (document,) = reader.read([smoke.SERVICE_FILE], today=date(2026, 11, 23)).documents
    service_store.put(document)
    return prepared(MONDAY_MIDNIGHT)


def prepared(now: datetime, **simulation: Any) -> BookingTrial:
    now = now.astimezone(UTC)
    return smoke.prepare(the_table(), SimulatedApi(now, **simulation), keys(), now, patience=0)


def around(moment: datetime, days: int) -> Iterator[datetime]:
    """Yield every quarter of an hour, and the second before it, in so many days around a moment."""
    start = moment.astimezone(UTC) - timedelta(days=days)
    for quarter in range(2 * days * 96):
        yield start + quarter * timedelta(minutes=15)
        yield start + quarter * timedelta(minutes=15) - timedelta(seconds=1)


@pytest.mark.parametrize(
    "moment",
    [
        MONDAY_MIDNIGHT,
        datetime(2026, 12, 28, tzinfo=PARIS),  # the Monday of week 53, then the turn of the year
        datetime(2027, 1, 4, tzinfo=PARIS),  # the Monday of week 1 of 2027
        datetime(2027, 3, 28, 3, tzinfo=PARIS),  # clocks go forward
        datetime(2027, 10, 31, 3, tzinfo=PARIS),  # clocks go back
    ],
)
def test_the_seat_is_in_a_week_that_the_hidden_service_shows_at_every_hour(moment: datetime) -> None:
    service = smoke.hidden_service()
    for now in around(moment, 9):
        key = seat_key(service, now)
        assert key.week in timetable.open_weeks(service, now), now
        assert key.week in timetable.open_weeks(service, now + timedelta(minutes=10)), now
        assert calendar.is_offered(service, key, now + timedelta(minutes=10)), now


@pytest.mark.parametrize("weekday", range(7))
def test_the_smoke_test_passes_on_every_weekday_and_leaves_nothing(smoke_test: BookingTrial, weekday: int) -> None:
    for time_of_day in (timedelta(), timedelta(hours=23, minutes=59)):
        now = smoke_test.now + timedelta(days=weekday) + time_of_day
        assert list(prepared(now).steps()) == STEPS
        assert left() == []


def test_on_a_sunday_the_first_free_seat_of_the_hidden_service_is_the_one_of_the_test(smoke_test: BookingTrial) -> None:
    sunday = prepared(smoke_test.now + timedelta(days=6, hours=12))
    sunday.open_seat()
    hold = holds.place("essai", holds.Wish(None, conditions_accepted=True), now=sunday.now)
    assert hold.key == sunday.seat


@pytest.mark.usefixtures("smoke_test")
def test_a_hold_that_waits_gets_its_seat_and_another_token_at_the_captcha() -> None:
    assert list(prepared(MONDAY_MIDNIGHT, waits=True).steps()) == STEPS
    assert left() == []


@pytest.mark.parametrize("done", range(7))
def test_an_interrupted_run_does_not_stop_the_next_one(smoke_test: BookingTrial, done: int) -> None:
    interrupted = prepared(smoke_test.now)
    interrupted.open_seat()
    if done:
        hold = interrupted.place_hold()
        assert hold
        steps = interrupted.book(hold)
        for _ in range(done - 1):
            next(steps, None)
    assert left() != []
    service_store.clear_caches()  # the cached seats of a week expire after a second, and the time here stands still
    assert list(smoke_test.steps()) == STEPS
    assert left() == []


def test_seats_of_earlier_runs_on_other_days_are_deleted_too(smoke_test: BookingTrial) -> None:
    prepared(smoke_test.now - timedelta(days=1)).open_seat()
    prepared(smoke_test.now + timedelta(days=4)).open_seat()
    assert list(smoke_test.steps()) == STEPS
    assert left() == []


@pytest.mark.usefixtures("smoke_test")
@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/health", "GET /health answered 500 internal; the API did not come within 0 seconds at https://api.example"),
        ("/holds", "POST /services/essai/holds answered 500 internal; a hold did not come within 0 seconds at https:"),
        ("/captcha", "POST /holds/…/captcha answered 500 internal; expected 201. trial is deployed and fails its"),
        ("/answer", "POST /holds/…/answer answered 500 internal; expected 200. trial is deployed and fails its test:"),
        ("/details", "POST /holds/…/details answered 500 internal; expected 202. trial is deployed and fails its"),
        ("/confirmation", "POST /requests/…/confirmation answered 500 internal; expected 200. trial is deployed and"),
        ("/erasure", "POST /requests/…/erasure answered 500 internal; expected 200. trial is deployed and fails its"),
    ],
)
def test_a_step_that_fails_quotes_the_answer_and_leaves_nothing(path: str, line: str) -> None:
    with pytest.raises(SmokeTestFailed) as failed:
        list(smoke.run("trial", prepared(MONDAY_MIDNIGHT, failing=(path,))))
    assert str(failed.value).startswith(f"guichet: smoke test: booking: {line}")
    assert "\n" not in str(failed.value)
    assert left() == []


@pytest.mark.usefixtures("smoke_test")
def test_a_letter_that_is_not_sent_is_named_with_the_last_answer() -> None:
    with pytest.raises(StepFailed, match=r"details answered 202; the first e-mail did not come within 0 seconds"):
        list(prepared(MONDAY_MIDNIGHT, sends=False).steps())
    assert left() == []


def test_an_error_of_aws_in_the_test_itself_does_not_blame_the_stage(smoke_test: BookingTrial) -> None:
    class Denied(BookingTrial):
        def open_seat(self) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutItem")

    denied = Denied(smoke_test.api, smoke_test.items, smoke_test.now, 0)
    with pytest.raises(CannotDeploy) as refused:
        list(smoke.run("trial", denied))
    assert "do not roll back for this" in str(refused.value)
    assert "AccessDeniedException" in str(refused.value)


def test_an_interrupted_smoke_test_is_not_counted_as_an_appointment_of_the_stage(smoke_test: BookingTrial) -> None:
    smoke_test.open_seat()
    hold = smoke_test.place_hold()
    assert hold
    steps = smoke_test.book(hold)
    assert [next(steps) for _ in range(3)] == STEPS[2:5]
    assert seat_store.read(smoke_test.seat).state == "confirmed"
    assert count_appointments(the_table(), smoke_test.now.date()) == 0


def test_the_service_of_the_smoke_test_is_hidden() -> None:
    assert smoke.hidden_service().id == "essai"
    assert smoke.hidden_service().hidden
