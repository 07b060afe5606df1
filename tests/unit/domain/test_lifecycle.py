from datetime import timedelta

import pytest

from chalicelib.domain import lifecycle
from chalicelib.domain.seat import Seat, State
from tests.unit.domain.timetables import AES, TICK, key, moment, service


@pytest.mark.parametrize(
    ("now", "day", "fraction", "back"),
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
def test_a_freed_seat_opens_again_within_its_window_or_stays_closed_when_it_is_too_late(
    now: str, day: str, fraction: float, back: str
) -> None:
    assert lifecycle.return_moment(AES, key(day), moment(now), fraction) == moment(back)


def test_a_seat_given_back_within_a_day_of_its_slot_stays_closed_even_with_a_short_notice() -> None:
    short = service(times={"notice_hours": 2})
    now = moment("2026-12-02T10:00+00:00")
    back = lifecycle.return_moment(short, key("2026-12-03"), now, 0.5)
    seat = Seat(key("2026-12-03"), back, past="h", past_state=State.CANCELLED)
    assert lifecycle.stays_closed(short, seat)
    assert lifecycle.return_moment(short, key("2026-12-04"), now, 1.0) == moment("2026-12-03T09:15+00:00")


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
def test_only_requests_and_holds_expire_and_only_after_their_time(
    state: State, late: timedelta, ended: State | None
) -> None:
    until = moment("2026-11-30T08:00+00:00")
    seat = Seat(key("2026-12-03"), until - timedelta(days=1), state, "h", until)
    assert lifecycle.expired_state(seat, until + late) is ended
