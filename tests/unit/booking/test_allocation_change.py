"""A service that begins to draw its seats, and one that stops: nobody loses a seat, and nobody takes one by speed."""

from datetime import datetime, timedelta

import pytest

from chalicelib.booking import captcha, holds, moves, requests, schedule
from chalicelib.booking.hold import Waiting
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_maintenance, seat_store, service_store
from tests.conftest import document, draw_document
from tests.unit.booking.steps import (
    AWA,
    BEN,
    FIRST,
    LIBRARY,
    NOW,
    START,
    captcha_passed,
    confirmed,
    filed,
    hold,
    send_details,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service")]

WEEK = "2026-W51"
"""Was released at MONDAY: its seats are open."""
LATER = NOW + timedelta(minutes=2)


def seats(week: str = WEEK) -> list[Seat]:
    return seat_store.read_week("aes", week)


def begin_to_draw(now: datetime = NOW) -> Service:
    service = service_store.put(draw_document())
    schedule.release_seats(now)
    return service


# From first come, first served to a draw


def test_a_service_that_draws_refuses_a_hold_at_once_although_the_seats_of_the_week_are_still_open() -> None:
    service_store.put(draw_document())  # the release function has not run since
    assert any(seat.is_free(NOW) for seat in seats())
    for wish in (FIRST, Wish(START, conditions_accepted=True), Wish(None, conditions_accepted=False)):
        with pytest.raises(refusals.WrongAllocation):
            holds.place("aes", wish, now=NOW)


def test_the_seats_that_nobody_has_open_to_nobody_from_then_on() -> None:
    placed = hold()
    service = begin_to_draw()
    others = [seat for seat in seats() if seat.key != placed.seat.key]
    assert others
    assert {seat.opens_at for seat in others} == {service.start_of(seat.key) for seat in others}
    assert not any(seat.is_free(LATER) for seat in others)
    assert not seat_store.take(others[0].key, "a" * 64, LATER, NOW)


def test_the_weeks_up_to_the_next_window_get_their_seats_and_a_second_run_changes_nothing() -> None:
    begin_to_draw()
    assert len(seats("2026-W52")) == 60
    assert len(seats("2026-W53")) == 0
    assert schedule.release_seats(NOW) == {}


def test_who_holds_a_seat_finishes_the_form_and_keeps_it() -> None:
    passed, before = captcha_passed(), hold()
    begin_to_draw()
    request = requests.confirm(send_details(passed.id, now=LATER).token, LATER)
    assert (request.state, request.start) == (State.CONFIRMED, START)
    assert holds.view(before.id, LATER).id == before.id
    captcha.new_challenge(before.id, LATER)


def test_a_hold_that_waits_for_its_captcha_has_no_seat_and_is_refused() -> None:
    service_store.put(document(seat_after="captcha"))
    waiting = holds.place("aes", FIRST, now=NOW)
    assert isinstance(waiting, Waiting)
    begin_to_draw()
    challenge = captcha.new_challenge(waiting.id, LATER)
    with pytest.raises(refusals.WrongAllocation):
        captcha.answer(waiting.id, challenge.id, challenge.picture, now=LATER, visitor_token="", ip_address=LIBRARY)


def test_requests_and_appointments_stay_as_they_are() -> None:
    pending, appointment = filed(AWA), confirmed(BEN)
    begin_to_draw()
    assert requests.view(pending.token, LATER).state is State.PENDING
    assert requests.view(appointment.token, LATER).state is State.CONFIRMED
    assert requests.confirm(pending.token, LATER).state is State.CONFIRMED
    reminders = schedule.end_expired(START - timedelta(hours=40))["reminders"]
    assert reminders == 2


def test_a_seat_that_is_given_up_in_a_draw_opens_to_nobody() -> None:
    appointment, unconfirmed = confirmed(AWA), filed(BEN)
    service = begin_to_draw()
    requests.cancel(appointment.token, LATER)
    schedule.end_expired(NOW + timedelta(days=3))
    assert requests.view(unconfirmed.token, LATER).state is State.EXPIRED
    for request in (appointment, unconfirmed):
        seat = seat_store.read(request.seat.key)
        assert (seat.state, seat.opens_at) == (State.OPEN, service.start_of(seat.key))


def test_a_seat_that_was_to_return_does_not_return_in_a_draw() -> None:
    appointment = confirmed()
    requests.cancel(appointment.token, NOW)
    assert seat_store.read(appointment.seat.key).opens_at < START
    begin_to_draw()
    assert seat_store.read(appointment.seat.key).opens_at == START


def test_an_appointment_cannot_move_to_a_seat_that_is_to_be_drawn() -> None:
    appointment = confirmed(start=START)
    service_store.put(draw_document())
    with pytest.raises(refusals.SlotTaken) as refusal:
        moves.move(requests.view(appointment.token, NOW), START.replace(minute=15), now=NOW)
    assert refusal.value.nearest == []
    assert seat_store.read(appointment.seat.key).state is State.CONFIRMED


def test_a_seat_that_is_set_aside_stays_set_aside() -> None:
    seat = next(seat for seat in seats() if seat.is_free(NOW))
    until = NOW + timedelta(days=7)
    assert seat_maintenance.set_aside(seat, "closure", until)
    begin_to_draw()
    assert seat_store.read(seat.key).opens_at == until


def test_a_seat_that_somebody_takes_while_the_service_begins_to_draw_is_not_moved() -> None:
    service = service_store.put(draw_document())
    change = next(change for change in schedule.changes(service, NOW) if change.seat.key.week == WEEK)
    assert seat_store.take(change.seat.key, "a" * 64, LATER, NOW)
    assert not seat_maintenance.apply(change, service, NOW)
    assert seat_store.read(change.seat.key).state is State.HELD


# From a draw to first come, first served


def test_a_service_that_stops_drawing_opens_its_seats_by_its_release_moments() -> None:
    service = begin_to_draw()
    service = service_store.put(document())
    schedule.release_seats(LATER)
    assert {seat.opens_at for seat in seats()} == {timetable.opens_at(service, WEEK)}
    assert {seat.opens_at for seat in seats("2026-W52")} == {timetable.opens_at(service, "2026-W52")}
    assert hold(LATER).seat.key.week <= WEEK
    assert not any(seat.is_free(LATER) for seat in seats("2026-W52"))


def test_an_appointment_outlives_both_changes() -> None:
    appointment = confirmed()
    begin_to_draw()
    service_store.put(document())
    schedule.release_seats(LATER)
    assert requests.view(appointment.token, LATER).state is State.CONFIRMED
    assert requests.cancel(appointment.token, LATER).state is State.CANCELLED


def test_a_seat_that_was_given_up_in_the_draw_stays_closed() -> None:
    appointment = confirmed()
    begin_to_draw()
    requests.cancel(appointment.token, LATER)
    service_store.put(document())
    schedule.release_seats(LATER)
    assert seat_store.read(appointment.seat.key).opens_at == START


def test_there_and_back_leaves_the_seats_as_they_were() -> None:
    before = {seat.key: seat for week in ("2026-W49", "2026-W50", WEEK) for seat in seats(week)}
    begin_to_draw()
    service_store.put(document())
    schedule.release_seats(LATER)
    assert {seat.key: seat for week in ("2026-W49", "2026-W50", WEEK) for seat in seats(week)} == before
