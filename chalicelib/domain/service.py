"""A service, as its YAML file describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from chalicelib.domain.seat import SeatKey


class SeatAfter(StrEnum):
    """When a hold takes its seat."""

    CROWD = "crowd"
    """Around a release, and while a seat is newly open, after the captcha; else at once."""
    CAPTCHA = "captcha"
    """Always after the captcha."""
    CHOICE = "choice"
    """At once, as soon as the slot is chosen."""


LANGUAGES = ("fr", "en", "ar")


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
class ReleaseMoment:
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
    moments: tuple[ReleaseMoment, ...]
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
    postal_address: tuple[str, ...]
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


def text_in(of: Text, language: str) -> str:
    """A service's text in this language, in French where it has none."""
    return of.get(language) or of["fr"]
