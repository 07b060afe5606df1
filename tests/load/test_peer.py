"""The comparison with pretix: its verdict, its table, and the server that our app stands behind in it."""

import io
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.load import peer, server
from tests.load.peer import ENGINE, PEER, SERVER, Run, aim, judged, line, median, ours, table
from tests.stack.storm import Verdict

# pretix's verdict


def tables(positions: int = 100, carts: int = 100, left: int = 0) -> dict[str, int]:
    return {"positions": positions, "carts": carts, "left": left}


def test_a_hundred_carts_with_the_hundred_places_of_the_quota_are_right() -> None:
    assert judged(100, 0, tables()) == (0, [])


def test_a_place_beyond_the_quota_is_a_double() -> None:
    doubles, problems = judged(101, 0, tables(101, 101))
    assert doubles == 1
    assert problems == ["101 carts were told that they have one of 100 places"]


def test_a_cart_that_was_told_yes_and_is_not_in_the_table_is_a_problem() -> None:
    assert judged(100, 0, tables(99, 99, 0)) == (0, ["the table has 99 places in 99 carts"])


def test_two_places_in_one_cart_are_a_problem() -> None:
    assert judged(100, 0, tables(100, 99)) == (0, ["the table has 100 places in 99 carts"])


def test_a_quota_that_still_has_places_is_a_problem() -> None:
    assert judged(100, 0, tables(left=1)) == (0, ["the quota has 1 left"])


def test_an_answer_other_than_sold_out_is_a_problem() -> None:
    assert judged(100, 2, tables()) == (0, ["2 answers that a loser must not have"])


# Our verdict


def test_two_holds_of_one_seat_are_a_double() -> None:
    verdict = Verdict(100, holds=["aes.20261127.0900.1.a", "aes.20261127.0900.1.b", "aes.20261127.0900.2.c"])
    assert ours(SERVER, 1, verdict).doubles == 1


# The table


def run(setting: str, at_once: int, drained: float) -> Run:
    times = [0.010] * 200
    refused, spent = Counter({"sold out": 100}), Counter({"server": 0.4, "PostgreSQL": 0.2, "Redis": 0.0})
    return Run(setting, at_once, times, 4.0, drained, 100, refused, 0, [], spent)


def test_holds_a_second_are_counted_until_the_last_place_is_gone() -> None:
    assert run(PEER, 1, 2.0).rate == 50.0


def test_a_row_says_throughput_latency_drain_doubles_refusals_and_the_cpu_of_an_attempt() -> None:
    assert (
        line(run(PEER, 1, 2.0)) == "50.0 | 50.0 | 10 | 10 | 2.00 | 100 | 0 | 100 sold out | server 2.0, PostgreSQL 1.0"
    )


def test_the_round_in_the_middle_is_shown_and_the_range_of_all() -> None:
    runs = [run(setting, n, drained) for setting in (PEER, SERVER, ENGINE) for n in (1, 8, 32) for drained in (4, 1, 2)]
    assert median(runs, PEER, 8).drained == 2
    assert table(runs)[2].startswith("| pretix, gunicorn | 1 | 25.0 to 100.0 | 50.0 |")


@pytest.mark.parametrize(("drained", "told"), [(0.5, "20.0 times (reached)"), (0.501, "20.0 times (missed)")])
def test_the_aim_is_twenty_times_and_names_its_setting(drained: float, told: str) -> None:
    runs = [run(PEER, 32, 10.0), run(SERVER, 32, drained), run(ENGINE, 32, 1.0)]
    assert f"Guichet, gunicorn: {told}, Guichet, MiniStack's Lambdas: 10.0 times (missed)." in aim(runs)


def test_a_run_that_gave_nothing_has_no_rate() -> None:
    assert replace(run(PEER, 1, 0.0), holds=0).rate == 0.0


def test_the_page_keeps_its_words_and_its_marks_when_the_figures_change() -> None:
    begin, end = peer.MARKS
    kept = peer.PAGE.read_text("utf-8")
    assert peer.replaced(kept, "new\n").count("new\n") == 1
    assert peer.replaced(peer.replaced(kept, "new\n"), kept.partition(begin)[2].partition(end)[0]) == kept


# Our app behind WSGI


def asked(path: str, method: str = "GET", body: bytes = b"") -> tuple[str, dict[str, str], Any]:
    told: list[Any] = []
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
    content = b"".join(server.application(environ, lambda *words: told.extend(words)))
    return told[0], dict(told[1]), json.loads(content)


def test_the_app_answers_behind_wsgi() -> None:
    status, headers, answer = asked("/health")
    assert status == "200 OK"
    assert headers["Content-Type"] == "application/json"
    assert answer["status"] == "ok"


def test_the_app_reads_body_and_headers_behind_wsgi() -> None:
    status, headers, answer = asked("/manage", "POST", b'{"reference": "", "email": "awa@example.org"}')
    assert status.startswith("422 ")
    assert headers["Content-Language"] == "en"
    assert [error["field"] for error in answer["errors"]] == ["reference"]
