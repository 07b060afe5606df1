"""Calls at the desk: each applicant to one desk, each desk one applicant, and nobody lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from chalicelib.desk import audit, calls, register
from chalicelib.domain.desk_call import DeskCall
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import (
    AlreadyRecorded,
    DeskBusy,
    InvalidFields,
    NobodyWaits,
    NotArrived,
    NotDue,
    NotFound,
    TooManyRequests,
)
from chalicelib.domain.seat import OUTCOMES, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys as stage_keys
from chalicelib.storage import call_store, desk_items, desk_store, register_store, seat_store
from chalicelib.storage.desk_items import DeskAuditItem
from infra.local import practice_day
from tests.unit.booking.steps import START, at_once

pytestmark = pytest.mark.slow

EARLY, LATE, MINUTE = START - timedelta(minutes=20), START + timedelta(minutes=5), timedelta(minutes=1)
AGNES, BRUNO = "a" * 16, "b" * 16
DESKS = (1, 2)


def book(service: Service, count: int) -> list[SeatKey]:
    """Book appointments at both desks, and record every arrival, the last one first."""
    keys = []
    for number in range(count):
        start = START + number // len(DESKS) * timedelta(minutes=5)
        key = SeatKey(start.date(), start.time(), DESKS[number % len(DESKS)], service.id)
        details = Details("Awa", f"Exemple-{'bcdfghijkl'[number]}", "", date(1990, 5, 17), "", "06", "fr")
        for item in practice_day.booking(service, stage_keys(), key, details, EARLY):
            item.save()
        keys.append(key)
    for key in reversed(keys):
        register.arrive(service, key, AGNES, EARLY)
    return keys


@pytest.fixture
def keys(service: Service) -> list[SeatKey]:
    """Return the seats of four applicants who have arrived."""
    return book(service, 4)


@pytest.fixture
def key(keys: list[SeatKey]) -> SeatKey:
    """Return the seat of the first of them."""
    return keys[0]


def acts(service: Service) -> list[tuple[str, str]]:
    return [(row.agent, row.act) for row in desk_store.read_audit(service.id, START.date()) if row.act != "arrived"]


def at_desks(service: Service) -> list[tuple[int, str]]:
    """Return what the display shows."""
    return sorted((call.desk, call.number) for call in call_store.read_calls(service.id, START.date()))


def test_the_next_one_is_who_has_the_earliest_appointment_and_goes_to_one_desk(
    service: Service, keys: list[SeatKey]
) -> None:
    first = calls.call_next(service, 2, BRUNO, START)
    assert (first.key, first.state, first.called_to, first.calls) == (keys[0], State.CALLED, 2, 1)
    assert (first.called_at, first.recorded_at, first.recorded_by) == (START, START, BRUNO)
    assert seat_store.read(first.key) == first
    assert calls.call_next(service, 1, AGNES, START).key == keys[1]
    assert call_store.read_calls(service.id, START.date()) == [
        DeskCall(2, keys[0].number, START, 1),
        DeskCall(1, keys[1].number, START, 1),
    ]
    assert acts(service) == [(AGNES, "called"), (BRUNO, "called")]
    row = next(row for row in desk_store.read_audit(service.id, START.date()) if row.agent == BRUNO)
    assert row.facts == {"seat": keys[0].ref, "hold": first.hold, "desk": "2"}


def test_the_latest_call_comes_first_on_the_display(service: Service, keys: list[SeatKey]) -> None:
    for number, desk in enumerate((2, 1)):
        calls.call_next(service, desk, AGNES, START + number * MINUTE)
    assert [call.number for call in call_store.read_calls(service.id, START.date())] == [keys[1].number, keys[0].number]
    calls.call(service, keys[0], 2, AGNES, START + 2 * MINUTE)
    assert call_store.read_calls(service.id, START.date())[0] == DeskCall(2, keys[0].number, START + 2 * MINUTE, 2)
    assert call_store.read_calls(service.id, START.date() + timedelta(days=1)) == []


def test_a_desk_calls_nobody_else_before_it_has_finished(service: Service, keys: list[SeatKey]) -> None:
    first = calls.call_next(service, 1, AGNES, START)
    attempts: list[Callable[[], object]] = [
        lambda: calls.call_next(service, 1, BRUNO, START),
        lambda: calls.call(service, keys[1], 1, AGNES, START),
    ]
    for attempt in attempts:
        with pytest.raises(DeskBusy) as refusal:
            attempt()
        assert refusal.value.seat == first
    assert at_desks(service) == [(1, keys[0].number)]
    assert seat_store.read(keys[1]).state is State.ARRIVED


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_an_outcome_ends_the_call_and_frees_the_desk(service: Service, key: SeatKey, outcome: State) -> None:
    calls.call_next(service, 1, AGNES, START)
    done = register.record(service, key, outcome, BRUNO, LATE)  # a colleague may record it
    assert seat_store.read(key) == done
    assert (done.state, done.called_at, done.called_to, done.calls) == (outcome, START, 1, 1)
    assert at_desks(service) == []
    assert calls.call_next(service, 1, AGNES, LATE).key != key
    for who in (AGNES, BRUNO):
        with pytest.raises(AlreadyRecorded):
            calls.call(service, key, 2, who, LATE)
        with pytest.raises(AlreadyRecorded):
            calls.park(service, key, who, LATE)
    assert seat_store.read(key) == done


def test_who_is_called_again_stays_at_the_desk_and_two_presses_are_one(service: Service, key: SeatKey) -> None:
    first = calls.call(service, key, 1, AGNES, START, calls=0)
    assert calls.call(service, key, 1, AGNES, START, calls=0) == first
    again = calls.call(service, key, 1, BRUNO, LATE, calls=1)
    assert (again.calls, again.called_at, again.called_by) == (2, START, BRUNO)
    assert calls.call(service, key, 1, BRUNO, LATE, calls=1) == again == seat_store.read(key)
    with pytest.raises(AlreadyRecorded) as refusal:
        calls.call(service, key, 2, AGNES, LATE)
    assert (refusal.value.state, refusal.value.by_other) == (State.CALLED, True)


def test_who_is_put_aside_is_called_by_hand_only(service: Service, keys: list[SeatKey]) -> None:
    calls.call_next(service, 1, AGNES, START)
    parked = calls.park(service, keys[0], BRUNO, START)  # a colleague may do so
    assert (parked.state, parked.parked, parked.called_at, parked.calls) == (State.ARRIVED, True, START, 1)
    assert calls.park(service, keys[0], AGNES, LATE) == parked == seat_store.read(keys[0])
    assert at_desks(service) == []
    for number, key in enumerate(keys[1:]):
        assert calls.call_next(service, 1, AGNES, LATE).key == key
        register.record(service, key, State.SEEN, AGNES, LATE + number * MINUTE)
    with pytest.raises(NobodyWaits):
        calls.call_next(service, 1, AGNES, LATE)
    back = calls.call(service, keys[0], 2, BRUNO, LATE)
    assert (back.state, back.called_to, back.called_at, back.calls) == (State.CALLED, 2, START, 2)
    assert at_desks(service) == [(2, keys[0].number)]


def test_only_who_called_takes_the_call_back(service: Service, key: SeatKey) -> None:
    arrived = seat_store.read(key)
    calls.call_next(service, 1, AGNES, START)
    with pytest.raises(AlreadyRecorded):
        register.undo(service, key, State.CALLED, BRUNO, LATE)
    with pytest.raises(AlreadyRecorded):  # the page of the arrival is still open
        register.undo(service, key, State.ARRIVED, AGNES, LATE)
    for _ in range(2):
        assert register.undo(service, key, State.CALLED, AGNES, LATE) == arrived == seat_store.read(key)
    assert at_desks(service) == []
    assert calls.call_next(service, 2, BRUNO, LATE).key == key


def test_after_the_undo_of_a_call_who_was_put_aside_before_is_so_again(service: Service, key: SeatKey) -> None:
    calls.call_next(service, 1, AGNES, START)
    calls.park(service, key, AGNES, START)
    calls.call(service, key, 2, AGNES, LATE)
    undone = register.undo(service, key, State.CALLED, AGNES, LATE)
    assert (undone.state, undone.parked, undone.called_at) == (State.ARRIVED, True, START)
    assert seat_store.read(key) == undone
    assert at_desks(service) == []


def test_after_the_undo_of_an_outcome_who_was_called_is_put_aside(service: Service, keys: list[SeatKey]) -> None:
    calls.call_next(service, 1, AGNES, START)
    register.record(service, keys[0], State.MISSED, AGNES, LATE)
    calls.call_next(service, 1, AGNES, LATE)
    undone = register.undo(service, keys[0], State.MISSED, AGNES, LATE)
    assert (undone.state, undone.parked) == (State.ARRIVED, True)
    assert seat_store.read(keys[0]) == undone
    register.record(service, keys[1], State.SEEN, AGNES, LATE)
    assert calls.call_next(service, 1, AGNES, LATE).key == keys[2]
    assert calls.call(service, keys[0], 2, AGNES, LATE).calls == 2
    register.record(service, keys[3], State.SEEN, AGNES, LATE)
    assert not register.undo(service, keys[3], State.SEEN, AGNES, LATE).parked  # nobody had called


def test_the_undo_of_an_arrival_forgets_earlier_calls(service: Service, key: SeatKey) -> None:
    calls.call_next(service, 1, AGNES, START)
    calls.park(service, key, AGNES, START)
    undone = register.undo(service, key, State.ARRIVED, AGNES, LATE)
    assert (undone.state, undone.parked, undone.calls) == (State.CONFIRMED, False, 0)
    assert seat_store.read(key) == undone
    register.arrive(service, key, AGNES, LATE)
    assert calls.call_next(service, 1, AGNES, LATE).called_at == LATE


def test_who_has_not_arrived_or_left_is_not_called(service: Service, key: SeatKey) -> None:
    register.undo(service, key, State.ARRIVED, AGNES, EARLY)
    with pytest.raises(NotArrived):
        calls.call(service, key, 1, AGNES, START)
    with pytest.raises(NotArrived):
        calls.park(service, key, AGNES, START)
    free, none = replace(key, unit=9), replace(key, unit=8)
    seat_store.new_item(free, EARLY).save()
    attempts: list[Callable[[], object]] = [
        lambda: calls.call(service, free, 1, AGNES, START),
        lambda: calls.call(service, none, 1, AGNES, START),
        lambda: calls.park(service, none, AGNES, START),
        lambda: calls.call(replace(service, id="another"), key, 1, AGNES, START),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert at_desks(service) == []


def test_only_who_is_called_is_put_aside(service: Service, key: SeatKey) -> None:
    with pytest.raises(AlreadyRecorded) as refusal:
        calls.park(service, key, BRUNO, START)
    assert (refusal.value.state, refusal.value.by_other) == (State.ARRIVED, True)


def test_a_call_is_for_the_day_of_the_appointment(service: Service, key: SeatKey) -> None:
    for days in (-1, 1):
        with pytest.raises(NotDue):
            calls.call(service, key, 1, AGNES, START + timedelta(days=days))
        with pytest.raises(NobodyWaits):
            calls.call_next(service, 1, AGNES, START + timedelta(days=days))


def test_a_call_that_nobody_ended_gets_its_outcome_days_later(service: Service, key: SeatKey) -> None:
    calls.call_next(service, 1, AGNES, START)
    desk_items.call_item(service.id, key.day, 1).delete()  # as the table does after two days
    register.record(service, key, State.SEEN, AGNES, START + timedelta(days=3))
    assert seat_store.read(key).state is State.SEEN


def test_a_desk_is_one_of_the_opening_hours_or_of_today_s_seats(service: Service, key: SeatKey) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: calls.call_next(service, 9, AGNES, START),
        lambda: calls.call(service, key, 9, AGNES, START),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidFields) as refusal:
            attempt()
        assert list(refusal.value.errors) == ["desk"]
    added = replace(seat_store.read(key), key=replace(key, unit=9))
    seat_store.new_item(added.key, EARLY).save()
    assert calls.call_next(service, 9, AGNES, START).called_to == 9


# At once


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_agents_who_call_next_at_once_each_gets_somebody_else(service: Service) -> None:
    keys = book(service, 8)
    desks = range(1, 9)
    for desk in desks:  # the service has them today
        seat_store.new_item(SeatKey(START.date(), START.time(), 10 + desk, service.id), EARLY).save()

    def call(desk: int) -> Callable[[], object]:
        return lambda: calls.call_next(service, 10 + desk, f"{desk:016}", START)

    answers = at_once(*map(call, desks))
    seats = [answer for answer in answers if isinstance(answer, Seat)]
    assert sorted(seat.key for seat in seats) == keys
    assert sorted(map(seat_store.read, keys), key=lambda seat: seat.called_to) == seats
    assert at_desks(service) == [(seat.called_to, seat.key.number) for seat in seats]
    assert len(acts(service)) == 8


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_two_desks_that_call_the_last_one_at_once_one_learns_that_nobody_waits(service: Service) -> None:
    book(service, 1)
    answers = at_once(*(lambda desk=desk: calls.call_next(service, desk, AGNES, START) for desk in DESKS))
    assert {type(answer) for answer in answers} == {Seat, NobodyWaits}
    assert len(at_desks(service)) == 1


@pytest.mark.usefixtures("one_call_at_a_time", "keys")
def test_a_button_that_is_pressed_twice_at_once_calls_one_applicant(service: Service) -> None:
    answers = at_once(*[lambda: calls.call_next(service, 1, AGNES, START)] * 2)
    assert {type(answer) for answer in answers} == {Seat, DeskBusy}
    assert len(at_desks(service)) == len(acts(service)) == 1


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_two_applicants_who_are_called_to_one_desk_at_once_one_goes_there(
    service: Service, keys: list[SeatKey]
) -> None:
    answers = at_once(*(lambda key=key: calls.call(service, key, 1, AGNES, START) for key in keys))
    (called,) = [answer for answer in answers if isinstance(answer, Seat)]
    assert [type(answer) for answer in answers].count(DeskBusy) == len(keys) - 1
    assert at_desks(service) == [(1, called.key.number)]
    assert [seat_store.read(key).state for key in keys].count(State.CALLED) == 1


@pytest.mark.usefixtures("one_call_at_a_time")
def test_an_outcome_and_a_second_call_at_once_leave_no_desk_busy_without_anybody(
    service: Service, key: SeatKey
) -> None:
    calls.call_next(service, 1, AGNES, START)
    at_once(
        lambda: register.record(service, key, State.SEEN, BRUNO, START),
        lambda: calls.call(service, key, 1, AGNES, START),
        lambda: calls.park(service, key, BRUNO, START),
    )
    seat = seat_store.read(key)
    assert at_desks(service) == ([(1, key.number)] if seat.state is State.CALLED else [])
    assert not (seat.state is State.ARRIVED and not seat.parked)


def test_a_write_names_the_seat_as_it_was_read_and_the_desk(service: Service, keys: list[SeatKey]) -> None:
    def item() -> DeskAuditItem:
        return audit.item("aes", BRUNO, "called", START)

    arrived, other = seat_store.read(keys[0]), seat_store.read(keys[1])
    assert not call_store.call(replace(arrived, hold="another"), 1, BRUNO, START, item())
    called = calls.call(service, keys[0], 1, AGNES, START)
    assert not call_store.call(arrived, 2, BRUNO, START, item())  # somebody called this applicant meanwhile
    assert not call_store.call(other, 1, BRUNO, START, item())  # the desk called somebody meanwhile
    assert not register_store.take_back_call(called, BRUNO, item())
    calls.park(service, keys[0], AGNES, START)
    assert not call_store.call(arrived, 1, BRUNO, START, item())  # and was put aside
    moved = calls.call(service, keys[0], 2, AGNES, START)
    assert not register_store.record_outcome(called, State.SEEN, BRUNO, START, item())  # of an earlier call
    assert not register_store.record_outcome(replace(moved, called_to=1), State.SEEN, BRUNO, START, item())
    assert seat_store.read(keys[0]) == moved
    calls.call(service, keys[0], 2, AGNES, START)
    assert not call_store.call(moved, 2, BRUNO, START, item())  # and called again
    assert seat_store.read(keys[0]).calls == 3
    assert at_desks(service) == [(2, keys[0].number)]


def test_a_call_that_always_comes_too_late_gives_up(
    service: Service, keys: list[SeatKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = seat_store.read_day(service.id, START.date())
    calls.call(service, keys[0], 1, AGNES, START)
    monkeypatch.setattr(seat_store, "read_day", lambda *_: day)
    with pytest.raises(TooManyRequests):
        calls.call_next(service, 2, BRUNO, START)
