"""Place, view, extend and end a hold."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from chalicelib.booking import availability, holds
from chalicelib.booking.hold import SEAT_ATTEMPTS
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import recent, seat_store, service_store
from tests.conftest import MONDAY, calls, document, throttled
from tests.unit.booking.steps import FIRST, NOW, hold

SECOND = timedelta(seconds=1)


@pytest.mark.usefixtures("table")
def test_a_hidden_service_is_not_listed_and_can_be_read_by_its_id() -> None:
    for name, listing in (("aes", {}), ("seen", {"listing": "home"}), ("essai", {"listing": "hidden"})):
        service_store.put(document(id=name, **listing))
    assert [service.id for service in availability.services(NOW)] == ["aes", "seen"]
    assert availability.service("essai", NOW).hidden is True


def test_the_first_free_slot_is_held_and_the_calendar_counts_one_seat_less(service: Service) -> None:
    before = availability.week_calendar("aes", None, NOW).free
    held = hold()
    assert held.seat.until == NOW + timedelta(seconds=180)
    assert availability.week_calendar("aes", held.seat.key.week, NOW).free == before - 1
    assert service.start_of(held.seat.key) == held.start


def first_free(seed: int, now: datetime) -> SeatKey:
    """Hold the first free slot and give it back at once. Return its seat."""
    held = holds.place("aes", FIRST, now=now, rng=Random(seed))  # noqa: S311  # not a secret
    holds.end(held.id, now)
    return held.key


def test_the_first_free_is_one_of_the_ten_earliest(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    assert {first_free(seed, NOW) for seed in range(5)} <= set(free[:10])


@pytest.mark.parametrize("throttles", [True, False], ids=["the table throttles", "somebody is faster"])
def test_in_a_busy_week_the_first_free_is_any_of_the_week(
    service: Service,
    throttles: bool,  # noqa: FBT001  # either makes the service busy
) -> None:
    free = availability.free_seats(service, NOW)
    seats = set()
    for seed in range(5):
        recent.SEATS.clear()
        if throttles:
            with throttled(), pytest.raises(refusals.TooManyRequests):
                hold()
        else:
            lose(free[20 + seed])
        seats.add(first_free(seed, NOW + SECOND / 2))
    assert not seats <= set(free[:10])
    assert {key.week for key in seats} == {free[0].week}


def lose(key: SeatKey, now: datetime = NOW) -> None:
    """Let somebody else take this seat, and let this process try it too late."""
    assert seat_store.take(key, "theirs", now + SECOND * 180, now)
    assert not seat_store.take(key, "mine", now + SECOND * 180, now)


def test_in_a_busy_week_a_process_takes_consecutive_seats_and_skips_one_that_is_lost(service: Service) -> None:
    week = [key for key in availability.free_seats(service, NOW) if key.week == "2026-W49"]
    lose(week[0])
    first = week.index(hold().seat.key)
    in_order = week[first + 1 :] + week[1:first]
    lost = seat_store.new_item(in_order[2], NOW)
    lost.state, lost.hold, lost.until = State.HELD, "theirs", NOW + SECOND * 180
    lost.save()
    assert [hold().seat.key for _ in range(9)] == [*in_order[:2], *in_order[3:10]]


def test_in_a_busy_week_the_desk_of_a_named_slot_is_drawn_wherever_the_process_was_before(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    lose(free[0])
    named = Wish(service.start_of(free[-1]), conditions_accepted=True)
    seats = set()
    for _ in range(20):
        hold()
        held = hold(wish=named)
        holds.end(held.id, NOW)
        seats.add(held.seat.key)
    assert seats == {key for key in free if service.start_of(key) == named.start}


def test_in_a_busy_week_one_hold_tries_three_seats_and_no_more(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    lose(free[0])
    hold()
    for key in free:
        row = seat_store.new_item(key, NOW)
        row.state, row.hold, row.until = State.HELD, "theirs", NOW + SECOND * 180
        row.save()
    with calls() as names, pytest.raises(refusals.SlotTaken):
        hold()
    assert names == ["UpdateItem"] * SEAT_ATTEMPTS


@pytest.mark.usefixtures("service")
def test_within_a_tenth_of_a_second_of_a_throttle_a_hold_is_refused_from_the_cache() -> None:
    service_store.read_all(NOW)
    with throttled() as names:
        for _ in range(5):
            with pytest.raises(refusals.TooManyRequests):
                hold()
    assert names == ["Query"]
    hold(NOW + SECOND / 10)


def test_a_slot_with_two_desks_is_held_twice_and_then_taken_with_the_three_nearest(service: Service) -> None:
    start = datetime(2026, 12, 3, 10, 15, tzinfo=service.zone)
    wish = Wish(start, conditions_accepted=True)
    assert hold(wish=wish).seat.key != hold(wish=wish).seat.key
    with pytest.raises(refusals.SlotTaken) as refusal:
        hold(wish=wish)
    assert [f"{near:%H:%M}" for near in refusal.value.nearest] == ["10:05", "10:10", "10:20"]


@pytest.mark.usefixtures("service")
def test_a_hold_without_the_conditions_is_refused_and_nothing_is_held() -> None:
    with pytest.raises(refusals.ConditionsNotAccepted):
        hold(wish=Wish(None, conditions_accepted=False))
    assert availability.week_calendar("aes", "2026-W49", NOW).free == 30  # Thursday's: Tuesday is too near


def test_a_seat_of_the_coming_release_is_refused_until_nine_in_paris_and_free_at_nine(service: Service) -> None:
    wish = Wish(datetime(2026, 12, 15, 9, 15, tzinfo=service.zone), conditions_accepted=True)
    with pytest.raises(refusals.NotOpenYet) as refusal:
        hold(MONDAY - SECOND, wish)
    assert refusal.value.opens_at.isoformat() == "2026-11-30T09:00:00+01:00"
    assert hold(MONDAY, wish).start == wish.start


def test_a_slot_that_never_was_is_not_found(service: Service) -> None:
    for start in ("2026-12-03T10:17", "2026-12-06T10:15", "2036-12-02T10:15", "2020-12-03T10:15"):
        moment = datetime.fromisoformat(start).replace(tzinfo=service.zone)
        with pytest.raises(refusals.NotFound):
            hold(wish=Wish(moment, conditions_accepted=True))


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_when_all_is_taken_the_refusal_says_when_the_next_slots_open() -> None:
    for week in timetable.open_weeks(service_store.read("aes", NOW), NOW):
        for seat in seat_store.read_week("aes", week):
            seat_store.take(seat.key, "other", NOW + timedelta(days=1), NOW)
    with pytest.raises(refusals.NothingFree) as refusal:
        hold()
    assert str(refusal.value.next_release) == "2026-12-07 09:00:00+01:00"


@pytest.mark.usefixtures("service")
def test_a_hold_ends_at_its_time_and_its_seat_is_another_persons_five_seconds_later() -> None:
    held = hold()
    end = NOW + timedelta(seconds=180)
    assert holds.view(held.id, end - SECOND).id == held.id
    with pytest.raises(refusals.HoldExpired):
        holds.view(held.id, end)
    assert not seat_store.take(held.seat.key, "other", end + timedelta(minutes=3), end + timedelta(seconds=5))
    assert seat_store.take(
        held.seat.key, "other", end + timedelta(minutes=3), end + timedelta(seconds=5, milliseconds=1)
    )


@pytest.mark.usefixtures("service")
def test_a_hold_that_is_given_back_is_free_at_once_and_giving_back_twice_is_once() -> None:
    held = hold()
    holds.end(held.id, NOW)
    holds.end(held.id, NOW)
    assert seat_store.read(held.seat.key).is_free(NOW)
    with pytest.raises(refusals.HoldExpired):
        holds.view(held.id, NOW)


@pytest.mark.usefixtures("service")
def test_a_hold_is_extended_twice_and_a_third_time_changes_nothing() -> None:
    held = hold()
    extended = [holds.extend(held.id, NOW + n * SECOND) for n in (1, 2, 3)]
    assert [hold.until - NOW for hold in extended] == [timedelta(seconds=360), *[timedelta(seconds=540)] * 2]
    assert [hold.can_extend for hold in extended] == [True, False, False]
    assert replace(extended[1], read_at=NOW) == holds.view(held.id, NOW)
    with pytest.raises(refusals.HoldExpired):
        holds.extend(held.id, NOW + timedelta(seconds=540))


@pytest.mark.usefixtures("service")
def test_an_invented_hold_is_not_found_and_a_link_is_no_hold() -> None:
    held = hold()
    link = keys().link_token(held.seat.key, held.seat.hold)
    ref = held.seat.key.ref
    for wrong in ("x", "", ref, f"{ref}.{'a' * 78}", str(link), held.id[:-1], "aes.20261203.9915.1." + "a" * 78):
        with pytest.raises(refusals.NotFound):
            holds.view(wrong, NOW)


@pytest.mark.usefixtures("service")
def test_an_id_survives_a_mail_program_that_changes_its_case() -> None:
    held = hold()
    assert holds.view(held.id.upper(), NOW).id == held.id
