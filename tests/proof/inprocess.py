"""The engine's table and mail inside this process, entered where botocore would sign and send a call.

About a millisecond a call, against five and fifty of moto; no socket, no thread. What is passed on is whole: each
call happens at once, as DynamoDB promises. `cut` looks at each call before it is carried out, and after.
"""

import os
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from botocore.parsers import create_parser

from chalicelib.domain.seat import SeatKey
from chalicelib.mail import ses
from chalicelib.storage import dynamodb, items, service_store
from tests.table import SHAPE, STREAM

os.environ.setdefault("LOG_LEVEL", "ERROR")

from ministack.services import dynamodb as emulated_table

Image = Mapping[str, Any]
Record = tuple[str, Image | None, Image | None]
FAILED = 300


class Engine:
    """One empty table with its stream, and a post office; both are gone with it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.letters: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda _name: None
        self.after: Callable[[str], None] = lambda _name: None
        self.read = 0

    def send(self, service: ModuleType, model: Any, params: Mapping[str, Any]) -> tuple[SimpleNamespace, Any]:
        """One call to the engine, and its answer as botocore reads it."""
        self.before(model.name)
        self.calls.append(model.name)
        headers = {name.lower(): value for name, value in params["headers"].items()}
        body = params["body"]
        sent = body if isinstance(body, bytes) else urlencode(body).encode()
        status, more, said = finished(service.handle_request("POST", "/", headers, sent, {}))
        answer = {"status_code": status, "headers": more, "body": said if isinstance(said, bytes) else said.encode()}
        parser = create_parser(model.service_model.metadata["protocol"])
        parsed = parser.parse(answer, model.output_shape)
        if status >= FAILED:
            shape = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
            parsed |= parser.parse(answer, shape) if shape else {}
        if model.name == "SendRawEmail":
            told = message_from_bytes(b64decode(body["RawMessage.Data"]), policy=default)
            self.letters.append((str(told["To"]), str(told["Subject"])))
        self.after(model.name)
        return SimpleNamespace(status_code=status), parsed

    def table(self, model: Any, params: Mapping[str, Any], **_: object) -> Any:
        """A call to the table."""
        return self.send(dynamodb, model, params)

    def mail(self, model: Any, params: Mapping[str, Any], **_: object) -> Any:
        """A call to SES."""
        return self.send(ses, model, params)

    def items(self) -> list[dict[str, Any]]:
        """Every item of the table, as it is on the wire."""
        kept = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - a Scan costs more than a step
        return [item for of in kept.values() for item in of.values()]

    def put_back(self, kept_items: list[dict[str, Any]]) -> None:
        """Make the table what it was when it had these items; what the stream told in between is forgotten."""
        kept = emulated_table._tables[items.Item.Meta.table_name]["items"]  # noqa: SLF001 - as above
        for of in kept.values():
            of.clear()
        for item in deepcopy(kept_items):
            kept[item["pk"]["S"]][item["sk"]["S"]] = item
        self.records()
        self.letters.clear()

    def change(self, key: SeatKey, **moments: datetime) -> None:
        """Let time pass at one seat, by moving its moments."""
        item = next(item for item in self.items() if items.seat_item(key).sk == item["sk"]["S"])
        item |= {
            name: {"N": str((moment - items.EPOCH) // timedelta(milliseconds=1))} for name, moment in moments.items()
        }

    def records(self) -> list[Record]:
        """What the stream has told since the last time, as the mailer is given it."""
        told = emulated_table.stream_records_since(items.Item.Meta.table_name, self.read, 10_000)
        self.read += len(told)
        changes = [record["dynamodb"] for record in told if record["eventName"] == "MODIFY"]
        return [(change["SequenceNumber"], change.get("OldImage"), change.get("NewImage")) for change in changes]


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits")


@contextmanager
def engine() -> Iterator[Engine]:
    """An empty table and a stream, for as long as the block lasts."""
    one = Engine()
    client = dynamodb.connection().connection.client
    client.meta.events.register_first("before-call.dynamodb", one.table, unique_id="engine")
    ses.client().meta.events.register_first("before-call.ses", one.mail, unique_id="engine")
    ses.client().verify_email_identity(EmailAddress="rendez-vous@example.org")
    client.create_table(TableName=items.Item.Meta.table_name, **SHAPE, **STREAM)
    one.read = emulated_table.stream_start_position(items.Item.Meta.table_name)
    service_store.forget()
    try:
        yield one
    finally:
        one.before = one.after = lambda _name: None
        client.delete_table(TableName=items.Item.Meta.table_name)
        client.meta.events.unregister("before-call.dynamodb", unique_id="engine")
        ses.client().meta.events.unregister("before-call.ses", unique_id="engine")
        service_store.forget()
