"""The schedule may be missed, late, doubled or at once: a seat opens when the clock says so, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from chalicelib import booking, errors, store, timetable, upkeep
from chalicelib.booking import Wish
from chalicelib.model import Service
from tests.conftest import MONDAY, document

WEEK = "2026-W51"
"""Opens on MONDAY."""


@pytest.fixture
def small(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Four seats a week."""
    hours = {"days": ["thursday"], "from": "10:00", "to": "10:10"}
    return store.put_service(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))


def offered(service: Service, now: datetime) -> int:
    """Seats of the week that a visitor may take now."""
    return len(timetable.free_seats(service, store.seats("aes", WEEK), now))


@pytest.mark.parametrize("fired", [-timedelta(days=6), -timedelta(hours=1), -timedelta(minutes=1)])
def test_seats_made_any_time_ahead_open_at_nine_and_not_a_moment_before(small: Service, fired: timedelta) -> None:
    upkeep.release(MONDAY + fired)
    assert offered(small, MONDAY - timedelta(milliseconds=1)) == 0
    assert offered(small, MONDAY) == 4


def test_a_schedule_that_fires_59_seconds_late_opens_nothing_late(small: Service) -> None:
    upkeep.release(MONDAY - timedelta(hours=1))
    assert offered(small, MONDAY) == 4
    assert upkeep.release(MONDAY + timedelta(seconds=59)).get("create") == 4  # the week after's
    assert offered(small, MONDAY + timedelta(seconds=59)) == 4


def test_a_schedule_that_was_missed_for_a_week_makes_the_seats_when_it_comes_back_and_they_are_open(
    small: Service,
) -> None:
    late = MONDAY + timedelta(days=1, hours=3)
    assert offered(small, late) == 0
    upkeep.release(late)
    assert offered(small, late) == 4
    assert {seat.opens_at for seat in store.seats("aes", WEEK)} == {MONDAY}


def test_a_schedule_that_fires_five_times_changes_nothing_after_the_first_and_takes_no_seat_from_anybody(
    small: Service,
) -> None:
    upkeep.release(MONDAY - timedelta(hours=1))
    kept = booking.place_hold(
        "aes", Wish(small.start_of(store.seats("aes", WEEK)[0].key), conditions_accepted=True), now=MONDAY
    )
    before = store.seats("aes", WEEK)
    upkeep.release(MONDAY)
    for second in range(4):
        assert upkeep.release(MONDAY + timedelta(seconds=second)) == {}
    assert store.seats("aes", WEEK) == before
    assert store.seat(kept.seat.key).hold == kept.seat.hold


@pytest.mark.usefixtures("one_call_at_a_time")
def test_five_that_fire_at_once_make_each_seat_once(small: Service) -> None:
    with ThreadPoolExecutor(5) as threads:
        made = list(threads.map(lambda _n: upkeep.release(MONDAY - timedelta(minutes=1))["create"], range(5)))
    assert sum(made) == 12
    assert len(store.seats("aes", WEEK)) == 4
    assert offered(small, MONDAY) == 4


def test_a_visitor_one_millisecond_early_is_told_the_moment(small: Service) -> None:
    upkeep.release(MONDAY - timedelta(hours=1))
    start = small.start_of(store.seats("aes", WEEK)[0].key)
    with pytest.raises(errors.NotOpenYet) as refused:
        booking.place_hold("aes", Wish(start, conditions_accepted=True), now=MONDAY - timedelta(milliseconds=1))
    assert refused.value.opens_at == MONDAY
