"""Dates in summer, in winter, at both switch-overs of 2026 and 2027, and around a year of 53 weeks."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from chalicelib import files, timetable
from chalicelib.model import Seat, SeatKey, Service, State, monday_of, week_of
from tests.conftest import document

AES = files.service_from(document())
"""Tuesdays and Thursdays 09:15 to 10:30; Mondays at 09:00 the week two weeks later opens; 49 hours of notice."""
TICK = timedelta(milliseconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def service(**changes: Any) -> Service:
    return files.service_from(document(**changes))


def key(day: str, start: str = "10:15", unit: int = 1) -> SeatKey:
    return SeatKey(date.fromisoformat(day), time.fromisoformat(start), unit, "aes")


# Weeks


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2026-07-01", "2026-W27"),
        ("2026-12-27", "2026-W52"),
        ("2026-12-28", "2026-W53"),
        ("2027-01-03", "2026-W53"),
        ("2027-01-04", "2027-W01"),
        ("2028-01-02", "2027-W52"),
    ],
)
def test_a_day_is_in_its_iso_week(day: str, week: str) -> None:
    assert week_of(date.fromisoformat(day)) == week


def test_a_week_begins_on_its_monday_and_week_53_is_one_of_2026_but_not_of_2027() -> None:
    assert monday_of("2026-W53") == date(2026, 12, 28)
    assert monday_of("2027-W01") == date(2027, 1, 4)
    for wrong in ("2027-W53", "2026-W00", "2026-W54", "2026-W1", "0000-W01", "x", "2026-W49\n"):
        with pytest.raises(ValueError):  # noqa: PT011  # any of its words
            monday_of(wrong)


# Seats


def test_a_week_has_every_slot_of_its_openings_in_order_for_each_desk() -> None:
    seats = list(timetable.seats_of(AES, "2026-W49"))
    assert len(seats) == 60
    assert seats[:3] == [key("2026-12-01", "09:15"), key("2026-12-01", "09:15", 2), key("2026-12-01", "09:20")]
    assert seats[-1] == key("2026-12-03", "10:25", 2)
    assert seats == sorted(seats)


def test_a_slot_that_does_not_fit_before_closing_is_not_offered() -> None:
    short = service(openings=[{"days": ["tuesday"], "from": "09:15", "to": "09:29"}], desks=1)
    assert [seat.start for seat in timetable.seats_of(short, "2026-W49")] == [time(9, 15), time(9, 20)]


@pytest.mark.parametrize(
    ("week", "days"),
    [
        ("2026-W27", [date(2026, 6, 30), date(2026, 7, 2)]),
        ("2026-W53", [date(2026, 12, 29), date(2026, 12, 31)]),
        ("2027-W01", [date(2027, 1, 5), date(2027, 1, 7)]),
    ],
)
def test_the_days_of_a_week_are_its_own_around_the_new_year_too(week: str, days: list[date]) -> None:
    assert sorted({seat.day for seat in timetable.seats_of(AES, week)}) == days


@pytest.mark.parametrize("week", ["2026-W13", "2026-W43", "2027-W12", "2027-W43"])
def test_a_sunday_on_which_the_clock_changes_has_as_many_slots_on_the_wall_as_any(week: str) -> None:
    night = service(openings=[{"days": ["sunday"], "from": "09:00", "to": "10:00"}], desks=1)
    assert len(list(timetable.seats_of(night, week))) == 12


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        ("2026-07-02", "2026-07-02T08:15+00:00"),
        ("2026-12-03", "2026-12-03T09:15+00:00"),
        ("2026-03-28", "2026-03-28T09:15+00:00"),
        ("2026-03-29", "2026-03-29T08:15+00:00"),
        ("2026-10-24", "2026-10-24T08:15+00:00"),
        ("2026-10-25", "2026-10-25T09:15+00:00"),
        ("2027-03-28", "2027-03-28T08:15+00:00"),
        ("2027-10-31", "2027-10-31T09:15+00:00"),
    ],
)
def test_an_appointment_begins_when_the_clock_on_the_wall_says_so(day: str, utc: str) -> None:
    start = AES.start_of(key(day))
    assert (start.astimezone(UTC), f"{start:%H:%M}") == (moment(utc), "10:15")


@pytest.mark.parametrize(
    ("day", "filed", "before"),
    [
        ("2026-12-10", "2026-11-30T08:00+00:00", "2026-12-02T08:00+00:00"),
        ("2026-03-31", "2026-03-28T12:00+00:00", "2026-03-30T12:00+00:00"),
        ("2026-12-01", "2026-11-30T08:00+00:00", "2026-12-01T09:15+00:00"),
    ],
)
def test_a_request_has_2880_minutes_by_the_stopwatch_and_never_after_its_appointment(
    day: str, filed: str, before: str
) -> None:
    assert AES.confirm_before(key(day), moment(filed)) == moment(before)


# Releases


@pytest.mark.parametrize(
    ("week", "opens"),
    [
        ("2026-W29", "2026-06-29T07:00+00:00"),
        ("2026-W51", "2026-11-30T08:00+00:00"),
        ("2026-W15", "2026-03-23T08:00+00:00"),
        ("2026-W16", "2026-03-30T07:00+00:00"),
        ("2026-W45", "2026-10-19T07:00+00:00"),
        ("2026-W46", "2026-10-26T08:00+00:00"),
        ("2026-W53", "2026-12-14T08:00+00:00"),
        ("2027-W01", "2026-12-21T08:00+00:00"),
        ("2027-W14", "2027-03-22T08:00+00:00"),
        ("2027-W15", "2027-03-29T07:00+00:00"),
        ("2027-W45", "2027-10-25T07:00+00:00"),
        ("2027-W46", "2027-11-01T08:00+00:00"),
    ],
)
def test_a_week_opens_two_mondays_before_at_nine_in_paris(week: str, opens: str) -> None:
    assert timetable.opens_at(AES, week) == moment(opens)


@pytest.mark.parametrize(
    ("week", "opens"), [("2026-W14", "2026-03-29T01:30+00:00"), ("2026-W44", "2026-10-25T00:30+00:00")]
)
def test_a_release_in_the_hour_that_is_skipped_or_comes_twice_happens_once(week: str, opens: str) -> None:
    sunday = service(release={"day": "sunday", "at": "02:30", "weeks_ahead": 1})
    assert timetable.opens_at(sunday, week) == moment(opens)


@pytest.mark.parametrize(
    ("now", "release"),
    [
        ("2026-11-30T07:59:59.999+00:00", "2026-11-30T09:00:00+01:00"),
        ("2026-11-30T08:00+00:00", "2026-12-07T09:00:00+01:00"),
        ("2026-12-06T23:30+00:00", "2026-12-07T09:00:00+01:00"),
        ("2026-07-01T00:00+00:00", "2026-07-06T09:00:00+02:00"),
        ("2026-03-28T12:00+00:00", "2026-03-30T09:00:00+02:00"),
        ("2026-10-24T12:00+00:00", "2026-10-26T09:00:00+01:00"),
        ("2026-12-28T08:00+00:00", "2027-01-04T09:00:00+01:00"),
        ("2027-03-27T12:00+00:00", "2027-03-29T09:00:00+02:00"),
        ("2027-10-30T12:00+00:00", "2027-11-01T09:00:00+01:00"),
    ],
)
def test_the_next_release_is_told_in_paris_time(now: str, release: str) -> None:
    assert timetable.next_release(AES, moment(now)).isoformat() == release


@pytest.mark.parametrize(
    ("now", "weeks"),
    [
        ("2026-11-30T07:59:59.999+00:00", ["2026-W49", "2026-W50"]),
        ("2026-11-30T08:00+00:00", ["2026-W49", "2026-W50", "2026-W51"]),
        ("2026-12-06T23:30+00:00", ["2026-W50", "2026-W51"]),
        ("2026-07-01T00:00+00:00", ["2026-W27", "2026-W28", "2026-W29"]),
        ("2026-03-30T06:59+00:00", ["2026-W14", "2026-W15"]),
        ("2026-03-30T07:00+00:00", ["2026-W14", "2026-W15", "2026-W16"]),
        ("2026-10-26T07:59+00:00", ["2026-W44", "2026-W45"]),
        ("2026-10-26T08:00+00:00", ["2026-W44", "2026-W45", "2026-W46"]),
        ("2026-12-27T12:00+00:00", ["2026-W52", "2026-W53", "2027-W01"]),
        ("2026-12-28T08:00+00:00", ["2026-W53", "2027-W01", "2027-W02"]),
    ],
)
def test_the_open_weeks_are_this_one_and_those_that_were_released(now: str, weeks: list[str]) -> None:
    assert timetable.open_weeks(AES, moment(now)) == weeks


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-30T07:59:59.999+00:00", "2026-W51"),
        ("2026-11-30T08:00+00:00", "2026-W52"),
        ("2026-10-25T12:00+00:00", "2026-W46"),
        ("2026-12-28T07:00+00:00", "2027-W02"),
    ],
)
def test_the_seats_of_the_coming_release_are_made_ahead_of_it(now: str, last: str) -> None:
    assert timetable.weeks_to_create(AES, moment(now))[-1] == last


# What is free


@pytest.mark.parametrize(
    ("day", "last_moment"),
    [
        ("2026-12-03", "2026-12-01T08:15+00:00"),
        ("2026-03-30", "2026-03-28T07:15+00:00"),
        ("2026-10-26", "2026-10-24T08:15+00:00"),
    ],
)
def test_a_slot_is_offered_until_49_hours_before_by_the_stopwatch(day: str, last_moment: str) -> None:
    assert timetable.is_offered(AES, key(day), moment(last_moment))
    assert not timetable.is_offered(AES, key(day), moment(last_moment) + TICK)


def test_a_calendar_counts_by_slot_and_leaves_out_what_has_begun() -> None:
    now = moment("2026-12-01T08:20+00:00")
    opened = now - timedelta(days=1)
    seats = [
        Seat(key("2026-12-01", "09:20"), opened),
        Seat(key("2026-12-01", "09:25"), opened),
        Seat(key("2026-12-04", "09:15", 2), opened, State.CONFIRMED, "h", now),
        Seat(key("2026-12-04", "09:15"), opened),
        Seat(key("2026-12-04", "09:20"), now + TICK),
    ]
    found = timetable.calendar(AES, "2026-W49", seats, now)
    assert [(f"{slot.start:%d %H:%M}", slot.free, slot.capacity) for slot in found.slots] == [
        ("01 09:25", 0, 1),
        ("04 09:15", 1, 2),
        ("04 09:20", 0, 1),
    ]
    assert found.first_free == AES.start_of(key("2026-12-04", "09:15"))
    assert (found.free, len(found.days)) == (1, 7)


def test_a_week_with_nothing_has_seven_empty_days_and_no_first_free_slot() -> None:
    found = timetable.calendar(AES, "2026-W53", [], moment("2026-12-28T08:00+00:00"))
    assert found.days[0] == (date(2026, 12, 28), [])
    assert found.days[6] == (date(2027, 1, 3), [])
    assert found.first_free is None


def test_the_nearest_are_three_slots_by_distance_told_in_order() -> None:
    free = [key("2026-12-03", start, unit) for start in ("09:15", "10:10", "10:20", "10:25") for unit in (1, 2)]
    near = timetable.nearest(AES, free, AES.start_of(key("2026-12-03", "10:15")))
    assert [f"{start:%H:%M}" for start in near] == ["10:10", "10:20", "10:25"]


# Return


@pytest.mark.parametrize(
    ("now", "day", "chance", "back"),
    [
        ("2026-11-30T08:00+00:00", "2026-12-10", 0.0, "2026-11-30T10:00+00:00"),
        ("2026-11-30T08:00+00:00", "2026-12-10", 0.5, "2026-12-01T09:00+00:00"),
        ("2026-11-30T08:00+00:00", "2026-12-10", 1.0, "2026-12-02T08:00+00:00"),
        ("2026-07-01T08:00+00:00", "2026-07-16", 1.0, "2026-07-03T08:00+00:00"),
        ("2026-03-28T12:00+00:00", "2026-04-09", 1.0, "2026-03-30T12:00+00:00"),
        ("2026-10-24T12:00+00:00", "2026-11-05", 1.0, "2026-10-26T12:00+00:00"),
        ("2026-12-30T12:00+00:00", "2027-01-07", 1.0, "2027-01-01T12:00+00:00"),
        ("2026-11-30T08:00+00:00", "2026-12-03", 1.0, "2026-12-01T08:15+00:00"),
        ("2026-11-30T08:00+00:00", "2026-12-01", 0.5, "2026-12-01T09:15+00:00"),
        ("2026-12-01T06:15+00:00", "2026-12-03", 0.5, "2026-12-03T09:15+00:00"),
    ],
)
def test_a_freed_seat_returns_inside_its_window_and_stays_closed_where_nobody_could_come(
    now: str, day: str, chance: float, back: str
) -> None:
    assert timetable.return_moment(AES, key(day), moment(now), chance) == moment(back)


@pytest.mark.parametrize(
    ("state", "late", "ended"),
    [
        (State.PENDING, timedelta(0), None),
        (State.PENDING, TICK, State.EXPIRED),
        (State.HELD, timedelta(seconds=5), None),
        (State.HELD, timedelta(seconds=5) + TICK, State.OPEN),
        (State.CONFIRMED, timedelta(days=9), None),
        (State.OPEN, timedelta(days=9), None),
    ],
)
def test_the_clock_ends_late_requests_and_late_holds_and_nothing_else(
    state: State, late: timedelta, ended: State | None
) -> None:
    until = moment("2026-11-30T08:00+00:00")
    seat = Seat(key("2026-12-03"), until - timedelta(days=1), state, "h", until)
    assert timetable.ended_as(seat, until + late) is ended
