"""The seats that the desk may give: internal ones, those that are open to everybody, and seats of today for walk-ins.

What is read here is a proposal. The condition of the write decides (`seat_expressions.is_unused`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from chalicelib.booking import availability
from chalicelib.desk import history, manual_seats
from chalicelib.domain import calendar, timetable
from chalicelib.domain.refusals import NotFound, SlotTaken, TooManyRequests
from chalicelib.domain.seat import Seat, SeatKey, State, week_of
from chalicelib.domain.seat_changes import DeskOccupancy
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from chalicelib.storage.timetable_store import Outdated


def desks_of(service: Service, seats: Iterable[Seat]) -> list[int]:
    """Return the desks of a service: those of its opening hours and those of these seats."""
    desks = {desk for opening in service.openings for desk in opening.desks}
    return sorted(desks | {seat.key.unit for seat in seats})


def free_for(service: Service, now: datetime, *, public: bool) -> list[SeatKey]:
    """Return the free seats that the desk may book for somebody: internal ones, then public ones, earliest first.

    An internal seat can be booked until its slot begins. With `public` (role AGENT and above) the seats follow that
    every visitor could take now; they keep the notice of the service. A draw has none of either.

    Internal seats are read from the table each time: one Query for each week in which some are not yet released, or
    seven if the week has a partition for each day. A snapshot hides a freed seat until it opens to the public, and the
    process cache keeps a week without a free public seat for a minute. Public seats are those that the calendar shows
    (`availability.free_seats`), from a snapshot too: until a freed one opens, the desk may not give it either. Only
    what is opened by hand in a full week can be a minute late.
    """
    internal = [
        seat.key
        for week in _weeks_with_internal(service, now)
        for seat in seat_store.read_week_for_calendar(service.id, week)
        if _is_free_internal(service, seat, now)
    ]
    return internal + (availability.free_seats(service, now) if public else [])


def _weeks_with_internal(service: Service, now: datetime) -> Iterator[str]:
    """Return the weeks in which an internal seat is still to be released to the public. Others need no read."""
    for week in timetable.weeks_to_create(service, now):
        if any(public_at > now for public_at in timetable.internal_plan(service, week).values()):
            yield week


def _is_free_internal(service: Service, seat: Seat, now: datetime) -> bool:
    return seat.state is State.OPEN and timetable.is_internal(service, seat, now)


def now_seats(service: Service, now: datetime) -> list[SeatKey]:
    """Return the seats of today that a planner may give to a walk-in, by start and desk.

    They are, of each desk, the slot that runs now and the later ones, without notice: those that nobody has, and
    those that the rules give and that do not exist yet. Never one that is held, filed, set aside or closed, nor one
    that overlaps another seat of its desk that somebody has. One consistent Query.
    """
    today = now.astimezone(service.zone).date()
    seats = {seat.key: seat for seat in seat_store.read_day(service.id, today)}
    unused = {key for key, seat in seats.items() if _is_unused(seat, now)}
    unclosed = {key for key, seat in seats.items() if seat.state is not State.CLOSED}
    closed_by_hand = {key for key, seat in seats.items() if manual_seats.is_closed_by_operator(seat)}
    used, occupied = DeskOccupancy(service, unclosed - unused), DeskOccupancy(service, unclosed | closed_by_hand)
    planned = [key for key in timetable.planned_seats(service, week_of(today)) if key.day == today]
    keys = [key for key in unused if not used.overlapped(key)]
    keys += [key for key in planned if key not in seats and not occupied.overlapped(key)]
    return sorted(key for key in keys if service.start_of(key) + service.slot > now)


def _is_unused(seat: Seat, now: datetime) -> bool:
    """Tell whether nobody has a seat, whenever it opens to the public, and it is not set aside."""
    return seat.is_free(now) or (seat.state is State.OPEN and not seat.is_set_aside(now))


def read_free(
    service: Service,
    keys: Sequence[SeatKey],
    now: datetime,
    *,
    public: bool,
    walk_in: bool = False,
    agent_id: str = "",
) -> list[Seat]:
    """Read the seats chosen for a booking consistently, for the condition of its write: each is one of `free_for`.

    With `walk_in` each is one of `now_seats`, and those that do not exist yet are created first, as extra seats that
    open to nobody else; the history names `agent_id`. Idempotent. Raise SlotTaken, with the nearest starts, if one of
    them is no longer free.
    """
    if walk_in:
        free = now_seats(service, now)
        _require(service, keys, free, free)
        return [_read_or_create(service, key, agent_id, now) for key in keys]
    seats = [seat for key in keys if (seat := _read(key)) and _may_give(service, seat, now, public=public)]
    if len(seats) < len(keys):
        _require(service, keys, [seat.key for seat in seats], free_for(service, now, public=public))
    return seats


def _read(key: SeatKey) -> Seat | None:
    try:
        return seat_store.read(key)
    except NotFound:
        return None


def _may_give(service: Service, seat: Seat, now: datetime, *, public: bool) -> bool:
    if public and seat.is_free(now) and calendar.is_offered(service, seat.key, now):
        return True
    return _is_free_internal(service, seat, now)


def _require(service: Service, keys: Sequence[SeatKey], allowed: Iterable[SeatKey], free: Iterable[SeatKey]) -> None:
    """Raise SlotTaken, with the starts of the nearest free seats, if one of these seats is not allowed."""
    if missing := sorted(set(keys) - set(allowed)):
        starts = calendar.nearest_starts(service, set(free) - set(missing), service.start_of(missing[0]))
        raise SlotTaken(starts)


def _read_or_create(service: Service, key: SeatKey, agent_id: str, now: datetime) -> Seat:
    """Read a seat; create it if it does not exist. It then opens at its own start, so that it opens to no visitor."""
    if seat := _read(key):
        return seat
    start, end = service.start_of(key), service.start_of(key) + service.slot
    hours = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "desks": [key.unit]}
    facts = {"first": key.day.isoformat(), "last": key.day.isoformat(), **hours}
    with history.recorded(service.id, agent_id, history.Act.WALK_IN, now, **facts) as counts:
        try:
            plans = list(manual_seats.add(service, [key], start))
        except Outdated as outdated:
            raise TooManyRequests from outdated
        counts["made"] = sum(len(plan.fits) for plan in plans)
    if plans[-1].overlaps:
        raise SlotTaken
    return seat_store.read(key)
