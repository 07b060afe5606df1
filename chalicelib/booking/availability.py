"""Find the seats that look free, from the cache of this process. The cache is at most one second old."""

import random
from datetime import datetime

from chalicelib.booking.hold import Waiting
from chalicelib.domain import calendar, timetable
from chalicelib.domain.refusals import NotFound, NothingFree, NotOpenYet, SlotTaken
from chalicelib.domain.seat import SeatKey, week_of
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import TokenKind
from chalicelib.storage import recent, seat_store, service_store


def weeks_shown(service: Service, now: datetime) -> list[str]:
    """Return the weeks that have a calendar."""
    return timetable.weeks_to_create(service, now)


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """Return all seats of the service that look free, earliest first."""
    return [
        key
        for week in timetable.open_weeks(service, now)
        for key in calendar.free_seats(service, seat_store.cached_week(service.id, week, now), now)
    ]


def first_free(service: Service, now: datetime, *, spread: bool = False) -> list[SeatKey]:
    """Return the first few free seats of the first week that has any. Later weeks are not read.

    With `spread`, or when the service is busy, return all free seats of that week.
    """
    most = None if spread or recent.SEATS.is_busy(service.id, now) else calendar.FIRST_FREE_CANDIDATES
    for week in timetable.open_weeks(service, now):
        if free := calendar.first_free(service, seat_store.cached_week(service.id, week, now), now, most):
            return free
    return []


def seats_of_slot(service: Service, start: datetime, now: datetime) -> list[SeatKey]:
    """Return the seats of one slot that look free: at least one.

    Raises NotFound when there is no such slot, NotOpenYet before its release, SlotTaken or NothingFree.
    """
    week = week_of(start.date())
    seats = seat_store.cached_week(service.id, week, now) if week in weeks_shown(service, now) else []
    seats_of_slot = [seat for seat in seats if service.start_of(seat.key) == start]
    if not seats_of_slot:
        raise NotFound
    if free := calendar.free_seats(service, seats_of_slot, now):
        return free
    if coming := [seat.opens_at for seat in seats_of_slot if seat.is_coming(now)]:
        raise NotOpenYet(min(coming).astimezone(service.zone))
    raise refusal(service, start, now)


def refusal(service: Service, wished: datetime, now: datetime) -> SlotTaken | NothingFree:
    """Return the refusal for a slot that is taken: with the nearest free slots, or with the next release."""
    if free := free_seats(service, now):
        return SlotTaken(calendar.nearest_starts(service, free, wished))
    return NothingFree(timetable.next_release(service, now))


def pick(service: Service, free: list[SeatKey], now: datetime, rng: random.Random) -> SeatKey:
    """Return one of the earliest seats: the next in this process's range of a busy service, otherwise a random one."""
    key = recent.SEATS.next_in_range(service.id, free, now)
    if key is None:
        return rng.choice(free)
    recent.SEATS.record_try_in_range(key)
    return key


def is_new(key: SeatKey, now: datetime) -> bool:
    """Tell whether this seat opened within the last minutes, according to the cache."""
    seat = recent.SEATS.seat(key)
    return seat is not None and timetable.is_new(seat.opens_at, now)


def seat_for_waiting(hold: Waiting, now: datetime, rng: random.Random, *, spread: bool) -> SeatKey | None:
    """Return the seat to try for a waiting hold whose captcha is passed; None if nothing is free.

    It is the hold's own seat while that is free and still offered. Otherwise it is a seat of the nearest slot; for a
    hold of the first free slot, one of the earliest seats. With `spread` it is a random one of the nearest seats, so
    that visitors who lost the same slot do not compete again for the next one.
    """
    service = hold.service
    chosen = seat_store.cached_seat(hold.token.seat, now)
    if chosen and chosen.is_free(now) and calendar.is_offered(service, chosen.key, now):
        return chosen.key
    if hold.token.kind is TokenKind.WAITING_FIRST:
        free = first_free(service, now)
        return pick(service, free, now, rng) if free else None
    near = calendar.nearest_seats(service, free_seats(service, now), hold.start, calendar.FIRST_FREE_CANDIDATES)
    if near and not spread:
        near = [key for key in near if (key.day, key.start) == (near[0].day, near[0].start)]
    return rng.choice(near) if near else None


def services(now: datetime) -> list[Service]:
    """Return the services that are listed. A hidden service can be booked by its URL."""
    return [service for service in service_store.read_all(now) if not service.hidden]


def service(service_id: str, now: datetime) -> Service:
    """Return a service. Raises NotFound if there is none with this id."""
    return service_store.read(service_id, now)


def week_calendar(service_id: str, week: str | None, now: datetime) -> calendar.Calendar:
    """Return the calendar of a week. Without one, the week of the first free slot, or the current week.

    Raises NotFound for a week that has no calendar.
    """
    service = service_store.read(service_id, now)
    if week is None:
        free = first_free(service, now)
        week = free[0].week if free else week_of(now.astimezone(service.zone).date())
    elif week not in weeks_shown(service, now):
        raise NotFound
    return calendar.week_calendar(service, week, seat_store.cached_week(service_id, week, now), now)
