"""The settings of a rush, the seats it makes, and its verdict."""

import json
import math
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chalice.app import Request as ChaliceRequest

from chalicelib.domain.tokens import Keys, digest
from chalicelib.keys import keys as stage_keys
from chalicelib.web import clock, visit
from tests.load.history import Operation, Rules, check
from tests.load.rush import fairness, report
from tests.load.rush.plan import CannotRush, asked, document, edge_headers, identity, keys, mailbox, network, programs
from tests.load.rush.recorded import Position, gave_seat, operations
from tests.load.rush.target import alive

SEAT = "rush-1.20261207.0900.1"
PAGES = {"json": b'{"status": "hello"}', "cdn": b'{"status": "ok"}', "api": b'{"status": "ok"}'}
NOBODY = 9  # the port that discards: nothing listens there


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"VISITORS": "0"}, "guichet: VISITORS must be a whole number from 1 to 1,000,000, not '0'"),
        ({"VISITORS": "many"}, "guichet: VISITORS must be a whole number from 1 to 1,000,000, not 'many'"),
        ({"SEATS": "-3"}, "guichet: SEATS must be a whole number from 1 to 100,000, not '-3'"),
        ({"BOTS": "0.51"}, "guichet: BOTS must be a number from 0 to 0.5, not '0.51'"),
        ({"BOTS": "-0.1"}, "guichet: BOTS must be a number from 0 to 0.5, not '-0.1'"),
        ({"BOTS": "nan"}, "guichet: BOTS must be a number from 0 to 0.5, not 'nan'"),
        ({"BOTS": "2 %"}, "guichet: BOTS must be a number from 0 to 0.5, not '2 %'"),
        (
            {"KINDS": "hammering,clever"},
            "guichet: KINDS must be some of hammering, solving, many, with commas between, not 'clever'",
        ),
        ({"SEAT_AFTER": "never"}, "guichet: SEAT_AFTER must be one of crowd, captcha, choice, not 'never'"),
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
    wish = asked({"URL": "", "VISITORS": "", "BOTS": "", "KINDS": ""})
    assert (wish.visitors, wish.seats, wish.url, wish.stage) == (2000, 200, "", "laptop")
    assert (wish.bots, wish.kinds, wish.seat_after) == (0.02, ("hammering",), "crowd")


def test_a_stage_elsewhere_is_named() -> None:
    wish = asked({"URL": "https://example.org/api/", "STAGE": "trial"})
    assert (wish.url, wish.stage) == ("https://example.org/api", "trial")


@pytest.mark.parametrize(
    ("url", "at_once"),
    [("", 2), ("http://127.0.0.1:4566/api", 2), ("http://localhost:4566/api", 2), ("https://example.org/api", 10_000)],
)
def test_two_requests_at_once_go_to_each_function_of_this_machine(url: str, at_once: int) -> None:
    assert asked({"URL": url, "STAGE": "trial"}).at_once == at_once


def test_programs_of_all_kinds_have_equal_shares_over_all_workers() -> None:
    wish = replace(
        asked({"VISITORS": "1000", "BOTS": "0.2", "KINDS": "hammering, solving,many,solving"}),
        workers=2,
    )
    shares = [programs(wish, worker) for worker in range(2)]
    assert shares == [
        {"hammering": 34, "solving": 33, "many": 33},
        {"solving": 34, "many": 33, "hammering": 33},
    ]
    assert sum((Counter(share) for share in shares), Counter()) == {"hammering": 67, "solving": 67, "many": 66}


@pytest.mark.parametrize(("share", "expected"), [("0", {}), ("0.5", {"hammering": 50})])
def test_the_share_of_programs_may_be_nothing_and_at_most_half(share: str, expected: dict[str, int]) -> None:
    assert programs(asked({"VISITORS": "100", "BOTS": share}), 0) == expected


def test_the_service_of_a_rush_takes_its_seats_when_the_load_tester_says() -> None:
    assert document("rush-1", "choice")["seat_after"] == "choice"


def test_each_visitor_has_a_client_network_and_an_email_domain_of_its_own() -> None:
    numbers = [identity(visitor, persona) for visitor in (0, 1, 255, 256, 999_999) for persona in range(5)]
    assert len({network(number) for number in numbers}) == len({mailbox(number, "rush-1") for number in numbers}) == 25
    assert (network(0), network(257), network(identity(999_999, 4))) == ("10.0.0.0", "10.0.1.1", "10.76.75.63")
    assert mailbox(123, "rush-1") == "awa@v123-rush-1.example"


@pytest.mark.parametrize("appended", ["", ", 203.0.113.9"], ids=["local stack", "API Gateway"])
def test_the_service_takes_the_address_that_the_stages_secret_vouches_for(appended: str) -> None:
    sent = edge_headers(stage_keys().cdn_secret, "10.0.1.1")
    assert visit.read_visit(event(sent, appended), clock.now()).ip_address == "10.0.1.1"
    assert (
        visit.read_visit(event(sent | {"X-Guichet-Edge": Keys("x" * 43).cdn_secret}, appended), clock.now()).ip_address
        == "127.0.0.1"
    )


def event(headers: dict[str, str], appended: str) -> ChaliceRequest:
    """A request as Chalice reads it, with what the gateway appends to the addresses."""
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
    ("path", "why"),
    [("/none", "answers 404"), ("/text", "is no JSON"), ("/json", "says something else")],
)
def test_what_is_no_guichet_is_refused(stranger: str, path: str, why: str) -> None:
    with pytest.raises(CannotRush, match=f"is no Guichet: its /health {why}"):
        alive(stranger + path)


def test_the_cdn_is_refused_because_it_replaces_the_visitors_addresses(stranger: str) -> None:
    alive(f"{stranger}/api")
    with pytest.raises(CannotRush, match=r"is behind CloudFront, .*: give the URL of API Gateway"):
        alive(f"{stranger}/cdn")


def test_nobody_there_is_refused() -> None:
    with pytest.raises(CannotRush, match=f"guichet: nothing answers at http://127.0.0.1:{NOBODY}"):
        alive(f"http://127.0.0.1:{NOBODY}")


# Holds that wait for their seat

OTHER = "rush-1.20261207.0910.2"
FIRST, SECOND = f"{SEAT}.{'a' * 78}", f"{OTHER}.{'b' * 78}"
A, B = digest("a" * 52), digest("b" * 52)


def told(
    at: Position, step: str, start: float, body: dict[str, Any] | None, until: float | None = None
) -> dict[str, Any]:
    """The record of a request of a visitor; without a body it has no answer."""
    outcome = "unknown" if body is None else "refused" if "code" in body else "ok"
    times = {"start": start, "end": None if body is None else start + 0.5}
    facts = {"code": (body or {}).get("code", ""), "until": until, "state": (body or {}).get("state", "")}
    return {"step": step, "outcome": outcome, **times, **facts, **at.learn(step, outcome, body or {})}


def waiting(at: Position, start: float) -> dict[str, Any]:
    """The record of a hold that waits for its seat."""
    return told(at, "hold", start, {"hold": FIRST, "state": "waiting", "expires_at": "2026-12-07T09:10:00+01:00"})


def test_a_hold_with_a_seat_is_an_operation_at_once() -> None:
    at = Position()
    hold = told(at, "hold", 100, {"hold": FIRST, "state": "held", "expires_at": "2026-12-07T09:03:00+01:00"}, 280.0)
    assert gave_seat(hold)
    assert [*operations([hold])] == [Operation("hold", SEAT, A, 100, 100.5, until=280.0)]


def test_a_waiting_hold_takes_its_seat_with_the_right_answer() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        told(at, "captcha", 101, {}),
        told(at, "answer", 105, {"code": "captcha-wrong"}),
        told(at, "answer", 106, {"hold": FIRST, "state": "held"}, 1006.0),
        told(at, "details", 120, {"state": "pending"}, 9000.0),
    ]
    assert [gave_seat(record) for record in records] == [False, False, False, True, False]
    assert [(one.kind, one.start, one.outcome, one.until) for one in operations(records)] == [
        ("answer", 105, "refused", None),
        ("hold", 106, "ok", 1006.0),
        ("answer", 106, "ok", 1006.0),
        ("details", 120, "ok", 9000.0),
    ]
    assert {(one.seat, one.hold) for one in operations(records)} == {(SEAT, A)}


def test_the_answer_may_give_another_seat_under_another_hold_and_the_visitor_goes_on_with_that() -> None:
    at = Position()
    records = [
        waiting(at, 100),
        told(at, "answer", 106, {"hold": SECOND, "state": "held", "instead_of": {"start": "09:00"}}, 1006.0),
        told(at, "details", 120, {"state": "pending"}, 9000.0),
    ]
    assert (at.hold, at.seat, at.waiting) == (SECOND, OTHER, "")
    assert [(one.kind, one.seat, one.hold) for one in operations(records)] == [
        ("hold", OTHER, B),
        ("answer", OTHER, B),
        ("details", OTHER, B),
    ]
    assert (records[1]["waiting"], records[2]["waiting"]) == (A, "")


def test_an_answer_that_was_lost_may_have_taken_the_seat_that_its_repetition_names() -> None:
    at = Position()
    records = [waiting(at, 100), told(at, "answer", 106, None), told(at, "answer", 140, {"hold": SECOND}, 1006.0)]
    assert [*operations(records)] == [
        Operation("hold", OTHER, B, 106, 140.5, until=1006.0),
        Operation("answer", OTHER, B, 140, 140.5, until=1006.0),
    ]


def test_an_answer_that_stays_lost_may_have_taken_any_seat_once() -> None:
    at = Position()
    records = [waiting(at, 100), told(at, "answer", 106, None), told(at, "answer", 140, None)]
    lost = [*operations(records)]
    assert lost == [Operation("hold", "", "", 106, math.inf, "unknown")]
    table = [
        Operation("table", seat, hold, 150, 151, until=1006.0, state="held") for seat, hold in ((OTHER, B), (SEAT, A))
    ]
    assert check([*lost, table[0]], {OTHER: 100.0}, Rules()) == []
    assert {wrong.seat for wrong in check([*lost, *table], {OTHER: 100.0, SEAT: 100.0}, Rules())} == {SEAT}


def test_a_seat_that_two_waiting_holds_got_is_a_seat_given_twice() -> None:
    records = []
    for name, start in (("a", 106), ("b", 107)):
        at = Position()
        records += [waiting(at, 100), told(at, "answer", start, {"hold": f"{SEAT}.{name * 78}"}, start + 900.0)]
    assert [wrong.kind for wrong in check(operations(records), {SEAT: 100.0}, Rules())] == ["hold"]


def test_who_is_told_that_nothing_is_free_asks_again_with_a_new_hold() -> None:
    at = Position()
    records = [waiting(at, 100), told(at, "answer", 106, {"code": "nothing-free"})]
    again = told(at, "hold", 115, {"hold": SECOND, "state": "held", "expires_at": "…"}, 295.0)
    assert [one for one in operations([*records, again]) if one.outcome == "ok"] == [
        Operation("hold", OTHER, B, 115, 115.5, until=295.0)
    ]


# The verdict


def record(
    step: str, start: float, seconds: float, status: int, code: str = "", *, visitor: int = 0, hold: str = ""
) -> dict[str, Any]:
    """A request as the crowd writes it down."""
    outcome = "ok" if 0 < status < 400 else "refused" if 400 <= status < 500 else "unknown"
    facts = {"status": status, "outcome": outcome, "code": code, "visitor": visitor, "hold": hold, "group": "people"}
    return {"step": step, "start": start, "seconds": seconds, "waited": seconds + 1, **facts}


RECORDS = [
    record("notice", 90, 0.1, 200),
    record("hold", 100, 0.5, 201, hold="a"),
    record("hold", 100.1, 0.7, 409, "slot-taken", visitor=1),
    record("confirm", 130, 0.2, 200, hold="a"),
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
    assert (of["groups"], of["bots"]) == ({"people": {"visitors": 2, "held": 1, "confirmed": 1}}, 0)
    assert (of["chance_ratio"], of["people_held_in_time"]) == (None, 1)
    assert (of["drain_seconds"], of["attempts_per_win"], of["refusals"]) == (0.5, 2.0, {"slot-taken": 1})
    assert of["service_seconds_by_step"]["hold"] == {"count": 2, "p50": 0.7, "p95": 0.7, "p99": 0.7, "mean": 0.6}
    assert of["write_units"]["per_win"] == 6.0  # create, hold, its visitor token and client network, confirm, mail
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
        (
            verdict(records=[*RECORDS, {"step": "no letter", "visitor": 0, "group": "people"}]),
            "1 people waited for their letter in vain",
        ),
    ],
    ids=["double", "lost", "two requests", "5xx", "no answer", "no letter"],
)
def test_a_broken_promise_is_told(result: report.Result, broken: str) -> None:
    assert result.figures["broken"][0] == broken
    assert [*result.lines()][-1] == "verdict: a promise is broken"


# Who got the seats


def shares(
    *, people: int, seats: int, held: dict[str, int], late: int = 0, programs: int = 0, minds: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """The figures of so many people and hammering programs; `held` by group, `late` of the people's after 121 s."""
    crowd = [("people", number) for number in range(people)]
    crowd += [("hammering", number) for number in range(people, people + programs)]
    records = [{"step": "hold", "group": group, "visitor": number, "hold": f"h{number}"} for group, number in crowd]
    records += [{"step": "changed mind", "group": "people", "visitor": number, "hold": ""} for number in range(minds)]
    history = []
    for group, count in held.items():
        takers = [number for name, number in crowd if name == group][-count:]
        for nth, number in enumerate(takers):
            end = 221.0 if group == "people" and nth < late else 110.0
            history.append(Operation("hold", f"seat {number}", f"h{number}", 101, end))
    return fairness.judge(records, history, opened=100.0, seats=seats)


def test_people_who_hold_nearly_all_seats_in_two_minutes_keep_the_promises() -> None:
    figures, broken = shares(people=98, programs=2, seats=20, held={"people": 20}, late=1)
    assert figures == {
        "groups": {
            "people": {"visitors": 98, "held": 20, "confirmed": 0},
            "hammering": {"visitors": 2, "held": 0, "confirmed": 0},
        },
        "chance_ratio": 0.0,
        "people_held_in_time": 19,
    }
    assert broken == []


def test_a_hammering_program_that_holds_a_seat_breaks_a_promise() -> None:
    figures, broken = shares(people=98, programs=2, seats=20, held={"people": 19, "hammering": 1})
    assert broken == ["programs that cannot pass the captcha held 1 of 20 seats"]
    assert figures["chance_ratio"] == 2.58  # 1 of 2, and 19 of 98


def test_people_who_hold_too_few_seats_or_hold_them_too_late_break_a_promise() -> None:
    line = "people held 18 of 20 seats within 2 minutes of the opening: fewer than 95%"
    assert shares(people=20, seats=20, held={"people": 18})[1] == [line]
    assert shares(people=20, seats=20, held={"people": 20}, late=2)[1] == [line]


def test_seats_for_which_there_are_not_enough_people_break_no_promise() -> None:
    assert shares(people=19, seats=20, held={"people": 15})[1] == []
    assert shares(people=20, seats=20, held={"people": 15}, minds=1)[1] == []


def test_a_waiting_hold_holds_nothing() -> None:
    at = Position()
    records = [waiting(at, 100) | {"visitor": 0, "group": "hammering"}]
    figures, broken = fairness.judge(records, [*operations(records)], opened=100.0, seats=1)
    assert figures["groups"] == {"hammering": {"visitors": 1, "held": 0, "confirmed": 0}}
    assert broken == []


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
    robbed = [one | {"group": "hammering", "visitor": 9} if one["hold"] == "a" else one for one in RECORDS]
    result = verdict(records=robbed)
    assert [*result.lines()][1:4] == [
        "people: 2 visitors (66.7%), held 0 seats (0.0%), confirmed 0",
        "hammering: 1 visitors (33.3%), held 1 seats (100.0%), confirmed 1",
        "chance of a program to hold a seat: not known: no programs, or people hold nothing",
    ]
    assert result.figures["broken"] == [
        "programs that cannot pass the captcha held 1 of 1 seats",
        "people held 0 of 1 seats within 2 minutes of the opening: fewer than 95%",
    ]
    assert "<tr><td>hammering<td>1<td>33.3%<td>1<td>100.0%<td>1" in report.page(result)


def test_the_page_holds_all_in_itself(tmp_path: Any) -> None:
    report.write(verdict(), tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("<svg") == 3
    assert "verdict: all promises kept" in page
    assert 'src="' not in page
    assert json.loads((tmp_path / "result.json").read_text())["drain_seconds"] == 0.5
