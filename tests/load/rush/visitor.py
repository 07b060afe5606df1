"""The base class of all visitors of a rush: identity, HTTP client, and a record of each request."""

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
from tests.load.rush.plan import Plan, cdn_headers, identity, mailbox, network
from tests.load.rush.recorded import Position, gave_seat

PATIENCE = 60.0  # seconds for a letter to arrive
TIMEOUT = 30.0  # seconds for an answer: API Gateway gives up at 29
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
LINK = re.compile(r"/requests/([a-z0-9.-]{100,})")
TO = re.compile(r"<th>To<td>([^<]+)")
FUNCTION = {"notice": "page", "calendar": "slots"} | dict.fromkeys(("hold", "extend", "end"), "hold")
FUNCTION |= dict.fromkeys(("view", "captcha", "answer", "seat"), "captcha")
FUNCTION |= dict.fromkeys(("details", "link", "confirm", "cancel"), "request")
"""The function that answers each step. AT_ONCE limits the concurrent requests to each function separately."""


@dataclass(frozen=True)
class Answer:
    """An answer of the service. `hidden` has the hidden fields of the captcha form; `wait` is in seconds."""

    status: int
    body: Mapping[str, Any]
    hidden: Mapping[str, str]
    wait: float
    outcome: str
    code: str


@dataclass
class Crowd:
    """The state that all visitors of this process share: records, counters and letters."""

    plan: Plan
    keys: Keys
    limits: Mapping[str, BoundedSemaphore]
    records: list[dict[str, Any]] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    letters: dict[str, str] = field(default_factory=dict)

    def read_letters(self) -> None:
        """Read each letter once, for all visitors who wait for one."""
        number = 1
        while True:
            try:
                with urlopen(f"{self.plan.mail.rstrip('/')}/messages/{number}", timeout=TIMEOUT) as page:  # noqa: S310 - http
                    text = page.read().decode()
            except OSError:  # the letter has not arrived yet
                gevent.sleep(0.5)
                continue
            number += 1
            to, link = TO.search(text), LINK.search(text)
            if to and link:
                self.letters.setdefault(to[1].strip(), link[1])

    def write_progress(self) -> None:
        """Write the counters. Replace the file atomically, because another process reads it."""
        path = Path(self.plan.progress)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(self.tally))
        temporary.replace(path)


class Left(Exception):
    """Raised when a visitor leaves before the end of a booking."""


class Visitor(FastHttpUser):
    """An HTTP client of the service, with its own cookies."""

    abstract = True
    wait_time = constant(0)
    network_timeout = connection_timeout = TIMEOUT
    crowd: ClassVar[Crowd]
    group: ClassVar[str]

    def on_start(self) -> None:
        """Become the next visitor of the plan."""
        self.become(self.crowd.plan.first + next(self.crowd.numbers))
        self.crowd.tally["arrived"] += 1

    def become(self, number: int, persona: int = 0) -> None:
        """Take an identity. Its random choices are the same in every rush."""
        self.number, self.identity = number, identity(number, persona)
        self.chance = random.Random(f"visitor {self.identity}")
        self.cdn_headers = cdn_headers(self.crowd.keys.cdn_secret, network(self.identity))
        self.email = mailbox(self.identity, self.crowd.plan.service)
        self.client.cookiejar.set_policy(
            DefaultCookiePolicy(secure_protocols=("https", "http"))
        )  # as browsers do for localhost
        self.position = Position()

    @task
    def visit(self) -> None:
        """Run the whole visit once."""
        try:
            self.walk()
        except Left:
            pass
        finally:
            self.crowd.tally["left"] += 1
        while self.crowd.tally["arrived"] < self.crowd.plan.visitors:
            gevent.sleep(1)  # Locust would replace a visitor who stops while others still arrive
        raise StopUser

    def walk(self) -> None:
        """Do everything that this visitor does, from the first request to the last."""
        raise NotImplementedError

    # One request

    def ask(self, step: str, path: str, body: Mapping[str, Any] | None = None, *, page: bool = False) -> Answer:
        """Send a request and record it."""
        accept = "text/html" if page else "application/json"
        method = "GET" if body is None else "POST"
        queued = time.time()
        with self.crowd.limits[FUNCTION[step]]:
            start = time.time()
            response = self.client.request(
                method, path, name=step, json=body, headers={"Accept": accept} | self.cdn_headers, allow_redirects=False
            )
            end = time.time()
        content = _read(response.text) if not page or response.status_code >= 400 else {}
        code = str(content.get("type", "")).rpartition(":")[2]
        status = int(response.status_code)
        if status == 0 or status >= 500 or (status == 429 and step not in {"notice", "calendar", "hold"}):
            outcome = UNKNOWN
        else:
            outcome = OK if status < 400 else REFUSED
        moment = content.get("expires_at") or content.get("confirm_before")
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
            "state": str(content.get("state", "")),
            "visitor": self.number,
            "group": self.group,
            **self.position.learn(step, outcome, content),
        }
        self.crowd.records.append(record)
        self.crowd.tally["seats"] += gave_seat(record)
        self.crowd.tally[f"{step} {outcome}" if outcome != REFUSED else code or str(status)] += 1
        wait = str(response.headers.get("Retry-After", "")) if response.headers else ""
        form = (response.text or "").partition("/captcha/answer")[2].partition("</form>")[0]
        hidden = dict(HIDDEN.findall(form)) if page else {}
        return Answer(status, content, hidden, float(wait) if wait.isdecimal() else 2.0, outcome, code)

    def insist(self, step: str, path: str, body: Mapping[str, Any] | None = None, *, page: bool = False) -> Answer:
        """Send a request, and repeat it after Retry-After. Raise Left after the fifth attempt."""
        for _ in range(5):
            answer = self.ask(step, path, body, page=page)
            if answer.status == 429 or answer.outcome == UNKNOWN or answer.code == "not-your-turn":
                gevent.sleep(answer.wait)
                continue
            return answer
        raise Left

    def need(self, answer: Answer) -> Answer:
        """Return this answer if it is a success, else raise Left."""
        if answer.outcome != OK:
            raise Left
        return answer

    # The steps that people and programs share

    @property
    def hold_path(self) -> str:
        """The path of the hold."""
        return f"/holds/{self.position.token}"

    def send_answer(self, captcha: Answer, text: str = "") -> Answer:
        """Answer the captcha of this page, with the right answer unless a text is given.

        If that gives a turn, wait for it and return the answer to it.
        """
        text = text or self.crowd.keys.picture_answer(captcha.hidden.get("challenge", ""))
        answer = self.insist("answer", f"{self.hold_path}/captcha/answer", {**captcha.hidden, "answer": text})
        if answer.body.get("state") != "turn":
            return answer
        turn = datetime.fromisoformat(answer.body["turn_at"]).timestamp()
        gevent.sleep(max(0.0, turn - time.time()) + self.late_for_turn())
        return self.insist("seat", f"{self.hold_path}/seat", {})

    def late_for_turn(self) -> float:
        """Return how many seconds after its turn this visitor asks for the seat."""
        return 0.0

    def file(self) -> None:
        """Send the details of the invented applicant of this identity."""
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
            self.need(self.insist("details", f"{self.hold_path}/details", details))
        self.crowd.tally["filed"] += 1

    def read_letter(self) -> str:
        """Wait for the letter and return its link token. Raise Left if it does not arrive."""
        if not self.crowd.plan.mail:
            raise Left
        end = time.monotonic() + PATIENCE
        start = time.time()
        while (link := self.crowd.letters.get(self.email)) is None:
            if time.monotonic() > end:
                self.note("no letter")
                raise Left
            gevent.sleep(0.5)
        seconds = time.time() - start
        self.note("letter", start=start, seconds=seconds, waited=seconds)
        return link

    def press_confirm(self, link: str) -> None:
        """Send the confirmation. Some people press the button twice."""
        for _ in range(2 if self.chance.random() < 0.05 else 1):
            self.need(self.insist("confirm", f"/requests/{link}/confirmation", {}))
        self.crowd.tally["confirmed"] += 1

    def note(self, step: str, **facts: float) -> None:
        """Record an event that is not a request."""
        self.crowd.records.append({"step": step, "visitor": self.number, "group": self.group, **facts})

    def think(self, seconds: float) -> None:
        """Pause for about this long, as a person who reads, chooses or types."""
        gevent.sleep(seconds * self.chance.uniform(0.5, 1.5))


def _read(text: str | None) -> Mapping[str, Any]:
    try:
        content = json.loads(text or "")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
