"""The words: no message is missing in a language, and dates and times read as people write them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.mofile import write_mo

from chalicelib.domain import languages
from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering import i18n
from chalicelib.rendering.i18n import LOCALE, NoTranslations, check, locale_for, preferred_language
from tests.client import send
from tests.unit.rendering.samples import catalogue, locale_from_source

TRANSLATED = [language for language in LANGUAGES if language != "fr"]
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w*\}|</?\w+|%(?!\()")


@cache
def extracted() -> frozenset[str | tuple[str, ...]]:
    with (LOCALE / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]  # Babel types only a part
    keywords = parse_keywords(["_", "N_", "gettext", "ngettext:1,2"])
    messages = extract_from_dir(LOCALE.parent, methods, options, keywords)
    return frozenset(message for _file, _line, message, _comments, _context in messages)


def forms(message: Message) -> Iterator[tuple[str, str]]:
    """Each translated form of a message beside its source."""
    if isinstance(message.id, str):
        yield message.id, str(message.string)
        return
    for string in message.string or ():
        yield message.id[1], string


def marks(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def test_the_extraction_finds_code_and_templates() -> None:
    messages = extracted()
    assert {"jeudi", "Remplissez ce champ.", "Effectuer une demande de rendez-vous"} <= messages
    assert ("%(num)s heure", "%(num)s heures") in messages


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_message_is_missing(language: str) -> None:
    known = {message.id for message in catalogue(language) if message.id and all(dict(forms(message)).values())}
    assert sorted(map(str, extracted() - known)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_message_is_fuzzy_or_left_over(language: str) -> None:
    messages = catalogue(language)
    assert [message.id for message in messages if message.id and message.fuzzy] == []
    assert sorted(str(message.id) for message in messages if message.id and message.id not in extracted()) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_placeholder_and_tag_is_kept(language: str) -> None:
    """Only the number of a plural may be said in words (`two`, `none`)."""
    wrong = [
        (source, string)
        for message in catalogue(language)
        if message.id
        for source, string in forms(message)
        if marks(string) != marks(source)
        and not (message.pluralizable and [*marks(string), "%(num)s"] == marks(source))
    ]
    assert wrong == []


def test_every_service_text_has_every_language() -> None:
    services = Path(__file__).parents[3] / "infra" / "services"
    yaml = pytest.importorskip("yaml")
    lacking = []
    for file in sorted(services.glob("*.yaml")):
        document = yaml.safe_load(file.read_text("utf-8"))
        texts = [document["name"], document["intro"]]
        for part in ("not_for", "documents", "documents_note", "otherwise"):
            texts += document[part]
        lacking += [(file.name, text) for text in texts if set(text) != set(LANGUAGES)]
    assert lacking == []


@pytest.mark.parametrize(
    ("language", "day", "read"),
    [
        ("fr", date(2026, 12, 3), "jeudi 3 décembre 2026"),
        ("fr", date(2027, 8, 1), "dimanche 1er août 2027"),
        ("en", date(2026, 12, 3), "Thursday 3 December 2026"),
        ("en", date(2026, 3, 1), "Sunday 1 March 2026"),
        ("ar", date(2026, 12, 3), "الخميس 3 ديسمبر 2026"),
    ],
)
def test_a_date_is_written_with_its_weekday(language: str, day: date, read: str) -> None:
    assert locale_from_source(language).full_date(day) == read


@pytest.mark.parametrize(("language", "read"), [("fr", "9\u00a0h\u00a005"), ("en", "09:05"), ("ar", "09:05")])
def test_a_time_is_written_as_its_language_does(language: str, read: str) -> None:
    assert locale_from_source(language).time_of_day(datetime(2026, 12, 3, 9, 5, tzinfo=UTC)) == read


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (0, "لا يوجد أي موعد متاح"),
        (1, "موعد واحد متاح"),
        (2, "موعدان متاحان"),
        (7, "7 مواعيد متاحة"),
        (60, "60 موعدًا متاحًا"),
        (100, "100 موعد متاح"),
    ],
)
def test_arabic_counts_in_six_ways(number: int, read: str) -> None:
    one, many = "%(num)s rendez-vous libre", "%(num)s rendez-vous libres"
    assert locale_from_source("ar").ngettext(one, many, number) % {"num": number} == read


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "fr"),
        ("ar-MA,ar;q=0.9,fr;q=0.8", "ar"),
        ("de-DE,de;q=0.9,en;q=0.5,fr;q=0.1", "en"),
        ("ru", "fr"),
        ("en;q=0,fr;q=0.1", "fr"),
        ("en;q=nonsense,ar;q=0.2", "ar"),
        ("fr, en", "fr"),
    ],
)
def test_the_preferred_language_follows_accept_language(header: str, language: str) -> None:
    assert preferred_language(header) == language


def test_the_locale_of_an_unknown_language_is_french() -> None:
    assert locale_for("xx").language == "fr"
    assert locale_for("ar").direction == "rtl"
    assert locale_for("en").direction == "ltr"


@pytest.fixture
def easy_french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give easy French a catalogue with one message."""
    folder = tmp_path / languages.TABLE["fr-x-facile"].catalogue / "LC_MESSAGES"
    folder.mkdir(parents=True)
    words = Catalog(locale="fr")
    words.add("Étapes", "Les étapes")
    with (folder / "guichet.mo").open("wb") as file:
        write_mo(file, words)
    locale_for.cache_clear()
    monkeypatch.setattr(i18n, "LOCALE", tmp_path)
    yield
    locale_for.cache_clear()


@pytest.mark.usefixtures("easy_french")
def test_a_form_of_french_is_written_as_french_and_no_browser_chooses_it() -> None:
    locale = locale_for("fr-x-facile")
    assert (locale.language, locale.direction, locale.own_name) == ("fr-x-facile", "ltr", "Français facile")
    assert (locale.is_french, locale.is_source) == (True, False)
    assert locale._("Étapes") == "Les étapes"
    assert locale.text({"fr": "Nom"}) == "Nom"
    assert locale.full_date(date(2027, 8, 1)) == "dimanche 1er août 2027"
    assert locale.time_of_day(datetime(2026, 12, 3, 9, 5, tzinfo=UTC)) == "9\u00a0h\u00a005"
    assert (locale.number(2880), locale.typeset("Oui ?")) == ("2\u00a0880", "Oui\u00a0?")
    assert [preferred_language(header) for header in ("fr-x-facile", "fr-FR", "en")] == ["fr", "fr", "en"]


def test_turkish_puts_the_weekday_last_and_points_between_thousands() -> None:
    locale = locale_for("tr")
    assert locale.full_date(date(2026, 12, 3)) == "3 Aralık 2026 Perşembe"
    assert locale.number(2880) == "2.880"


def test_durations_are_written_as_people_say_them() -> None:
    long = [timedelta(minutes=2880), timedelta(days=7), timedelta(minutes=90), timedelta(minutes=60)]
    lengths: list[timedelta | int] = [*long, 119, 45]
    assert {language: [locale_for(language).duration(length) for length in lengths] for language in LANGUAGES} == {
        "fr": ["48 heures", "7 jours", "1 heure et 30 minutes", "1 heure", "1 minute", "45 secondes"],
        "fr-x-facile": ["48 heures", "7 jours", "1 heure et 30 minutes", "1 heure", "1 minute", "45 secondes"],
        "en": ["48 hours", "7 days", "1 hour and 30 minutes", "1 hour", "1 minute", "45 seconds"],
        "ar": ["48 ساعة", "7 أيام", "ساعة واحدة و30 دقيقة", "ساعة واحدة", "دقيقة واحدة", "45 ثانية"],
        "tr": ["48 saat", "7 gün", "1 saat 30 dakika", "1 saat", "1 dakika", "45 saniye"],
    }


@pytest.mark.usefixtures("easy_french")
def test_a_visitor_can_choose_a_language_whose_code_has_subtags() -> None:
    chosen = send("GET", "/manage?lang=fr-x-facile", {"Accept": "text/html"})
    kept = send("GET", "/manage", {"Accept": "text/html", "Cookie": "lang=fr-x-facile"})
    assert chosen.headers["Set-Cookie"].startswith("lang=fr-x-facile;")
    assert [answer.headers["Content-Language"] for answer in (chosen, kept)] == ["fr-x-facile"] * 2
    assert '<html lang="fr-x-facile" dir="ltr">' in kept.text
    assert "<summary>Français facile</summary>" in kept.text
    assert '<bdi lang="fr">' not in kept.text


def test_a_missing_catalogue_is_reported_in_one_line(tmp_path: Path) -> None:
    check()
    with pytest.raises(NoTranslations) as stopped:
        check(tmp_path)
    assert str(stopped.value) == "guichet: the translations are missing (fr-x-facile, en, ar, tr): run `make setup`"
    for folder in ("en", "fr_x_facile", "tr"):
        catalogue = tmp_path / folder / "LC_MESSAGES"
        catalogue.mkdir(parents=True)
        (catalogue / "guichet.mo").write_bytes(b"")
    with pytest.raises(NoTranslations, match=r"\(ar\)"):
        check(tmp_path)


def test_the_service_does_not_start_without_compiled_catalogues(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("*.mo", "__pycache__")
    shutil.copytree(LOCALE.parent, tmp_path / "chalicelib", ignore=ignored)
    shutil.copy(LOCALE.parent.parent / "app.py", tmp_path)
    program = [sys.executable, "-c", "import app"]
    done = subprocess.run(program, cwd=tmp_path, check=False, capture_output=True, text=True)  # noqa: S603  this Python
    assert done.returncode == 1
    assert done.stderr == "guichet: the translations are missing (fr-x-facile, en, ar, tr): run `make setup`\n"
