"""The settings of a rush, the seats it makes, and its verdict."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.load.history import Operation, Rules
from tests.load.rush import report
from tests.load.rush.__main__ import alive, kinds
from tests.load.rush.plan import CannotRush, asked, keys

SEAT = "rush-1.20261207.0900.1"
NOBODY = 9  # the port that discards: nothing listens there


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"VISITORS": "0"}, "guichet: VISITORS must be a whole number from 1 to 1,000,000, not '0'"),
        ({"VISITORS": "many"}, "guichet: VISITORS must be a whole number from 1 to 1,000,000, not 'many'"),
        ({"SEATS": "-3"}, "guichet: SEATS must be a whole number from 1 to 100,000, not '-3'"),
        (
            {"URL": "guichet"},
            "guichet: URL must be the address of a service, like https://example.org/api, not 'guichet'",
        ),
        (
            {"URL": "https://example.org/api"},
            "guichet: say which stage https://example.org/api is: STAGE=name. Its table makes the seats and is checked",
        ),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_in_one_line(env: dict[str, str], line: str) -> None:
    with pytest.raises(CannotRush) as refused:
        asked(env)
    assert str(refused.value) == line


def test_without_settings_two_thousand_come_for_two_hundred_seats_of_this_machine() -> None:
    wish = asked({"URL": "", "VISITORS": ""})
    assert (wish.visitors, wish.seats, wish.url, wish.stage, wish.answer) == (2000, 200, "", "laptop", "RUSH42")


def test_a_stage_elsewhere_has_no_answer_of_its_own() -> None:
    wish = asked({"URL": "https://example.org/api/", "STAGE": "trial"})
    assert (wish.url, wish.stage, wish.answer) == ("https://example.org/api", "trial", "")


def test_seats_are_in_the_week_after_the_next_two_a_slot_until_more_are_needed() -> None:
    few = [key.ref for key in keys("rush-1", 3, date(2026, 11, 29))]
    assert few == ["rush-1.20261207.0900.1", "rush-1.20261207.0900.2", "rush-1.20261207.0905.1"]
    many = keys("rush-1", 10_000, date(2026, 11, 23))
    assert len(set(many)) == 10_000
    assert (many[0].day, many[-1].day, max(key.unit for key in many)) == (date(2026, 12, 7), date(2026, 12, 11), 21)


# Who answers


@pytest.fixture
def stranger() -> Iterator[str]:
    """Another program's web server."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path.startswith("/none") else 200)
            self.end_headers()
            self.wfile.write(b'{"status": "hello"}' if self.path.startswith("/json") else b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "why"),
    [("/none", "answers 404"), ("/text", "is no JSON"), ("/json", "says something else")],
)
def test_what_is_no_guichet_is_refused(stranger: str, path: str, why: str) -> None:
    with pytest.raises(CannotRush, match=f"is no Guichet: its /health {why}"):
        alive(stranger + path)


@pytest.mark.parametrize(
    ("step", "late", "outcome", "found"),
    [
        ("hold", False, "ok", ("hold",)),
        ("captcha", False, "ok", ("view",)),
        ("hold", True, "ok", ()),
        ("captcha", True, "ok", ()),
        ("answer", True, "refused", ("answer",)),
        ("answer", True, "ok", ("hold", "answer")),
        ("notice", False, "ok", ()),
    ],
)
def test_a_seat_that_comes_after_the_captcha_is_taken_by_the_answer(
    *, step: str, late: bool, outcome: str, found: tuple[str, ...]
) -> None:
    assert kinds({"step": step, "late": late, "outcome": outcome}) == found


def test_nobody_there_is_refused() -> None:
    with pytest.raises(CannotRush, match=f"guichet: nothing answers at http://127.0.0.1:{NOBODY}"):
        alive(f"http://127.0.0.1:{NOBODY}")


# The verdict


def record(step: str, start: float, seconds: float, status: int, code: str = "", *, visitor: int = 0) -> dict[str, Any]:
    """A request as the crowd writes it down."""
    outcome = "ok" if 0 < status < 400 else "refused" if 400 <= status < 500 else "unknown"
    facts = {"status": status, "outcome": outcome, "code": code, "visitor": visitor}
    return {"step": step, "start": start, "seconds": seconds, "waited": seconds + 1, **facts}


RECORDS = [
    record("notice", 90, 0.1, 200),
    record("hold", 100, 0.5, 201),
    record("hold", 100.1, 0.7, 409, "slot-taken", visitor=1),
    record("confirm", 130, 0.2, 200),
]
BOOKED = [
    Operation("hold", SEAT, "a", 100, 100.5, until=280.0),
    Operation("answer", SEAT, "a", 110, 110.2, until=1010.0),
    Operation("details", SEAT, "a", 120, 120.2, until=9000.0),
    Operation("confirm", SEAT, "a", 130, 130.2),
]
UNITS = {"create": 1, "hold": 1, "captcha": 1, "details": 3, "mail mark 1": 1, "confirm": 1, "mail mark 2": 1}


def verdict(
    records: list[dict[str, Any]] = RECORDS,
    more: tuple[Operation, ...] = (),
    table: tuple[tuple[str, str, str, str], ...] = ((SEAT, "confirmed", "a", "p"),),
) -> report.Result:
    return report.judge(
        wish={"url": "", "visitors": 2, "rate": 60, "workers": 1, "haste": 1.0, "seats": 1},
        machine={"cores": 2},
        records=records,
        history=[*BOOKED, *more],
        table=table,
        opens={SEAT: 100.0},
        rules=Rules(),
        units=UNITS | {"loser of the table": 1},
    )


def test_a_fair_rush_keeps_all_promises_and_has_its_figures() -> None:
    of = verdict().figures
    assert of["broken"] == []
    assert (of["seats"], of["held"], of["confirmed"], of["doubles"], of["lost"], of["fives"]) == (1, 1, 1, 0, 0, 0)
    assert (of["drain_seconds"], of["attempts_per_win"], of["refusals"]) == (0.5, 2.0, {"slot-taken": 1})
    assert of["service_seconds_by_step"]["hold"] == {"count": 2, "p50": 0.7, "p95": 0.7, "p99": 0.7, "mean": 0.6}
    assert of["write_units"]["per_win"] == 5.0  # create, hold, its ticket, confirm, mail
    assert of["write_units"]["per_loser_at_most"] == 1.0


@pytest.mark.parametrize(
    ("result", "broken"),
    [
        (
            verdict(more=(Operation("hold", SEAT, "b", 105, 105.5, until=285.0),)),
            "1 seats were given to two",
        ),
        (
            verdict(table=((SEAT, "open", "", ""),)),
            f"1 people were told that it is confirmed and have no seat: {SEAT}",
        ),
        (
            verdict(table=((SEAT, "confirmed", "a", "p"), ("other", "pending", "b", "p"))),
            "1 people have two requests",
        ),
        (verdict(records=[*RECORDS, record("hold", 101, 0.1, 503)]), "1 answers were 5xx"),
        (verdict(records=[*RECORDS, record("hold", 101, 30.0, 0)]), "1 requests had no answer"),
        (verdict(records=[*RECORDS, {"step": "no letter"}]), "1 people waited for their letter in vain"),
    ],
    ids=["double", "lost", "two requests", "5xx", "no answer", "no letter"],
)
def test_a_broken_promise_is_told(result: report.Result, broken: str) -> None:
    assert result.figures["broken"][0] == broken
    assert [*result.lines()][-1] == "verdict: a promise is broken"


def test_the_page_holds_all_in_itself(tmp_path: Any) -> None:
    report.write(verdict(), tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<svg") == 3
    assert "verdict: all promises kept" in page
    assert 'src="' not in page
    assert json.loads((tmp_path / "result.json").read_text())["drain_seconds"] == 0.5
