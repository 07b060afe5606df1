"""Seats, holds and services: plain values and the rules that need nothing but the values and the clock."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

CLOCK_SKEW = timedelta(seconds=5)
"""How long a seat stays with a hold that ran out, so that two clocks apart never give one seat to two people."""


class State(StrEnum):
    """What a seat is now."""

    OPEN = "open"
    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CLOSED = "closed"
    # What became of a request that the seat no longer has:
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DISPLACED = "displaced"
    MOVED = "moved"


BY_RULES, BY_OPERATOR = "rules", "office"
"""Who closed a seat: a change of the service's file, or somebody at the office."""

_WEEK = re.compile("([0-9]{4})-W([0-9]{2})")
_REF = re.compile(r"([a-z][a-z0-9-]{0,30})\.([0-9]{8})\.([0-9]{4})\.([1-9][0-9]{0,2})")


def require_aware(moment: datetime) -> datetime:
    """Refuse a naive datetime where it enters."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime")
    return moment


def week_of(day: date) -> str:
    """ISO 8601 week of a day, as `2026-W49`."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def monday_of(week: str) -> date:
    """First day of an ISO week; ValueError for what is not one, week 53 of a 52-week year included."""
    match = _WEEK.fullmatch(week)
    if not match:
        raise ValueError(week)
    return date.fromisocalendar(int(match[1]), int(match[2]), 1)


@dataclass(frozen=True, slots=True, order=True)
class SeatKey:
    """Which seat: one unit of one slot of one service; `start` is the time on the wall at the place."""

    day: date
    start: time
    unit: int
    service: str

    @property
    def week(self) -> str:
        """The ISO week that the seat is stored under."""
        return week_of(self.day)

    @property
    def ref(self) -> str:
        """The key in an id or a link: `aes.20261203.1015.1`."""
        return f"{self.service}.{self.day:%Y%m%d}.{self.start:%H%M}.{self.unit}"

    @classmethod
    def parse(cls, ref: str) -> "SeatKey":
        """Read a `ref`; ValueError for anything else."""
        match = _REF.fullmatch(ref)
        if not match:
            raise ValueError(ref)
        moment = datetime.strptime(match[2] + match[3], "%Y%m%d%H%M")  # noqa: DTZ007  # wall time by design
        return cls(moment.date(), moment.time(), int(match[4]), match[1])


@dataclass(frozen=True, slots=True)
class Seat:
    """One place as it is stored; no personal data.

    `until` ends a hold, the time to confirm, or the time to choose again. `past` is the hold of the request that ended
    as `past_state`. `closed` says by whom (`RULES`, `OFFICE`), `extra` that no rule gave this seat, `reserve` for which
    closing it is set aside.

    `generation` counts the corrections of its request's e-mail address. Each one ends the links sent before;
    `emails_refused` counts those that were refused. The request of a `brief` hold must be confirmed soon. It owes
    `captchas_due` further captchas over a limit; the limits were `checked_for` the key of an e-mail domain when its
    details came. `wished` is the start of the slot that the visitor had chosen, if they got this seat instead.

    `holds_had` to `first_at` count for the figures of a week: holds it had, requests that were given up or ran out, and
    its first hold.
    """

    key: SeatKey
    opens_at: datetime
    state: State = State.OPEN
    hold: str = ""
    until: datetime | None = None
    captcha_passed: bool = False
    reminded: bool = False
    extensions: int = 0
    person: str = ""
    filed_at: datetime | None = None
    past: str = ""
    past_state: State | None = None
    closed: str = ""
    extra: bool = False
    reserve: str = ""
    generation: int = 0
    emails_refused: int = 0
    holds_had: int = 0
    freed: int = 0
    expired: int = 0
    first_at: datetime | None = None
    brief: bool = False
    captchas_due: int = 0
    checked_for: str = ""
    wished: datetime | None = None

    def is_free(self, now: datetime) -> bool:
        """May somebody take it? The same rule as `store.FREE`, the condition of the hold."""
        if self.opens_at > now:
            return False
        if self.state is State.OPEN:
            return True
        return self.state is State.HELD and self.until is not None and self.until < now - CLOCK_SKEW

    def is_coming(self, now: datetime) -> bool:
        """Is it one of a coming release? Never true of a seat that waits to return or is set aside."""
        return self.state is State.OPEN and self.opens_at > now and not self.past_state and not self.reserve

    def is_set_aside(self, now: datetime) -> bool:
        """Is it kept for those whose morning was closed?"""
        return self.state is State.OPEN and bool(self.reserve) and self.opens_at > now

    @property
    def returns_at(self) -> datetime | None:
        """When a seat that somebody gave back opens again: nobody outside may learn it."""
        return self.opens_at if self.state is State.OPEN and self.past_state else None

    def holds(self, hold: str, now: datetime) -> bool:
        """May this hold still go on, whatever step it has reached?"""
        if self.hold != hold or self.until is None:
            return False
        if self.state is State.CONFIRMED:
            return True
        return self.state in {State.HELD, State.PENDING} and now < self.until

    def carries(self, hold: str, person: str) -> bool:
        """Does the seat carry the live request of this hold and person? Then the locks of the request count."""
        return self.state in {State.PENDING, State.CONFIRMED} and (self.hold, self.person) == (hold, person)
