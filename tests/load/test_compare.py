"""Tests of the records of storms: a file with errors is one line, and a record is whole or not written."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.load.pages import BadFile
from tests.load.simulation.aws.inputs import MEASURED, read_measured
from tests.load.simulation.storm import against
from tests.load.simulation.storm.compare import record

RUN: dict[str, Any] = against.read_runs()[0]


def without(*names: str) -> str:
    """Return a record of two runs, the second of which lacks a value."""
    run = json.loads(json.dumps(RUN))
    part = run
    for name in names[:-1]:
        part = part[name]
    del part[names[-1]]
    return json.dumps([RUN, run])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "Expecting value: line 1 column 2 (char 1)"),
        ("null", "'NoneType' object is not iterable"),
        (without("size"), "'size' is missing"),
        (without("size", "seats"), "Size.__init__() missing 1 required positional argument: 'seats'"),
        (without("costs", "look"), "StormCosts.__init__() missing 1 required positional argument: 'look'"),
        (without("connections"), "'connections' is missing"),
        (without("figures", "wait p50"), "'wait p50' is missing"),
        (without("figures", "attempts per hold"), "'attempts per hold' is missing"),
        (json.dumps([RUN | {"cores": "two"}]), "could not convert string to float: 'two'"),
    ],
)
def test_a_broken_or_incomplete_record_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    path.write_text(text, "utf-8")
    with pytest.raises(BadFile) as refused:
        against.read_runs(path)
    assert str(refused.value) == f"guichet: {path}: {reason}"


@pytest.mark.parametrize("read", [against.read_runs, read_measured])
def test_a_missing_file_is_one_line(read: Any, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"^guichet: .*none\.json cannot be read: No such file or directory$"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["load_seconds", "by_seats"])
def test_incomplete_measurements_are_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({key: value for key, value in read_measured().items() if key != name}), "utf-8")
    with pytest.raises(BadFile, match=f"^guichet: .*measured.json: '{name}' is missing$"):
        read_measured(path)
    assert read_measured(MEASURED)["by_seats"]


def test_a_record_is_written_with_its_page_or_not_at_all(tmp_path: Path) -> None:
    page, file = tmp_path / "page.md", tmp_path / "runs.json"
    page.write_text("no section", "utf-8")
    with pytest.raises(BadFile, match="there is no section from <!-- compared -->"):
        record([], [RUN], page, file)
    assert not file.exists()
    page.write_text("<!-- compared --><!-- end compared -->", "utf-8")
    record([RUN], [RUN], page, file)
    assert json.loads(file.read_text("utf-8")) == [RUN, RUN]
    assert "2,000 on 400, 32 at once" in page.read_text("utf-8")
