"""What became of each appointment: agents record the arrival and the outcome, and take back their own slips.

Each change is one transaction: a conditional write on the seat, and its audit item. It frees the desk that had called
the applicant. Every function may be called again. `calls` has what is between arrival and outcome.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from chalicelib.desk import audit
from chalicelib.domain.refusals import AlreadyRecorded, NotDue, NotFound, TooManyRequests
from chalicelib.domain.seat import APPOINTMENT, OUTCOMES, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import register_store, seat_store
from chalicelib.storage.desk_items import DeskAuditItem

TRIES = 3


def arrive(service: Service, key: SeatKey, agent_id: str, now: datetime) -> Seat:
    """Record that the applicant has arrived.

    Raise NotFound for a seat without an appointment, NotDue on another day than that of the appointment, and
    AlreadyRecorded if somebody recorded an arrival or an outcome before. Repeated by the same agent it does nothing.
    """

    def write(seat: Seat) -> Seat | None:
        if key.day != today(service, now):
            raise NotDue(service.start_of(key))
        if seat.state is not State.CONFIRMED:
            return _repeated(seat, State.ARRIVED, agent_id)
        record = audit_of(seat, agent_id, State.ARRIVED, now)
        is_done = register_store.record_arrival(seat, agent_id, now, record)
        return replace(seat, state=State.ARRIVED, arrived_at=now, arrived_by=agent_id) if is_done else None

    return change(service, key, write)


def record(service: Service, key: SeatKey, outcome: State, agent_id: str, now: datetime) -> Seat:
    """Record the outcome of an appointment, whether the applicant arrived and was called or not.

    Raise NotFound for a seat without an appointment, NotDue before the day of the appointment (or before its start, for
    MISSED), and AlreadyRecorded if somebody recorded an outcome before. Repeated by the same agent it does nothing.
    """
    if outcome not in OUTCOMES:
        raise ValueError(outcome)

    def write(seat: Seat) -> Seat | None:
        start = service.start_of(key)
        if key.day > today(service, now) or (outcome is State.MISSED and start > now):
            raise NotDue(start)
        if seat.state in OUTCOMES:
            return _repeated(seat, outcome, agent_id)
        is_done = register_store.record_outcome(seat, outcome, agent_id, now, audit_of(seat, agent_id, outcome, now))
        return replace(seat, state=outcome, outcome_at=now, outcome_by=agent_id) if is_done else None

    return change(service, key, write)


def undo(service: Service, key: SeatKey, state: State, agent_id: str, now: datetime) -> Seat:
    """Take back the arrival, the call or the outcome `state`, which this agent recorded. Repeated it does nothing.

    Who was called before the outcome is then put aside. Raise AlreadyRecorded if another agent recorded it, or if the
    seat has another state since.
    """

    def write(seat: Seat) -> Seat | None:
        if seat.state is State.CONFIRMED or (seat.state is State.ARRIVED and state is not State.ARRIVED):
            return seat  # it was taken back a moment ago
        if seat.state is not state or seat.recorded_by != agent_id:
            raise refusal_of(seat, agent_id)
        record = audit_of(seat, agent_id, f"undo {state}", now)
        take_back, after = _TAKE_BACK[state]
        return after(seat) if take_back(seat, agent_id, record) else None

    return change(service, key, write)


def _without_calls(seat: Seat) -> Seat:
    return replace(seat, called_at=None, called_by="", called_to=0, calls=0)


def _without_arrival(seat: Seat) -> Seat:
    return replace(_without_calls(seat), state=State.CONFIRMED, arrived_at=None, arrived_by="", parked=False)


def _without_call(seat: Seat) -> Seat:
    return replace(seat if seat.parked else _without_calls(seat), state=State.ARRIVED)


def _without_outcome(seat: Seat) -> Seat:
    before = State.ARRIVED if seat.arrived_at else State.CONFIRMED
    return replace(seat, state=before, outcome_at=None, outcome_by="", parked=seat.parked or bool(seat.called_at))


_TAKE_BACK = {
    State.ARRIVED: (register_store.take_back_arrival, _without_arrival),
    State.CALLED: (register_store.take_back_call, _without_call),
    **dict.fromkeys(OUTCOMES, (register_store.take_back_outcome, _without_outcome)),
}
"""For each state the write that takes it back, and what the seat is then."""


def change(service: Service, key: SeatKey, write: Callable[[Seat], Seat | None]) -> Seat:
    """Read a seat and change it, again if it changed meanwhile.

    `write` returns None if it did. Raise NotFound for a seat without an appointment, TooManyRequests if it keeps
    changing.
    """
    if key.service != service.id:
        raise NotFound
    for _ in range(TRIES):
        seat = seat_store.read(key)
        if seat.state not in APPOINTMENT:
            raise NotFound
        if changed := write(seat):
            return changed
    raise TooManyRequests


def _repeated(seat: Seat, state: State, agent_id: str) -> Seat:
    """Return the seat if the agent recorded this state before. Raise AlreadyRecorded if not."""
    if seat.state is state and seat.recorded_by == agent_id:
        return seat
    raise refusal_of(seat, agent_id)


def refusal_of(seat: Seat, agent_id: str) -> AlreadyRecorded:
    """Return what tells an agent that a seat has another state, and since when."""
    if seat.recorded_at is None:
        raise ValueError(f"nothing is recorded on {seat.key.ref}")
    return AlreadyRecorded(seat.state, seat.recorded_at, by_other=seat.recorded_by != agent_id)


def audit_of(seat: Seat, agent_id: str, act: str, now: datetime, **facts: str) -> DeskAuditItem:
    """Return the audit item of a change of a seat."""
    return audit.item(seat.key.service, agent_id, act, now, seat=seat.key.ref, hold=seat.hold, **facts)


def today(service: Service, now: datetime) -> date:
    """Return the day at the place of a service."""
    return now.astimezone(service.zone).date()
