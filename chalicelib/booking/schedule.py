"""What the schedules run: make seats agree with the rules ahead of their release, and end what has run out."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from chalicelib import log
from chalicelib.booking.ending import end_request
from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain import calendar, draw_window, lifecycle, seat_changes, timetable
from chalicelib.domain.refusals import Unavailable
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, pulse_store, seat_maintenance, seat_store, service_store

SEATS_DUE = timedelta(hours=15)
"""How long before a release, or a window, its seats must exist: on Sunday at 18:00 for Monday at 09:00."""
PASSES = 2
"""How often one run compares the seats with the rules. The second pass sees what changed during the first."""


Watch = Callable[[Sequence[SeatChange]], Iterable[SeatChange]]
"""Passes on the changes one by one, as they are made. A progress bar hooks in here."""


def run_for_each_service(now: datetime, run: Callable[[Service], None], *, then: Callable[[], None]) -> None:
    """Run a schedule for each service, also after it failed for another one: one damaged item must not stop them all.

    `then` logs what was done. At the end the first error is raised, so that the alarm of the function rings.
    Unavailable is raised at once, without `then`.
    """
    errors = []
    for service in service_store.read_all(now):
        try:
            run(service)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the other services go on
            frame = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{Path(frame.filename).name}:{frame.lineno}"  # not the message, which may quote what is stored
            log.event("service_failed", service=service.id, reason=type(error).__name__, at=at)
            errors.append(error)
    then()
    if errors:
        raise errors[0]


def release_seats(now: datetime) -> Counter[str]:
    """Make the seats of all services agree with their rules, ahead of their release. Count each kind of change."""
    counts: Counter[str] = Counter()

    def make_seats_of(service: Service) -> None:
        counts.update(apply_rules(service, now))

    run_for_each_service(now, make_seats_of, then=lambda: log.event("release", **counts))
    return counts


def apply_rules(service: Service, now: datetime, *, watch: Watch = iter) -> Counter[str]:
    """Make the seats of one service agree with its rules. Idempotent; a run that was cut short can be repeated.

    The seats are read again after some were created: a new seat is closed if an operator added an overlapping one to
    the same desk meanwhile.
    """
    counts: Counter[str] = Counter()
    for _ in range(PASSES):
        counts_of_pass = _apply_rules(service, now, watch)
        counts.update(counts_of_pass)
        if not counts_of_pass[ChangeKind.CREATE] + counts_of_pass[ChangeKind.REOPEN]:
            break
    return counts


def _apply_rules(service: Service, now: datetime, watch: Watch) -> Counter[str]:
    counts: Counter[str] = Counter()
    not_closed: list[SeatKey] = []
    for change in watch(changes(service, now)):
        key, opens = change.seat.key, change.kind in {ChangeKind.CREATE, ChangeKind.REOPEN}
        if opens and seat_changes.DeskOccupancy(service, not_closed).overlapped(key):
            continue
        is_done = seat_maintenance.apply(change, service, now)
        counts[change.kind] += is_done
        if change.kind is ChangeKind.CLOSE and not is_done:  # somebody took the seat after it was read
            not_closed.append(key)
    return counts


def changes(service: Service, now: datetime) -> list[SeatChange]:
    """Return the changes that make the seats of a service agree with its rules.

    A service that has stopped drawing keeps the seats of a draw that is not finished for those who are drawn.
    """
    kept = set() if service.draw else draw_store.weeks_being_drawn(service.id)
    created_ahead = timetable.weeks_to_create(service, now)
    return [
        change
        for week, seats in weeks_with_seats(service, now)
        if week not in kept
        for change in seat_changes.changes_of_week(service, week, seats, now, create=week in created_ahead)
    ]


def end_expired(now: datetime, *, random_fraction: Callable[[], float] = RNG.random) -> dict[str, int]:
    """End the holds and requests whose time has run out, and mark the reminders that are due. Count each kind.

    Idempotent; a run that was cut short can be repeated.
    """
    counts = {"holds": 0, "requests": 0, "reminders": 0}

    def end_expired_of(service: Service) -> None:
        free, is_release_ready = 0, False
        needed_at, week_to_draw = _seats_needed(service, now)
        for week, seats in weeks_with_seats(service, now):
            free += len(calendar.free_seats(service, seats, now))
            is_release_ready |= any(
                seat.is_coming(now) and (week == week_to_draw or seat.opens_at == needed_at) for seat in seats
            )
            for seat in seats:
                _end_expired_seat(service, seat, now, random_fraction, counts)
        is_missing = needed_at is not None and needed_at - now <= SEATS_DUE and not is_release_ready
        log.event("seats", {"SeatsFree": free, "SeatsMissing": int(is_missing)}, {"Service": service.id})

    run_for_each_service(now, end_expired_of, then=lambda: log.event("expiry", **counts))
    return counts


def beat(now: datetime) -> None:
    """Change an item of the table. The mailer reads the change and reports its age, or an alarm rings."""
    pulse_store.beat(now)


def _seats_needed(service: Service, now: datetime) -> tuple[datetime | None, str | None]:
    """Return the next moment at which seats must exist, and the week that is drawn: its window opens at that moment.

    For a service without a draw the moment is its next release, which opens exactly these seats.
    """
    if not service.draw:
        return timetable.next_release(service, now), None
    window = draw_window.next_window(service, now)
    return (window.opens, window.week) if timetable.planned_seats(service, window.week) else (None, None)


def _end_expired_seat(
    service: Service, seat: Seat, now: datetime, random_fraction: Callable[[], float], counts: dict[str, int]
) -> None:
    """End the hold or the request of one seat if its time has run out, or mark its reminder if that is due."""
    outcome = lifecycle.expired_state(seat, now)
    if outcome is State.OPEN:
        counts["holds"] += seat_store.end_expired_hold(seat, now)
    elif outcome is State.EXPIRED:
        counts["requests"] += end_request(service, seat, outcome, now=now, random_fraction=random_fraction)
    elif lifecycle.needs_reminder(service, seat, now):
        counts["reminders"] += seat_store.mark_reminder_due(seat)
