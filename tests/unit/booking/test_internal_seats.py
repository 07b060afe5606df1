"""The public knows nothing of a seat that only the desk gives, and cannot take it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.booking import attempts, availability, moves, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable
from chalicelib.domain.attestation import Outcome
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import recent, seat_store, service_store
from chalicelib.storage.items import SeatItem
from tests.conftest import MONDAY, document, fill
from tests.unit.booking.steps import NOW, confirmed, hold

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("table")]

WEEK = "2026-W51"
SECOND = timedelta(seconds=1)
SATURDAY = datetime.fromisoformat("2026-12-12T09:00+01:00")
"""When the internal seats of Tuesday 15 December open to the public."""


def with_internal(count: int, *desks: int, **until: Any) -> dict[str, Any]:
    """Return a service with a slot at 10:00, 10:05 and 10:10 each Tuesday, and so many internal seats."""
    hours = {"days": ["tuesday"], "from": "10:00", "to": "10:15"}
    return document(plannings=[{"desks": desks, "openings": [hours], "internal": count, **until}])


UNTIL = {"internal_until": {"days_before": 3, "at": "09:00"}}


def placed(count: int, *desks: int, **until: Any) -> Service:
    service = service_store.put(with_internal(count, *desks, **until))
    fill(service, MONDAY - timedelta(days=6))
    return service


@pytest.fixture
def mixed() -> Service:
    """Put six seats a week in place. One of the two at 10:05 is internal."""
    return placed(1, 1, 2, **UNTIL)


def internal(service: Service) -> SeatKey:
    (key,) = timetable.internal_seats(service, WEEK)
    return key


def set_public(service: Service, state: State) -> None:
    """Let all public seats of the open weeks be taken, or closed."""
    for week in timetable.open_weeks(service, NOW):
        for seat in seat_store.read_week(service.id, week):
            if not timetable.is_internal(service, seat, NOW):
                assert seat_store.update(seat.key, [SeatItem.state.set(state)], SeatItem.pk.exists())
    recent.SEATS.clear()


def slots(now: datetime) -> list[tuple[str, int, int]]:
    recent.SEATS.clear()
    return [(slot.at[11:], slot.free, slot.capacity) for slot in availability.week_calendar("aes", WEEK, now).slots]


def test_a_calendar_does_not_count_an_internal_seat_before_its_release(mixed: Service) -> None:
    assert slots(NOW) == [("10:00", 2, 2), ("10:05", 1, 1), ("10:10", 2, 2)]
    assert {count.week: count.free for count in availability.open_weeks(mixed, NOW)}[WEEK] == 5
    assert slots(SATURDAY) == [("10:00", 2, 2), ("10:05", 2, 2), ("10:10", 2, 2)]


def test_a_calendar_does_not_tell_that_an_internal_seat_is_booked(mixed: Service) -> None:
    assert seat_store.update(internal(mixed), [SeatItem.state.set(State.CONFIRMED)], SeatItem.pk.exists())
    assert slots(NOW)[1] == ("10:05", 1, 1)
    assert slots(SATURDAY)[1] == ("10:05", 1, 2)


def test_the_count_of_a_week_ends_when_an_internal_seat_opens_to_the_public(mixed: Service) -> None:
    for now, free in ((SATURDAY - SECOND, 5), (SATURDAY, 6)):
        assert {count.week: count.free for count in availability.open_weeks(mixed, now)}[WEEK] == free


def test_a_slot_of_an_internal_seat_alone_does_not_exist_for_the_public() -> None:
    service = placed(1, 1, **UNTIL)
    start = service.start_of(internal(service))
    assert [at for at, _, _ in slots(NOW)] == ["10:00", "10:10"]
    with pytest.raises(refusals.NotFound):
        hold(NOW, Wish(start, conditions_accepted=True))
    assert hold(SATURDAY, Wish(start, conditions_accepted=True)).start == start


def test_no_visitor_gets_an_internal_seat_before_its_release(mixed: Service) -> None:
    start, before = mixed.start_of(internal(mixed)), SATURDAY - SECOND
    set_public(mixed, State.CONFIRMED)
    with pytest.raises(refusals.NothingFree):  # not NotOpenYet, which would tell of the seat
        hold(NOW, Wish(start, conditions_accepted=True))
    with pytest.raises(refusals.NothingFree):
        hold(NOW)
    assert not seat_store.take(internal(mixed), "guessed", SATURDAY, before)
    assert seat_store.take(internal(mixed), "guessed", SATURDAY + timedelta(minutes=3), SATURDAY)


def test_an_applicant_cannot_move_to_an_internal_seat(mixed: Service) -> None:
    appointment = confirmed(start=mixed.start_of(internal(mixed)) - timedelta(minutes=5))
    set_public(mixed, State.CLOSED)
    seat_store.update(appointment.seat.key, [SeatItem.state.set(State.CONFIRMED)], SeatItem.pk.exists())
    assert moves.choices(appointment.token, NOW)[1] == []
    with pytest.raises(refusals.SlotTaken):
        moves.move(requests.view(appointment.token, NOW), mixed.start_of(internal(mixed)), now=NOW)


def test_that_nothing_is_free_is_attested_while_internal_seats_are_left(mixed: Service) -> None:
    set_public(mixed, State.CONFIRMED)
    attested = attempts.attest(mixed, [], NOW).attestation
    assert (attested.outcome, attested.next_release) == (Outcome.FULL, MONDAY + timedelta(days=7))
    set_public(mixed, State.CLOSED)
    assert seat_store.update(internal(mixed), [SeatItem.state.set(State.CONFIRMED)], SeatItem.pk.exists())
    recent.SEATS.clear()
    assert attempts.attest(mixed, [], NOW).attestation.outcome is Outcome.NOT_OPEN


def test_a_week_whose_public_slots_are_too_near_is_not_offered_for_a_later_internal_seat() -> None:
    service = placed(2, 1)  # those of 10:00 and 10:10, never released
    (public,) = set(timetable.planned_seats(service, WEEK)) - timetable.internal_seats(service, WEEK)
    too_near = service.start_of(public) - service.limits.notice + SECOND
    for now, is_offered in ((too_near - 2 * SECOND, True), (too_near, False)):
        recent.SEATS.clear()
        assert (WEEK in {count.week for count in availability.open_weeks(service, now)}) is is_offered


def test_the_schedules_leave_internal_seats_as_they_are(mixed: Service) -> None:
    assert {change.seat.key.week for change in schedule.changes(mixed, NOW)} == {"2026-W52"}
    schedule.release_seats(SATURDAY - SECOND)
    assert seat_store.read(internal(mixed)).opens_at == SATURDAY


def test_an_appointment_that_is_cancelled_after_its_seat_became_internal_gives_it_back_to_the_desk(
    mixed: Service,
) -> None:
    appointment = confirmed(start=mixed.start_of(internal(mixed)) - timedelta(minutes=5))
    later = NOW + timedelta(minutes=2)
    service = service_store.put(with_internal(5, 1, 2, **UNTIL))
    assert appointment.seat.key in timetable.internal_seats(service, WEEK)
    requests.cancel(appointment.token, later)
    freed = seat_store.read(appointment.seat.key)
    assert (freed.state, freed.opens_at, timetable.is_internal(service, freed, later)) == (State.OPEN, SATURDAY, True)


def test_a_seat_that_came_back_to_the_desk_opens_to_the_public_when_the_file_gives_it_up(mixed: Service) -> None:
    given_back = SeatItem.past_state.set(State.CANCELLED)
    assert seat_store.update(internal(mixed), [given_back], SeatItem.pk.exists())
    service_store.put(with_internal(0, 1, 2))
    schedule.release_seats(NOW)
    assert seat_store.read(internal(mixed)).opens_at == NOW + mixed.limits.return_before
