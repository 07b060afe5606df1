"""Which seats a visitor may take, from what this process has seen of them within the last second."""

import random
from datetime import datetime

from chalicelib import memory, store, timetable
from chalicelib.errors import NotFound, NothingFree, NotOpenYet, SlotTaken
from chalicelib.model import SeatKey, Service, week_of
from chalicelib.tokens import Kind, Ticket


def weeks_shown(service: Service, now: datetime) -> list[str]:
    """The weeks that have a calendar."""
    return timetable.weeks_to_create(service, now)


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """All seats of the service that look free, earliest first."""
    return [
        key
        for week in timetable.open_weeks(service, now)
        for key in timetable.free_seats(service, store.seats_seen(service.id, week, now), now)
    ]


def earliest(service: Service, now: datetime, *, spread: bool = False) -> list[SeatKey]:
    """The first few free seats of one week; with `spread`, or when the service is busy, all of that week.

    No week after the first one with free seats is read.
    """
    most = None if spread or memory.is_busy(service.id, now) else timetable.EARLIEST
    for week in timetable.open_weeks(service, now):
        if first := timetable.earliest(service, store.seats_seen(service.id, week, now), now, most):
            return first
    return []


def of_slot(service: Service, start: datetime, now: datetime) -> list[SeatKey]:
    """The seats of one slot that look free; refuse when there is none, and say why."""
    week = week_of(start.date())
    seats = store.seats_seen(service.id, week, now) if week in weeks_shown(service, now) else []
    here = [seat for seat in seats if service.start_of(seat.key) == start]
    if not here:
        raise NotFound
    if free := timetable.free_seats(service, here, now):
        return free
    if coming := [seat.opens_at for seat in here if seat.is_coming(now)]:
        raise NotOpenYet(min(coming).astimezone(service.zone))
    raise refusal(service, start, now)


def refusal(service: Service, wished: datetime, now: datetime) -> SlotTaken | NothingFree:
    """Return the refusal for a slot that is taken: with the nearest free slots, or with the next release."""
    if free := free_seats(service, now):
        return SlotTaken(timetable.nearest(service, free, wished))
    return NothingFree(timetable.next_release(service, now))


def one_of(service: Service, free: list[SeatKey], now: datetime, chance: random.Random) -> SeatKey:
    """Return one of the earliest seats: the next in this process's range of a busy service, otherwise a random one."""
    return memory.beside(service.id, free, now) or chance.choice(free)


def is_new(key: SeatKey, now: datetime) -> bool:
    """Tell whether this seat opened within the last minutes, as far as this process has seen."""
    seat = memory.seat(key)
    return seat is not None and timetable.is_new(seat.opens_at, now)


def for_waiting(
    service: Service, hold: Ticket, now: datetime, chance: random.Random, *, spread: bool
) -> SeatKey | None:
    """Return the seat to try for a waiting hold whose captcha is passed; None if nothing is free.

    It is the hold's own seat while that is free and still offered. Otherwise it is a seat of the nearest slot; for a
    hold of the first free slot, one of the earliest seats. With `spread` it is a random one of the nearest seats, so
    that visitors who lost the same slot do not compete again for the next one.
    """
    own = store.seat_seen(hold.seat, now)
    if own and own.is_free(now) and timetable.is_offered(service, own.key, now):
        return own.key
    if hold.kind is Kind.WAITING_FIRST:
        free = earliest(service, now)
        return one_of(service, free, now, chance) if free else None
    wished = service.start_of(hold.seat)
    near = timetable.nearest_seats(service, free_seats(service, now), wished, timetable.EARLIEST)
    if near and not spread:
        near = [key for key in near if (key.day, key.start) == (near[0].day, near[0].start)]
    return chance.choice(near) if near else None
