"""What every visitor of a rush has in common: an identity, a browser, and a record of each request."""

import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

import gevent
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, constant, task
from locust.exception import StopUser

from chalicelib.domain.tokens import Keys
from tests.load.history import OK, REFUSED, UNKNOWN
from tests.load.rush.plan import Plan, edge_headers, identity, mailbox, network
from tests.load.rush.recorded import Position, gave_seat

PATIENCE = 60.0  # seconds for a letter to arrive
TIMEOUT = 30.0  # seconds for an answer: API Gateway gives up at 29
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
LINK = re.compile(r"/requests/([a-z0-9.-]{100,})")
TO = re.compile(r"<th>To<td>([^<]+)")
FUNCTION = {"notice": "page", "calendar": "slots"} | dict.fromkeys(("hold", "extend", "end"), "hold")
FUNCTION |= dict.fromkeys(("view", "captcha", "answer"), "captcha")
FUNCTION |= dict.fromkeys(("details", "link", "confirm", "cancel"), "request")
"""Which function does which step: those who wait for one are not in the way of another."""


@dataclass(frozen=True)
class Answer:
    """What a visitor was told; of the captcha's page, the hidden fields of the form that answers it."""

    status: int
    body: Mapping[str, Any]
    hidden: Mapping[str, str]
    wait: float
    outcome: str
    code: str


@dataclass
class Crowd:
    """What all visitors of this process share: what they did, and the letters that came."""

    plan: Plan
    keys: Keys
    lines: Mapping[str, BoundedSemaphore]
    records: list[dict[str, Any]] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    letters: dict[str, str] = field(default_factory=dict)

    def read_letters(self) -> None:
        """Read every letter once, for all who wait for one."""
        number = 1
        while True:
            try:
                with urlopen(f"{self.plan.mail.rstrip('/')}/messages/{number}", timeout=TIMEOUT) as page:  # noqa: S310 - http
                    text = page.read().decode()
            except OSError:  # it has not come yet
                gevent.sleep(0.5)
                continue
            number += 1
            to, link = TO.search(text), LINK.search(text)
            if to and link:
                self.letters.setdefault(to[1].strip(), link[1])

    def tell(self) -> None:
        """Where the crowd stands, whole at every moment."""
        path = Path(self.plan.progress)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.tally))
        new.replace(path)


class Left(Exception):
    """This visitor has nothing more to do here."""


class Visitor(FastHttpUser):
    """One client of the service: its cookies are kept, its answers are read."""

    abstract = True
    wait_time = constant(0)
    network_timeout = connection_timeout = TIMEOUT
    crowd: ClassVar[Crowd]
    group: ClassVar[str]

    def on_start(self) -> None:
        """Come in as the next visitor."""
        self.become(self.crowd.plan.first + next(self.crowd.numbers))
        self.crowd.tally["arrived"] += 1

    def become(self, number: int, persona: int = 0) -> None:
        """Take an identity, with a character that is the same in every rush."""
        self.number, self.identity = number, identity(number, persona)
        self.chance = random.Random(f"visitor {self.identity}")
        self.origin = edge_headers(self.crowd.keys.cdn_secret, network(self.identity))
        self.email = mailbox(self.identity, self.crowd.plan.service)
        self.client.cookiejar.set_policy(DefaultCookiePolicy(secure_protocols=("https", "http")))  # as browsers do here
        self.position = Position()

    @task
    def visit(self) -> None:
        """The whole visit, once."""
        try:
            self.walk()
        except Left:
            pass
        finally:
            self.crowd.tally["left"] += 1
        while self.crowd.tally["arrived"] < self.crowd.plan.visitors:
            gevent.sleep(1)  # while others come, Locust would send somebody else for who has gone
        raise StopUser

    def walk(self) -> None:
        """What this visitor does from coming in to leaving."""
        raise NotImplementedError

    # One request

    def ask(self, step: str, path: str, body: Mapping[str, Any] | None = None, *, page: bool = False) -> Answer:
        """Ask once, and note when, how long, and what came back."""
        accept = "text/html" if page else "application/json"
        method = "GET" if body is None else "POST"
        queued = time.time()
        with self.crowd.lines[FUNCTION[step]]:
            start = time.time()
            given = self.client.request(
                method, path, name=step, json=body, headers={"Accept": accept} | self.origin, allow_redirects=False
            )
            end = time.time()
        told = _read(given.text) if not page or given.status_code >= 400 else {}
        code = str(told.get("type", "")).rpartition(":")[2]
        status = int(given.status_code)
        if status == 0 or status >= 500 or (status == 429 and step not in {"notice", "calendar", "hold"}):
            outcome = UNKNOWN
        else:
            outcome = OK if status < 400 else REFUSED
        moment = told.get("expires_at") or told.get("confirm_before")
        record = {
            "step": step,
            "start": start,
            "end": end if outcome != UNKNOWN else None,
            "seconds": end - start,
            "waited": end - queued,
            "status": status,
            "outcome": outcome,
            "code": code,
            "until": datetime.fromisoformat(moment).timestamp() if moment else None,
            "state": str(told.get("state", "")),
            "visitor": self.number,
            "group": self.group,
            **self.position.learn(step, outcome, told),
        }
        self.crowd.records.append(record)
        self.crowd.tally["seats"] += gave_seat(record)
        self.crowd.tally[f"{step} {outcome}" if outcome != REFUSED else code or str(status)] += 1
        wait = str(given.headers.get("Retry-After", "")) if given.headers else ""
        form = (given.text or "").partition("/captcha/answer")[2].partition("</form>")[0]
        hidden = dict(HIDDEN.findall(form)) if page else {}
        return Answer(status, told, hidden, float(wait) if wait.isdecimal() else 2.0, outcome, code)

    def insist(self, step: str, path: str, body: Mapping[str, Any] | None = None, *, page: bool = False) -> Answer:
        """Ask, and again after the wait that a busy service names; leave after the fifth time."""
        for _ in range(5):
            answer = self.ask(step, path, body, page=page)
            if answer.status == 429 or answer.outcome == UNKNOWN:
                gevent.sleep(answer.wait)
                continue
            return answer
        raise Left

    def need(self, answer: Answer) -> Answer:
        """Return this answer if it is a success. Raise Left if it is a refusal."""
        if answer.outcome != OK:
            raise Left
        return answer

    # The steps that people and programs share

    @property
    def hold(self) -> str:
        """The path of the hold."""
        return f"/holds/{self.position.hold}"

    def send_answer(self, captcha: Answer, given: str = "") -> Answer:
        """Answer the captcha of this page, correctly unless another answer is given."""
        given = given or self.crowd.keys.picture_answer(captcha.hidden.get("challenge", ""))
        return self.insist("answer", f"{self.hold}/captcha/answer", {**captcha.hidden, "answer": given})

    def file(self) -> None:
        """Send the details of an invented person who has only this identity."""
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(self.identity))
        details = {
            "first_name": "Awa",
            "last_name": f"Exemple-{name}",
            "birth_date": "1990-05-17",
            "email": self.email,
            "email_confirmation": self.email,
            "phone": "06 12 34 56 78",
            "language": self.chance.choice(("fr", "fr", "en", "ar")),
        }
        for _ in range(2 if self.chance.random() < 0.05 else 1):  # some press the button twice
            self.need(self.insist("details", f"{self.hold}/details", details))
        self.crowd.tally["filed"] += 1

    def read_letter(self) -> str:
        """Wait for the letter. Return the token of its link; raise Left without one."""
        if not self.crowd.plan.mail:
            raise Left
        end = time.monotonic() + PATIENCE
        began = time.time()
        while (link := self.crowd.letters.get(self.email)) is None:
            if time.monotonic() > end:
                self.note("no letter")
                raise Left
            gevent.sleep(0.5)
        took = time.time() - began
        self.note("letter", start=began, seconds=took, waited=took)
        return link

    def press_confirm(self, link: str) -> None:
        """Press the button of the letter's page."""
        for _ in range(2 if self.chance.random() < 0.05 else 1):
            self.need(self.insist("confirm", f"/requests/{link}/confirmation", {}))
        self.crowd.tally["confirmed"] += 1

    def note(self, step: str, **facts: float) -> None:
        """Record something that is not a request."""
        self.crowd.records.append({"step": step, "visitor": self.number, "group": self.group, **facts})

    def think(self, seconds: float) -> None:
        """Read, choose or type for about so long."""
        gevent.sleep(seconds * self.chance.uniform(0.5, 1.5))


def _read(text: str | None) -> Mapping[str, Any]:
    try:
        told = json.loads(text or "")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
