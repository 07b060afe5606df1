"""The smoke test of a deployment, at every hour of every weekday, and what it leaves behind."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.booking import availability, captcha, filing, holds, personal_data, requests
from chalicelib.domain import calendar, timetable
from chalicelib.domain.refusals import NothingFree, SlotTaken
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store
from chalicelib.web import forms
from infra.deploy import smoke
from infra.deploy.aws import CannotDeploy
from infra.deploy.removal import count_appointments
from infra.deploy.smoke import Answer, Api, SmokeTest, SmokeTestFailed
from infra.deploy.stacks import Deployment
from infra.servicefile import reader

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


class OneTable(Deployment):
    """A stage that uses the table of the unit tests."""

    @property
    def table(self) -> str:
        return "guichet-test"


class SimulatedApi(Api):
    """Answers by calling the use cases at the test's own time.

    Paths that end with one of `failing` answer 500. With `waits`, a hold has no seat before the captcha, and another
    token after it. Without `sends`, no letter leaves.
    """

    def __init__(
        self, now: datetime, *, failing: tuple[str, ...] = (), waits: bool = False, sends: bool = True
    ) -> None:
        super().__init__("https://api.example.org")
        self.now, self.failing, self.waits, self.sends = now, failing, waits, sends
        self.holds: dict[str, str] = {}

    def send(self, method: str, path: str, body: Any) -> tuple[int, Answer]:
        if self.failing and path.endswith(self.failing):
            return 500, {"type": "urn:guichet:problem:internal"}
        try:
            return self.answer(method, path.split("/")[1:], body)
        except SlotTaken:
            return 409, {"type": "urn:guichet:problem:slot-taken"}
        except NothingFree:
            return 409, {"type": "urn:guichet:problem:nothing-free"}

    def answer(self, method: str, parts: list[str], body: Any) -> tuple[int, Answer]:
        answer: tuple[int, Answer] = 200, {}
        match method, *parts:
            case "GET", "health":
                pass
            case "GET", "services", name:
                availability.service(name, self.now)
            case "POST", "services", name, "holds":
                wish = forms.read_wish(body, availability.service(name, self.now))
                hold = holds.place(name, wish, now=self.now).id
                token = "waiting" if self.waits else hold
                self.holds[token] = hold
                answer = 201, {"hold": token, "state": "waiting" if self.waits else "held"}
            case "POST", "holds", hold, "captcha":
                answer = 201, {"challenge": captcha.new_challenge(self.holds[hold], self.now).id}
            case "POST", "holds", hold, "captcha", "answer":
                captcha.answer(self.holds[hold], body["challenge"], body["answer"], now=self.now)
                answer = 200, {"hold": self.holds[hold]}
            case "POST", "holds", hold, "details":
                details = forms.read_details(body, today=self.now.date(), language="fr")
                self.post(filing.file(holds.view_ready(hold, self.now), details, now=self.now), "confirm")
                answer = 202, {}
            case "POST", "requests", token, "confirmation":
                self.post(requests.confirm(token, self.now), "convocation")
            case "POST", "requests", token, "erasure":
                personal_data.erase(token, self.now)
            case _:
                raise AssertionError((method, parts))
        return answer

    def post(self, request: requests.Request, letter: str) -> None:
        """Mark a letter as sent, as the mailer does."""
        if self.sends:
            assert request.person
            person = person_store.read(request.person.key, "essai")
            assert person
            assert person_store.mark_sent(person, letter)


@pytest.fixture
def smoke_test(table: None) -> SmokeTest:  # noqa: ARG001  # a fixture for its effect
    (document,) = reader.read([smoke.SERVICE_FILE], today=date(2026, 11, 23)).documents
    service_store.put(document)
    return prepared(MONDAY_MIDNIGHT)


def prepared(now: datetime, **simulation: Any) -> SmokeTest:
    now = now.astimezone(UTC)
    return SmokeTest(OneTable("trial", boto3.client), SimulatedApi(now, **simulation), keys(), now, patience=0)


def left() -> list[str]:
    """Return the kinds of items left, without the service's document and the counters, which expire."""
    items = boto3.client("dynamodb").scan(TableName="guichet-test")["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in items}
    return sorted(kinds & {"SEATS", "PERSON", "EMAIL"})


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
        key = smoke.seat_key(now)
        assert key.week in timetable.open_weeks(service, now), now
        assert key.week in timetable.open_weeks(service, now + timedelta(minutes=10)), now
        assert calendar.is_offered(service, key, now + timedelta(minutes=10)), now


@pytest.mark.parametrize("weekday", range(7))
def test_the_smoke_test_passes_on_every_weekday_and_leaves_nothing(smoke_test: SmokeTest, weekday: int) -> None:
    for time_of_day in (timedelta(), timedelta(hours=23, minutes=59)):
        now = smoke_test.now + timedelta(days=weekday) + time_of_day
        assert list(prepared(now).steps()) == STEPS
        assert left() == []


def test_on_a_sunday_the_first_free_seat_of_the_hidden_service_is_the_one_of_the_test(smoke_test: SmokeTest) -> None:
    sunday = prepared(smoke_test.now + timedelta(days=6, hours=12))
    sunday.open_seat()
    hold = holds.place("essai", holds.Wish(None, conditions_accepted=True), now=sunday.now)
    assert hold.key == sunday.seat


@pytest.mark.usefixtures("smoke_test")
def test_a_hold_that_waits_gets_its_seat_and_another_token_at_the_captcha() -> None:
    assert list(prepared(MONDAY_MIDNIGHT, waits=True).steps()) == STEPS
    assert left() == []


@pytest.mark.parametrize("done", range(7))
def test_an_interrupted_run_does_not_stop_the_next_one(smoke_test: SmokeTest, done: int) -> None:
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


def test_seats_of_earlier_runs_on_other_days_are_deleted_too(smoke_test: SmokeTest) -> None:
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
        list(smoke.run(prepared(MONDAY_MIDNIGHT, failing=(path,))))
    assert str(failed.value).startswith(f"guichet: smoke test: {line}")
    assert "\n" not in str(failed.value)
    assert left() == []


@pytest.mark.usefixtures("smoke_test")
def test_a_letter_that_is_not_sent_is_named_with_the_last_answer() -> None:
    with pytest.raises(SmokeTestFailed, match=r"details answered 202; the first e-mail did not come within 0 seconds"):
        list(prepared(MONDAY_MIDNIGHT, sends=False).steps())
    assert left() == []


def test_an_error_of_aws_in_the_test_itself_does_not_blame_the_stage(smoke_test: SmokeTest) -> None:
    class Denied(SmokeTest):
        def open_seat(self) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutItem")

    denied = Denied(smoke_test.deployment, smoke_test.api, smoke_test.keys, smoke_test.now)
    with pytest.raises(CannotDeploy) as refused:
        list(smoke.run(denied))
    assert "do not roll back for this" in str(refused.value)
    assert "AccessDeniedException" in str(refused.value)


def test_an_interrupted_smoke_test_is_not_counted_as_an_appointment_of_the_stage(smoke_test: SmokeTest) -> None:
    smoke_test.open_seat()
    hold = smoke_test.place_hold()
    assert hold
    steps = smoke_test.book(hold)
    assert [next(steps) for _ in range(3)] == STEPS[2:5]
    assert seat_store.read(smoke_test.seat).state == "confirmed"
    assert count_appointments(smoke_test.deployment, smoke_test.now.date()) == 0


def test_the_service_of_the_smoke_test_is_hidden() -> None:
    assert smoke.hidden_service().id == "essai"
    assert smoke.hidden_service().hidden
