"""The schedule may be missed, late, doubled or at once: a seat opens when the clock says so, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from chalicelib.booking import holds, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import calendar, refusals
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store, service_store
from tests.conftest import MONDAY, document

WEEK = "2026-W51"
"""Opens on MONDAY."""


@pytest.fixture
def small(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Four seats a week."""
    hours = {"days": ["thursday"], "from": "10:00", "to": "10:10"}
    return service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))


def offered(service: Service, now: datetime) -> int:
    """Seats of the week that a visitor may take now."""
    return len(calendar.free_seats(service, seat_store.read_week("aes", WEEK), now))


@pytest.mark.parametrize("fired", [-timedelta(days=6), -timedelta(hours=1), -timedelta(minutes=1)])
def test_seats_made_any_time_ahead_open_at_nine_and_not_a_moment_before(small: Service, fired: timedelta) -> None:
    schedule.release_seats(MONDAY + fired)
    assert offered(small, MONDAY - timedelta(milliseconds=1)) == 0
    assert offered(small, MONDAY) == 4


def test_a_schedule_that_fires_59_seconds_late_opens_nothing_late(small: Service) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    assert offered(small, MONDAY) == 4
    assert schedule.release_seats(MONDAY + timedelta(seconds=59)).get("create") == 4  # the week after's
    assert offered(small, MONDAY + timedelta(seconds=59)) == 4


def test_a_schedule_that_was_missed_for_a_week_makes_the_seats_when_it_comes_back_and_they_are_open(
    small: Service,
) -> None:
    late = MONDAY + timedelta(days=1, hours=3)
    assert offered(small, late) == 0
    schedule.release_seats(late)
    assert offered(small, late) == 4
    assert {seat.opens_at for seat in seat_store.read_week("aes", WEEK)} == {MONDAY}


def test_a_schedule_that_fires_five_times_changes_nothing_after_the_first_and_takes_no_seat_from_anybody(
    small: Service,
) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    kept = holds.place(
        "aes", Wish(small.start_of(seat_store.read_week("aes", WEEK)[0].key), conditions_accepted=True), now=MONDAY
    )
    before = seat_store.read_week("aes", WEEK)
    schedule.release_seats(MONDAY)
    for second in range(4):
        assert schedule.release_seats(MONDAY + timedelta(seconds=second)) == {}
    assert seat_store.read_week("aes", WEEK) == before
    assert seat_store.read(kept.seat.key).hold == kept.seat.hold


@pytest.mark.usefixtures("one_call_at_a_time")
def test_five_that_fire_at_once_make_each_seat_once(small: Service) -> None:
    with ThreadPoolExecutor(5) as threads:
        made = list(threads.map(lambda _n: schedule.release_seats(MONDAY - timedelta(minutes=1))["create"], range(5)))
    assert sum(made) == 12
    assert len(seat_store.read_week("aes", WEEK)) == 4
    assert offered(small, MONDAY) == 4


def test_a_visitor_one_millisecond_early_is_told_the_moment(small: Service) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    start = small.start_of(seat_store.read_week("aes", WEEK)[0].key)
    with pytest.raises(refusals.NotOpenYet) as refused:
        holds.place("aes", Wish(start, conditions_accepted=True), now=MONDAY - timedelta(milliseconds=1))
    assert refused.value.opens_at == MONDAY
