"""Closing a morning or a desk kindly: whoever was booked gets a letter and may choose again before anyone else.

First as many other seats are set aside as people are booked, then each seat is closed by one conditional write; the
mailer follows the table's stream. Cut short, it is run again: what is done stays done, and nobody is written to twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from chalicelib.booking import schedule
from chalicelib.domain.seat import BY_OPERATOR, Seat, State, week_of
from chalicelib.domain.service import Closure, Service
from chalicelib.storage import seat_admin, seat_store, service_store

RESUMED = timedelta(days=1)
"""A closing that goes on within a day uses the reserve it had; later a new one, so that everybody has their week."""
Watch = Callable[[Sequence[Seat]], Iterable[Seat]]
"""Passes the seats on one by one, as they are closed: where a progress bar looks in."""


@dataclass(frozen=True, slots=True)
class Closing:
    """These desks of a service (all where none is named) receive nobody on this day from `start` to `end`."""

    service: str
    day: date
    start: time = time.min
    end: time = time.max
    desks: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The same for the same hours and desks: what its reserve is kept for."""
        desks = "-".join(map(str, sorted(self.desks))) or "all"
        return f"{self.day:%Y%m%d}.{self.start:%H%M}-{self.end:%H%M}.{desks}"

    @property
    def hours(self) -> Closure:
        """The same as a service's file would say it."""
        return Closure(self.day, self.day, self.start, self.end, self.desks)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a closing would do now: the seats it closes, by what they are, and the other seats it sets aside."""

    booked: list[Seat]
    held: list[Seat]
    unused: list[Seat]
    reserve: list[Seat]
    missing: int
    until: datetime


def prepare(closing: Closing, now: datetime) -> Prepared:
    """Look at what is there, and change nothing. `missing` is how many seats the reserve lacks."""
    service = service_store.read(closing.service, now)
    seats = [seat for seat in seat_store.read_week(service.id, week_of(closing.day)) if _covers(closing, service, seat)]
    seats = [seat for seat in seats if service.start_of(seat.key) > now]
    booked = [seat for seat in seats if seat.state in {State.PENDING, State.CONFIRMED}]
    others = [
        seat
        for _, found in schedule.weeks_with_seats(service, now)
        for seat in found
        if not _covers(closing, service, seat)
    ]
    fresh = now + service.limits.choice - RESUMED
    kept = [seat for seat in others if seat.reserve == closing.id and seat.is_set_aside(fresh)]
    waiting = [seat for seat in seats if seat.reserve == closing.id and seat.until and seat.until > fresh]
    until = min((seat.opens_at for seat in kept), default=now + service.limits.choice)
    wanted = len(booked) + len(waiting) - len(kept)
    reserve = [seat for seat in sorted(others, key=lambda seat: seat.key) if _serves(service, seat, until, now)]
    return Prepared(
        booked=booked,
        held=[seat for seat in seats if seat.state is State.HELD],
        unused=[seat for seat in seats if seat.state is State.OPEN],
        reserve=reserve[: max(wanted, 0)],
        missing=max(wanted - len(reserve), 0),
        until=until,
    )


def _covers(closing: Closing, service: Service, seat: Seat) -> bool:
    return closing.hours.covers(seat.key, service.slot)


def _serves(service: Service, seat: Seat, until: datetime, now: datetime) -> bool:
    """May it be set aside: nobody has it, it waits for nobody, and whoever gets it later can still come?"""
    unused = seat.is_coming(now) or (seat.state is State.OPEN and seat.opens_at <= now)
    return unused and service.start_of(seat.key) - until >= service.limits.notice


def close(closing: Closing, prepared: Prepared, now: datetime, *, watch: Watch = iter) -> Counter[str]:
    """Do it; how many seats were set aside, closed, and how many people are written to.

    A seat that somebody took or filed meanwhile is left for the next run.
    """
    done: Counter[str] = Counter()
    for seat in prepared.reserve:
        done["set_aside"] += seat_admin.set_aside(seat, closing.id, prepared.until)
    short = len(prepared.reserve) - done["set_aside"]
    booked = prepared.booked[: len(prepared.booked) - short]  # one kept for each: somebody else may have been faster
    for seat in watch([*prepared.unused, *prepared.held, *booked]):
        if seat.state in {State.PENDING, State.CONFIRMED}:
            written = seat_admin.displace(seat, closing.id, prepared.until)
            done["written_to"] += written
            done["closed"] += written
        elif seat.state is State.HELD:
            done["closed"] += seat_admin.close_held(seat.key, seat.hold)
        else:
            done["closed"] += seat_admin.close(seat.key, BY_OPERATOR, now)
    return done
