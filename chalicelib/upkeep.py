"""What the clock does: make seats ahead of their release, and end what ran out."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib import log, store, timetable
from chalicelib.model import Service, State, monday_of, week_of

_chance = random.SystemRandom()


def release(now: datetime) -> int:
    """Create the seats of every week that is open or opens next; how many were new. Twice adds nothing."""
    made = 0
    for service in store.services(now):
        for week in timetable.weeks_to_create(service, now):
            there = {seat.key for seat in store.seats(service.id, week)}
            opens_at = timetable.opens_at(service, week)
            for key in timetable.seats_of(service, week):
                if key not in there and service.start_of(key) > now:
                    made += store.create(key, opens_at)
    log.event("release", made=made)
    return made


def expire(now: datetime, *, chance: Callable[[], float] = _chance.random) -> dict[str, int]:
    """End the holds and requests whose time has run out; how many of each. A run cut short loses nothing."""
    ended = {"holds": 0, "requests": 0}
    for service in store.services(now):
        for week in _weeks(service, now):
            for seat in store.seats(service.id, week):
                what = timetable.ended_as(seat, now)
                if what is State.OPEN:
                    ended["holds"] += store.end_hold(seat, now)
                elif what is State.EXPIRED:
                    back = timetable.return_moment(service, seat.key, now, chance())
                    ended["requests"] += store.end_request(seat, State.EXPIRED, back, now)
    log.event("expiry", **ended)
    return ended


def _weeks(service: Service, now: datetime) -> list[str]:
    """The weeks in which a request may have run out: the last one too, for a sweep that was missed."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    return [week_of(monday - timedelta(days=7)), *timetable.weeks_to_create(service, now)]
