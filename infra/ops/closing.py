"""Close a day, some hours or some desks, and let the applicants who lose their seat choose another one first.

As many other seats are set aside as applicants are booked; then each seat is closed by one conditional write, and the
mailer follows the table's stream. An interrupted closing can be run again: nobody gets a second letter.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain.seat import BY_OPERATOR, Seat, State, week_of
from chalicelib.domain.service import Closure, Service
from chalicelib.storage import seat_maintenance, seat_store, service_store

RESUMABLE = timedelta(days=1)
"""A closing that is run again within a day uses its first reserve. Later it makes a new one, so that every applicant
has the whole time to choose."""
BOOKED = {State.PENDING, State.CONFIRMED}
Watch = Callable[[Sequence[Seat]], Iterable[Seat]]
"""Passes on the seats one by one as they are closed, for a progress bar."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The desks of a service that are closed on a day from `start` to `end`; all desks if none is named."""

    service: str
    day: date
    start: time = time.min
    end: time = time.max
    desks: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The name under which the reserve is kept: the same for the same hours and desks."""
        desks = "-".join(map(str, sorted(self.desks))) or "all"
        return f"{self.day:%Y%m%d}.{self.start:%H%M}-{self.end:%H%M}.{desks}"

    @property
    def hours(self) -> Closure:
        """The closing as a closure of a service file."""
        return Closure(self.day, self.day, self.start, self.end, self.desks)


@dataclass(frozen=True, slots=True)
class ClosingPlan:
    """What a closing would do now: the seats to close, and the other seats to set aside until `until`."""

    booked: list[Seat]
    held: list[Seat]
    unused: list[Seat]
    reserve: list[Seat]
    missing: int
    """How many seats the reserve lacks."""
    until: datetime

    @property
    def seats(self) -> int:
        """How many seats are to be closed."""
        return len(self.booked) + len(self.held) + len(self.unused)


def prepare(closing: Closing, now: datetime) -> ClosingPlan:
    """Plan a closing. Nothing is written."""
    service = service_store.read(closing.service, now)
    week = seat_store.read_week(service.id, week_of(closing.day))
    seats = [seat for seat in week if _covers(closing, service, seat) and service.start_of(seat.key) > now]
    booked = [seat for seat in seats if seat.state in BOOKED]
    others = [
        seat
        for _, week_seats in weeks_with_seats(service, now)
        for seat in week_seats
        if not _covers(closing, service, seat)
    ]
    recent = now + service.limits.choice - RESUMABLE
    reserved = [seat for seat in others if seat.reserve == closing.id and seat.is_set_aside(recent)]
    choosing = [seat for seat in seats if seat.reserve == closing.id and seat.until and seat.until > recent]
    until = min((seat.opens_at for seat in reserved), default=now + service.limits.choice)
    needed = max(len(booked) + len(choosing) - len(reserved), 0)
    reserve = [seat for seat in sorted(others, key=lambda seat: seat.key) if _can_set_aside(service, seat, until, now)]
    return ClosingPlan(
        booked=booked,
        held=[seat for seat in seats if seat.state is State.HELD],
        unused=[seat for seat in seats if seat.state is State.OPEN],
        reserve=reserve[:needed],
        missing=max(needed - len(reserve), 0),
        until=until,
    )


def _covers(closing: Closing, service: Service, seat: Seat) -> bool:
    return closing.hours.covers(seat.key, service.slot)


def _can_set_aside(service: Service, seat: Seat, until: datetime, now: datetime) -> bool:
    """Tell whether nobody has the seat or waits for it, and it can still be taken after `until`."""
    is_unused = seat.is_coming(now) or (seat.state is State.OPEN and seat.opens_at <= now)
    return is_unused and service.start_of(seat.key) - until >= service.limits.notice


def close(closing: Closing, plan: ClosingPlan, now: datetime, *, watch: Watch = iter) -> Counter[str]:
    """Carry out a plan. Return how many seats were set aside and closed, and how many applicants get a letter.

    A seat that changed since the plan was made is left for the next run.
    """
    counts: Counter[str] = Counter()
    for seat in plan.reserve:
        counts["set_aside"] += seat_maintenance.set_aside(seat, closing.id, plan.until)
    lost = len(plan.reserve) - counts["set_aside"]  # taken since the plan was made
    booked = plan.booked[: len(plan.booked) - lost]
    for seat in watch([*plan.unused, *plan.held, *booked]):
        if seat.state in BOOKED:
            displaced = seat_maintenance.displace(seat, closing.id, plan.until)
            counts["written_to"] += displaced
            counts["closed"] += displaced
        elif seat.state is State.HELD:
            counts["closed"] += seat_maintenance.close_held(seat.key, seat.hold)
        else:
            counts["closed"] += seat_maintenance.close(seat.key, BY_OPERATOR, now)
    return counts
