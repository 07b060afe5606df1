"""The conditions of the writes on a seat."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest

from chalicelib.domain import refusals
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import items, seat_expressions, seat_store
from tests.unit.storage.seats import CHALLENGE, KEY, LATER, NOW, SECOND, TICK, WEEK, held, put, seat_item

pytestmark = pytest.mark.usefixtures("table")


def at_once(attempt: Callable[[int], bool]) -> list[bool]:
    """Return the results of eight threads that start at the same moment."""
    start = Barrier(8)

    def run(number: int) -> bool:
        start.wait()
        return attempt(number)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(run, range(8)))


@pytest.mark.parametrize("opens", [-SECOND, -TICK, timedelta(0), TICK, SECOND])
@pytest.mark.parametrize(
    ("state", "until"),
    [
        (State.OPEN, None),
        (State.HELD, timedelta(seconds=180)),
        (State.HELD, timedelta(0)),
        (State.HELD, -timedelta(seconds=5) + TICK),
        (State.HELD, -timedelta(seconds=5)),
        (State.HELD, -timedelta(seconds=5) - TICK),
        (State.PENDING, timedelta(days=2)),
        (State.PENDING, -timedelta(days=2)),
        (State.CONFIRMED, timedelta(days=2)),
        (State.CONFIRMED, -timedelta(days=2)),
    ],
)
def test_the_calendar_and_the_hold_agree_on_what_is_free(
    state: State, until: timedelta | None, opens: timedelta
) -> None:
    put(state, NOW + opens, until if until is None else NOW + until)
    over = state is State.HELD and until is not None and until < -timedelta(seconds=5)
    free = opens <= timedelta(0) and (state is State.OPEN or over)
    assert seat_store.read(KEY).is_free(NOW) is free
    assert seat_store.take(KEY, "h2", LATER, NOW) is free
    assert seat_store.read(KEY).hold == ("h2" if free else "" if state is State.OPEN else "h1")


def test_a_hold_on_a_seat_that_does_not_exist_fails_and_does_not_create_it() -> None:
    assert not seat_store.take(KEY, "h1", LATER, NOW)
    with pytest.raises(refusals.NotFound):
        seat_store.read(KEY)


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_concurrent_holds_on_a_seat_one_succeeds() -> None:
    put()
    took = at_once(lambda n: seat_store.take(KEY, f"h{n}", LATER, NOW))
    assert took.count(True) == 1
    assert seat_store.read(KEY).hold == f"h{took.index(True)}"


def test_a_new_hold_keeps_no_data_of_the_request_before() -> None:
    held(captcha_passed=True)
    seat_store.end_expired_hold(seat_store.read(KEY), LATER + timedelta(minutes=1))
    held(captcha_passed=True)
    assert seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    seat_store.end_request(seat_store.read(KEY), State.CANCELLED, NOW, NOW)
    assert seat_store.take(KEY, "h2", LATER, NOW)
    seat = Seat(KEY, NOW, State.HELD, "h2", LATER, holds_had=1, freed=1, first_at=NOW)
    assert seat_store.read(KEY) == seat


def test_creating_a_seat_again_changes_nothing() -> None:
    assert seat_store.create(KEY, NOW, LATER)
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not seat_store.create(KEY, LATER, LATER)
    assert (seat_store.read(KEY).hold, seat_store.read(KEY).opens_at) == ("h1", NOW)


def test_a_naive_datetime_is_refused_as_an_attribute_and_in_a_condition() -> None:
    with pytest.raises(ValueError, match="a naive datetime"):
        seat_item().opens_at = NOW.replace(tzinfo=None)
    with pytest.raises(ValueError, match="a naive datetime"):
        seat_store.take(KEY, "h1", LATER, NOW.replace(tzinfo=None))


def test_a_moment_is_stored_to_the_millisecond() -> None:
    for n in range(1000):
        moment = NOW.replace(microsecond=n * 1000)
        stored = items.SeatItem.until.serialize(moment)
        assert items.SeatItem.until.deserialize(stored) == moment


@pytest.mark.parametrize(
    ("hold", "now", "extensions", "extended"),
    [
        ("h1", LATER - TICK, 0, True),
        ("h1", LATER, 0, False),
        ("h2", NOW, 0, False),
        ("h1", NOW, 1, False),
    ],
)
def test_only_a_running_hold_is_extended_and_only_once_for_each_count(
    hold: str, now: datetime, extensions: int, *, extended: bool
) -> None:
    held()
    assert seat_store.extend(KEY, hold, LATER + SECOND, now, extensions=extensions) is extended
    assert seat_store.read(KEY).until == (LATER + SECOND if extended else LATER)


def test_each_extension_needs_the_count_of_those_before() -> None:
    held()
    assert [seat_store.extend(KEY, "h1", LATER, NOW, extensions=n) for n in (0, 0, 1)] == [True, False, True]
    assert seat_store.read(KEY).extensions == 2


@pytest.mark.parametrize(("hold", "now"), [("h2", NOW), ("h1", LATER)])
def test_neither_another_hold_nor_an_expired_one_answers_gives_back_or_files(hold: str, now: datetime) -> None:
    held(captcha_passed=True)
    before = seat_store.read(KEY)
    assert not seat_store.update(KEY, *seat_expressions.file_request(hold, "p1", LATER, now))
    assert not seat_store.give_back(KEY, hold, now)
    held()
    assert not seat_store.pass_captcha(KEY, hold, CHALLENGE, LATER, now, most=5)
    assert seat_store.count_wrong_answer(KEY, hold, CHALLENGE, now, most=5) is None
    assert replace(seat_store.read(KEY), captcha_passed=True) == before


def test_the_captcha_is_passed_once_and_resets_the_extensions() -> None:
    held()
    seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert seat_store.pass_captcha(KEY, "h1", CHALLENGE, LATER + SECOND, NOW, most=5)
    seat = seat_store.read(KEY)
    assert (seat.captcha_passed, seat.until, seat.extensions) == (True, LATER + SECOND, 0)
    assert not seat_store.pass_captcha(KEY, "h1", CHALLENGE + 1, LATER, NOW, most=5)
    assert seat_store.count_wrong_answer(KEY, "h1", CHALLENGE + 1, NOW, most=5) is None


def test_a_challenge_is_spent_after_its_last_try() -> None:
    held()
    assert [seat_store.count_wrong_answer(KEY, "h1", CHALLENGE, NOW, most=2) for _ in range(3)] == [1, 2, None]
    assert not seat_store.pass_captcha(KEY, "h1", CHALLENGE, LATER, NOW, most=2)
    assert seat_store.count_wrong_answer(KEY, "h1", CHALLENGE + 1, NOW, most=2) == 1
    assert seat_store.pass_captcha(KEY, "h1", CHALLENGE + 1, LATER, NOW, most=2)


def test_a_challenge_is_spent_once_a_newer_one_was_tried() -> None:
    held()
    assert seat_store.count_wrong_answer(KEY, "h1", CHALLENGE + 1, NOW, most=5) == 1
    assert seat_store.count_wrong_answer(KEY, "h1", CHALLENGE, NOW, most=5) is None
    assert not seat_store.pass_captcha(KEY, "h1", CHALLENGE, LATER, NOW, most=5)


def test_a_hold_is_not_filed_before_its_captcha_is_passed() -> None:
    held()
    assert not seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    assert seat_store.read(KEY).state is State.HELD


def test_a_filed_request_is_neither_given_back_nor_filed_nor_extended_as_a_hold() -> None:
    held(captcha_passed=True)
    assert seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    assert not seat_store.give_back(KEY, "h1", NOW)
    assert not seat_store.update(KEY, *seat_expressions.file_request("h1", "p2", LATER, NOW))
    assert not seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert (seat_store.read(KEY).state, seat_store.read(KEY).person) == (State.PENDING, "p1")


@pytest.mark.parametrize(("late", "ended"), [(timedelta(seconds=5), False), (timedelta(seconds=5) + TICK, True)])
def test_an_expired_hold_ends_when_another_visitor_could_take_the_seat(late: timedelta, *, ended: bool) -> None:
    held()
    assert seat_store.end_expired_hold(seat_store.read(KEY), LATER + late) is ended


def test_an_expired_hold_is_not_ended_if_it_was_replaced_or_filed_since_it_was_read() -> None:
    held()
    read = seat_store.read(KEY)
    over = LATER + timedelta(minutes=1)
    assert seat_store.take(KEY, "h2", over - timedelta(seconds=30), over - timedelta(seconds=40))
    assert not seat_store.end_expired_hold(read, over)
    put(State.PENDING, until=LATER)
    assert not seat_store.end_expired_hold(read, over)


@pytest.mark.parametrize(
    ("state", "hold", "now", "confirmed"),
    [
        (State.PENDING, "h1", LATER - TICK, True),
        (State.PENDING, "h1", LATER, False),
        (State.PENDING, "h2", NOW, False),
        (State.HELD, "h1", NOW, False),
        (State.CONFIRMED, "h1", NOW, False),
    ],
)
def test_only_a_pending_request_is_confirmed_and_only_in_time(
    state: State, hold: str, now: datetime, *, confirmed: bool
) -> None:
    put(state, until=LATER)
    assert seat_store.confirm(KEY, hold, now) is confirmed
    assert seat_store.read(KEY).state is (State.CONFIRMED if confirmed else state)


@pytest.mark.parametrize(
    ("state", "ended", "now", "done"),
    [
        (State.PENDING, State.CANCELLED, NOW, True),
        (State.CONFIRMED, State.CANCELLED, NOW, True),
        (State.CONFIRMED, State.CANCELLED, LATER + SECOND, True),
        (State.HELD, State.CANCELLED, NOW, False),
        (State.OPEN, State.CANCELLED, NOW, False),
        (State.PENDING, State.EXPIRED, LATER, False),
        (State.PENDING, State.EXPIRED, LATER + TICK, True),
        (State.CONFIRMED, State.EXPIRED, LATER + SECOND, False),
        (State.HELD, State.EXPIRED, LATER + SECOND, False),
    ],
)
def test_a_live_request_can_be_cancelled_and_a_late_pending_one_can_expire(
    state: State, ended: State, now: datetime, *, done: bool
) -> None:
    put(state, until=LATER)
    back = NOW + timedelta(hours=7)
    assert seat_store.end_request(Seat(KEY, NOW, hold="h1"), ended, back, now) is done
    seat = seat_store.read(KEY)
    if done:
        late = ended is State.EXPIRED
        assert seat == Seat(KEY, back, past="h1", past_state=ended, freed=int(not late), expired=int(late))
    else:
        assert (seat.state, seat.opens_at) == (state, NOW)


@pytest.mark.parametrize(
    ("state", "done"), [(State.PENDING, True), (State.CONFIRMED, False), (State.HELD, False), (State.OPEN, False)]
)
def test_only_a_pending_request_expires_early(state: State, *, done: bool) -> None:
    put(state, until=LATER)
    assert seat_store.end_request(Seat(KEY, NOW, hold="h1"), State.EXPIRED, LATER, NOW, early=True) is done
    assert seat_store.read(KEY).state is (State.OPEN if done else state)


def test_the_request_of_another_hold_is_not_ended() -> None:
    put(State.PENDING, until=LATER, hold="h2")
    assert not seat_store.end_request(Seat(KEY, NOW, hold="h1"), State.CANCELLED, NOW, NOW)
    assert seat_store.read(KEY).hold == "h2"


@pytest.mark.parametrize("state", [State.OPEN, State.HELD, State.PENDING, State.CONFIRMED, State.CLOSED])
def test_a_week_for_the_calendar_has_each_state(state: State) -> None:
    put(state, until=None if state is State.OPEN else LATER)
    (seat,) = seat_store.read_week_for_calendar("aes", WEEK)
    assert seat == Seat(KEY, NOW, state, until=None if state is State.OPEN else LATER)


def test_a_week_for_the_calendar_tells_seats_that_were_given_back_or_set_aside() -> None:
    item = seat_item()
    item.state, item.opens_at, item.past_state, item.reserve = State.OPEN, LATER, State.CANCELLED, "c1"
    item.save()
    (seat,) = seat_store.read_week_for_calendar("aes", WEEK)
    assert (seat.past_state, seat.reserve, seat.is_coming(NOW)) == (State.CANCELLED, "c1", False)
