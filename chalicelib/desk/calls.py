"""Calls: which applicant goes to which desk now.

Each change is one transaction: a conditional write on the seat, the item of the desk, and the audit item. So a desk
calls one applicant at a time, and an applicant is called to one desk. `register` has the outcome, and the undo.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.desk import day, places, register
from chalicelib.desk.day import Row
from chalicelib.domain.refusals import (
    DeskBusy,
    InvalidFields,
    NobodyWaits,
    NotArrived,
    NotDue,
    NotFound,
    TooManyRequests,
)
from chalicelib.domain.seat import APPOINTMENT, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import call_store, register_store, seat_store

TRIES = 30
"""How often a call is tried. Of the desks that call at the same moment one succeeds at each try."""
UNKNOWN_DESK = "Ce service n’a pas ce guichet aujourd’hui. Choisissez un guichet de la liste."


@dataclass(frozen=True, slots=True)
class Queue:
    """Who is in the waiting room and at the desks now."""

    desks: list[int]
    """The desks to which applicants can be called."""
    waiting: list[Row]
    """In the order in which they are called."""
    parked: list[Row]
    called: list[Row]
    """By desk."""
    own_desk: int | None
    """The desk to which the agent called somebody today, if any: the last one."""

    def at(self, desk: int | None) -> Row | None:
        """Return the row of whom a desk has called and not finished with."""
        return next((row for row in self.called if row.seat.called_to == desk), None)


def read_queue(service: Service, agent_id: str, now: datetime) -> Queue:
    """Read who waits and who is called today. One Query of the day, and one BatchGet for 100 of these applicants."""
    seats = seat_store.read_day(service.id, register.today(service, now))
    present = [seat for seat in seats if seat.state in {State.ARRIVED, State.CALLED}]
    rows = day.with_people(service, present, now)
    own = [(seat.called_at, seat.called_to) for seat in seats if seat.called_at and seat.called_by == agent_id]
    return Queue(
        desks=places.desks_of(service, seats),
        waiting=[row for row in rows if waits(row.seat)],
        parked=[row for row in rows if row.seat.state is State.ARRIVED and row.seat.parked],
        called=sorted((row for row in rows if row.seat.state is State.CALLED), key=lambda row: row.seat.called_to),
        own_desk=max(own)[1] if own else None,
    )


def waits(seat: Seat) -> bool:
    """Tell whether the applicant has arrived and will be called in turn: nobody called them and put them aside."""
    return seat.state is State.ARRIVED and not seat.parked


def at_desk(seats: Iterable[Seat], desk: int) -> Seat | None:
    """Return the seat of whom a desk has called and not finished with."""
    return next((seat for seat in seats if seat.state is State.CALLED and seat.called_to == desk), None)


def call_next(service: Service, desk: int, agent_id: str, now: datetime) -> Seat:
    """Call the applicant of today with the earliest appointment who waits. At one start, the first desk comes first.

    Raise InvalidFields if the service does not have the desk, DeskBusy if the desk has called somebody and not
    finished, and NobodyWaits. At each try one Query of the day and one transaction.
    """

    def choose(seats: Sequence[Seat]) -> Seat:
        if busy := at_desk(seats, desk):
            raise DeskBusy(busy)
        for seat in seats:
            if waits(seat):
                return seat
        raise NobodyWaits

    return _call(service, desk, agent_id, now, choose)


def call(service: Service, key: SeatKey, desk: int, agent_id: str, now: datetime, *, calls: int | None = None) -> Seat:
    """Call this applicant: out of turn, after they were put aside, or again to the same desk.

    `calls` is how often the agent saw them called: if this desk has called them more often, nothing is done.

    Raise NotDue on another day than that of the appointment, NotFound without an appointment, NotArrived before the
    arrival, AlreadyRecorded if another desk has called them or an outcome is recorded, DeskBusy if the desk has called
    somebody else, and InvalidFields if the service does not have the desk. Costs as `call_next`.
    """
    if key.day != register.today(service, now):
        raise NotDue(service.start_of(key))

    def choose(seats: Sequence[Seat]) -> Seat:
        seat = next((seat for seat in seats if seat.key == key and seat.state in APPOINTMENT), None)
        if seat is None:
            raise NotFound
        if seat.state is State.CONFIRMED:
            raise NotArrived
        busy = at_desk(seats, desk)
        if busy == seat:
            return seat
        if seat.state is not State.ARRIVED:
            raise register.refusal_of(seat, agent_id)
        if busy:
            raise DeskBusy(busy)
        return seat

    return _call(service, desk, agent_id, now, choose, seen=calls)


def park(service: Service, key: SeatKey, agent_id: str, now: datetime) -> Seat:
    """Put an applicant aside who was called and does not come. The desk is free then. Repeated it does nothing.

    Any agent may do so. Raise NotFound without an appointment, NotArrived before the arrival, and AlreadyRecorded if
    the applicant has another state.
    """

    def write(seat: Seat) -> Seat | None:
        if seat.state is State.CONFIRMED:
            raise NotArrived
        if seat.state is State.ARRIVED and seat.parked:
            return seat
        if seat.state is not State.CALLED:
            raise register.refusal_of(seat, agent_id)
        is_done = register_store.park(seat, register.audit_of(seat, agent_id, "parked", now))
        return replace(seat, state=State.ARRIVED, parked=True) if is_done else None

    return register.change(service, key, write)


def _call(
    service: Service,
    desk: int,
    agent_id: str,
    now: datetime,
    choose: Callable[[Sequence[Seat]], Seat],
    *,
    seen: int | None = None,
) -> Seat:
    """Read the day, choose a seat and call its applicant; again if somebody else changed something meanwhile."""
    for _ in range(TRIES):
        seats = seat_store.read_day(service.id, register.today(service, now))
        if desk not in places.desks_of(service, seats):
            raise InvalidFields({"desk": UNKNOWN_DESK})
        seat = choose(seats)
        if seat.state is State.CALLED and seen is not None and seat.calls > seen:
            return seat
        record = register.audit_of(seat, agent_id, "called", now, desk=str(desk))
        if call_store.call(seat, desk, agent_id, now, record):
            return replace(
                seat,
                state=State.CALLED,
                called_at=seat.called_at or now,
                called_by=agent_id,
                called_to=desk,
                calls=seat.calls + 1,
            )
    raise TooManyRequests
