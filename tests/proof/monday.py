"""Play a Monday's crowd against a partition of DynamoDB with its limits, in virtual time.

Each call of the table is carried out: botocore signs it, the emulator in this process answers it instead of a socket,
and botocore reads the answer and retries if its settings say so. A request takes no time: CPU is in docs/capacity.md.
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
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from ministack.services import dynamodb as emulated_table

import app
from chalicelib import settings
from chalicelib.domain import codec, refusals, timetable, tokens
from chalicelib.domain.seat import SeatKey, State, week_of
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, recent, seat_keys, seat_store, service_store, visitor_store
from chalicelib.web import clock, problems
from tests.conftest import MONDAY, document
from tests.long import IS_LONG
from tests.proof import inprocess
from tests.stack.faults import THROTTLED

LOG = logging.getLogger(__name__)
SCALE = 1 if IS_LONG else 4
"""A short run plays this fraction of the crowd, the seats and the table's limits."""
WRITES, READS = 1_000 // SCALE, 3_000 // SCALE**2
"""Units a second of one partition (DynamoDB guide, "Best practices for designing partition keys").

A short run has fewer environments, and each reads a shorter week: reads fall with the square.
"""
BURST = 0.1
"""How many seconds' worth of units can be used at once. This is an assumption, as in docs/capacity.md."""
RATE, SEATS = 10_000 // SCALE, 1_000 // SCALE
BOUND = SEATS / WRITES
"""Seconds. No service can hold all the seats sooner."""
BREADTH = {
    "desks": [*range(1, 20 // SCALE + 1)],
    "openings": [{"days": ["tuesday", "thursday"], "from": "09:15", "to": "11:20"}],
}
CACHES = [(recent, "SEATS"), (visitor_store, "_crowded")]
"""The caches of the table, of visitors and of throttles. Each environment has its own."""
PAGES = 20
"""One visitor in so many has a browser, the others are programs. A page takes ten times the CPU."""


class Bucket:
    """A token bucket: units that come back at a rate."""

    def __init__(self, rate: float) -> None:
        self.rate, self.left, self.at = rate, rate * BURST, 0.0

    def take(self, units: float, at: float) -> bool:
        """Take so many units, or none if there are not enough."""
        self.left = min(self.rate * BURST, self.left + (at - self.at) * self.rate)
        self.at = at
        enough = self.left >= units
        self.left -= units * enough
        return enough


class Answer(io.BytesIO):
    """A response body as botocore reads it from a socket."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def size(item: Mapping[str, Any]) -> int:
    """Return at least the bytes that DynamoDB counts. A number counts here by its digits."""
    return sum(len(name) + len(str(*value.values())) for name, value in item.items())


class Table:
    """The emulator's table where botocore sends its calls, each partition with its limits. `at`: seconds since nine."""

    def __init__(self) -> None:
        self.at = 0.0
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.writes: dict[str, Bucket] = defaultdict(lambda: Bucket(WRITES))
        self.reads: dict[str, Bucket] = defaultdict(lambda: Bucket(READS))
        self.items = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - its sizes are what reads cost
        self.bytes = Counter({pk: sum(map(size, rows.values())) for pk, rows in self.items.items()})

    @property
    def now(self) -> datetime:
        """Return the time as the service's clock shows it."""
        return MONDAY + timedelta(milliseconds=int(self.at * 1000))

    def answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Answer a call. A condition that fails costs a unit, a throttled call costs none."""
        headers = {
            name.lower(): value if isinstance(value, str) else value.decode() for name, value in request.headers.items()
        }
        name, parameters = headers["x-amz-target"].rpartition(".")[2], json.loads(request.body)
        self.calls[name] += 1
        if name == "Query":
            partition, sort = next(iter(parameters["ExpressionAttributeValues"].values()))["S"], ""
            enough = self.reads[partition].take(max(0.5, self.bytes[partition] / 4096 / 2), self.at)
        else:
            key = parameters.get("Key") or parameters["Item"]
            partition, sort = key["pk"]["S"], key["sk"]["S"]
            enough = (self.reads if name == "GetItem" else self.writes)[partition].take(1, self.at)
        if not enough:
            self.refused[name] += 1
            return AWSResponse(request.url, 400, {}, Answer(THROTTLED))
        before = self.size(partition, sort)
        response = emulated_table.handle_request("POST", "/", headers, request.body, {})
        status, response_headers, content = inprocess.run_to_end(response)
        after = self.size(partition, sort)
        assert max(before, after) <= 1024, f"a write of {partition} {sort} costs more than one unit"
        self.bytes[partition] += after - before
        body = content if isinstance(content, bytes) else content.encode()
        return AWSResponse(request.url, status, response_headers, Answer(body))

    def size(self, partition: str, sort: str) -> int:
        return size(self.items.get(partition, {}).get(sort, {}))


@contextmanager
def limited(emulator: inprocess.Emulator) -> Iterator[Table]:
    """Put the limits in front of the emulator's table inside this block."""
    table, events = Table(), dynamodb.connection().connection.client.meta.events
    events.unregister("before-call.dynamodb", unique_id="emulator")
    events.register_first("before-send.dynamodb", table.answer, unique_id="limits")
    try:
        yield table
    finally:
        events.unregister("before-send.dynamodb", unique_id="limits")
        events.register_first("before-call.dynamodb", emulator.table, unique_id="emulator")


@dataclass
class Result:
    """The result of a Monday until the last seat was held, or until all visitors knew. Times in seconds since nine."""

    requests: int = 0
    calls: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that the table throttled, by name."""
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Answers, by status and by `page` or `program`."""
    waits: Counter[int] = field(default_factory=Counter)
    """Retry-After of the answers 429 in seconds, 0 for none."""
    holders: set[str] = field(default_factory=set)
    drained: float | None = None
    repeated: int = 0
    """Requests that read or wrote the table again after a throttle."""
    too_soon: int = 0
    """Visitors who were answered that nothing is free while there was a free seat."""


def broken(result: Result) -> list[str]:
    """Return the promises that this Monday did not keep."""
    promises = {
        "at most 1.05 calls a request": result.calls <= 1.05 * result.requests,
        "a throttle ends a request": result.repeated == 0,
        "429 names 1 to 5 s, each as often": set(result.waits) == {1, 2, 3, 4, 5}
        and max(result.waits.values()) <= 0.3 * result.waits.total(),
        "no answer is a 5xx": {status for status, _ in result.answers} <= {201, 303, 409, 429},
        "all seats are held within 3 times the bound": result.drained is not None and result.drained <= 3 * BOUND,
        "each seat has one holder": len(result.holders)
        == SEATS
        == result.answers[201, "program"] + result.answers[303, "page"],
        "nobody is refused while a seat is free": result.too_soon == 0,
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]


@cache
def seat(key: SeatKey, *, full: bool) -> dict[str, Any]:
    """Return a seat's item: one that opens at nine, or a `full` one that was confirmed a week before."""
    row = seat_store.new_item(key, MONDAY)
    row.erase_at = int((MONDAY + timedelta(days=90)).timestamp())
    if full:
        row.state, row.hold, row.person = State.CONFIRMED, tokens.digest(key.ref), tokens.digest(key.ref)
        row.until = row.filed_at = row.first_at = MONDAY - timedelta(days=7)
        row.holds_had = 1
    item: dict[str, Any] = row.serialize()
    return item


def event(number: int, now: datetime) -> dict[str, Any]:
    """Return the event of a hold of the first free seat, by a visitor with a visitor token and an own IP address."""
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
    patch: pytest.MonkeyPatch,
    environments: int,
    *,
    until: float = 3.5 * BOUND,
    to_the_end: bool = False,
    by_day: bool = False,
) -> Result:
    """Let 10,000 visitors a second ask for the first free of 1,000 seats until none is left. After a 429 they retry.

    The two weeks before are full, as on any Monday. `until` ends the play after so many seconds if the seats last
    longer. `to_the_end` plays until every visitor who came has an answer. With `by_day`, each of the two days with
    seats has a partition. Settings are those of production. Each visitor has another IP address, so no client network
    is crowded.
    """
    chance, result = random.Random(environments), Result()  # noqa: S311 - a crowd, not a secret
    production = replace(settings.current(), network_holds=30)
    patch.setattr(settings, "current", lambda: production)
    with inprocess.emulator() as emulator, Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        first_week = week_of(MONDAY.date()) if by_day else None
        service = service_store.put(document(plannings=[BREADTH]), by_day_from=first_week)
        patch.setattr(
            codec, "service_from_document", lambda _read: service
        )  # a service caches what follows from it, so all environments share one object
        seat.cache_clear()  # the last play may have had other partitions
        *full, week = timetable.open_weeks(service, MONDAY)
        emulator.put_back(
            emulator.items()
            + [
                seat(key, full=planned != week)
                for planned in (*full, week)
                for key in timetable.planned_seats(service, planned)
            ]
        )
        caches = [{cache_of: type(getattr(*cache_of))() for cache_of in CACHES} for _ in range(environments)]
        with limited(emulator) as table:
            patch.setattr(clock, "now", lambda: table.now)
            coming = [(0.0, 0)]
            newest = 0
            while coming:
                at, visitor = heapq.heappop(coming)
                if visitor == newest and result.drained is None:
                    newest += 1
                    heapq.heappush(coming, (newest / RATE, newest))
                if at > until or (result.drained is not None and not to_the_end):
                    break
                table.at = at
                for (module, name), content in chance.choice(caches).items():
                    setattr(module, name, content)
                if wait := ask(table, result, visitor):
                    heapq.heappush(coming, (at + wait + chance.random(), visitor))
                if result.drained is None and sum(result.answers[answer] for answer in HELD) == SEATS:
                    result.drained = at
        seats = [item for pk in seat_keys.seat_partitions("aes", week) for item in table.items[pk].values()]
        result.holders = {item["hold"]["S"] for item in seats if "hold" in item}
        result.calls, result.refused = table.calls.total(), table.refused
    figures = "%d environments: %.3f calls a request, drained after %s s; %s"
    LOG.info(figures, environments, result.calls / result.requests, result.drained, replace(result, holders=set()))
    return result


HELD = ((201, "program"), (303, "page"))
NOTHING_FREE = problems.STATUS_OF[refusals.NothingFree][2]


def ask(table: Table, result: Result, visitor: int) -> float:
    """Make one request. Return after how many seconds this visitor comes again, 0 for not at all."""
    refused = table.refused.total()
    answer = app.hold_function(event(visitor, table.now), None)
    status, kind = answer["statusCode"], "page" if visitor % PAGES == 0 else "program"
    refusal = parse_qs(urlsplit(answer["headers"].get("Location", "")).query).get("refused", [""])[0]
    if refusal:  # a person is led to the page that says so
        status = 409
    result.requests += 1
    result.answers[status, kind] += 1
    result.repeated += table.refused.total() - refused > 1
    wait = int(answer["headers"].get("Retry-After", 0))
    if status == 429:
        result.waits[wait] += 1
    if status != 409:
        return wait
    if NOTHING_FREE not in answer["body"] and refusal != "nothing-free":
        return 1  # others were faster at the three seats that were tried
    result.too_soon += result.drained is None
    return 0
