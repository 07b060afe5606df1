"""A seat, its key and its states: plain values, and the rules that need only these values and the clock."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

CLOCK_SKEW = timedelta(seconds=5)
"""How long an expired hold still keeps its seat, so that processes whose clocks differ never assign it twice."""


class State(StrEnum):
    """The state of a seat, or how the request ended that the seat had before."""

    OPEN = "open"
    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CLOSED = "closed"
    # What the desk records on the day:
    ARRIVED = "arrived"
    CALLED = "called"
    SEEN = "seen"
    MISSED = "missed"
    INCOMPLETE = "incomplete"
    # How a request ended that the seat no longer has:
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DISPLACED = "displaced"
    MOVED = "moved"


OUTCOMES = frozenset({State.SEEN, State.MISSED, State.INCOMPLETE})
"""What can become of an appointment. INCOMPLETE: the applicant came, and documents were missing."""
RECORDED = OUTCOMES | {State.ARRIVED, State.CALLED}
"""The states that the desk records. The applicant can then change nothing any more."""
APPOINTMENT = RECORDED | {State.CONFIRMED}
"""The states of a seat with an appointment, past or to come."""
BOOKED = APPOINTMENT | {State.PENDING}
"""The states of a seat with a request, confirmed or not."""
BY_RULES, BY_OPERATOR = "rules", "office"
"""Who closed a seat: a change of the service's file, or an operator."""
DRAWN, OFFERED = "drawn", "offered"
"""How a request got its seat: by the result of a draw, or as the next in rank when a seat became free."""

LETTERS = 26
"""How many desks have a letter."""

_WEEK = re.compile("([0-9]{4})-W([0-9]{2})")
_REF = re.compile(r"([a-z][a-z0-9-]{0,30})\.([0-9]{8})\.([0-9]{4})\.([1-9][0-9]{0,2})")
_ENTRY_REF = re.compile(r"([a-z][a-z0-9-]{0,30})\.entry\.([a-z2-7]{16})")


def require_aware(moment: datetime) -> datetime:
    """Return an aware datetime unchanged. Raise ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime")
    return moment


def week_of(day: date) -> str:
    """Return the ISO 8601 week of a day, such as `2026-W49`."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def monday_of(week: str) -> date:
    """Return the first day of an ISO 8601 week. Raise ValueError if there is no such week, as for `2027-W53`."""
    match = _WEEK.fullmatch(week)
    if not match:
        raise ValueError(week)
    return date.fromisocalendar(int(match[1]), int(match[2]), 1)


@dataclass(frozen=True, slots=True, order=True)
class SeatKey:
    """The identity of a seat: one desk (`unit`) at one start, in local time, of one service."""

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
        """The key as it is written in tokens and items: `aes.20261203.1015.1`."""
        return f"{self.service}.{self.day:%Y%m%d}.{self.start:%H%M}.{self.unit}"

    @property
    def number(self) -> str:
        """The short number by which an applicant is called: the start and the desk as a letter, as in `1015B`."""
        desk = chr(ord("A") + self.unit - 1) if self.unit <= LETTERS else f"-{self.unit}"
        return f"{self.start:%H%M}{desk}"

    @classmethod
    def parse(cls, ref: str) -> "SeatKey":
        """Read what `ref` returns. Raise ValueError for any other text."""
        match = _REF.fullmatch(ref)
        if not match:
            raise ValueError(ref)
        moment = datetime.strptime(match[2] + match[3], "%Y%m%d%H%M")  # noqa: DTZ007  # wall time by design
        return cls(moment.date(), moment.time(), int(match[4]), match[1])


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """The identity of an entry in the draws of one service. `id` is the beginning of the digest of its secret."""

    service: str
    id: str

    @property
    def ref(self) -> str:
        """The key as it is written in tokens and items: `aes.entry.abcdefgh234567ij`."""
        return f"{self.service}.entry.{self.id}"

    @classmethod
    def parse(cls, ref: str) -> "EntryKey":
        """Read what `ref` returns. Raise ValueError for any other text."""
        match = _ENTRY_REF.fullmatch(ref)
        if not match:
            raise ValueError(ref)
        return cls(match[1], match[2])


Key = SeatKey | EntryKey
"""What a hold or a request has: a seat, or an entry in the draws."""


def parse_key(ref: str) -> Key:
    """Read the `ref` of a seat or of an entry. Raise ValueError for any other text."""
    return EntryKey.parse(ref) if _ENTRY_REF.fullmatch(ref) else SeatKey.parse(ref)


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat as it is stored, without personal data."""

    key: SeatKey
    opens_at: datetime
    state: State = State.OPEN
    hold: str = ""
    """The digest of the secret of its hold, which also identifies the request that comes from it."""
    until: datetime | None = None
    """The end of the hold, of the time to confirm, or of the time to choose another seat."""
    captcha_passed: bool = False
    reminded: bool = False
    extensions: int = 0
    person: str = ""
    """The person key of its request."""
    filed_at: datetime | None = None
    past: str = ""
    """The hold of the request that ended as `past_state`."""
    past_state: State | None = None
    closed: str = ""
    """Who closed it: `BY_RULES` or `BY_OPERATOR`."""
    extra: bool = False
    """Whether an operator added it, so that the rules of the service do not close it."""
    reserve: str = ""
    """The closure for whose displaced applicants it is set aside."""
    generation: int = 0
    """How often the e-mail address of its request was corrected. Each correction ends the links sent before."""
    emails_refused: int = 0
    """How many corrections of the e-mail address were refused."""
    holds_had: int = 0
    """Statistics of the week, with the next three fields: how many holds it had."""
    freed: int = 0
    """How many of its requests were given up."""
    expired: int = 0
    """How many of its requests were not confirmed in time."""
    first_at: datetime | None = None
    """When it was held for the first time."""
    brief: bool = False
    """Whether the request of this hold must be confirmed soon."""
    captchas_due: int = 0
    """How many further captchas the hold must pass because it is over a limit."""
    checked_for: str = ""
    """The key of the e-mail domain for which the limits were checked last."""
    wished: datetime | None = None
    """The start of the slot that the visitor had chosen, if they got this seat instead."""
    by_draw: str = ""
    """How its request got the seat, if by a draw: `DRAWN` or `OFFERED`."""
    arrived_at: datetime | None = None
    """When the desk recorded the arrival, if it did. The state may be a later one."""
    arrived_by: str = ""
    """The account id of the agent who recorded the arrival."""
    called_at: datetime | None = None
    """When the applicant was called for the first time. The wait from the arrival ends then."""
    called_by: str = ""
    """The account id of the agent who called the applicant last."""
    called_to: int = 0
    """The desk to which the applicant was called last; 0 if nobody called."""
    calls: int = 0
    """How often the applicant was called."""
    parked: bool = False
    """Whether the applicant was called and then put aside. From then on only an agent who asks for them calls them."""
    outcome_at: datetime | None = None
    """When the desk recorded the outcome."""
    outcome_by: str = ""
    """The account id of the agent who recorded the outcome."""

    def is_free(self, now: datetime) -> bool:
        """Tell whether a visitor may hold it. `seat_expressions.is_free` states the same rule as a condition."""
        if self.opens_at > now:
            return False
        if self.state is State.OPEN:
            return True
        return self.state is State.HELD and self.until is not None and self.until < now - CLOCK_SKEW

    def is_coming(self, now: datetime) -> bool:
        """Tell whether a release will open it. False for a seat that was given back or is set aside."""
        return self.state is State.OPEN and self.opens_at > now and not self.past_state and not self.reserve

    def is_set_aside(self, now: datetime) -> bool:
        """Tell whether it is still reserved for applicants whose seats were closed."""
        return self.state is State.OPEN and bool(self.reserve) and self.opens_at > now

    @property
    def returns_at(self) -> datetime | None:
        """When a seat that was given back opens again. This moment must stay secret."""
        return self.opens_at if self.state is State.OPEN and self.past_state else None

    @property
    def recorded_at(self) -> datetime | None:
        """When the desk recorded its state; None if it did not."""
        moments = {State.ARRIVED: self.arrived_at, State.CALLED: self.called_at}
        return moments.get(self.state, self.outcome_at)

    @property
    def recorded_by(self) -> str:
        """The account id of the agent who recorded its state; empty if nobody did."""
        agents = {State.ARRIVED: self.arrived_by, State.CALLED: self.called_by}
        return agents.get(self.state, self.outcome_by)

    def holds(self, hold: str, now: datetime) -> bool:
        """Tell whether this hold has the seat, and is not over: held or filed and in time, or an appointment."""
        if self.hold != hold or self.until is None:
            return False
        if self.state in APPOINTMENT:
            return True
        return self.state in {State.HELD, State.PENDING} and now < self.until

    def carries(self, hold: str, person: str) -> bool:
        """Tell whether the seat has the live request of this hold and person. Only then do its locks apply."""
        return self.state in BOOKED and (self.hold, self.person) == (hold, person)
