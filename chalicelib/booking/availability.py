"""Find the seats that look free, from the cache of this process (`recent`)."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from chalicelib.booking.hold import Waiting
from chalicelib.domain import calendar, timetable
from chalicelib.domain.refusals import (
    NotFound,
    NothingFree,
    NotOpenYet,
    Paused,
    SlotTaken,
    TooManyRequests,
    Unavailable,
)
from chalicelib.domain.seat import Seat, SeatKey, week_of
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import FIRST_FREE
from chalicelib.domain.week_snapshot import LARGE
from chalicelib.storage import recent, seat_store, service_store


def refuse_if_paused(service: Service) -> None:
    """Raise Paused while nobody may begin to book. Holds and requests that exist run on."""
    if service.paused is not None:
        raise Paused(service.paused)


def weeks_shown(service: Service, now: datetime) -> list[str]:
    """Return the weeks that have a calendar."""
    return timetable.weeks_to_create(service, now)


def _is_large(service: Service) -> bool:
    """Tell whether a service has so many planned seats that each of its weeks has a snapshot."""
    return timetable.seats_a_week(service) >= LARGE


def _seats(service: Service, week: str, now: datetime) -> list[Seat]:
    return seat_store.cached_week(service.id, week, now, large=_is_large(service))


def public_seats(service: Service, week: str, now: datetime) -> list[Seat]:
    """Return the seats of a week that the public may know of: without those that only the desk gives."""
    seats = _seats(service, week, now)
    return [seat for seat in seats if not timetable.is_internal(service, seat, now)] if service.internal else seats


def open_weeks(service: Service, now: datetime) -> tuple[calendar.WeekCount, ...]:
    """Return the open weeks in which a slot can still be booked, each with its number of free seats; none in a pause.

    A count is at most `recent.COUNTED` old. It is None when the table does not answer: a page can do without it.
    """
    if service.paused is not None:
        return ()
    counts = [_count(service, week, now) for week in _weeks_to_book(service, now)]
    return tuple(count for count in counts if count.bookable)


def _weeks_to_book(service: Service, now: datetime) -> Iterator[str]:
    """Return the open weeks that are not over by the notice of the service, and so need to be read."""
    return (week for week in timetable.open_weeks(service, now) if calendar.may_offer(service, week, now))


def _count(service: Service, week: str, now: datetime) -> calendar.WeekCount:
    if count := recent.SEATS.week_count(service.id, week, now):
        return count
    try:
        seats = _seats(service, week, now)
    except (TooManyRequests, Unavailable):
        return calendar.WeekCount(week, None)
    count = calendar.count_week(service, week, public_seats(service, week, now), now)
    recent.SEATS.record_week_count(service.id, count, seats, now)
    return count


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """Return all seats of the service that look free, earliest first."""
    return [
        key
        for week in _weeks_to_book(service, now)
        for key in calendar.free_seats(service, _seats(service, week, now), now)
    ]


def first_free(service: Service, now: datetime, *, spread: bool = False) -> list[SeatKey]:
    """Return the first few free seats of the first week that has any. Later weeks are not read.

    With `spread`, or when the service is busy, return all free seats of that week.
    """
    most = None if spread or recent.SEATS.is_busy(service.id, now) else calendar.FIRST_FREE_CANDIDATES
    for week in _weeks_to_book(service, now):
        if free := calendar.first_free(service, _seats(service, week, now), now, most):
            return free
    return []


def seats_of_slot(service: Service, start: datetime, now: datetime) -> list[SeatKey]:
    """Return the seats of one slot that look free: at least one.

    Raises NotFound when there is no such slot, NotOpenYet before its release, SlotTaken or NothingFree.
    """
    week = week_of(start.date())
    seats = public_seats(service, week, now) if week in weeks_shown(service, now) else []
    seats_of_slot = [seat for seat in seats if service.start_of(seat.key) == start]
    if not seats_of_slot:
        raise NotFound
    if free := calendar.free_seats(service, seats_of_slot, now):
        return free
    if coming := [seat.opens_at for seat in seats_of_slot if seat.is_coming(now)]:
        raise NotOpenYet(min(coming).astimezone(service.zone))
    raise refusal(service, start, now)


def refusal(
    service: Service, wished: datetime, now: datetime, *, include_wished: bool = True
) -> SlotTaken | NothingFree:
    """Return the refusal for a slot that is taken: with the nearest free slots, or with the next release.

    Without `include_wished`, the nearest slots are other ones, even while the cache still shows the wished one as free.
    """
    if free := free_seats(service, now):
        others = [key for key in free if include_wished or service.start_of(key) != wished]
        return SlotTaken(calendar.nearest_starts(service, others, wished))
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

    It is the seat that its token names while that is free and still offered. Otherwise it is a seat of the nearest
    slot; for a hold of the first free slot, one of the earliest seats. With `spread` it is a random one of the nearest
    seats, so that visitors who lost the same slot do not compete again for the next one.
    """
    service = hold.service
    chosen = seat_store.cached_seat(hold.token.seat, now, large=_is_large(service))
    if chosen and chosen.is_free(now) and calendar.is_offered(service, chosen.key, now):
        return chosen.key
    if hold.token.kind in FIRST_FREE:
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
    """Return the calendar of a week, with the counts of all open weeks. It reads the other weeks every 10 s only.

    Without a week, it is that of the first free slot; else the first week in which something can still be booked.
    Raises NotFound for a week that has no calendar, Paused.
    """
    service = service_store.read(service_id, now)
    refuse_if_paused(service)
    if week is not None and week not in weeks_shown(service, now):
        raise NotFound
    free = first_free(service, now) if week is None else []
    weeks = open_weeks(service, now)
    week = week or (free[0].week if free else _first_week(service, weeks, now))
    shown = calendar.week_calendar(service, week, public_seats(service, week, now), now)
    exact = [replace(count, free=shown.free) if count.week == week else count for count in weeks]
    return replace(shown, weeks=tuple(exact))


def _first_week(service: Service, weeks: tuple[calendar.WeekCount, ...], now: datetime) -> str:
    """Return the first week in which something can be booked, or will be after the next release."""
    if weeks:
        return weeks[0].week
    shown = weeks_shown(service, now)
    return next((week for week in shown if week not in timetable.open_weeks(service, now)), shown[-1])
