"""A walk through a deployed stage as a person does it: one appointment is booked, confirmed and given up again.

No back door: who deploys may read the secret of the stage, and with it solves the captcha and makes the letter's link.
The letters go to SES's mailbox simulator; the mailer's mark says that they have left.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from chalicelib.tokens import Keys, digest
from infra.package import ROOT
from infra.stacks import CannotDeploy, Deployment

SERVICE = "essai"
AHEAD = timedelta(days=3)
PATIENCE = 90.0  # seconds: functions remember services for a minute; a first letter may take as long
ADDRESS = "success+{}@simulator.amazonses.com"
T = TypeVar("T")


class Broken(CannotDeploy):
    """A step of the walk had another answer than it must have."""


@dataclass(frozen=True)
class Walk:
    """The steps, on a stage whose API is at this address."""

    deployment: Deployment
    api: str
    keys: Keys
    today: date
    patience: float = PATIENCE

    def steps(self) -> Iterator[str]:
        """Do one step after the other; each is named when it is done. Broken if one is not."""
        self.until("/health", lambda: self.call("GET", "/health")[0] == HTTPStatus.OK or None)
        yield "the API answers"
        self.until("the hidden service", lambda: self.call("GET", f"/services/{SERVICE}")[0] == HTTPStatus.OK or None)
        self.open_seat()
        hold = self.until("a hold", self.hold)
        yield "a seat can be held"
        try:
            yield from self.book(hold)
        finally:
            self.close_seat(hold)
        yield "nothing is left of it"

    def book(self, hold: str) -> Iterator[str]:
        """From the captcha to the erasure."""
        challenge = self.answered(201, "POST", f"/holds/{hold}/captcha")["challenge"]
        answer = {"challenge": challenge, "answer": self.keys.picture_answer(challenge)}
        self.answered(200, "POST", f"/holds/{hold}/captcha/answer", answer)
        yield "the captcha is shown, and accepts what it shows"
        self.answered(202, "POST", f"/holds/{hold}/details", self.details())
        ticket = self.keys.read("hold", hold)
        link = f"/requests/{self.keys.link(ticket.seat, digest(ticket.secret))}"
        self.until("the first letter", lambda: "confirm" in self.sent(hold) or None)
        yield "a request is filed, and its letter has left"
        self.answered(200, "POST", f"{link}/confirmation")
        self.until("the convocation", lambda: "convocation" in self.sent(hold) or None)
        yield "it is confirmed, and the convocation has left"
        self.answered(200, "POST", f"{link}/erasure")
        yield "it is erased"

    def details(self) -> dict[str, str]:
        """Somebody who is nobody, another one each time."""
        name = "".join(secrets.choice("bcdfghijkl") for _ in range(8)).title()
        email = ADDRESS.format(name.lower())
        who = {"first_name": name, "last_name": "Exemple", "birth_name": "", "birth_date": "1990-05-17"}
        return who | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def open_seat(self) -> None:
        """One seat of the hidden service, by the ops program."""
        day = (self.today + AHEAD).isoformat()
        words = ["seats", "add", SERVICE, day, "--from", "09:00", "--to", "09:05", "--desk", "1"]
        ops(self.deployment, *words, "--force", "--yes")  # its rules are closed for good

    def hold(self) -> str | None:
        """A hold of that seat; None while the functions do not see it yet."""
        wish = {"first_free": True, "conditions_accepted": True}
        status, said = self.call("POST", f"/services/{SERVICE}/holds", wish)
        return str(said["hold"]) if status == HTTPStatus.CREATED else None

    def sent(self, hold: str) -> str:
        """Which letters of the hold's request have left."""
        table, seat = self.deployment.client("dynamodb"), self.seat(hold)
        if "person" not in seat:
            return ""
        key = {"pk": {"S": f"PERSON#{seat['person']['S']}"}, "sk": {"S": f"SERVICE#{SERVICE}"}}
        found = table.get_item(TableName=self.deployment.table, Key=key, ConsistentRead=True).get("Item", {})
        return str(found.get("sent", {}).get("S", ""))

    def seat(self, hold: str) -> dict[str, Any]:
        """The item of the hold's seat."""
        found = self.deployment.client("dynamodb").get_item(
            TableName=self.deployment.table, Key=self.key(hold), ConsistentRead=True
        )
        item: dict[str, Any] = found.get("Item", {})
        return item

    def key(self, hold: str) -> dict[str, Any]:
        """The key of the hold's seat."""
        seat = self.keys.read("hold", hold).seat
        sk = f"{seat.day.isoformat()}T{seat.start:%H%M}#{seat.unit:03}"
        return {"pk": {"S": f"SEATS#{SERVICE}#{seat.week}"}, "sk": {"S": sk}}

    def close_seat(self, hold: str) -> None:
        """Give the seat back and take it away."""
        self.call("POST", f"/holds/{hold}/end")
        self.deployment.client("dynamodb").delete_item(TableName=self.deployment.table, Key=self.key(hold))

    def answered(self, status: int, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The answer of a step; Broken if it has another status."""
        got, said = self.call(method, path, body)
        if got != status:
            where = path.partition("/")[2].split("/")
            raise Broken(
                f"smoke test: {method} /{where[0]}/…/{where[-1]} answered {got} {said.get('type', '')}, not {status}"
            )
        return said

    def call(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Send JSON, read JSON; 0 where nothing answers."""
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
        """What `look` finds, when it finds something; Broken if it does not in time."""
        end = time.monotonic() + self.patience
        while (found := look()) is None:
            if time.monotonic() > end:
                raise Broken(f"smoke test: {what} did not come within {self.patience:.0f} seconds at {self.api}")
            time.sleep(0.5)
        return found


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def ops(deployment: Deployment, *words: str) -> str:
    """Run a command of the ops program on this stage; what it says. CannotDeploy if it refuses."""
    command = [sys.executable, "-m", "infra.ops", *words, "--stage", deployment.stage]
    done = subprocess.run(command, cwd=ROOT, env=deployment.environ(), check=False, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotDeploy(f"{' '.join(words[:2])}: {lines[-1].removeprefix('guichet: ') if lines else 'it failed'}")
    return done.stdout
