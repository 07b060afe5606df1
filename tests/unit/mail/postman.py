"""A mailer that keeps what it was given, and stream records for it."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import boto3

from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey
from chalicelib.keys import keys
from chalicelib.mail import outbox, ses
from chalicelib.storage import seat_store
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
Change = tuple[str, outbox.Image | None, outbox.Image | None]


class Postman:
    """Takes letters, or fails as he is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.sent: list[tuple[ses.Letter, str]] = []

    def __call__(self, letter: ses.Letter, key: str, **_more: str) -> str:
        if self.failure:
            raise self.failure
        self.sent.append((letter, key))
        return "id"


def image(key: SeatKey) -> outbox.Image:
    """A seat as the stream shows it."""
    row = seat_store.new_item(key, NOW)
    item: outbox.Image = boto3.client("dynamodb").get_item(
        TableName="guichet-test", Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}}
    )["Item"]
    return item


def filed(details: Details = AWA) -> tuple[requests.Request, Change]:
    """A request, and the change of its seat that the stream carries."""
    kept = holds.place("aes", holds.Wish(None, conditions_accepted=True), now=NOW)
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    before = image(kept.seat.key)
    request = filing.file(kept.id, details, now=NOW)
    return request, ("1", before, image(kept.seat.key))


def after(request: requests.Request, act: Callable[[str], Any]) -> Change:
    """The change that an act makes of a request's seat."""
    key = keys().read_token("link", request.token).seat
    before = image(key)
    act(request.token)
    return "2", before, image(key)


BOUNCE: dict[str, Any] = {"bounceType": "Permanent", "bounceSubType": "General"}


def event(kind: str, *, to: Any = ("awa@example.org",), by: str = "eventType", **facts: Any) -> str:
    """As SES publishes it, with what no reader here needs."""
    said = {by: kind, "mail": {"messageId": "0100", "source": "rendez-vous@example.org", "destination": to}}
    return json.dumps(said | facts)


def bounce(kind: str = "Permanent", **more: Any) -> str:
    return event("Bounce", bounce=BOUNCE | {"bounceType": kind}, **more)
