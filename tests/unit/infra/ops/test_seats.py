"""The commands `seats add`, `seats reopen` and `close`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.booking import schedule
from chalicelib.desk import closing
from chalicelib.domain import seat_changes
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, Seat, State
from chalicelib.domain.seat_changes import SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import seat_maintenance, seat_store, service_store, timetable_store
from tests.conftest import MONDAY, document, fill
from tests.long import LONG
from tests.unit.infra.ops.bookings import ERASED, NOW, TUESDAY, book, key
from tests.unit.infra.ops.program import audit_items, extra, ops, table_without_audit

pytestmark = LONG

ADD = ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:12", "--desk", "1", "--desk", "3", "--force")
REOPEN = ("seats", "reopen", "aes", "2026-12-08", "--from", "09:15", "--to", "10:30")


def seats(day: str, week: str = "2026-W50") -> list[Seat]:
    return [seat for seat in seat_store.read_week("aes", week) if seat.key.day.isoformat() == day]


def add(start: str, end: str, *desks: int, day: str = "2026-12-10") -> tuple[str, ...]:
    numbers = [word for desk in desks or (1,) for word in ("--desk", str(desk))]
    return ("seats", "add", "aes", day, "--from", start, "--to", end, *numbers)


# Add


@pytest.mark.usefixtures("service")
def test_seats_are_added_slot_by_slot_and_open_now() -> None:
    ran = ops(*ADD, "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Thursday 10 December 2026: 4 seats added, open from Monday 30 November 2026 09:00.\n"
    made = [seat for seat in seats("2026-12-10") if seat.extra]
    assert [(f"{seat.key.start:%H:%M}", seat.key.unit) for seat in made] == [
        ("11:00", 1),
        ("11:00", 3),
        ("11:05", 1),
        ("11:05", 3),
    ]
    assert all(seat.is_free(NOW) for seat in made)


@pytest.mark.usefixtures("service")
def test_seats_that_open_later_need_no_yes_and_open_in_the_services_time_zone() -> None:
    ran = ops(*ADD, "--opens", "2026-12-07T09:00", "--json")
    assert (ran.code, ran.json["made"], ran.json["opens_at"]) == (0, 4, "2026-12-07T08:00:00.000Z")
    assert {seat.opens_at for seat in seats("2026-12-10") if seat.extra} == {MONDAY + timedelta(days=7)}


@pytest.mark.usefixtures("service")
def test_an_existing_seat_is_listed_and_not_changed() -> None:
    book(key("2026-12-10", "10:25"))
    words = (*add("10:25", "10:35"), "--force", "--yes")
    before = seat_store.read(key("2026-12-10", "10:25"))
    ran = ops(*words)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Thursday 10 December 2026: 1 seat added, open from Monday 30 November 2026 09:00.",
        "10:25 desk 1 exists already: confirmed",
    ]
    again = ops(*words, "--json")
    assert (again.code, again.json["made"], [seat["state"] for seat in again.json["there"]]) == (
        1,
        0,
        ["confirmed", "free"],
    )
    assert seat_store.read(key("2026-12-10", "10:25")) == before
    assert [item["what"] for item in audit_items()] == ["seats add"]


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
def test_seats_inside_the_notice_or_without_a_slot_are_refused(words: tuple[str, ...], line: str) -> None:
    before = table_without_audit()
    ran = ops("seats", "add", "aes", *words, "--desk", "1", "--force", "--yes")
    assert (ran.code, ran.err) == (1, f"guichet: {line}\n")
    assert table_without_audit() == before


@pytest.mark.usefixtures("service")
def test_the_result_says_when_visitors_see_the_week() -> None:
    ran = ops(*add("11:00", "11:05", day="2026-12-24"), "--force", "--yes")
    assert ran.out.splitlines()[1] == "Visitors see week 2026-W52 from Monday 7 December 2026 09:00 on."


@pytest.mark.usefixtures("service")
def test_an_added_seat_stays_when_the_rules_are_applied() -> None:
    assert ops(*ADD, "--yes").code == 0
    assert ops("release", "run").code == 0
    assert sum(seat.extra and seat.state is State.OPEN for seat in seats("2026-12-10")) == 4


# Overlaps


def starts(desk: int = 1, day: str = "2026-12-10") -> list[str]:
    return [
        f"{seat.key.start:%H:%M}" for seat in seats(day) if seat.key.unit == desk and seat.state is not State.CLOSED
    ]


@pytest.mark.usefixtures("service")
def test_no_seat_is_added_that_overlaps_another_of_its_desk_even_with_force() -> None:
    before = table_without_audit()
    ran = ops(*add("09:16", "09:31"), "--force", "--yes")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        "Thursday 10 December 2026: 0 seats added, 3 not added, open from Monday 30 November 2026 09:00.",
        "09:16 desk 1 was not added: it overlaps the seat of 09:15, which is free",
        "09:21 desk 1 was not added: it overlaps the seat of 09:20, which is free",
        "09:26 desk 1 was not added: it overlaps the seat of 09:25, which is free",
    ]
    assert table_without_audit() == before
    assert audit_items() == []


@pytest.mark.usefixtures("service")
def test_seats_that_fit_are_added_and_each_overlap_is_listed_with_the_other_seat() -> None:
    book(key("2026-12-10", "10:25"))
    ran = ops(*add("10:27", "10:42"), "--force", "--yes")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Thursday 10 December 2026: 2 seats added, 1 not added, open from Monday 30 November 2026 09:00.",
        "10:27 desk 1 was not added: it overlaps the seat of 10:25, which is confirmed",
    ]
    assert starts()[-3:] == ["10:25", "10:32", "10:37"]
    again = ops(*add("10:36", "10:41"), "--force", "--yes", "--json")
    assert again.json["not_made"] == [{"start": "10:36", "desk": 1, "overlaps": "10:32", "state": "free"}]
    assert ops(*add("10:27", "10:32", 3), "--force", "--yes").code == 0  # another desk, another person


@pytest.mark.usefixtures("service")
def test_a_seat_that_an_operator_closed_counts_for_overlaps_and_one_that_the_rules_closed_does_not() -> None:
    assert seat_maintenance.close(key("2026-12-10", "10:20"), BY_RULES, NOW)
    assert seat_maintenance.close(key("2026-12-10", "10:25"), BY_OPERATOR, NOW)
    ran = ops(*add("10:21", "10:26"), "--force", "--yes")
    assert ran.out.splitlines()[1] == "10:21 desk 1 was not added: it overlaps the seat of 10:25, which is closed"
    assert seat_maintenance.reopen(key("2026-12-10", "10:25"), BY_OPERATOR, NOW)
    assert seat_maintenance.close(key("2026-12-10", "10:25"), BY_RULES, NOW)
    assert ops(*add("10:21", "10:26"), "--force", "--yes").code == 0


@pytest.mark.usefixtures("service")
def test_a_seat_lasts_as_long_as_a_slot_of_its_service_lasts_now() -> None:
    service_store.put(document(slot_minutes=15))
    ran = ops(*add("10:30", "10:45"), "--force", "--yes")
    assert ran.out.splitlines()[1] == "10:30 desk 1 was not added: it overlaps the seat of 10:25, which is free"
    service_store.put(document(slot_minutes=5))
    assert ops(*add("10:30", "10:45"), "--force", "--yes", now=NOW + timedelta(minutes=1)).code == 0


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (add("10:15", "10:20", 7), "10:15 desk 7: the service has no desk 7"),
        (add("10:20", "10:25", day="2026-12-08"), "10:20 desk 1: the day is a public holiday"),
        (add("10:20", "10:25", day="2026-12-15"), "10:20 desk 1: the service is closed then"),
        (add("10:30", "10:35"), "10:30 desk 1: outside the opening hours of this desk"),
        (add("10:27", "10:32"), "10:27 desk 1: outside the opening hours of this desk"),
        (add("10:20", "10:25", day="2026-12-09"), "10:20 desk 1: outside the opening hours of this desk"),
        (add("10:21", "10:26"), "10:21 desk 1: off the grid of 5 minutes"),
    ],
)
def test_a_seat_that_the_rules_never_create_needs_force(words: tuple[str, ...], line: str) -> None:
    service_store.put(document(holidays=["2026-12-08"], closures=[{"first": "2026-12-15"}]))
    for dry in ((), ("--dry-run",)):
        ran = ops(*words, "--yes", *dry)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines() == [line, "guichet: no seat was added: 1 seat of 1 would need --force"]
    assert audit_items() == []
    assert ops(*words, "--force").err.splitlines()[0] == line
    assert ops(*words, "--force", "--yes").code == 0
    assert audit_items()[0]["arguments"]["forced"] == 1


@pytest.mark.usefixtures("table")
def test_a_seat_that_opens_only_by_hand_needs_no_force() -> None:
    service_store.put(document(release={"weeks_ahead": 2, "moments": [{"day": "monday", "at": "09:00", "seats": 10}]}))
    assert ops(*add("10:20", "10:30", 1, 2), "--yes", "--json").json["made"] == 4


def between(monkeypatch: pytest.MonkeyPatch, do: Any) -> None:
    """Let somebody else act once, after this operator compared the seats and before they are written."""
    write, left = timetable_store.write, [do]

    def later(*words: Any) -> None:
        if left:
            left.pop()()
        write(*words)

    monkeypatch.setattr(timetable_store, "write", later)


@pytest.mark.usefixtures("service")
def test_two_operators_who_add_seats_at_once_create_no_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: ops(*add("10:32", "10:37"), "--force", "--yes"))
    ran = ops(*add("10:30", "10:45"), "--force", "--yes")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Thursday 10 December 2026: 1 seat added, 2 not added, open from Monday 30 November 2026 09:00.",
        "10:30 desk 1 was not added: it overlaps the seat of 10:32, which is free",
        "10:35 desk 1 was not added: it overlaps the seat of 10:32, which is free",
    ]
    assert starts()[-3:] == ["10:25", "10:32", "10:40"]
    assert [item["counts"] for item in audit_items()] == [{"made": 1}, {"made": 1}]


@pytest.mark.usefixtures("service")
def test_a_seat_that_the_release_creates_meanwhile_is_listed_as_existing(monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, lambda: seat_store.create(key("2026-12-10", "10:30"), NOW, ERASED))
    ran = ops(*add("10:30", "10:40"), "--force", "--yes", "--json")
    assert (ran.code, ran.json["made"], len(ran.json["there"])) == (0, 1, 1)


@pytest.mark.usefixtures("service")
def test_an_operator_whose_plan_is_always_outdated_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def outdated(*_: object) -> None:
        raise timetable_store.Outdated

    monkeypatch.setattr(timetable_store, "write", outdated)
    ran = ops(*add("10:30", "10:45"), "--force", "--yes")
    assert (ran.code, ran.err) == (
        1,
        "guichet: another operator is changing the seats of aes: try again in a minute\n",
    )


@pytest.mark.usefixtures("service")
def test_a_whole_day_of_seats_is_added_in_several_transactions() -> None:
    ran = ops(*add("11:00", "21:00", day="2026-12-09"), "--force", "--yes", "--json")
    assert (ran.code, ran.json["made"]) == (0, 120)
    assert len(starts(day="2026-12-09")) == 120


def has_no_overlap(service: Service) -> bool:
    live = [seat.key for seat in seat_store.read_week("aes", "2026-W50") if seat.state is not State.CLOSED]
    return all(seat_changes.DeskOccupancy(service, live).overlapped(seat) is None for seat in live)


@pytest.mark.usefixtures("service")
def test_a_longer_slot_creates_no_seat_that_overlaps_a_booked_or_an_added_one() -> None:
    book(key("2026-12-10", "09:20"))
    assert ops(*add("10:32", "10:37"), "--force", "--yes").code == 0
    put = service_store.put(document(slot_minutes=15))
    schedule.apply_rules(put, NOW)
    assert has_no_overlap(put)
    assert starts() == ["09:20", "09:45", "10:00", "10:15", "10:32"]
    assert starts(desk=2) == ["09:15", "09:30", "09:45", "10:00", "10:15"]
    assert schedule.changes(put, NOW) == []


@pytest.mark.usefixtures("service")
def test_longer_hours_create_no_seat_that_overlaps_an_added_one() -> None:
    assert ops(*add("10:32", "10:37"), "--force", "--yes").code == 0
    hours = {"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:45"}
    put = service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))
    schedule.apply_rules(put, NOW)
    assert starts()[-3:] == ["10:25", "10:32", "10:40"]
    assert starts(desk=2)[-3:] == ["10:30", "10:35", "10:40"]


@pytest.mark.usefixtures("service")
def test_no_seat_is_created_beside_a_seat_that_is_taken_while_the_rules_close_it() -> None:
    hours = {"days": ["tuesday", "thursday"], "from": "09:17", "to": "10:32"}
    put = service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))
    until = NOW + timedelta(minutes=3)

    def meanwhile(changes: Sequence[SeatChange]) -> Sequence[SeatChange]:
        seat_store.take(key("2026-12-10", "09:20"), "somebody", until, NOW)
        return changes

    schedule.apply_rules(put, NOW, watch=meanwhile)
    assert key("2026-12-10", "09:17") not in {
        seat.key for seat in seats("2026-12-10")
    }  # never made, not made and closed
    assert starts()[:3] == ["09:20", "09:27", "09:32"]
    assert starts(desk=2)[:3] == ["09:17", "09:22", "09:27"]
    assert has_no_overlap(put)


@pytest.mark.usefixtures("service")
def test_a_free_seat_of_the_rules_that_overlaps_an_added_one_is_closed() -> None:
    extra(key("2026-12-10", "09:18"), NOW)
    extra(key("2026-12-10", "09:32"), NOW)
    book(key("2026-12-10", "09:30"))
    put = service_store.read("aes", NOW)
    schedule.apply_rules(put, NOW)
    assert starts()[:5] == ["09:18", "09:25", "09:30", "09:32", "09:40"]
    assert schedule.changes(put, NOW) == []


@pytest.mark.usefixtures("service")
def test_the_release_closes_the_seat_that_it_creates_while_an_operator_adds_an_overlapping_one() -> None:
    hours = {"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:45"}
    put = service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))
    added: list[str] = []

    def meanwhile(changes: Sequence[SeatChange]) -> Sequence[SeatChange]:
        if not added:
            added.append("10:32")
            extra(key("2026-12-10", "10:32"), NOW)
        return changes

    schedule.apply_rules(put, NOW, watch=meanwhile)
    assert starts()[-3:] == ["10:25", "10:32", "10:40"]


# Reopen


@pytest.mark.usefixtures("service")
def test_only_seats_that_an_operator_closed_are_reopened() -> None:
    for start, by in (("09:15", BY_OPERATOR), ("09:20", BY_RULES), ("09:25", BY_OPERATOR)):
        assert seat_maintenance.close(key(start=start), by, NOW)
    ran = ops(*REOPEN[:-1], "09:25", "--yes", "--json")
    assert (ran.code, ran.json["to_reopen"], ran.json["reopened"], ran.json["waiting"]) == (0, 1, 1, 0)
    states = [seat_store.read(key(start=start)).state for start in ("09:15", "09:20", "09:25")]
    assert states == [State.OPEN, State.CLOSED, State.CLOSED]
    assert ops(*REOPEN, "--desk", "2").code == 1
    assert ops(*REOPEN, "--desk", "1", "--yes").out == "Tuesday 8 December 2026: 1 seat reopened.\n"
    assert ops(*REOPEN).code == 1


@pytest.mark.usefixtures("service")
def test_a_seat_whose_applicant_can_still_choose_stays_closed_until_then() -> None:
    book(key(start="09:15"), 1)
    closing.close(TUESDAY, closing.prepare(TUESDAY, NOW), NOW)
    ran = ops(*REOPEN, "--yes")
    assert ran.out.splitlines() == [
        "Tuesday 8 December 2026: 29 seats reopened.",
        "1 seat left closed: the applicant can still choose another.",
    ]
    assert ops(*REOPEN, "--yes").code == 1
    later = NOW + timedelta(days=7)
    assert ops(*REOPEN, "--yes", "--json", now=later).json["reopened"] == 1


@pytest.mark.usefixtures("service")
def test_a_freed_seat_keeps_its_return_moment_when_it_is_closed_and_reopened() -> None:
    book(key(start="09:15"), 1)
    back = NOW + timedelta(hours=20)
    assert seat_store.end_request(seat_store.read(key(start="09:15")), State.CANCELLED, back, NOW)
    assert seat_maintenance.close(key(start="09:15"), BY_OPERATOR, NOW)
    assert ops(*REOPEN, "--yes").code == 0
    assert seat_store.read(key(start="09:15")).opens_at == back


@pytest.mark.usefixtures("service")
def test_closed_seats_that_would_overlap_stay_closed_and_seats_of_the_grid_are_reopened_first() -> None:
    for start in ("09:20", "09:25", "09:30", "09:40"):
        assert seat_maintenance.close(key(start=start), BY_OPERATOR, NOW)
    service_store.put(document(slot_minutes=15))
    schedule.apply_rules(service_store.read("aes", NOW), NOW)
    book(key(start="09:45"))
    ran = ops(*REOPEN, "--desk", "1", "--yes")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Tuesday 8 December 2026: 1 seat reopened.",
        "09:20 desk 1 was not reopened: it overlaps the seat of 09:15, which is free",
        "09:25 desk 1 was not reopened: it overlaps the seat of 09:15, which is free",
        "09:40 desk 1 was not reopened: it overlaps the seat of 09:45, which is confirmed",
    ]
    assert [item["counts"] for item in audit_items()] == [{"reopened": 1}]


# Close


def close(*words: str) -> Any:
    return ops("close", "aes", "2026-12-08", *words)


@pytest.fixture
def morning(service: Service) -> Service:
    """Two people booked on a Tuesday, one who is booking."""
    book(key(start="09:15"), 1)
    book(key(start="09:20", unit=2), 2, confirmed=False)
    assert seat_store.take(key(start="09:25"), "somebody", NOW + timedelta(minutes=3), NOW)
    return service


@pytest.mark.usefixtures("morning")
def test_a_closing_shows_its_effects_before_it_asks() -> None:
    lines = [
        "Tuesday 8 December 2026: 30 seats to close, 2 of them booked, 1 held.",
        "2 other seats to set aside for the booked applicants until Monday 7 December 2026 09:00.",
    ]
    assert close("--dry-run").out.splitlines() == lines
    assert close().err.splitlines()[:2] == lines


@pytest.mark.usefixtures("morning")
def test_a_second_closing_of_the_same_day_finds_nothing_to_close() -> None:
    ran = close("--yes")
    assert (ran.code, ran.out) == (0, "Closed 30 seats; 2 applicants get a letter.\n")
    assert {seat.state for seat in seats("2026-12-08")} == {State.CLOSED}
    assert audit_items()[0]["counts"] == {"set_aside": 2, "closed": 30, "written_to": 2}
    again = close("--yes")
    assert (again.code, again.err) == (1, "guichet: there is no seat to close on Tuesday 8 December 2026\n")


@pytest.mark.usefixtures("morning")
def test_a_desk_and_some_hours_can_be_closed_alone() -> None:
    ran = close("--from", "09:20", "--to", "09:30", "--desk", "2", "--yes", "--json")
    assert (ran.code, ran.json["seats"], ran.json["booked"], ran.json["left"]) == (0, 2, 1, 0)
    closed = [(f"{seat.key.start:%H:%M}", seat.key.unit) for seat in seats("2026-12-08") if seat.state is State.CLOSED]
    assert closed == [("09:20", 2), ("09:25", 2)]
    assert audit_items()[0]["arguments"] == {
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
    fill(service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}])), MONDAY - timedelta(minutes=1))
    for number, (day, desk) in enumerate([("08", 1), ("08", 2), ("15", 1), ("15", 2)], start=1):
        book(key(f"2026-12-{day}", unit=desk), number)


@pytest.mark.usefixtures("crowded")
def test_a_closing_with_too_few_other_seats_is_refused_without_short() -> None:
    before = table_without_audit()
    ran = close("--yes")
    assert ran.code == 1
    assert ran.err == (
        "guichet: 2 other seats missing: open more with `seats add`. "
        "With --short, the last to choose will find no seat set aside\n"
    )
    assert table_without_audit() == before
    assert close("--yes", "--short").out == "Closed 2 seats; 2 applicants get a letter.\n"


@pytest.mark.usefixtures("morning")
def test_a_seat_that_changed_meanwhile_is_left_open_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = closing.prepare(TUESDAY, NOW)
    monkeypatch.setattr(closing, "prepare", lambda *_: plan)
    assert seat_store.give_back(key(start="09:25"), "somebody", NOW)
    assert seat_store.take(key(start="09:25"), "another", NOW + timedelta(minutes=3), NOW)
    ran = close("--yes")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "Closed 29 seats; 2 applicants get a letter.",
        "1 seat changed meanwhile and stayed open: run this again.",
    ]
