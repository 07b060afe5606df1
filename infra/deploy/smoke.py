"""The smoke test of a deployed stage: book, confirm and erase one appointment as an applicant does.

The deployer may read the stage's secret. The test uses it to solve the captcha and to make the link of the e-mail.
The e-mails go to SES's mailbox simulator. The mailer's marks on the person item show that they were sent.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain import codec
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from infra.deploy.aws import CannotDeploy
from infra.deploy.smoke_items import HiddenItems
from infra.deploy.stacks import Deployment
from infra.servicefile import reader

SERVICE_FILE = Path(__file__).with_name("smoke.yaml")
AHEAD = timedelta(days=3)
START = wall_time(9)
OPENED = timedelta(hours=1)
"""The age of the opened seat. A function whose clock is a few minutes slow must still see it as open."""
PATIENCE = 90.0
"""Seconds to wait for a step. Functions cache services for a minute, and a first e-mail may take as long."""
EMAIL = "success+{}@simulator.amazonses.com"
T = TypeVar("T")
Answer = dict[str, Any]


class SmokeTestFailed(CannotDeploy):
    """A step of the smoke test had another answer than expected."""


@cache
def hidden_service() -> Service:
    """Read the hidden service from its file. The result does not depend on `today`: its closure lasts until 2099."""
    (document,) = reader.read([SERVICE_FILE], today=date.min).documents
    return codec.service_from_document(document)


def seat_key(now: datetime) -> SeatKey:
    """Return the seat to book. Its week is shown by the hidden service at `now` and as long as the test runs."""
    service = hidden_service()
    return SeatKey(now.astimezone(service.zone).date() + AHEAD, START, 1, service.id)


class Api:
    """The stage's API at a URL. It remembers its latest answer for the message of a failure."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.latest = ""

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Answer]:
        """Send JSON and read JSON. The status is 0 if nothing answers."""
        status, answer = self.send(method, path, body)
        parts = path.split("/")
        shown = path if parts[1] not in {"holds", "requests"} else f"/{parts[1]}/…/{parts[-1]}"  # tokens are secret
        code = str(answer.get("type", "")).rpartition(":")[2] if status >= HTTPStatus.BAD_REQUEST else ""
        self.latest = f"{method} {shown} answered {f'{status} {code}'.strip()}" if status else "nothing answers"
        return status, answer

    def send(self, method: str, path: str, body: object) -> tuple[int, Answer]:
        """Send one request over HTTP."""
        data = json.dumps(body).encode() if body is not None else (b"" if method == "POST" else None)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            with urlopen(Request(self.url + path, data, headers, method=method), timeout=30) as answer:  # noqa: S310 - the stage's own URL
                return answer.status, _parse(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _parse(error.read())
        except (URLError, ConnectionError, TimeoutError):
            return 0, {}


def _parse(body: bytes) -> Answer:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@dataclass(frozen=True)
class SmokeTest:
    """One run of the smoke test at a moment."""

    deployment: Deployment
    api: Api
    keys: Keys
    now: datetime
    patience: float = PATIENCE

    @cached_property
    def seat(self) -> SeatKey:
        """The seat that the test books."""
        return seat_key(self.now)

    @cached_property
    def items(self) -> HiddenItems:
        """The hidden service's items in the stage's table."""
        return HiddenItems(self.deployment, self.keys, hidden_service())

    @cached_property
    def details(self) -> dict[str, str]:
        """The details of an invented person, another one in each run."""
        name = "".join(secrets.choice("bcdfghijkl") for _ in range(8)).title()
        email = EMAIL.format(name.lower())
        person = {"first_name": name, "last_name": "Exemple", "birth_name": "", "birth_date": "1990-05-17"}
        return person | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def steps(self) -> Iterator[str]:
        """Run all steps, and yield the name of each when it has passed. SmokeTestFailed stops the test.

        The test deletes its items at the end, also after a failure.
        """
        page = f"/services/{hidden_service().id}"
        self.wait_for("the API", lambda: self.api.call("GET", "/health")[0] == HTTPStatus.OK or None)
        yield "the API answers"
        self.wait_for("the hidden service", lambda: self.api.call("GET", page)[0] == HTTPStatus.OK or None)
        self.clear()  # an interrupted run may have left items
        passed = False
        try:
            self.open_seat()
            hold = self.wait_for("a hold", self.place_hold)
            yield "a seat can be held"
            yield from self.book(hold)
            passed = True
        finally:
            with suppress(*(() if passed else (BotoCoreError, ClientError))):  # the first failure is the one to report
                self.clear()
        yield "nothing is left of it"

    def book(self, hold: str) -> Iterator[str]:
        """Run the steps from the captcha to the erasure."""
        challenge = self.expect(201, "POST", f"/holds/{hold}/captcha")["challenge"]
        answer = {"challenge": challenge, "answer": self.keys.picture_answer(challenge)}
        # A hold that waits for its seat gets the seat, and another token, for the right answer.
        hold = str(self.expect(200, "POST", f"/holds/{hold}/captcha/answer", answer).get("hold", hold))
        yield "the captcha is shown, and accepts what it shows"
        self.expect(202, "POST", f"/holds/{hold}/details", self.details)
        link = f"/requests/{self.keys.link_token(self.seat, self.items.seat(self.seat)['hold']['S'])}"
        self.wait_for("the first e-mail", lambda: "confirm" in self.items.sent_letters(self.seat) or None)
        yield "a request is filed, and its letter has left"
        self.expect(200, "POST", f"{link}/confirmation")
        self.wait_for("the convocation", lambda: "convocation" in self.items.sent_letters(self.seat) or None)
        yield "it is confirmed, and the convocation has left"
        self.expect(200, "POST", f"{link}/erasure")
        yield "it is erased"

    def open_seat(self) -> None:
        """Create the seat to book. The hidden service's rules create none."""
        self.items.open_seat(self.seat, self.now - OPENED)

    def place_hold(self) -> str | None:
        """Hold that seat and return the hold token, or None while the functions do not see the seat yet."""
        wish = {"date": self.seat.day.isoformat(), "start": f"{START:%H:%M}", "conditions_accepted": True}
        status, answer = self.api.call("POST", f"/services/{hidden_service().id}/holds", wish)
        return str(answer["hold"]) if status == HTTPStatus.CREATED else None

    def clear(self) -> None:
        """Delete the items of this run's person and of all earlier runs."""
        birth_date = date.fromisoformat(self.details["birth_date"])
        self.items.delete_person(
            self.keys.person_key(self.details["first_name"], self.details["last_name"], birth_date)
        )
        self.items.delete_seats(self.now)

    def expect(self, status: int, method: str, path: str, body: object = None) -> Answer:
        """Call the API and return its answer. Raise SmokeTestFailed for another status."""
        actual, answer = self.api.call(method, path, body)
        if actual != status:
            raise self.failed(f"expected {status}")
        return answer

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        """Call `look` until it returns something. Raise SmokeTestFailed when it takes too long."""
        deadline = time.monotonic() + self.patience
        while (value := look()) is None:
            if time.monotonic() > deadline:
                raise self.failed(f"{what} did not come within {self.patience:.0f} seconds at {self.api.url}")
            time.sleep(min(0.5, self.patience))
        return value

    def failed(self, expected: str) -> SmokeTestFailed:
        """Return the error of a failed step: the latest answer, what was expected, and what to do."""
        return SmokeTestFailed(
            f"smoke test: {self.api.latest}; {expected}. {self.deployment.stage} is deployed and fails its test: find "
            "the cause in the logs of its functions, then deploy again, or roll back if visitors fail too "
            "(docs/deploy.md)"
        )


def run(test: SmokeTest) -> Iterator[str]:
    """Run the steps of a smoke test. An error of AWS in the test itself does not blame the stage."""
    try:
        yield from test.steps()
    except (BotoCoreError, ClientError) as error:
        reason = " ".join(str(error).split())
        raise CannotDeploy(
            f"smoke test: AWS: {reason}. {test.deployment.stage} is deployed, and its test could not be made: "
            "do not roll back for this; deploy again once it is put right"
        ) from error
