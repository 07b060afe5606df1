"""Another date for a request: whole or not at all, at most twice, and the old link tells what happened."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.booking import moves, requests
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.storage import seat_keys, seat_store, service_store
from tests.conftest import document, fill
from tests.unit.booking.steps import AWA, BEN, NOW, PARIS, at_once, confirmed, filed, move, person

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service")]


def at(day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=PARIS)


MINE = at(10)


def booked(details: Details = AWA, start: datetime = MINE) -> requests.Request:
    return confirmed(details, start)


def holders(hold: str) -> list[SeatKey]:
    """Every seat that a request has."""
    return [
        seat.key
        for week in ("2026-W49", "2026-W50", "2026-W51")
        for seat in seat_store.read_week("aes", week)
        if seat.hold == hold
    ]


def test_a_request_moves_with_its_reference_and_its_locks_and_its_old_seat_returns_later() -> None:
    old = booked()
    new = move(old.token, at(17, 9, 30), now=NOW)
    assert (new.state, new.start, new.reference) == (State.CONFIRMED, at(17, 9, 30), old.reference)
    assert new.token != old.token
    assert holders(old.seat.hold) == [new.seat.key]
    assert (person().seat, person().moves, person().sequence) == (new.seat.key, 1, 1)
    left = seat_store.read(old.seat.key)
    assert (left.state, left.past_state, left.freed) == (State.OPEN, State.MOVED, 1)
    assert NOW + timedelta(hours=2) <= left.opens_at <= NOW + timedelta(hours=48)
    with pytest.raises(refusals.AlreadyRequested):
        filed(AWA, at(15))
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BEN, email=AWA.email), at(15))


def test_the_same_move_again_is_the_same_and_an_old_link_leads_nowhere_else() -> None:
    old = booked()
    new = move(old.token, at(17), now=NOW)
    again = move(old.token, at(17), now=NOW)
    assert (again.token, again.start) == (new.token, new.start)
    assert requests.view(old.token, NOW).state is State.MOVED
    assert requests.view(old.token, NOW).person is None
    for refused in (
        lambda: move(old.token, at(15), now=NOW),
        lambda: requests.cancel(old.token, NOW),
        lambda: requests.confirm(old.token, NOW),
        lambda: moves.choices(old.token, NOW),
    ):
        with pytest.raises(refusals.LinkExpired):
            refused()
    assert holders(old.seat.hold) == [new.seat.key]


def test_a_request_moves_twice_and_no_more_and_keeps_what_it_has() -> None:
    first = booked()
    second = move(first.token, at(17), now=NOW)
    third = move(second.token, at(15), now=NOW)
    for refused in (
        lambda: move(third.token, at(10, 9, 30), now=NOW),
        lambda: moves.choices(third.token, NOW),
    ):
        with pytest.raises(refusals.NoMovesLeft):
            refused()
    assert holders(first.seat.hold) == [third.seat.key]
    assert requests.cancel(third.token, NOW).state is State.CANCELLED


def test_a_move_to_a_taken_slot_changes_nothing_and_names_the_nearest_slots() -> None:
    request = booked()
    for details in (BEN, replace(BEN, first_name="Cleo", email="cleo@example.org")):
        booked(details, at(17))
    service_store.clear_caches()
    with pytest.raises(refusals.SlotTaken) as refusal:
        move(request.token, at(17), now=NOW)
    assert [f"{near:%H:%M}" for near in refusal.value.nearest] == ["09:50", "09:55", "10:05"]
    assert holders(request.seat.hold) == [request.seat.key]
    assert person().moves == 0


def test_a_slot_that_was_never_offered_or_is_the_same_is_refused() -> None:
    request = booked()
    for start in (at(10), at(10, 3), at(11), at(24), at(1, 9, 15)):
        with pytest.raises(refusals.SlotTaken):
            move(request.token, start, now=NOW)
    assert holders(request.seat.hold) == [request.seat.key]


def test_a_request_that_is_not_confirmed_or_was_cancelled_does_not_move() -> None:
    request = filed(start=MINE)
    with pytest.raises(refusals.LinkExpired):
        move(request.token, at(17), now=NOW)
    requests.cancel(request.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        move(request.token, at(17), now=NOW)


def test_the_choices_of_a_move_are_the_free_slots_except_its_own() -> None:
    request = booked()
    _, starts = moves.choices(request.token, NOW)
    assert starts == sorted(set(starts))
    assert at(10) not in starts
    assert at(10, 9, 15) in starts
    assert at(22) not in starts  # not open yet


@pytest.mark.usefixtures("one_call_at_a_time")
def test_two_moves_of_one_request_at_once_leave_it_one_seat() -> None:
    request = booked()
    answers = at_once(*(lambda n=n: move(request.token, at(17, 9, 15 + 5 * n)) for n in range(4)))
    assert len(holders(request.seat.hold)) == 1
    assert person().seat == holders(request.seat.hold)[0]
    assert sum(isinstance(answer, requests.Request) for answer in answers) == person().moves == 1


def test_a_request_moves_between_a_week_with_one_partition_and_a_week_with_one_for_each_day() -> None:
    fill(service_store.put(document(), by_day_from="2026-W51"), NOW - timedelta(minutes=1))
    old = booked()
    new = move(old.token, at(17), now=NOW)
    assert holders(old.seat.hold) == [new.seat.key]
    assert [seat_keys.seat_partition("aes", seat.key.day) for seat in (old.seat, new.seat)] == [
        "SEATS#aes#2026-W50",
        "SEATS#aes#2026-12-17",
    ]
    assert requests.view(old.token, NOW).state is State.MOVED
    back = move(new.token, at(15, 9, 30), now=NOW)
    assert (back.state, holders(old.seat.hold)) == (State.CONFIRMED, [back.seat.key])
