"""The ops program as a person or another program runs it, on the table of the unit tests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from typer.testing import CliRunner

from chalicelib import files, locks, store
from chalicelib.model import Person, SeatKey
from chalicelib.rows import PersonRow, Row, connection
from infra.ops.__main__ import app
from tests.office.test_closing import NOW

META = ("table_name", "region", "max_retry_attempts")


@dataclass(frozen=True)
class Ran:
    """How it ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


def ops(*words: str, now: datetime = NOW, clock: Callable[[], datetime] | None = None, **env: str | None) -> Ran:
    """Run a command on the stage `test`."""
    place: dict[str, str | None] = {"GUICHET_STAGE": "test", "AWS_ENDPOINT_URL": None, **env}
    before = {name: getattr(Row.Meta, name) for name in META}
    try:
        ran = CliRunner().invoke(app, words, obj=clock or (lambda: now), env=place, catch_exceptions=False)
    finally:
        for name, value in before.items():
            setattr(Row.Meta, name, value)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def become(number: int, **details: str) -> Person:
    """Give the person that `book` made other details."""
    person = locks.person(f"person{number}", "aes")
    assert person is not None
    other = replace(person.details, **details)  # type: ignore[arg-type]  # texts only
    locks.person_row(person.key, "aes").update([PersonRow.details.set(files.details_to(other))])
    return replace(person, details=other)


def extra(key: SeatKey, opens_at: datetime) -> None:
    """Make a seat that no rule gives."""
    row = store.new_row(key, opens_at)
    row.extra = True
    row.save()


def table() -> list[dict[str, Any]]:
    """Everything that the table has, but the acts."""
    items = [item for item in everything() if not item["pk"].startswith("AUDIT#")]
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


def everything() -> list[dict[str, Any]]:
    """Everything that the table has."""
    scanned = connection().scan()  # a model reads its own kind only
    return [{name: str(next(iter(value.values()))) for name, value in item.items()} for item in scanned["Items"]]


def acts() -> list[dict[str, Any]]:
    """The acts, newest first."""
    found: list[dict[str, Any]] = ops("audit", "--json").json["acts"]
    return found
