"""The base of all unit tests: an environment without real secrets, and a table of MiniStack in this process."""

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

from chalicelib import log
from chalicelib.domain import timetable
from chalicelib.domain.rng import RNG
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, entry_keys, items, seat_store, service_items, service_store, visitor_store
from chalicelib.web import clock as web_clock
from tests.proof import inprocess

gc.freeze()  # The models of botocore are never freed. To scan them took a tenth of the time.
gc.set_threshold(100_000, 50, 50)
MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
"""Monday 30 November 2026, 09:00 in Paris: a release of two weeks ahead."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for the start time, the random draws and the order of the unit tests."""
    parser.addoption("--clock", type=moment, default=MONDAY + timedelta(seconds=1), help="when each unit test begins")
    parser.addoption("--shuffle", action="store_true", help="run the tests in an order drawn from --seed")
    parser.addoption("--seed", default="guichet", help="the seed of the random draws of each unit test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--shuffle`, run the tests in an order drawn from `--seed`: no test may depend on an earlier one."""
    if config.getoption("--shuffle"):
        random.Random(config.getoption("--seed")).shuffle(items)  # noqa: S311  # to draw again


def moment(text: str) -> datetime:
    """Parse a date and time with a UTC offset, like 2026-11-30T08:59:50+01:00."""
    parsed = datetime.fromisoformat(text).astimezone(UTC)
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    return parsed


@dataclass
class Clock:
    """The clock of the HTTP layer in a unit test. It stands still until the test moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        """Move the clock forward."""
        self.now += by


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the service the clock of `--clock`, and random draws from `--seed` and the name of the test."""
    test_clock = Clock(request.config.getoption("--clock"))
    monkeypatch.setattr(web_clock, "clock", test_clock)
    monkeypatch.setattr(log, "clock", lambda: test_clock().timestamp())
    name = f"{request.config.getoption('--seed')} {request.node.nodeid}"
    monkeypatch.setattr(RNG, "source", random.Random(name))  # noqa: S311  # a test repeats its draws
    return test_clock


def document(**changes: Any) -> dict[str, Any]:
    """Return a service document: Tuesday and Thursday 09:15 to 10:30, 5-minute slots, two desks, 60 seats a week."""
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
        "limits": {"domain_requests": 0},  # Most tests use one e-mail domain. test_request_limits.py tests the limit.
        "seat_after": "choice",  # Most tests use this order of steps. test_waiting.py tests the others.
        **changes,
    }


DRAW = {
    "opens": {"day": "thursday", "at": "09:00"},
    "closes": {"day": "sunday", "at": "18:00"},
    "weeks_ahead": 2,
    "seniority_percent": 25,
    "preferences": 5,
    "beacon": "drand",
    "witnesses": ["temoin@association.example.org"],
}
"""Thursday 09:00 to Sunday 18:00, for the week that begins two weeks after the Monday that follows."""


def draw_document(rules: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the service document with a draw instead of a release, with changes of its rules and of other parts."""
    common = {name: value for name, value in document(**changes).items() if name not in {"release", "seat_after"}}
    return {**common, "allocation": "draw", "draw": DRAW | (rules or {})}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Create an empty table. Few shards of entries are read as many are, and faster."""
    monkeypatch.setattr(entry_keys, "SHARDS", 3)
    with inprocess.table():
        service_store.clear_caches()
        service_items.forget_layouts()
        service_items.record_layout("aes", None)  # as a process that has read the services: some tests count its calls
        visitor_store.clear_cache()
        yield
        service_store.clear_caches()


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Put the small service, with its seats created a minute before they open."""
    stored = service_store.put(document())
    fill(stored, MONDAY - timedelta(minutes=1))
    return stored


def fill(service: Service, now: datetime) -> None:
    """Create the seats that the release function would create, in batches."""
    with items.SeatItem.batch_write() as batch:
        for week in timetable.weeks_to_create(service, now):
            for key, opens_at in timetable.plan(service, week).items():
                if service.start_of(key) > now:
                    batch.save(seat_store.new_item(key, opens_at))


UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb.example.org")


def client_error(code: str) -> ClientError:
    """Return the exception for this error code of DynamoDB."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "any")


@contextmanager
def calls(error: Exception | None = None, *, operation: str = "") -> Iterator[list[str]]:
    """Record the names of the DynamoDB calls in the block, or of one operation. With `error`, each of them fails."""
    events = dynamodb.connection().connection.client.meta.events
    event = f"before-call.dynamodb.{operation}".rstrip(".")
    names: list[str] = []

    def note(model: Any, **_: object) -> None:
        names.append(model.name)
        if error:
            raise error

    events.register_first(event, note)
    try:
        yield names
    finally:
        events.unregister(event, note)


def throttled() -> AbstractContextManager[list[str]]:
    """Record the names of the DynamoDB calls in the block, and throttle all of them."""
    return calls(client_error("ThrottlingException"))


@pytest.fixture
def one_call_at_a_time() -> Iterator[None]:
    """Let threads interleave between two calls to the table, and not within one."""
    lock = Lock()
    client = dynamodb.connection().connection.client

    def wait(**_: object) -> None:
        lock.acquire()

    def go_on(**_: object) -> None:
        lock.release()
        sleep(0.002)  # lets other threads run

    events = {"before-call.dynamodb": wait, "after-call.dynamodb": go_on, "after-call-error.dynamodb": go_on}
    for event, handler in events.items():
        client.meta.events.register(event, handler)
    yield
    for event, handler in events.items():
        client.meta.events.unregister(event, handler)
