"""What the clock does: make seats agree with the rules ahead of their release, and end what ran out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from chalicelib import log, places, store, timetable
from chalicelib.chance import CHANCE
from chalicelib.model import Seat, SeatKey, Service, State, monday_of, week_of
from chalicelib.timetable import Change, Do

EVE = timedelta(hours=15)
"""So long before a release its seats must be there: on Sunday at 18:00 for Monday at 09:00."""
EMPTY_WEEKS = 3
"""After so many weeks without a seat no further one is looked for: closures leave gaps."""
PASSES = 2


Watch = Callable[[Sequence[Change]], Iterable[Change]]
"""Passes the changes on one by one, as they are made: where a progress bar looks in."""


def release(now: datetime) -> Counter[str]:
    """Make the seats of all services agree with their rules, ahead of their release; how many of each change."""
    done: Counter[str] = Counter()
    for service in store.services(now):
        done.update(agree(service, now))
    log.event("release", **done)
    return done


def agree(service: Service, now: datetime, *, watch: Watch = iter) -> Counter[str]:
    """Make the seats of one service agree with its rules. Twice is once, and a run cut short loses nothing.

    What was created is read again: a seat that an operator added to the same desk meanwhile closes the new one.
    """
    done: Counter[str] = Counter()
    for _ in range(PASSES):
        made = _agree(service, now, watch)
        done.update(made)
        if not made[Do.CREATE] + made[Do.REOPEN]:
            break
    return done


def _agree(service: Service, now: datetime, watch: Watch) -> Counter[str]:
    done: Counter[str] = Counter()
    stayed: list[SeatKey] = []
    for change in watch(changes(service, now)):
        key = change.seat.key
        if change.do in {Do.CREATE, Do.REOPEN} and timetable.Desks(service, stayed).overlapped(key):
            continue
        changed = places.change(change, service, now)
        done[change.do] += changed
        if change.do is Do.CLOSE and not changed:  # somebody took it after it was read
            stayed.append(key)
    return done


def changes(service: Service, now: datetime) -> list[Change]:
    """What makes the seats of a service agree with its rules."""
    ahead = timetable.weeks_to_create(service, now)
    return [
        change
        for week, seats in weeks(service, now)
        for change in timetable.changes(service, week, seats, now, create=week in ahead)
    ]


def weeks(service: Service, now: datetime) -> Iterator[tuple[str, list[Seat]]]:
    """The weeks that have or need seats, from last week on, each with its seats.

    Last week too, for a sweep that was missed; after those that the rules give now, any that seats were once made for.
    """
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    last = monday_of(timetable.weeks_to_create(service, now)[-1])
    day, empty = monday - timetable.WEEK, 0
    while day <= last or empty < EMPTY_WEEKS:
        seats = store.seats(service.id, week_of(day))
        empty = 0 if seats or day <= last else empty + 1
        yield week_of(day), seats
        day += timetable.WEEK


def expire(now: datetime, *, chance: Callable[[], float] = CHANCE.random) -> dict[str, int]:
    """End the holds and requests whose time has run out, and remind who comes soon; how many of each.

    A run cut short loses nothing.
    """
    ended = {"holds": 0, "requests": 0, "reminders": 0}
    for service in store.services(now):
        free, coming = 0, False
        following = timetable.next_release(service, now)
        for _, seats in weeks(service, now):
            free += len(timetable.free_seats(service, seats, now))
            coming |= any(seat.is_coming(now) and seat.opens_at == following for seat in seats)
            for seat in seats:
                what = timetable.ended_as(seat, now)
                if what is State.OPEN:
                    ended["holds"] += store.end_hold(seat, now)
                elif what is State.EXPIRED:
                    back = timetable.return_moment(service, seat.key, now, chance())
                    ended["requests"] += store.end_request(seat, State.EXPIRED, back, now)
                elif timetable.needs_reminder(service, seat, now):
                    ended["reminders"] += store.remind(seat)
        missing = following is not None and following - now <= EVE and not coming
        log.event("seats", {"SeatsFree": free, "SeatsMissing": int(missing)}, {"Service": service.id})
    log.event("expiry", **ended)
    return ended
