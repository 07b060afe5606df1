"""The windows of a draw: on a common Sunday, at both clock changes, around the new year, to the millisecond."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from chalicelib.domain import draw_window, timetable
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import Service
from tests.unit.domain.timetables import AES, TICK, desk, draw_service, key, moment

DRAWN = draw_service()
WEEK = timedelta(days=7)


def moments(window: draw_window.Window) -> tuple[str, str, str]:
    return window.week, window.opens.isoformat(), window.closes.isoformat()


def rules(opens: str, closes: str, weeks_ahead: int = 2) -> Service:
    """Return a service whose window has these moments, such as `friday 08:00`."""
    sides = {}
    for name, side in (("opens", opens), ("closes", closes)):
        day, at = side.split()
        sides[name] = {"day": day, "at": at}
    return draw_service({**sides, "weeks_ahead": weeks_ahead})


def test_a_window_that_closes_on_a_sunday_draws_the_week_two_weeks_after_the_next_monday() -> None:
    window = draw_window.window_of(DRAWN, "2026-W51")
    assert moments(window) == ("2026-W51", "2026-11-26T08:00:00+00:00", "2026-11-29T17:00:00+00:00")


@pytest.mark.parametrize(
    ("week", "opens", "closes"),
    [
        # The clocks change at 03:00 on Sunday: the window is an hour shorter in March, an hour longer in October.
        ("2026-W16", "2026-03-26T08:00+00:00", "2026-03-29T16:00+00:00"),
        ("2026-W17", "2026-04-02T07:00+00:00", "2026-04-05T16:00+00:00"),
        ("2026-W46", "2026-10-22T07:00+00:00", "2026-10-25T17:00+00:00"),
        ("2026-W45", "2026-10-15T07:00+00:00", "2026-10-18T16:00+00:00"),
        # A year of 53 weeks.
        ("2026-W53", "2026-12-10T08:00+00:00", "2026-12-13T17:00+00:00"),
        ("2027-W01", "2026-12-17T08:00+00:00", "2026-12-20T17:00+00:00"),
    ],
)
def test_a_window_opens_and_closes_at_its_local_times(week: str, opens: str, closes: str) -> None:
    assert draw_window.window_of(DRAWN, week) == draw_window.Window(week, moment(opens), moment(closes))


@pytest.mark.parametrize(
    ("service", "week", "opens", "closes"),
    [
        # Monday to Friday, for the very next week.
        (rules("monday 00:00", "friday 12:00", 0), "2026-W49", "2026-11-22T23:00+00:00", "2026-11-27T11:00+00:00"),
        # From one week into the next one.
        (rules("friday 08:00", "wednesday 20:00"), "2026-W51", "2026-11-20T07:00+00:00", "2026-11-25T19:00+00:00"),
        # The Monday that follows a close on a Monday is a week later.
        (rules("thursday 08:00", "monday 00:00"), "2026-W51", "2026-11-19T07:00+00:00", "2026-11-22T23:00+00:00"),
        # A day, of which the later hour is earlier on the clock.
        (rules("tuesday 12:00", "tuesday 10:00"), "2026-W51", "2026-11-17T11:00+00:00", "2026-11-24T09:00+00:00"),
    ],
)
def test_a_window_may_cross_a_week_and_may_have_any_day(service: Service, week: str, opens: str, closes: str) -> None:
    assert draw_window.window_of(service, week) == draw_window.Window(week, moment(opens), moment(closes))


def test_a_window_is_open_from_its_first_millisecond_to_the_last_one_before_its_close() -> None:
    window = draw_window.window_of(DRAWN, "2026-W51")
    assert draw_window.open_window(DRAWN, window.opens - TICK) is None
    assert draw_window.open_window(DRAWN, window.opens) == window
    assert draw_window.open_window(DRAWN, window.closes - TICK) == window
    assert draw_window.open_window(DRAWN, window.closes) is None


def test_the_next_window_is_the_one_that_opens_next() -> None:
    window, later = (draw_window.window_of(DRAWN, week) for week in ("2026-W51", "2026-W52"))
    assert draw_window.next_window(DRAWN, window.opens - TICK) == window
    assert draw_window.next_window(DRAWN, window.opens) == later
    assert draw_window.next_window(DRAWN, window.closes) == later


def test_a_window_is_due_from_its_close_to_the_end_of_its_week() -> None:
    def due(now: datetime) -> list[str]:
        return [window.week for window in draw_window.windows_due(DRAWN, now)]

    closes = draw_window.window_of(DRAWN, "2026-W51").closes
    assert due(closes - TICK) == ["2026-W48", "2026-W49", "2026-W50"]
    assert due(closes) == ["2026-W48", "2026-W49", "2026-W50", "2026-W51"]
    assert due(moment("2026-12-20T23:59:59.999+01:00"))[0] == "2026-W51"
    assert due(moment("2026-12-21T00:00+01:00"))[0] == "2026-W52"


def test_no_two_windows_overlap_and_each_week_has_one() -> None:
    for _ in range(200):
        sides = RNG.sample(range(0, 7 * 24 * 60, 5), 2)
        opens, closes = (f"{DAYS[side // 1440]} {side // 60 % 24:02}:{side % 60:02}" for side in sides)
        if abs(sides[0] - sides[1]) < 120 or abs(sides[0] - sides[1]) > 7 * 1440 - 120:
            continue  # the service file refuses it
        service = rules(opens, closes, RNG.randrange(5))
        first = date(2026, 1, 5) + RNG.randrange(100) * WEEK
        windows = [draw_window.window_of(service, week_of(first + n * WEEK)) for n in range(60)]
        for before, after in pairwise(windows):
            assert before.opens < before.closes < after.opens
            assert before.closes - before.opens < WEEK
            assert before.closes.astimezone(service.zone).date() < monday_of(before.week)
            assert draw_window.open_window(service, before.opens) == before
            assert draw_window.next_window(service, before.opens) == after
            assert draw_window.windows_due(service, before.closes)[-1] == before


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def test_a_service_without_a_draw_has_no_window() -> None:
    with pytest.raises(ValueError, match="aes has no draw"):
        draw_window.window_of(AES, "2026-W51")


# Half-days


def test_the_half_days_of_a_week_are_those_with_seats() -> None:
    hours = desk(
        {"days": ["friday", "monday"], "from": "09:15", "to": "12:00"},
        {"days": ["monday"], "from": "11:55", "to": "12:05"},
    )
    assert timetable.half_days(draw_service(plannings=hours), "2026-W51") == ["mon-am", "mon-pm", "fri-am"]
    assert timetable.half_days(DRAWN, "2026-W51") == ["tue-am", "thu-am"]


def test_a_half_day_that_is_closed_or_a_public_holiday_is_left_out() -> None:
    closed = draw_service(closures=[{"first": "2026-12-15", "from": "09:00", "to": "12:00"}], holidays=["2026-12-24"])
    assert timetable.half_days(closed, "2026-W51") == ["thu-am"]
    assert timetable.half_days(closed, "2026-W52") == ["tue-am"]
    nobody = draw_service(closures=[{"first": "2026-12-14", "last": "2026-12-20"}])
    assert timetable.half_days(nobody, "2026-W51") == []
    assert draw_window.window_of(nobody, "2026-W51") == draw_window.window_of(DRAWN, "2026-W51")


def test_a_seat_before_noon_is_in_the_morning() -> None:
    assert timetable.half_day_of(key("2026-12-15", "11:59")) == "tue-am"
    assert timetable.half_day_of(key("2026-12-20", "12:00")) == "sun-pm"


@pytest.mark.parametrize(
    ("preference", "named"), [("tue-am", "2026-12-15-am"), ("sun-pm", "2026-12-20-pm"), ("any", "any")]
)
def test_a_preference_gets_the_date_of_its_week(preference: str, named: str) -> None:
    assert draw_window.dated(preference, "2026-W51") == named


# Seats


def test_the_seats_of_a_draw_open_when_they_begin_so_that_nobody_can_hold_one() -> None:
    planned = timetable.plan(DRAWN, "2026-W51")
    assert list(planned) == timetable.planned_seats(AES, "2026-W51")
    assert all(opens == DRAWN.start_of(seat) for seat, opens in planned.items())


def test_a_draw_has_no_release_no_open_week_and_no_crowd() -> None:
    now = draw_window.window_of(DRAWN, "2026-W51").opens
    assert timetable.next_release(DRAWN, now) is None
    assert timetable.open_weeks(DRAWN, now) == []
    assert timetable.releases(DRAWN, "2026-W51") == ()
    assert not timetable.has_crowd(DRAWN, now)


def test_seats_are_created_up_to_the_week_of_the_window_that_opens_next() -> None:
    window = draw_window.window_of(DRAWN, "2026-W51")
    ahead = ["2026-W48", "2026-W49", "2026-W50", "2026-W51"]
    assert timetable.weeks_to_create(DRAWN, window.opens - TICK) == ahead
    assert timetable.weeks_to_create(DRAWN, window.opens) == [*ahead, "2026-W52"]
    crossing = rules("friday 08:00", "wednesday 20:00")
    assert timetable.weeks_to_create(crossing, moment("2026-11-20T08:00+01:00"))[-1] == "2026-W52"
    assert timetable.weeks_to_create(crossing, moment("2026-11-19T08:00+01:00"))[-1] == "2026-W51"
