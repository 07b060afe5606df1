"""The smoke test of a deployment, at every hour of every weekday, and what it leaves behind."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.booking import availability, captcha, filing, holds, personal_data, requests
from chalicelib.domain import calendar, codec, timetable
from chalicelib.domain.refusals import NothingFree, SlotTaken
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store
from chalicelib.web import forms
from infra.deploy import smoke
from infra.deploy.commands import appointments
from infra.deploy.package import CannotDeploy
from infra.deploy.smoke import Broken, Walk
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
Said = tuple[int, dict[str, Any]]


class OneTable(Deployment):
    """A stage whose table is the one of the unit tests."""

    @property
    def table(self) -> str:
        return "guichet-test"


@dataclass(frozen=True)
class Played(Walk):
    """A smoke test whose calls are played by the use cases, at the test's own time; `refuses` are paths that fail."""

    refuses: tuple[str, ...] = ()
    waits: bool = False
    """The hold has no seat before the captcha, and another id after it."""
    aliases: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any) -> Said:
        if any(path.endswith(end) for end in self.refuses):
            return 500, {"type": "urn:guichet:problem:internal"}
        try:
            return self.play(method, path.split("/")[1:], body)
        except SlotTaken:
            return 409, {"type": "urn:guichet:problem:slot-taken"}
        except NothingFree:
            return 409, {"type": "urn:guichet:problem:nothing-free"}

    def play(self, method: str, parts: list[str], body: Any) -> Said:
        said: Said = 200, {}
        match method, *parts:
            case "GET", "health":
                pass
            case "GET", "services", name:
                availability.service(name, self.now)
            case "POST", "services", name, "holds":
                wish = forms.read_wish(body, availability.service(name, self.now))
                hold = holds.place(name, wish, now=self.now).id
                if self.waits:
                    self.aliases["waiting"] = hold
                said = 201, {"hold": "waiting" if self.waits else hold, "state": "waiting" if self.waits else "held"}
            case "POST", "holds", hold, "captcha":
                said = 201, {"challenge": captcha.new_challenge(self.aliases.get(hold, hold), self.now).id}
            case "POST", "holds", hold, "captcha", "answer":
                hold = self.aliases.get(hold, hold)
                captcha.answer(hold, body["challenge"], body["answer"], now=self.now)
                said = 200, {"hold": hold}
            case "POST", "holds", hold, "details":
                details = forms.read_details(body, today=self.now.date(), language="fr")
                self.post(filing.file(hold, details, now=self.now), "confirm")
                said = 202, {}
            case "POST", "requests", token, "confirmation":
                self.post(requests.confirm(token, self.now), "convocation")
            case "POST", "requests", token, "erasure":
                personal_data.erase(token, self.now)
            case _:
                raise AssertionError((method, parts))
        return said

    def post(self, request: requests.Request, letter: str) -> None:
        assert request.person
        person = person_store.read(request.person.key, "essai")
        assert person
        assert person_store.mark_sent(person, letter)


@pytest.fixture
def walk(table: None) -> Played:  # noqa: ARG001  # a fixture for its effect
    (document,) = reader.read([smoke.SMOKE], today=date(2026, 11, 23)).documents
    service_store.put(document)
    return played(MONDAY_MIDNIGHT)


def played(now: datetime, **changes: Any) -> Played:
    deployment = OneTable("trial", boto3.client)
    return Played(deployment, "https://api.example.org", keys(), now.astimezone(UTC), patience=0, **changes)


def left() -> list[str]:
    """What kinds of items are left, less the service's document and the counters, which end by themselves."""
    items = boto3.client("dynamodb").scan(TableName="guichet-test")["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in items}
    return sorted(kinds & {"SEATS", "PERSON", "EMAIL"})


def around(moment: datetime, days: int) -> Iterator[datetime]:
    """Every quarter of an hour, and the second before it, in so many days around a moment."""
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
    service = smoke.service()
    for now in around(moment, 9):
        key = smoke.seat_key(now)
        assert key.week in timetable.open_weeks(service, now), now
        assert key.week in timetable.open_weeks(service, now + timedelta(minutes=10)), now
        assert calendar.is_offered(service, key, now + timedelta(minutes=10)), now


@pytest.mark.parametrize("weekday", range(7))
def test_the_smoke_test_passes_on_every_weekday_and_leaves_nothing(walk: Played, weekday: int) -> None:
    for clock in (timedelta(), timedelta(hours=23, minutes=59)):
        now = (walk.now + timedelta(days=weekday) + clock).astimezone(UTC)
        assert list(played(now).steps()) == STEPS
        assert left() == []


def test_the_first_free_seat_of_the_hidden_service_is_the_one_of_the_test_on_a_sunday(walk: Played) -> None:
    sunday = played(walk.now + timedelta(days=6, hours=12))
    sunday.open_seat()
    hold = holds.place("essai", holds.Wish(None, conditions_accepted=True), now=sunday.now)
    assert hold.seat.key == sunday.seat


def test_a_hold_that_waits_gets_its_seat_and_another_id_at_the_captcha(walk: Played) -> None:
    assert list(replace(walk, waits=True).steps()) == STEPS
    assert left() == []


@pytest.mark.parametrize("done", range(7))
def test_a_run_that_was_cut_off_does_not_stop_the_next_one(walk: Played, done: int) -> None:
    cut = played(walk.now)
    cut.open_seat()
    if done:
        hold = cut.hold()
        assert hold
        steps = cut.book(hold)
        for _ in range(done - 1):
            next(steps, None)
    assert left() != []
    service_store.forget()  # a process remembers the seats of a week for a second, and the time here stands still
    assert list(walk.steps()) == STEPS
    assert left() == []


def test_a_seat_that_was_left_on_another_day_is_cleared_as_well(walk: Played) -> None:
    played(walk.now - timedelta(days=1)).open_seat()
    played(walk.now + timedelta(days=4)).open_seat()
    assert list(walk.steps()) == STEPS
    assert left() == []


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
def test_a_step_that_fails_says_what_was_answered_and_leaves_nothing(walk: Played, path: str, line: str) -> None:
    with pytest.raises(Broken) as broken:
        list(smoke.run(replace(walk, refuses=(path,))))
    assert str(broken.value).startswith(f"guichet: smoke test: {line}")
    assert "\n" not in str(broken.value)
    assert left() == []


def test_a_letter_that_does_not_leave_is_named_after_the_step_that_worked(walk: Played) -> None:
    class Silent(Played):
        def post(self, request: requests.Request, letter: str) -> None:
            """Send nothing."""

    silent = Silent(walk.deployment, walk.api, walk.keys, walk.now, patience=0)
    with pytest.raises(Broken, match=r"details answered 202; the first e-mail did not come within 0 seconds"):
        list(silent.steps())
    assert left() == []


def test_what_aws_refuses_to_the_test_itself_is_not_said_of_the_stage(walk: Played) -> None:
    class Closed(Played):
        def open_seat(self) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutItem")

    closed = Closed(walk.deployment, walk.api, walk.keys, walk.now, patience=0)
    with pytest.raises(CannotDeploy) as refused:
        list(smoke.run(closed))
    assert "do not roll back for this" in str(refused.value)
    assert "AccessDeniedException" in str(refused.value)


def test_a_smoke_test_that_was_cut_off_is_no_appointment_that_keeps_a_stage(walk: Played) -> None:
    walk.open_seat()
    hold = walk.hold()
    assert hold
    steps = walk.book(hold)
    assert [next(steps) for _ in range(3)] == STEPS[2:5]
    assert seat_store.read(walk.seat).state == "confirmed"
    assert appointments(walk.deployment, walk.now.date().isoformat()) == 0


def test_the_hidden_service_is_read_from_its_file() -> None:
    (document,) = reader.read([smoke.SMOKE], today=date(2026, 11, 23)).documents
    assert (smoke.service().id, codec.service_from_document(document).hidden) == ("essai", True)
