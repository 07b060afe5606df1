"""People at a release, played by Locust: `python -m tests.load.rush.crowd PLAN.json`, which the rush starts.

The plan says where, how many, and when the seats open; every request is written to the plan's `records` when the last
visitor has left, and where the crowd stands to its `progress` once a second. Visitors arrive before the seats open,
look, wait, and rush; each then goes as far as their character lets them. A program that hammers is a visitor too.
"""

import itertools
import json
import random
import re
import sys
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
from locust.env import Environment
from locust.exception import StopUser

from chalicelib.tokens import digest
from infra.guard import die_with_parent
from tests.load.history import OK, REFUSED, UNKNOWN
from tests.load.rush.plan import Plan

HAMMERED = 25
"""How often a program asks for a seat before its owner gives up."""
SECRET = 52  # characters of a hold id that are the secret
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
    """One person with a browser: its cookies are kept, its answers are read."""

    abstract = True
    wait_time = constant(0)
    network_timeout = connection_timeout = TIMEOUT
    crowd: ClassVar[Crowd]

    def on_start(self) -> None:
        """Come in, with a character of one's own that is the same in every rush."""
        self.number = self.crowd.plan.first + next(self.crowd.numbers)
        self.chance = random.Random(f"visitor {self.number}")
        self.client.cookiejar.set_policy(DefaultCookiePolicy(secure_protocols=("https", "http")))  # as browsers do here
        self.hold = self.seat = ""
        self.late = False
        self.crowd.tally["arrived"] += 1

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
        wanted = time.time()
        with self.crowd.lines[FUNCTION[step]]:
            start = time.time()
            given = self.client.request(
                method, path, name=step, json=body, headers={"Accept": accept}, allow_redirects=False
            )
            end = time.time()
        told = _read(given.text) if not page or given.status_code >= 400 else {}
        code = str(told.get("type", "")).rpartition(":")[2]
        status = int(given.status_code)
        if status == 0 or status >= 500 or (status == 429 and step not in {"notice", "calendar", "hold"}):
            outcome = UNKNOWN
        else:
            outcome = OK if status < 400 else REFUSED
        if step == "hold" and outcome == OK:
            self.hold = str(told["hold"])
            self.seat = ".".join(self.hold.split(".")[:4])
            self.late = not told.get("expires_at")  # a crowded place: the captcha first, the seat after it
        moment = told.get("expires_at") or told.get("confirm_before")
        self.crowd.records.append(
            {
                "step": step,
                "start": start,
                "end": end if outcome != UNKNOWN else None,
                "seconds": end - start,
                "waited": end - wanted,
                "status": status,
                "outcome": outcome,
                "code": code,
                "seat": self.seat,
                "hold": digest(self.hold.rpartition(".")[2][:SECRET]) if self.hold else "",
                "until": datetime.fromisoformat(moment).timestamp() if moment else None,
                "state": str(told.get("state", "")),
                "late": self.late,
                "visitor": self.number,
            }
        )
        self.late = self.late and (step, outcome) != ("answer", OK)
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

    def think(self, seconds: float) -> None:
        """Read, choose or type for about so long."""
        gevent.sleep(seconds * self.chance.uniform(0.5, 1.5))


def _read(text: str | None) -> Mapping[str, Any]:
    try:
        told = json.loads(text or "")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


class Person(Visitor):
    """Somebody who wants an appointment."""

    def walk(self) -> None:
        """Look before the seats open, rush, and go through with what was caught."""
        plan, service = self.crowd.plan, f"/services/{self.crowd.plan.service}"
        self.insist("notice", service, page=True)
        self.think(2)
        self.insist("calendar", f"{service}/slots")
        gevent.sleep(max(0.0, plan.opens_at - time.time()) + self.chance.expovariate(1 / plan.haste))
        self.catch(service)
        if self.chance.random() < 0.08:
            self.leave()
        self.prove()
        self.file()
        self.confirm()

    def catch(self, service: str) -> None:
        """Try for a seat, as long as there is one and patience lasts."""
        first_free = self.chance.random() < 0.6
        near: list[Mapping[str, Any]] = []
        for _ in range(self.chance.choice((1, 2, 3, 4, 5))):
            if near:
                wish = self.chance.choice(near)
            elif first_free:
                wish = {"first_free": True}
            else:
                wish = self.choose(self.insist("calendar", f"{service}/slots").body)
            answer = self.insist("hold", f"{service}/holds", {**wish, "conditions_accepted": True})
            if answer.outcome == OK:
                return
            if answer.code == "nothing-free" and self.chance.random() < 0.9:
                raise Left
            near = list(answer.body.get("nearest", ()))
            self.think(2 if near else 8)
        raise Left

    def choose(self, calendar: Mapping[str, Any]) -> Mapping[str, Any]:
        """One of the slots that are free; the first free one where none is shown."""
        free = [
            {"date": day["date"], "start": slot["start"]}
            for day in calendar.get("days", ())
            for slot in day["slots"]
            if slot["free"]
        ]
        return self.chance.choice(free) if free else {"first_free": True}

    def leave(self) -> None:
        """Go away: half give the seat back, half just close the page."""
        if self.chance.random() < 0.5:
            self.think(3)
            self.insist("end", f"/holds/{self.hold}/end", {})
        raise Left

    def prove(self) -> None:
        """Pass the captcha; some are wrong once, some ask for more time."""
        if self.chance.random() < 0.05:
            self.need(self.insist("extend", f"/holds/{self.hold}/extension", {}))
        page = self.need(self.insist("captcha", f"/holds/{self.hold}", page=True))  # the picture, without the sound
        if not self.crowd.plan.answer:
            raise Left
        self.think(4)
        answers = ["wrong", self.crowd.plan.answer] if self.chance.random() < 0.05 else [self.crowd.plan.answer]
        for given in answers:
            body = {**page.hidden, "answer": given}
            answer = self.insist("answer", f"/holds/{self.hold}/captcha/answer", body)
        self.need(answer)

    def file(self) -> None:
        """Type the form, and look once more where the hold stands."""
        self.think(8)
        if self.chance.random() < 0.2:
            self.need(self.insist("view", f"/holds/{self.hold}"))
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(self.number))
        self.email = f"{name}@{self.crowd.plan.service}.example.org"
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
            self.need(self.insist("details", f"/holds/{self.hold}/details", details))
        self.crowd.tally["filed"] += 1

    def confirm(self) -> None:
        """Open the letter's link and press its button; a few think again and cancel."""
        if not self.crowd.plan.mail:
            raise Left
        end = time.monotonic() + PATIENCE
        began = time.time()
        while (link := self.crowd.letters.get(self.email)) is None:
            if time.monotonic() > end:
                self.crowd.records.append({"step": "no letter", "visitor": self.number})
                raise Left
            gevent.sleep(0.5)
        self.crowd.records.append(
            {"step": "letter", "start": began, "seconds": (took := time.time() - began), "waited": took}
        )
        self.think(3)
        self.insist("link", f"/requests/{link}", page=True)
        for _ in range(2 if self.chance.random() < 0.05 else 1):
            self.need(self.insist("confirm", f"/requests/{link}/confirmation", {}))
        self.crowd.tally["confirmed"] += 1
        if self.chance.random() < 0.03:
            self.think(2)
            self.need(self.insist("cancel", f"/requests/{link}/cancellation", {}))
            self.crowd.tally["cancelled"] += 1

    def need(self, answer: Answer) -> Answer:
        """This answer if it is a yes; who is refused leaves."""
        if answer.outcome != OK:
            raise Left
        return answer


class Bot(Visitor):
    """A program that hammers from just before the seats open, and cannot read the captcha."""

    def walk(self) -> None:
        """Ask for the first free seat without a pause; guess at the captcha; never wait as it is told."""
        plan = self.crowd.plan
        gevent.sleep(max(0.0, plan.opens_at - 2 - time.time()) + self.chance.uniform(0, 2))
        for _ in range(HAMMERED):
            wish = {"first_free": True, "conditions_accepted": True}
            answer = self.ask("hold", f"/services/{plan.service}/holds", wish)
            if answer.outcome == OK:
                break
            gevent.sleep(0.2)
        else:
            raise Left
        asked = self.ask("captcha", f"/holds/{self.hold}", page=True)
        for guess in range(6):
            body = {**asked.hidden, "answer": f"{guess:06}"}
            self.ask("answer", f"/holds/{self.hold}/captcha/answer", body)


def play(plan: Plan) -> Crowd:
    """Let them all come, and wait until the last has left."""
    crowd = Crowd(plan, {name: BoundedSemaphore(plan.at_once) for name in set(FUNCTION.values())})
    Visitor.crowd = crowd
    Bot.fixed_count = plan.bots
    environment = Environment(user_classes=[Person, Bot], host=plan.url)
    runner = environment.create_local_runner()
    if plan.mail:
        gevent.spawn(crowd.read_letters)
    runner.start(plan.visitors, spawn_rate=plan.rate)
    while crowd.tally["left"] < plan.visitors:
        gevent.sleep(1)
        crowd.tell()
    runner.quit()
    if runner.exceptions:
        raise RuntimeError(next(iter(runner.exceptions.values()))["traceback"])
    return crowd


def main() -> None:
    """Play a plan, and write down what happened."""
    die_with_parent()
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    crowd = play(plan)
    Path(plan.records).write_text(json.dumps({"records": crowd.records, "tally": crowd.tally}))


if __name__ == "__main__":
    main()
