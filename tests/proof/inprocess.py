"""Run the emulator's table and mail inside this process, called where botocore would sign and send a request.

A call takes about a millisecond, without a socket or a thread; moto takes five to fifty. Each call is atomic, as
DynamoDB promises. The hooks `before` and `after` run around each call.
"""

import os
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from botocore.parsers import create_parser

from chalicelib.domain.seat import SeatKey
from chalicelib.mail import ses
from chalicelib.storage import dynamodb, items, seat_keys, service_items, service_store
from tests.table import SHAPE, STREAM

os.environ.setdefault("LOG_LEVEL", "ERROR")

from ministack.services import dynamodb as emulated_table
from ministack.services import ses as emulated_ses

Image = Mapping[str, Any]
Record = tuple[str, Image | None, Image | None]
FAILED = 300
ONE_CALL = Lock()
"""Threads of a test call the emulator one after the other: DynamoDB promises that each call is atomic."""


class Emulator:
    """One empty table with its stream, and the letters that were sent."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.letters: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _name: None
        self.after: Callable[[str], None] = lambda _name: None
        self.read = 0

    def send(self, service: ModuleType, model: Any, params: Mapping[str, Any]) -> tuple[SimpleNamespace, Any]:
        """Send one call to the emulator. Return its answer as botocore reads it."""
        self.before(model.name)
        self.calls.append(model.name)
        answer = answered(service, model, params)
        if model.name == "SendRawEmail":
            letter = message_from_bytes(b64decode(params["body"]["RawMessage.Data"]), policy=default)
            self.letters.append((str(letter["To"]), str(letter["Subject"])))
        self.after(model.name)
        return answer

    def table(self, model: Any, params: Mapping[str, Any], **_: object) -> Any:
        """Answer a call to the table."""
        return self.send(emulated_table, model, params)

    def mail(self, model: Any, params: Mapping[str, Any], **_: object) -> Any:
        """Answer a call to SES."""
        return self.send(emulated_ses, model, params)

    def items(self) -> list[dict[str, Any]]:
        """Return every item of the table, as it is on the wire."""
        partitions = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - a Scan costs more than a step
        return [item for partition in partitions.values() for item in partition.values()]

    def put_back(self, saved_items: list[dict[str, Any]]) -> None:
        """Restore the table to these items. Skip the records of the stream and the letters since then."""
        partitions = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - as above
        for partition in partitions.values():
            partition.clear()
        for item in deepcopy(saved_items):
            partitions[item["pk"]["S"]][item["sk"]["S"]] = item
        self.records()
        self.letters.clear()

    def change(self, key: SeatKey, **moments: datetime) -> None:
        """Let time pass at one seat by changing its moments."""
        item = next(item for item in self.items() if seat_keys.seat_item(key).sk == item["sk"]["S"])
        item |= {
            name: {"N": str((moment - items.EPOCH) // timedelta(milliseconds=1))} for name, moment in moments.items()
        }

    def records(self) -> list[Record]:
        """Return the records of the stream since the last call, as the mailer gets them."""
        records = emulated_table.stream_records_since(items.Item.Meta.table_name, self.read, 10_000)
        self.read += len(records)
        changes = [record["dynamodb"] for record in records if record["eventName"] == "MODIFY"]
        return [(change["SequenceNumber"], change.get("OldImage"), change.get("NewImage")) for change in changes]


def answered(service: ModuleType, model: Any, params: Mapping[str, Any]) -> tuple[SimpleNamespace, Any]:
    """Send one call to the emulator. Return its answer as botocore reads it."""
    headers = {name.lower(): value for name, value in params["headers"].items()}
    body = params["body"]
    sent = body if isinstance(body, bytes) else urlencode(body).encode()
    with ONE_CALL:
        status, response_headers, content = run_to_end(service.handle_request("POST", "/", headers, sent, {}))
    answer = {
        "status_code": status,
        "headers": response_headers,
        "body": content if isinstance(content, bytes) else content.encode(),
    }
    parser = create_parser(model.service_model.metadata["protocol"])
    parsed = parser.parse(answer, model.output_shape)
    if status >= FAILED:
        shape = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
        parsed |= parser.parse(answer, shape) if shape else {}
    return SimpleNamespace(status_code=status), parsed


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine. Raise RuntimeError if it waits for something."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the emulator's coroutine waits, and there is no event loop here")


@contextmanager
def emulator() -> Iterator[Emulator]:
    """Provide an empty table with a stream inside this block."""
    emulated = Emulator()
    client = dynamodb.connection().connection.client
    client.meta.events.register_first("before-call.dynamodb", emulated.table, unique_id="emulator")
    ses.client().meta.events.register_first("before-call.ses", emulated.mail, unique_id="emulator")
    ses.client().verify_email_identity(EmailAddress="rendez-vous@example.org")
    client.create_table(TableName=items.Item.Meta.table_name, **SHAPE, **STREAM)
    emulated.read = emulated_table.stream_start_position(items.Item.Meta.table_name)
    service_store.clear_caches()
    service_items.forget_layouts()
    try:
        yield emulated
    finally:
        emulated.before = emulated.after = lambda _name: None
        client.delete_table(TableName=items.Item.Meta.table_name)
        client.meta.events.unregister("before-call.dynamodb", unique_id="emulator")
        ses.client().meta.events.unregister("before-call.ses", unique_id="emulator")
        service_store.clear_caches()


@contextmanager
def table() -> Iterator[None]:
    """Provide an empty table without a stream inside this block. Handlers that a test adds run before it answers."""
    client = dynamodb.connection().connection.client

    def answer(model: Any, params: Mapping[str, Any], **_: object) -> Any:
        return answered(emulated_table, model, params)

    client.meta.events.register_last("before-call.dynamodb", answer, unique_id="table")
    try:
        client.create_table(TableName=items.Item.Meta.table_name, **SHAPE)
        yield
    finally:
        emulated_table.reset()
        client.meta.events.unregister("before-call.dynamodb", unique_id="table")
