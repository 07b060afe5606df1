"""Close days, hours or desks, and let the applicants who lose their seat choose another one first.

As many other seats are set aside as applicants are booked; then each seat is closed by one conditional write, and the
mailer follows the table's stream. An interrupted closing can be run again: nobody gets a second letter. The page of the
planners and the operator program both call this.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain, groupby

from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.desk import manual_seats, places
from chalicelib.domain import timetable, tokens
from chalicelib.domain.refusals import ApplicantsPresent, TooManyRequests
from chalicelib.domain.seat import BY_OPERATOR, Seat, SeatKey, State, week_of
from chalicelib.domain.service import Closure, Service
from chalicelib.storage import draw_store, seat_maintenance, seat_store, service_store
from chalicelib.storage.timetable_store import Outdated

RESUMABLE = timedelta(days=1)
"""A closing that is run again within a day uses its first reserve. Later it makes a new one, so that every applicant
has the whole time to choose."""
BOOKED = {State.PENDING, State.CONFIRMED}
PRESENT = {State.ARRIVED, State.CALLED}
NO_LIMIT = 1_000_000
Watch = Callable[[Sequence[Seat]], Iterable[Seat]]
"""Passes on the seats one by one as they are closed, for a progress bar."""


class UnknownDesk(Exception):
    """A desk is to be closed that the service does not have."""

    def __init__(self, desks: Sequence[int]) -> None:
        self.desks = desks
        """Those that it has."""
        super().__init__(desks)


@dataclass(frozen=True, slots=True)
class Closing:
    """The desks of a service that are closed from `day` to `last`, each day from `start` to `end`.

    Without `last` it is one day; without desks, all of them.
    """

    service: str
    day: date
    start: time = time.min
    end: time = time.max
    desks: tuple[int, ...] = ()
    last: date | None = None

    @property
    def id(self) -> str:
        """The name under which the reserve is kept: the same for the same days, hours and desks."""
        desks = "-".join(map(str, sorted(self.desks))) or "all"
        last = f"-{self.last:%Y%m%d}" if self.last and self.last != self.day else ""
        return f"{self.day:%Y%m%d}{last}.{self.start:%H%M}-{self.end:%H%M}.{desks}"

    @property
    def hours(self) -> Closure:
        """The closing as a closure of a service file."""
        return Closure(self.day, self.last or self.day, self.start, self.end, self.desks)

    @property
    def facts(self) -> dict[str, object]:
        """The closing as the history has it."""
        hours = {"start": f"{self.start:%H:%M}", "end": f"{self.end:%H:%M}", "desks": list(self.desks)}
        return {"first": self.day.isoformat(), "last": self.hours.last.isoformat(), **hours}

    def covers(self, service: Service, key: SeatKey) -> bool:
        """Tell whether any part of a seat's slot is closed."""
        return self.hours.covers(key, service.slot)

    @property
    def weeks(self) -> list[str]:
        """The ISO weeks of its days."""
        days = range((self.hours.last - self.day).days + 1)
        return list(dict.fromkeys(week_of(self.day + timedelta(days=number)) for number in days))


@dataclass(frozen=True, slots=True)
class SetAside:
    """A free seat that is to be set aside: for the applicants of the closing `reserve`, until `until`."""

    seat: Seat
    reserve: str
    until: datetime


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
    present: list[Seat]
    """The applicants who have arrived or are called. Nothing can be closed before they have left."""
    replaced: list[SetAside]
    """Seats instead of those to be closed that are set aside for the applicants of an earlier closing."""
    closed: list[Seat]
    """The seats of these hours that an operator or a planner has closed before, still to come."""
    uncreated: int
    """How many seats of these hours the release will create later, and open."""
    drawn: bool
    """Whether some of the days are in a draw that is not finished: its winners then wait for another seat."""
    choosing: list[Seat]
    """The closed seats whose applicants may still choose another one."""
    reopenable: list[Seat]
    """The closed seats for which nobody may choose another one: they can be opened again."""

    @property
    def seats(self) -> int:
        """How many seats are to be closed."""
        return len(self.booked) + len(self.held) + len(self.unused)

    @property
    def digest(self) -> str:
        """A digest of what a planner must have seen before closing: who is booked, and how many seats are missing."""
        booked = sorted((seat.key.ref, seat.hold) for seat in self.booked)
        return tokens.digest(repr((booked, self.missing)))[:16]


def prepare(closing: Closing, now: datetime) -> ClosingPlan:
    """Plan a closing. Nothing is written. Raise UnknownDesk for a desk that the service does not have."""
    service = service_store.read(closing.service, now)
    weeks = dict(weeks_with_seats(service, now))
    weeks |= {week: seat_store.read_week(service.id, week) for week in closing.weeks if week not in weeks}
    in_week = [seat for week in closing.weeks for seat in weeks[week]]
    known = places.desks_of(service, in_week)
    if not set(closing.desks) <= set(known):
        raise UnknownDesk(known)
    inside = [seat for seat in in_week if closing.covers(service, seat.key)]
    coming = [seat for seat in inside if service.start_of(seat.key) > now]
    others = [seat for seats in weeks.values() for seat in seats if not closing.covers(service, seat.key)]
    drawn = draw_store.weeks_being_drawn(service.id) if service.draw else set()
    reserve = _Reserve(closing, service, others, drawn, now)
    closed = [seat for seat in coming if seat.state is State.CLOSED and seat.closed == BY_OPERATOR]
    booked = [seat for seat in coming if seat.state in BOOKED]
    replaced = reserve.replace(coming, [*inside, *others])
    own = reserve.for_own(coming, len(booked))
    return ClosingPlan(
        booked=booked,
        held=[seat for seat in coming if seat.state is State.HELD],
        unused=[seat for seat in coming if seat.state is State.OPEN],
        reserve=own,
        missing=reserve.missing,
        until=reserve.until,
        present=[seat for seat in in_week if _is_present(closing, service, seat, now)],
        replaced=replaced,
        closed=closed,
        uncreated=sum(
            closing.covers(service, key)
            for week in closing.weeks
            if not weeks[week]
            for key in timetable.planned_seats(service, week)
        ),
        drawn=bool(drawn & set(closing.weeks)),
        choosing=[seat for seat in closed if seat.reserve == closing.id and _is_choosing(seat, now)],
        reopenable=[seat for seat in closed if not _is_choosing(seat, now)],
    )


def _is_choosing(seat: Seat, now: datetime) -> bool:
    return seat.past_state is State.DISPLACED and seat.until is not None and seat.until > now


def _is_present(closing: Closing, service: Service, seat: Seat, now: datetime) -> bool:
    """Tell whether the applicant of a seat is here and the closing is about them: their seat, or the desk that calls.

    The desk that calls counts while it is closed at this moment.
    """
    local = now.astimezone(service.zone)
    if seat.state not in PRESENT or seat.key.day != local.date():
        return False
    place = SeatKey(local.date(), local.time(), seat.called_to, service.id)
    is_calling = seat.state is State.CALLED and closing.covers(service, place)
    return is_calling or closing.covers(service, seat.key)


class _Reserve:
    """The seats that a closing sets aside, earliest first. No seat is taken twice."""

    def __init__(
        self, closing: Closing, service: Service, others: Iterable[Seat], drawn: set[str], now: datetime
    ) -> None:
        self._closing, self._service, self._drawn, self._now = closing, service, drawn, now
        self._others = sorted(others, key=lambda seat: seat.key)
        own = [seat for seat in self._others if seat.reserve == closing.id]
        self._reserved = [seat for seat in own if seat.is_set_aside(self._recent)]
        self._taken: set[SeatKey] = set()
        self.until = min((seat.opens_at for seat in self._reserved), default=now + service.limits.choice)
        self.missing = 0

    @property
    def _recent(self) -> datetime:
        return self._now + self._service.limits.choice - RESUMABLE

    def for_own(self, coming: Iterable[Seat], booked: int) -> list[Seat]:
        """Return as many seats as applicants of this closing have none yet."""
        choosing = [s for s in coming if s.reserve == self._closing.id and s.until and s.until > self._recent]
        return self._take(booked + len(choosing) - len(self._reserved), self.until)

    def replace(self, coming: Iterable[Seat], everything: Sequence[Seat]) -> list[SetAside]:
        """Return a seat for each one that an earlier closing has set aside here and that somebody may still choose."""
        lost: dict[str, list[Seat]] = {}
        for seat in coming:
            if seat.is_set_aside(self._now) and seat.reserve != self._closing.id:
                lost.setdefault(seat.reserve, []).append(seat)
        replaced = []
        for reserve, seats in lost.items():
            choosing = sum(seat.reserve == reserve and seat.state is State.CLOSED for seat in everything)
            kept = sum(seat.reserve == reserve and seat.is_set_aside(self._now) for seat in self._others)
            until = seats[0].opens_at
            needed = min(choosing - kept, len(seats))
            replaced += [SetAside(seat, reserve, until) for seat in self._take(needed, until)]
        return replaced

    def _take(self, needed: int, until: datetime) -> list[Seat]:
        free = (seat for seat in self._others if self._can_set_aside(seat, until))
        seats = [seat for _, seat in zip(range(needed), free, strict=False)]
        self._taken |= {seat.key for seat in seats}
        self.missing += max(needed - len(seats), 0)
        return seats

    def _can_set_aside(self, seat: Seat, until: datetime) -> bool:
        """Tell whether nobody has the seat or waits for it, and it can still be taken after `until`.

        The seats of a draw that is not finished are its winners', and internal seats are the desk's.
        """
        is_unused = seat.is_coming(self._now) or (seat.state is State.OPEN and seat.opens_at <= self._now)
        is_unused = is_unused and not timetable.is_internal(self._service, seat, self._now)
        in_time = self._service.start_of(seat.key) - until >= self._service.limits.notice
        return is_unused and in_time and seat.key not in self._taken and seat.key.week not in self._drawn


def close(
    closing: Closing, plan: ClosingPlan, now: datetime, *, watch: Watch = iter, most: int = NO_LIMIT
) -> Counter[str]:
    """Carry out a plan. Return how many seats were set aside and closed, and how many applicants get a letter.

    A seat that changed since the plan was made is left for the next run, and so is what `most` writes cannot do. Raise
    ApplicantsPresent, and change nothing, while applicants of these hours are here. One write unit for each seat.
    """
    check_nobody_is_present(plan)
    counts: Counter[str] = Counter()
    own = [SetAside(seat, closing.id, plan.until) for seat in plan.reserve]
    lost: Counter[str] = Counter()
    for number, aside in enumerate(chain(plan.replaced, own)):
        is_done = number < most and seat_maintenance.set_aside(aside.seat, aside.reserve, aside.until)
        counts["set_aside"] += is_done
        lost[aside.reserve] += not is_done  # taken since the plan was made, or left for the next run
    booked = plan.booked[: len(plan.booked) - lost.pop(closing.id, 0)]
    unused = [seat for seat in plan.unused if not lost[seat.reserve]]
    for seat in watch([*unused, *plan.held, *booked][: max(most - len(plan.replaced) - len(own), 0)]):
        if seat.state in BOOKED:
            displaced = seat_maintenance.displace(seat, closing.id, plan.until)
            counts["written_to"] += displaced
            counts["closed"] += displaced
        elif seat.state is State.HELD:
            counts["closed"] += seat_maintenance.close_held(seat.key, seat.hold)
        else:
            counts["closed"] += seat_maintenance.close(seat.key, BY_OPERATOR, now)
    return counts


def reopen(service: Service, plan: ClosingPlan) -> int:
    """Open again what was closed and what no applicant has lost or chooses for. Return how many seats.

    A seat that would overlap another one of its desk stays closed. Raise TooManyRequests while others change the seats.
    """
    reopened = 0
    for week, seats in groupby(sorted(plan.reopenable, key=lambda seat: seat.key), lambda seat: seat.key.week):
        grid = set(timetable.planned_seats(service, week))  # these first: the slot length may have changed
        keys = sorted((seat.key for seat in seats), key=lambda key: (key not in grid, key))
        try:
            reopened += sum(len(written.fits) for written in manual_seats.reopen(service, keys, choice_is_over=True))
        except Outdated as outdated:
            raise TooManyRequests from outdated
    return reopened


def check_nobody_is_present(plan: ClosingPlan) -> None:
    """Raise ApplicantsPresent while applicants of the closed hours or desks are here."""
    if plan.present:
        raise ApplicantsPresent([seat.key.number for seat in plan.present])
