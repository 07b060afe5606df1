import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from icalendar import Calendar

from chalicelib.rendering import convocation
from chalicelib.rendering.convocation import Member
from chalicelib.rendering.i18n import locale_for
from tests.unit.rendering.samples import FRENCH, PARIS, TOLD

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def event(content: bytes) -> dict[str, str]:
    lines = content.decode().replace("\r\n ", "").split("\r\n")
    inside = lines[lines.index("BEGIN:VEVENT") + 1 : lines.index("END:VEVENT")]
    if "BEGIN:VALARM" in inside:
        inside = inside[: inside.index("BEGIN:VALARM")]
    return dict(line.split(":", 1) for line in inside)


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 12, 3, 10, 15), datetime(2026, 12, 3, 9, 15, tzinfo=UTC)],  # noqa: DTZ001  that is the point
)
def test_a_start_outside_the_time_zone_of_the_office_is_refused(start: datetime) -> None:
    with pytest.raises(ValueError, match="time zone of the office"):
        replace(TOLD, start=start)


def test_the_qr_code_of_the_page_is_a_small_svg_with_its_own_white_border() -> None:
    uri = convocation.qr_svg("K7FM3R8HW2")
    assert len(uri) < 2500
    head, _, svg = uri.partition(",")
    assert head == "data:image/svg+xml;charset=utf-8"
    drawn = ET.fromstring(unquote(svg))  # noqa: S314  made three lines above
    assert drawn.attrib["width"] == drawn.attrib["height"] == "116"
    assert next(part.attrib["fill"] for part in drawn.iter() if part.tag.endswith("path")) == "#fff"


@pytest.mark.parametrize(
    ("start", "starts", "ends"),
    [
        (datetime(2026, 12, 3, 10, 15, tzinfo=PARIS), "20261203T091500Z", "20261203T092000Z"),
        (datetime(2026, 7, 2, 10, 15, tzinfo=PARIS), "20260702T081500Z", "20260702T082000Z"),
        (datetime(2026, 3, 29, 10, 15, tzinfo=PARIS), "20260329T081500Z", "20260329T082000Z"),
        (datetime(2026, 10, 25, 10, 15, tzinfo=PARIS), "20261025T091500Z", "20261025T092000Z"),
    ],
)
def test_the_calendar_file_says_the_time_in_utc(start: datetime, starts: str, ends: str) -> None:
    properties = event(convocation.calendar_file(replace(TOLD, start=start), FRENCH, now=NOW))
    assert (properties["DTSTART"], properties["DTEND"]) == (starts, ends)


def test_the_calendar_file_publishes_one_private_event() -> None:
    content = convocation.calendar_file(replace(TOLD, sequence=2), FRENCH, now=NOW)
    assert b"\r\nMETHOD:PUBLISH\r\n" in content
    properties = event(content)
    assert properties["UID"] == "K7FM3R8HW2@guichet"
    assert properties["SEQUENCE"] == "2"
    assert properties["CLASS"] == "PRIVATE"
    assert properties["STATUS"] == "CONFIRMED"
    assert properties["DTSTAMP"] == "20261130T080000Z"
    assert properties["LOCATION"] == "Bâtiment B\\, guichets 3 à 6\\, 1 rue de l’Exemple\\, 42000 Exempleville"


def test_the_calendar_file_names_neither_the_service_nor_the_applicant() -> None:
    content = convocation.calendar_file(TOLD, FRENCH, now=NOW).decode().replace("\r\n ", "")
    assert "SUMMARY:Rendez-vous à la préfecture\r\n" in content
    assert not any(word in content for word in ("séjour", "Admission", "Awa", "1990", "titre"))


@pytest.mark.parametrize(
    ("language", "summary", "advice"),
    [
        ("fr", "Rendez-vous à la préfecture", "venez 10 minutes en avance"),
        ("en", "Appointment at the prefecture", "come 10 minutes early"),
        ("ar", "موعد في المحافظة (préfecture)", "احضر قبله بعشر دقائق (10)"),
    ],
)
def test_the_calendar_file_is_in_the_language_of_the_applicant(language: str, summary: str, advice: str) -> None:
    calendar = Calendar.from_ical(convocation.calendar_file(TOLD, locale_for(language), now=NOW))
    (entry,) = calendar.walk("VEVENT")
    (alarm,) = calendar.walk("VALARM")
    assert entry["SUMMARY"] == alarm["DESCRIPTION"] == summary
    assert advice in str(entry["DESCRIPTION"])


def test_the_calendar_file_has_an_alarm_the_day_before() -> None:
    calendar = Calendar.from_ical(convocation.calendar_file(TOLD, FRENCH, now=NOW))
    (alarm,) = calendar.walk("VALARM")
    assert alarm["ACTION"] == "DISPLAY"
    assert alarm.decoded("TRIGGER") == timedelta(days=-1)


def test_every_line_of_the_calendar_file_is_short_and_ends_in_crlf() -> None:
    content = convocation.calendar_file(TOLD, FRENCH, now=NOW)
    assert content.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_postal_address_cannot_add_lines_to_the_calendar_file() -> None:
    content = convocation.calendar_file(
        replace(TOLD, postal_address=("Ici\r\nATTENDEE:mailto:x@example.org",)), FRENCH, now=NOW
    )
    assert b"\r\nATTENDEE" not in content


def test_a_cancelled_event_carries_the_same_uid_and_no_alarm() -> None:
    content = convocation.calendar_file(replace(TOLD, sequence=1), FRENCH, now=NOW, cancelled=True)
    assert b"\r\nMETHOD:CANCEL\r\n" in content
    assert b"VALARM" not in content
    properties = event(content)
    assert (properties["UID"], properties["SEQUENCE"], properties["STATUS"]) == ("K7FM3R8HW2@guichet", "1", "CANCELLED")


def test_importing_the_service_loads_no_pdf_or_calendar_library() -> None:
    program = (
        "import sys, chalicelib.mail.outbox;"
        "sys.exit(bool({'reportlab', 'segno', 'icalendar', 'arabic_reshaper', 'bidi', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  this Python


def test_the_event_of_a_family_ends_with_the_last_appointment_of_the_day() -> None:
    members = tuple(
        Member("R", "Awa", "Exemple", TOLD.birth_date, TOLD.start + later, "1015A")
        for later in (timedelta(), timedelta(minutes=10), timedelta(days=1))
    )
    properties = event(convocation.calendar_file(replace(TOLD, family=members), FRENCH, now=NOW))
    assert properties["DTEND"] == "20261203T093000Z"
