"""Play one booking in this process and count what each step costs the table: `python -m tests.load.units [--json]`.

On the engine that AWS_ENDPOINT_URL names, else on one of its own. Write units are the engine's own count; so are those
of a read by key; those of a Query, which the engine counts otherwise than AWS, follow from the sizes of its items.
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
from chalicelib.booking.holds import Hold, Wish
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.mail import outbox
from chalicelib.mail.ses import Letter
from chalicelib.storage import dynamodb, seat_store, service_store
from chalicelib.web import clock
from infra.deploy.package import ROOT
from infra.local.stack import FIRST_PORT, is_free, start_emulator
from tests.table import SHAPE, STREAM

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
READ_UNIT = 4096  # bytes
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
Record = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Step:
    """What one step asked of the table. A condition that fails costs a write unit too."""

    name: str
    calls: int
    writes: float
    reads: float


@contextmanager
def fresh_table() -> Iterator[str]:
    """An empty table like the stage's, which infra/deploy/templates/data.yaml describes; the ARN of its stream."""
    client, name = boto3.client("dynamodb"), os.environ["GUICHET_TABLE"]
    made = client.create_table(TableName=name, **SHAPE, **STREAM)
    service_store.forget()
    try:
        yield made["TableDescription"]["LatestStreamArn"]
    finally:
        client.delete_table(TableName=name)


def size(value: Any, kind: str = "M") -> int:
    """Bytes of an attribute as DynamoDB counts them, from its form on the wire."""
    if kind == "M":
        return sum(len(name.encode()) + size(*reversed(next(iter(of.items())))) for name, of in value.items())
    if kind == "S":
        return len(value.encode())
    if kind == "N":
        return ceil(len(value.strip("-").replace(".", "").strip("0")) / 2) + 1
    if kind in {"BOOL", "NULL"}:
        return 1
    raise ValueError(f"no item of the service has a {kind}")


class Meter:
    """Counts what PynamoDB's clients ask and what the engine says that it cost."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.calls: list[tuple[str, float]] = []
        events = dynamodb.connection().connection.client.meta.events
        events.register("before-parameter-build.dynamodb.Query", self.whole)
        events.register("after-call.dynamodb", self.note)

    def whole(self, params: dict[str, Any], **_: object) -> None:
        """Ask for whole items: AWS bills a Query for them whatever it returns."""
        if params.pop("ProjectionExpression", None):
            names = params["ExpressionAttributeNames"]
            left = params["KeyConditionExpression"]
            params["ExpressionAttributeNames"] = {short: name for short, name in names.items() if short in left}

    def note(self, parsed: Mapping[str, Any], model: Any, **_: object) -> None:
        """One call, from botocore's event after it."""
        if model.name == "Query":
            units = ceil(sum(size(item) for item in parsed["Items"]) / READ_UNIT) / 2
        elif "Error" in parsed:
            units = 1.0
        else:
            told = parsed["ConsumedCapacity"]
            units = sum(float(table["CapacityUnits"]) for table in (told if isinstance(told, list) else [told]))
        self.calls.append((model.name, units))

    @contextmanager
    def step(self, name: str, *, shared_by: Callable[[], int] = lambda: 1) -> Iterator[None]:
        """Count what happens inside as one step; `shared_by` bookings, if it serves several."""
        self.calls.clear()
        yield
        writes = sum(units for call, units in self.calls if call in WRITES)
        reads = sum(units for call, units in self.calls if call not in WRITES)
        by = shared_by()
        self.steps.append(Step(name, len(self.calls), writes / by, round(reads / by, 2)))


class Stream:
    """The changes of the table, each read once."""

    def __init__(self, arn: str) -> None:
        self.client = boto3.client("dynamodbstreams")
        shard = self.client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        start = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        self.iterator = self.client.get_shard_iterator(**start)["ShardIterator"]

    def due(self) -> list[Record]:
        """The next changes that call for a letter, as the mailer is given them; waits for the first."""
        for _ in range(200):
            read = self.client.get_records(ShardIterator=self.iterator)
            self.iterator = read["NextShardIterator"]
            changes = [record["dynamodb"] for record in read["Records"]]
            records = [(one["SequenceNumber"], one.get("OldImage"), one.get("NewImage")) for one in changes]
            if found := [record for record in records if outbox.letter_due(record[1], record[2])]:
                return found
            time.sleep(0.05)
        raise TimeoutError("no change that calls for a letter")


def put_service(**changes: Any) -> None:
    """Put the seed's service in place, each seat taken at once, with what the caller wants otherwise.

    E-mail domains are not counted: most people have an address of a well-known provider, which never is.
    """
    document = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    service_store.put(
        document | {"seat_after": "choice", "limits": document["limits"] | {"domain_requests": 0}} | changes
    )


def play() -> list[Step]:
    """One booking, step by step, and two people who lose."""
    with fresh_table() as arn:
        meter, made, letters = Meter(), 0, list[Letter]()

        def send(letter: Letter, _key: str, **_: object) -> str:
            letters.append(letter)
            return "sent"

        def deliver(stream: Stream) -> None:
            assert outbox.deliver(stream.due(), now=clock.now(), send=send) == []

        put_service()
        with meter.step("create", shared_by=lambda: made):
            made = schedule.release_seats(clock.now()).total()
        stream, now = Stream(arn), clock.now()
        with meter.step("calendar"):
            found = availability.week_calendar("aes", None, now)
        wish = Wish(found.first_free, conditions_accepted=True)
        with meter.step("hold"):
            hold = holds.place("aes", wish, now=now)
        holds.place("aes", wish, now=now)  # the second desk
        with meter.step("loser, first of a second"):  # reads the other weeks, to say what is near
            assert is_lost(wish, now)
        with meter.step("loser of the memory"):
            assert is_lost(wish, now)
        with meter.step("loser of the table"):
            assert not seat_store.take(hold.seat.key, "another", now, now)
        with meter.step("captcha"):
            asked = captcha.new_challenge(hold.id, now)
            captcha.answer(hold.id, asked.id, asked.picture, now=now)
        with meter.step("details"):
            request = filing.file(hold.id, AWA, now=now)
        with meter.step("mail mark 1"):
            deliver(stream)
        with meter.step("confirm"):
            requests.confirm(request.token, clock.now())
        with meter.step("mail mark 2"):
            deliver(stream)
        assert [len(letter.attachments) for letter in letters] == [0, 2]
        return meter.steps


def is_lost(wish: Wish, now: datetime) -> bool:
    """Whether this wish is refused because somebody else has the slot."""
    try:
        holds.place("aes", wish, now=now)
    except refusals.SlotTaken:
        return True
    return False


def prove(hold: Hold, now: datetime) -> Hold:
    """The hold, its captcha passed."""
    asked = captcha.new_challenge(hold.id, now)
    return captcha.answer(hold.id, asked.id, asked.picture, now=now)


@contextmanager
def somewhere() -> Iterator[None]:
    """The engine of the environment, or one of our own."""
    if "AWS_ENDPOINT_URL" in os.environ:
        yield
        return
    port = next(port for port in range(FIRST_PORT, FIRST_PORT + 100) if is_free(port))
    with (
        tempfile.TemporaryDirectory(prefix="guichet-") as folder,
        start_emulator(port, Path(folder), smtp="") as started,
    ):
        os.environ["AWS_ENDPOINT_URL"] = started.url
        yield


def main() -> None:
    """Print the table, or the steps as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.units")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with somewhere():
        steps = play()
    if chosen.json:
        print(json.dumps([asdict(step) for step in steps]))
        return
    print(f"{'step':<26}{'calls':>6}{'write units':>13}{'read units':>12}")
    for step in steps:
        print(f"{step.name:<26}{step.calls:>6}{step.writes:>13g}{step.reads:>12g}")
    booked = [step for step in steps if not step.name.startswith(("loser", "calendar"))]
    writes, reads = (sum(getattr(step, kind) for step in booked) for kind in ("writes", "reads"))
    print(f"{'one booking':<26}{'':>6}{writes:>13g}{reads:>12g}")


if __name__ == "__main__":
    main()
