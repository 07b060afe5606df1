"""A `send` that stores its letters, a clock, and stream records for the mailer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Barrier, BrokenBarrierError
from typing import Any

from chalicelib.booking import requests
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey
from chalicelib.keys import keys
from chalicelib.mail import outbox, ses
from chalicelib.storage import dynamodb, seat_store
from chalicelib.storage.items import Image
from tests.unit.booking.steps import AWA, NOW, captcha_passed, send_details

Change = tuple[str, Image | None, Image | None]


class Clock:
    """A clock that only `sleep` moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Overlap:
    """A call that notes whether two threads are in it at the same time."""

    def __init__(self) -> None:
        self.seen, self._both = False, Barrier(2, timeout=0.1)

    def __call__(self, *_: object, **__: object) -> bytes:
        with suppress(BrokenBarrierError):  # nobody else came
            self._both.wait()
            self.seen = True
        return b""

    def sleep(self, _seconds: float) -> None:
        self()


class Postman:
    """Stores letters, or raises this failure."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.sent: list[tuple[ses.Letter, str]] = []

    def __call__(self, letter: ses.Letter, key: str, **_more: str) -> str:
        if self.failure:
            raise self.failure
        self.sent.append((letter, key))
        return "id"


def image(key: SeatKey) -> Image:
    """Return the image of a seat in the stream."""
    row = seat_store.new_item(key, NOW)
    return dynamodb.read(row.pk, row.sk) or {}


def filed(details: Details = AWA) -> tuple[requests.Request, Change]:
    """File a request. Return it, and the stream record of its seat."""
    hold = captcha_passed(None)
    before = image(hold.key)
    request = send_details(hold.id, details)
    return request, ("1", before, image(hold.key))


def after(request: requests.Request, act: Callable[[str], Any]) -> Change:
    """Return the stream record that an action writes about the seat of a request."""
    key = keys().read_link_token(request.token).seat
    before = image(key)
    act(request.token)
    return "2", before, image(key)


BOUNCE: dict[str, Any] = {"bounceType": "Permanent", "bounceSubType": "General"}


def event(kind: str, *, to: Any = ("awa@example.org",), by: str = "eventType", **facts: Any) -> str:
    """Return an event as SES publishes it, with fields that nothing here reads."""
    document = {by: kind, "mail": {"messageId": "0100", "source": "rendez-vous@example.org", "destination": to}}
    return json.dumps(document | facts)


def bounce(kind: str = "Permanent", **more: Any) -> str:
    return event("Bounce", bounce=BOUNCE | {"bounceType": kind}, **more)


def images() -> dict[tuple[str, str], Image]:
    """Return every item of the table as the stream shows it."""
    rows = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in rows}


@contextmanager
def mailed(postman: Postman, now: datetime = NOW) -> Iterator[None]:
    """Deliver what the steps in this block change."""
    before = images()
    yield
    after = images()
    records = [(str(number), before.get(key), row) for number, (key, row) in enumerate(after.items())]
    changed = [record for record in records if record[1] is not None and record[1] != record[2]]
    assert outbox.deliver(changed, now=now, send=postman) == []
