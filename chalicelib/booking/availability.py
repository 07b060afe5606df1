"""Which seats a visitor may take, from what this process has seen of them within the last second."""

import random
from datetime import datetime

from chalicelib.domain import calendar, timetable
from chalicelib.domain.refusals import NotFound, NothingFree, NotOpenYet, SlotTaken
from chalicelib.domain.seat import SeatKey, week_of
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import SignedToken, TokenKind
from chalicelib.storage import recent, seat_store, service_store


def weeks_shown(service: Service, now: datetime) -> list[str]:
    """The weeks that have a calendar."""
    return timetable.weeks_to_create(service, now)


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """All seats of the service that look free, earliest first."""
    return [
        key
        for week in timetable.open_weeks(service, now)
        for key in calendar.free_seats(service, seat_store.cached_week(service.id, week, now), now)
    ]


def first_free(service: Service, now: datetime, *, spread: bool = False) -> list[SeatKey]:
    """The first few free seats of one week; with `spread`, or when the service is busy, all of that week.

    No week after the first one with free seats is read.
    """
    most = None if spread or recent.is_busy(service.id, now) else calendar.EARLIEST
    for week in timetable.open_weeks(service, now):
        if first := calendar.first_free(service, seat_store.cached_week(service.id, week, now), now, most):
            return first
    return []


def seats_of_slot(service: Service, start: datetime, now: datetime) -> list[SeatKey]:
    """The seats of one slot that look free; refuse when there is none, and say why."""
    week = week_of(start.date())
    seats = seat_store.cached_week(service.id, week, now) if week in weeks_shown(service, now) else []
    here = [seat for seat in seats if service.start_of(seat.key) == start]
    if not here:
        raise NotFound
    if free := calendar.free_seats(service, here, now):
        return free
    if coming := [seat.opens_at for seat in here if seat.is_coming(now)]:
        raise NotOpenYet(min(coming).astimezone(service.zone))
    raise refusal(service, start, now)


def refusal(service: Service, wished: datetime, now: datetime) -> SlotTaken | NothingFree:
    """Return the refusal for a slot that is taken: with the nearest free slots, or with the next release."""
    if free := free_seats(service, now):
        return SlotTaken(calendar.nearest(service, free, wished))
    return NothingFree(timetable.next_release(service, now))


def pick(service: Service, free: list[SeatKey], now: datetime, rng: random.Random) -> SeatKey:
    """Return one of the earliest seats: the next in this process's range of a busy service, otherwise a random one."""
    return recent.next_in_range(service.id, free, now) or rng.choice(free)


def is_new(key: SeatKey, now: datetime) -> bool:
    """Tell whether this seat opened within the last minutes, as far as this process has seen."""
    seat = recent.seat(key)
    return seat is not None and timetable.is_new(seat.opens_at, now)


def seat_for_waiting(
    service: Service, hold: SignedToken, now: datetime, rng: random.Random, *, spread: bool
) -> SeatKey | None:
    """Return the seat to try for a waiting hold whose captcha is passed; None if nothing is free.

    It is the hold's own seat while that is free and still offered. Otherwise it is a seat of the nearest slot; for a
    hold of the first free slot, one of the earliest seats. With `spread` it is a random one of the nearest seats, so
    that visitors who lost the same slot do not compete again for the next one.
    """
    own = seat_store.cached_seat(hold.seat, now)
    if own and own.is_free(now) and calendar.is_offered(service, own.key, now):
        return own.key
    if hold.kind is TokenKind.WAITING_FIRST:
        free = first_free(service, now)
        return pick(service, free, now, rng) if free else None
    wished = service.start_of(hold.seat)
    near = calendar.nearest_seats(service, free_seats(service, now), wished, calendar.EARLIEST)
    if near and not spread:
        near = [key for key in near if (key.day, key.start) == (near[0].day, near[0].start)]
    return rng.choice(near) if near else None


# Looking


def services(now: datetime) -> list[Service]:
    """The services offered: not those that only who knows their address can book."""
    return [service for service in service_store.read_all(now) if not service.hidden]


def service(service_id: str, now: datetime) -> Service:
    """One service; NotFound if there is none of that name."""
    return service_store.read(service_id, now)


def week_calendar(service_id: str, week: str | None, now: datetime) -> calendar.Calendar:
    """A week as visitors see it; without one named, the week of the first free slot, or else this one."""
    service = service_store.read(service_id, now)
    if week is None:
        first = first_free(service, now)
        week = first[0].week if first else week_of(now.astimezone(service.zone).date())
    elif week not in weeks_shown(service, now):
        raise NotFound
    return calendar.week_calendar(service, week, seat_store.cached_week(service_id, week, now), now)
