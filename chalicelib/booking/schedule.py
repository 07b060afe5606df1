"""What the clock does: make seats agree with the rules ahead of their release, and end what ran out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from chalicelib import log
from chalicelib.domain import calendar, lifecycle, seat_changes, timetable
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, SeatKey, State, monday_of, week_of
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import seat_admin, seat_store, service_store

EVE = timedelta(hours=15)
"""So long before a release its seats must be there: on Sunday at 18:00 for Monday at 09:00."""
EMPTY_WEEKS = 3
"""After so many weeks without a seat no further one is looked for: closures leave gaps."""
PASSES = 2


Watch = Callable[[Sequence[SeatChange]], Iterable[SeatChange]]
"""Passes the changes on one by one, as they are made: where a progress bar looks in."""


def release_seats(now: datetime) -> Counter[str]:
    """Make the seats of all services agree with their rules, ahead of their release; how many of each change."""
    done: Counter[str] = Counter()
    for service in service_store.read_all(now):
        done.update(apply_rules(service, now))
    log.event("release", **done)
    return done


def apply_rules(service: Service, now: datetime, *, watch: Watch = iter) -> Counter[str]:
    """Make the seats of one service agree with its rules. Twice is once, and a run cut short loses nothing.

    What was created is read again: a seat that an operator added to the same desk meanwhile closes the new one.
    """
    done: Counter[str] = Counter()
    for _ in range(PASSES):
        made = _apply_rules(service, now, watch)
        done.update(made)
        if not made[ChangeKind.CREATE] + made[ChangeKind.REOPEN]:
            break
    return done


def _apply_rules(service: Service, now: datetime, watch: Watch) -> Counter[str]:
    done: Counter[str] = Counter()
    stayed: list[SeatKey] = []
    for change in watch(changes(service, now)):
        key = change.seat.key
        if change.do in {ChangeKind.CREATE, ChangeKind.REOPEN} and seat_changes.DeskOccupancy(
            service, stayed
        ).overlapped(key):
            continue
        changed = seat_admin.apply(change, service, now)
        done[change.do] += changed
        if change.do is ChangeKind.CLOSE and not changed:  # somebody took it after it was read
            stayed.append(key)
    return done


def changes(service: Service, now: datetime) -> list[SeatChange]:
    """What makes the seats of a service agree with its rules."""
    ahead = timetable.weeks_to_create(service, now)
    return [
        change
        for week, seats in weeks_with_seats(service, now)
        for change in seat_changes.changes_of_week(service, week, seats, now, create=week in ahead)
    ]


def weeks_with_seats(service: Service, now: datetime) -> Iterator[tuple[str, list[Seat]]]:
    """The weeks that have or need seats, from last week on, each with its seats.

    Last week too, for a sweep that was missed; after those that the rules give now, any that seats were once made for.
    """
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    last = monday_of(timetable.weeks_to_create(service, now)[-1])
    day, empty = monday - timetable.WEEK, 0
    while day <= last or empty < EMPTY_WEEKS:
        seats = seat_store.read_week(service.id, week_of(day))
        empty = 0 if seats or day <= last else empty + 1
        yield week_of(day), seats
        day += timetable.WEEK


def end_expired(now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> dict[str, int]:
    """End the holds and requests whose time has run out, and remind who comes soon; how many of each.

    A run cut short loses nothing.
    """
    ended = {"holds": 0, "requests": 0, "reminders": 0}
    for service in service_store.read_all(now):
        free, coming = 0, False
        following = timetable.next_release(service, now)
        for _, seats in weeks_with_seats(service, now):
            free += len(calendar.free_seats(service, seats, now))
            coming |= any(seat.is_coming(now) and seat.opens_at == following for seat in seats)
            for seat in seats:
                what = lifecycle.expired_state(seat, now)
                if what is State.OPEN:
                    ended["holds"] += seat_store.end_expired_hold(seat, now)
                elif what is State.EXPIRED:
                    back = lifecycle.return_moment(service, seat.key, now, random_fraction())
                    ended["requests"] += seat_store.end_request(seat, State.EXPIRED, back, now)
                elif lifecycle.needs_reminder(service, seat, now):
                    ended["reminders"] += seat_store.remind(seat)
        missing = following is not None and following - now <= EVE and not coming
        log.event("seats", {"SeatsFree": free, "SeatsMissing": int(missing)}, {"Service": service.id})
    log.event("expiry", **ended)
    return ended
