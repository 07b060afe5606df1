import io
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
import yaml
from icalendar import Calendar
from pypdf import PdfReader

from chalicelib import convocation, files, outbox
from chalicelib.convocation import Convocation
from chalicelib.model import Details, Person, SeatKey

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
PAPER = Convocation(
    reference="K7FM3R8HW2",
    service="Admission exceptionnelle au séjour",
    first_name="Awa",
    last_name="Exemple",
    birth_date=date(1990, 1, 2),
    start=datetime(2026, 12, 3, 10, 15, tzinfo=PARIS),
    minutes=5,
    place=("Bâtiment B, guichets 3 à 6", "1 rue de l’Exemple", "42000 Exempleville"),
    documents=("Passeport", "Acte de naissance et sa traduction"),
    contact="guichet@example.org",
    office="Préfecture de l’Exemple",
    uid="K7FM3R8HW2@guichet",
)


def read(paper: Convocation) -> PdfReader:
    return PdfReader(io.BytesIO(convocation.pdf(paper)), strict=True)


def text(paper: Convocation) -> str:
    pages = " ".join(page.extract_text() for page in read(paper).pages)
    return " ".join(pages.split())


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
def test_a_start_without_the_zone_of_the_place_is_refused(start: datetime) -> None:
    with pytest.raises(ValueError, match="zone of the place"):
        replace(PAPER, start=start)


def test_the_paper_says_when_where_who_and_what_to_bring() -> None:
    printed = text(PAPER)
    for words in (
        "Préfecture de l’Exemple",
        "Admission exceptionnelle au séjour",
        "Référence : K7FM3R8HW2",
        "Jeudi 3 décembre 2026",
        "à 10 h 15",
        "Venez 10 minutes en avance, à 10 h 05, avec cette convocation et une pièce d’identité.",
        "Durée prévue : 5 minutes.",
        "Nom : Exemple",
        "Prénom : Awa",
        "Date de naissance : 02/01/1990",
        "Bâtiment B, guichets 3 à 6 1 rue de l’Exemple 42000 Exempleville",
        "Pour chacun : l’original et une copie.",
        "Passeport",
        "Acte de naissance et sa traduction",
        "Nous écrire : guichet@example.org",
    ):
        assert words in printed


def test_the_paper_is_void_for_any_other_person() -> None:
    assert "valable uniquement pour Awa Exemple, né(e) le 02/01/1990. Elle est nulle pour toute autre" in text(PAPER)


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (datetime(2026, 7, 1, 10, 15, tzinfo=PARIS), "Mercredi 1er juillet 2026"),
        (datetime(2026, 3, 29, 10, 15, tzinfo=PARIS), "Dimanche 29 mars 2026"),
        (datetime(2026, 10, 25, 10, 15, tzinfo=PARIS), "Dimanche 25 octobre 2026"),
        (datetime(2026, 12, 3, 10, 15, tzinfo=ZoneInfo("Indian/Reunion")), "Jeudi 3 décembre 2026"),
    ],
)
def test_the_time_on_paper_is_that_of_the_clock_on_the_wall(start: datetime, day: str) -> None:
    printed = text(replace(PAPER, start=start))
    assert f"{day} à 10 h 15" in printed
    assert "à 10 h 05" in printed


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [
        ("Şükrü", "Yağmuroğlu"),
        ("Łukasz", "Żółć"),
        ("Nguyễn", "Thị Hường"),
        ("Ɔkɔ́jó", "Ŋdìaye"),
        ("Əli", "Çəfərov"),
        ("Ștefan", "Țăran"),
        ("Þórður", "Ðæß"),
        ("Leʻa", "D’Ørsted-Šiška"),
    ],
)
def test_a_name_prints_with_all_its_marks(first_name: str, last_name: str) -> None:
    printed = text(replace(PAPER, first_name=first_name, last_name=last_name))
    assert f"Prénom : {first_name}" in printed
    assert f"Nom : {last_name}" in printed
    assert f"uniquement pour {first_name} {last_name}," in printed


def test_a_name_typed_with_loose_accents_prints_with_composed_letters() -> None:
    assert "Nom : Hường" in text(replace(PAPER, last_name="Hu\u031bo\u031b\u0300ng"))


@pytest.mark.parametrize("name", ["<b>x</b>", "A & B", "&lt;", "</para>", "<img src='a.png'/>"])
def test_markup_in_a_name_prints_as_it_was_typed(name: str) -> None:
    assert f"Nom : {name}" in text(replace(PAPER, last_name=name))


@pytest.mark.parametrize("name", ["A" * 200, "De La Très Longue " * 11 + "Fin"])
def test_a_name_of_200_characters_wraps_inside_the_margins(name: str) -> None:
    paper = replace(PAPER, last_name=name)
    ends: list[float] = []

    def note(part: str, _matrix: list[float], place: list[float], font: object, size: float) -> None:
        if part.strip() and font is not None:
            ends.append(place[4] + 0.5 * size * len(part.strip()))

    page = read(paper).pages[0]
    page.extract_text(visitor_text=note)
    assert max(ends) < float(page.mediabox.width)
    assert "".join(name.split()) in "".join(text(paper).split())


def test_a_usual_convocation_is_one_page_and_light() -> None:
    assert len(read(PAPER).pages) == 1
    assert len(convocation.pdf(PAPER)) < 40_000


def test_a_long_list_of_documents_flows_to_a_second_page() -> None:
    pages = read(replace(PAPER, documents=("Un document à apporter",) * 40)).pages
    assert len(pages) == 2
    assert "Page 2" in pages[1].extract_text()
    assert "Un empêchement" in pages[1].extract_text()


def test_the_file_tells_its_language_and_a_title_without_the_person() -> None:
    pdf = read(PAPER)
    catalogue: Any = pdf.root_object
    assert catalogue["/Lang"] == "fr-FR"
    assert catalogue["/ViewerPreferences"]["/DisplayDocTitle"]
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Convocation K7FM3R8HW2"
    assert not any(word in str(dict(pdf.metadata)) for word in ("Awa", "Exemple,", "1990", "séjour"))


def test_the_fonts_travel_with_the_paper() -> None:
    page: Any = read(PAPER).pages[0]
    fonts = page["/Resources"]["/Font"]
    embedded = [font.get_object() for font in fonts.values() if "/FontDescriptor" in font.get_object()]
    assert {font["/BaseFont"].split("+")[1] for font in embedded} == {"DejaVuSans", "DejaVuSans-Bold"}
    assert all("/FontFile2" in font["/FontDescriptor"] for font in embedded)


def test_the_same_convocation_gives_the_same_bytes() -> None:
    assert convocation.pdf(PAPER) == convocation.pdf(replace(PAPER))


def test_the_qr_code_of_the_paper_changes_with_the_reference_alone() -> None:
    def squares(paper: Convocation) -> list[str]:
        content = read(paper).pages[0].get_contents()
        assert content is not None
        return [line for line in content.get_data().decode("latin-1").splitlines() if line.endswith(" re f*")]

    assert len(squares(PAPER)) > 100
    assert squares(PAPER) == squares(replace(PAPER, last_name="Autre"))
    assert squares(PAPER) != squares(replace(PAPER, reference="K7FM3R8HW3"))


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
    said = event(convocation.calendar_file(replace(PAPER, start=start), now=NOW))
    assert (said["DTSTART"], said["DTEND"]) == (starts, ends)


def test_the_calendar_file_publishes_one_private_event() -> None:
    content = convocation.calendar_file(replace(PAPER, sequence=2), now=NOW)
    assert b"\r\nMETHOD:PUBLISH\r\n" in content
    said = event(content)
    assert said["UID"] == "K7FM3R8HW2@guichet"
    assert said["SEQUENCE"] == "2"
    assert said["CLASS"] == "PRIVATE"
    assert said["STATUS"] == "CONFIRMED"
    assert said["DTSTAMP"] == "20261130T080000Z"
    assert said["LOCATION"] == "Bâtiment B\\, guichets 3 à 6\\, 1 rue de l’Exemple\\, 42000 Exempleville"


def test_the_calendar_file_tells_a_lock_screen_neither_why_nor_who() -> None:
    content = convocation.calendar_file(PAPER, now=NOW).decode().replace("\r\n ", "")
    assert "SUMMARY:Rendez-vous à la préfecture\r\n" in content
    assert not any(word in content for word in ("séjour", "Admission", "Awa", "1990", "titre"))


def test_the_calendar_file_rings_the_day_before() -> None:
    calendar = Calendar.from_ical(convocation.calendar_file(PAPER, now=NOW))
    (alarm,) = calendar.walk("VALARM")
    assert alarm["ACTION"] == "DISPLAY"
    assert alarm.decoded("TRIGGER") == timedelta(days=-1)


def test_every_line_of_the_calendar_file_is_short_and_ends_in_crlf() -> None:
    content = convocation.calendar_file(PAPER, now=NOW)
    assert content.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_place_cannot_add_lines_to_the_calendar_file() -> None:
    content = convocation.calendar_file(replace(PAPER, place=("Ici\r\nATTENDEE:mailto:x@example.org",)), now=NOW)
    assert b"\r\nATTENDEE" not in content


def test_a_cancelled_event_carries_the_same_uid_and_no_alarm() -> None:
    content = convocation.calendar_file(replace(PAPER, sequence=1), now=NOW, cancelled=True)
    assert b"\r\nMETHOD:CANCEL\r\n" in content
    assert b"VALARM" not in content
    said = event(content)
    assert (said["UID"], said["SEQUENCE"], said["STATUS"]) == ("K7FM3R8HW2@guichet", "1", "CANCELLED")


def test_importing_the_module_loads_no_library_of_paper_or_calendar() -> None:
    program = (
        "import sys, chalicelib.convocation;"
        "sys.exit(bool({'reportlab', 'segno', 'icalendar', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  this Python


def test_the_convocation_of_the_real_service_is_one_sheet() -> None:
    document = yaml.safe_load((Path(__file__).parent.parent / "infra/services/aes.yaml").read_text("utf-8"))
    service = files.service_from(document)
    details = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
    seat = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
    person = Person("k", "aes", seat, "h", details, "AES-7K3M9-QXPT2", datetime(2026, 11, 30, 9, 0, tzinfo=UTC))
    sheet = PdfReader(io.BytesIO(convocation.pdf(outbox.convocation_of(service, person))))
    assert len(sheet.pages) == 1
    assert "12 h" in sheet.pages[0].extract_text()
