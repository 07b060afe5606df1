"""Dates in summer, in winter, at both clock changes of 2026 and 2027, and around a year of 53 weeks."""

from datetime import date, time, timedelta

import pytest

from chalicelib.domain import timetable
from chalicelib.domain.service import Service
from tests.conftest import MONDAY
from tests.unit.domain.timetables import AES, NOW, TICK, desk, key, moment, service, service_with_shares


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
def test_a_week_around_the_new_year_has_its_own_days(week: str, days: list[date]) -> None:
    assert sorted({seat.day for seat in timetable.planned_seats(AES, week)}) == days


@pytest.mark.parametrize("week", ["2026-W13", "2026-W43", "2027-W12", "2027-W43"])
def test_a_sunday_on_which_the_clocks_change_has_as_many_slots_as_any_other(week: str) -> None:
    night = service(plannings=desk({"days": ["sunday"], "from": "09:00", "to": "10:00"}))
    assert len(list(timetable.planned_seats(night, week))) == 12


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
def test_the_next_release_is_in_paris_time(now: str, release: str) -> None:
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
def test_the_seats_of_the_coming_release_are_created_before_it(now: str, last: str) -> None:
    assert timetable.weeks_to_create(AES, moment(now))[-1] == last


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


def test_a_closure_removes_only_its_days_hours_and_desks() -> None:
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
def test_a_slot_that_overlaps_a_closure_is_closed_and_one_that_is_adjacent_is_not(
    hours: dict[str, str], left: list[str]
) -> None:
    cut = service(slot_minutes=15, plannings=desk(MORNING), closures=[{"first": "2026-12-01", **hours}])
    assert [f"{seat.start:%H:%M}" for seat in timetable.planned_seats(cut, "2026-W49")] == left


def test_a_public_holiday_has_no_slot() -> None:
    shut = service(holidays=["2026-12-01"])
    assert {seat.day for seat in timetable.planned_seats(shut, "2026-W49")} == {date(2026, 12, 3)}


def test_a_closed_week_has_no_seats_and_no_release() -> None:
    shut = service(closures=[{"first": "2026-12-24", "last": "2027-01-03"}])
    assert {seat.day for seat in timetable.planned_seats(shut, "2026-W52")} == {date(2026, 12, 22)}
    assert timetable.planned_seats(shut, "2026-W53") == []
    assert timetable.releases(shut, "2026-W53") == ()
    assert timetable.next_release(shut, moment("2026-12-07T08:00+00:00")) == moment("2026-12-21T09:00+01:00")
    assert timetable.next_release(AES, moment("2026-12-07T08:00+00:00")) == moment("2026-12-14T09:00+01:00")


def test_a_service_closed_for_good_has_no_next_release() -> None:
    shut = service(closures=[{"first": "2026-01-01", "last": "2029-01-01"}])
    assert timetable.next_release(shut, MONDAY) is None


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
    releases = timetable.releases(service_with_shares(*seats), "2026-W51")
    assert [count for _, count in releases] == opened
    assert [at for at, _ in releases] == sorted(at for at, _ in releases)


def test_the_seats_of_a_moment_are_spread_evenly_over_the_week() -> None:
    planned = list(timetable.plan(service_with_shares(40, None), "2026-W51").values())
    late = max(planned)
    for n in range(0, 60, 6):
        assert planned[n : n + 6].count(late) == 2


def test_the_next_release_is_the_next_of_several_moments() -> None:
    service = service_with_shares(40, None)
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
def test_a_release_on_a_public_holiday_waits_for_the_next_working_day_if_the_service_says_so(
    rule: str, week: str, opens: str
) -> None:
    release = {"weeks_ahead": 2, "on_holiday": rule, "moments": [{"day": "monday", "at": "09:00"}]}
    waits = service(release=release, holidays=[EASTER_2027, "2027-11-01"])
    assert timetable.opens_at(waits, week) == moment(opens)


def test_a_release_that_waits_skips_the_weekend_and_a_second_holiday() -> None:
    release = {"weeks_ahead": 1, "on_holiday": "next_working_day", "moments": [{"day": "friday", "at": "09:00"}]}
    waits = service(release=release, holidays=["2026-12-25", "2026-12-28"])
    assert timetable.opens_at(waits, "2026-W53") == moment("2026-12-29T08:00+00:00")
    assert timetable.next_release(waits, moment("2026-12-28T12:00+00:00")) == moment("2026-12-29T09:00+01:00")


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
def test_a_crowd_lasts_from_one_minute_before_a_release_to_fifteen_minutes_after_it(now: str, *, crowded: bool) -> None:
    assert timetable.has_crowd(AES, moment(now)) is crowded


@pytest.mark.parametrize(
    ("at", "moments"),
    [
        # a moment that the clocks skip, 02:30 on 29 March, comes at 03:30 summer time; one that they repeat comes first
        ("02:30", ["2026-03-29T01:30:00+00:00", "2026-10-25T00:30:00+00:00"]),
        ("03:30", ["2026-03-29T01:30:00+00:00", "2026-10-25T02:30:00+00:00"]),
    ],
)
def test_a_release_in_the_hour_of_a_clock_change_has_one_crowd(at: str, moments: list[str]) -> None:
    sunday = service(release={"weeks_ahead": 2, "moments": [{"day": "sunday", "at": at}]})
    for day in ("2026-03-28", "2026-10-24"):
        start = moment(f"{day}T22:00:00+00:00")
        minutes = [start + timedelta(minutes=n) for n in range(12 * 60)]
        crowded = [at for at in minutes if timetable.has_crowd(sunday, at)]
        assert len(crowded) == 16
        assert (crowded[1].isoformat(), crowded[-1] - crowded[0]) in [(at, timedelta(minutes=15)) for at in moments]


def test_each_of_several_moments_has_a_crowd_also_across_midnight() -> None:
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


def test_the_crowd_of_a_release_that_waits_comes_on_the_working_day() -> None:
    release = {"weeks_ahead": 2, "on_holiday": "next_working_day", "moments": [{"day": "friday", "at": "09:00"}]}
    waits = service(release=release, holidays=["2026-12-25", "2026-12-28"])
    assert not timetable.has_crowd(waits, moment("2026-12-25T08:00:00+00:00"))
    assert not timetable.has_crowd(waits, moment("2026-12-28T08:00:00+00:00"))
    assert timetable.has_crowd(waits, moment("2026-12-29T08:00:00+00:00"))
    assert timetable.has_crowd(waits, moment("2027-01-01T08:00:00+00:00"))


def test_the_crowd_of_a_release_that_waits_for_weeks_comes_with_it() -> None:
    shut = [(date(2026, 12, 14) + timedelta(days=n)).isoformat() for n in range(22)]
    release = {"weeks_ahead": 0, "on_holiday": "next_working_day", "moments": [{"day": "monday", "at": "09:00"}]}
    waits = service(release=release, holidays=shut)
    assert timetable.opens_at(waits, "2026-W51") == moment("2027-01-05T08:00:00+00:00")
    assert timetable.has_crowd(waits, moment("2027-01-05T08:00:00+00:00"))
    assert not timetable.has_crowd(waits, moment("2026-12-14T08:00:00+00:00"))


def test_a_crowd_lasts_across_midnight_in_utc() -> None:
    london = service(
        timezone="Europe/London",
        release={"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}, {"day": "wednesday", "at": "23:50"}]},
    )
    crowded = ["2026-12-06T23:59:00+00:00", "2026-12-07T00:14:59+00:00", "2026-12-10T00:04:59+00:00"]
    assert [timetable.has_crowd(london, moment(now)) for now in crowded] == [True] * 3


def test_a_crowd_follows_the_time_zone_of_the_service() -> None:
    tahiti = service(timezone="Pacific/Tahiti")
    assert timetable.has_crowd(tahiti, moment("2026-11-30T19:00:00+00:00"))
    assert not timetable.has_crowd(tahiti, moment("2026-11-30T08:00:00+00:00"))


def test_a_seat_is_new_for_fifteen_minutes() -> None:
    assert [timetable.is_new(NOW, NOW + timedelta(minutes=m)) for m in (-1, 0, 14, 15)] == [False, True, True, False]
    assert timetable.is_new(NOW, NOW + timedelta(minutes=15) - TICK)
