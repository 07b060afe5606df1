"""The register of the desk: arrivals, outcomes, and slips that are taken back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.booking import moves, personal_data, requests
from chalicelib.desk import audit, register
from chalicelib.domain import codec, lifecycle, refusals, seat_changes
from chalicelib.domain.refusals import AlreadyRecorded, AppointmentBegun, NotDue, NotFound
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import desk_store, dynamodb, register_store, seat_keys, seat_store
from chalicelib.storage.desk_items import DeskAuditItem
from tests.conftest import document, fill
from tests.unit.booking.steps import AWA, BEN, NOW, START, at_once, confirmed, filed
from tests.unit.mail.postman import image

pytestmark = pytest.mark.slow

EARLY, LATE, MINUTE = START - timedelta(minutes=20), START + timedelta(minutes=5), timedelta(minutes=1)
AGNES, BRUNO = "a" * 16, "b" * 16


@pytest.fixture
def key(service: Service) -> SeatKey:  # noqa: ARG001  # the service is there for its effect
    """Return the seat of a confirmed appointment."""
    return confirmed().seat.key


def acts(service: Service) -> list[tuple[str, str]]:
    return [(row.agent, row.act) for row in desk_store.read_audit(service.id, START.date())]


@pytest.mark.parametrize("outcome", [State.SEEN, State.MISSED, State.INCOMPLETE])
def test_a_day_is_an_arrival_and_an_outcome_each_with_its_audit(service: Service, key: SeatKey, outcome: State) -> None:
    arrived = register.arrive(service, key, AGNES, EARLY)
    assert (arrived.state, arrived.recorded_at, arrived.recorded_by) == (State.ARRIVED, EARLY, AGNES)
    done = register.record(service, key, outcome, BRUNO, LATE)
    assert (done.state, done.recorded_at, done.recorded_by, done.arrived_by) == (outcome, LATE, BRUNO, AGNES)
    assert seat_store.read(key) == done
    assert acts(service) == [(AGNES, "arrived"), (BRUNO, outcome)]
    (first, _) = desk_store.read_audit(service.id, START.date())
    assert first.facts == {"seat": key.ref, "hold": done.hold}


def test_an_outcome_needs_no_arrival(service: Service, key: SeatKey) -> None:
    assert register.record(service, key, State.SEEN, AGNES, LATE).arrived_at is None


def test_the_same_agent_may_press_twice(service: Service, key: SeatKey) -> None:
    first = register.arrive(service, key, AGNES, EARLY)
    assert register.arrive(service, key, AGNES, EARLY + MINUTE) == first
    seen = register.record(service, key, State.SEEN, AGNES, LATE)
    assert register.record(service, key, State.SEEN, AGNES, LATE + MINUTE) == seen
    assert register.undo(service, key, State.SEEN, AGNES, LATE) == first
    assert register.undo(service, key, State.SEEN, AGNES, LATE) == first
    assert register.undo(service, key, State.ARRIVED, AGNES, LATE).state is State.CONFIRMED
    assert register.undo(service, key, State.ARRIVED, AGNES, LATE).state is State.CONFIRMED
    assert len(acts(service)) == 4


def test_another_agent_is_told_who_was_first(service: Service, key: SeatKey) -> None:
    register.arrive(service, key, AGNES, EARLY)
    with pytest.raises(AlreadyRecorded) as refusal:
        register.arrive(service, key, BRUNO, EARLY + MINUTE)
    assert (refusal.value.state, refusal.value.at, refusal.value.by_other) == (State.ARRIVED, EARLY, True)
    register.record(service, key, State.MISSED, AGNES, LATE)
    with pytest.raises(AlreadyRecorded) as refusal:
        register.record(service, key, State.SEEN, AGNES, LATE + MINUTE)
    assert (refusal.value.state, refusal.value.at, refusal.value.by_other) == (State.MISSED, LATE, False)
    with pytest.raises(AlreadyRecorded):
        register.record(service, key, State.MISSED, BRUNO, LATE + MINUTE)
    with pytest.raises(AlreadyRecorded):
        register.arrive(service, key, AGNES, LATE + MINUTE)


def test_only_the_agent_who_recorded_takes_it_back(service: Service, key: SeatKey) -> None:
    register.arrive(service, key, AGNES, EARLY)
    register.record(service, key, State.SEEN, BRUNO, LATE)
    with pytest.raises(AlreadyRecorded) as refusal:
        register.undo(service, key, State.SEEN, AGNES, LATE)
    assert (refusal.value.state, refusal.value.by_other) == (State.SEEN, True)
    with pytest.raises(AlreadyRecorded):  # the page of an arrival is still open, and the outcome is there
        register.undo(service, key, State.ARRIVED, AGNES, LATE)
    register.undo(service, key, State.SEEN, BRUNO, LATE)
    with pytest.raises(AlreadyRecorded):
        register.undo(service, key, State.ARRIVED, BRUNO, LATE)
    register.undo(service, key, State.ARRIVED, AGNES, LATE)
    assert seat_store.read(key).recorded_by == ""


def test_an_arrival_is_for_the_day_of_the_appointment(service: Service, key: SeatKey) -> None:
    midnight = START.replace(hour=0)
    for moment in (midnight - timedelta(seconds=1), midnight + timedelta(days=1)):
        with pytest.raises(NotDue):
            register.arrive(service, key, AGNES, moment)
    register.arrive(service, key, AGNES, midnight)


def test_an_outcome_can_be_recorded_later_but_not_on_an_earlier_day(service: Service, key: SeatKey) -> None:
    with pytest.raises(NotDue):
        register.record(service, key, State.SEEN, AGNES, LATE - timedelta(days=1))
    register.record(service, key, State.SEEN, AGNES, LATE + timedelta(days=3))


def test_nobody_misses_an_appointment_before_its_start(service: Service, key: SeatKey) -> None:
    with pytest.raises(NotDue):
        register.record(service, key, State.MISSED, AGNES, START - timedelta(seconds=1))
    register.record(service, key, State.MISSED, AGNES, START)


def test_there_is_nothing_to_record_without_an_appointment(service: Service) -> None:
    pending = filed().seat.key
    for key in (pending, SeatKey(pending.day, pending.start, 9, "aes")):
        with pytest.raises(NotFound):
            register.arrive(service, key, AGNES, EARLY)
        with pytest.raises(NotFound):
            register.record(service, key, State.SEEN, AGNES, LATE)
        with pytest.raises(NotFound):
            register.undo(service, key, State.SEEN, AGNES, LATE)
    with pytest.raises(NotFound):
        register.arrive(service, SeatKey(pending.day, pending.start, 1, "another"), AGNES, EARLY)
    booked = confirmed(BEN).seat.key
    with pytest.raises(NotFound):
        register.arrive(replace(service, id="another"), booked, AGNES, EARLY)
    with pytest.raises(ValueError, match="confirmed"):
        register.record(service, pending, State.CONFIRMED, AGNES, LATE)


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_agents_at_once_one_records_and_the_others_learn_it(service: Service, key: SeatKey) -> None:
    agents = [letter * 16 for letter in "cdefghij"]
    outcomes = [State.SEEN, State.INCOMPLETE]

    def record(number: int) -> Callable[[], object]:
        return lambda: register.record(service, key, outcomes[number % 2], agents[number], LATE)

    answers = at_once(*map(record, range(8)))
    (winner,) = [answer for answer in answers if isinstance(answer, Seat)]
    assert seat_store.read(key) == winner
    others = [answer for answer in answers if isinstance(answer, refusals.Refusal)]
    assert all(isinstance(other, AlreadyRecorded) and other.by_other for other in others)
    assert acts(service) == [(winner.outcome_by, winner.state)]


def test_a_write_names_the_holder_and_who_recorded(service: Service, key: SeatKey) -> None:
    def item() -> DeskAuditItem:
        return audit.item("aes", BRUNO, "seen", LATE)

    stale = replace(seat_store.read(key), hold="another")
    assert not register_store.record_arrival(stale, BRUNO, LATE, item())
    assert not register_store.record_outcome(stale, State.SEEN, BRUNO, LATE, item())
    arrived = register.arrive(service, key, AGNES, EARLY)
    assert not register_store.take_back_arrival(arrived, BRUNO, item())
    seen = register.record(service, key, State.SEEN, AGNES, LATE)
    assert not register_store.take_back_outcome(seen, BRUNO, item())
    assert seat_store.read(key) == seen


def test_a_change_between_reading_and_writing_is_seen(service: Service, key: SeatKey) -> None:
    stale = seat_store.read(key)
    requests.cancel(requests.request_of(service, stale).token, EARLY)
    with pytest.raises(NotFound):
        register.arrive(service, key, AGNES, EARLY)


# The applicant


@pytest.fixture(params=[State.ARRIVED, State.SEEN, State.MISSED, State.INCOMPLETE])
def link(request: pytest.FixtureRequest, service: Service) -> str:
    """Return the link of a request in each state that the desk records."""
    booked = confirmed()
    if request.param is State.ARRIVED:
        register.arrive(service, booked.seat.key, AGNES, EARLY)
    else:
        register.record(service, booked.seat.key, request.param, AGNES, START)
    return booked.token


def test_an_applicant_can_change_nothing_after_the_arrival(link: str) -> None:
    before = requests.view(link, EARLY)
    attempts: list[Callable[[], object]] = [
        lambda: requests.cancel(link, EARLY),
        lambda: personal_data.erase(link, EARLY),
        lambda: moves.choices(link, EARLY),
        lambda: moves.move(before, START + timedelta(minutes=5), now=EARLY),
        lambda: personal_data.view_correctable(link, EARLY),
        lambda: personal_data.send_convocation(link, EARLY),
    ]
    for attempt in attempts:
        with pytest.raises(AppointmentBegun):
            attempt()
    assert requests.confirm(link, EARLY) == requests.view(link, EARLY) == before
    assert personal_data.data(link, EARLY)["state"] == before.state


def test_a_cancellation_or_move_that_was_read_before_the_arrival_is_refused(service: Service) -> None:
    booked = confirmed()
    register.arrive(service, booked.seat.key, AGNES, EARLY)
    with pytest.raises(AppointmentBegun):
        moves.move(booked, START + timedelta(minutes=5), now=NOW)
    assert seat_store.read(booked.seat.key).state is State.ARRIVED


def test_neither_the_clock_nor_a_slip_writes_to_the_applicant(service: Service, key: SeatKey) -> None:
    confirmed_image = image(key)
    register.arrive(service, key, AGNES, EARLY)
    arrived_image = image(key)
    register.undo(service, key, State.ARRIVED, AGNES, EARLY)
    assert outbox.letter_due(confirmed_image, arrived_image) is None
    assert outbox.letter_due(arrived_image, image(key)) is None
    register.arrive(service, key, AGNES, EARLY)
    seat = seat_store.read(key)
    assert not lifecycle.needs_reminder(service, seat, EARLY)
    assert lifecycle.expired_state(seat, LATE) is None
    closed = codec.service_from_document(document(closures=[{"first": "2026-12-14", "last": "2026-12-20"}]))
    assert list(seat_changes.changes_of_week(closed, key.week, [seat], EARLY, create=True)) == []


def test_who_waits_at_the_desk_has_the_same_locks_and_who_missed_is_free_from_the_start(service: Service) -> None:
    fill(service, EARLY)
    booked = confirmed()
    register.arrive(service, booked.seat.key, AGNES, EARLY)
    with pytest.raises(refusals.AlreadyRequested):
        filed(AWA, None, EARLY)
    register.record(service, booked.seat.key, State.MISSED, AGNES, START)
    again = filed(AWA, None, START)
    assert again.state is State.PENDING
    assert requests.view(booked.token, START).state is State.MISSED
    confirmed(BEN, None, START)


def test_the_operator_can_erase_what_the_desk_recorded_and_the_outcome_stays(service: Service, key: SeatKey) -> None:
    register.record(service, key, State.SEEN, AGNES, LATE)
    seat = seat_store.read(key)
    assert seat_store.remove_person(key, seat.hold)
    assert (seat_store.read(key).state, seat_store.read(key).person) == (State.SEEN, "")
    assert dynamodb.read(*seat_keys.seat_primary_key(key))
