"""In a crowd the seat is taken after the captcha: what a waiting hold is, what it gets, and what it never gets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from threading import Thread
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.booking import availability, captcha, holds, requests
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.hold import Held, Hold
from chalicelib.booking.holds import Wish
from chalicelib.domain import codec, refusals, timetable, tokens
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import (
    counter_items,
    dynamodb,
    items,
    recent,
    seat_keys,
    seat_store,
    service_store,
    waiting_store,
)
from chalicelib.storage.waiting_store import Tries
from tests.conftest import MONDAY, calls, client_error, document, fill
from tests.unit.booking.steps import AWA, send_details

pytestmark = pytest.mark.slow

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW = MONDAY + SECOND
QUIET = MONDAY + timedelta(hours=3)
FIRST = Wish(None, conditions_accepted=True)
HERE = "192.0.2.7"


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """The small service without `seat_after` in its file. Its seats are created before they open."""
    plain = document()
    del plain["seat_after"]
    put = service_store.put(plain)
    fill(put, MONDAY - MINUTE)
    return put


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six holds an hour for each client network, two of them with the whole time to confirm."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "6")
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


def moment(service: Service, start: str) -> datetime:
    return datetime.fromisoformat(start).replace(tzinfo=service.zone)


def at(service: Service, start: str) -> Wish:
    return Wish(moment(service, start), conditions_accepted=True)


def hold(wish: Wish = FIRST, now: datetime = NOW, visitor_token: str = "") -> Hold:
    return holds.place("aes", wish, now=now, visitor_token=visitor_token, ip_address=HERE)


def new_challenge(placed: Hold, now: datetime = NOW) -> Challenge:
    return captcha.new_challenge(placed.id, now)


def answer(placed: Hold, challenge: Challenge, now: datetime = NOW, visitor_token: str = "") -> Held:
    passed = captcha.answer(
        placed.id, challenge.id, challenge.picture, now=now, visitor_token=visitor_token, ip_address=HERE
    )
    assert isinstance(passed, Held)
    return passed


def solve(placed: Hold, now: datetime = NOW, visitor_token: str = "") -> Held:
    return answer(placed, new_challenge(placed, now), now, visitor_token)


def token(now: datetime = NOW) -> str:
    return keys().visitor_token(now)


def shown(placed: Hold) -> tuple[object, ...]:
    """Return what a visitor learns of a hold."""
    return placed.id, placed.key, placed.captcha_passed, placed.until, placed.can_extend, placed.left, placed.instead_of


def taken_seats(now: datetime = NOW) -> list[Seat]:
    """Return the seats that are not open, as stored."""
    weeks = timetable.weeks_to_create(service_store.read("aes", now), now)
    return [seat for week in weeks for seat in seat_store.read_week("aes", week) if seat.state is not State.OPEN]


def lose(key: SeatKey, now: datetime = NOW) -> None:
    """Let another process take this seat. The cache of this one does not know yet."""
    row = seat_keys.seat_item(key)
    row.refresh()
    row.state, row.hold, row.until = State.HELD, "other", now + timedelta(hours=1)
    row.save()


def lose_all_but(service: Service, left: set[str], now: datetime = NOW) -> None:
    """Let other visitors take all seats of the open weeks but those that start at these times."""
    for week in timetable.open_weeks(service, now):
        for seat in seat_store.read_week("aes", week):
            if f"{service.start_of(seat.key):%d %H:%M}" not in left:
                lose(seat.key, now)
    recent.SEATS.clear()


# The crowd by the clock


@pytest.mark.parametrize(
    ("now", "crowded"),
    [
        (MONDAY - MINUTE - timedelta(milliseconds=1), False),
        (MONDAY - MINUTE, True),
        (MONDAY, True),
        (MONDAY + 15 * MINUTE - timedelta(milliseconds=1), True),
        (MONDAY + 15 * MINUTE, False),
    ],
)
def test_from_one_minute_before_a_release_to_fifteen_minutes_after_it_a_free_seat_is_not_held_before_the_captcha(
    service: Service, now: datetime, *, crowded: bool
) -> None:
    placed = hold(at(service, "2026-12-03T10:15"), now)  # its week opened a week before
    assert placed.has_seat is not crowded
    assert len(taken_seats(now)) == (not crowded)


def test_a_freed_seat_that_opened_within_fifteen_minutes_is_not_held_before_the_captcha(service: Service) -> None:
    freed, start = at(service, "2026-12-03T10:15"), moment(service, "2026-12-03T10:15")
    for unit in (1, 2):
        row = seat_keys.seat_item(SeatKey(start.date(), start.time(), unit, "aes"))
        row.update([items.SeatItem.opens_at.set(QUIET)])
    assert not hold(freed, QUIET).has_seat
    assert not hold(freed, QUIET + 15 * MINUTE - SECOND).has_seat
    assert taken_seats(QUIET) == []
    assert hold(at(service, "2026-12-03T10:20"), QUIET).has_seat
    assert hold(freed, QUIET + 15 * MINUTE).has_seat


@pytest.mark.parametrize(("rule", "has_seat"), [("captcha", [False, False]), ("choice", [True, True])])
def test_a_service_file_can_ask_for_the_captcha_first_always_or_never(
    service: Service, rule: str, has_seat: list[bool]
) -> None:
    service_store.put(document(seat_after=rule))
    assert [hold(at(service, "2026-12-03T10:15"), now).has_seat for now in (NOW, QUIET)] == has_seat
    assert hold(at(service, "2026-12-15T09:15")).has_seat is has_seat[0]  # it opened a second ago


def test_a_service_file_with_another_word_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="the rest: ValueError"):
        codec.service_from_document(document(seat_after="never"))


@pytest.mark.usefixtures("service")
def test_a_waiting_hold_writes_nothing_and_reads_no_more_than_a_refusal() -> None:
    service_store.read_all(NOW)
    with calls() as first:
        hold()
    with calls() as second:
        assert not hold(visitor_token=token()).has_seat
    assert (set(first), second) == ({"Query"}, [])


@pytest.mark.slow
def test_in_a_crowd_a_slot_is_refused_from_the_cache_as_ever(service: Service) -> None:
    with pytest.raises(refusals.NotOpenYet):
        hold(at(service, "2026-12-15T09:15"), MONDAY - SECOND)
    lose_all_but(service, {"03 10:20"})
    with pytest.raises(refusals.SlotTaken):
        hold(at(service, "2026-12-03T10:15"))
    lose_all_but(service, set())
    with pytest.raises(refusals.NothingFree):
        hold()


# The time of a waiting hold


@pytest.mark.usefixtures("service")
def test_a_waiting_hold_ends_after_the_time_of_a_hold_and_of_the_form_whatever_is_done_with_it() -> None:
    placed = hold()
    end = NOW + 18 * MINUTE
    assert (placed.until, placed.left, placed.can_extend) == (end, 1080, False)
    assert holds.extend(placed.id, end - SECOND).until == end
    late = new_challenge(placed, end - SECOND)
    steps: list[Callable[[datetime], object]] = [
        lambda now: holds.view(placed.id, now),
        lambda now: captcha.new_challenge(placed.id, now),
        lambda now: holds.extend(placed.id, now),
        lambda now: holds.view_ready(placed.id, now),
        lambda now: answer(placed, late, now),
    ]
    with pytest.raises(refusals.CaptchaRequired):
        steps[3](end - SECOND)
    for step in steps:
        with pytest.raises(refusals.HoldExpired):
            step(end)
    assert taken_seats(end) == []


@pytest.mark.usefixtures("service")
def test_the_end_of_a_waiting_hold_cannot_be_written_anew() -> None:
    placed = hold()
    ref, _, rest = placed.id.rpartition(".")
    ends = (NOW + timedelta(days=1), NOW + 18 * MINUTE + timedelta(milliseconds=1))
    for forged in [f"{rest[:52]}{round(end.timestamp() * 1000):011x}{rest[63:]}" for end in ends]:
        with pytest.raises(refusals.NotFound):
            holds.view(f"{ref}.{forged}", NOW)
    with pytest.raises(refusals.NotFound):
        holds.view(f"{ref}.{rest[:52]}{rest[63:]}", NOW)


def test_after_the_captcha_a_slot_that_is_no_longer_offered_is_replaced(service: Service) -> None:
    tuesday = MONDAY + timedelta(days=1)
    near = moment(service, "2026-12-03T10:15")
    release = near - timedelta(hours=49, minutes=10)
    rule = {"weeks_ahead": 2, "moments": [{"day": f"{tuesday:%A}".lower(), "at": f"{release:%H:%M}"}]}
    changed = service_store.put(document(release=rule, seat_after="crowd"))
    placed = hold(at(service, "2026-12-03T10:15"), release)
    assert not placed.has_seat
    passed = solve(placed, release + 11 * MINUTE)
    assert (passed.start, passed.instead_of) == (changed.start_of(passed.key), near)
    assert passed.start - (release + 11 * MINUTE) >= timedelta(hours=49)


@pytest.mark.slow
def test_after_the_captcha_a_visitor_gets_nothing_when_nothing_is_offered_any_more(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    lose_all_but(service, {"01 10:15"})  # free, and too near
    with pytest.raises(refusals.NothingFree) as refusal:
        solve(placed)
    assert str(refusal.value.next_release) == "2026-12-07 09:00:00+01:00"


# The seat after the captcha


def test_the_right_answer_takes_the_chosen_seat_for_the_time_of_the_form(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    passed = solve(placed)
    assert passed.key == placed.key
    assert (passed.has_seat, passed.captcha_passed, passed.until) == (True, True, NOW + 15 * MINUTE)
    assert (passed.instead_of, passed.brief) == (None, False)
    assert [seat.key for seat in taken_seats()] == [passed.key]
    assert shown(holds.view(passed.id, NOW)) == shown(passed)


def test_a_visitor_who_lost_the_slot_gets_the_nearest_free_seat_and_learns_which_one_it_replaces(
    service: Service,
) -> None:
    wish = at(service, "2026-12-03T10:15")
    placed = hold(wish)
    lose_all_but(service, {"03 09:50", "03 10:30", "10 10:15", "03 10:25"})
    passed = solve(placed)
    assert (f"{passed.start:%d %H:%M}", passed.instead_of) == ("03 10:25", wish.start)
    assert passed.id != placed.id
    assert [(seat.key, seat.wished) for seat in taken_seats() if seat.hold != "other"] == [(passed.key, wish.start)]


class Draw(Random):
    """A random source that always chooses the item at one index."""

    def __init__(self, at: int) -> None:
        super().__init__(0)
        self.at = at

    def choice(self, seq: Any) -> Any:
        return seq[self.at]


@pytest.mark.slow
def test_a_visitor_who_lost_the_first_free_slot_gets_one_of_the_earliest(service: Service) -> None:
    for wish, gets in ((FIRST, "03 09:15"), (at(service, "2026-12-03T10:25"), "03 10:20")):
        placed = holds.place("aes", wish, now=NOW, rng=Draw(-1))
        assert f"{placed.start:%d %H:%M}" == "03 10:25"  # waiting visitors choose from the whole week
        lose_all_but(service, {"03 09:15", "03 10:20"})
        challenge = new_challenge(placed)
        passed = captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW, rng=Draw(0))
        assert (f"{passed.start:%d %H:%M}", passed.instead_of) == (gets, placed.start)
        for key in timetable.planned_seats(service, "2026-W49"):
            seat_store.update(key, [items.SeatItem.state.set(State.OPEN)], items.SeatItem.pk.exists())
        recent.SEATS.clear()


def test_another_desk_of_the_same_slot_is_no_other_slot(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    lose(placed.key)
    passed = solve(placed)
    assert (passed.start, passed.instead_of) == (placed.start, None)
    assert passed.key != placed.key


def test_seats_that_only_the_cache_shows_are_lost_to_one_near_them_without_a_second_captcha(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    challenge = new_challenge(placed)
    for unit in (1, 2):
        lose(replace(placed.key, unit=unit))
    passed = answer(placed, challenge)
    assert abs(passed.start - placed.start) <= 15 * MINUTE  # ten seats, two a slot
    assert passed.instead_of == placed.start


@pytest.mark.slow
def test_a_visitor_who_loses_every_seat_may_send_the_same_answer_again(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    challenge = new_challenge(placed)
    availability.week_calendar("aes", "2026-W49", NOW)
    for week in timetable.open_weeks(service, NOW):
        for seat in seat_store.read_week("aes", week):
            lose(seat.key)
    with calls(operation="UpdateItem") as writes, pytest.raises(refusals.SlotTaken):
        answer(placed, challenge)
    assert len(writes) == 1 + 3 + 2 + 1  # the answer, three seats, two assignments, and the answer reopened
    assert holds.view(placed.id, NOW).has_seat is False
    seat_store.update(placed.key, [items.SeatItem.state.set(State.OPEN)], items.SeatItem.pk.exists())
    assert answer(placed, challenge, NOW + 2 * SECOND).key == placed.key


@pytest.mark.slow
def test_when_nothing_is_free_the_right_answer_writes_nothing(service: Service) -> None:
    placed = hold()
    challenge = new_challenge(placed)
    lose_all_but(service, set())
    with calls() as names, pytest.raises(refusals.NothingFree) as refusal:
        answer(placed, challenge)
    assert "UpdateItem" not in names
    assert str(refusal.value.next_release) == "2026-12-07 09:00:00+01:00"


def test_when_the_table_throttles_the_seat_the_same_answer_is_good_again(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    challenge = new_challenge(placed)
    throttled: list[str] = []

    def throttle(model: object, params: dict[str, bytes], **_: object) -> None:
        if b"SEATS#" in params["body"] and b"UpdateExpression" in params["body"]:
            throttled.append(str(model))
            raise client_error("ThrottlingException")

    events = dynamodb.connection().connection.client.meta.events
    events.register_first("before-call.dynamodb.UpdateItem", throttle)
    try:
        with pytest.raises(refusals.TooManyRequests):
            answer(placed, challenge)
    finally:
        events.unregister("before-call.dynamodb.UpdateItem", throttle)
    assert len(throttled) == 1
    with calls(operation="UpdateItem") as written, pytest.raises(refusals.TooManyRequests):  # from the cache
        answer(placed, challenge, NOW + SECOND / 20)
    assert written == []
    assert answer(placed, challenge, NOW + SECOND).key == placed.key


# The old id


@pytest.mark.slow
def test_the_old_id_leads_to_the_new_seat_at_every_step(service: Service) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    lose_all_but(service, {"03 10:25"})
    passed = solve(placed)
    assert shown(holds.view(placed.id, NOW)) == shown(passed) == shown(holds.view_ready(placed.id, NOW))
    assert holds.extend(placed.id, NOW).until == NOW + 30 * MINUTE
    request = send_details(placed.id, AWA, now=NOW)
    assert (request.seat.key, request.state) == (passed.key, State.PENDING)
    assert request.confirm_before == NOW + timedelta(minutes=2880)
    assert holds.view(placed.id, NOW + timedelta(hours=2)).state is State.PENDING
    with pytest.raises(refusals.AlreadyRequested):
        holds.end(placed.id, NOW)
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED


@pytest.mark.parametrize("old", [True, False], ids=["by the old id", "by the new id"])
def test_the_seat_can_be_given_back_by_either_id_and_both_are_over_then(service: Service, *, old: bool) -> None:
    placed = hold(at(service, "2026-12-03T10:15"))
    lose(placed.key)
    passed = solve(placed)
    holds.end(placed.id if old else passed.id, NOW)
    assert seat_store.read(passed.key).state is State.OPEN
    for over in (placed.id, passed.id):
        with pytest.raises(refusals.HoldExpired):
            holds.view(over, NOW + 10 * SECOND)


@pytest.mark.usefixtures("service")
def test_to_end_a_waiting_hold_changes_nothing_and_is_no_refusal() -> None:
    placed = hold()
    with calls(operation="UpdateItem") as written:
        assert holds.end(placed.id, NOW).id == "aes"
    assert written == []


def test_a_waiting_item_lives_as_long_as_its_hold_can_last() -> None:
    limits = codec.service_from_document(document(times={"hold_seconds": 600, "form_seconds": 3000})).limits
    assert limits.waiting == 60 * MINUTE
    assert limits.longest_hold == 160 * MINUTE


@pytest.mark.usefixtures("table")
def test_with_a_long_form_a_waiting_item_lives_longer_than_an_hour() -> None:
    times = {"notice_hours": 49, "hold_seconds": 600, "form_seconds": 3000}
    fill(service_store.put(document(seat_after="captcha", times=times)), MONDAY - MINUTE)
    placed = hold()
    solve(placed)
    row = counter_items.CounterItem(f"LATE#{tokens.digest(keys().read_hold_token(placed.id).secret)}", "TRIES")
    row.refresh()
    assert row.erase_at == int((NOW + 160 * MINUTE).timestamp())


# Twice, at once, and cut


@pytest.mark.usefixtures("service")
def test_the_same_right_answer_twice_is_one_seat() -> None:
    placed = hold()
    challenge = new_challenge(placed)
    first, second = answer(placed, challenge), answer(placed, challenge, NOW + SECOND)
    assert first.key == second.key
    assert second.until == NOW + 15 * MINUTE
    assert len(taken_seats()) == 1


@pytest.mark.usefixtures("service", "one_call_at_a_time")
def test_two_right_answers_at_once_are_one_seat() -> None:
    placed = hold()
    seats: list[SeatKey] = []
    refused: list[type] = []

    def send(challenge: Challenge) -> None:
        try:
            seats.append(answer(placed, challenge, NOW + SECOND).key)
        except refusals.Refusal as refusal:
            refused.append(type(refusal))

    challenges = [new_challenge(placed), new_challenge(placed, NOW + SECOND), new_challenge(placed, NOW + SECOND)]
    threads = [Thread(target=send, args=[challenge]) for challenge in (*challenges, challenges[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken_seats()) == 1
    assert {*seats} == {seat.key for seat in taken_seats()}
    assert set(refused) <= {refusals.TooManyRequests}
    assert seat_of(placed) == taken_seats()[0].key


def seat_of(placed: Hold) -> SeatKey:
    return holds.view(placed.id, NOW + 2 * SECOND).key


@pytest.mark.usefixtures("service")
def test_a_hold_is_busy_while_its_answer_takes_a_seat_and_expires_if_that_call_dies() -> None:
    placed = hold()
    challenge = new_challenge(placed)
    made_at = keys().challenge_time(challenge.id, placed.digest, NOW)
    assert waiting_store.pass_captcha(
        placed.digest, made_at, placed.key, NOW, most=5, lifetime=MINUTE
    )  # and no further
    for soon in (NOW, NOW + 9 * SECOND):
        with pytest.raises(refusals.TooManyRequests):
            answer(placed, challenge, soon)
    later = NOW + 10 * SECOND
    for step in (new_challenge, solve):
        with pytest.raises(refusals.HoldExpired):
            step(placed, later)
    assert taken_seats(later) == []
    assert solve(hold(now=later), later).has_seat


@pytest.mark.usefixtures("service")
def test_a_hold_whose_captcha_passed_takes_no_second_seat_with_a_newer_challenge() -> None:
    placed = hold()
    newer = new_challenge(placed, NOW + SECOND)
    solve(placed)
    made_at = keys().challenge_time(newer.id, placed.digest, NOW + SECOND)
    assert not waiting_store.pass_captcha(placed.digest, made_at, placed.key, NOW, most=5, lifetime=MINUTE)
    assert waiting_store.count_wrong_answer(placed.digest, made_at, NOW, most=5, seen=Tries()) is None


@pytest.mark.usefixtures("service")
def test_each_wrong_answer_costs_one_write_and_one_to_a_spent_challenge_none() -> None:
    placed = hold()
    challenge = new_challenge(placed)
    writes = []
    for _ in range(7):
        with calls(operation="UpdateItem") as made, pytest.raises((refusals.CaptchaWrong, refusals.CaptchaSpent)):
            captcha.answer(placed.id, challenge.id, "wrong", now=NOW)
        writes.append(len(made))
    assert writes == [1, 1, 1, 1, 1, 0, 0]


@pytest.mark.usefixtures("service")
def test_wrong_answers_at_once_are_all_counted_although_each_saw_none_before() -> None:
    placed = hold()

    def count(challenge: int, seen: Tries) -> int | None:
        return waiting_store.count_wrong_answer(placed.digest, challenge, NOW, most=3, seen=seen)

    assert [count(1, Tries()) for _ in range(4)] == [1, 2, 3, None]
    assert count(1, Tries(1, 2)) is None
    assert count(2, Tries(1, 2)) == 1
    assert count(1, Tries(1, 2)) is None


# The limits of a visitor and of a client network


@pytest.mark.usefixtures("service", "counted")
def test_a_visitor_token_has_one_live_hold_when_the_seat_is_taken_and_not_before() -> None:
    visitor = token()
    first = solve(hold(visitor_token=visitor), visitor_token=visitor)
    second = hold(visitor_token=visitor)
    assert [seat.key for seat in taken_seats()] == [first.key]
    passed = solve(second, visitor_token=visitor)
    assert [seat.key for seat in taken_seats()] == [passed.key]


@pytest.mark.usefixtures("service", "counted")
def test_a_crowd_shortens_nobody_s_time_to_confirm_and_the_count_of_the_client_network_does() -> None:
    placed = [hold() for _ in range(8)]
    assert counted_holds() is None
    passed = [solve(waiting, visitor_token=token()) for waiting in placed]
    assert [hold.brief for hold in passed] == [False, False, True, True, True, True, True, True]
    assert counted_holds() == 8
    for old in (placed[7].id, passed[7].id):
        assert holds.view_ready(old, NOW).time_to_confirm == 30 * MINUTE
    assert holds.view_ready(placed[0].id, NOW).time_to_confirm == timedelta(minutes=2880)
    with pytest.raises(refusals.CaptchaRequired):  # and it owes a further captcha
        send_details(placed[7].id, AWA, now=NOW)


def counted_holds() -> int | None:
    row = counter_items.CounterItem(f"ORIGIN#{keys().client_network(HERE, NOW)}", "HOLDS")
    if not counter_items.CounterItem.count(row.pk):
        return None
    row.refresh()
    return int(row.number)
