"""A trial of a stage: it does with a hidden service what an applicant does, and leaves nothing.

It has the stage's secret, with which it solves the captcha and makes the link of the e-mail. The e-mails go to SES's
mailbox simulator. The mailer's marks on the person item show that they were sent.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from http import HTTPStatus
from typing import ClassVar, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.canary.api import Answer, Api
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.domain import emails
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Key
from chalicelib.domain.service import Service

EMAIL = "success+{}" + emails.SIMULATOR
FURTHER_CAPTCHAS = 3
"""How many more captchas a request may owe: the holds of a trial are from one client network."""
T = TypeVar("T")


class StepFailed(Exception):
    """A step of the trial had another answer than expected. The message has no personal data."""


@dataclass(frozen=True)
class Trial(ABC):
    """One run at a moment. `patience` is how many seconds it waits for a step.

    No step begins after `ends`, a reading of `time.monotonic`. A call that has begun takes up to 30 s more.
    """

    api: Api
    items: HiddenItems
    now: datetime
    patience: float
    ends: float = math.inf

    part: ClassVar[str]
    """What messages call the trial."""

    @property
    def service(self) -> Service:
        """The hidden service."""
        return self.items.service

    @cached_property
    def details(self) -> dict[str, str]:
        """The details of an invented person, another one in each run."""
        name = "".join(RNG.choices("bcdfghijkl", k=8)).title()
        email = EMAIL.format(name.lower())
        person = {"first_name": name, "last_name": "Exemple", "birth_name": "", "birth_date": "1990-05-17"}
        return person | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def steps(self) -> Iterator[str]:
        """Run all steps, and yield the name of each when it has passed. StepFailed stops the trial.

        The trial deletes its items at the end, also after a failure.
        """
        page = f"/services/{self.service.id}"
        self.wait_for("the hidden service", lambda: self.call("GET", page)[0] == HTTPStatus.OK or None)
        self.delete_applications()  # interrupted runs may have left some
        passed = False
        try:
            yield from self.apply()
            passed = True
        finally:
            with suppress(*(() if passed else (BotoCoreError, ClientError))):  # the first failure is the one to report
                self.clear()
        yield "nothing is left of it"

    @abstractmethod
    def apply(self) -> Iterator[str]:
        """Run the steps of an applicant."""

    @abstractmethod
    def delete_applications(self) -> None:
        """Delete the seats or entries of this run and of interrupted ones, with their people."""

    def clear(self) -> None:
        """Delete the items of this run's person, and all applications."""
        birth_date = date.fromisoformat(self.details["birth_date"])
        self.items.delete_person(
            self.items.keys.person_key(self.details["first_name"], self.details["last_name"], birth_date)
        )
        self.delete_applications()

    def pass_captcha(self, hold: str) -> str:
        """Solve the captcha of a hold. Return its token, another one if it waited for its seat or its entry."""
        challenge = self.expect(201, "POST", f"/holds/{hold}/captcha")["challenge"]
        answer = {"challenge": challenge, "answer": self.items.keys.picture_answer(challenge)}
        return str(self.expect(200, "POST", f"/holds/{hold}/captcha/answer", answer).get("hold", hold))

    def file(self, hold: str, key: Key) -> str:
        """File the details of a hold, with the further captchas that it owes. Return the path of the link."""
        for _ in range(1 + FURTHER_CAPTCHAS):
            status, answer = self.call("POST", f"/holds/{hold}/details", self.details)
            if status == HTTPStatus.ACCEPTED:
                return f"/requests/{self.items.keys.link_token(key, self.items.seat(key)['hold']['S'])}"
            if not str(answer.get("type")).endswith(":captcha-required"):
                break
            self.pass_captcha(hold)
        raise self.failed("expected 202")

    def wait_for_letter(self, what: str, mark: str, key: Key) -> None:
        """Wait until the mailer has marked a letter about the request on a seat or an entry as sent."""
        self.wait_for(what, lambda: mark in self.items.sent_letters(key) or None)

    def expect(self, status: int, method: str, path: str, body: object = None) -> Answer:
        """Call the API and return its answer. Raise StepFailed for another status."""
        actual, answer = self.call(method, path, body)
        if actual != status:
            raise self.failed(f"expected {status}")
        return answer

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Answer]:
        """Call the API, unless the trial has taken too long."""
        if time.monotonic() > self.ends:
            raise self.failed("the run has taken too long")
        return self.api.call(method, path, body)

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        """Call `look` until it returns something. Raise StepFailed when it takes too long."""
        deadline = min(time.monotonic() + self.patience, self.ends)
        while (value := look()) is None:
            if time.monotonic() > self.ends:
                raise self.failed(f"the run has taken too long: {what} did not come")
            if time.monotonic() > deadline:
                raise self.failed(f"{what} did not come within {self.patience:.0f} seconds at {self.api.url}")
            time.sleep(min(0.5, self.patience))
        return value

    def failed(self, reason: str) -> StepFailed:
        """Return the failure of the latest step."""
        return StepFailed(f"{self.part}: {self.api.latest}; {reason}")
