"""A service, as its YAML file describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from chalicelib.domain import languages
from chalicelib.domain.seat import Key, SeatKey


class SeatAfter(StrEnum):
    """When a hold takes its seat: before or after the captcha."""

    CROWD = "crowd"
    """After the captcha around a release and for a seat that opened recently; otherwise at once."""
    CAPTCHA = "captcha"
    """Always after the captcha."""
    CHOICE = "choice"
    """Always at once, when the slot is chosen."""


class Allocation(StrEnum):
    """Who gets a seat: whoever takes it first, or whoever is drawn."""

    FIRST_COME = "first_come"
    DRAW = "draw"


class Beacon(StrEnum):
    """Where the randomness of a draw comes from that its operator cannot choose."""

    DRAND = "drand"
    """A round of drand's quicknet, which is published after the entries are fixed."""
    COMMITMENT = "commitment"
    """The root hash of the entries and seats. Works without the internet and is weaker."""


CANARY_DRAW = "canari-tirage"
"""The id of the hidden service whose draw the canary enters. Its window is always open."""
LANGUAGES = tuple(languages.TABLE)
"""The codes of the languages in which a service has texts."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Hours without a break in which these desks receive applicants, on one weekday (1 is Monday)."""

    weekday: int
    start: time
    end: time
    desks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InternalSeats:
    """Seats of a planning that only the desk gives, until those still free are released to the public."""

    openings: tuple[Opening, ...]
    """The openings of the planning."""
    seats: int
    """How many of the seats of each day."""
    days_before: int | None = None
    """How many days before the appointment they are released to the public; None: never."""
    at: time = time.min
    """The local time of the release to the public."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Desks that are closed from `first` to `last`, each day between `start` and `end`. No desks: all of them."""

    first: date
    last: date
    start: time = time.min
    end: time = time.max
    desks: tuple[int, ...] = ()

    def covers(self, key: SeatKey, slot: timedelta) -> bool:
        """Tell whether any part of a seat's slot is closed."""
        if not self.first <= key.day <= self.last or (self.desks and key.unit not in self.desks):
            return False
        start = datetime.combine(key.day, key.start)
        return start < datetime.combine(key.day, self.end) and start + slot > datetime.combine(key.day, self.start)


@dataclass(frozen=True, slots=True)
class ReleaseMoment:
    """A weekday and local time at which this many seats of a week open; None for all that are left."""

    weekday: int
    at: time
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """When the seats of a week open: at these moments, `weeks_ahead` weeks before it."""

    weeks_ahead: int
    moments: tuple[ReleaseMoment, ...]
    waits_for_working_day: bool = False
    """Whether a moment on a public holiday waits for the next working day."""
    batch: timedelta = timedelta(0)
    """How long after each moment a captcha that is passed gives a turn instead of a seat; zero: never."""


@dataclass(frozen=True, slots=True)
class WeeklyMoment:
    """A weekday (1 is Monday) and a local time."""

    weekday: int
    at: time


@dataclass(frozen=True, slots=True)
class DrawRules:
    """When the entries for a week are collected, and how its seats are drawn among them."""

    opens: WeeklyMoment
    closes: WeeklyMoment
    weeks_ahead: int
    """The seats drawn are those of the week that begins so many weeks after the Monday that follows the close."""
    seniority_percent: int = 25
    """The share of the seats that goes to those who waited longest."""
    preferences: int = 5
    """How many half-days an applicant may rank."""
    beacon: Beacon = Beacon.DRAND
    witnesses: tuple[str, ...] = ()
    """The e-mail addresses that receive promise and root hash of each draw."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The durations and limits of a service."""

    hold: timedelta = timedelta(seconds=180)
    """The time for the captcha."""
    form: timedelta = timedelta(minutes=15)
    """The time for the form, after the captcha; each extension adds as much."""
    extensions: int = 2
    confirm: timedelta = timedelta(minutes=2880)
    """The time to confirm a request by e-mail."""
    notice: timedelta = timedelta(hours=24)
    """How long before its start a seat is offered last."""
    return_after: timedelta = timedelta(hours=2)
    """A freed seat opens again at a random moment, no sooner than this after it was freed."""
    return_before: timedelta = timedelta(hours=48)
    """A freed seat opens again no later than this after it was freed."""
    erase_after: timedelta = timedelta(days=30)
    """How long after the appointment all data about it is erased."""
    choice: timedelta = timedelta(days=7)
    """How long an applicant whose seat was closed may choose another one."""
    remind: timedelta = timedelta(hours=48)
    """How long before the appointment the reminder is sent."""
    moves: int = 2
    """How often an applicant may move a request."""
    association_bookings: int = 20
    """For how many people each association may book in a week."""
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


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity, so that functions of a service can be cached
class Service:
    """What a prefecture offers appointments for. Comes from a YAML file, which docs/service-file.md describes."""

    id: str
    name: Text
    zone: ZoneInfo
    slot: timedelta
    openings: tuple[Opening, ...]
    release: Release
    office: str
    postal_address: tuple[str, ...]
    contact: Text
    reply_to: str
    rights_address: str
    intro: Text
    not_for: tuple[Text, ...]
    documents: tuple[Text, ...]
    documents_note: tuple[Text, ...]
    otherwise: tuple[Text, ...]
    limits: Limits = field(default_factory=Limits)
    internal: tuple[InternalSeats, ...] = ()
    closures: tuple[Closure, ...] = ()
    holidays: frozenset[date] = frozenset()
    hidden: bool = False
    seat_after: SeatAfter = SeatAfter.CROWD
    publisher: str = ""
    """Who answers for what the pages say. Empty, like the next three, if the file does not name it."""
    host: str = ""
    """Who runs the computers: name, address, telephone."""
    data_officer: str = ""
    """The data protection officer: name or function, and address."""
    accessibility_contact: str = ""
    """Whom to tell about a page that one cannot use."""
    draw: DrawRules | None = None
    """None for a service whose seats go to whoever takes them first. A draw has no release moments."""
    paused: Text | None = None
    """While nobody may begin to book: what visitors are told, empty for the usual text. Not a part of the file."""

    @property
    def allocation(self) -> Allocation:
        """How the seats are allocated."""
        return Allocation.DRAW if self.draw else Allocation.FIRST_COME

    @property
    def is_canary_draw(self) -> bool:
        """Whether it is the hidden service whose draw the canary enters. Nothing is ever drawn there."""
        return self.id == CANARY_DRAW

    @property
    def minutes(self) -> int:
        """The length of a slot in minutes."""
        return int(self.slot / timedelta(minutes=1))

    def start_of(self, key: Key) -> datetime:
        """Return when the appointment of a seat begins, in the time zone of the service.

        Raise ValueError for an entry, which has none.
        """
        if not isinstance(key, SeatKey):
            raise ValueError(f"{key.ref} is an entry")  # noqa: TRY004  # a key of the wrong kind, not of the wrong type
        return datetime.combine(key.day, key.start, self.zone)

    def erase_at(self, key: Key) -> datetime:
        """Return when all data about an appointment on this seat is erased."""
        return self.start_of(key) + self.limits.erase_after

    def confirm_before(self, key: Key, filed_at: datetime) -> datetime:
        """Return until when a request may be confirmed, in UTC. It is never after the start of the appointment."""
        if not isinstance(key, SeatKey):
            return (filed_at + self.limits.confirm).astimezone(UTC)
        return min(filed_at + self.limits.confirm, self.start_of(key).astimezone(UTC))


def text_in(of: Text, language: str) -> str:
    """Return a text in this language, or in French if it has no translation."""
    return of.get(language) or of["fr"]
