"""Tests of the comparison with pretix: its verdict, its table, and our WSGI server."""

import io
import json
from argparse import ArgumentTypeError
from collections import Counter
from typing import Any

import pytest

from tests.load import server
from tests.load.peer import (
    CAPTCHA,
    LAMBDAS,
    PEER,
    SERVER,
    SETTINGS,
    Run,
    aim,
    judge,
    median,
    number_of_rounds,
    ours,
    table,
)
from tests.stack.storm import Verdict

# pretix's verdict


@pytest.mark.parametrize(
    ("won", "unexpected", "table", "verdict"),
    [
        (100, 0, (100, 100, 0), (0, [])),
        (101, 0, (101, 101, 0), (1, ["101 answers confirmed a seat, but there are 100"])),
        (100, 0, (99, 99, 0), (0, ["the tables have 99 seats in 99 carts"])),
        (100, 0, (100, 99, 0), (0, ["the tables have 100 seats in 99 carts"])),
        (100, 0, (100, 100, 1), (0, ["the quota has 1 left"])),
        (100, 2, (100, 100, 0), (0, ["2 attempts failed for another reason than sold out"])),
    ],
    ids=["fair", "seat beyond the quota", "lost seat", "two seats in a cart", "seats left", "other answer"],
)
def test_the_verdict_names_each_mismatch_between_answers_and_tables(
    won: int, unexpected: int, table: tuple[int, int, int], verdict: tuple[int, list[str]]
) -> None:
    tables = dict(zip(("positions", "carts", "left"), table, strict=True))
    assert judge(won, unexpected, tables) == verdict


@pytest.mark.parametrize("text", ["0", "-3", "abc", "1.5", "100"])
def test_a_comparison_has_at_least_one_round(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"^a whole number from 1 to 99, not '{text}'$"):
        number_of_rounds(text)
    assert number_of_rounds("3") == 3


# Our verdict


def test_two_holds_of_one_seat_count_as_a_double() -> None:
    verdict = Verdict(100, holds=["aes.20261127.0900.1.a", "aes.20261127.0900.1.b", "aes.20261127.0900.2.c"])
    assert ours(SERVER, 1, verdict).doubles == 1


# The table


def run(setting: str, at_once: int, drained: float) -> Run:
    times = [0.010] * 200
    refused, cpu_seconds = Counter({"sold out": 100}), Counter({"server": 0.4, "PostgreSQL": 0.2, "Redis": 0.0})
    return Run(setting, at_once, times, 4.0, drained, 100, refused, 0, [], cpu_seconds)


def test_the_rate_of_holds_counts_until_the_last_seat_is_taken() -> None:
    assert run(PEER, 1, 2.0).rate == 50.0


def test_the_table_has_the_median_round_and_the_range_of_all_rounds() -> None:
    runs = [run(setting, n, drained) for setting in SETTINGS for n in (1, 8, 32) for drained in (4, 1, 2)]
    assert median(runs, PEER, 8).drained == 2
    assert table(runs)[2].startswith("| pretix, gunicorn | 1 | 25.0 to 100.0 | 50.0 |")


@pytest.mark.parametrize(("drained", "result"), [(0.5, "30.0 times (reached)"), (0.501, "29.9 times (missed)")])
def test_the_aim_is_reached_at_thirty_times_the_rate_of_pretix(drained: float, result: str) -> None:
    runs = [run(PEER, 32, 15.0), run(SERVER, 32, drained), run(CAPTCHA, 32, 1.0), run(LAMBDAS, 32, 1.5)]
    assert aim(runs).endswith(f"{SERVER}: {result}, {CAPTCHA}: 15.0 times (missed).")


# Our app behind WSGI


def send(path: str, method: str = "GET", body: bytes = b"") -> tuple[str, dict[str, str], Any]:
    start: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_ACCEPT": "application/json",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "wsgi.input": io.BytesIO(body),
    }
    content = b"".join(server.application(environ, lambda *arguments: start.extend(arguments)))
    return start[0], dict(start[1]), json.loads(content)


def test_the_app_answers_behind_wsgi() -> None:
    status, headers, answer = send("/health")
    assert status == "200 OK"
    assert headers["Content-Type"] == "application/json"
    assert answer["status"] == "ok"


def test_the_app_reads_body_and_headers_behind_wsgi() -> None:
    status, headers, answer = send("/manage", "POST", b'{"reference": "", "email": "awa@example.org"}')
    assert status.startswith("422 ")
    assert headers["Content-Language"] == "en"
    assert [error["field"] for error in answer["errors"]] == ["reference"]
