"""The smoke test of a deployed stage: book, confirm and erase one appointment as an applicant does.

The deployer may read the stage's secret. The test uses it to solve the captcha and to make the link of the e-mail.
The e-mails go to SES's mailbox simulator; the mailer's marks on the person item show that they were sent.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain import codec, timetable
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from chalicelib.storage import items, seat_store
from infra.deploy.package import ROOT, CannotDeploy
from infra.deploy.stacks import Deployment
from infra.servicefile import reader

SMOKE = Path(__file__).with_name("smoke.yaml")
AHEAD = timedelta(days=3)
START = wall_time(9)
OPENED = timedelta(hours=1)
"""The seat opened this long ago, so that a clock a few minutes fast does not make it a seat to come."""
PATIENCE = 90.0  # seconds: functions cache services for a minute; a first e-mail may take as long
EMAIL = "success+{}@simulator.amazonses.com"
T = TypeVar("T")
Item = dict[str, Any]


class Broken(CannotDeploy):
    """A step of the smoke test had another answer than expected."""


@cache
def service() -> Service:
    """Read the hidden service from its file. The result does not depend on `today`: its closure lasts until 2099."""
    (document,) = reader.read([SMOKE], today=date.min).documents
    return codec.service_from_document(document)


def seat_key(now: datetime) -> SeatKey:
    """Return the seat to book: in a week that the hidden service shows at `now`, and for as long as the test runs."""
    return SeatKey(now.astimezone(service().zone).date() + AHEAD, START, 1, service().id)


@dataclass(frozen=True)
class Walk:
    """The steps of one smoke test, on a stage whose API is at this URL."""

    deployment: Deployment
    api: str
    keys: Keys
    now: datetime
    patience: float = PATIENCE
    answers: list[str] = field(default_factory=list)
    """The latest answer of the API, for the message of a failure."""

    @cached_property
    def seat(self) -> SeatKey:
        """The seat that the test books."""
        return seat_key(self.now)

    def steps(self) -> Iterator[str]:
        """Do one step after the other, and name each when it is done. Broken if one fails. Nothing is left behind."""
        page = f"/services/{service().id}"
        self.until("the API", lambda: self.call("GET", "/health")[0] == HTTPStatus.OK or None)
        yield "the API answers"
        self.until("the hidden service", lambda: self.call("GET", page)[0] == HTTPStatus.OK or None)
        self.clear()  # what an interrupted run left
        passed = False
        try:
            self.open_seat()
            hold = self.until("a hold", self.hold)
            yield "a seat can be held"
            yield from self.book(hold)
            passed = True
        finally:
            with suppress(*(() if passed else (BotoCoreError, ClientError))):  # the first failure is the one to report
                self.clear()
        yield "nothing is left of it"

    def book(self, hold: str) -> Iterator[str]:
        """Go from the captcha to the erasure. A hold that waits for its seat gets it, and a new id, at the captcha."""
        challenge = self.answered(201, "POST", f"/holds/{hold}/captcha")["challenge"]
        answer = {"challenge": challenge, "answer": self.keys.picture_answer(challenge)}
        hold = str(self.answered(200, "POST", f"/holds/{hold}/captcha/answer", answer).get("hold", hold))
        yield "the captcha is shown, and accepts what it shows"
        self.answered(202, "POST", f"/holds/{hold}/details", self.details)
        link = f"/requests/{self.keys.link_token(self.seat, self.item(self.seat)['hold']['S'])}"
        self.until("the first e-mail", lambda: "confirm" in self.sent() or None)
        yield "a request is filed, and its letter has left"
        self.answered(200, "POST", f"{link}/confirmation")
        self.until("the convocation", lambda: "convocation" in self.sent() or None)
        yield "it is confirmed, and the convocation has left"
        self.answered(200, "POST", f"{link}/erasure")
        yield "it is erased"

    @cached_property
    def details(self) -> dict[str, str]:
        """The details of an invented person, another one in each run."""
        name = "".join(secrets.choice("bcdfghijkl") for _ in range(8)).title()
        email = EMAIL.format(name.lower())
        who = {"first_name": name, "last_name": "Exemple", "birth_name": "", "birth_date": "1990-05-17"}
        return who | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def open_seat(self) -> None:
        """Open one seat of the hidden service. The rules of its file give none."""
        row = seat_store.new_item(self.seat, self.now - OPENED)
        row.extra, row.erase_at = True, int(service().erase_at(self.seat).timestamp())
        self.table.put_item(TableName=self.deployment.table, Item=row.serialize())

    def hold(self) -> str | None:
        """Hold that seat; None while the functions do not see it yet."""
        wish = {"date": self.seat.day.isoformat(), "start": f"{START:%H:%M}", "conditions_accepted": True}
        status, said = self.call("POST", f"/services/{service().id}/holds", wish)
        return str(said["hold"]) if status == HTTPStatus.CREATED else None

    def sent(self) -> str:
        """Return which e-mails of the request were sent."""
        person = self.item(self.seat).get("person", {}).get("S", "")
        return str(self.read(_lock("PERSON", person)).get("sent", {}).get("S", "")) if person else ""

    @cached_property
    def table(self) -> Any:  # noqa: ANN401 - boto3 ships no types
        """The client of the stage's table."""
        return self.deployment.client("dynamodb")

    def item(self, key: SeatKey) -> Item:
        """Read the item of a seat."""
        row = items.seat_item(key)
        return self.read({"pk": {"S": row.pk}, "sk": {"S": row.sk}})

    def read(self, key: Item) -> Item:
        """Read an item consistently; empty if there is none."""
        answer = self.table.get_item(TableName=self.deployment.table, Key=key, ConsistentRead=True)
        item: Item = answer.get("Item", {})
        return item

    def clear(self) -> None:
        """Delete every seat of the hidden service that visitors see, and what is kept of its applicant.

        The seat comes last: it names the person, so the next run can finish an interrupted one.
        """
        who = self.details
        self.forget(self.keys.person_key(who["first_name"], who["last_name"], date.fromisoformat(who["birth_date"])))
        for week in timetable.weeks_to_create(service(), self.now):
            pages = self.table.get_paginator("query").paginate(
                TableName=self.deployment.table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :week",
                ExpressionAttributeValues={":week": {"S": f"SEATS#{service().id}#{week}"}},
            )
            for seat in [item for page in pages for item in page["Items"]]:
                if person := seat.get("person", {}).get("S", ""):
                    self.forget(person)
                self.delete({name: seat[name] for name in ("pk", "sk")})

    def forget(self, person: str) -> None:
        """Delete a person item of the hidden service, and the lock of its e-mail address."""
        if item := self.read(_lock("PERSON", person)):
            email = json.loads(item["details"]["S"])["email"]
            self.delete(_lock("EMAIL", self.keys.email_key(email)))
            self.delete(_lock("PERSON", person))

    def delete(self, key: Item) -> None:
        """Delete one item, if it is there."""
        self.table.delete_item(TableName=self.deployment.table, Key=key)

    def answered(self, status: int, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the answer of a step; Broken if it has another status."""
        got, said = self.call(method, path, body)
        if got != status:
            raise self.broken(f"expected {status}")
        return said

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Send JSON and read JSON; the status is 0 when there is no answer."""
        status, said = self.send(method, path, body)
        parts = path.split("/")
        shown = path if parts[1] not in {"holds", "requests"} else f"/{parts[1]}/…/{parts[-1]}"  # an id is a secret
        code = str(said.get("type", "")).rpartition(":")[2] if status >= HTTPStatus.BAD_REQUEST else ""
        self.answers[:] = [f"{method} {shown} answered {f'{status} {code}'.strip()}" if status else "nothing answers"]
        return status, said

    def send(self, method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Send one request over HTTP."""
        sent = json.dumps(body).encode() if body is not None else (b"" if method == "POST" else None)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            with urlopen(Request(self.api + path, sent, headers, method=method), timeout=30) as answer:  # noqa: S310
                return answer.status, _json(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _json(error.read())
        except (URLError, ConnectionError, TimeoutError):
            return 0, {}

    def until(self, what: str, look: Callable[[], T | None]) -> T:
        """Return what `look` returns, once that is something; Broken if it stays None for too long."""
        end = time.monotonic() + self.patience
        while (value := look()) is None:
            if time.monotonic() > end:
                raise self.broken(f"{what} did not come within {self.patience:.0f} seconds at {self.api}")
            time.sleep(min(0.5, self.patience))
        return value

    def broken(self, expected: str) -> Broken:
        """Return the error of a failed step: the latest answer, what was expected, and what to do."""
        stage = self.deployment.stage
        return Broken(
            f"smoke test: {self.answers[-1]}; {expected}. {stage} is deployed and fails its test: find the cause in "
            "the logs of its functions, then deploy again, or roll back if visitors fail too (docs/deploy.md)"
        )


def _lock(kind: str, key: str) -> Item:
    """Return the key of a person's or an e-mail address's item for the hidden service."""
    return {"pk": {"S": f"{kind}#{key}"}, "sk": {"S": f"SERVICE#{service().id}"}}


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def run(walk: Walk) -> Iterator[str]:
    """Do the steps of a smoke test. If AWS refuses what the test itself does, CannotDeploy does not blame the stage."""
    try:
        yield from walk.steps()
    except (BotoCoreError, ClientError) as error:
        why = " ".join(str(error).split())
        raise CannotDeploy(
            f"smoke test: AWS: {why}. {walk.deployment.stage} is deployed, and its test could not be made: "
            "do not roll back for this; deploy again once it is put right"
        ) from error


def ops(deployment: Deployment, *words: str) -> str:
    """Run a command of the ops program on this stage; what it says. CannotDeploy if it refuses."""
    command = [sys.executable, "-m", "infra.ops", *words, "--stage", deployment.stage]
    done = subprocess.run(command, cwd=ROOT, env=deployment.environ(), check=False, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotDeploy(f"{' '.join(words[:2])}: {lines[-1].removeprefix('guichet: ') if lines else 'it failed'}")
    return done.stdout
