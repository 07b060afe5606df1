"""The conditions of every write, on a table that moto plays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier

import pytest
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain import refusals
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import items, person_store, recent, request_store, seat_expressions, seat_store, service_store
from tests.conftest import AWAY, calls, document, says, throttled

NOW = datetime(2026, 11, 30, 8, 0, 0, 123_000, tzinfo=UTC)
SECOND, TICK = timedelta(seconds=1), timedelta(milliseconds=1)
KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
LATER = NOW + timedelta(minutes=3)
WEEK = "2026-W49"
MADE = 1_780_000_000_000
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")

pytestmark = pytest.mark.usefixtures("table")


def row() -> items.SeatItem:
    return items.SeatItem("SEATS#aes#2026-W49", "2026-12-03T1015#001")


def put(state: State = State.OPEN, opens_at: datetime = NOW, until: datetime | None = None, hold: str = "h1") -> None:
    """Write a seat as it stands, past every condition."""
    item = row()
    item.state, item.opens_at, item.until = state, opens_at, until
    if state is not State.OPEN:
        item.hold = hold
    item.save()


def held(*, captcha_passed: bool = False) -> None:
    put(State.HELD, until=LATER)
    if captcha_passed:
        assert seat_store.pass_captcha(KEY, "h1", MADE, LATER, NOW, most=5)


def at_once(attempt: Callable[[int], bool]) -> list[bool]:
    """What eight threads get that all start at the same moment."""
    start = Barrier(8)

    def run(number: int) -> bool:
        start.wait()
        return attempt(number)

    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(run, range(8)))


# Is it free? Written twice: the model for the calendar, the condition for the hold


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


def test_a_seat_that_never_was_is_neither_taken_nor_made_by_taking_it() -> None:
    assert not seat_store.take(KEY, "h1", LATER, NOW)
    with pytest.raises(refusals.NotFound):
        seat_store.read(KEY)


@pytest.mark.usefixtures("one_call_at_a_time")
def test_eight_at_once_take_one_seat_and_one_has_it() -> None:
    put()
    took = at_once(lambda n: seat_store.take(KEY, f"h{n}", LATER, NOW))
    assert took.count(True) == 1
    assert seat_store.read(KEY).hold == f"h{took.index(True)}"


def test_a_seat_that_is_taken_again_carries_nothing_of_the_one_before() -> None:
    held(captcha_passed=True)
    seat_store.end_expired_hold(seat_store.read(KEY), LATER + timedelta(minutes=1))
    held(captcha_passed=True)
    assert seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    seat_store.end_request(seat_store.read(KEY), State.CANCELLED, NOW, NOW)
    assert seat_store.take(KEY, "h2", LATER, NOW)
    seat = Seat(KEY, NOW, State.HELD, "h2", LATER, holds_had=1, freed=1, first_at=NOW)
    assert seat_store.read(KEY) == seat


def test_a_seat_is_made_once_and_making_it_again_changes_nothing() -> None:
    assert seat_store.create(KEY, NOW, LATER)
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not seat_store.create(KEY, LATER, LATER)
    assert (seat_store.read(KEY).hold, seat_store.read(KEY).opens_at) == ("h1", NOW)


# Moments


def test_a_naive_moment_is_refused_when_it_is_assigned() -> None:
    with pytest.raises(ValueError, match="a naive datetime"):
        row().opens_at = datetime(2026, 12, 3, 10, 15)  # noqa: DTZ001  # the point of the test


def test_a_naive_clock_is_refused_by_a_condition() -> None:
    put()
    with pytest.raises(ValueError, match="a naive datetime"):
        seat_store.take(KEY, "h1", LATER, NOW.replace(tzinfo=None))


def test_a_moment_comes_back_to_the_millisecond() -> None:
    for n in range(1000):
        moment = NOW.replace(microsecond=n * 1000)
        kept = items.SeatItem.until.serialize(moment)
        assert items.SeatItem.until.deserialize(kept) == moment


# A hold


@pytest.mark.parametrize(
    ("hold", "now", "extensions", "given"),
    [
        ("h1", LATER - TICK, 0, True),
        ("h1", LATER, 0, False),
        ("h2", NOW, 0, False),
        ("h1", NOW, 1, False),
    ],
)
def test_a_period_is_added_to_a_running_hold_of_its_owner_as_often_as_it_says(
    hold: str,
    now: datetime,
    extensions: int,
    given: bool,  # noqa: FBT001  # an expected value
) -> None:
    held()
    assert seat_store.extend(KEY, hold, LATER + SECOND, now, extensions=extensions) is given
    assert seat_store.read(KEY).until == (LATER + SECOND if given else LATER)


def test_a_second_period_needs_the_count_of_the_first() -> None:
    held()
    assert seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert not seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert seat_store.extend(KEY, "h1", LATER, NOW, extensions=1)
    assert seat_store.read(KEY).extensions == 2


@pytest.mark.parametrize(("hold", "now"), [("h2", NOW), ("h1", LATER)])
def test_neither_another_hold_nor_one_that_ran_out_passes_misses_gives_back_or_files(hold: str, now: datetime) -> None:
    held(captcha_passed=True)
    before = seat_store.read(KEY)
    assert not seat_store.update(KEY, *seat_expressions.file_request(hold, "p1", LATER, now))
    assert not seat_store.give_back(KEY, hold, now)
    held()
    assert not seat_store.pass_captcha(KEY, hold, MADE, LATER, now, most=5)
    assert seat_store.count_wrong_answer(KEY, hold, MADE, now, most=5) is None
    assert replace(seat_store.read(KEY), captcha_passed=True) == before


def test_a_hold_passes_once_and_its_extensions_start_again() -> None:
    held()
    seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert seat_store.pass_captcha(KEY, "h1", MADE, LATER + SECOND, NOW, most=5)
    seat = seat_store.read(KEY)
    assert (seat.captcha_passed, seat.until, seat.extensions) == (True, LATER + SECOND, 0)
    assert not seat_store.pass_captcha(KEY, "h1", MADE + 1, LATER, NOW, most=5)
    assert seat_store.count_wrong_answer(KEY, "h1", MADE + 1, NOW, most=5) is None


def test_misses_are_counted_to_the_most_and_then_neither_a_miss_nor_a_pass_counts() -> None:
    held()
    assert [seat_store.count_wrong_answer(KEY, "h1", MADE, NOW, most=2) for _ in range(3)] == [1, 2, None]
    assert not seat_store.pass_captcha(KEY, "h1", MADE, LATER, NOW, most=2)
    assert seat_store.count_wrong_answer(KEY, "h1", MADE + 1, NOW, most=2) == 1
    assert seat_store.pass_captcha(KEY, "h1", MADE + 1, LATER, NOW, most=2)


def test_an_older_challenge_neither_misses_nor_passes_once_a_newer_one_was_tried() -> None:
    held()
    assert seat_store.count_wrong_answer(KEY, "h1", MADE + 1, NOW, most=5) == 1
    assert seat_store.count_wrong_answer(KEY, "h1", MADE, NOW, most=5) is None
    assert not seat_store.pass_captcha(KEY, "h1", MADE, LATER, NOW, most=5)


def test_a_hold_is_not_filed_before_it_has_passed() -> None:
    held()
    assert not seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    assert seat_store.read(KEY).state is State.HELD


def test_a_request_is_not_given_back_as_a_hold_nor_filed_again() -> None:
    held(captcha_passed=True)
    assert seat_store.update(KEY, *seat_expressions.file_request("h1", "p1", LATER, NOW))
    assert not seat_store.give_back(KEY, "h1", NOW)
    assert not seat_store.update(KEY, *seat_expressions.file_request("h1", "p2", LATER, NOW))
    assert not seat_store.extend(KEY, "h1", LATER, NOW, extensions=0)
    assert (seat_store.read(KEY).state, seat_store.read(KEY).person) == (State.PENDING, "p1")


@pytest.mark.parametrize(("late", "ended"), [(timedelta(seconds=5), False), (timedelta(seconds=5) + TICK, True)])
def test_the_clock_ends_a_hold_once_it_could_be_given_to_another(
    late: timedelta,
    ended: bool,  # noqa: FBT001  # an expected value
) -> None:
    held()
    assert seat_store.end_expired_hold(seat_store.read(KEY), LATER + late) is ended


def test_the_clock_does_not_end_a_hold_that_was_taken_over_or_filed_since_it_was_read() -> None:
    held()
    read = seat_store.read(KEY)
    over = LATER + timedelta(minutes=1)
    assert seat_store.take(KEY, "h2", over - timedelta(seconds=30), over - timedelta(seconds=40))
    assert not seat_store.end_expired_hold(read, over)
    put(State.PENDING, until=LATER)
    assert not seat_store.end_expired_hold(read, over)


# A request


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
def test_only_its_own_pending_request_is_confirmed_and_only_in_time(
    state: State,
    hold: str,
    now: datetime,
    confirmed: bool,  # noqa: FBT001  # an expected value
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
def test_a_person_ends_a_live_request_and_the_clock_only_one_that_was_not_confirmed_in_time(
    state: State,
    ended: State,
    now: datetime,
    done: bool,  # noqa: FBT001  # an expected value
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
def test_one_that_nobody_can_confirm_expires_early_and_nothing_else_does(
    state: State,
    done: bool,  # noqa: FBT001  # an expected value
) -> None:
    put(state, until=LATER)
    assert seat_store.end_request(Seat(KEY, NOW, hold="h1"), State.EXPIRED, LATER, NOW, early=True) is done
    assert seat_store.read(KEY).state is (State.OPEN if done else state)


def test_a_request_that_moved_to_another_hold_is_not_ended() -> None:
    put(State.PENDING, until=LATER, hold="h2")
    assert not seat_store.end_request(Seat(KEY, NOW, hold="h1"), State.CANCELLED, NOW, NOW)
    assert seat_store.read(KEY).hold == "h2"


# What is remembered


def test_a_seat_seen_taken_is_refused_from_memory_for_one_second_and_never_granted_from_it() -> None:
    put()
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)
    assert seat_store.take(KEY, "h1", LATER, NOW + 500 * TICK)
    put()
    assert not seat_store.cached_week("aes", WEEK, NOW + 999 * TICK)[0].is_free(NOW)
    assert seat_store.cached_week("aes", WEEK, NOW + 1500 * TICK)[0].is_free(NOW)


def test_a_seat_found_taken_is_refused_from_memory_too() -> None:
    put()
    seat_store.cached_week("aes", WEEK, NOW)
    held()
    assert not seat_store.take(KEY, "h2", LATER, NOW)
    assert not seat_store.cached_week("aes", WEEK, NOW + 999 * TICK)[0].is_free(NOW)


def test_a_seat_is_not_refused_from_memory_longer_than_a_second_after_it_was_seen_taken() -> None:
    put()
    assert seat_store.take(KEY, "h1", LATER, NOW + 900 * TICK)
    put()
    assert not seat_store.cached_week("aes", WEEK, NOW + SECOND)[0].is_free(NOW)
    assert seat_store.cached_week("aes", WEEK, NOW + 1900 * TICK)[0].is_free(NOW)


def test_a_seat_asked_for_again_and_again_keeps_no_other_in_memory() -> None:
    put()
    other = replace(KEY, unit=2)
    seat_store.create(other, NOW, LATER)
    seat_store.cached_week("aes", WEEK, NOW + 500 * TICK)
    for key, at in ((KEY, 0), (other, 100), (KEY, 600)):
        assert not seat_store.take(key, "h1", LATER, NOW - SECOND + at * TICK)
    seen = seat_store.cached_week("aes", WEEK, NOW + 100 * TICK)
    assert [seat.is_free(NOW) for seat in seen] == [False, True]


def test_a_seat_that_is_given_back_is_seen_free_at_once_and_not_if_it_was_another_s() -> None:
    put()
    seat_store.cached_week("aes", WEEK, NOW)
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not seat_store.give_back(KEY, "h2", NOW)
    assert not seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)
    assert seat_store.give_back(KEY, "h1", NOW)
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)


def test_a_week_is_read_again_after_a_second_and_when_the_clock_went_back() -> None:
    put(State.HELD, until=LATER)
    assert not seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)
    put()
    assert not seat_store.cached_week("aes", WEEK, NOW + 999 * TICK)[0].is_free(NOW)
    assert seat_store.cached_week("aes", WEEK, NOW + SECOND)[0].is_free(NOW)
    put(State.CONFIRMED, until=LATER)
    assert not seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)


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
def test_a_week_in_which_nobody_can_have_a_seat_within_a_minute_is_remembered_for_a_minute(
    state: State, opens: timedelta, seconds: int
) -> None:
    put(state, opens_at=NOW + opens, until=LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    with calls() as asked:
        seat_store.cached_week("aes", WEEK, NOW + timedelta(seconds=seconds) - TICK)
        assert asked == []
        seat_store.cached_week("aes", WEEK, NOW + timedelta(seconds=seconds))
    assert asked == ["Query"]


def test_a_week_without_a_seat_is_read_again_after_a_second() -> None:
    assert seat_store.cached_week("aes", WEEK, NOW) == []
    put()
    assert seat_store.cached_week("aes", WEEK, NOW + SECOND)[0].is_free(NOW)


def test_one_free_seat_of_many_is_enough_for_a_week_to_be_read_each_second() -> None:
    put(State.CONFIRMED, until=LATER)
    seat_store.create(replace(KEY, unit=2), NOW, LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    with calls() as asked:
        seat_store.cached_week("aes", WEEK, NOW + SECOND)
    assert asked == ["Query"]


def test_a_place_that_is_given_back_is_forgotten_as_taken() -> None:
    put()
    seat_store.take(KEY, "h1", LATER, NOW)
    assert seat_store.give_back(KEY, "h1", NOW)
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)


def test_a_table_that_throttles_is_not_asked_again_for_a_tenth_of_a_second() -> None:
    with throttled() as asked:
        for after in (0, 99, 100):
            with pytest.raises(refusals.TooManyRequests):
                seat_store.take(KEY, "h1", LATER, NOW + after * TICK)
            with pytest.raises(refusals.TooManyRequests):
                seat_store.cached_week("aes", WEEK, NOW + after * TICK)
    assert asked == ["UpdateItem", "UpdateItem"]


def test_a_throttle_of_one_service_is_remembered_for_a_second_and_keeps_nobody_from_another() -> None:
    with throttled() as asked:
        for service in ("aes", "other"):
            with pytest.raises(refusals.TooManyRequests):
                seat_store.cached_week(service, WEEK, NOW)
    assert asked == ["Query", "Query"]
    moments = [NOW + after * TICK for after in (-1, 0, 99, 100, 999, 1000)]
    assert [recent.is_throttled("aes", at) for at in moments] == [False, True, True, False, False, False]
    assert [recent.is_busy("aes", at) for at in moments] == [False, True, True, True, True, False]


def test_somebody_who_was_faster_makes_a_service_busy_and_nobody_waits_for_that() -> None:
    put()
    assert seat_store.take(KEY, "h1", LATER, NOW)
    assert not recent.is_busy("aes", NOW)
    assert not seat_store.take(KEY, "h2", LATER, NOW)
    assert recent.is_busy("aes", NOW)
    assert not recent.is_throttled("aes", NOW)


def test_a_seat_whose_hold_was_throttled_does_not_look_taken() -> None:
    put()
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)
    with throttled(), pytest.raises(refusals.TooManyRequests):
        seat_store.take(KEY, "h1", LATER, NOW)
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)


def test_memory_holds_fifty_weeks_and_no_more() -> None:
    put(State.CONFIRMED, until=LATER)
    seat_store.cached_week("aes", WEEK, NOW)
    put()
    for n in range(49):
        seat_store.cached_week("aes", f"week {n}", NOW)
    assert not seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)
    seat_store.cached_week("aes", "one more", NOW)
    assert seat_store.cached_week("aes", WEEK, NOW)[0].is_free(NOW)


def test_a_service_is_remembered_for_a_minute_and_putting_one_forgets() -> None:
    service_store.put(document())
    service_store.read_all(NOW)
    items.ServiceItem("SERVICES", "aes", document=document(office="Une autre")).save()
    assert service_store.read("aes", NOW + timedelta(seconds=59)).office == "Préfecture de l’Exemple"
    assert service_store.read("aes", NOW + timedelta(seconds=60)).office == "Une autre"
    service_store.put(document(office="Une troisième"))
    assert service_store.read("aes", NOW + timedelta(seconds=60)).office == "Une troisième"


def test_a_service_that_is_not_there_is_not_found() -> None:
    service_store.put(document())
    with pytest.raises(refusals.NotFound):
        service_store.read("nope", NOW)


# Person items and locks


def person(hold: str = "h1", key: str = "p1") -> Person:
    return Person(key, "aes", KEY, hold, AWA, "AES-22222-22222", NOW)


def file() -> None:
    """File the request of `person()` on KEY, with its locks."""
    held(captcha_passed=True)
    assert request_store.file(person(), "a1", LATER, now=NOW, erase_at=LATER, counts=lambda *_: True)


@pytest.mark.parametrize(
    ("state", "hold", "late", "carries", "holds"),
    [
        (State.HELD, "h1", -TICK, False, True),
        (State.HELD, "h1", timedelta(0), False, False),
        (State.HELD, "h2", -SECOND, False, False),
        (State.PENDING, "h1", -TICK, True, True),
        (State.PENDING, "h1", timedelta(days=9), True, False),
        (State.PENDING, "h2", -SECOND, False, False),
        (State.CONFIRMED, "h1", timedelta(days=9), True, True),
        (State.CONFIRMED, "h2", -SECOND, False, False),
        (State.OPEN, "h1", -SECOND, False, False),
    ],
)
def test_a_seat_carries_its_own_live_request_and_a_hold_goes_on_until_its_time(
    state: State,
    hold: str,
    late: timedelta,
    carries: bool,  # noqa: FBT001  # expected values
    holds: bool,  # noqa: FBT001  # expected values
) -> None:
    seat = Seat(KEY, NOW, state, "h1", LATER, person="p")
    assert (seat.carries(hold, "p"), seat.holds(hold, LATER + late)) == (carries, holds)
    assert not seat.carries(hold, "another")


def test_a_letter_is_marked_on_the_request_it_belongs_to_and_no_other() -> None:
    file()
    assert person_store.mark_sent(person(), "confirm")
    assert not person_store.mark_sent(person("h2"), "convocation")
    found = person_store.read("p1", "aes")
    assert found is not None
    assert found.sent == {"confirm"}


def test_a_mark_does_not_make_a_person_that_is_gone() -> None:
    assert not person_store.mark_sent(person(), "confirm")
    assert person_store.read("p1", "aes") is None


@pytest.mark.parametrize(
    ("reference", "after", "noted"),
    [
        ("AES-22222-22222", timedelta(minutes=2) + TICK, True),
        ("AES-22222-22222", timedelta(minutes=2), False),
        ("AES-33333-33333", timedelta(minutes=3), False),
    ],
)
def test_a_wish_for_a_link_needs_its_reference_and_a_pause_since_the_last(
    reference: str,
    after: timedelta,
    noted: bool,  # noqa: FBT001  # an expected value
) -> None:
    file()
    pause = timedelta(minutes=2)
    assert person_store.ask_link("a1", "aes", "AES-22222-22222", NOW, pause=pause)
    assert person_store.ask_link("a1", "aes", reference, NOW + after, pause=pause) is noted


def test_a_wish_for_a_link_of_an_unknown_address_makes_nothing() -> None:
    assert not person_store.ask_link("a1", "aes", "AES-22222-22222", NOW, pause=timedelta(0))
    assert list(items.LockItem.query("EMAIL#a1")) == []


# The table throttles, is away, or says what nobody expected


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (says("ProvisionedThroughputExceededException"), refusals.TooManyRequests),
        (says("ThrottlingException"), refusals.TooManyRequests),
        (says("RequestLimitExceeded"), refusals.TooManyRequests),
        (says("InternalServerError"), refusals.Unavailable),
        (says("ServiceUnavailable"), refusals.Unavailable),
        (AWAY, refusals.Unavailable),
        (says("AccessDeniedException"), PynamoDBException),
        (says("ResourceNotFoundException"), PynamoDBException),
    ],
    ids=str,
)
def test_what_the_table_says_is_translated_by_code_and_the_unknown_rises_untouched(
    error: Exception, told: type[Exception]
) -> None:
    for call in (
        lambda: seat_store.take(KEY, "h1", LATER, NOW),
        lambda: seat_store.read(KEY),
        lambda: seat_store.read_week("aes", WEEK),
        lambda: seat_store.create(KEY, NOW, LATER),
    ):
        with calls(error), pytest.raises(told):
            call()


# What a calendar reads


@pytest.mark.parametrize("state", [State.OPEN, State.HELD, State.PENDING, State.CONFIRMED, State.CLOSED])
def test_a_calendar_is_shown_a_seat_as_it_is(state: State) -> None:
    put(state, until=None if state is State.OPEN else LATER)
    (shown,) = seat_store.read_week_shown("aes", WEEK)
    assert shown == Seat(KEY, NOW, state, until=None if state is State.OPEN else LATER)


def test_a_calendar_is_shown_that_a_seat_waits_to_return_or_is_set_aside() -> None:
    item = row()
    item.state, item.opens_at, item.past_state, item.reserve = State.OPEN, LATER, State.CANCELLED, "c1"
    item.save()
    (shown,) = seat_store.read_week_shown("aes", WEEK)
    assert (shown.past_state, shown.reserve, shown.is_coming(NOW)) == (State.CANCELLED, "c1", False)
