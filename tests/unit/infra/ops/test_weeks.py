"""The calendar and the figures of a week by the operator program."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_keys, seat_maintenance, seat_store, service_store
from tests.conftest import MONDAY, document, fill
from tests.unit.infra.ops.bookings import NOW, book, close, key
from tests.unit.infra.ops.bookings import TUESDAY as CLOSED_TUESDAY
from tests.unit.infra.ops.program import extra, ops

WEEK = ("--week", "2026-W50")


def slot(day: str, start: str) -> dict[str, Any]:
    """What a slot of the calendar has, zeros left out."""
    days = {day["date"]: day for day in ops("calendar", "aes", *WEEK, "--json").json["days"]}
    (counts,) = [slot for slot in days[day]["slots"] if slot["start"] == start]
    return {name: number for name, number in counts.items() if number and name != "start"}


@pytest.mark.usefixtures("service")
def test_a_calendar_counts_the_seats_of_each_slot_by_status() -> None:
    book(key(start="09:15"), 1)
    book(key(start="09:20"), 2, confirmed=False)
    assert seat_store.take(key(start="09:25"), "somebody", NOW + timedelta(minutes=3), NOW)
    assert seat_maintenance.close(key(start="09:30"), "office", NOW)
    extra(key(start="11:00"), MONDAY + timedelta(days=1))
    book(key(start="09:35"), 3)
    assert seat_store.end_request(seat_store.read(key(start="09:35")), State.WITHDRAWN, NOW + timedelta(hours=9), NOW)
    assert [slot("2026-12-08", start) for start in ("09:15", "09:20", "09:25", "09:30", "11:00", "09:35", "09:40")] == [
        {"free": 1, "confirmed": 1},
        {"free": 1, "pending": 1},
        {"free": 1, "held": 1},
        {"free": 1, "closed": 1},
        {"coming": 1},
        {"free": 1, "waiting_to_return": 1},
        {"free": 2},
    ]
    totals = ops("calendar", "aes", *WEEK, "--json").json["totals"]
    assert sum(totals.values()) == 61
    assert totals["free"] == 55


@pytest.mark.usefixtures("service")
def test_a_calendar_distinguishes_seats_set_aside_given_back_too_late_and_inside_the_notice() -> None:
    book(key(start="09:15"), 1)
    close(CLOSED_TUESDAY)
    late = key("2026-12-10", "10:25")
    book(late, 2)
    start = service_store.read("aes", NOW).start_of(late)
    assert seat_store.end_request(seat_store.read(late), State.WITHDRAWN, start, NOW)
    week = ops("calendar", "aes", *WEEK, "--json").json
    assert {name: number for name, number in week["totals"].items() if number} == {
        "closed": 30,
        "set_aside": 1,
        "given_back_too_late": 1,
        "free": 28,
    }
    near = ops("calendar", "aes", "--week", "2026-W49", "--json").json["totals"]
    assert {name: number for name, number in near.items() if number} == {"free": 30, "too_short_notice": 30}


@pytest.mark.usefixtures("service")
def test_a_printed_calendar_has_a_column_for_each_status_that_occurs_and_names_each_day() -> None:
    book(key(start="09:15"), 1)
    lines = [line.split() for line in ops("calendar", "aes", *WEEK).out.splitlines() if line.strip()]
    assert lines[0] == ["day", "slot", "free", "confirmed"]
    assert lines[2] == ["Tuesday", "8", "December", "2026"]
    assert lines[3] == ["09:15", "1", "1"]
    assert lines[-1] == ["week", "2026-W50", "59", "1"]


@pytest.mark.usefixtures("table")
def test_a_calendar_names_closures_and_public_holidays() -> None:
    put = service_store.put(
        document(
            public_holidays={"department": "67"},
            holidays=["2026-12-25", "2026-12-26"],
            closures=[
                {"first": "2026-12-24", "last": "2026-12-24", "reason": "Fin d’année"},
                {"first": "2026-12-22", "from": "09:15", "to": "10:00", "desks": [2]},
            ],
        )
    )
    fill(put, MONDAY)
    days = ops("calendar", "aes", "--week", "2026-W52", "--json").json["days"]
    assert {day["date"]: day["notes"] for day in days if day["notes"]} == {
        "2026-12-22": ["closed 09:15-10:00, desk 2"],
        "2026-12-24": ["closed (Fin d’année)"],
        "2026-12-25": ["public holiday (Christmas Day)"],
        "2026-12-26": ["public holiday (Saint Stephen's Day)"],
    }
    assert "Thursday 24 December 2026: closed (Fin d’année)" in ops("calendar", "aes", "--week", "2026-W52").out


# Figures


def figures(week: str = "2026-W51") -> dict[str, Any]:
    ran = ops("figures", "aes", "--week", week, "--json")
    assert ran.code == 0
    read: dict[str, Any] = ran.json
    return read


@pytest.mark.usefixtures("service")
def test_the_figures_of_a_week_count_what_happened_to_its_seats() -> None:
    for number, start in enumerate(("09:15", "09:20", "09:25", "09:30"), start=1):
        book(key("2026-12-15", start), number, confirmed=number != 2)
    assert seat_store.end_request(
        seat_store.read(key("2026-12-15", "09:25")), State.CANCELLED, NOW + timedelta(hours=9), NOW
    )
    assert seat_store.take(key("2026-12-17", "09:15"), "somebody", NOW + timedelta(minutes=3), NOW)
    book(key("2026-12-17", "09:20"), 5, confirmed=False)
    later = NOW + timedelta(days=3)
    assert seat_store.end_request(
        seat_store.read(key("2026-12-17", "09:20")), State.EXPIRED, NOW + timedelta(days=4), later
    )
    assert seat_maintenance.close(key("2026-12-17", "10:25"), "office", NOW)
    assert figures() == {
        "service": "aes",
        "week": "2026-W51",
        "seats": 60,
        "opened": 59,
        "holds": 6,
        "pending": 1,
        "confirmed": 2,
        "arrived": 0,
        "called": 0,
        "seen": 0,
        "missed": 0,
        "incomplete": 0,
        "freed": 1,
        "expired": 1,
        "free": 53,
        "waiting_to_return": 2,
        "closed": 1,
        "releases": [{"opens_at": "2026-11-30T08:00:00.000Z", "seats": 59, "seconds_until_full": None}],
    }
    assert "59 seats, not full" in ops("figures", "aes", "--week", "2026-W51").out


def hold_all(service: Service, week: str, *, but: int = 0) -> None:
    """Hold every seat of a week that is free, a second each, less the last ones."""
    free = [seat for seat in seat_store.read_week(service.id, week) if seat.is_free(MONDAY)]
    for number, seat in enumerate(free[: len(free) - but], start=1):
        now = MONDAY + timedelta(milliseconds=500 * number)
        assert seat_store.take(seat.key, "somebody", now + timedelta(minutes=3), now)


def test_a_week_is_full_once_every_opened_seat_had_its_first_hold(table: None) -> None:  # noqa: ARG001
    put = few()
    hold_all(put, "2026-W51", but=1)
    assert figures()["releases"][0]["seconds_until_full"] is None
    hold_all(put, "2026-W51")
    full = figures()["releases"]
    assert full == [{"opens_at": "2026-11-30T08:00:00.000Z", "seats": 4, "seconds_until_full": 1.5}]
    assert "4 seats, full after 1.5 seconds" in ops("figures", "aes", "--week", "2026-W51").out


def few(**changes: Any) -> Service:
    """Four seats a week, made before they open."""
    hours = {"days": ["tuesday"], "from": "09:15", "to": "09:25"}
    put = service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}], **changes))
    fill(put, MONDAY - timedelta(minutes=1))
    return put


@pytest.mark.usefixtures("table")
def test_an_extra_seat_that_opened_later_does_not_delay_a_week_that_was_full() -> None:
    put = few()
    seat = key("2026-12-15", "09:15")
    seat_keys.seat_item(seat).delete()
    hold_all(put, "2026-W51")
    extra(seat, MONDAY - timedelta(seconds=1))
    (release,) = figures()["releases"]
    assert (release["seats"], release["seconds_until_full"]) == (3, 1.5)


@pytest.mark.usefixtures("table")
def test_each_release_of_a_week_has_its_own_seconds_until_full() -> None:
    moments = [{"day": "monday", "at": "09:00", "seats": 3}, {"day": "thursday", "at": "18:00"}]
    put = few(release={"weeks_ahead": 2, "moments": moments})
    hold_all(put, "2026-W51")
    assert figures()["releases"] == [
        {"opens_at": "2026-11-30T08:00:00.000Z", "seats": 3, "seconds_until_full": 1.5},
    ]
    assert (figures()["opened"], figures()["seats"]) == (3, 4)


def test_a_week_that_has_not_opened_has_only_its_number_of_seats(service: Service) -> None:
    fill(service, MONDAY)
    assert (figures("2026-W52")["seats"], figures("2026-W52")["opened"], figures("2026-W52")["releases"]) == (60, 0, [])
