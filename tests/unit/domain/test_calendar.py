from dataclasses import replace
from datetime import date, timedelta

import pytest

from chalicelib.domain import calendar
from chalicelib.domain.calendar import WeekCount
from chalicelib.domain.seat import Seat, State
from tests.unit.domain.timetables import AES, TICK, key, moment


@pytest.mark.parametrize(
    ("day", "last_moment"),
    [
        ("2026-12-03", "2026-12-01T08:15+00:00"),
        ("2026-03-30", "2026-03-28T07:15+00:00"),
        ("2026-10-26", "2026-10-24T08:15+00:00"),
    ],
)
def test_a_slot_is_offered_until_49_elapsed_hours_before_it(day: str, last_moment: str) -> None:
    assert calendar.is_offered(AES, key(day), moment(last_moment))
    assert not calendar.is_offered(AES, key(day), moment(last_moment) + TICK)


def test_a_calendar_counts_seats_by_slot_without_slots_that_have_begun() -> None:
    now = moment("2026-12-01T08:20+00:00")
    opened = now - timedelta(days=1)
    seats = [
        Seat(key("2026-12-01", "09:20"), opened),
        Seat(key("2026-12-01", "09:25"), opened),
        Seat(key("2026-12-04", "09:15", 2), opened, State.CONFIRMED, "h", now),
        Seat(key("2026-12-04", "09:15"), opened),
        Seat(key("2026-12-04", "09:20"), now + TICK),
    ]
    week = calendar.week_calendar(AES, "2026-W49", seats, now)
    assert [(f"{slot.start:%d %H:%M}", slot.free, slot.capacity) for slot in week.slots] == [
        ("01 09:25", 0, 1),
        ("04 09:15", 1, 2),
        ("04 09:20", 0, 1),
    ]
    assert week.first_free == AES.start_of(key("2026-12-04", "09:15"))
    assert (week.free, len(week.days)) == (1, 7)


def test_each_free_slot_is_offered_by_its_own_start_and_a_week_while_one_that_is_not_closed_is() -> None:
    now = moment("2026-12-01T08:20+00:00")
    near, late, next_day = key("2026-12-03", "10:15"), key("2026-12-03", "10:20"), key("2026-12-04", "10:15")
    seats = [Seat(at, now) for at in (near, replace(near, unit=2), late, replace(late, unit=2), next_day)]
    assert calendar.first_free(AES, seats, now) == [late, replace(late, unit=2), next_day]
    assert calendar.first_free(AES, [seats[0], seats[-1]], now) == [next_day]
    assert calendar.count_week(AES, "2026-W49", seats, now) == WeekCount("2026-W49", 3)
    closed = [*seats[:2], *(replace(seat, state=State.CLOSED) for seat in seats[2:])]
    assert calendar.count_week(AES, "2026-W49", closed, now) == WeekCount("2026-W49", 0, bookable=False)


def test_a_week_without_seats_has_seven_empty_days_and_no_first_free_slot() -> None:
    week = calendar.week_calendar(AES, "2026-W53", [], moment("2026-12-28T08:00+00:00"))
    assert week.days[0] == (date(2026, 12, 28), [])
    assert week.days[6] == (date(2027, 1, 3), [])
    assert week.first_free is None


def test_the_three_nearest_slots_are_in_order_of_time() -> None:
    free = [key("2026-12-03", start, unit) for start in ("09:15", "10:10", "10:20", "10:25") for unit in (1, 2)]
    near = calendar.nearest_starts(AES, free, AES.start_of(key("2026-12-03", "10:15")))
    assert [f"{start:%H:%M}" for start in near] == ["10:10", "10:20", "10:25"]


def test_of_two_seats_equally_near_the_earlier_is_first() -> None:
    free = [key("2026-12-03", at) for at in ("09:15", "10:20", "10:10", "10:30")]
    near = calendar.nearest_seats(AES, free, AES.start_of(key("2026-12-03", "10:15")), 3)
    assert [f"{seat.start:%H:%M}" for seat in near] == ["10:10", "10:20", "10:30"]
