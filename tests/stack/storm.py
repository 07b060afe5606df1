"""A crowd that books the same seats, and the verdict on its answers; used for the service and for broken copies."""

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any

import yaml

from chalicelib.domain.tokens import Keys, digest
from infra.deploy.package import ROOT
from infra.local.stack import Stack
from tests.stack.volley import Volley, request, volley

ATTEMPTS = 2000
THREADS = 32
SEATS = 100
DESKS = 2
SECRET = 52  # characters of the secret in a hold token
GIVEN = {200, 201}
"""The statuses of who takes a seat: with the right answer to a captcha, or with the choice of a slot."""
HIDDEN = re.compile(rb'<input type="hidden" name="([^"]+)" value="([^"]*)">')
TAKEN = {(409, "slot-taken"), (409, "nothing-free")}
PAGE = {"Accept": "text/html"}
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Place:
    """A service with a hundred seats that are open now, and the URL of its API."""

    stack: Stack
    api: str
    service: str
    day: str
    starts: list[str]

    def items(self) -> list[dict[str, Any]]:
        """Read the seat items."""
        query = self.stack.client("dynamodb").get_paginator("query")
        pages = query.paginate(
            TableName=self.stack.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": self.partition}},
            ConsistentRead=True,
        )
        return [item for page in pages for item in page["Items"]]

    @property
    def partition(self) -> str:
        return f"SEATS#{self.service}#{datetime.fromisoformat(self.day):%G-W%V}"


def document(service: str, seat_after: str = "choice") -> dict[str, Any]:
    """Return the document of a service that is closed all year: its rules create no seats, `seated` creates them."""
    original: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    today = datetime.now(UTC).date()
    closure = {"first": today.isoformat(), "last": (today + timedelta(days=365)).isoformat()}
    release = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    limits = original["limits"] | {"domain_requests": 0}
    return original | {
        "id": service,
        "closures": [closure],
        "release": release,
        "limits": limits,
        "seat_after": seat_after,
    }


def seated(stack: Stack, api: str, service: str) -> Place:
    """Create the seats as the release function writes them: in four days, opened a minute ago."""
    day = (datetime.now(UTC) + timedelta(days=4)).date()
    first = datetime.combine(day, datetime.min.time()) + timedelta(hours=9)
    starts = [first + n * timedelta(minutes=5) for n in range(SEATS // DESKS)]
    place = Place(stack, api, service, day.isoformat(), [f"{start:%H:%M}" for start in starts])
    opened = str(int((time.time() - 60) * 1000))
    table = stack.client("dynamodb")
    for start in starts:
        for unit in range(1, DESKS + 1):
            key = {"pk": {"S": place.partition}, "sk": {"S": f"{start:%Y-%m-%dT%H%M}#{unit:03}"}}
            seat = {"opens_at": {"N": opened}, "state": {"S": "open"}, "extra": {"BOOL": True}}
            table.put_item(TableName=stack.table, Item=key | seat)
    return place


@dataclass
class Verdict:
    """The answers to the crowd, its holds, and the holds in the table."""

    seats: int
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    holds: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    drained: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)

    def problems(self) -> list[str]:
        """Return everything that is wrong; an empty list for a correct service."""
        problems = []
        holders = Counter(seat_of(hold) for hold in self.holds)
        if len(self.holds) != self.seats:
            problems.append(f"{len(self.holds)} holders of {self.seats} seats")
        if double := [seat for seat, count in holders.items() if count > 1]:
            problems.append(f"{len(double)} seats with more than one holder")
        if set(holders) != set(self.held):
            problems.append("the table has other seats held than were given")
        if lost := [hold for hold in self.holds if self.held.get(seat_of(hold)) != secret_of(hold)]:
            problems.append(f"{len(lost)} holders whose seat is another's in the table")
        if odd := {answer for answer in self.answers if answer[0] not in GIVEN and answer not in TAKEN}:
            problems.append(f"answers that a loser must not have: {sorted(odd)}")
        return problems

    def figures(self) -> str:
        """Return the figures in one line."""
        cuts = quantiles(self.times, n=100)
        return (
            f"{len(self.times)} attempts in {self.seconds:.1f} s, {len(self.times) / self.seconds:.0f}/s,"
            f" p50 {cuts[49] * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f} ms, {dict(self.answers)}"
        )


def seat_of(hold: str) -> str:
    """Return the seat of a hold token: day, time and desk."""
    return ".".join(hold.split(".")[1:4])


def secret_of(hold: str) -> str:
    """Return the digest of the secret of a hold token, as the table has it."""
    return digest(hold.rpartition(".")[2][:SECRET])


def storm(
    place: Place,
    attempts: int = ATTEMPTS,
    threads: int = THREADS,
    meter: Callable[[], Counter[str]] = Counter,
    *,
    slots: bool = True,
) -> Verdict:
    """Make many attempts at once. With `slots`, every second one names a slot; all others take the first free one."""
    chance = random.Random(2026)  # noqa: S311 - the same crowd each time
    wishes: list[dict[str, Any]] = [
        {"date": place.day, "start": chance.choice(place.starts)} if slots and number % 2 else {"first_free": True}
        for number in range(attempts)
    ]

    def attempt(wish: dict[str, Any]) -> bytes:
        url = f"{place.api}/services/{place.service}/holds"
        return request("POST", url, JSON, json.dumps(wish).encode())

    for _ in range(10):  # cold starts: repeat until every worker answers that the conditions are not accepted
        warm = {
            answer.status for answer in volley(place.api, [attempt({"first_free": True})] * threads, threads).answers
        }
        if warm == {422}:
            break
    assert warm == {422}
    return judge(
        place, volley(place.api, [attempt({**wish, "conditions_accepted": True}) for wish in wishes], threads, meter)
    )


def captcha_storm(
    place: Place, keys: Keys, attempts: int, threads: int, meter: Callable[[], Counter[str]] = Counter
) -> Verdict:
    """Let many visitors, who all read their captcha, send the right answer at once. That takes their seat.

    Raise KeyError if a visitor was not given a captcha.
    """
    wish = json.dumps({"first_free": True, "conditions_accepted": True}).encode()
    ask = request("POST", f"{place.api}/services/{place.service}/holds", JSON, wish)
    holds = [answer.json()["hold"] for answer in volley(place.api, [ask] * attempts, threads).answers]
    pages = volley(place.api, [request("GET", f"{place.api}/holds/{hold}", PAGE) for hold in holds], threads)
    answers = []
    for hold, page in zip(holds, pages.answers, strict=True):
        form = page.body.partition(b"/captcha/answer")[2].partition(b"</form>")[0]
        fields = {name.decode(): value.decode() for name, value in HIDDEN.findall(form)}
        body = {**fields, "answer": keys.picture_answer(fields["challenge"])}
        answers.append(request("POST", f"{place.api}/holds/{hold}/captcha/answer", JSON, json.dumps(body).encode()))
    return judge(place, volley(place.api, answers, threads, meter))


def judge(place: Place, fired: Volley) -> Verdict:
    """Count the answers to those who tried to take a seat, and read whose the seats are."""
    verdict = Verdict(SEATS, seconds=fired.seconds, times=fired.times, spent=fired.spent)
    for answer in fired.answers:
        body = answer.json()
        verdict.answers[(answer.status, str(body.get("type", "")).rpartition(":")[2])] += 1
        if answer.status in GIVEN:
            verdict.holds.append(body["hold"])
            verdict.drained = max(verdict.drained, answer.ended)
    for item in place.items():
        if item["state"]["S"] == "held":
            moment, _, unit = item["sk"]["S"].partition("#")
            verdict.held[f"{moment.replace('-', '').replace('T', '.')}.{int(unit)}"] = item["hold"]["S"]
    return verdict
