import io
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from unicodedata import normalize
from zoneinfo import ZoneInfo

import pytest
import yaml
from pypdf import PdfReader

from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import SeatKey
from chalicelib.rendering import convocation, pdf
from chalicelib.rendering.convocation import Convocation, Member
from chalicelib.rendering.i18n import locale_for
from tests.unit.rendering.samples import FRENCH, PARIS, TOLD

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 30, 8, 0, 1, tzinfo=UTC)
REAL = Path(__file__).parents[3] / "infra/services/aes.yaml"


def read(appointment: Convocation, language: str = "fr") -> PdfReader:
    return PdfReader(io.BytesIO(pdf.render(appointment, locale_for(language), now=NOW)), strict=True)


def texts_of(sheets: PdfReader) -> list[str]:
    """The text of each page, Arabic letters as they are typed."""
    return [normalize("NFKC", " ".join(page.extract_text().split())) for page in sheets.pages]


def text(appointment: Convocation) -> str:
    pages = " ".join(page.extract_text() for page in read(appointment).pages)
    return " ".join(pages.split())


def test_the_paper_says_when_where_who_and_what_to_bring() -> None:
    printed = text(TOLD)
    for part in (
        "Préfecture de l’Exemple",
        "Admission exceptionnelle au séjour",
        "Référence : K7FM3R8HW2",
        "Jeudi 3 décembre 2026",
        "10 h 15",
        "Venez 10 minutes en avance, à 10 h 05, avec cette convocation imprimée et une pièce d’identité.",
        "Durée : 5 minutes",
        "Nom : Exemple",
        "Prénom : Awa",
        "Date de naissance : 2 janvier 1990",
        "Bâtiment B, guichets 3 à 6, 1 rue de l’Exemple, 42000 Exempleville",
        "L’original et une copie.",
        "Passeport",
        "Acte de naissance et sa traduction",
        "Une question ? guichet@example.org",
    ):
        assert part in printed


def test_the_paper_is_void_for_any_other_person() -> None:
    assert "valable uniquement pour Awa Exemple, né(e) le 2 janvier 1990. Elle est nulle pour toute autre" in text(TOLD)


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (datetime(2026, 7, 1, 10, 15, tzinfo=PARIS), "Mercredi 1er juillet 2026"),
        (datetime(2026, 3, 29, 10, 15, tzinfo=PARIS), "Dimanche 29 mars 2026"),
        (datetime(2026, 10, 25, 10, 15, tzinfo=PARIS), "Dimanche 25 octobre 2026"),
        (datetime(2026, 12, 3, 10, 15, tzinfo=ZoneInfo("Indian/Reunion")), "Jeudi 3 décembre 2026"),
    ],
)
def test_the_printed_time_is_the_local_time_of_the_office(start: datetime, day: str) -> None:
    printed = text(replace(TOLD, start=start))
    assert f"{day} 10 h 15" in printed
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
    printed = text(replace(TOLD, first_name=first_name, last_name=last_name))
    assert f"Prénom : {first_name}" in printed
    assert f"Nom : {last_name}" in printed
    assert f"uniquement pour {first_name} {last_name}," in printed


def test_a_name_typed_with_loose_accents_prints_with_composed_letters() -> None:
    assert "Nom : Hường" in text(replace(TOLD, last_name="Hu\u031bo\u031b\u0300ng"))


@pytest.mark.parametrize("name", ["<b>x</b>", "A & B", "&lt;", "</para>", "<img src='a.png'/>"])
def test_markup_in_a_name_prints_as_it_was_typed(name: str) -> None:
    assert f"Nom : {name}" in text(replace(TOLD, last_name=name))


@pytest.mark.parametrize("name", ["A" * 200, "De La Très Longue " * 11 + "Fin"])
def test_a_name_of_200_characters_wraps_inside_the_margins(name: str) -> None:
    appointment = replace(TOLD, last_name=name)
    ends: list[float] = []

    def note(part: str, _matrix: list[float], place: list[float], font: object, size: float) -> None:
        if part.strip() and font is not None:
            ends.append(place[4] + 0.5 * size * len(part.strip()))

    page = read(appointment).pages[0]
    page.extract_text(visitor_text=note)
    assert max(ends) < float(page.mediabox.width)
    assert "".join(name.split()) in "".join(text(appointment).split())


def test_markup_is_printed_as_typed_on_the_arabic_sheet() -> None:
    appointment = replace(TOLD, first_name="<b>Awa</b>", postal_address=("Bâtiment A & B", "1 rue de l’Exemple"))
    _french, arabic = texts_of(read(appointment, "ar"))
    assert "<b>Awa</b>" in arabic
    assert "Bâtiment A & B" in normalize("NFKC", arabic)


def test_a_usual_convocation_is_one_page_and_light() -> None:
    assert len(read(TOLD).pages) == 1
    assert len(pdf.render(TOLD, FRENCH, now=NOW)) < 40_000


def test_a_long_list_of_documents_flows_to_a_second_page() -> None:
    pages = read(replace(TOLD, documents=({"fr": "Un document à apporter"},) * 40)).pages
    assert len(pages) == 2
    assert "Page 2" in pages[1].extract_text()
    assert "Un empêchement" in pages[1].extract_text()


def test_the_file_tells_its_language_and_a_title_without_the_person() -> None:
    pdf = read(TOLD)
    catalogue: Any = pdf.root_object
    assert catalogue["/Lang"] == "fr-FR"
    assert catalogue["/ViewerPreferences"]["/DisplayDocTitle"]
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Convocation K7FM3R8HW2"
    assert not any(word in str(dict(pdf.metadata)) for word in ("Awa", "Exemple,", "1990", "séjour"))


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Martinique"])
def test_the_creation_date_of_the_file_is_the_moment_it_was_made_in_the_time_zone_of_the_office(zone: str) -> None:
    office = ZoneInfo(zone)
    metadata = read(replace(TOLD, start=TOLD.start.replace(tzinfo=office))).metadata
    assert metadata is not None
    assert metadata.creation_date == NOW
    assert metadata.modification_date == NOW
    assert metadata.creation_date.utcoffset() == NOW.astimezone(office).utcoffset()


@pytest.mark.parametrize(("language", "sentence"), [("fr", "page web accessible"), ("en", "accessible web page")])
def test_the_file_without_tags_names_its_accessible_twin(language: str, sentence: str) -> None:
    assert all(sentence in page for page in texts_of(read(TOLD, language))[-1:])


def test_the_rules_about_the_documents_are_as_large_as_the_documents() -> None:
    sizes: dict[str, float] = {}

    def note(part: str, _matrix: list[float], _place: list[float], _font: object, size: float) -> None:
        if part.strip():
            sizes[part.strip()] = size

    read(TOLD).pages[0].extract_text(visitor_text=note)
    assert sizes["L’original et une copie."] == sizes["Passeport"] == pdf.BODY


def test_the_fonts_travel_with_the_paper() -> None:
    page: Any = read(TOLD).pages[0]
    fonts = page["/Resources"]["/Font"]
    embedded = [font.get_object() for font in fonts.values() if "/FontDescriptor" in font.get_object()]
    assert {font["/BaseFont"].split("+")[1] for font in embedded} == {"DejaVuSans", "DejaVuSans-Bold"}
    assert all("/FontFile2" in font["/FontDescriptor"] for font in embedded)


def test_the_same_convocation_gives_the_same_bytes() -> None:
    assert pdf.render(TOLD, FRENCH, now=NOW) == pdf.render(replace(TOLD), FRENCH, now=NOW)


def test_the_qr_code_of_the_paper_changes_with_the_reference_alone() -> None:
    def squares(appointment: Convocation) -> list[str]:
        content = read(appointment).pages[0].get_contents()
        assert content is not None
        return [line for line in content.get_data().decode("latin-1").splitlines() if line.endswith(" re f*")]

    assert len(squares(TOLD)) > 100
    assert squares(TOLD) == squares(replace(TOLD, last_name="Autre"))
    assert squares(TOLD) != squares(replace(TOLD, reference="K7FM3R8HW3"))


def test_a_birth_name_stands_beside_the_name_that_is_used_now() -> None:
    assert "Nom de naissance : Ñandú" in text(replace(TOLD, birth_name="Ñandú"))
    assert "Nom de naissance" not in text(TOLD)


# Several people

CHILD = Member("K7FM3R8HW4", "Nguyễn Thị", "Exemple", date(2015, 3, 4), TOLD.start + timedelta(minutes=5), "1020A")
FAMILY = replace(TOLD, family=(Member(TOLD.reference, "Awa", "Exemple", TOLD.birth_date, TOLD.start, "1015A"), CHILD))


def test_one_paper_names_all_who_were_booked_together_each_with_a_time_and_a_number() -> None:
    printed = text(FAMILY)
    for part in (
        "10 h 15 – Awa Exemple",
        "10 h 20 – Nguyễn Thị Exemple",
        "Né(e) le 4 mars 2015. Numéro d’appel : 1020A. Référence : K7FM3R8HW4.",
        "Durée : 10 minutes",
        "uniquement pour les personnes qui y sont nommées",
    ):
        assert part in printed


def test_who_moved_to_another_day_is_named_with_that_day_and_makes_nobody_stay_longer() -> None:
    later = replace(FAMILY, family=(FAMILY.family[0], replace(CHILD, start=CHILD.start + timedelta(days=1))))
    assert "vendredi 4 décembre 2026 à 10 h 20 – Nguyễn Thị Exemple" in text(later)
    assert "Durée : 5 minutes" in text(later)


def test_the_sheet_of_a_family_is_in_the_own_language_too() -> None:
    *_, arabic = texts_of(read(FAMILY, "ar"))
    assert "Nguyễn Thị Exemple" in arabic
    assert "رقم النداء" in arabic
    assert "1020A" in arabic


def test_who_has_no_e_mail_is_not_sent_to_one() -> None:
    assert "e-mail" not in text(replace(TOLD, has_email=False))
    assert "dites-le-nous" in text(replace(TOLD, has_email=False))


# The person's own language


def test_the_french_convocation_has_the_french_sheet_alone() -> None:
    assert len(read(TOLD, "fr").pages) == 1


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_first_sheet_is_french_whatever_the_language(language: str) -> None:
    assert texts_of(read(TOLD, language))[0] == texts_of(read(TOLD))[0]


def test_the_english_sheet_says_the_same_and_that_french_counts() -> None:
    _, english = texts_of(read(TOLD, "en"))
    for part in (
        "Only the page in French counts.",
        "Exceptional admission to stay",
        "Reference: K7FM3R8HW2",
        "Thursday 3 December 2026 10:15",
        "Come 10 minutes early, at 10:05,",
        "Duration: 5 minutes",
        "Last name: Exemple",
        "Date of birth: 2 January 1990",
        "valid only for Awa Exemple, born on 2 January 1990.",
        "Passport",
        "The original and one copy.",
        "A question? guichet@example.org",
        "Page 2",
    ):
        assert part in english


def test_the_arabic_sheet_says_the_same_and_that_french_counts() -> None:
    _, arabic = texts_of(read(TOLD, "ar"))
    for part in (
        "الصفحة الفرنسية وحدها هي المعتمدة",
        "ورقة الاستدعاء",
        "القبول الاستثنائي",
        "المرجع",
        "K7FM3R8HW2",
        "الخميس",
        "ديسمبر",
        "10:15",
        "10:05",
        "Awa Exemple",
        "42000 Exempleville",
        "جواز السفر",
        "شهادة الميلاد",
        "guichet@example.org",
    ):
        assert part in arabic


@pytest.mark.parametrize(
    "name", ["Şükrü Yağmuroğlu", "Brzęczyszczykiewicz-Żółć", "Nguyễn Thị Hường", "O’Neill (Bấu)", "عبد الله"]
)
def test_a_name_reads_the_same_on_the_arabic_sheet_as_on_the_french_one(name: str) -> None:
    french, arabic = texts_of(read(replace(TOLD, last_name=name), "ar"))
    assert name in french
    assert name in arabic


@pytest.mark.parametrize(("language", "hours"), [("fr", "9 h à 12 h"), ("en", "9:00 to 12:00"), ("ar", "9:00")])
def test_the_real_convocation_is_one_sheet_a_language_even_with_long_names(language: str, hours: str) -> None:
    service = codec.service_from_document(yaml.safe_load(REAL.read_text("utf-8")))
    details = Details(
        first_name="Maria Concepción Esperanza Guadalupe Antonella",
        last_name="Nguyễn-Brzęczyszczykiewicz-Yağmuroğlu de la Villardière",
        birth_name="Brzęczyszczykiewicz-Żółkiewska",
        birth_date=date(1990, 9, 22),
        email="awa@example.org",
        phone="06 12 34 56 78",
        language=language,
    )
    seat = SeatKey(date(2026, 11, 11), time(10, 15), 1, "aes")
    person = Person("k", "aes", seat, "h", details, "AES-7K3M9-QXPT2", datetime(2026, 11, 9, 9, 0, tzinfo=UTC))
    pages = texts_of(read(convocation.convocation_of(service, person), language))
    assert len(pages) == (1 if language == "fr" else 2)
    assert hours in normalize("NFKC", pages[-1])


def test_a_long_arabic_text_flows_to_the_next_page_and_loses_no_word() -> None:
    note = {"fr": "-", "ar": " ".join(f"كلمة {number}" for number in range(1000, 2000))}
    _, *arabic = texts_of(read(replace(TOLD, notes=(note,)), "ar"))
    assert len(arabic) > 1
    assert all(str(number) in " ".join(arabic) for number in range(1000, 2000))
