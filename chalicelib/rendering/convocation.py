"""The content of a convocation, its calendar file, and its QR code.

The libraries are imported in the functions that use them: every Lambda function imports this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from chalicelib.domain import names
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Person
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service, Text
from chalicelib.rendering.i18n import Locale

EARLY = timedelta(minutes=10)
"""How long before the appointment the applicant should arrive. The messages say the same."""
MEMBER = N_("Né(e) le %(birth)s. Numéro d’appel : %(number)s. Référence : %(reference)s.")
"""What the convocation of several people says about each of them."""
SUMMARY = N_("Rendez-vous à la préfecture")
"""The title of the calendar event. A lock screen may show it, so it names neither the service nor the applicant."""


MOST_MOVES = 100
"""More than anybody moves: somebody of a family who has left counts for so many moves."""
CALENDAR_NAME = "rendez-vous.ics"
CALENDAR_TYPE = "text/calendar; method={method}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Member:
    """One of several people who were booked together."""

    reference: str
    first_name: str
    last_name: str
    birth_date: date
    start: datetime
    number: str
    birth_name: str = ""

    @property
    def person(self) -> str:
        """The name in a sentence."""
        return names.full_name(self.first_name, self.last_name)


@dataclass(frozen=True, slots=True)
class Convocation:
    """What a convocation says. `start` is in the time zone of the office; any other raises ValueError."""

    reference: str
    service: Text
    first_name: str
    last_name: str
    birth_date: date
    start: datetime
    minutes: int
    postal_address: tuple[str, ...]
    documents: tuple[Text, ...]
    notes: tuple[Text, ...]
    contact: Text
    office: str
    uid: str
    birth_name: str = ""
    sequence: int = 0
    number: str = ""
    """The short number by which the applicant is called on the day."""
    has_email: bool = True
    """Whether the applicant has an e-mail with a link, by which they can cancel."""
    family: tuple[Member, ...] = ()
    """All who were booked together and still have their appointment, in the order of their seats, this person
    included. Empty for a person alone."""

    def __post_init__(self) -> None:
        if not isinstance(self.start.tzinfo, ZoneInfo):
            raise ValueError("start must be in the time zone of the office, not naive and not UTC")  # noqa: TRY004

    @property
    def person(self) -> str:
        """The name of the applicant in a sentence."""
        return names.full_name(self.first_name, self.last_name)

    @property
    def begins(self) -> datetime:
        """When the first appointment of these people on this day begins."""
        return min(self._starts)

    @property
    def ends(self) -> datetime:
        """When their last appointment of this day ends."""
        return max(self._starts) + timedelta(minutes=self.minutes)

    @property
    def _starts(self) -> list[datetime]:
        day = self.start.date()
        return [self.start, *(member.start for member in self.family if member.start.date() == day)]

    @property
    def early(self) -> datetime:
        """When the applicant should arrive."""
        return self.begins - EARLY

    @property
    def length(self) -> timedelta:
        """The length of the appointment, or of all those of this day."""
        return self.ends - self.begins


def calendar_file(convocation: Convocation, locale: Locale, *, now: datetime, cancelled: bool = False) -> bytes:
    """Return the appointment as text/calendar: an event to add, or one to remove if it was cancelled.

    It says when and where, but not what for or for whom. A calendar updates the event with the same `uid` if
    `sequence` is higher.
    """
    from icalendar import Alarm, Calendar, Event  # noqa: PLC0415  # see the top

    _ = locale._
    calendar = Calendar()
    calendar.add("prodid", f"-//Guichet//Guichet//{locale.language.upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    event = Event()
    event.add("uid", convocation.uid)
    event.add("sequence", convocation.sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", convocation.begins.astimezone(UTC))
    event.add("dtend", convocation.ends.astimezone(UTC))
    event.add("summary", _(SUMMARY))
    event.add("location", ", ".join(convocation.postal_address))
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    if not cancelled:
        event.add("description", _("Le jour du rendez-vous, venez 10 minutes en avance, avec la convocation imprimée."))
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _(SUMMARY))
        alarm.add("trigger", timedelta(days=-1))
        event.add_component(alarm)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def map_url(service: Service) -> str:
    """Return the URL of a search for the postal address on a map.

    The last two lines are the street and the town. A building or a counter before them would find nothing.
    """
    return "https://www.openstreetmap.org/search?query=" + quote(", ".join(service.postal_address[-2:]))


def qr_svg(reference: str) -> str:
    """Return a reference as a QR code, in a `data:` URI with an SVG. It has a white border for dark pages."""
    import segno  # noqa: PLC0415  # see the top

    return str(segno.make_qr(reference, error="m").svg_data_uri(scale=4, dark="#000", light="#fff"))


def convocation_of(service: Service, person: Person, family: Sequence[Person] = ()) -> Convocation:
    """Return the convocation of a person, with the texts of the service in all its languages.

    `family` has all who were booked together (`booking.families.members`).
    """
    details = person.details
    return Convocation(
        reference=person.reference,
        service=service.name,
        first_name=details.first_name,
        last_name=details.last_name,
        birth_name=details.birth_name,
        birth_date=details.birth_date,
        start=service.start_of(person.seat),
        minutes=service.minutes,
        postal_address=service.postal_address,
        documents=service.documents,
        notes=service.documents_note,
        contact=service.contact,
        office=service.office,
        uid=f"{person.reference}@guichet",
        sequence=2 * _sequence(person, family),
        number=_number(person),
        has_email=bool(details.email),
        family=tuple(_member(service, member) for member in family) if len(family) > 1 else (),
    )


def _sequence(person: Person, family: Sequence[Person]) -> int:
    """Return a number that grows with each change of the event: the moves of all, and who has left."""
    if not family:
        return person.sequence
    return sum(member.sequence for member in family) + MOST_MOVES * (len(person.family) - len(family))


def _member(service: Service, person: Person) -> Member:
    details = person.details
    return Member(
        reference=person.reference,
        first_name=details.first_name,
        last_name=details.last_name,
        birth_date=details.birth_date,
        start=service.start_of(person.seat),
        number=_number(person),
        birth_name=details.birth_name,
    )


def _number(person: Person) -> str:
    return person.seat.number if isinstance(person.seat, SeatKey) else ""
