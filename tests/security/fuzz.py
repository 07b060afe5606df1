"""Test the contract with schemathesis: `python -m tests.security.fuzz 20000`. `--stack` uses HTTP on a local stack.

All checks of schemathesis are enabled except `unsupported_method`: it expects 405, and API Gateway answers 404. Four
paths in five contain a live hold or link token, because an invented token is refused before any other code runs.
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
"""Calls after which the service gets fresh data. Once all seats are taken and all holds are over, little code runs."""
ROUND = 2500
"""The number of calls of one run of schemathesis."""
SHORT = 3
"""The number of examples of each operation in a short run."""
REFUSED = ["2xx", "3xx", "401", "403", "404", "409", "410", "422", "429"]
"""Statuses of a request that is valid by the schema. The clock, the table or a rule over two fields may refuse it."""
WRONG = ["303", "404", "409", "410", "422", "429"]
"""Statuses of a request that is invalid by the schema. 410 is for a hold or a link that is over. 303 leads a
person to the page of their form; no program gets it for an invalid body."""
STEPS = ("held", "proven", "proven", "pending", "pending", "confirmed", "confirmed", "cancelled", "moved")
AWA = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "birth_date": "1990-05-17",
    "phone": "06 12 34 56 78",
    "language": "fr",
}


@dataclass
class Report:
    """The number of calls by status and by phase, and the faults, each with the first call that caused it."""

    calls: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)


class InProcess:
    """The service in this process, with a hold or request at every step of a booking."""

    def __init__(self) -> None:
        self.people = 0
        self.holds: list[str] = []
        self.links: list[str] = []

    def schema(self, config: SchemathesisConfig) -> Any:
        return schemathesis.openapi.from_wsgi("/openapi.json", gateway.wsgi, config=config)

    def renew(self) -> None:
        """Empty the table, and create a service with seats and a hold or request at every step."""
        if items.SeatItem.exists():
            items.SeatItem.delete_table()
        items.SeatItem.create_table(billing_mode="PAY_PER_REQUEST")
        service_store.clear_caches()
        visitor_store.clear_cache()
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
            self._book_until(step)

    def _book_until(self, step: str) -> None:
        now = clock.now()
        hold = holds.place("aes", Wish(None, conditions_accepted=True), now=now).id
        self.holds.append(hold)
        if step == "held":
            return
        challenge = captcha.new_challenge(hold, now)
        captcha.answer(hold, challenge.id, challenge.picture, now=now)
        if step == "proven":
            return
        self.people += 1
        born = now.date().replace(year=1950 + self.people % 50, month=1, day=1 + self.people % 28)
        details = Details("Awa", "Exemple", "", born, f"awa{self.people}@example.org", "0612345678", "fr")
        link = filing.file(holds.view_ready(hold, now), details, now=now).token
        self.links.append(link)
        if step in {"confirmed", "moved"}:
            requests.confirm(link, now)
        if step == "moved":
            self.links.append(moves.move(requests.view(link, now), moves.choices(link, now)[1][-1], now=now).token)
        if step == "cancelled":
            requests.cancel(link, now)

    def answer(self, hold: str) -> dict[str, str]:
        """Return the right answer to a new challenge of a hold."""
        digest = tokens.digest(keys().read_hold_token(hold).secret)
        challenge = captcha.challenge_with_id(keys().new_challenge(digest, clock.now()), digest)
        return {"challenge": challenge.id, "answer": challenge.picture}

    def slot(self) -> dict[str, str] | None:
        """Return a free slot."""
        free = availability.free_seats(availability.service("aes", clock.now()), clock.now())
        return {"date": f"{free[0].day}", "start": f"{free[0].start:%H:%M}"} if free else None


class OnStack:
    """The deployed stack, over HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.visitor = stack, Visitor(stack)
        self.holds: list[str] = []
        self.links: list[str] = []

    def schema(self, config: SchemathesisConfig) -> Any:
        config.projects.default.update(base_url=self.stack.api)
        return schemathesis.openapi.from_url(f"{self.stack.api}/openapi.json", config=config)

    def renew(self) -> None:
        """End the holds, and create a few holds and requests at the first steps."""
        for hold in self.holds:
            self.visitor.post(f"/holds/{hold}/end")
        self.holds, self.links = [str(self.visitor.hold()["hold"]), self.visitor.captcha_passed()], []
        for _ in range(2):
            details = person()
            self.visitor.file(details)
            self.links.append(self.visitor.link(details["email"]).rpartition("/")[2])
        self.visitor.post(f"/requests/{self.links[0]}/confirmation")

    def answer(self, hold: str) -> dict[str, str]:
        """Return the answer that the local stack accepts for a new challenge of a hold."""
        challenge = self.visitor.post(f"/holds/{hold}/captcha").json()
        return {"challenge": str(challenge.get("challenge", "")), "answer": ANSWER}

    def slot(self) -> dict[str, str] | None:
        """Return a free slot."""
        free: dict[str, str] | None = self.visitor.get("/services/aes/slots").json()["first_free"]
        return free


def attack(calls: int, service: InProcess | OnStack, *, seed: int, report: Report, short: bool = False) -> None:
    """Make about this many calls, at least 600. A `short` run makes fewer: it has no systematic cases."""
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
    count = 0

    def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
        nonlocal count
        if count % FRESH_AFTER == 0:
            service.renew()
        count += 1
        ids = case.path_parameters or {}
        for name, known in (("service", ["aes"]), ("hold", service.holds), ("token", service.links)):
            if name in ids and chance.random() < 0.8:
                ids[name] = chance.choice(known)
        case.headers = {**(case.headers or {}), "Accept": chance.choice(["application/json", "text/html", "*/*"])}
        negative = case.meta is not None and case.meta.generation.mode.is_negative
        if not negative and chance.random() < 0.5:
            _set_useful_body(case, service, chance)

    schemathesis.hook(before_call)
    try:
        for event in engine.from_schema(service.schema(config)).execute():
            _record(event, report)
    finally:
        schemathesis.hooks.unregister(before_call)


def _set_useful_body(case: Any, service: InProcess | OnStack, chance: random.Random) -> None:
    """Set a body that leads to the next step of a booking, so that the code of later steps runs too."""
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


def _record(event: events.EngineEvent, report: Report) -> None:
    if isinstance(event, events.FatalError):
        raise event.exception
    if isinstance(event, events.NonFatalError):
        report.faults.setdefault(f"{event.label}: {type(event.value).__name__}", event.info.format())
    if not isinstance(event, events.ScenarioFinished):
        return
    for interaction in event.recorder.interactions.values():
        report.phases[event.phase.value] += 1
        report.calls[interaction.response.status_code if interaction.response else 0] += 1
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                name = f"{event.label}: {check.name}: {failure.title}"
                report.faults.setdefault(name, f"{failure.message}\n{check.failure_info.code_sample}")


@contextmanager
def quiet() -> Iterator[None]:
    """Discard the log of the service, which has a line for each call."""
    before = sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stderr = nowhere
        try:
            yield
        finally:
            sys.stderr = before


def main() -> None:
    """Make the calls in rounds. Exit with 1 if there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.fuzz")
    parser.add_argument("calls", type=int, help="how many calls to make")
    parser.add_argument("--stack", action="store_true", help="call a local stack over HTTP")
    options = parser.parse_args()
    report, began = Report(), perf_counter()

    def run_rounds(service: InProcess | OnStack) -> None:
        while (count := sum(report.calls.values())) < options.calls and not report.faults:
            seed = random.SystemRandom().randrange(10**6)
            attack(min(options.calls - count, ROUND), service, seed=seed, report=report)
            print(f"{sum(report.calls.values())} calls in {perf_counter() - began:.0f} s", flush=True)

    if options.stack:
        run_rounds(OnStack(started()))
    else:
        with mock_aws(), quiet():
            run_rounds(InProcess())
    print(dict(report.phases), dict(sorted(report.calls.items())))
    for name, sample in report.faults.items():
        print(f"\n{name}\n{sample}")
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
