"""Dates in summer, in winter, at both switch-overs of 2026 and 2027, and around a year of 53 weeks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from chalicelib.domain import calendar, codec, lifecycle, seat_changes, timetable
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, Seat, SeatKey, State, monday_of, week_of
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service
from tests.conftest import MONDAY, document

AES = codec.service_from_document(document())
"""Tuesdays and Thursdays 09:15 to 10:30; Mondays at 09:00 the week two weeks later opens; 49 hours of notice."""
TICK = timedelta(milliseconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def service(**changes: Any) -> Service:
    return codec.service_from_document(document(**changes))


def desk(*openings: dict[str, Any], desks: Sequence[int] = (1,)) -> list[dict[str, Any]]:
    """One planning with these hours."""
    return [{"desks": list(desks), "openings": list(openings)}]


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
    seats = list(timetable.planned_seats(AES, "2026-W49"))
    assert len(seats) == 60
    assert seats[:3] == [key("2026-12-01", "09:15"), key("2026-12-01", "09:15", 2), key("2026-12-01", "09:20")]
    assert seats[-1] == key("2026-12-03", "10:25", 2)
    assert seats == sorted(seats)


def test_a_slot_that_does_not_fit_before_closing_is_not_offered() -> None:
    short = service(plannings=desk({"days": ["tuesday"], "from": "09:15", "to": "09:29"}))
    assert [seat.start for seat in timetable.planned_seats(short, "2026-W49")] == [time(9, 15), time(9, 20)]


@pytest.mark.parametrize(
    ("week", "days"),
    [
        ("2026-W27", [date(2026, 6, 30), date(2026, 7, 2)]),
        ("2026-W53", [date(2026, 12, 29), date(2026, 12, 31)]),
        ("2027-W01", [date(2027, 1, 5), date(2027, 1, 7)]),
    ],
)
def test_the_days_of_a_week_are_its_own_around_the_new_year_too(week: str, days: list[date]) -> None:
    assert sorted({seat.day for seat in timetable.planned_seats(AES, week)}) == days


@pytest.mark.parametrize("week", ["2026-W13", "2026-W43", "2027-W12", "2027-W43"])
def test_a_sunday_on_which_the_clock_changes_has_as_many_slots_on_the_wall_as_any(week: str) -> None:
    night = service(plannings=desk({"days": ["sunday"], "from": "09:00", "to": "10:00"}))
    assert len(list(timetable.planned_seats(night, week))) == 12


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
    sunday = service(release={"weeks_ahead": 1, "moments": [{"day": "sunday", "at": "02:30"}]})
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
    assert timetable.next_release(AES, moment(now)) == moment(release)
    assert str(timetable.next_release(AES, moment(now))).replace(" ", "T") == release


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
    assert calendar.is_offered(AES, key(day), moment(last_moment))
    assert not calendar.is_offered(AES, key(day), moment(last_moment) + TICK)


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
    found = calendar.week_calendar(AES, "2026-W49", seats, now)
    assert [(f"{slot.start:%d %H:%M}", slot.free, slot.capacity) for slot in found.slots] == [
        ("01 09:25", 0, 1),
        ("04 09:15", 1, 2),
        ("04 09:20", 0, 1),
    ]
    assert found.first_free == AES.start_of(key("2026-12-04", "09:15"))
    assert (found.free, len(found.days)) == (1, 7)


def test_a_week_with_nothing_has_seven_empty_days_and_no_first_free_slot() -> None:
    found = calendar.week_calendar(AES, "2026-W53", [], moment("2026-12-28T08:00+00:00"))
    assert found.days[0] == (date(2026, 12, 28), [])
    assert found.days[6] == (date(2027, 1, 3), [])
    assert found.first_free is None


def test_the_nearest_are_three_slots_by_distance_told_in_order() -> None:
    free = [key("2026-12-03", start, unit) for start in ("09:15", "10:10", "10:20", "10:25") for unit in (1, 2)]
    near = calendar.nearest(AES, free, AES.start_of(key("2026-12-03", "10:15")))
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
    assert lifecycle.return_moment(AES, key(day), moment(now), chance) == moment(back)


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
    assert lifecycle.expired_state(seat, until + late) is ended


# Plannings, closures and holidays


def times_of(service: Service, week: str) -> list[str]:
    return [f"{seat.day:%a} {seat.start:%H:%M} {seat.unit}" for seat in timetable.planned_seats(service, week)]


MORNING = {"days": ["tuesday"], "from": "09:00", "to": "10:00"}


def test_each_planning_has_its_desks_and_its_hours_and_a_break_has_no_slot() -> None:
    two = service(
        slot_minutes=15,
        plannings=[
            {"desks": [1], "openings": [{**MORNING, "breaks": [{"from": "09:15", "to": "09:45"}]}]},
            {"desks": [4, 7], "openings": [{"days": ["friday"], "from": "14:00", "to": "14:15"}]},
        ],
    )
    assert times_of(two, "2026-W49") == ["Tue 09:00 1", "Tue 09:45 1", "Fri 14:00 4", "Fri 14:00 7"]


def test_a_closure_takes_its_days_its_hours_or_its_desks_and_no_others() -> None:
    closures = [
        {"first": "2026-12-01", "from": "09:15", "to": "09:30", "desks": [2]},
        {"first": "2026-12-08", "last": "2026-12-15"},
    ]
    shut = service(slot_minutes=15, plannings=desk(MORNING, desks=(1, 2)), closures=closures)
    assert times_of(shut, "2026-W49") == [
        "Tue 09:00 1",
        "Tue 09:00 2",
        "Tue 09:15 1",
        "Tue 09:30 1",
        "Tue 09:30 2",
        "Tue 09:45 1",
        "Tue 09:45 2",
    ]
    assert (times_of(shut, "2026-W50"), times_of(shut, "2026-W51")) == ([], [])
    assert len(times_of(shut, "2026-W52")) == 8


@pytest.mark.parametrize(
    ("hours", "left"),
    [
        ({"from": "09:20", "to": "09:40"}, ["09:00", "09:45"]),
        ({"from": "09:15", "to": "09:30"}, ["09:00", "09:30", "09:45"]),
        ({"to": "09:16"}, ["09:30", "09:45"]),
        ({"from": "09:59"}, ["09:00", "09:15", "09:30"]),
    ],
)
def test_a_slot_that_a_closure_cuts_is_closed_and_one_that_it_touches_is_not(
    hours: dict[str, str], left: list[str]
) -> None:
    cut = service(slot_minutes=15, plannings=desk(MORNING), closures=[{"first": "2026-12-01", **hours}])
    assert [f"{seat.start:%H:%M}" for seat in timetable.planned_seats(cut, "2026-W49")] == left


def test_a_public_holiday_has_no_slot() -> None:
    shut = service(holidays=["2026-12-01"])
    assert {seat.day for seat in timetable.planned_seats(shut, "2026-W49")} == {date(2026, 12, 3)}


def test_from_24_december_to_3_january_a_closed_service_has_nothing_and_the_next_release_skips_its_weeks() -> None:
    shut = service(closures=[{"first": "2026-12-24", "last": "2027-01-03"}])
    assert {seat.day for seat in timetable.planned_seats(shut, "2026-W52")} == {date(2026, 12, 22)}
    assert timetable.planned_seats(shut, "2026-W53") == []
    assert timetable.releases(shut, "2026-W53") == ()
    assert timetable.next_release(shut, moment("2026-12-07T08:00+00:00")) == moment("2026-12-21T09:00+01:00")
    assert timetable.next_release(AES, moment("2026-12-07T08:00+00:00")) == moment("2026-12-14T09:00+01:00")


def test_a_service_closed_for_good_has_no_next_release() -> None:
    shut = service(closures=[{"first": "2026-01-01", "last": "2029-01-01"}])
    assert timetable.next_release(shut, MONDAY) is None


# Releases in drips, and on holidays


def drips(*seats: int | None, **changes: Any) -> Service:
    days = ("monday", "wednesday", "friday")
    moments = [
        {"day": day, "at": "09:00", **({"seats": count} if count else {})}
        for day, count in zip(days, seats, strict=False)
    ]
    return service(release={"weeks_ahead": 2, "moments": moments}, **changes)


@pytest.mark.parametrize(
    ("seats", "opened"),
    [
        ((None,), [60]),
        ((40,), [40]),
        ((40, None), [40, 20]),
        ((None, 10), [50, 10]),
        ((20, 15, 10), [20, 15, 10]),
        ((50, 20), [50, 10]),
        ((60, None), [60]),
    ],
)
def test_each_moment_opens_its_share_of_the_week_and_what_no_moment_opens_is_not_planned(
    seats: tuple[int | None, ...], opened: list[int]
) -> None:
    found = timetable.releases(drips(*seats), "2026-W51")
    assert [count for _, count in found] == opened
    assert [at for at, _ in found] == sorted(at for at, _ in found)


def test_the_seats_of_a_moment_are_spread_evenly_over_the_week() -> None:
    planned = list(timetable.plan(drips(40, None), "2026-W51").values())
    late = max(planned)
    for n in range(0, 60, 6):
        assert planned[n : n + 6].count(late) == 2


def test_the_next_release_is_the_next_moment_of_a_drip() -> None:
    service = drips(40, None)
    assert timetable.next_release(service, MONDAY) == moment("2026-12-02T09:00+01:00")
    assert timetable.next_release(service, moment("2026-12-02T08:00+00:00")) == moment("2026-12-07T09:00+01:00")


EASTER_2027 = "2027-03-29"
"""A Monday, like 1 November 2027."""


@pytest.mark.parametrize(
    ("rule", "week", "opens"),
    [
        ("same_day", "2027-W15", "2027-03-29T07:00+00:00"),
        ("next_working_day", "2027-W15", "2027-03-30T07:00+00:00"),
        ("same_day", "2027-W46", "2027-11-01T08:00+00:00"),
        ("next_working_day", "2027-W46", "2027-11-02T08:00+00:00"),
        ("next_working_day", "2026-W51", "2026-11-30T08:00+00:00"),
    ],
)
def test_a_release_on_easter_monday_or_all_saints_waits_for_tuesday_if_the_file_says_so(
    rule: str, week: str, opens: str
) -> None:
    release = {"weeks_ahead": 2, "on_holiday": rule, "moments": [{"day": "monday", "at": "09:00"}]}
    waits = service(release=release, holidays=[EASTER_2027, "2027-11-01"])
    assert timetable.opens_at(waits, week) == moment(opens)


def test_a_release_that_waits_passes_over_the_weekend_and_a_second_holiday() -> None:
    release = {"weeks_ahead": 1, "on_holiday": "next_working_day", "moments": [{"day": "friday", "at": "09:00"}]}
    waits = service(release=release, holidays=["2026-12-25", "2026-12-28"])
    assert timetable.opens_at(waits, "2026-W53") == moment("2026-12-29T08:00+00:00")
    assert timetable.next_release(waits, moment("2026-12-28T12:00+00:00")) == moment("2026-12-29T09:00+01:00")


# Rules that change after seats exist

NOW = MONDAY + timedelta(minutes=1)
"""A minute after 2026-W51 opened; 2026-W52 does a week later."""


def seats_as_planned(of: Service, week: str) -> list[Seat]:
    return [Seat(key, at) for key, at in timetable.plan(of, week).items()]


def done(of: Service, week: str, seats: list[Seat]) -> dict[str, int]:
    return Counter(str(one.do) for one in seat_changes.changes_of_week(of, week, seats, NOW, create=True))


def test_seats_that_agree_with_the_rules_stay_as_they_are() -> None:
    for week in ("2026-W49", "2026-W51", "2026-W52"):
        assert done(AES, week, seats_as_planned(AES, week)) == {}


def test_hours_that_are_taken_away_close_once_nobody_has_the_seat() -> None:
    fewer = service(plannings=desk({"days": ["thursday"], "from": "09:15", "to": "10:30"}, desks=(1, 2)))
    seats = seats_as_planned(AES, "2026-W51")
    assert done(fewer, "2026-W51", seats) == {"close": 30}
    booked = [replace(seat, state=State.CONFIRMED) for seat in seats]
    assert done(fewer, "2026-W51", booked) == {}


def test_hours_that_are_added_to_a_week_that_has_opened_open_at_once() -> None:
    more = service(plannings=desk({"days": ["tuesday", "thursday"], "from": "09:15", "to": "11:30"}, desks=(1, 2)))
    todo = list(seat_changes.changes_of_week(more, "2026-W51", seats_as_planned(AES, "2026-W51"), NOW, create=True))
    assert {one.do for one in todo} == {ChangeKind.CREATE}
    assert (len(todo), {one.seat.opens_at for one in todo}) == (48, {MONDAY})


def test_a_seat_that_has_not_opened_opens_when_the_rules_say_now_and_one_that_has_stays_open() -> None:
    later = service(release={"weeks_ahead": 2, "moments": [{"day": "tuesday", "at": "18:00"}]})
    todo = list(seat_changes.changes_of_week(later, "2026-W52", seats_as_planned(AES, "2026-W52"), NOW, create=True))
    assert {(one.do, one.seat.opens_at) for one in todo} == {(ChangeKind.MOVE, moment("2026-12-08T17:00+00:00"))}
    assert len(todo) == 60
    assert done(later, "2026-W51", seats_as_planned(AES, "2026-W51")) == {}


def test_a_smaller_number_of_seats_closes_those_too_many_before_the_week_opens_and_none_after() -> None:
    assert done(drips(40), "2026-W52", seats_as_planned(AES, "2026-W52")) == {"close": 20}
    assert done(drips(40), "2026-W51", seats_as_planned(AES, "2026-W51")) == {}


def test_a_greater_number_adds_no_more_than_the_plan_has_to_a_week_that_has_opened() -> None:
    fewer = seats_as_planned(drips(40), "2026-W51")
    assert done(drips(50), "2026-W51", fewer) == {"create": 10}
    assert done(drips(40), "2026-W51", fewer) == {}


def test_what_the_rules_closed_they_open_again_and_what_the_office_closed_they_do_not() -> None:
    closed = [replace(seat, state=State.CLOSED, closed=BY_RULES) for seat in seats_as_planned(AES, "2026-W52")]
    assert done(AES, "2026-W52", closed) == {"reopen": 60}
    assert done(AES, "2026-W52", [replace(seat, closed=BY_OPERATOR) for seat in closed]) == {}


def test_a_seat_that_was_closed_while_it_waited_to_return_does_not_open_earlier() -> None:
    late = NOW + timedelta(days=2)
    seats = seats_as_planned(AES, "2026-W51")
    seats[0] = replace(
        seats[0], state=State.CLOSED, closed=BY_RULES, opens_at=late, past="h", past_state=State.CANCELLED
    )
    assert [one.seat.opens_at for one in seat_changes.changes_of_week(AES, "2026-W51", seats, NOW, create=True)] == [
        late
    ]


def test_seats_that_the_office_added_or_set_aside_are_left_alone() -> None:
    closed = service(closures=[{"first": "2026-12-14", "last": "2026-12-31"}])
    seats = seats_as_planned(AES, "2026-W52")
    assert done(closed, "2026-W52", [replace(seat, extra=True) for seat in seats]) == {}
    assert done(closed, "2026-W52", [replace(seat, reserve="r") for seat in seats]) == {}
    assert done(closed, "2026-W52", seats) == {"close": 60}


def test_a_seat_that_waits_to_return_is_neither_moved_nor_told_as_coming() -> None:
    waits = replace(seats_as_planned(AES, "2026-W51")[0], opens_at=NOW + timedelta(hours=5), past_state=State.EXPIRED)
    assert not waits.is_coming(NOW)
    assert done(AES, "2026-W51", [waits, *seats_as_planned(AES, "2026-W51")[1:]]) == {}


def test_a_week_that_is_no_longer_within_the_horizon_gets_no_new_seats() -> None:
    assert list(seat_changes.changes_of_week(AES, "2026-W53", [], NOW, create=False)) == []


def test_a_seat_whose_slot_has_begun_is_not_made() -> None:
    todo = seat_changes.changes_of_week(AES, "2026-W49", [], moment("2026-12-03T08:15+00:00"), create=True)
    assert {one.seat.key.start for one in todo} == {time(9, 20 + n) for n in range(0, 40, 5)} | {
        time(10, n) for n in range(0, 30, 5)
    }


def test_a_seat_given_back_within_a_day_of_its_slot_stays_closed_whatever_the_notice() -> None:
    short = service(times={"notice_hours": 2})
    now = moment("2026-12-02T10:00+00:00")
    back = lifecycle.return_moment(short, key("2026-12-03"), now, 0.5)
    seat = Seat(key("2026-12-03"), back, past="h", past_state=State.CANCELLED)
    assert lifecycle.stays_closed(short, seat)
    assert lifecycle.return_moment(short, key("2026-12-04"), now, 1.0) == moment("2026-12-03T09:15+00:00")


# Crowds


@pytest.mark.parametrize(
    ("now", "crowded"),
    [
        # summer: Monday 09:00 in Paris is 07:00 UTC
        ("2026-07-06T06:58:59.999+00:00", False),
        ("2026-07-06T06:59:00+00:00", True),
        ("2026-07-06T07:00:00+00:00", True),
        ("2026-07-06T07:14:59.999+00:00", True),
        ("2026-07-06T07:15:00+00:00", False),
        # winter: 08:00 UTC
        ("2026-11-30T07:05:00+00:00", False),
        ("2026-11-30T07:58:59.999+00:00", False),
        ("2026-11-30T07:59:00+00:00", True),
        ("2026-11-30T08:14:59.999+00:00", True),
        ("2026-11-30T08:15:00+00:00", False),
        # other days at that time, and that day at others
        ("2026-12-01T08:00:00+00:00", False),
        ("2026-11-30T20:00:00+00:00", False),
        # the Mondays after the switch-overs of 29 March and 25 October 2026
        ("2026-03-30T07:00:00+00:00", True),
        ("2026-03-30T08:00:00+00:00", False),
        ("2026-10-26T08:00:00+00:00", True),
        ("2026-10-26T07:00:00+00:00", False),
        # the first Monday after a year of 53 weeks
        ("2027-01-04T08:00:00+00:00", True),
    ],
)
def test_a_crowd_is_from_one_minute_before_a_release_to_fifteen_minutes_after_it(now: str, *, crowded: bool) -> None:
    assert timetable.has_crowd(AES, moment(now)) is crowded


@pytest.mark.parametrize(
    ("at", "moments"),
    [
        # a moment that the clocks skip, 02:30 on 29 March, comes at 03:30 summer time; one that they repeat comes first
        ("02:30", ["2026-03-29T01:30:00+00:00", "2026-10-25T00:30:00+00:00"]),
        ("03:30", ["2026-03-29T01:30:00+00:00", "2026-10-25T02:30:00+00:00"]),
    ],
)
def test_a_crowd_in_the_hour_of_a_switch_over_comes_once(at: str, moments: list[str]) -> None:
    sunday = service(release={"weeks_ahead": 2, "moments": [{"day": "sunday", "at": at}]})
    for day in ("2026-03-28", "2026-10-24"):
        start = moment(f"{day}T22:00:00+00:00")
        minutes = [start + timedelta(minutes=n) for n in range(12 * 60)]
        crowded = [at for at in minutes if timetable.has_crowd(sunday, at)]
        assert len(crowded) == 16
        assert (crowded[1].isoformat(), crowded[-1] - crowded[0]) in [(at, timedelta(minutes=15)) for at in moments]


def test_each_of_several_moments_has_a_crowd_and_one_around_midnight_has_it_on_both_days() -> None:
    drips = service(
        release={
            "weeks_ahead": 2,
            "moments": [
                {"day": "monday", "at": "00:00", "seats": 20},
                {"day": "wednesday", "at": "12:00", "seats": 20},
                {"day": "sunday", "at": "23:55"},
            ],
        }
    )
    crowded = [
        "2026-12-06T23:54:00+01:00",  # a Sunday, and the Monday after it
        "2026-12-07T00:14:59+01:00",
        "2026-12-09T11:59:00+01:00",
        "2026-12-09T12:14:59+01:00",
    ]
    quiet = ["2026-12-06T23:53:59+01:00", "2026-12-07T00:15:00+01:00", "2026-12-09T11:58:59+01:00"]
    assert [timetable.has_crowd(drips, moment(now)) for now in [*crowded, *quiet]] == [True] * 4 + [False] * 3


def test_where_a_release_waits_for_the_working_day_so_does_its_crowd() -> None:
    release = {"weeks_ahead": 2, "on_holiday": "next_working_day", "moments": [{"day": "friday", "at": "09:00"}]}
    waits = service(release=release, holidays=["2026-12-25", "2026-12-28"])
    assert not timetable.has_crowd(waits, moment("2026-12-25T08:00:00+00:00"))
    assert not timetable.has_crowd(waits, moment("2026-12-28T08:00:00+00:00"))
    assert timetable.has_crowd(waits, moment("2026-12-29T08:00:00+00:00"))
    assert timetable.has_crowd(waits, moment("2027-01-01T08:00:00+00:00"))


def test_a_release_that_waits_for_weeks_has_its_crowd_when_it_comes() -> None:
    shut = [(date(2026, 12, 14) + timedelta(days=n)).isoformat() for n in range(22)]
    release = {"weeks_ahead": 0, "on_holiday": "next_working_day", "moments": [{"day": "monday", "at": "09:00"}]}
    waits = service(release=release, holidays=shut)
    assert timetable.opens_at(waits, "2026-W51") == moment("2027-01-05T08:00:00+00:00")
    assert timetable.has_crowd(waits, moment("2027-01-05T08:00:00+00:00"))
    assert not timetable.has_crowd(waits, moment("2026-12-14T08:00:00+00:00"))


def test_a_crowd_around_midnight_in_utc_is_on_both_days() -> None:
    london = service(
        timezone="Europe/London",
        release={"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}, {"day": "wednesday", "at": "23:50"}]},
    )
    crowded = ["2026-12-06T23:59:00+00:00", "2026-12-07T00:14:59+00:00", "2026-12-10T00:04:59+00:00"]
    assert [timetable.has_crowd(london, moment(now)) for now in crowded] == [True] * 3


def test_a_crowd_of_another_zone_is_by_its_own_clock() -> None:
    tahiti = service(timezone="Pacific/Tahiti")
    assert timetable.has_crowd(tahiti, moment("2026-11-30T19:00:00+00:00"))
    assert not timetable.has_crowd(tahiti, moment("2026-11-30T08:00:00+00:00"))


def test_a_seat_is_new_for_fifteen_minutes() -> None:
    assert [timetable.is_new(NOW, NOW + timedelta(minutes=m)) for m in (-1, 0, 14, 15)] == [False, True, True, False]
    assert timetable.is_new(NOW, NOW + timedelta(minutes=15) - TICK)


def test_of_seats_as_near_the_earlier_slot_comes_first() -> None:
    free = [key("2026-12-03", at) for at in ("09:15", "10:20", "10:10", "10:30")]
    near = calendar.nearest_seats(AES, free, AES.start_of(key("2026-12-03", "10:15")), 3)
    assert [f"{seat.start:%H:%M}" for seat in near] == ["10:10", "10:20", "10:30"]
