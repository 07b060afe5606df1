from datetime import date, timedelta

import pytest

from chalicelib.domain.seat import Seat, State, monday_of, week_of
from tests.unit.domain.timetables import NOW, TICK, key

UNTIL = NOW + timedelta(minutes=3)


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


@pytest.mark.parametrize(
    ("state", "hold", "late", "carries", "holds"),
    [
        (State.HELD, "h1", -TICK, False, True),
        (State.HELD, "h1", timedelta(0), False, False),
        (State.HELD, "h2", -TICK, False, False),
        (State.PENDING, "h1", -TICK, True, True),
        (State.PENDING, "h1", timedelta(days=9), True, False),
        (State.PENDING, "h2", -TICK, False, False),
        (State.CONFIRMED, "h1", timedelta(days=9), True, True),
        (State.CONFIRMED, "h2", -TICK, False, False),
        (State.OPEN, "h1", -TICK, False, False),
    ],
)
def test_a_seat_carries_a_live_request_and_holds_a_hold_until_its_time_is_over(
    state: State, hold: str, late: timedelta, *, carries: bool, holds: bool
) -> None:
    seat = Seat(key("2026-12-03"), NOW, state, "h1", UNTIL, person="p")
    assert (seat.carries(hold, "p"), seat.holds(hold, UNTIL + late)) == (carries, holds)
    assert not seat.carries(hold, "another")
