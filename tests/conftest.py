"""What all unit tests stand on: an environment without secrets of anybody, and a table that moto plays."""

import gc
import os
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import sleep
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="eu-west-3",
    GUICHET_STAGE="laptop",
    GUICHET_TABLE="guichet-test",
    GUICHET_SECRET="0123456789012345678901234567890123456789012345",
    GUICHET_CAPTCHA_ANSWER="",
    GUICHET_MAIL_FROM="rendez-vous@example.org",
    GUICHET_MAIL_RATE="1000",
    GUICHET_PUBLIC_URL="https://guichet.example.org/api",
)

from moto import mock_aws

from chalicelib import log
from chalicelib.domain import timetable
from chalicelib.domain.rng import RNG
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, items, seat_store, service_store, visitor_store
from chalicelib.web import clock as web_clock

gc.freeze()  # moto's and botocore's models stay: a tenth of the time went into looking at them
gc.set_threshold(100_000, 50, 50)
MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
"""Monday 30 November 2026, 09:00 in Paris: a release of two weeks ahead."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say when a unit test begins, what it draws, and in which order all run."""
    parser.addoption("--clock", type=moment, default=MONDAY + timedelta(seconds=1), help="when each unit test begins")
    parser.addoption("--shuffle", action="store_true", help="run the tests in an order that follows from --seed")
    parser.addoption("--seed", default="guichet", help="what the random draws of each unit test follow from")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests in an order drawn from `--seed`, if that is asked for: none may depend on the one before it."""
    if config.getoption("--shuffle"):
        random.Random(config.getoption("--seed")).shuffle(items)  # noqa: S311  # to draw again


def moment(text: str) -> datetime:
    """Read a moment that names its offset, like 2026-11-30T08:59:50+01:00."""
    read = datetime.fromisoformat(text).astimezone(UTC)
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    return read


@dataclass
class Clock:
    """The clock of the HTTP layer in a unit test. It stands still until the test moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the service the clock of `--clock`, and draws that follow from `--seed` and the name of the test."""
    own = Clock(request.config.getoption("--clock"))
    monkeypatch.setattr(web_clock, "clock", own)
    monkeypatch.setattr(log, "clock", lambda: own().timestamp())
    name = f"{request.config.getoption('--seed')} {request.node.nodeid}"
    monkeypatch.setattr(RNG, "source", random.Random(name))  # noqa: S311  # a test repeats its draws
    return own


def document(**changes: Any) -> dict[str, Any]:
    """A small service: Tuesday and Thursday 09:15 to 10:30, five minutes, two desks: 60 seats a week."""
    text = {"fr": "Texte", "en": "Text", "ar": "نص"}
    return {
        "id": "aes",
        "name": {"fr": "Admission exceptionnelle au séjour", "en": "Exceptional admission", "ar": "القبول"},
        "timezone": "Europe/Paris",
        "slot_minutes": 5,
        "plannings": [
            {"desks": [1, 2], "openings": [{"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:30"}]}
        ],
        "release": {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "09:00"}]},
        "office": "Préfecture de l’Exemple",
        "address": ["1 rue de l’Exemple", "42000 Exempleville"],
        "contact": "guichet@example.org",
        "reply_to": "guichet@example.org",
        "rights_address": "Préfecture de l’Exemple, 42000 Exempleville",
        "intro": text,
        "not_for": [text],
        "documents": [text],
        "documents_note": [text],
        "otherwise": [text],
        "times": {"notice_hours": 49},
        "limits": {
            "domain_requests": 0
        },  # most tests write from one e-mail domain; test_request_limits.py has the limit
        "seat_after": "choice",  # the order of steps that most tests walk; test_waiting.py has the others
        **changes,
    }


@pytest.fixture
def table() -> Iterator[None]:
    """An empty table."""
    with mock_aws():
        items.SeatItem.create_table(billing_mode="PAY_PER_REQUEST")  # by its own client: a new one costs 0.3 s
        service_store.forget()
        visitor_store.forget()
        yield
        service_store.forget()


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """The small service, its seats made a minute before they open."""
    put = service_store.put(document())
    fill(put, MONDAY - timedelta(minutes=1))
    return put


def fill(service: Service, now: datetime) -> None:
    """The seats that `upkeep.release` would make, put in batches: moto takes a second for them one by one."""
    with items.SeatItem.batch_write() as batch:
        for week in timetable.weeks_to_create(service, now):
            for key, opens_at in timetable.plan(service, week).items():
                if service.start_of(key) > now:
                    batch.save(seat_store.new_item(key, opens_at))


AWAY = EndpointConnectionError(endpoint_url="https://dynamodb.example.org")


def says(code: str) -> ClientError:
    """What the table answers with this error code."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "any")


@contextmanager
def calls(error: Exception | None = None, *, operation: str = "") -> Iterator[list[str]]:
    """The calls of the table in the block, or those of one operation, by name; with an error, each fails so."""
    events = dynamodb.connection().connection.client.meta.events
    event = f"before-call.dynamodb.{operation}".rstrip(".")
    asked: list[str] = []

    def note(model: Any, **_: object) -> None:
        asked.append(model.name)
        if error:
            raise error

    events.register_first(event, note)
    try:
        yield asked
    finally:
        events.unregister(event, note)


def throttled() -> AbstractContextManager[list[str]]:
    """The calls of the table in the block, all of them throttled."""
    return calls(says("ThrottlingException"))


@pytest.fixture
def one_call_at_a_time() -> Iterator[None]:
    """Lend moto what DynamoDB promises: each call happens as a whole. Between two calls, threads mix as they like."""
    lock = Lock()
    client = dynamodb.connection().connection.client

    def wait(**_: object) -> None:
        lock.acquire()

    def go_on(**_: object) -> None:
        lock.release()
        sleep(0.002)  # let the others in

    events = {"before-call.dynamodb": wait, "after-call.dynamodb": go_on, "after-call-error.dynamodb": go_on}
    for event, handler in events.items():
        client.meta.events.register(event, handler)
    yield
    for event, handler in events.items():
        client.meta.events.unregister(event, handler)
