"""Run one booking in this process and count the units of each step: `python -m tests.load.units [--json]`.

Uses the emulator at AWS_ENDPOINT_URL, or starts one, and creates its own table.
The emulator counts write units, and the read units of GetItem. It counts a Query differently from AWS, and a BatchGet
not at all, so their read units are computed from the sizes of the items.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from math import ceil
from pathlib import Path
from typing import Any

os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="eu-west-3",
    GUICHET_STAGE="laptop",
    GUICHET_TABLE=f"guichet-units-{os.getpid()}",
    GUICHET_SECRET="0123456789012345678901234567890123456789012345",
    GUICHET_CAPTCHA_ANSWER="",
    GUICHET_MAIL_FROM="rendez-vous@guichet.example",
    GUICHET_MAIL_RATE="1000",
    GUICHET_PUBLIC_URL="https://guichet.example/api",
)

import boto3
import yaml

from chalicelib.booking import availability, captcha, filing, holds, requests, schedule
from chalicelib.booking.hold import Held, Hold
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.mail import outbox
from chalicelib.mail.ses import Letter
from chalicelib.storage import dynamodb, seat_store, service_store
from chalicelib.web import clock
from infra.deploy.package import ROOT
from infra.local.launcher import start_emulator
from infra.local.settings import FIRST_PORT, is_free
from tests.table import SHAPE, STREAM

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
READ_UNIT = 4096  # bytes
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
Record = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Step:
    """The calls and units of one step. A failed condition costs a write unit too."""

    name: str
    calls: int
    writes: float
    reads: float


@contextmanager
def fresh_table() -> Iterator[str]:
    """Create an empty table like a stage's (infra/deploy/templates/data.yaml). Yield the ARN of its stream."""
    client, name = boto3.client("dynamodb"), os.environ["GUICHET_TABLE"]
    table = client.create_table(TableName=name, **SHAPE, **STREAM)
    service_store.clear_caches()
    try:
        yield table["TableDescription"]["LatestStreamArn"]
    finally:
        client.delete_table(TableName=name)


def size(value: Any, kind: str = "M") -> int:
    """Return the bytes of an attribute in wire format, as DynamoDB counts them."""
    if kind == "M":
        return sum(len(name.encode()) + size(*reversed(next(iter(typed.items())))) for name, typed in value.items())
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return ceil(len(value.strip("-").replace(".", "").strip("0")) / 2) + 1
    if kind == "B":
        return len(value)
    if kind in {"BOOL", "NULL"}:
        return 1
    raise ValueError(f"cannot compute the size of an attribute of type {kind}: no item of the service has one")


class Meter:
    """Counts the calls of PynamoDB's client, and the units that the emulator reports."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.calls: list[tuple[str, float]] = []
        events = dynamodb.connection().connection.client.meta.events
        events.register("before-parameter-build.dynamodb.Query", self.read_whole_items)
        events.register("after-call.dynamodb", self.record)

    def read_whole_items(self, params: dict[str, Any], **_: object) -> None:
        """Remove the projection of a Query, because AWS bills whole items whatever the Query returns."""
        if params.pop("ProjectionExpression", None):
            names = params["ExpressionAttributeNames"]
            condition = params["KeyConditionExpression"]
            params["ExpressionAttributeNames"] = {short: name for short, name in names.items() if short in condition}

    def record(self, parsed: Mapping[str, Any], model: Any, **_: object) -> None:
        """Record a call, from botocore's event after it."""
        if model.name == "Query":
            units = ceil(sum(size(item) for item in parsed["Items"]) / READ_UNIT) / 2
        elif model.name == "BatchGetItem":  # the emulator does not count it; not consistent
            items = [item for of_table in parsed["Responses"].values() for item in of_table]
            units = sum(ceil(size(item) / READ_UNIT) for item in items) / 2
        elif "Error" in parsed:
            units = 1.0
        else:
            capacity = parsed["ConsumedCapacity"]
            tables = capacity if isinstance(capacity, list) else [capacity]
            units = sum(float(table["CapacityUnits"]) for table in tables)
        self.calls.append((model.name, units))

    @contextmanager
    def step(self, name: str, *, shared_by: Callable[[], int] = lambda: 1) -> Iterator[None]:
        """Count the calls in the block as one step. Divide its units by `shared_by`, the bookings that it serves."""
        self.calls.clear()
        yield
        writes = sum(units for call, units in self.calls if call in WRITES)
        reads = sum(units for call, units in self.calls if call not in WRITES)
        bookings = shared_by()
        self.steps.append(Step(name, len(self.calls), writes / bookings, round(reads / bookings, 2)))


class Stream:
    """A reader of the table's stream. It reads each change once."""

    def __init__(self, arn: str) -> None:
        self.client = boto3.client("dynamodbstreams")
        shard = self.client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        start = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        self.iterator = self.client.get_shard_iterator(**start)["ShardIterator"]

    def due(self) -> list[Record]:
        """Wait for the next changes that require a letter, and return them as the mailer receives them.

        Raises TimeoutError if none arrives within ten seconds.
        """
        for _ in range(200):
            page = self.client.get_records(ShardIterator=self.iterator)
            self.iterator = page["NextShardIterator"]
            changes = [record["dynamodb"] for record in page["Records"]]
            records = [(change["SequenceNumber"], change.get("OldImage"), change.get("NewImage")) for change in changes]
            if letters_due := [record for record in records if outbox.letter_due(record[1], record[2])]:
                return letters_due
            time.sleep(0.05)
        raise TimeoutError("the stream has no change that requires a letter")


def put_service(**changes: Any) -> None:
    """Store the seed's service with these changes. Its seats are taken when they are chosen.

    Requests are not limited by e-mail domain, because the limit does not apply to well-known providers.
    """
    document = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    service_store.put(
        document | {"seat_after": "choice", "limits": document["limits"] | {"domain_requests": 0}} | changes
    )


def play() -> list[Step]:
    """Run one booking step by step, and three refused holds."""
    with fresh_table() as arn:
        meter, created, letters = Meter(), 0, list[Letter]()

        def send(letter: Letter, _key: str, **_: object) -> str:
            letters.append(letter)
            return "sent"

        def deliver(stream: Stream) -> None:
            assert outbox.deliver(stream.due(), now=clock.now(), send=send) == []

        put_service()
        with meter.step("create", shared_by=lambda: created):
            created = schedule.release_seats(clock.now()).total()
        stream, now = Stream(arn), clock.now()
        with meter.step("calendar"):
            calendar = availability.week_calendar("aes", None, now)
        wish = Wish(calendar.first_free, conditions_accepted=True)
        with meter.step("hold"):
            hold = holds.place("aes", wish, now=now)
        assert isinstance(hold, Held)
        holds.place("aes", wish, now=now)  # the second desk
        with meter.step("loser, first of a second"):  # reads the other weeks to find the nearest free slots
            assert is_lost(wish, now)
        with meter.step("loser of the memory"):
            assert is_lost(wish, now)
        with meter.step("loser of the table"):
            assert not seat_store.take(hold.seat.key, "another", now, now)
        with meter.step("captcha"):
            prove(hold, now)
        with meter.step("details"):
            request = filing.file(holds.view_ready(hold.id, now), AWA, now=now)
        with meter.step("mail mark 1"):
            deliver(stream)
        with meter.step("confirm"):
            requests.confirm(request.token, clock.now())
        with meter.step("mail mark 2"):
            deliver(stream)
        assert [len(letter.attachments) for letter in letters] == [0, 2]
        return meter.steps


def is_lost(wish: Wish, now: datetime) -> bool:
    """Place a hold. Return whether it is refused because the slot is taken."""
    try:
        holds.place("aes", wish, now=now)
    except refusals.SlotTaken:
        return True
    return False


def prove(hold: Hold, now: datetime) -> Hold:
    """Pass the captcha of this hold."""
    challenge = captcha.new_challenge(hold.id, now)
    return captcha.answer(hold.id, challenge.id, challenge.picture, now=now)


@contextmanager
def somewhere() -> Iterator[None]:
    """Use the emulator at AWS_ENDPOINT_URL, or start one."""
    if "AWS_ENDPOINT_URL" in os.environ:
        yield
        return
    port = next(port for port in range(FIRST_PORT, FIRST_PORT + 100) if is_free(port))
    with (
        tempfile.TemporaryDirectory(prefix="guichet-") as folder,
        start_emulator(port, Path(folder), smtp="") as emulator,
    ):
        os.environ["AWS_ENDPOINT_URL"] = emulator.url
        yield


def main() -> None:
    """Print the table, or the steps as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.units")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with somewhere():
        steps = play()
    if options.json:
        print(json.dumps([asdict(step) for step in steps]))
        return
    print(f"{'step':<26}{'calls':>6}{'write units':>13}{'read units':>12}")
    for step in steps:
        print(f"{step.name:<26}{step.calls:>6}{step.writes:>13g}{step.reads:>12g}")
    booking = [step for step in steps if not step.name.startswith(("loser", "calendar"))]
    writes, reads = (sum(getattr(step, kind) for step in booking) for kind in ("writes", "reads"))
    print(f"{'one booking':<26}{'':>6}{writes:>13g}{reads:>12g}")


if __name__ == "__main__":
    main()
