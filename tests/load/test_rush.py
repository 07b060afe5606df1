"""Tests of a rush: its settings, its seats and its verdict."""

import json
import math
import random
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from chalice.app import Request as ChaliceRequest

from chalicelib.domain import codec, timetable, turns
from chalicelib.domain.tokens import Keys, digest
from chalicelib.keys import keys as stage_keys
from chalicelib.storage import items, seat_store
from chalicelib.web import clock, visit
from tests.conftest import UNREACHABLE, calls, client_error
from tests.load.history import Operation, Rules, check
from tests.load.rush import fairness, report
from tests.load.rush.plan import (
    CannotRush,
    cdn_headers,
    check_opening,
    document,
    first_request,
    identity,
    keys,
    mailbox,
    network,
    opening,
    programs,
    read_settings,
)
from tests.load.rush.recorded import Position, gave_seat, operations
from tests.load.rush.table import HEAD, draw_seats
from tests.load.rush.target import added_service, check_health, open_seats, running_stage, using_table, writing_seconds

SEAT = "rush-1.20261207.0900.1"
PAGES = {"json": b'{"status": "hello"}', "cdn": b'{"status": "ok"}', "api": b'{"status": "ok"}'}
NOTHING = [sys.executable, "-c", ""]
"""A command that does nothing."""
CLOSED_PORT = 9  # the discard port: nothing listens there


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"VISITORS": "0"}, "guichet: VISITORS must be a whole number from 1 to 1,000,000, not '0'"),
        ({"SEATS": "-3"}, "guichet: SEATS must be a whole number from 1 to 10,000, not '-3'"),
        ({"BOTS": "0.51"}, "guichet: BOTS must be a number from 0 to 0.5, not '0.51'"),
        ({"BOTS": "nan"}, "guichet: BOTS must be a number from 0 to 0.5, not 'nan'"),
        (
            {"KINDS": "hammering,clever"},
            "guichet: KINDS must be one or more of hammering, solving, many, separated by commas, not 'clever'",
        ),
        ({"LOCAL": "slow"}, "guichet: LOCAL must be lambdas or fast, not 'slow'"),
        ({"BATCH": "301"}, "guichet: BATCH must be a whole number from 0 to 300, not '301'"),
        ({"SEAT_AFTER": "never"}, "guichet: SEAT_AFTER must be one of crowd, captcha, choice, not 'never'"),
        ({"SEATS": "10001"}, "guichet: SEATS must be a whole number from 1 to 10,000, not '10001'"),
        (
            {"URL": "https://example.org/api", "STAGE": "trial", "SEATS": "100001"},
            "guichet: SEATS must be a whole number from 1 to 100,000, not '100001'",
        ),
        (
            {"VISITORS": "9" * 5000},
            "guichet: VISITORS must be a whole number from 1 to 1,000,000, not '99999999999999999999'…",
        ),
        *(
            ({"URL": url}, f"guichet: URL must be the URL of an API, like https://example.org/api, not {url!r}")
            for url in ("http://[::1", "http://127.0.0.1:abc", "http://127.0.0.1:65536", "http://a b", "ftp://a")
        ),
        (
            {"INBOX": "http://127.0.0.1:abc"},
            "guichet: INBOX must be the URL of an inbox, like https://example.org/api, not 'http://127.0.0.1:abc'",
        ),
        (
            {"URL": "guichet"},
            "guichet: URL must be the URL of an API, like https://example.org/api, not 'guichet'",
        ),
        (
            {"URL": "https://example.org/api"},
            "guichet: set STAGE to the stage of https://example.org/api, because the rush creates seats in its table",
        ),
    ],
)
def test_an_invalid_setting_is_refused_in_one_line(env: dict[str, str], line: str) -> None:
    with pytest.raises(CannotRush) as refused:
        read_settings(env)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("env", "local", "at_once", "pace"),
    [
        ({}, "lambdas", 2, (60, 17)),
        ({"VISITORS": "20001"}, "fast", 16, (450, 53)),
        ({"VISITORS": "100000", "LOCAL": "lambdas"}, "lambdas", 2, (60, 833)),
        ({"LOCAL": "fast", "AT_ONCE": "4", "RATE": "100", "HASTE": "25"}, "fast", 4, (100, 25)),
        ({"LOCAL": "fast", "VISITORS": "1"}, "fast", 16, (450, 1)),
        ({"URL": "https://example.org/api", "STAGE": "trial", "VISITORS": "100000"}, "", 10_000, (60, 833)),
    ],
)
def test_more_than_20000_visitors_play_in_the_fast_setting_unless_another_is_chosen(
    env: dict[str, str], local: str, at_once: int, pace: tuple[int, int]
) -> None:
    settings = read_settings(env)
    assert (settings.local, settings.at_once) == (local, at_once)
    assert (settings.rate, settings.haste) == pace


def test_programs_of_all_kinds_have_equal_shares_over_all_workers() -> None:
    settings = replace(
        read_settings({"VISITORS": "1000", "BOTS": "0.2", "KINDS": "hammering, solving,many,solving"}),
        workers=2,
    )
    shares = [programs(settings, worker) for worker in range(2)]
    assert shares == [
        {"hammering": 34, "solving": 33, "many": 33},
        {"solving": 34, "many": 33, "hammering": 33},
    ]
    assert sum((Counter(share) for share in shares), Counter()) == {"hammering": 67, "solving": 67, "many": 66}


@pytest.mark.parametrize(("share", "expected"), [("0", {}), ("0.5", {"hammering": 50})])
def test_the_share_of_programs_may_be_nothing_and_at_most_half(share: str, expected: dict[str, int]) -> None:
    assert programs(read_settings({"VISITORS": "100", "BOTS": share}), 0) == expected


def test_each_visitor_has_a_client_network_and_an_email_domain_of_its_own() -> None:
    numbers = [identity(visitor, persona) for visitor in (0, 1, 255, 256, 999_999) for persona in range(5)]
    assert len({network(number) for number in numbers}) == len({mailbox(number, "rush-1") for number in numbers}) == 25
    assert (network(0), network(257), network(identity(999_999, 4))) == ("10.0.0.0", "10.0.1.1", "10.76.75.63")
    assert mailbox(123, "rush-1") == "awa@v123-rush-1.example"


@pytest.mark.parametrize("appended", ["", ", 203.0.113.9"], ids=["local stack", "API Gateway"])
def test_the_service_accepts_the_ip_address_signed_with_the_stages_secret(appended: str) -> None:
    sent = cdn_headers(stage_keys().cdn_secret, "10.0.1.1")
    assert visit.read_visit(event(sent, appended), clock.now()).ip_address == "10.0.1.1"
    assert (
        visit.read_visit(event(sent | {"X-Guichet-Edge": Keys("x" * 43).cdn_secret}, appended), clock.now()).ip_address
        == "127.0.0.1"
    )


def event(headers: dict[str, str], appended: str) -> ChaliceRequest:
    """Build a request as Chalice reads it, with the entry that API Gateway appends to X-Forwarded-For."""
    return ChaliceRequest(
        {
            "multiValueQueryStringParameters": None,
            "headers": headers | {"X-Forwarded-For": headers["X-Forwarded-For"] + appended},
            "pathParameters": {},
            "requestContext": {
                "httpMethod": "GET",
                "resourcePath": "/",
                "path": "/api/",
                "identity": {"sourceIp": "127.0.0.1"},
            },
            "body": None,
            "stageVariables": {},
            "isBase64Encoded": False,
        }
    )


def test_seats_are_in_the_week_after_the_next_with_two_per_slot_until_more_are_needed() -> None:
    few = [key.ref for key in keys("rush-1", 3, date(2026, 11, 29))]
    assert few == ["rush-1.20261207.0900.1", "rush-1.20261207.0900.2", "rush-1.20261207.0905.1"]
    many = keys("rush-1", 10_000, date(2026, 11, 23))
    assert len(set(many)) == 10_000
    assert (many[0].day, many[-1].day, max(key.unit for key in many)) == (date(2026, 12, 7), date(2026, 12, 11), 21)


# The target of the rush


@pytest.fixture
def other_server() -> Iterator[str]:
    """A web server of another program."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/garbage"):
                self.wfile.write(b"\x00\xff\r\n\r\n")
                return
            self.send_response(404 if self.path.startswith("/none") else 200)
            if self.path.startswith("/shortened"):
                self.send_header("Content-Length", "500")
            if self.path.startswith("/cdn"):
                self.send_header("X-Amz-Cf-Id", "of-this-request")
            self.end_headers()
            self.wfile.write(PAGES.get(self.path.split("/")[1], b"hello"))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "answers 404"),
        ("/text", "is not JSON"),
        ("/json", "does not report the status ok"),
        ("/garbage", "is not an HTTP answer, or a part of one"),
        ("/shortened", "is not an HTTP answer, or a part of one"),
    ],
)
def test_a_server_that_is_not_guichet_is_refused(other_server: str, path: str, reason: str) -> None:
    with pytest.raises(CannotRush, match=f"is not a Guichet API: /health {reason}"):
        check_health(other_server + path)


def test_a_url_behind_the_cdn_is_refused_because_the_cdn_replaces_ip_addresses(other_server: str) -> None:
    check_health(f"{other_server}/api")
    with pytest.raises(CannotRush, match=r"is behind CloudFront, .*: set URL to the URL of API Gateway"):
        check_health(f"{other_server}/cdn")


def test_a_url_without_a_server_is_refused() -> None:
    with pytest.raises(CannotRush, match=f"guichet: nothing answers at http://127.0.0.1:{CLOSED_PORT}"):
        check_health(f"http://127.0.0.1:{CLOSED_PORT}")


def test_a_host_name_with_an_empty_part_is_refused() -> None:
    with pytest.raises(CannotRush, match=r"guichet: nothing answers at http://a\.\.b: "):
        check_health("http://a..b")


@pytest.fixture
def own_table_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the table of the models after the test."""
    meta = items.Item.Meta
    for name in ("table_name", "region", "max_retry_attempts"):
        monkeypatch.setattr(meta, name, getattr(meta, name))


@pytest.mark.usefixtures("own_table_settings")
def test_a_stage_whose_secret_cannot_be_read_is_refused_before_its_table_is_used(
    other_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = read_settings({"URL": f"{other_server}/api", "STAGE": "trial"})
    line = "^guichet: cannot read the secret of the stage trial: Unable to locate credentials$"
    with pytest.raises(CannotRush, match=line), running_stage(settings, "rush-1", tmp_path / "none"):
        pass


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (client_error("AccessDeniedException"), r"AWS denies access to the table guichet-trial in .*: check your .*"),
        (NoCredentialsError(), r"cannot use the table guichet-trial: .*Unable to locate credentials"),
        (UNREACHABLE, r"cannot use the table guichet-trial: .*https://dynamodb\.example\.org.*"),
    ],
)
@pytest.mark.usefixtures("table")
def test_a_table_that_cannot_be_scanned_is_one_line(error: Exception, line: str) -> None:
    with calls(error), pytest.raises(CannotRush, match=f"^guichet: {line}$"), using_table("trial"):
        list(items.LockItem.scan())


@pytest.mark.usefixtures("table")
def test_a_table_that_is_away_after_the_rush_is_one_line() -> None:
    line = r"^guichet: cannot reach the table guichet-trial in "
    with calls(UNREACHABLE), pytest.raises(CannotRush, match=line), using_table("trial"):
        seat_store.read_week("rush-1", "2026-W50")


@pytest.mark.usefixtures("table")
def test_a_service_that_cannot_be_removed_is_named() -> None:
    line = r"\nguichet: the service rush-1 or its seats are still in the table$"
    with calls(UNREACHABLE), pytest.raises(CannotRush, match=line), added_service(NOTHING, "rush-1", "laptop"):
        pass


@pytest.mark.usefixtures("table")
def test_a_command_that_does_not_add_the_service_says_why_and_nothing_is_removed() -> None:
    refused = [sys.executable, "-c", "raise SystemExit('guichet: no')"]
    with calls() as names, pytest.raises(CannotRush, match=r"^guichet: no$"), added_service(refused, "rush-1", "trial"):
        pass
    assert names == []


@pytest.mark.usefixtures("table")
def test_a_signal_while_the_command_adds_the_service_removes_it() -> None:
    def stop(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGUSR1, stop)
    command = [sys.executable, "-c", "import os, signal, time; os.kill(os.getppid(), signal.SIGUSR1); time.sleep(30)"]
    try:
        with (
            calls(operation="DeleteItem") as names,
            pytest.raises(SystemExit),
            added_service(command, "rush-1", "trial"),
        ):
            pass
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert names == ["DeleteItem"]


# The opening


@pytest.mark.usefixtures("table")
def test_the_seats_that_are_written_to_measure_the_time_stay_closed_until_all_are_written() -> None:
    seat_keys = keys("rush-1", 300, date(2026, 11, 29))
    now = datetime.now(UTC).replace(microsecond=0)
    assert 0 < writing_seconds(seat_keys) < 60
    written = list(seat_store.read_week("rush-1", seat_keys[0].week))
    assert len(written) == 250
    assert {seat.opens_at > now + timedelta(hours=23) for seat in written} == {True}
    open_seats(seat_keys, now)
    written = list(seat_store.read_week("rush-1", seat_keys[0].week))
    assert (len(written), {seat.opens_at for seat in written}) == (300, {now})


def test_the_time_to_write_the_seats_comes_before_the_arrival_of_the_visitors() -> None:
    settings = read_settings({"VISITORS": "600", "RATE": "60"})
    began = datetime(2026, 11, 29, 8, 30, tzinfo=UTC)
    opens_at = opening(settings, began, settle=8 + 90)
    check_opening(settings, opens_at, began + timedelta(seconds=98))
    with pytest.raises(CannotRush, match=r"^guichet: writing the 200 seats took so long that visitors would arrive"):
        check_opening(settings, opens_at, began + timedelta(seconds=99))


# Holds that wait for their seat

OTHER = "rush-1.20261207.0910.2"
FIRST, SECOND = f"{SEAT}.{'a' * 78}", f"{OTHER}.{'b' * 78}"
A, B = digest("a" * 52), digest("b" * 52)


def request_record(
    at: Position, step: str, start: float, body: dict[str, Any] | None, until: float | None = None
) -> dict[str, Any]:
    """Build the record of a visitor's request. Without a body, the request had no answer."""
    outcome = "unknown" if body is None else "refused" if "code" in body else "ok"
    times = {"start": start, "end": None if body is None else start + 0.5}
    facts = {"code": (body or {}).get("code", ""), "until": until, "state": (body or {}).get("state", "")}
    return {"step": step, "outcome": outcome, **times, **facts, **at.learn(step, outcome, body or {})}


def waiting(at: Position, start: float) -> dict[str, Any]:
    """Build the record of a hold that waits for its seat."""
    return request_record(
        at, "hold", start, {"hold": FIRST, "state": "waiting", "expires_at": "2026-12-07T09:10:00+01:00"}
    )


def test_a_hold_with_a_seat_is_one_operation() -> None:
    at = Position()
    hold = request_record(
        at, "hold", 100, {"hold": FIRST, "state": "held", "expires_at": "2026-12-07T09:03:00+01:00"}, 280.0
    )
    assert gave_seat(hold)
    assert [*operations([hold])] == [Operation("hold", SEAT, A, 100, 100.5, until=280.0)]


def test_a_waiting_hold_takes_its_seat_with_the_right_answer() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        request_record(at, "captcha", 101, {}),
        request_record(at, "answer", 105, {"code": "captcha-wrong"}),
        request_record(at, "answer", 106, {"hold": FIRST, "state": "held"}, 1006.0),
        request_record(at, "details", 120, {"state": "pending"}, 9000.0),
    ]
    assert [gave_seat(record) for record in records] == [False, False, False, True, False]
    assert [
        (operation.kind, operation.start, operation.outcome, operation.until) for operation in operations(records)
    ] == [
        ("answer", 105, "refused", None),
        ("hold", 106, "ok", 1006.0),
        ("answer", 106, "ok", 1006.0),
        ("details", 120, "ok", 9000.0),
    ]
    assert {(operation.seat, operation.hold) for operation in operations(records)} == {(SEAT, A)}


def test_the_answer_may_give_another_seat_and_the_visitor_continues_with_its_hold() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        request_record(at, "answer", 106, {"hold": SECOND, "state": "held", "instead_of": {"start": "09:00"}}, 1006.0),
        request_record(at, "details", 120, {"state": "pending"}, 9000.0),
    ]
    assert (at.token, at.seat, at.waiting) == (SECOND, OTHER, "")
    assert [(operation.kind, operation.seat, operation.hold) for operation in operations(records)] == [
        ("hold", OTHER, B),
        ("answer", OTHER, B),
        ("details", OTHER, B),
    ]
    assert (records[1]["waiting"], records[2]["waiting"]) == (A, "")


def test_a_turn_is_no_seat_and_the_request_at_the_turn_takes_it() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        request_record(at, "answer", 106, {"hold": FIRST, "state": "turn"}, 2000.0),
        request_record(at, "seat", 150, {"code": "not-your-turn"}),
        request_record(at, "seat", 160, {"hold": SECOND, "state": "held"}, 1060.0),
    ]
    assert [gave_seat(record) for record in records] == [False, False, False, True]
    assert [operation for operation in operations(records) if operation.outcome == "ok"] == [
        Operation("hold", OTHER, B, 160, 160.5, until=1060.0),
        Operation("answer", OTHER, B, 160, 160.5, until=1060.0, state=""),
    ]


def test_a_batch_begins_at_the_whole_minute_at_which_the_seats_open() -> None:
    settings = read_settings({"VISITORS": "3000", "SEATS": "60", "BATCH": "60"})
    opens_at = opening(settings, datetime(2026, 11, 29, 8, 30, 5, tzinfo=UTC), 8)
    assert opens_at == datetime(2026, 11, 29, 8, 32, tzinfo=UTC)
    fast = replace(settings, local="fast", visitors=600)
    assert opening(fast, datetime(2026, 11, 29, 8, 30, 5, tzinfo=UTC), 8) == datetime(2026, 11, 29, 8, 31, tzinfo=UTC)
    assert opening(replace(settings, batch=0), opens_at, 8) == opens_at + timedelta(seconds=58)
    service = codec.service_from_document(document("rush-1", settings, opens_at))
    assert turns.batched_release(service, opens_at) == opens_at
    week = {key.week for key in keys("rush-1", 60, opens_at.date())}
    assert week <= set(timetable.open_weeks(service, opens_at))
    assert not week & set(timetable.open_weeks(service, opens_at - timedelta(seconds=1)))


def test_an_unanswered_captcha_request_may_have_taken_the_seat_that_its_repetition_names() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        request_record(at, "answer", 106, None),
        request_record(at, "answer", 140, {"hold": SECOND}, 1006.0),
    ]
    assert [*operations(records)] == [
        Operation("hold", OTHER, B, 106, 140.5, until=1006.0),
        Operation("answer", OTHER, B, 140, 140.5, until=1006.0),
    ]


def test_a_captcha_request_that_is_never_answered_may_have_taken_any_one_seat() -> None:
    at = Position()
    records = [waiting(at, 100), request_record(at, "answer", 106, None), request_record(at, "answer", 140, None)]
    lost = [*operations(records)]
    assert lost == [Operation("hold", "", "", 106, math.inf, "unknown")]
    table = [
        Operation("table", seat, hold, 150, 151, until=1006.0, state="held") for seat, hold in ((OTHER, B), (SEAT, A))
    ]
    assert check([*lost, table[0]], {OTHER: 100.0}, Rules()) == []
    assert {rejection.seat for rejection in check([*lost, *table], {OTHER: 100.0, SEAT: 100.0}, Rules())} == {SEAT}


def test_a_seat_that_two_waiting_holds_got_was_given_twice() -> None:
    records = []
    for name, start in (("a", 106), ("b", 107)):
        at = Position()
        records += [
            waiting(at, 100),
            request_record(at, "answer", start, {"hold": f"{SEAT}.{name * 78}"}, start + 900.0),
        ]
    assert [rejection.kind for rejection in check(operations(records), {SEAT: 100.0}, Rules())] == ["hold"]


def test_a_visitor_who_found_nothing_free_asks_again_with_a_new_hold() -> None:
    at = Position()
    records = [waiting(at, 100), request_record(at, "answer", 106, {"code": "nothing-free"})]
    again = request_record(at, "hold", 115, {"hold": SECOND, "state": "held", "expires_at": "…"}, 295.0)
    assert [operation for operation in operations([*records, again]) if operation.outcome == "ok"] == [
        Operation("hold", OTHER, B, 115, 115.5, until=295.0)
    ]


@pytest.mark.parametrize("haste", [1, 25])
def test_nobody_first_asks_for_a_seat_later_than_twice_the_haste(haste: int) -> None:
    chance = random.Random(1)
    seconds = sorted(first_request(chance, haste) for _ in range(10_000))
    assert 0 <= seconds[0] < 0.01 * haste
    assert fmean(seconds) == pytest.approx(0.69 * haste, rel=0.02)
    assert 1.99 * haste < seconds[-1] < 2 * haste
    early = sum(second < haste for second in seconds)
    assert (
        0.71 < early / len(seconds) < 0.75
    )  # e / (1 + e): each half of the time has the share of the one before, by e


# The verdict


def record(
    step: str, start: float, seconds: float, status: int, code: str = "", *, visitor: int = 0, digest: str = ""
) -> dict[str, Any]:
    """Build a record as the crowd writes it."""
    outcome = "ok" if 0 < status < 400 else "refused" if 400 <= status < 500 else "unknown"
    facts = {
        "status": status,
        "outcome": outcome,
        "code": code,
        "visitor": visitor,
        "digest": digest,
        "group": "people",
    }
    return {"step": step, "start": start, "seconds": seconds, "waited": seconds + 1, **facts}


RECORDS = [
    record("notice", 90, 0.1, 200),
    record("hold", 100, 0.5, 201, digest="a"),
    record("hold", 100.1, 0.7, 409, "slot-taken", visitor=1),
    record("confirm", 130, 0.2, 200, digest="a"),
]
BOOKED = [
    Operation("hold", SEAT, "a", 100, 100.5, until=280.0),
    Operation("answer", SEAT, "a", 110, 110.2, until=1010.0),
    Operation("details", SEAT, "a", 120, 120.2, until=9000.0),
    Operation("confirm", SEAT, "a", 130, 130.2),
]
PEOPLE = {"visitors": 2, "identities": 2}
UNITS = {"create": 1, "hold": 1, "captcha": 1, "details": 6, "mail mark 1": 1, "confirm": 1, "mail mark 2": 1}
"""The write units of each step, as `python -m tests.load.units` measures them."""


def verdict(
    records: list[dict[str, Any]] = RECORDS,
    more: tuple[Operation, ...] = (),
    table: tuple[tuple[str, str, str, str], ...] = ((SEAT, "confirmed", "a", "p"),),
) -> report.Result:
    return report.judge(
        settings={"url": "", "visitors": 2, "rate": 60, "workers": 1, "haste": 1.0, "seats": 1, "batch": 0},
        machine={"cores": 2},
        records=records,
        history=[*BOOKED, *more],
        table=table,
        opens={SEAT: 100.0},
        rules=Rules(),
        units=UNITS | {"loser of the table": 1},
    )


def test_a_fair_rush_keeps_all_promises_and_has_its_figures() -> None:
    figures = verdict().figures
    assert figures["broken"] == []
    assert (
        figures["seats"],
        figures["held"],
        figures["confirmed"],
        figures["doubles"],
        figures["lost"],
        figures["fives"],
    ) == (1, 1, 1, 0, 0, 0)
    assert (figures["groups"], figures["bots"]) == ({"people": PEOPLE | {"held": 1, "confirmed": 1}}, 0)
    assert (figures["chance_ratio"], figures["people_held_in_time"]) == (None, 1)
    assert (figures["drain_seconds"], figures["attempts_per_win"], figures["refusals"]) == (0.5, 2.0, {"slot-taken": 1})
    assert figures["service_seconds_by_step"]["hold"] == {"count": 2, "p50": 0.5, "p95": 0.7, "p99": 0.7, "mean": 0.6}
    assert figures["write_units"]["per_win"] == 6.0  # create, hold, its visitor token and client network, confirm, mail
    assert figures["write_units"]["per_loser_at_most"] == 1.0


def test_an_answer_that_gives_a_turn_costs_no_write_and_the_seat_at_the_turn_does() -> None:
    turn = record("answer", 106, 0.1, 200) | {"state": "turn"}
    assert verdict([*RECORDS, turn]).figures["write_units"]["per_win"] == 6.0
    assert verdict([*RECORDS, turn, record("seat", 160, 0.1, 200)]).figures["write_units"]["per_win"] == 7.0


@pytest.mark.parametrize(
    ("result", "broken"),
    [
        (
            verdict(more=(Operation("hold", SEAT, "b", 105, 105.5, until=285.0),)),
            "1 seats were given to two visitors",
        ),
        (
            verdict(table=((SEAT, "open", "", ""),)),
            f"1 people were told that their appointment is confirmed, but have no seat: {SEAT}",
        ),
        (
            verdict(table=((SEAT, "confirmed", "a", "p"), ("other", "pending", "b", "p"))),
            "1 people have two requests",
        ),
        (verdict(records=[*RECORDS, record("hold", 101, 0.1, 503)]), "1 answers were 5xx"),
        (verdict(records=[*RECORDS, record("hold", 101, 30.0, 0)]), "1 requests had no answer"),
        (
            verdict(records=[*RECORDS, {"step": "no letter", "visitor": 0, "group": "people"}]),
            "1 people did not receive their letter",
        ),
    ],
    ids=["double", "lost", "two requests", "5xx", "no answer", "no letter"],
)
def test_the_verdict_names_a_broken_promise(result: report.Result, broken: str) -> None:
    assert result.figures["broken"][0] == broken
    assert [*result.lines()][-1] == (report.Tone.BROKEN, "verdict: a promise is broken")


# The shares of people and programs


def shares(
    *, people: int, seats: int, held: dict[str, int], late: int = 0, programs: int = 0, minds: int = 0, batch: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """Judge people and hammering programs. `held` counts seats by group; people got `late` of theirs after 121 s."""
    crowd = [("people", number) for number in range(people)]
    crowd += [("hammering", number) for number in range(people, people + programs)]
    records = [{"step": "hold", "group": group, "visitor": number, "digest": f"h{number}"} for group, number in crowd]
    records += [{"step": "changed mind", "group": "people", "visitor": number, "digest": ""} for number in range(minds)]
    history = []
    for group, count in held.items():
        takers = [number for name, number in crowd if name == group][-count:]
        for nth, number in enumerate(takers):
            end = 221.0 if group == "people" and nth < late else 110.0
            history.append(Operation("hold", f"seat {number}", f"h{number}", 101, end))
    return fairness.judge(records, history, opened=100.0, batch=batch, seats=seats)


def test_the_promise_is_kept_when_people_hold_95_percent_of_the_seats_within_two_minutes() -> None:
    figures, broken = shares(people=98, programs=2, seats=20, held={"people": 20}, late=1)
    assert figures == {
        "groups": {
            "people": {"visitors": 98, "identities": 98, "held": 20, "confirmed": 0},
            "hammering": {"visitors": 2, "identities": 2, "held": 0, "confirmed": 0},
        },
        "chance_ratio": 0.0,
        "chance_ratio_by_identity": 0.0,
        "people_held_in_time": 19,
    }
    assert broken == []


def test_a_hammering_program_that_holds_a_seat_breaks_a_promise() -> None:
    figures, broken = shares(people=98, programs=2, seats=20, held={"people": 19, "hammering": 1})
    assert broken == ["programs that cannot pass the captcha held 1 of 20 seats"]
    assert figures["chance_ratio"] == 2.58  # 1 of 2, and 19 of 98


def test_the_promise_is_broken_when_people_hold_too_few_seats_or_too_late() -> None:
    line = "people held 18 of 20 seats within 2 minutes of the opening: fewer than 19, although their fair share is 20"
    assert shares(people=20, seats=20, held={"people": 18})[1] == [line]
    assert shares(people=20, seats=20, held={"people": 20}, late=2)[1] == [line]


def test_with_a_batch_the_two_minutes_begin_at_its_end() -> None:
    assert shares(people=20, seats=20, held={"people": 20}, late=2, batch=1)[1] == []
    [line] = shares(people=20, seats=20, held={"people": 18}, batch=1)[1]
    assert line.startswith("people held 18 of 20 seats within 2 minutes of the end of the batch: fewer than 19")


@pytest.mark.parametrize(("held", "broken"), [(37, False), (36, True), (1, True)])
def test_programs_that_pass_the_captcha_may_hold_their_fair_share_and_what_chance_adds(held: int, broken: bool) -> None:  # noqa: FBT001
    """80 people and 20 programs on 60 seats: the fair share of people is 48, with a standard deviation of 3.1."""
    groups = {"people": {"visitors": 80, "held": held}, "solving": {"visitors": 20, "held": 60 - held}}
    assert bool([*fairness.broken_promises(groups, in_time=held, since="the opening", seats=60, takers=80)]) == broken


def test_the_promise_needs_as_many_people_as_seats() -> None:
    assert shares(people=19, seats=20, held={"people": 15})[1] == []
    assert shares(people=20, seats=20, held={"people": 15}, minds=1)[1] == []


@pytest.mark.parametrize(
    ("groups", "ratio"),
    [
        ({"people": (2940, 11), "hammering": (60, 49)}, 218.0),
        ({"people": (100, 10), "hammering": (10, 0), "solving": (10, 4)}, 2.0),
        ({"people": (100, 10), "many": (10, 0)}, 0.0),
        ({"people": (100, 0), "many": (10, 0)}, 0.0),
        ({"people": (100, 10)}, None),
        ({"people": (100, 0), "solving": (10, 5)}, None),
    ],
)
def test_the_chance_of_a_program_is_compared_with_that_of_a_person(
    groups: dict[str, tuple[int, int]], ratio: float | None
) -> None:
    figures = {name: {"visitors": visitors, "held": held, "confirmed": 0} for name, (visitors, held) in groups.items()}
    assert fairness.chance_ratio(figures) == ratio


def test_the_verdict_and_the_page_have_a_line_for_each_group() -> None:
    records = [
        record | {"group": "hammering", "visitor": 9} if record["digest"] == "a" else record for record in RECORDS
    ]
    result = verdict(records=records)
    assert [line for _, line in result.lines()][2:5] == [
        "people: 2 visitors (66.7%), held 0 seats (0.0%), confirmed 0",
        "hammering: 1 visitors (33.3%), held 1 seats (100.0%), confirmed 1",
        "chance of a program to get a seat: unknown, because there were no programs or people held no seat",
    ]
    assert result.figures["broken"] == [
        "programs that cannot pass the captcha held 1 of 1 seats",
        "people held 0 of 1 seats within 2 minutes of the opening: fewer than 1, although their fair share is 1",
    ]
    assert "<tr><td>hammering<td>1<td>33.3%<td>1<td>1<td>100.0%<td>1" in report.page(result)


def test_a_program_with_several_identities_is_compared_by_identity_as_well() -> None:
    records = [record | {"group": "many", "visitor": 9} if record["digest"] == "a" else record for record in RECORDS]
    others = [Operation("hold", "rush-1.20261207.0905.1", "b", 101, 101.5, until=280.0)]
    records.append(record("hold", 100.1, 0.7, 201, visitor=1, digest="b"))
    figures, _ = fairness.judge(records, [*BOOKED, *others], opened=100.0, batch=0, seats=2)
    assert figures["groups"]["many"] == {"visitors": 1, "identities": 5, "held": 1, "confirmed": 1}
    assert (figures["chance_ratio"], figures["chance_ratio_by_identity"]) == (2.0, 0.4)
    lines = [*fairness.lines(figures | {"seats": 2})]
    assert lines[1:] == [
        "many: 1 visitors (33.3%) with 5 identities, held 1 seats (50.0%), confirmed 1",
        "chance of a program to get a seat: 2 times that of a person, 0.4 times by identity",
    ]


def test_the_verdict_has_the_longest_waits_for_a_seat_with_the_wait_for_a_connection() -> None:
    asked = [record(step, 100, 0.25, 200, digest="a") for step in ("answer", "captcha")]
    line = "p95 with the wait for a connection: hold 1.70 s"
    assert (report.Tone.FACT, line) in [*verdict().lines()]
    assert (report.Tone.FACT, f"{line}, captcha 1.25 s, answer 1.25 s") in [*verdict([*RECORDS, *asked]).lines()]


def test_a_line_of_the_page_has_the_colour_of_its_promise_whatever_its_words_are() -> None:
    kept, broken = verdict(), verdict()
    broken.figures["broken"] = ["an answer was kept back", "a verdict"]
    assert re.findall('<li class="(kept|broken)">([^<]+)', report.page(kept)) == [
        ("kept", "verdict: all promises kept")
    ]
    assert re.findall('<li class="(kept|broken)">([^<]+)', report.page(broken)) == [
        ("broken", "BROKEN: an answer was kept back"),
        ("broken", "BROKEN: a verdict"),
        ("broken", "verdict: a promise is broken"),
    ]


def test_a_column_says_whether_it_is_of_the_rush_or_of_the_draw() -> None:
    assert len(set(HEAD)) == len(HEAD)
    assert [head.partition(":")[0] for head in HEAD[2:]] == ["rush"] * 4 + ["draw"] * 3


def test_a_draw_without_entries_of_programs_gives_them_nothing() -> None:
    assert [*draw_seats(people=100, programs=10, entries=0)] == ["0.0", "0", "0"]


def test_the_page_needs_no_external_files(tmp_path: Any) -> None:
    report.write(verdict(), tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<svg") == 3
    assert "verdict: all promises kept" in page
    assert 'src="' not in page
    assert json.loads((tmp_path / "result.json").read_text())["drain_seconds"] == 0.5
