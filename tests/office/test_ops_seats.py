"""Seats added, opened again and closed by the ops program."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib import places, store
from chalicelib.model import OFFICE, RULES, Seat, Service, State
from infra import closing
from tests.conftest import MONDAY, document, fill
from tests.office.ops import acts, ops, table
from tests.office.test_closing import NOW, TUESDAY, book, key

ADD = ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:12", "--desk", "1", "--desk", "3")
REOPEN = ("seats", "reopen", "aes", "2026-12-08", "--from", "09:15", "--to", "10:30")


def seats(day: str, week: str = "2026-W50") -> list[Seat]:
    return [seat for seat in store.seats("aes", week) if seat.key.day.isoformat() == day]


# More


@pytest.mark.usefixtures("service")
def test_extra_seats_are_made_slot_by_slot_and_open_now() -> None:
    ran = ops(*ADD, "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Thursday 10 December 2026: 4 seats made, open from Monday 30 November 2026 09:00.\n"
    made = [seat for seat in seats("2026-12-10") if seat.extra]
    assert [(f"{seat.key.start:%H:%M}", seat.key.unit) for seat in made] == [
        ("11:00", 1),
        ("11:00", 3),
        ("11:05", 1),
        ("11:05", 3),
    ]
    assert all(seat.is_free(NOW) for seat in made)


@pytest.mark.usefixtures("service")
def test_extra_seats_that_open_later_need_no_yes_and_open_at_that_time_at_the_place() -> None:
    ran = ops(*ADD, "--opens", "2026-12-07T09:00", "--json")
    assert (ran.code, ran.json["made"], ran.json["opens_at"]) == (0, 4, "2026-12-07T08:00:00.000Z")
    assert {seat.opens_at for seat in seats("2026-12-10") if seat.extra} == {MONDAY + timedelta(days=7)}


@pytest.mark.usefixtures("service")
def test_a_seat_that_is_there_is_told_and_not_touched() -> None:
    book(key("2026-12-10", "10:25"))
    words = ("seats", "add", "aes", "2026-12-10", "--from", "10:25", "--to", "10:35", "--desk", "1", "--yes")
    before = store.seat(key("2026-12-10", "10:25"))
    ran = ops(*words)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Thursday 10 December 2026: 1 seat made, open from Monday 30 November 2026 09:00.",
        "10:25 desk 1 is there already: confirmed",
    ]
    again = ops(*words, "--json")
    assert (again.code, again.json["made"], [one["state"] for one in again.json["there"]]) == (
        1,
        0,
        ["confirmed", "free"],
    )
    assert store.seat(key("2026-12-10", "10:25")) == before
    assert [one["what"] for one in acts()] == ["seats add"]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("2026-12-10", "--from", "11:00", "--to", "11:04"), "no slot of 5 minutes fits between 11:00 and 11:04"),
        (("2026-12-10", "--from", "11:00", "--to", "10:00"), "no slot of 5 minutes fits between 11:00 and 10:00"),
        (("2026-12-01", "--from", "11:00", "--to", "12:00"), "a seat of 11:00 must open at least 49 hours before"),
        (("2026-11-27", "--from", "11:00", "--to", "12:00"), "a seat of 11:00 must open at least 49 hours before"),
        (
            ("2026-12-10", "--from", "11:00", "--to", "12:00", "--opens", "2026-12-08T11:00"),
            "a seat of 11:00 must open at least 49 hours before",
        ),
    ],
)
def test_seats_that_nobody_could_take_are_refused(words: tuple[str, ...], line: str) -> None:
    before = table()
    ran = ops("seats", "add", "aes", *words, "--desk", "1", "--yes")
    assert (ran.code, ran.err) == (1, f"guichet: {line}\n")
    assert table() == before


@pytest.mark.usefixtures("service")
def test_seats_of_a_week_that_visitors_do_not_see_yet_are_told_as_such() -> None:
    ran = ops("seats", "add", "aes", "2026-12-24", "--from", "11:00", "--to", "11:05", "--desk", "1", "--yes")
    assert ran.out.splitlines()[1] == "Visitors see week 2026-W52 from Monday 7 December 2026 09:00 on."


@pytest.mark.usefixtures("service")
def test_an_extra_seat_stays_when_the_rules_are_made_to_agree() -> None:
    assert ops(*ADD, "--yes").code == 0
    assert ops("release", "run").code == 0
    assert sum(seat.extra and seat.state is State.OPEN for seat in seats("2026-12-10")) == 4


# Again


@pytest.mark.usefixtures("service")
def test_what_the_office_closed_opens_again_and_nothing_else() -> None:
    for start, by in (("09:15", OFFICE), ("09:20", RULES), ("09:25", OFFICE)):
        assert places.close(key(start=start), by, NOW)
    ran = ops(*REOPEN[:-1], "09:25", "--yes", "--json")
    assert (ran.code, ran.json["to_reopen"], ran.json["reopened"], ran.json["waiting"]) == (0, 1, 1, 0)
    states = [store.seat(key(start=start)).state for start in ("09:15", "09:20", "09:25")]
    assert states == [State.OPEN, State.CLOSED, State.CLOSED]
    assert ops(*REOPEN, "--desk", "2").code == 1
    assert ops(*REOPEN, "--desk", "1", "--yes").out == "Tuesday 8 December 2026: 1 seat opened again.\n"
    assert ops(*REOPEN).code == 1


@pytest.mark.usefixtures("service")
def test_a_seat_whose_person_may_still_choose_stays_closed_until_their_time_is_over() -> None:
    book(key(start="09:15"), 1)
    closing.close(TUESDAY, closing.prepare(TUESDAY, NOW), NOW)
    ran = ops(*REOPEN, "--yes")
    assert ran.out.splitlines() == [
        "Tuesday 8 December 2026: 29 seats opened again.",
        "1 seat left closed: the person may still choose another.",
    ]
    assert ops(*REOPEN, "--yes").code == 1
    later = NOW + timedelta(days=7)
    assert ops(*REOPEN, "--yes", "--json", now=later).json["reopened"] == 1


@pytest.mark.usefixtures("service")
def test_a_seat_that_was_to_return_later_still_does_after_it_was_closed_and_opened() -> None:
    book(key(start="09:15"), 1)
    back = NOW + timedelta(hours=20)
    assert store.end_request(store.seat(key(start="09:15")), State.CANCELLED, back, NOW)
    assert places.close(key(start="09:15"), OFFICE, NOW)
    assert ops(*REOPEN, "--yes").code == 0
    assert store.seat(key(start="09:15")).opens_at == back


# Closed


def close(*words: str) -> Any:
    return ops("close", "aes", "2026-12-08", *words)


@pytest.fixture
def morning(service: Service) -> Service:
    """Two people booked on a Tuesday, one who is booking."""
    book(key(start="09:15"), 1)
    book(key(start="09:20", unit=2), 2, confirmed=False)
    assert store.take(key(start="09:25"), "somebody", NOW + timedelta(minutes=3), NOW)
    return service


@pytest.mark.usefixtures("morning")
def test_a_closing_tells_what_it_will_do_before_it_asks() -> None:
    lines = [
        "Tuesday 8 December 2026: 30 seats to close, 2 of them booked, 1 held by somebody who is booking now.",
        "2 other seats to keep for those who are booked, until Monday 7 December 2026 09:00.",
    ]
    assert close("--dry-run").out.splitlines() == lines
    assert close().err.splitlines()[:2] == lines


@pytest.mark.usefixtures("morning")
def test_a_closed_day_is_closed_people_are_written_to_and_again_there_is_nothing_to_do() -> None:
    ran = close("--yes")
    assert (ran.code, ran.out) == (0, "Closed: 30 seats; 2 people are written to.\n")
    assert {seat.state for seat in seats("2026-12-08")} == {State.CLOSED}
    assert acts()[0]["counts"] == {"set_aside": 2, "closed": 30, "written_to": 2}
    again = close("--yes")
    assert (again.code, again.err) == (1, "guichet: there is nothing to close on Tuesday 8 December 2026\n")


@pytest.mark.usefixtures("morning")
def test_a_desk_and_some_hours_can_be_closed_alone() -> None:
    ran = close("--from", "09:20", "--to", "09:30", "--desk", "2", "--yes", "--json")
    assert (ran.code, ran.json["seats"], ran.json["booked"], ran.json["left"]) == (0, 2, 1, 0)
    closed = [(f"{seat.key.start:%H:%M}", seat.key.unit) for seat in seats("2026-12-08") if seat.state is State.CLOSED]
    assert closed == [("09:20", 2), ("09:25", 2)]
    assert acts()[0]["arguments"] == {
        "service": "aes",
        "day": "2026-12-08",
        "start": "09:20",
        "end": "09:30",
        "desks": [2],
    }


@pytest.fixture
def crowded(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    """A service whose two seats of a week are booked, as are those of the next: there is no other."""
    hours = {"days": ["tuesday"], "from": "09:15", "to": "09:20"}
    fill(store.put_service(document(plannings=[{"desks": [1, 2], "openings": [hours]}])), MONDAY - timedelta(minutes=1))
    for number, (day, desk) in enumerate([("08", 1), ("08", 2), ("15", 1), ("15", 2)], start=1):
        book(key(f"2026-12-{day}", unit=desk), number)


@pytest.mark.usefixtures("crowded")
def test_a_closing_without_another_seat_for_everybody_is_refused_unless_that_is_meant() -> None:
    before = table()
    ran = close("--yes")
    assert ran.code == 1
    assert ran.err == (
        "guichet: 2 seats missing: open more with `seats add`. "
        "Or say --short: the last to choose will find no seat kept\n"
    )
    assert table() == before
    assert close("--yes", "--short").out == "Closed: 2 seats; 2 people are written to.\n"


@pytest.mark.usefixtures("morning")
def test_a_seat_that_changed_meanwhile_is_left_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = closing.prepare(TUESDAY, NOW)
    monkeypatch.setattr(closing, "prepare", lambda *_: plan)
    assert store.give_back(key(start="09:25"), "somebody", NOW)
    assert store.take(key(start="09:25"), "another", NOW + timedelta(minutes=3), NOW)
    ran = close("--yes")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Closed: 29 seats; 2 people are written to.",
        "1 seat changed meanwhile and left: run it again.",
    ]
