"""In a crowd the seat is taken after the captcha: what a waiting hold is, what it gets, and what it never gets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from threading import Thread
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.booking import availability, captcha, filing, holds, requests
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.holds import Hold, Wish
from chalicelib.domain import codec, refusals, timetable, tokens
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, items, recent, seat_store, service_store, waiting_store
from tests.conftest import MONDAY, calls, document, fill, says
from tests.unit.booking.steps import AWA

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW = MONDAY + SECOND
QUIET = MONDAY + timedelta(hours=3)
FIRST = Wish(None, conditions_accepted=True)
HERE = "192.0.2.7"


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """The small service as its file has it without `seat_after`, its seats made before they open."""
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


def hold(wish: Wish = FIRST, now: datetime = NOW, visit: str = "") -> Hold:
    return holds.place("aes", wish, now=now, visitor_token=visit, ip_address=HERE)


def asked(kept: Hold, now: datetime = NOW) -> Challenge:
    return captcha.new_challenge(kept.id, now)


def answer(kept: Hold, to: Challenge, now: datetime = NOW, visit: str = "") -> Hold:
    return captcha.answer(kept.id, to.id, to.picture, now=now, visitor_token=visit, ip_address=HERE)


def solve(kept: Hold, now: datetime = NOW, visit: str = "") -> Hold:
    return answer(kept, asked(kept, now), now, visit)


def token(now: datetime = NOW) -> str:
    return keys().visitor_token(now)


def seen(kept: Hold) -> tuple[object, ...]:
    """What a visitor is told of a hold."""
    return kept.id, kept.seat.key, kept.seat.captcha_passed, kept.until, kept.can_extend, kept.left, kept.instead_of


def held(now: datetime = NOW) -> list[Seat]:
    """The seats that somebody holds, as the table has them."""
    weeks = timetable.weeks_to_create(service_store.read("aes", now), now)
    return [seat for week in weeks for seat in seat_store.read_week("aes", week) if seat.state is not State.OPEN]


def lose(key: SeatKey, now: datetime = NOW) -> None:
    """Another process takes this seat: the cache of this one does not know yet."""
    row = items.seat_item(key)
    row.refresh()
    row.state, row.hold, row.until = State.HELD, "other", now + timedelta(hours=1)
    row.save()


def lose_all_but(service: Service, left: set[str], now: datetime = NOW) -> None:
    """Of each seat in the open weeks, only those that start at these times stay free."""
    for week in timetable.open_weeks(service, now):
        for seat in seat_store.read_week("aes", week):
            if f"{service.start_of(seat.key):%d %H:%M}" not in left:
                lose(seat.key, now)
    recent.forget()


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
    kept = hold(at(service, "2026-12-03T10:15"), now)  # its week opened a week before
    assert kept.kept is not crowded
    assert len(held(now)) == (not crowded)


def test_a_freed_seat_that_opened_within_fifteen_minutes_is_not_held_before_the_captcha(service: Service) -> None:
    freed, start = at(service, "2026-12-03T10:15"), moment(service, "2026-12-03T10:15")
    for unit in (1, 2):
        row = items.seat_item(SeatKey(start.date(), start.time(), unit, "aes"))
        row.update([items.SeatItem.opens_at.set(QUIET)])
    assert not hold(freed, QUIET).kept
    assert not hold(freed, QUIET + 15 * MINUTE - SECOND).kept
    assert held(QUIET) == []
    assert hold(at(service, "2026-12-03T10:20"), QUIET).kept
    assert hold(freed, QUIET + 15 * MINUTE).kept


@pytest.mark.parametrize(("rule", "kept"), [("captcha", [False, False]), ("choice", [True, True])])
def test_a_service_file_can_ask_for_the_captcha_first_always_or_never(
    service: Service, rule: str, kept: list[bool]
) -> None:
    service_store.put(document(seat_after=rule))
    assert [hold(at(service, "2026-12-03T10:15"), now).kept for now in (NOW, QUIET)] == kept
    assert hold(at(service, "2026-12-15T09:15")).kept is kept[0]  # it opened a second ago


def test_a_service_file_with_another_word_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="the rest: ValueError"):
        codec.service_from_document(document(seat_after="never"))


@pytest.mark.usefixtures("service")
def test_a_waiting_hold_writes_nothing_and_reads_no_more_than_a_refusal() -> None:
    service_store.read_all(NOW)
    with calls() as first:
        hold()
    with calls() as second:
        assert not hold(visit=token()).kept
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
    kept = hold()
    end = NOW + 18 * MINUTE
    assert (kept.until, kept.left, kept.can_extend) == (end, 1080, False)
    assert holds.extend(kept.id, end - SECOND).until == end
    late = asked(kept, end - SECOND)
    steps: list[Callable[[datetime], object]] = [
        lambda now: holds.view(kept.id, now),
        lambda now: captcha.new_challenge(kept.id, now),
        lambda now: holds.extend(kept.id, now),
        lambda now: holds.view_ready(kept.id, now),
        lambda now: answer(kept, late, now),
    ]
    with pytest.raises(refusals.CaptchaRequired):
        steps[3](end - SECOND)
    for step in steps:
        with pytest.raises(refusals.HoldExpired):
            step(end)
    assert held(end) == []


@pytest.mark.usefixtures("service")
def test_the_end_of_a_waiting_hold_cannot_be_written_anew() -> None:
    kept = hold()
    ref, _, rest = kept.id.rpartition(".")
    ends = (NOW + timedelta(days=1), NOW + 18 * MINUTE + timedelta(milliseconds=1))
    for forged in [f"{rest[:52]}{round(end.timestamp() * 1000):011x}{rest[63:]}" for end in ends]:
        with pytest.raises(refusals.NotFound):
            holds.view(f"{ref}.{forged}", NOW)
    with pytest.raises(refusals.NotFound):
        holds.view(f"{ref}.{rest[:52]}{rest[63:]}", NOW)


def test_who_passes_the_captcha_when_the_slot_is_no_longer_offered_gets_another(service: Service) -> None:
    tuesday = MONDAY + timedelta(days=1)
    near = moment(service, "2026-12-03T10:15")
    release = near - timedelta(hours=49, minutes=10)
    rule = {"weeks_ahead": 2, "moments": [{"day": f"{tuesday:%A}".lower(), "at": f"{release:%H:%M}"}]}
    changed = service_store.put(document(release=rule, seat_after="crowd"))
    kept = hold(at(service, "2026-12-03T10:15"), release)
    assert not kept.kept
    passed = solve(kept, release + 11 * MINUTE)
    assert (passed.start, passed.instead_of) == (changed.start_of(passed.seat.key), near)
    assert passed.start - (release + 11 * MINUTE) >= timedelta(hours=49)


@pytest.mark.slow
def test_who_passes_the_captcha_when_nothing_is_offered_any_more_gets_nothing(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    lose_all_but(service, {"01 10:15"})  # free, and too near
    with pytest.raises(refusals.NothingFree) as refusal:
        solve(kept)
    assert str(refusal.value.next_release) == "2026-12-07 09:00:00+01:00"


# The seat after the captcha


def test_the_right_answer_takes_the_chosen_seat_for_the_time_of_the_form(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    passed = solve(kept)
    assert passed.seat.key == kept.seat.key
    assert (passed.kept, passed.seat.captcha_passed, passed.until) == (True, True, NOW + 15 * MINUTE)
    assert (passed.instead_of, passed.brief) == (None, False)
    assert [seat.key for seat in held()] == [passed.seat.key]
    assert seen(holds.view(passed.id, NOW)) == seen(passed)


def test_who_lost_the_slot_gets_the_nearest_free_seat_and_is_told_which_one_it_replaces(service: Service) -> None:
    wish = at(service, "2026-12-03T10:15")
    kept = hold(wish)
    lose_all_but(service, {"03 09:50", "03 10:30", "10 10:15", "03 10:25"})
    passed = solve(kept)
    assert (f"{passed.start:%d %H:%M}", passed.instead_of) == ("03 10:25", wish.start)
    assert passed.id != kept.id
    assert [(seat.key, seat.wished) for seat in held() if seat.hold != "other"] == [(passed.seat.key, wish.start)]


class Draw(Random):
    """Chance that always draws the first, or the last."""

    def __init__(self, at: int) -> None:
        super().__init__(0)
        self.at = at

    def choice(self, seq: Any) -> Any:
        return seq[self.at]


@pytest.mark.slow
def test_who_asked_for_the_first_free_slot_and_lost_it_gets_one_of_the_earliest(service: Service) -> None:
    for wish, gets in ((FIRST, "03 09:15"), (at(service, "2026-12-03T10:25"), "03 10:20")):
        kept = holds.place("aes", wish, now=NOW, rng=Draw(-1))
        assert f"{kept.start:%d %H:%M}" == "03 10:25"  # drawn from the whole week: all who wait name different seats
        lose_all_but(service, {"03 09:15", "03 10:20"})
        to = asked(kept)
        passed = captcha.answer(kept.id, to.id, to.picture, now=NOW, rng=Draw(0))
        assert (f"{passed.start:%d %H:%M}", passed.instead_of) == (gets, kept.start)
        for key in timetable.planned_seats(service, "2026-W49"):
            seat_store.update(key, [items.SeatItem.state.set(State.OPEN)], items.SeatItem.pk.exists())
        recent.forget()


def test_another_desk_of_the_same_slot_is_no_other_slot(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    lose(kept.seat.key)
    passed = solve(kept)
    assert (passed.start, passed.instead_of) == (kept.start, None)
    assert passed.seat.key != kept.seat.key


def test_seats_that_only_the_cache_shows_are_lost_to_one_near_them_without_a_second_captcha(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    to = asked(kept)
    for unit in (1, 2):
        lose(replace(kept.seat.key, unit=unit))
    passed = answer(kept, to)
    assert abs(passed.start - kept.start) <= 15 * MINUTE  # ten seats, two a slot
    assert passed.instead_of == kept.start


@pytest.mark.slow
def test_who_loses_every_seat_they_try_may_send_the_same_answer_again(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    to = asked(kept)
    availability.week_calendar("aes", "2026-W49", NOW)
    for week in timetable.open_weeks(service, NOW):
        for seat in seat_store.read_week("aes", week):
            lose(seat.key)
    with calls(operation="UpdateItem") as tried, pytest.raises(refusals.SlotTaken):
        answer(kept, to)
    assert len(tried) == 1 + 3 + 2 + 1  # the answer, three seats, two of them named first, and the answer set free
    assert holds.view(kept.id, NOW).kept is False
    seat_store.update(kept.seat.key, [items.SeatItem.state.set(State.OPEN)], items.SeatItem.pk.exists())
    assert answer(kept, to, NOW + 2 * SECOND).seat.key == kept.seat.key


@pytest.mark.slow
def test_when_nothing_is_free_the_right_answer_writes_nothing(service: Service) -> None:
    kept = hold()
    to = asked(kept)
    lose_all_but(service, set())
    with calls() as asked_for, pytest.raises(refusals.NothingFree) as refusal:
        answer(kept, to)
    assert "UpdateItem" not in asked_for
    assert str(refusal.value.next_release) == "2026-12-07 09:00:00+01:00"


def test_when_the_table_throttles_the_seat_the_same_answer_is_good_again(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    to = asked(kept)
    throttled: list[str] = []

    def throttle(model: object, params: dict[str, bytes], **_: object) -> None:
        if b"SEATS#" in params["body"] and b"UpdateExpression" in params["body"]:
            throttled.append(str(model))
            raise says("ThrottlingException")

    events = dynamodb.connection().connection.client.meta.events
    events.register_first("before-call.dynamodb.UpdateItem", throttle)
    try:
        with pytest.raises(refusals.TooManyRequests):
            answer(kept, to)
    finally:
        events.unregister("before-call.dynamodb.UpdateItem", throttle)
    assert len(throttled) == 1
    with calls(operation="UpdateItem") as written, pytest.raises(refusals.TooManyRequests):  # from memory
        answer(kept, to, NOW + SECOND / 20)
    assert written == []
    assert answer(kept, to, NOW + SECOND).seat.key == kept.seat.key


# The old id


@pytest.mark.slow
def test_the_old_id_leads_to_the_new_seat_at_every_step(service: Service) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    lose_all_but(service, {"03 10:25"})
    passed = solve(kept)
    assert seen(holds.view(kept.id, NOW)) == seen(passed) == seen(holds.view_ready(kept.id, NOW))
    assert holds.extend(kept.id, NOW).until == NOW + 30 * MINUTE
    request = filing.file(kept.id, AWA, now=NOW)
    assert (request.seat.key, request.state) == (passed.seat.key, State.PENDING)
    assert request.confirm_before == NOW + timedelta(minutes=2880)
    assert holds.view(kept.id, NOW + timedelta(hours=2)).seat.state is State.PENDING
    with pytest.raises(refusals.AlreadyRequested):
        holds.end(kept.id, NOW)
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED


@pytest.mark.parametrize("old", [True, False], ids=["by the old id", "by the new id"])
def test_the_seat_can_be_given_back_by_either_id_and_both_are_over_then(service: Service, *, old: bool) -> None:
    kept = hold(at(service, "2026-12-03T10:15"))
    lose(kept.seat.key)
    passed = solve(kept)
    holds.end(kept.id if old else passed.id, NOW)
    assert seat_store.read(passed.seat.key).state is State.OPEN
    for over in (kept.id, passed.id):
        with pytest.raises(refusals.HoldExpired):
            holds.view(over, NOW + 10 * SECOND)


@pytest.mark.usefixtures("service")
def test_to_end_a_waiting_hold_changes_nothing_and_is_no_refusal() -> None:
    kept = hold()
    with calls(operation="UpdateItem") as written:
        assert holds.end(kept.id, NOW).id == "aes"
    assert written == []


def test_what_became_of_a_waiting_hold_is_kept_as_long_as_it_can_last() -> None:
    limits = codec.service_from_document(document(times={"hold_seconds": 600, "form_seconds": 3000})).limits
    assert limits.waiting == 60 * MINUTE
    assert limits.longest_hold == 160 * MINUTE


@pytest.mark.usefixtures("table")
def test_a_long_form_keeps_what_became_of_a_waiting_hold_for_longer_than_an_hour() -> None:
    times = {"notice_hours": 49, "hold_seconds": 600, "form_seconds": 3000}
    fill(service_store.put(document(seat_after="captcha", times=times)), MONDAY - MINUTE)
    kept = hold()
    solve(kept)
    row = items.CounterItem(f"LATE#{tokens.digest(keys().read_token('hold', kept.id).secret)}", "TRIES")
    row.refresh()
    assert row.erase_at == int((NOW + 160 * MINUTE).timestamp())


# Twice, at once, and cut


@pytest.mark.usefixtures("service")
def test_the_same_right_answer_twice_is_one_seat() -> None:
    kept = hold()
    to = asked(kept)
    first, second = answer(kept, to), answer(kept, to, NOW + SECOND)
    assert first.seat.key == second.seat.key
    assert second.until == NOW + 15 * MINUTE
    assert len(held()) == 1


@pytest.mark.usefixtures("service", "one_call_at_a_time")
def test_two_right_answers_at_once_are_one_seat() -> None:
    kept = hold()
    seats: list[SeatKey] = []
    refused: list[type] = []

    def send(to: Challenge) -> None:
        try:
            seats.append(answer(kept, to, NOW + SECOND).seat.key)
        except refusals.Refusal as refusal:
            refused.append(type(refusal))

    challenges = [asked(kept), asked(kept, NOW + SECOND), asked(kept, NOW + SECOND)]
    threads = [Thread(target=send, args=[to]) for to in (*challenges, challenges[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held()) == 1
    assert {*seats} == {seat.key for seat in held()}
    assert set(refused) <= {refusals.TooManyRequests}
    assert solve_again(kept) == held()[0].key


def solve_again(kept: Hold) -> SeatKey:
    return holds.view(kept.id, NOW + 2 * SECOND).seat.key


@pytest.mark.usefixtures("service")
def test_while_an_answer_takes_its_seat_the_hold_is_busy_and_over_once_that_was_cut() -> None:
    kept = hold()
    to = asked(kept)
    made = keys().challenge_time(to.id, kept.seat.hold, NOW)
    assert waiting_store.pass_captcha(kept.seat.hold, made, kept.seat.key, NOW, most=5, keep=MINUTE)  # and no further
    for soon in (NOW, NOW + 9 * SECOND):
        with pytest.raises(refusals.TooManyRequests):
            answer(kept, to, soon)
    later = NOW + 10 * SECOND
    for step in (asked, solve):
        with pytest.raises(refusals.HoldExpired):
            step(kept, later)
    assert held(later) == []
    assert solve(hold(now=later), later).kept


@pytest.mark.usefixtures("service")
def test_a_hold_whose_captcha_passed_takes_no_second_seat_with_a_newer_challenge() -> None:
    kept = hold()
    newer = asked(kept, NOW + SECOND)
    solve(kept)
    made = keys().challenge_time(newer.id, kept.seat.hold, NOW + SECOND)
    assert not waiting_store.pass_captcha(kept.seat.hold, made, kept.seat.key, NOW, most=5, keep=MINUTE)
    assert waiting_store.count_wrong_answer(kept.seat.hold, made, NOW, most=5) is None


# The limits of a visitor and of a client network


@pytest.mark.usefixtures("service", "counted")
def test_a_visitor_token_has_one_live_hold_when_the_seat_is_taken_and_not_before() -> None:
    mine = token()
    first = solve(hold(visit=mine), visit=mine)
    second = hold(visit=mine)
    assert [seat.key for seat in held()] == [first.seat.key]
    passed = solve(second, visit=mine)
    assert [seat.key for seat in held()] == [passed.seat.key]


@pytest.mark.usefixtures("service", "counted")
def test_a_crowd_shortens_nobody_s_time_to_confirm_and_the_count_of_the_client_network_does() -> None:
    kept = [hold() for _ in range(8)]
    assert counted_holds() is None
    passed = []
    for one in kept:
        mine = token()
        passed.append(solve(one, visit=mine))
    assert [one.brief for one in passed] == [False, False, True, True, True, True, True, True]
    assert counted_holds() == 8
    for old in (kept[7].id, passed[7].id):
        assert holds.view(old, NOW).time_to_confirm == 30 * MINUTE
    assert holds.view(kept[0].id, NOW).time_to_confirm == timedelta(minutes=2880)
    with pytest.raises(refusals.CaptchaRequired):  # and it owes a further captcha
        filing.file(kept[7].id, AWA, now=NOW)


def counted_holds() -> int | None:
    row = items.CounterItem(f"ORIGIN#{keys().client_network(HERE, NOW)}", "HOLDS")
    if not items.CounterItem.count(row.pk):
        return None
    row.refresh()
    return int(row.number)


@pytest.mark.usefixtures("service")
def test_a_wrong_answer_takes_nothing_and_five_spend_the_challenge() -> None:
    kept = hold()
    to = asked(kept)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(refusals.CaptchaWrong) as refusal:
            captcha.answer(kept.id, to.id, "wrong", now=NOW)
        assert refusal.value.tries_left == left
    with pytest.raises(refusals.CaptchaSpent):
        answer(kept, to)
    assert held() == []
    assert solve(kept, NOW + SECOND).kept
