"""Seats, holds and services: plain values and the rules that need nothing but the values and the clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

SKEW = timedelta(seconds=5)
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


class SeatAfter(StrEnum):
    """When a hold takes its seat."""

    CROWD = "crowd"
    """Around a release, and while a seat is newly open, after the captcha; else at once."""
    CAPTCHA = "captcha"
    """Always after the captcha."""
    CHOICE = "choice"
    """At once, as soon as the slot is chosen."""


LANGUAGES = ("fr", "en", "ar")
RULES, OFFICE = "rules", "office"
"""Who closed a seat: a change of the service's file, or somebody at the office."""

_WEEK = re.compile("([0-9]{4})-W([0-9]{2})")
_REF = re.compile(r"([a-z][a-z0-9-]{0,30})\.([0-9]{8})\.([0-9]{4})\.([1-9][0-9]{0,2})")


def aware(moment: datetime) -> datetime:
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
    proven: bool = False
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
        return self.state is State.HELD and self.until is not None and self.until < now - SKEW

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


@dataclass(frozen=True, slots=True)
class Opening:
    """These desks receive on this weekday (1 = Monday) from `start` to `end`, without a break."""

    weekday: int
    start: time
    end: time
    desks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """From the day `first` to the day `last`, between `start` and `end`, these desks are closed; all where none is."""

    first: date
    last: date
    start: time = time.min
    end: time = time.max
    desks: tuple[int, ...] = ()

    def covers(self, key: SeatKey, slot: timedelta) -> bool:
        """Does any of a seat's slot fall into it?"""
        if not self.first <= key.day <= self.last or (self.desks and key.unit not in self.desks):
            return False
        start = datetime.combine(key.day, key.start)
        return start < datetime.combine(key.day, self.end) and start + slot > datetime.combine(key.day, self.start)


@dataclass(frozen=True, slots=True)
class Moment:
    """On this weekday at this time so many seats of a week open; None: all that are left."""

    weekday: int
    at: time
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """When the seats of a week open: at these moments, `weeks_ahead` weeks before it.

    With `waits`, a moment on a public holiday waits for the next working day.
    """

    weeks_ahead: int
    moments: tuple[Moment, ...]
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The times of a service."""

    hold: timedelta = timedelta(seconds=180)
    form: timedelta = timedelta(minutes=15)
    extensions: int = 2
    confirm: timedelta = timedelta(minutes=2880)
    notice: timedelta = timedelta(hours=24)
    return_after: timedelta = timedelta(hours=2)
    return_before: timedelta = timedelta(hours=48)
    erase_after: timedelta = timedelta(days=30)
    choice: timedelta = timedelta(days=7)
    remind: timedelta = timedelta(hours=48)
    moves: int = 2
    domain_requests: int = 10
    """Requests a day from one e-mail domain before another captcha is due. Well-known providers are not counted."""
    ipv6_48_requests: int = 30
    """Requests an hour from one IPv6 /48 before another captcha is due."""
    ipv6_32_requests: int = 300
    """Requests an hour from one IPv6 /32 before another captcha is due."""

    @property
    def waiting(self) -> timedelta:
        """How long the captcha of a waiting hold may take. It can be long because the hold occupies no seat."""
        return self.hold + self.form

    @property
    def longest_hold(self) -> timedelta:
        """How long a hold can last at most, from its creation: captcha, form and every extension."""
        return self.hold + self.form * (1 + self.extensions)


Text = Mapping[str, str]
"""One text in each language: `{"fr": …, "en": …, "ar": …}`."""


@dataclass(frozen=True, slots=True, eq=False)  # compared as itself: so that what follows from it can be remembered
class Service:
    """What a prefecture offers appointments for, as its YAML file says it."""

    id: str
    name: Text
    zone: ZoneInfo
    slot: timedelta
    openings: tuple[Opening, ...]
    release: Release
    office: str
    address: tuple[str, ...]
    contact: str
    reply_to: str
    rights_address: str
    intro: Text
    not_for: tuple[Text, ...]
    documents: tuple[Text, ...]
    documents_note: tuple[Text, ...]
    otherwise: tuple[Text, ...]
    limits: Limits = field(default_factory=Limits)
    closures: tuple[Closure, ...] = ()
    holidays: frozenset[date] = frozenset()
    hidden: bool = False
    seat_after: SeatAfter = SeatAfter.CROWD

    @property
    def minutes(self) -> int:
        """Length of a slot in minutes."""
        return int(self.slot / timedelta(minutes=1))

    def start_of(self, key: SeatKey) -> datetime:
        """The moment a seat's appointment begins, in the zone of the place."""
        return datetime.combine(key.day, key.start, self.zone)

    def erase_at(self, key: SeatKey) -> datetime:
        """When all that is kept about this appointment is erased."""
        return self.start_of(key) + self.limits.erase_after

    def confirm_before(self, key: SeatKey, filed_at: datetime) -> datetime:
        """Until when a request may be confirmed: its 2,880 minutes, and never after the appointment."""
        return min(filed_at + self.limits.confirm, self.start_of(key).astimezone(UTC))


def text(of: Text, language: str) -> str:
    """A service's text in this language, in French where it has none."""
    return of.get(language) or of["fr"]


@dataclass(frozen=True, slots=True)
class Details:
    """What the person typed, checked. `email` is as typed, `email_key` its normalised form."""

    first_name: str
    last_name: str
    birth_name: str
    birth_date: date
    email: str
    phone: str
    language: str


@dataclass(frozen=True, slots=True)
class Person:
    """The person item: one live request of one person, and the only place that keeps personal data.

    `moves` are those the person made; `sequence` counts those of the office too, for the calendar file. `as_filed` are
    the details before they were corrected, `corrected` times. `names` are the person keys of the corrected names, which
    are locked too. `generation` counts the corrections of the e-mail address. `stopped` says why the e-mail address
    takes no more letters. `replaced` marks the copy that is kept for the last letters of an ended request.
    `wanted_3` is when the convocation was sent on demand for the third time, counted from the latest.
    """

    key: str
    service: str
    seat: SeatKey
    hold: str
    details: Details
    reference: str
    filed_at: datetime
    moves: int = 0
    sequence: int = 0
    as_filed: Details | None = None
    corrected: int = 0
    sent: frozenset[str] = frozenset()
    stopped: str = ""
    names: tuple[str, ...] = ()
    generation: int = 0
    replaced: bool = False
    wanted_3: datetime | None = None
