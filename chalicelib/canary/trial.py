"""One trial of a stage: book, confirm and erase one appointment as an applicant does.

It has the stage's secret, with which it solves the captcha and makes the link of the e-mail. The e-mails go to SES's
mailbox simulator. The mailer's marks on the person item show that they were sent.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from functools import cached_property
from http import HTTPStatus
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.canary.api import Answer, Api
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service

AHEAD = timedelta(days=3)
START = wall_time(9)
OPENED = timedelta(hours=1)
"""The age of the opened seat. A function whose clock is a few minutes slow must still see it as open."""
EMAIL = "success+{}@simulator.amazonses.com"
T = TypeVar("T")


class StepFailed(Exception):
    """A step of the trial had another answer than expected. The message has no personal data."""


def seat_key(service: Service, now: datetime) -> SeatKey:
    """Return the seat to book. Its week is shown by the hidden service at `now` and as long as the trial runs."""
    return SeatKey(now.astimezone(service.zone).date() + AHEAD, START, 1, service.id)


@dataclass(frozen=True)
class Trial:
    """One run at a moment. `patience` is how many seconds it waits for a step."""

    api: Api
    items: HiddenItems
    now: datetime
    patience: float

    @property
    def service(self) -> Service:
        """The hidden service."""
        return self.items.service

    @cached_property
    def seat(self) -> SeatKey:
        """The seat that the trial books."""
        return seat_key(self.service, self.now)

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
        answer = {"challenge": challenge, "answer": self.items.keys.picture_answer(challenge)}
        # A hold that waits for its seat gets the seat, and another token, for the right answer.
        hold = str(self.expect(200, "POST", f"/holds/{hold}/captcha/answer", answer).get("hold", hold))
        yield "the captcha is shown, and accepts what it shows"
        self.expect(202, "POST", f"/holds/{hold}/details", self.details)
        link = f"/requests/{self.items.keys.link_token(self.seat, self.items.seat(self.seat)['hold']['S'])}"
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
        status, answer = self.api.call("POST", f"/services/{self.service.id}/holds", wish)
        return str(answer["hold"]) if status == HTTPStatus.CREATED else None

    def clear(self) -> None:
        """Delete the items of this run's person and of all earlier runs."""
        birth_date = date.fromisoformat(self.details["birth_date"])
        self.items.delete_person(
            self.items.keys.person_key(self.details["first_name"], self.details["last_name"], birth_date)
        )
        self.items.delete_seats(self.now)

    def expect(self, status: int, method: str, path: str, body: object = None) -> Answer:
        """Call the API and return its answer. Raise StepFailed for another status."""
        actual, answer = self.api.call(method, path, body)
        if actual != status:
            raise StepFailed(f"{self.api.latest}; expected {status}")
        return answer

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        """Call `look` until it returns something. Raise StepFailed when it takes too long."""
        deadline = time.monotonic() + self.patience
        while (value := look()) is None:
            if time.monotonic() > deadline:
                late = f"{what} did not come within {self.patience:.0f} seconds at {self.api.url}"
                raise StepFailed(f"{self.api.latest}; {late}")
            time.sleep(min(0.5, self.patience))
        return value
