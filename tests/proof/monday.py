"""A partition of DynamoDB with its limits, and a Monday's crowd before it, both in virtual time.

Each call of the table is carried out: botocore signs it, the engine in this process answers it instead of a socket, and
botocore reads the answer, and tries again if it is told to. A request takes no time: CPU is in docs/capacity.md.
"""

import heapq
import io
import json
import logging
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from ministack.services import dynamodb as emulated_table

import app
from chalicelib import settings
from chalicelib.domain import codec, refusals, timetable, tokens
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, recent, seat_store, service_store, visitor_store
from chalicelib.web import clock, problems
from tests.conftest import MONDAY, document
from tests.proof import inprocess
from tests.stack.faults import THROTTLED

LOG = logging.getLogger(__name__)
WRITES, READS = 1_000, 3_000
"""Units a second of one partition (DynamoDB guide, "Best practices for designing partition keys")."""
BURST = 0.1
"""How many seconds' worth of units may come at once: assumed, as in docs/capacity.md."""
RATE, SEATS = 10_000, 1_000
BOUND = SEATS / WRITES
"""Seconds: no service can hold all the seats sooner."""
BREADTH = {"desks": [*range(1, 21)], "openings": [{"days": ["tuesday", "thursday"], "from": "09:15", "to": "11:20"}]}
MEMORY = [
    (module, name)
    for module in (seat_store, recent, visitor_store)
    for name, kept in vars(module).items()
    if isinstance(kept, dict | set) and not name.startswith("__")
]
"""What one process remembers of the table, of visitors and of throttles: each environment has its own."""
PAGES = 20
"""One visitor in so many has a browser, the others are programs: a page takes ten times the CPU."""


class Bucket:
    """Units that come back at a rate."""

    def __init__(self, rate: float) -> None:
        self.rate, self.left, self.at = rate, rate * BURST, 0.0

    def take(self, units: float, at: float) -> bool:
        """Take so many, or none."""
        self.left = min(self.rate * BURST, self.left + (at - self.at) * self.rate)
        self.at = at
        enough = self.left >= units
        self.left -= units * enough
        return enough


class Answer(io.BytesIO):
    """A body as botocore reads it from a socket."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def size(item: Mapping[str, Any]) -> int:
    """At least the bytes that DynamoDB counts: a number is counted here by its digits."""
    return sum(len(name) + len(str(*of.values())) for name, of in item.items())


class Table:
    """The engine's table where botocore sends its calls, each partition with its limits. `at`: seconds since nine."""

    def __init__(self) -> None:
        self.at = 0.0
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.writes: dict[str, Bucket] = defaultdict(lambda: Bucket(WRITES))
        self.reads: dict[str, Bucket] = defaultdict(lambda: Bucket(READS))
        self.items = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - its sizes are what reads cost
        self.bytes = Counter({pk: sum(map(size, of.values())) for pk, of in self.items.items()})

    @property
    def now(self) -> datetime:
        """The same as the service's clock has it."""
        return MONDAY + timedelta(milliseconds=int(self.at * 1000))

    def answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """What the table says to a call. A condition that fails costs a unit, a call that is refused costs none."""
        sent = {
            name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()
        }
        name, asked = sent["x-amz-target"].rpartition(".")[2], json.loads(request.body)
        self.calls[name] += 1
        if name == "Query":
            partition, sort = next(iter(asked["ExpressionAttributeValues"].values()))["S"], ""
            enough = self.reads[partition].take(max(0.5, self.bytes[partition] / 4096 / 2), self.at)
        else:
            key = asked.get("Key") or asked["Item"]
            partition, sort = key["pk"]["S"], key["sk"]["S"]
            enough = (self.reads if name == "GetItem" else self.writes)[partition].take(1, self.at)
        if not enough:
            self.refused[name] += 1
            return AWSResponse(request.url, 400, {}, Answer(THROTTLED))
        before = self.size(partition, sort)
        status, headers, said = inprocess.finished(emulated_table.handle_request("POST", "/", sent, request.body, {}))
        after = self.size(partition, sort)
        assert max(before, after) <= 1024, "a write of it costs more than one unit"
        self.bytes[partition] += after - before
        return AWSResponse(request.url, status, headers, Answer(said if isinstance(said, bytes) else said.encode()))

    def size(self, partition: str, sort: str) -> int:
        return size(self.items.get(partition, {}).get(sort, {}))


@contextmanager
def limited(engine: inprocess.Engine) -> Iterator[Table]:
    """The engine's table behind its limits, for as long as the block lasts."""
    table, events = Table(), dynamodb.connection().connection.client.meta.events
    events.unregister("before-call.dynamodb", unique_id="engine")
    events.register_first("before-send.dynamodb", table.answer, unique_id="limits")
    try:
        yield table
    finally:
        events.unregister("before-send.dynamodb", unique_id="limits")
        events.register_first("before-call.dynamodb", engine.table, unique_id="engine")


@dataclass
class Result:
    """What came of a Monday until its last seat was held, or until all knew. Times in seconds since nine."""

    requests: int = 0
    calls: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that the table throttled, by name."""
    told: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Answers, by status and by `page` or `program`."""
    waits: Counter[int] = field(default_factory=Counter)
    """Retry-After of the answers 429 in seconds, 0 for none."""
    holders: set[str] = field(default_factory=set)
    drained: float | None = None
    repeated: int = 0
    """Requests in which the table was asked again after a throttle."""
    too_soon: int = 0
    """People who were told that nothing is free while there was a seat."""


def broken(of: Result) -> list[str]:
    """The promises that this Monday did not keep."""
    kept = {
        "at most 1.05 calls a request": of.calls <= 1.05 * of.requests,
        "a throttle ends a request": of.repeated == 0,
        "429 names 1 to 5 s, each as often": set(of.waits) == {1, 2, 3, 4, 5}
        and max(of.waits.values()) <= 0.3 * of.waits.total(),
        "no answer is a 5xx": {status for status, _ in of.told} <= {201, 303, 409, 429},
        "all seats are held within 3 times the bound": of.drained is not None and of.drained <= 3 * BOUND,
        "each seat has one holder": len(of.holders) == SEATS == of.told[201, "program"] + of.told[303, "page"],
        "nobody is told too soon that nothing is free": of.too_soon == 0,
    }
    return [promise for promise, was_kept in kept.items() if not was_kept]


@cache
def seat(key: SeatKey, *, full: bool) -> dict[str, Any]:
    """A seat's item: one that opens at nine, or a confirmed one of a week before."""
    row = seat_store.new_item(key, MONDAY)
    row.erase_at = int((MONDAY + timedelta(days=90)).timestamp())
    if full:
        row.state, row.hold, row.person = State.CONFIRMED, tokens.digest(key.ref), tokens.digest(key.ref)
        row.until = row.filed_at = row.first_at = MONDAY - timedelta(days=7)
        row.holds_had = 1
    item: dict[str, Any] = row.serialize()
    return item


def event(number: int, now: datetime) -> dict[str, Any]:
    """What API Gateway sends: the first free, for somebody with a ticket of the notice and an address of their own."""
    page = number % PAGES == 0
    wish = {"first_free": True, "conditions_accepted": True}
    body = urlencode(dict.fromkeys(wish, "true")) if page else json.dumps(wish)
    route = {"resourcePath": "/services/{service}/holds", "httpMethod": "POST", "path": "/api/services/aes/holds"}
    return {
        "headers": {
            "Accept": "text/html" if page else "application/json",
            "Content-Type": "application/x-www-form-urlencoded" if page else "application/json",
            "Cookie": f"visit={keys().visitor_token(now)}",
        },
        "multiValueQueryStringParameters": None,
        "pathParameters": {"service": "aes"},
        "stageVariables": None,
        "requestContext": route | {"identity": {"sourceIp": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}},
        "body": body,
        "isBase64Encoded": False,
    }


def play(
    patch: pytest.MonkeyPatch, environments: int, *, until: float = 3.5 * BOUND, to_the_end: bool = False
) -> Result:
    """10,000 people a second ask for the first free of 1,000 seats until none is left, and who is told 429 comes again.

    Two full weeks are before theirs, as on any Monday. `until`: seconds, if the seats last longer. `to_the_end`: until
    all who came know. Settings are those of production: each person has an address, so no origin is crowded.
    """
    chance, of = random.Random(environments), Result()  # noqa: S311 - a crowd, not a secret
    production = replace(settings.current(), origin_holds=30)
    patch.setattr(settings, "current", lambda: production)
    with inprocess.engine() as engine, Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        service = service_store.put(document(plannings=[BREADTH]))
        patch.setattr(
            codec, "service_from_document", lambda _read: service
        )  # what follows from one is remembered by the object
        *full, week = timetable.open_weeks(service, MONDAY)
        engine.put_back(
            engine.items()
            + [seat(key, full=one in full) for one in (*full, week) for key in timetable.planned_seats(service, one)]
        )
        memories = [{place: type(getattr(*place))() for place in MEMORY} for _ in range(environments)]
        with limited(engine) as table:
            patch.setattr(clock, "now", lambda: table.now)
            coming = [(0.0, 0)]
            newest = 0
            while coming:
                at, who = heapq.heappop(coming)
                if who == newest and of.drained is None:
                    newest += 1
                    heapq.heappush(coming, (newest / RATE, newest))
                if at > until or (of.drained is not None and not to_the_end):
                    break
                table.at = at
                for (module, name), memory in chance.choice(memories).items():
                    setattr(module, name, memory)
                if wait := ask(table, of, who):
                    heapq.heappush(coming, (at + wait + chance.random(), who))
                if of.drained is None and sum(of.told[held] for held in HELD) == SEATS:
                    of.drained = at
        of.holders = {item["hold"]["S"] for item in table.items[f"SEATS#aes#{week}"].values() if "hold" in item}
        of.calls, of.refused = table.calls.total(), table.refused
    figures = "%d environments: %.3f calls a request, drained after %s s; %s"
    LOG.info(figures, environments, of.calls / of.requests, of.drained, replace(of, holders=set()))
    return of


HELD = ((201, "program"), (303, "page"))
NOTHING_FREE = problems.STATUS_OF[refusals.NothingFree][2]


def ask(table: Table, of: Result, who: int) -> float:
    """One request; after how many seconds this person comes again, 0 for not at all."""
    refused = table.refused.total()
    answer = app.hold_function(event(who, table.now), None)
    status, kind = answer["statusCode"], "page" if who % PAGES == 0 else "program"
    of.requests += 1
    of.told[status, kind] += 1
    of.repeated += table.refused.total() - refused > 1
    wait = int(answer["headers"].get("Retry-After", 0))
    if status == 429:
        of.waits[wait] += 1
    if status != 409:
        return wait
    if NOTHING_FREE not in answer["body"]:
        return 1  # three seats that somebody else was faster at: there are others
    of.too_soon += of.drained is None
    return 0
