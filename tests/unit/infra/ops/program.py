"""The ops program as a person or another program runs it, on the table of the unit tests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from typer.testing import CliRunner

from chalicelib.domain import codec
from chalicelib.domain.person import Person
from chalicelib.domain.seat import SeatKey
from chalicelib.storage import items, person_store, seat_store
from chalicelib.storage.dynamodb import connection
from chalicelib.storage.items import Item, PersonItem
from infra.ops import functions
from infra.ops.__main__ import app
from tests.unit.infra.ops.bookings import NOW

META = ("table_name", "region", "max_retry_attempts")


@dataclass(frozen=True)
class Ran:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document that it printed."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def no_function(_stage: str, _region: str, name: str, _event: object) -> None:
    raise functions.CannotInvoke(f"{name} is out of reach")


def ops(
    *words: str,
    now: datetime = NOW,
    clock: Callable[[], datetime] | None = None,
    invoke: Callable[..., Any] = no_function,
    stdin: str = "",
    **env: str | None,
) -> Ran:
    """Run a command on the stage `test`."""
    environment: dict[str, str | None] = {"GUICHET_STAGE": "test", "AWS_ENDPOINT_URL": None, "LANGUAGE": "C", **env}
    before = {name: getattr(Item.Meta, name) for name in META}
    try:
        given = (clock or (lambda: now), invoke)
        ran = CliRunner().invoke(app, words, input=stdin, obj=given, env=environment, catch_exceptions=False)
    finally:
        for name, value in before.items():
            setattr(Item.Meta, name, value)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def become(number: int, **details: str) -> Person:
    """Give the person that `book` made other details."""
    person = person_store.read(f"person{number}", "aes")
    assert person is not None
    changed = replace(person.details, **details)  # type: ignore[arg-type]  # texts only
    items.person_item(person.key, "aes").update([PersonItem.details.set(codec.details_to_document(changed))])
    return replace(person, details=changed)


def extra(key: SeatKey, opens_at: datetime) -> None:
    """Create a seat as an operator adds it."""
    item = seat_store.new_item(key, opens_at)
    item.extra = True
    item.save()


def table_without_audit() -> list[dict[str, Any]]:
    """All items but those of the audit."""
    others = [item for item in whole_table() if not item["pk"].startswith("AUDIT#")]
    return sorted(others, key=lambda item: (item["pk"], item["sk"]))


def whole_table() -> list[dict[str, Any]]:
    """All items."""
    scanned = connection().scan()  # a model reads its own kind only
    return [{name: str(next(iter(value.values()))) for name, value in item.items()} for item in scanned["Items"]]


def audit_items() -> list[dict[str, Any]]:
    """The audit items, newest first, as the program prints them."""
    documents: list[dict[str, Any]] = ops("audit", "--json").json["acts"]
    return documents
