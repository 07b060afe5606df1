"""Reads of a week through the process cache."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain import refusals
from chalicelib.domain.seat import SeatKey, State
from chalicelib.storage import recent, seat_store, service_items
from tests.conftest import calls, throttled
from tests.unit.storage.seats import KEY, LATER, NOW, SECOND, TICK, WEEK, held, put

pytestmark = pytest.mark.usefixtures("table")


def is_shown_free(milliseconds: int = 0) -> bool:
    """Read the week so long after `NOW`. Tell whether its first seat is free."""
    return seat_store.cached_week("aes", WEEK, NOW + milliseconds * TICK)[0].is_free(NOW)


def test_a_seat_that_was_taken_is_refused_from_the_cache_for_one_second() -> None:
    put()
    assert is_shown_free()
    assert seat_store.take(KEY, "h1", LATER, NOW + 500 * TICK)
    put()
    assert not is_shown_free(999)
    assert is_shown_free(1500)


def test_a_seat_that_was_lost_is_refused_from_the_cache() -> None:
    put()
    seat_store.cached_week("aes", WEEK, NOW)
    held()
    assert not seat_store.take(KEY, "h2", LATER, NOW)
    assert not is_shown_free(999)


def test_a_seat_taken_before_the_week_was_read_is_refused_for_one_second_too() -> None:
    put()
    assert seat_store.take(KEY, "h1", LATER, NOW + 900 * TICK)
    put()
    assert not is_shown_free(1000)
    assert is_shown_free(1900)


@pytest.mark.parametrize("other", [replace(KEY, start=KEY.start.replace(hour=9)), replace(KEY, unit=2)])
def test_a_lost_seat_that_the_cached_week_does_not_have_refuses_no_other_one(other: SeatKey) -> None:
    put()
    assert is_shown_free()
    assert not seat_store.take(other, "h1", LATER, NOW)
    assert is_shown_free()
    assert recent.SEATS.seat(other) is None


def test_repeated_tries_for_a_seat_do_not_keep_another_seat_refused() -> None:
    put()
    other = replace(KEY, unit=2)
    seat_store.create(other, NOW, LATER)
    seat_store.cached_week("aes", WEEK, NOW + 500 * TICK)
    for key, at in ((KEY, 0), (other, 100), (KEY, 600)):
        assert not seat_store.take(key, "h1", LATER, NOW - SECOND + at * TICK)
    seen = seat_store.cached_week("aes", WEEK, NOW + 100 * TICK)
    assert [seat.is_free(NOW) for seat in seen] == [False, True]


def test_a_seat_that_this_process_gave_back_is_free_at_once() -> None:
    put()
    seat_store.cached_week("aes", WEEK, NOW)
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not seat_store.give_back(KEY, "h2", NOW)
    assert not is_shown_free()
    assert seat_store.give_back(KEY, "h1", NOW)
    assert is_shown_free()


def test_a_week_is_read_again_after_a_second_and_when_the_clock_went_back() -> None:
    put(State.HELD, until=LATER)
    assert not is_shown_free()
    put()
    assert not is_shown_free(999)
    assert is_shown_free(1000)
    put(State.CONFIRMED, until=LATER)
    assert not is_shown_free()


@pytest.mark.parametrize(
    ("state", "opens", "seconds"),
    [
        (State.CONFIRMED, timedelta(0), 60),
        (State.PENDING, timedelta(0), 60),
        (State.CLOSED, timedelta(0), 60),
        (State.OPEN, timedelta(seconds=60) + TICK, 60),
        (State.OPEN, timedelta(seconds=60), 1),
        (State.OPEN, timedelta(0), 1),
        (State.HELD, timedelta(0), 1),
    ],
)
def test_a_week_without_a_seat_that_can_become_free_is_cached_for_a_minute(
    state: State, opens: timedelta, seconds: int
) -> None:
    put(state, opens_at=NOW + opens, until=LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    with calls() as operations:
        seat_store.cached_week("aes", WEEK, NOW + timedelta(seconds=seconds) - TICK)
        assert operations == []
        seat_store.cached_week("aes", WEEK, NOW + timedelta(seconds=seconds))
    assert operations == ["Query"]


def test_an_empty_week_is_read_again_after_a_second() -> None:
    assert seat_store.cached_week("aes", WEEK, NOW) == []
    put()
    assert is_shown_free(1000)


def test_a_week_with_one_free_seat_is_read_again_after_a_second() -> None:
    put(State.CONFIRMED, until=LATER)
    seat_store.create(replace(KEY, unit=2), NOW, LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    with calls() as operations:
        seat_store.cached_week("aes", WEEK, NOW + SECOND)
    assert operations == ["Query"]


def test_after_a_throttle_the_process_makes_no_call_for_a_tenth_of_a_second() -> None:
    with throttled() as operations:
        for after in (0, 99, 100):
            with pytest.raises(refusals.TooManyRequests):
                seat_store.take(KEY, "h1", LATER, NOW + after * TICK)
            with pytest.raises(refusals.TooManyRequests):
                seat_store.cached_week("aes", WEEK, NOW + after * TICK)
    assert operations == ["UpdateItem", "UpdateItem"]


def test_a_throttle_makes_only_its_service_busy_for_a_second() -> None:
    service_items.record_layout("other", None)
    with throttled() as operations:
        for service in ("aes", "other"):
            with pytest.raises(refusals.TooManyRequests):
                seat_store.cached_week(service, WEEK, NOW)
    assert operations == ["Query", "Query"]
    moments = [NOW + after * TICK for after in (-1, 0, 99, 100, 999, 1000)]
    assert [recent.SEATS.is_throttled("aes", at) for at in moments] == [False, True, True, False, False, False]
    assert [recent.SEATS.is_busy("aes", at) for at in moments] == [False, True, True, True, True, False]


def test_a_lost_seat_makes_a_service_busy_but_not_throttled() -> None:
    put()
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not recent.SEATS.is_busy("aes", NOW)
    assert not seat_store.take(KEY, "h2", LATER, NOW)
    assert recent.SEATS.is_busy("aes", NOW)
    assert not recent.SEATS.is_throttled("aes", NOW)


def test_a_seat_whose_hold_was_throttled_stays_free_in_the_cache() -> None:
    put()
    assert is_shown_free()
    with throttled(), pytest.raises(refusals.TooManyRequests):
        seat_store.take(KEY, "h1", LATER, NOW)
    assert is_shown_free()


def test_the_cache_holds_at_most_fifty_weeks() -> None:
    put(State.CONFIRMED, until=LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    put()
    for n in range(49):
        seat_store.cached_week("aes", f"week {n}", NOW)
    assert not is_shown_free()
    seat_store.cached_week("aes", "one more", NOW)
    assert is_shown_free()
