"""The convocation: what it says, its event for a calendar, and the QR code that a desk can scan.

The libraries are imported where they are used: every Lambda imports this module, one writes the event.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.domain.messages import N_
from chalicelib.domain.person import Person
from chalicelib.domain.service import Service, Text
from chalicelib.rendering.i18n import Locale

EARLY = timedelta(minutes=10)
"""How long before its time a person comes; the sentences say it too."""
SUMMARY = N_("Rendez-vous à la préfecture")
"""What a lock screen may show: not what the appointment is about, nor with whom."""


@dataclass(frozen=True, slots=True)
class Convocation:
    """All that is printed. `start` is in the zone of the place, as its clock shows it; ValueError otherwise."""

    reference: str
    service: Text
    first_name: str
    last_name: str
    birth_date: date
    start: datetime
    minutes: int
    place: tuple[str, ...]
    documents: tuple[Text, ...]
    notes: tuple[Text, ...]
    contact: str
    office: str
    uid: str
    birth_name: str = ""
    sequence: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.start.tzinfo, ZoneInfo):
            raise ValueError("start must be in the zone of the place, not naive and not UTC")  # noqa: TRY004

    @property
    def person(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def early(self) -> datetime:
        """When to be there."""
        return self.start - EARLY


def calendar_file(convocation: Convocation, words: Locale, *, now: datetime, cancelled: bool = False) -> bytes:
    """One event as text/calendar, published or cancelled; it says when and where, never why nor who.

    A calendar replaces the event it knows by `uid` when `sequence` is higher.
    """
    from icalendar import Alarm, Calendar, Event  # noqa: PLC0415  see the top

    _ = words._
    calendar = Calendar()
    calendar.add("prodid", f"-//Guichet//Guichet//{words.language.upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    event = Event()
    event.add("uid", convocation.uid)
    event.add("sequence", convocation.sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", convocation.start.astimezone(UTC))
    event.add("dtend", convocation.start.astimezone(UTC) + timedelta(minutes=convocation.minutes))
    event.add("summary", _(SUMMARY))
    event.add("location", ", ".join(convocation.place))
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


def qr_svg(reference: str) -> str:
    """The reference as a QR code, an SVG in a `data:` URI; its white border keeps it readable on a dark page."""
    import segno  # noqa: PLC0415  see the top

    return str(segno.make_qr(reference, error="m").svg_data_uri(scale=4, dark="#000", light="#fff"))


def convocation_of(service: Service, person: Person) -> Convocation:
    """What the convocation says, in every language that the service has."""
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
        place=service.postal_address,
        documents=service.documents,
        notes=service.documents_note,
        contact=service.contact,
        office=service.office,
        uid=f"{person.reference}@guichet",
        sequence=2 * person.sequence,
    )
