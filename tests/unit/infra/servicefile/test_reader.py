"""A service file is read whole or refused whole, each mistake named by file, line and what was expected."""

import copy
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from chalicelib.domain import codec, timetable
from infra.servicefile import reader, yaml_source
from infra.servicefile.holidays import DEPARTMENTS, holidays_of
from infra.servicefile.reader import Mistakes
from tests.unit.infra.servicefile.samples import GOOD, changed

TODAY = date(2026, 11, 23)
REAL = sorted((Path(__file__).parents[4] / "infra" / "services").glob("*.yaml"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str | bytes, name: str = "service.yaml") -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(text: str | bytes) -> reader.Services:
    return reader.read([write(text)], today=TODAY)


def refused(text: str | bytes) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read(text)
    return str(caught.value).splitlines()


def at(place: yaml_source.Path, within: Any = None) -> Any:
    """What stands in a place of the good file."""
    found = within or yaml_source.parse(GOOD.encode()).value
    for key in place:
        found = found[key]
    return found


def replaced(place: yaml_source.Path, value: Any) -> str:
    """The good file with another value in this place."""
    whole = yaml_source.parse(GOOD.encode()).value
    at(place[:-1], whole)[place[-1]] = value
    return yaml.safe_dump(whole)


PLACES = list(yaml_source.parse(GOOD.encode()).lines)


def read_or_refuse(data: bytes, told: list[str]) -> Iterator[dict[str, Any]]:
    """What is accepted, or what is told; anything but Mistakes is let through."""
    with tempfile.TemporaryDirectory() as place:
        path, lines = Path(place) / "service.yaml", 0
        path.write_bytes(data)
        try:
            yield from reader.read([path], today=TODAY).documents
        except Mistakes as mistakes:
            told += map(str, mistakes.notes)
            lines = len(str(mistakes).splitlines())
        assert lines == len(told)


def document(*changes: tuple[str, str]) -> dict[str, Any]:
    return read(changed(*changes)).documents[0]


# What is accepted


def test_the_services_of_the_loire_are_accepted_and_can_be_built() -> None:
    found = reader.read(REAL, today=TODAY)
    built = [codec.service_from_document(one) for one in found.documents]
    assert [(one.id, len(timetable.planned_seats(one, "2026-W49"))) for one in built] == [
        ("aes", 60),
        ("commission-medicale", 33),
        ("naturalisation", 66),
    ]
    assert found.warnings == ()


def test_the_openings_of_naturalisation_drip_over_the_week() -> None:
    found = reader.read(REAL, today=TODAY)
    naturalisation = codec.service_from_document(found.documents[2])
    assert timetable.releases(naturalisation, "2026-W49") == (
        (datetime(2026, 11, 16, 8, 0, tzinfo=UTC), 24),
        (datetime(2026, 11, 18, 11, 30, tzinfo=UTC), 20),
        (datetime(2026, 11, 19, 17, 0, tzinfo=UTC), 22),
    )


def test_what_is_stored_is_the_file_and_the_public_holidays() -> None:
    stored = document()
    assert stored["closures"] == [{"first": "2026-12-24", "last": "2027-01-03", "reason": "Fin d’année"}]
    assert stored["plannings"][0]["desks"] == [1, 2]
    assert set(stored) - {"holidays"} == set(yaml.safe_load(GOOD))


def test_what_may_be_left_out_is_left_out() -> None:
    stored = document(
        ('closures:\n  - {first: 2026-12-24, last: 2027-01-03, reason: "Fin d’année"}\n', ""),
        ('public_holidays: {department: "42"}\n', ""),
        ("  on_holiday: same_day\n", ""),
        ('        breaks:\n          - {from: "10:00", to: "10:15"}\n', ""),
    )
    assert "closures" not in stored
    assert stored["holidays"] == []
    assert len(timetable.planned_seats(codec.service_from_document(stored), "2026-W49")) == 60


def test_a_generous_file_is_accepted() -> None:
    text = changed(
        ('"09:15"', '"00:00"'),
        ('"10:30"', '"23:20"'),
        ('{from: "10:00", to: "10:15"}', '{from: "09:00", to: "10:00"}\n          - {from: "10:00", to: "11:30"}'),
        ("[1, 2]", str(list(range(1, 9)))),
        (
            "closures:",
            (
                "  - {desks: [999], openings: [{days: [saturday], from: 08:00, to: 08:05}]}\nclosures:\n"
                "  - {first: 2020-01-01, last: 2026-11-23}\n"
                "  - {first: 2026-12-11, from: 13:00, desks: [999, 1]}\n"
                "  - {first: 2026-12-11, to: 13:00}"
            ),
        ),
        ("weeks_ahead: 2", "weeks_ahead: 52"),
        ("same_day", "next_working_day"),
        ("seats: 30}", "seats: 4000}"),
        ('at: "18:00"', "at: 09:01"),
        ("confirm_minutes: 2880", "confirm_minutes: 2940"),
        ("[2, 48]", "[334, 336]"),
    )
    found = read(text)
    assert found.documents[0]["plannings"][0]["openings"][0]["to"] == "23:20"
    assert found.warnings == ()


def test_a_file_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does() -> None:
    assert read(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).documents[0] == document()


def test_hours_dates_and_words_are_texts_with_or_without_quotes() -> None:
    tree = yaml_source.parse(
        b"[10:30, 2026-12-24, yes, No, on, 1.5, 1e3, 0x10, 010, 1_000, .nan, =, <<, 42, -7, '42', ~]"
    )
    texts = ["10:30", "2026-12-24", "yes", "No", "on", "1.5", "1e3", "0x10", "010", "1_000", ".nan", "=", "<<"]
    assert tree.value == [*texts, 42, -7, "42", None]
    assert tree.mistakes == ()


def test_a_missing_translation_is_told_and_not_refused() -> None:
    found = read(
        changed(
            (', en: "Trial"', ""),
            ('otherwise:\n  - {fr: "Texte", en: "Text", ar: "نص"}', "otherwise:\n  - {fr: Texte}"),
        )
    )
    assert list(map(str, found.warnings)) == [
        "service.yaml:2: no text in en: the French one is shown; expected fr, en, ar",
        "service.yaml:41: no text in en and ar: the French one is shown; expected fr, en, ar",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '"18:00"}',
            '"18:00", seats: 8}',
            (
                "service.yaml:19: 10 of 48 seats a week open at no moment: only by hand;"
                " expected a moment without `seats`, which opens the rest"
            ),
        ),
        (
            "seats: 30",
            "seats: 48",
            (
                "service.yaml:21: the other moments open all 48 seats of a week: nothing is left for this one;"
                " expected fewer seats at the others"
            ),
        ),
        (
            "weeks_ahead: 2",
            "weeks_ahead: 0",
            (
                "service.yaml:17: the first slot of a week is 0 hours after the last moment, inside `notice_hours`;"
                " expected time to take the seats that open"
            ),
        ),
    ],
)
def test_seats_that_nobody_could_take_are_told(old: str, new: str, told: str) -> None:
    assert list(map(str, read(changed((old, new))).warnings)) == [told]


# What is refused

CLOCK = 'a time from "00:00" to "23:59", like "09:15"'
DAYS = "monday, tuesday, wednesday, thursday, friday, saturday or sunday"
DEPARTMENT = '"01" to "95" ("2A" and "2B" for Corsica), "971" to "978", "986", "987" or "988"'
KEYS = (
    "one of id, name, listing, timezone, slot_minutes, plannings, closures, public_holidays, release, seat_after,"
    " times, limits, office, address, contact, reply_to, rights_address, intro, not_for, documents, documents_note,"
    " otherwise"
)


@pytest.mark.parametrize(
    ("old", "new", "wrong", "expected"),
    [
        (
            "essai",
            "Essai",
            '1: `id` is the text "Essai"',
            "a small letter, then up to 30 small letters, digits and hyphens",
        ),
        ("id: essai", "id:", "1: `id` is empty", "a small letter, then up to 30 small letters, digits and hyphens"),
        (
            "id: essai",
            "id: {fr: essai}",
            "1: `id` is a group of keys",
            "a small letter, then up to 30 small letters, digits and hyphens",
        ),
        (
            "slot_minutes: 5",
            "slot_minutes: 0",
            "4: `slot_minutes` is the number 0",
            "a whole number of minutes from 1 to 480",
        ),
        (
            "slot_minutes: 5",
            'slot_minutes: "5"',
            '4: `slot_minutes` is the text "5"',
            "a whole number of minutes from 1 to 480",
        ),
        (
            "slot_minutes: 5",
            "slot_minutes: 2.5",
            '4: `slot_minutes` is the text "2.5"',
            "a whole number of minutes from 1 to 480",
        ),
        (
            "slot_minutes: 5",
            "slot_minute: 5",
            "4: `slot_minute` is no key of the file (did you mean `slot_minutes`?)",
            KEYS,
        ),
        ("slot_minutes: 5", "durée: 5\nslot_minutes: 5", "4: `durée` is no key of the file", KEYS),
        (
            "timezone: Europe/Paris\n",
            "",
            "1: `timezone` is missing",
            "the zone of the place, like Europe/Paris or Indian/Reunion",
        ),
        (
            "Europe/Paris",
            "Europe/Pari",
            "3: there is no zone Europe/Pari (did you mean Europe/Paris?)",
            "the zone of the place, like Europe/Paris",
        ),
        (
            "Europe/Paris",
            "Mars/Olympus",
            "3: there is no zone Mars/Olympus",
            "the zone of the place, like Europe/Paris",
        ),
        (
            "Europe/Paris",
            "../../etc/passwd",
            '3: `timezone` is the text "../../etc/passwd"',
            "the zone of the place, like Europe/Paris or Indian/Reunion",
        ),
        (
            "Europe/Paris",
            "localtime",
            '3: `timezone` is the text "localtime"',
            "the zone of the place, like Europe/Paris or Indian/Reunion",
        ),
        ("[1, 2]", "[1, 1]", "6: the number 1 is twice in `desks`", "a list of desks, each once, like [1, 2]"),
        ("[1, 2]", "[0]", "6: item 1 of `desks` is the number 0", "the number of a desk, from 1 to 999"),
        ("[1, 2]", "[1000]", "6: item 1 of `desks` is the number 1,000", "the number of a desk, from 1 to 999"),
        ("[1, 2]", "[]", "6: `desks` is empty", "a list of desks, each once, like [1, 2]"),
        ("[1, 2]", "2", "6: `desks` is the number 2", "a list of desks, each once, like [1, 2]"),
        ("tuesday", "thuesday", '8: item 1 of `days` is the text "thuesday" (did you mean `tuesday`?)', DAYS),
        ("[tuesday, thursday]", "[mardi]", '8: item 1 of `days` is the text "mardi"', DAYS),
        (
            "[tuesday, thursday]",
            "[tuesday, tuesday]",
            '8: the text "tuesday" is twice in `days`',
            "a list of weekdays, each once, like [tuesday, thursday]",
        ),
        ('"09:15"', "9h15", '9: `from` is the text "9h15"', CLOCK),
        ('"09:15"', '"10:30"', "8: 10:30-10:30 does not end after it begins", "`from` before `to`"),
        ('"10:30"', '"24:00"', '10: `to` is the text "24:00"', CLOCK),
        ('"10:15"}', '"10:45"}', "12: the break 10:00-10:45 is outside its opening, 09:15-10:30", "a break inside it"),
        ('"10:15"}', '"10:00"}', "12: the break 10:00-10:00 does not end after it begins", "`from` before `to`"),
        (
            '"10:15"}',
            '"10:15"}\n          - {from: "10:10", to: "10:20"}',
            "13: breaks overlap: 10:00-10:15 and 10:10-10:20",
            "breaks that do not overlap",
        ),
        (
            '"10:15"}',
            '"10:12"}',
            "8: 10:12-10:30 is 18 minutes, which slots of 5 minutes do not fill",
            "a multiple of 5 minutes between opening, breaks and closing",
        ),
        (
            "closures:",
            "  - {desks: [2, 3], openings: [{days: [thursday], from: 10:25, to: 11:00}]}\nclosures:",
            "13: openings overlap: desk 2 on thursday, 09:15-10:30 and 10:25-11:00",
            "hours that do not overlap",
        ),
        ("2026-12-24", "2026-12-32", "14: 2026-12-32 is no day", "a day of the calendar, like 2026-12-24"),
        (
            "2026-12-24",
            "24/12/2026",
            '14: `first` is the text "24/12/2026"',
            "a date as year-month-day, like 2026-12-24",
        ),
        (
            "2027-01-03",
            "2026-12-23",
            "14: the closure ends on 2026-12-23, before it begins on 2026-12-24",
            "`first` before `last`, or the same day",
        ),
        (
            "first: 2026-12-24, last: 2027-01-03",
            "first: 2026-11-22",
            "14: the closure was over on 2026-11-22",
            "a day from 2026-11-23 on; take it out",
        ),
        (
            "last: 2027-01-03",
            'from: "13:00", to: "12:00"',
            "14: the closure 13:00-12:00 does not end after it begins",
            "`from` before `to`",
        ),
        (
            "last: 2027-01-03",
            'to: "00:00"',
            "14: the closure 00:00-00:00 does not end after it begins",
            "`from` before `to`",
        ),
        ("last: 2027-01-03", "desks: [1, 3]", "14: no planning has desk 3", "desks of 1, 2"),
        (
            '"42"}',
            "42}",
            "15: `department` is the number 42",
            'the number of the department in quotes, like "42", "2A" or "974"',
        ),
        ('"42"}', '"96"}', "15: there is no department 96", DEPARTMENT),
        ('"42"}', '"20"}', "15: there is no department 20", DEPARTMENT),
        (
            "same_day",
            "next_day",
            '18: `on_holiday` is the text "next_day" (did you mean `next_working_day`?)',
            "same_day or next_working_day",
        ),
        (
            "slot_minutes: 5",
            "slot_minutes: 5\nseat_after: captchas",
            '5: `seat_after` is the text "captchas" (did you mean `captcha`?)',
            "crowd, captcha or choice",
        ),
        (
            "slot_minutes: 5",
            "slot_minutes: 5\nlisting: hiden",
            '5: `listing` is the text "hiden" (did you mean `hidden`?)',
            "home or hidden",
        ),
        (
            "weeks_ahead: 2",
            "weeks_ahead: 53",
            "17: `weeks_ahead` is the number 53",
            "a whole number of weeks from 0 to 52",
        ),
        (
            "weeks_ahead: 2",
            "weeks_ahead: -1",
            "17: `weeks_ahead` is the number -1",
            "a whole number of weeks from 0 to 52",
        ),
        (
            "seats: 30",
            "seats: 49",
            "19: the moments open 49 seats, and the openings give 48 a week",
            "at most 48 in all",
        ),
        ("seats: 30", "seats: 0", "20: `seats` is the number 0", "a whole number of seats from 1 to 10,000"),
        (", seats: 30", "", "21: moments 1 and 2 have no `seats`", "one moment at most that opens the rest"),
        (
            '{day: thursday, at: "18:00"}',
            '{day: monday, at: "09:00"}',
            "21: moments 1 and 2 are both on monday at 09:00",
            "moments at different times",
        ),
        (
            '  moments:\n    - {day: monday, at: "09:00", seats: 30}\n    - {day: thursday, at: "18:00"}',
            "  moments: []",
            "19: `moments` is empty",
            "a list of 1 to 50 moments",
        ),
        (
            "hold_seconds: 180",
            "hold_seconds: 59",
            "23: `hold_seconds` is the number 59",
            "a whole number of seconds from 60 to 1,800",
        ),
        (
            "hold_seconds: 180",
            "hold_seconds: 1801",
            "23: `hold_seconds` is the number 1,801",
            "a whole number of seconds from 60 to 1,800",
        ),
        (
            "form_seconds: 900",
            "form_seconds: 299",
            "24: `form_seconds` is the number 299",
            "a whole number of seconds from 300 to 3,600",
        ),
        (
            "form_seconds: 900",
            "form_seconds: 3601",
            "24: `form_seconds` is the number 3,601",
            "a whole number of seconds from 300 to 3,600",
        ),
        (
            "confirm_minutes: 2880",
            "confirm_minutes: 59",
            "25: `confirm_minutes` is the number 59",
            "a whole number of minutes from 60 to 10,080",
        ),
        (
            "confirm_minutes: 2880",
            "confirm_minutes: 10081",
            "25: `confirm_minutes` is the number 10,081",
            "a whole number of minutes from 60 to 10,080",
        ),
        (
            "confirm_minutes: 2880",
            "confirm_minutes: 2941",
            "25: 2,941 minutes to confirm are more than 49 hours of notice",
            "`notice_hours` times 60 at least as long as `confirm_minutes`, which the first letter promises",
        ),
        (
            "notice_hours: 49",
            "notice_hours: 721",
            "26: `notice_hours` is the number 721",
            "a whole number of hours from 1 to 720",
        ),
        (
            '"42"}',
            "Loire}",
            '15: `department` is the text "Loire"',
            'the number of the department in quotes, like "42", "2A" or "974"',
        ),
        (
            "reply_to: guichet@example.org",
            f"reply_to: {'a' * 243}@example.org",
            "34: `reply_to` has 255 characters",
            "one e-mail address, like accueil@example.org",
        ),
        ("[2, 48]", "[48, 2]", "27: from 48 to 2 hours is no window", "the second at least 2 more than the first"),
        ("[2, 48]", "[2, 3]", "27: from 2 to 3 hours is no window", "the second at least 2 more than the first"),
        ("[2, 48]", "[1, 48]", "27: item 1 of `return_hours` is the number 1", "a whole number of hours from 2 to 336"),
        ("[2, 48]", "[2, 24, 48]", "27: `return_hours` has 3 items", "two numbers of hours, like [2, 48]"),
        ("[2, 48]", "[2]", "27: `return_hours` has 1 item", "two numbers of hours, like [2, 48]"),
        ("erase_days: 30", "erase_days: 0", "28: `erase_days` is the number 0", "a whole number of days from 1 to 365"),
        (
            "choice_days: 7",
            "choice_days: 31",
            "29: `choice_days` is the number 31",
            "a whole number of days from 1 to 30",
        ),
        ("extensions: 2, ", "", "30: `extensions` is missing", "a whole number from 0 to 10"),
        ("moves: 2", "moves: 11", "30: `moves` is the number 11", "a whole number from 0 to 10"),
        (
            "reply_to: guichet@example.org",
            "reply_to: guichet@example",
            '34: `reply_to` is the text "guichet@example"',
            "one e-mail address, like accueil@example.org",
        ),
        (
            "reply_to: guichet@example.org",
            'reply_to: "a@example.org, b@example.org"',
            '34: `reply_to` is the text "a@example.org, b@example.org"',
            "one e-mail address, like accueil@example.org",
        ),
        (
            "reply_to: guichet@example.org",
            "reply_to: guichet@prefecture.internal",
            "34: no mail reaches guichet@prefecture.internal",
            "one e-mail address, like accueil@example.org",
        ),
        ("Préfecture de l’Exemple", " ", "31: `office` is empty", "one line of 1 to 300 characters"),
        (
            "Préfecture de l’Exemple",
            "Préfecture\\nBcc: awa@example.org",
            '31: `office` is the text "Préfecture Bcc: awa@example.org"',
            "one line of 1 to 300 characters",
        ),
        ('fr: "Essai", ', "", "2: `fr` is missing", "one line of 1 to 300 characters"),
        ('en: "Trial"', 'de: "Probe"', "2: `de` is no key of `name`", "one of fr, en, ar"),
        (
            'fr: "Texte", en: "Text", ar: "نص"}\nnot_for',
            'fr: "", en: "Text", ar: "نص"}\nnot_for',
            "36: `fr` is empty",
            "a text of 1 to 2,000 characters",
        ),
        (
            "not_for: []",
            "not_for: [Texte]",
            '37: item 1 of `not_for` is the text "Texte"',
            "a text by language: fr, and en and ar",
        ),
        (
            "not_for: []",
            "not_for: Texte",
            '37: `not_for` is the text "Texte"',
            "a list of at most 50 texts by language",
        ),
        ("not_for: []\n", "", "1: `not_for` is missing", "a list of at most 50 texts by language"),
        (
            'otherwise:\n  - {fr: "Texte", en: "Text", ar: "نص"}',
            "otherwise: []",
            "40: `otherwise` is empty",
            "a list of 1 to 50 texts by language",
        ),
        (
            "id: essai",
            "id: nöel",
            '1: `id` is the text "nöel"',
            "a small letter, then up to 30 small letters, digits and hyphens",
        ),
        (
            "id: essai",
            "id: " + "a" * 32,
            '1: `id` is the text "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
            "a small letter, then up to 30 small letters, digits and hyphens",
        ),
        (
            'contact: "guichet@example.org"',
            'contact: "' + "a" * 301 + '"',
            "33: `contact` has 301 characters",
            "one line of 1 to 300 characters",
        ),
        (
            "closures:",
            "slot_minutes: 10\nclosures:",
            "13: `slot_minutes` is there twice, first on line 4",
            "each key once",
        ),
        (
            '"1 rue de l’Exemple"]',
            "a, b, c, d, e, f, g]",
            "32: `address` has 7 items",
            "1 to 6 lines of an address",
        ),
        (
            'fr: "Texte"',
            f'fr: "{"a" * 2001}"',
            "36: `fr` has 2,001 characters",
            "a text of 1 to 2,000 characters",
        ),
        ("breaks:\n", "pauses:\n", "11: `pauses` is no key of item 1 of `openings`", "one of days, from, to, breaks"),
        ("limits: {extensions: 2, moves: 2}", "", "1: `limits` is missing", "the keys extensions and moves"),
        ("id: essai", "[id]: essai", "1: a key is not a word", "`key: value`"),
        ("id: essai", "\tid: essai", "1: there is a tab", "spaces, two for each step"),
        ("id: essai", "id: &essai essai", "1: `&essai` is an anchor", "the text itself, in quotes"),
        ("id: essai", "id: *essai", "1: `*essai` is an alias", "the text itself, in quotes"),
        (
            "id: essai",
            "id: !!python/name:os.system essai",
            "1: `tag:yaml.org,2002:python/name:os.system` is a tag",
            "the text itself, in quotes",
        ),
        (
            "id: essai",
            "id: essai: deux",
            "1: this line cannot be a part of the text before it",
            "a text with a colon in quotes",
        ),
        ("id: essai", "id: essai\ndeux", "3: there is a line without a colon before this one", "`key: value`"),
        ("id: essai", "id: @essai", "1: a text cannot begin with this character", "the text in quotes"),
        ("id: essai", '"id: essai', "2: this cannot follow what is before it", "`key: value`"),
        (
            '"Trial"',
            '"Trial "of" it"',
            "2: a list or a group of keys is not closed, or lacks a comma",
            "[a, b] or {key: value}; no quote in quotes",
        ),
        (
            '"Trial"',
            '"\\Trial"',
            "2: a \\ in double quotes is followed by what it cannot be",
            "the text in single quotes",
        ),
        ('"Trial"', '"\\UFFFFFFFF"', "2: this is not YAML (a number is too large)", "the text in single quotes"),
        ('"Trial"', '"\\0"', "2: character U+0000 cannot be shown", "text"),
        ("id: essai", "id: es\x08sai", "1: character U+0008 cannot be shown", "text"),
        (
            "  form_seconds: 900",
            " form_seconds: 900",
            "24: this does not line up with what is before it",
            "the indent of its neighbours; no quote in quotes",
        ),
        ("otherwise:", "---\notherwise:", "40: a second document begins", "one service a file"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_expected(old: str, new: str, wrong: str, expected: str) -> None:
    assert refused(changed((old, new))) == [f"service.yaml:{wrong}; expected {expected}"]


def test_every_mistake_of_every_file_is_listed_at_once() -> None:
    first = write(
        changed(("slot_minutes: 5", "slot_minutes: 7"), ("Europe/Paris", "Europe/Pari"), ("[2, 48]", "[2, 2]"))
    )
    second = write(
        changed(("id: essai", "id: autre"), ("seats: 30", "seats: many"), ("2026-12-24", "2020-13-24")), "b.yaml"
    )
    with pytest.raises(Mistakes) as caught:
        reader.read([first, Path("none.yaml"), second], today=TODAY)
    seven = "expected a multiple of 7 minutes between opening, breaks and closing"
    assert list(map(str, caught.value.notes)) == [
        (
            "service.yaml:3: there is no zone Europe/Pari (did you mean Europe/Paris?);"
            " expected the zone of the place, like Europe/Paris"
        ),
        f"service.yaml:8: 09:15-10:00 is 45 minutes, which slots of 7 minutes do not fill; {seven}",
        f"service.yaml:8: 10:15-10:30 is 15 minutes, which slots of 7 minutes do not fill; {seven}",
        "service.yaml:27: from 2 to 2 hours is no window; expected the second at least 2 more than the first",
        "none.yaml:1: it cannot be read (No such file or directory); expected a YAML file",
        "b.yaml:14: 2020-13-24 is no day; expected a day of the calendar, like 2026-12-24",
        'b.yaml:20: `seats` is the text "many"; expected a whole number of seats from 1 to 10,000',
    ]


def test_two_services_with_one_id_are_refused() -> None:
    with pytest.raises(Mistakes) as caught:
        reader.read([write(GOOD), write("# the same\n" + GOOD, "copy.yaml")], today=TODAY)
    assert str(caught.value) == (
        'copy.yaml:2: `id` is the text "essai", as in service.yaml:1; expected an id of its own'
    )


def test_public_holidays_are_needed_to_wait_for_a_working_day() -> None:
    without = changed(('public_holidays: {department: "42"}', ""), ("same_day", "next_working_day"))
    assert refused(without) == [
        (
            "service.yaml:18: next_working_day has no public holidays to go by;"
            " expected `public_holidays` with a department, or same_day"
        )
    ]


def test_ten_thousand_seats_a_day_are_refused_with_their_number() -> None:
    many = changed(
        ("slot_minutes: 5", "slot_minutes: 1"),
        ("[1, 2]", str(list(range(1, 11)))),
        ("[tuesday, thursday]", "[tuesday]"),
        ('"09:15"', '"00:00"'),
        ('"10:30"', '"16:55"'),
    )
    assert refused(many) == ["service.yaml:5: 10,000 seats on tuesday; expected at most 2,000 seats a day"]


def test_more_than_ten_thousand_seats_a_week_are_refused_with_their_number() -> None:
    many = changed(
        ("[1, 2]", str(list(range(1, 9)))),
        ("[tuesday, thursday]", "[monday, tuesday, wednesday, thursday, friday, saturday]"),
        ('"09:15"', '"00:00"'),
        ('"10:30"', '"21:05"'),
    )
    assert refused(many) == ["service.yaml:5: 12,000 seats a week; expected at most 10,000 seats a week"]


def test_openings_without_a_slot_are_refused() -> None:
    shut = changed(('"10:00"', '"09:15"'), ('"10:15"}', '"10:30"}'), ("seats: 30", "seats: 9"))
    assert refused(shut) == ["service.yaml:5: the openings give no seat; expected at least one slot a week"]


def test_a_bomb_of_aliases_is_refused_where_it_begins() -> None:
    bomb = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert refused("\n".join(bomb)) == [
        "service.yaml:1: `&a0` is an anchor; expected the text itself, in quotes",
    ]


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert refused(GOOD + "#" * 200_000) == ["service.yaml:1: the file is too large; expected at most 200,000 bytes"]


@pytest.mark.parametrize("bomb", ["[" * 100_000, "- " * 90_000, "{a: " * 50_000, "? " * 90_000, "a:\n" + " b:\n" * 9])
def test_parts_inside_parts_without_end_are_refused(bomb: str) -> None:
    assert refused(bomb)[0].startswith("service.yaml:")


@pytest.mark.parametrize(
    "many",
    [
        "desks: [" + "1, a, " * 30_000 + "]",
        "\n".join(f"naem{n}: 1" for n in range(15_000)),
        "plannings: [" + "{}, " * 40_000 + "]",
    ],
)
def test_of_mistakes_without_end_a_hundred_are_listed(many: str) -> None:
    assert 1 < len(refused(many)) <= 100


def test_a_file_in_latin_1_is_refused_at_its_first_accent() -> None:
    assert refused(GOOD.replace("تجربة", "").replace("نص", "").replace("’", "'").encode("latin-1")) == [
        "service.yaml:14: byte 0xe9 is not UTF-8; expected a file saved as UTF-8, not as Latin-1 or Windows-1252"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "service.yaml:1: the file is empty; expected one service, written as `key: value`"),
        ("# rien\n", "service.yaml:1: the file is empty; expected one service, written as `key: value`"),
        ("---\n", "service.yaml:1: the file is empty; expected the parts of a service, each as `key: value`"),
        (
            "essai",
            'service.yaml:1: the file is the text "essai"; expected the parts of a service, each as `key: value`',
        ),
        ("- a", "service.yaml:1: the file is a list; expected the parts of a service, each as `key: value`"),
    ],
)
def test_a_file_that_is_no_service_is_refused(text: str, line: str) -> None:
    assert refused(text) == [line]


def test_a_folder_is_no_service(folder: Path) -> None:
    with pytest.raises(Mistakes, match=r"cannot be read \(Is a directory\); expected a YAML file"):
        reader.read([folder], today=TODAY)


@pytest.mark.parametrize(
    ("place", "most"),
    [
        (("plannings",), 20),
        (("plannings", 0, "openings"), 20),
        (("plannings", 0, "openings", 0, "breaks"), 20),
        (("closures",), 200),
        (("release", "moments"), 50),
        (("address",), 6),
        (("not_for",), 50),
        (("documents",), 50),
        (("documents_note",), 50),
        (("otherwise",), 50),
    ],
)
def test_a_list_that_is_too_long_is_refused(place: yaml_source.Path, most: int) -> None:
    one = (at(place) or at(("otherwise",)))[0]
    many = [copy.deepcopy(one) for _ in range(most + 1)]
    assert any(f"`{place[-1]}` has {most + 1} items" in line for line in refused(replaced(place, many)))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_another_kind_of_value_is_refused(place: yaml_source.Path) -> None:
    others = [7, []] if isinstance(at(place), str) else ["texte", {"a": "b"} if isinstance(at(place), list) else [1]]
    for other in others:
        assert " is " in refused(replaced(place, other))[0]


MAY_LACK = {"closures", "public_holidays", "on_holiday", "breaks", "last", "reason", "en", "ar", "seats"}


@pytest.mark.parametrize(
    "place", [place for place in PLACES if isinstance(place[-1], str) and place[-1] not in MAY_LACK], ids=str
)
def test_what_has_to_be_there_cannot_be_left_out(place: yaml_source.Path) -> None:
    whole = yaml_source.parse(GOOD.encode()).value
    del at(place[:-1], whole)[place[-1]]
    assert any(f": `{place[-1]}` is missing; expected " in line for line in refused(yaml.safe_dump(whole)))


@pytest.mark.parametrize("place", [(), *(place for place in PLACES if isinstance(at(place), dict))], ids=str)
def test_no_part_has_a_key_of_another_name(place: yaml_source.Path) -> None:
    assert any(": `zzz` is no key of " in line for line in refused(replaced((*place, "zzz"), "texte")))


@pytest.mark.parametrize(
    "place",
    [
        ("plannings",),
        ("plannings", 0, "desks"),
        ("plannings", 0, "openings"),
        ("plannings", 0, "openings", 0, "days"),
        ("release", "moments"),
        ("address",),
        ("otherwise",),
    ],
    ids=str,
)
def test_a_list_that_says_nothing_is_refused(place: yaml_source.Path) -> None:
    assert any(f": `{place[-1]}` is empty; expected " in line for line in refused(replaced(place, [])))


@pytest.mark.parametrize(
    ("place", "least", "most"),
    [
        (("slot_minutes",), 1, 480),
        (("plannings", 0, "desks", 0), 1, 999),
        (("release", "weeks_ahead"), 0, 52),
        (("release", "moments", 0, "seats"), 1, 10_000),
        (("times", "hold_seconds"), 60, 1_800),
        (("times", "form_seconds"), 300, 3_600),
        (("times", "confirm_minutes"), 60, 10_080),
        (("times", "notice_hours"), 1, 720),
        (("times", "return_hours", 0), 2, 336),
        (("times", "return_hours", 1), 2, 336),
        (("times", "erase_days"), 1, 365),
        (("times", "choice_days"), 1, 30),
        (("limits", "extensions"), 0, 10),
        (("limits", "moves"), 0, 10),
    ],
    ids=str,
)
def test_a_number_has_bounds(place: yaml_source.Path, least: int, most: int) -> None:
    def is_refused(number: int) -> bool:
        told = list[str]()
        list(read_or_refuse(replaced(place, number).encode(), told))
        return any(f" is the number {number:,}; expected " in line for line in told)

    assert [is_refused(number) for number in (least - 1, least, most, most + 1)] == [True, False, False, True]


def test_every_part_of_the_schema_says_what_it_expects() -> None:
    schema = json.loads(reader.SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    parts = [schema, *schema["$defs"].values()]
    for part in parts:
        parts += part.get("properties", {}).values()
        parts += [part["items"]] if "items" in part else []
    assert [part for part in parts if "$ref" not in part and "expected" not in part] == []
    assert [
        part for part in parts if part.get("type") == "object" and part.get("additionalProperties") is not False
    ] == []


# Whatever is written

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.sampled_from(["fr", "09:15", 0]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.text() | st.text(alphabet="ab:-?&*!|>'\"%@{}[],#\n \t\\xuU01"))
def test_no_text_breaks_the_reader(text: str) -> None:
    list(read_or_refuse(text.encode("utf-8", "surrogatepass"), []))


@given(st.binary())
def test_no_bytes_break_the_reader(data: bytes) -> None:
    list(read_or_refuse(data, []))


@given(ANYTHING)
def test_no_yaml_breaks_the_reader(value: Any) -> None:
    list(read_or_refuse(yaml.safe_dump(value).encode(), []))


@settings(deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_whatever_stands_in_one_place_is_refused_or_makes_a_service(place: yaml_source.Path, value: Any) -> None:
    for accepted in read_or_refuse(replaced(place, value).encode(), []):
        timetable.plan(codec.service_from_document(accepted), "2026-W49")


# Public holidays


@pytest.mark.parametrize(
    ("department", "day", "is_one"),
    [
        ("42", date(2027, 3, 26), False),  # Good Friday
        ("42", date(2027, 3, 29), True),  # Easter Monday
        ("42", date(2026, 12, 26), False),
        ("42", date(2026, 7, 14), True),
        ("2A", date(2027, 5, 6), True),  # Ascension
        ("57", date(2027, 3, 26), True),
        ("57", date(2026, 12, 26), True),
        ("67", date(2027, 3, 26), True),
        ("68", date(2026, 12, 26), True),
        ("54", date(2026, 12, 26), False),
        ("974", date(2026, 12, 20), True),
        ("974", date(2027, 3, 26), False),
        ("971", date(2026, 5, 27), True),
        ("972", date(2026, 5, 22), True),
        ("973", date(2026, 6, 10), True),
        ("976", date(2026, 4, 27), True),
        ("977", date(2026, 10, 9), True),
        ("978", date(2026, 5, 28), True),
        ("986", date(2026, 7, 29), True),
        ("987", date(2027, 3, 26), True),
        ("988", date(2026, 9, 24), True),
        ("975", date(2026, 7, 14), True),
    ],
)
def test_a_department_has_its_own_public_holidays(department: str, day: date, is_one: bool) -> None:  # noqa: FBT001
    assert (day in holidays_of(department, [day.year])) is is_one


def test_every_department_has_the_eleven_of_the_republic() -> None:
    common = set(holidays_of("42", [2027]))
    assert len(common) == 11
    assert [number for number in DEPARTMENTS if not common <= set(holidays_of(number, [2027]))] == []
    assert len(DEPARTMENTS) == 96 + 11


@pytest.mark.parametrize("number", ["", "0", "00", "20", "96", "970", "989", "Loire", "2a"])
def test_what_is_no_department_has_no_public_holidays(number: str) -> None:
    with pytest.raises(KeyError):
        holidays_of(number, [2027])


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 1, 1), "2026-01-01", "2031-12-25"),
        (date(2026, 12, 31), "2026-01-01", "2031-12-25"),
        (date(2027, 1, 1), "2027-01-01", "2032-12-25"),
    ],
)
def test_the_public_holidays_of_this_year_and_the_next_five_are_stored(today: date, first: str, last: str) -> None:
    stored = reader.read([write(changed(("last: 2027-01-03", "last: 2027-06-30")))], today=today).documents[0]
    assert stored["holidays"] == sorted(stored["holidays"])
    assert (stored["holidays"][0], stored["holidays"][-1], len(stored["holidays"])) == (first, last, 66)
