"""Schemathesis over the contract: `python -m tests.security.fuzz 20000`; with `--stack` over HTTP on the stack.

Every check of schemathesis but one: what `unsupported_method` wants (405) is API Gateway's to say, and it says 404.
The holds and links of the paths are live ones four times in five: an invented one is refused before anything is tried.
"""

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import schemathesis
from moto import mock_aws
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from chalicelib.booking import availability, captcha, filing, holds, moves, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import tokens
from chalicelib.domain.person import Details
from chalicelib.keys import keys
from chalicelib.storage import items, service_store, visitor_store
from chalicelib.web import clock
from infra.local.stack import Stack
from tests.conftest import document
from tests.security import gateway
from tests.stack.visitor import Visitor, person
from tests.stackfixture import ANSWER, started

FRESH_AFTER = 200
"""Calls until everybody is there anew: where all is taken or over, nothing is tried."""
ROUND = 2500
"""Calls of one run of schemathesis."""
SHORT = 4
"""Examples of each operation in a short run."""
REFUSED = ["2xx", "3xx", "401", "403", "404", "409", "410", "422", "429"]
"""What is right by the schema may be wrong by the clock, the table or a rule over two fields: 410 and 422 as well."""
WRONG = ["404", "409", "410", "422", "429"]
"""What is wrong by the schema may meet a hold or a link that is over: 410."""
STEPS = ("held", "proven", "proven", "pending", "pending", "confirmed", "confirmed", "cancelled", "moved")
AWA = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "birth_date": "1990-05-17",
    "phone": "06 12 34 56 78",
    "language": "fr",
}


@dataclass
class Found:
    """Calls by answer and by phase, and the faults, each once with the call that showed it."""

    calls: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)


class Here:
    """The service in this process, with somebody at every step of a booking."""

    def __init__(self) -> None:
        self.people = 0
        self.holds: list[str] = []
        self.links: list[str] = []

    def schema(self, config: SchemathesisConfig) -> Any:
        return schemathesis.openapi.from_wsgi("/openapi.json", gateway.wsgi, config=config)

    def renew(self) -> None:
        """Empty the table, make a service with its seats, and people at every step."""
        if items.SeatItem.exists():
            items.SeatItem.delete_table()
        items.SeatItem.create_table(billing_mode="PAY_PER_REQUEST")
        service_store.forget()
        visitor_store.forget()
        self.holds, self.links = [], []
        service_store.put(
            document(
                plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:45"}]}],
                release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
                times={"notice_hours": 24, "hold_seconds": 300},
            )
        )
        schedule.release_seats(clock.now())
        for step in STEPS:
            self._somebody(step)

    def _somebody(self, step: str) -> None:
        now = clock.now()
        hold = holds.place("aes", Wish(None, conditions_accepted=True), now=now).id
        self.holds.append(hold)
        if step == "held":
            return
        asked = captcha.new_challenge(hold, now)
        captcha.answer(hold, asked.id, asked.picture, now=now)
        if step == "proven":
            return
        self.people += 1
        born = now.date().replace(year=1950 + self.people % 50, month=1, day=1 + self.people % 28)
        details = Details("Awa", "Exemple", "", born, f"awa{self.people}@example.org", "0612345678", "fr")
        link = filing.file(hold, details, now=now).token
        self.links.append(link)
        if step in {"confirmed", "moved"}:
            requests.confirm(link, now)
        if step == "moved":
            self.links.append(moves.move(link, moves.choices(link, now)[1][-1], now=now).token)
        if step == "cancelled":
            requests.cancel(link, now)

    def answer(self, hold: str) -> dict[str, str]:
        """The right answer to a new challenge of a hold."""
        digest = tokens.digest(keys().read_token("hold", hold).secret)
        asked = captcha.challenge_of(keys().new_challenge(digest, clock.now()))
        return {"challenge": asked.id, "answer": asked.picture}

    def slot(self) -> dict[str, str] | None:
        """A slot that is free."""
        free = availability.free_seats(availability.service("aes", clock.now()), clock.now())
        return {"date": f"{free[0].day}", "start": f"{free[0].start:%H:%M}"} if free else None


class There:
    """The deployed stack, over HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.visitor = stack, Visitor(stack)
        self.holds: list[str] = []
        self.links: list[str] = []

    def schema(self, config: SchemathesisConfig) -> Any:
        config.projects.default.update(base_url=self.stack.api)
        return schemathesis.openapi.from_url(f"{self.stack.api}/openapi.json", config=config)

    def renew(self) -> None:
        """Give back what was held, and put a few people at the first steps."""
        for hold in self.holds:
            self.visitor.post(f"/holds/{hold}/end")
        self.holds, self.links = [str(self.visitor.hold()["hold"]), self.visitor.captcha_passed()], []
        for _ in range(2):
            details = person()
            self.visitor.file(details)
            self.links.append(self.visitor.link(details["email"]).rpartition("/")[2])
        self.visitor.post(f"/requests/{self.links[0]}/confirmation")

    def answer(self, hold: str) -> dict[str, str]:
        """The right answer to a new challenge of a hold, as a laptop takes it."""
        asked = self.visitor.post(f"/holds/{hold}/captcha").json()
        return {"challenge": str(asked.get("challenge", "")), "answer": ANSWER}

    def slot(self) -> dict[str, str] | None:
        """A slot that is free."""
        free: dict[str, str] | None = self.visitor.get("/services/aes/slots").json()["first_free"]
        return free


def attack(calls: int, service: Here | There, *, seed: int, found: Found, short: bool = False) -> None:
    """Call the service about so many times; 600 at least, but where a `short` run leaves the systematic cases out."""
    chance = random.Random(seed)
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "warnings": False,
            "base-url": "http://localhost/",
            "generation": {"max-examples": SHORT if short else max(1, calls // 90), "database": "none"},
            "phases": {"coverage": {"enabled": not short}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": REFUSED},
                "negative_data_rejection": {"expected-statuses": WRONG},
                "unsupported_method": {"enabled": False},
            },
        }
    )
    made = 0

    def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
        nonlocal made
        if made % FRESH_AFTER == 0:
            service.renew()
        made += 1
        ids = case.path_parameters or {}
        for name, known in (("service", ["aes"]), ("hold", service.holds), ("token", service.links)):
            if name in ids and chance.random() < 0.8:
                ids[name] = chance.choice(known)
        case.headers = {**(case.headers or {}), "Accept": chance.choice(["application/json", "text/html", "*/*"])}
        negative = case.meta is not None and case.meta.generation.mode.is_negative
        if not negative and chance.random() < 0.5:
            _help(case, service, chance)

    schemathesis.hook(before_call)
    try:
        for event in engine.from_schema(service.schema(config)).execute():
            _note(event, found)
    finally:
        schemathesis.hooks.unregister(before_call)


def _help(case: Any, service: Here | There, chance: random.Random) -> None:
    """Send a body that leads to the next step, so that what is behind it is reached."""
    form = "form" in (case.media_type or "")
    hold = (case.path_parameters or {}).get("hold")
    if case.path.endswith("/captcha/answer") and hold in service.holds:
        case.body = service.answer(hold)
    elif case.path.endswith("/details"):
        email = f"awa{chance.randrange(10**6)}@example.org"
        case.body = {**AWA, "email": email, "email_confirmation": email}
        if form:
            case.body |= {"birth_day": "17", "birth_month": "5", "birth_year": "1990", "checked": "true"}
            del case.body["birth_date"]
    elif case.path.endswith("/holds") and (slot := service.slot()):
        case.body = {**slot, "conditions_accepted": "true" if form else True}
    elif case.path.endswith("/move") and (slot := service.slot()):
        case.body = {"slot": f"{slot['date']}T{slot['start']}"} if form else slot
    elif case.path.endswith("/correction"):
        case.body = {"first_name": "Awa", "last_name": "Exempleb", "phone": "0612345679"}


def _note(event: events.EngineEvent, found: Found) -> None:
    if isinstance(event, events.FatalError):
        raise event.exception
    if isinstance(event, events.NonFatalError):
        found.faults.setdefault(f"{event.label}: {type(event.value).__name__}", event.info.format())
    if not isinstance(event, events.ScenarioFinished):
        return
    for interaction in event.recorder.interactions.values():
        found.phases[event.phase.value] += 1
        found.calls[interaction.response.status_code if interaction.response else 0] += 1
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                name = f"{event.label}: {check.name}: {failure.title}"
                found.faults.setdefault(name, f"{failure.message}\n{check.failure_info.code_sample}")


@contextmanager
def quiet() -> Iterator[None]:
    """The service's log goes nowhere: it has a line for each call."""
    before = sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stderr = nowhere
        try:
            yield
        finally:
            sys.stderr = before


def main() -> None:
    """Attack until so many calls are made; 1 if a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz")
    parser.add_argument("calls", type=int, help="how many calls to make")
    parser.add_argument("--stack", action="store_true", help="over HTTP, on a stack of its own")
    chosen = parser.parse_args()
    wanted, found, began = chosen.calls, Found(), perf_counter()

    def go_on(service: Here | There) -> None:
        while (made := sum(found.calls.values())) < wanted and not found.faults:
            attack(min(wanted - made, ROUND), service, seed=random.SystemRandom().randrange(10**6), found=found)
            print(f"{sum(found.calls.values())} calls in {perf_counter() - began:.0f} s", flush=True)

    if chosen.stack:
        go_on(There(started()))
    else:
        with mock_aws(), quiet():
            go_on(Here())
    print(dict(found.phases), dict(sorted(found.calls.items())))
    for name, sample in found.faults.items():
        print(f"\n{name}\n{sample}")
    sys.exit(bool(found.faults))


if __name__ == "__main__":
    main()
