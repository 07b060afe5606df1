"""The reader accepts a service file whole or refuses it with all its mistakes, each by file and line."""

import copy
import json
import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

import infra.ops  # noqa: F401  # sets the domain of the catalogue
from chalicelib.domain import codec, draw_window, timetable
from chalicelib.domain.service import Allocation, Beacon, DrawRules, WeeklyMoment
from infra.servicefile import reader, schema, yaml_source
from infra.servicefile.reader import Mistakes
from tests.unit.infra.servicefile.samples import DRAWN, GOOD, RELEASE, changed

TODAY = date(2026, 11, 23)
REAL = sorted((Path(__file__).parents[4] / "infra" / "services").glob("*.yaml"))
ENGLISH = re.compile(r"\b(the|is|are|and|or|at most|Set|Add|Use|Write|Put|Remove)\b")
CASES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))


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


def mistakes_in(text: str | bytes) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read(text)
    return str(caught.value).splitlines()


def good(path: yaml_source.Path) -> Any:
    """The document of the good file; the one with a draw for a path that only this one has."""
    document = yaml_source.parse(GOOD.encode()).value
    return yaml_source.parse(DRAWN.encode()).value if path and path[0] in {"allocation", "draw"} else document


def at(path: yaml_source.Path, document: Any = None) -> Any:
    """What the good file, or another document, has at a path."""
    value = document or good(path)
    for key in path:
        value = value[key]
    return value


def replaced(path: yaml_source.Path, value: Any) -> str:
    """The good file with another value at this path."""
    document = good(path)
    at(path[:-1], document)[path[-1]] = value
    return yaml.safe_dump(document)


LINES = yaml_source.parse(GOOD.encode()).lines
PATHS = [*LINES, *(path for path in yaml_source.parse(DRAWN.encode()).lines if path not in LINES)]


def read_bytes(data: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The documents of a file and its mistakes; any exception but Mistakes is let through."""
    mistakes: list[str] = []
    text = ""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "service.yaml"
        path.write_bytes(data)
        try:
            return list(reader.read([path], today=TODAY).documents), []
        except Mistakes as error:
            mistakes, text = list(map(str, error.notes)), str(error)
    assert text.splitlines() == mistakes  # each is one line, whatever the file contains
    return [], mistakes


# Accepted files


def test_the_services_of_the_loire_are_accepted_and_can_be_built() -> None:
    services = reader.read(REAL, today=TODAY)
    built = [codec.service_from_document(document) for document in services.documents]
    assert [(service.id, len(timetable.planned_seats(service, "2026-W49"))) for service in built] == [
        ("aes", 60),
        ("commission-medicale", 33),
        ("naturalisation", 66),
    ]
    assert services.warnings == ()
    assert timetable.releases(built[2], "2026-W49") == (
        (datetime(2026, 11, 16, 8, 0, tzinfo=UTC), 24),
        (datetime(2026, 11, 18, 11, 30, tzinfo=UTC), 20),
        (datetime(2026, 11, 19, 17, 0, tzinfo=UTC), 22),
    )


def test_the_document_has_the_keys_of_the_file_and_the_public_holidays() -> None:
    (document,) = read(GOOD).documents
    assert document["closures"] == [{"first": "2026-12-24", "last": "2027-01-03", "reason": "Fin d’année"}]
    assert document["plannings"][0]["desks"] == [1, 2]
    assert set(document) - {"holidays"} == set(yaml.safe_load(GOOD))


def test_optional_parts_may_be_left_out() -> None:
    text = changed(
        ('closures:\n  - {first: 2026-12-24, last: 2027-01-03, reason: "Fin d’année"}\n', ""),
        ('public_holidays: {department: "42"}\n', ""),
        ("  on_holiday: same_day\n", ""),
        ('        breaks:\n          - {from: "10:00", to: "10:15"}\n', ""),
    )
    (document,) = read(text).documents
    assert "closures" not in document
    assert document["holidays"] == []
    assert len(timetable.planned_seats(codec.service_from_document(document), "2026-W49")) == 60


def test_a_file_at_its_limits_is_accepted() -> None:
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
    services = read(text)
    assert services.documents[0]["plannings"][0]["openings"][0]["to"] == "23:20"
    assert services.warnings == ()


def test_a_file_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does() -> None:
    assert read(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).documents == read(GOOD).documents


def test_hours_dates_and_words_are_texts_with_or_without_quotes() -> None:
    tree = yaml_source.parse(
        b"[10:30, 2026-12-24, yes, No, on, 1.5, 1e3, 0x10, 010, 1_000, .nan, =, <<, 42, -7, '42', ~]"
    )
    texts = ["10:30", "2026-12-24", "yes", "No", "on", "1.5", "1e3", "0x10", "010", "1_000", ".nan", "=", "<<"]
    assert tree.value == [*texts, 42, -7, "42", None]
    assert tree.mistakes == ()


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 1, 1), "2026-01-01", "2031-12-25"),
        (date(2026, 12, 31), "2026-01-01", "2031-12-25"),
        (date(2027, 1, 1), "2027-01-01", "2032-12-25"),
    ],
)
def test_the_public_holidays_of_this_year_and_the_next_five_are_stored(today: date, first: str, last: str) -> None:
    text = changed(("last: 2027-01-03", "last: 2027-06-30"))
    holidays = reader.read([write(text)], today=today).documents[0]["holidays"]
    assert holidays == sorted(holidays)
    assert (holidays[0], holidays[-1], len(holidays)) == (first, last, 66)


def test_a_file_with_a_draw_makes_a_service_that_draws_its_seats() -> None:
    services = read(DRAWN)
    service = codec.service_from_document(services.documents[0])
    assert (service.allocation, services.warnings) == (Allocation.DRAW, ())
    assert service.draw == DrawRules(
        opens=WeeklyMoment(4, time(9)),
        closes=WeeklyMoment(7, time(18)),
        weeks_ahead=2,
        seniority_percent=25,
        preferences=5,
        beacon=Beacon.DRAND,
        witnesses=("temoin@association.example.org",),
    )
    assert draw_window.window_of(service, "2026-W51").closes == datetime(2026, 11, 29, 17, 0, tzinfo=UTC)


def test_a_file_without_an_allocation_is_first_come_first_served_and_may_say_so() -> None:
    for text in (GOOD, changed(("release:", "allocation: first_come\nrelease:"))):
        service = codec.service_from_document(read(text).documents[0])
        assert (service.allocation, service.draw) == (Allocation.FIRST_COME, None)


@pytest.mark.parametrize("name", ["service-file.md", "fichier-de-service.md"])
def test_the_draw_of_the_documentation_is_accepted(name: str) -> None:
    page = (Path(__file__).parents[4] / "docs" / name).read_text("utf-8")
    block = re.findall(r"(?m)^    (allocation: draw\n(?:    .*\n)+)", page)[0]
    assert read(GOOD.replace(RELEASE, re.sub("(?m)^    ", "", block))).warnings == ()


# Mistakes and warnings


@pytest.mark.parametrize("case", CASES, ids=lambda case: "; ".join(case["change"].values())[:40])
def test_a_mistake_or_a_warning_is_named_with_its_line_and_its_fix(case: dict[str, Any]) -> None:
    mistakes, warnings = notes_of(case)
    assert mistakes == [f"service.yaml:{line}" for line in case.get("mistakes", ())]
    assert warnings == [f"service.yaml:{line}" for line in case.get("warnings", ())]


def notes_of(case: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The mistakes, and the warnings, of the good file with a change."""
    text = changed(*case["change"].items(), of=DRAWN if case.get("of") == "draw" else GOOD)
    text = re.sub(r"a\{([0-9]+)\}", lambda letters: "a" * int(letters[1]), text)
    try:
        return [], [str(note) for note in read(text).warnings]
    except Mistakes as error:
        return [str(note) for note in error.notes], []


@pytest.mark.slow
def test_each_mistake_and_warning_is_in_french_by_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "fr")
    for case in CASES:
        english = [f"service.yaml:{line}" for kind in ("mistakes", "warnings") for line in case.get(kind, ())]
        french = [line for lines in notes_of(case) for line in lines]
        assert [line.split(": ")[0] for line in french] == [line.split(": ")[0] for line in english]
        for before, after in zip(english, french, strict=True):
            assert ENGLISH.search(after) is None
            assert ("did you mean" in before) == ("vouliez-vous dire" in after)


def test_the_mistakes_of_every_file_are_listed_at_once() -> None:
    first = write(changed(("Europe/Paris", "Europe/Pari")))
    second = changed(("id: essai", "id: autre"), ("seats: 30", "seats: many"), ("2026-12-24", "2020-13-24"))
    with pytest.raises(Mistakes) as caught:
        reader.read([first, Path("none.yaml"), write(second, "b.yaml")], today=TODAY)
    assert [(note.file, note.line) for note in caught.value.notes] == [
        ("service.yaml", 3),
        ("none.yaml", 1),
        ("b.yaml", 14),
        ("b.yaml", 20),
    ]
    assert str(caught.value.notes[1]) == (
        "none.yaml:1: it cannot be read (No such file or directory). Name a YAML file."
    )


def test_two_services_with_one_id_are_refused() -> None:
    with pytest.raises(Mistakes) as caught:
        reader.read([write(GOOD), write("# the same\n" + GOOD, "copy.yaml")], today=TODAY)
    assert str(caught.value) == "copy.yaml:2: `id` is essai, as in service.yaml:1. Give each service its own `id`."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1: the file is empty. Write one service as `key: value`."),
        ("# rien\n", "1: the file is empty. Write one service as `key: value`."),
        ("---\n", "1: the file is empty. Write the parts of a service, each as `key: value`."),
        ("essai", '1: the file is the text "essai". Write the parts of a service, each as `key: value`.'),
        ("- a", "1: the file is a list. Write the parts of a service, each as `key: value`."),
        (GOOD + "#" * 200_000, "1: the file is too large. Shorten it to 200,000 bytes."),
        (
            GOOD.replace("تجربة", "").replace("نص", "").replace("’", "'").encode("latin-1"),
            "14: byte 0xe9 is not UTF-8. Save the file as UTF-8, not as Latin-1 or Windows-1252.",
        ),
        (
            "\n".join(["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]),
            "1: `&a0` is an anchor. Write the text itself, in quotes.",
        ),
    ],
    ids=["empty", "comment", "no document", "text", "list", "too large", "Latin-1", "aliases"],
)
def test_a_file_that_is_not_a_service_is_refused(text: str | bytes, line: str) -> None:
    assert mistakes_in(text) == [f"service.yaml:{line}"]


def test_a_folder_is_not_a_service_file(folder: Path) -> None:
    with pytest.raises(Mistakes, match=r"cannot be read \(Is a directory\)\. Name a YAML file"):
        reader.read([folder], today=TODAY)


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 90_000, "{a: " * 50_000, "? " * 90_000, "a:\n" + " b:\n" * 9])
def test_deep_nesting_is_refused(text: str) -> None:
    assert mistakes_in(text)[0].startswith("service.yaml:")


@pytest.mark.parametrize(
    "text",
    [
        "desks: [" + "1, a, " * 30_000 + "]",
        "\n".join(f"naem{n}: 1" for n in range(15_000)),
        "plannings: [" + "{}, " * 40_000 + "]",
    ],
)
def test_at_most_a_hundred_mistakes_of_a_file_are_listed(text: str) -> None:
    assert 1 < len(mistakes_in(text)) <= 100


# The schema


@pytest.mark.parametrize(
    ("path", "most"),
    [
        (("plannings",), 20),
        (("plannings", 0, "openings"), 20),
        (("plannings", 0, "openings", 0, "breaks"), 20),
        (("closures",), 200),
        (("release", "moments"), 50),
        (("draw", "witnesses"), 10),
        (("address",), 6),
        (("not_for",), 50),
        (("documents",), 50),
        (("documents_note",), 50),
        (("otherwise",), 50),
    ],
)
def test_a_list_that_is_too_long_is_refused(path: yaml_source.Path, most: int) -> None:
    item = (at(path) or at(("otherwise",)))[0]
    items = [copy.deepcopy(item) for _ in range(most + 1)]
    assert any(f"`{path[-1]}` has {most + 1} items" in line for line in mistakes_in(replaced(path, items)))


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_value_of_another_type_is_refused(path: yaml_source.Path) -> None:
    others = [7, []] if isinstance(at(path), str) else ["texte", {"a": "b"} if isinstance(at(path), list) else [1]]
    for other in others:
        assert " is " in mistakes_in(replaced(path, other))[0]


OPTIONAL = {
    "closures",
    "public_holidays",
    "on_holiday",
    "breaks",
    "last",
    "reason",
    "fr-x-facile",
    "en",
    "ar",
    "tr",
    "seats",
    "witnesses",
}
OPTIONAL |= {"publisher", "host", "data_officer", "accessibility_contact"}


@pytest.mark.parametrize(
    "path",
    [path for path in PATHS if isinstance(path[-1], str) and path[-1] not in OPTIONAL and path != ("allocation",)],
    ids=str,
)
def test_a_required_key_cannot_be_left_out(path: yaml_source.Path) -> None:
    document = good(path)
    del at(path[:-1], document)[path[-1]]
    lines = mistakes_in(yaml.safe_dump(document))
    assert any(f": `{path[-1]}` is missing. Add `{path[-1]}`: " in line for line in lines)


@pytest.mark.parametrize("path", [(), *(path for path in PATHS if isinstance(at(path), dict))], ids=str)
def test_an_unknown_key_is_refused(path: yaml_source.Path) -> None:
    assert any(": `zzz` is not a key of " in line for line in mistakes_in(replaced((*path, "zzz"), "texte")))


@pytest.mark.parametrize(
    "path",
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
def test_a_list_that_needs_an_item_is_refused_when_it_is_empty(path: yaml_source.Path) -> None:
    assert any(f": `{path[-1]}` is empty. Set " in line for line in mistakes_in(replaced(path, [])))


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        (("slot_minutes",), 1, 480),
        (("plannings", 0, "desks", 0), 1, 999),
        (("release", "weeks_ahead"), 0, 52),
        (("release", "moments", 0, "seats"), 1, 10_000),
        (("draw", "weeks_ahead"), 0, 26),
        (("draw", "seniority_percent"), 0, 100),
        (("draw", "preferences"), 1, 10),
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
def test_a_number_has_bounds(path: yaml_source.Path, least: int, most: int) -> None:
    def is_refused(number: int) -> bool:
        _, lines = read_bytes(replaced(path, number).encode())
        return any(f" is the number {number:,}. Set " in line for line in lines)

    assert [is_refused(number) for number in (least - 1, least, most, most + 1)] == [True, False, False, True]


def test_every_part_of_the_schema_has_its_expected_value_in_words() -> None:
    document = json.loads(schema.SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    parts = [document, *document["$defs"].values()]
    for part in parts:
        parts += part.get("properties", {}).values()
        parts += [part["items"]] if "items" in part else []
    assert [part for part in parts if "$ref" not in part and "expected" not in part] == []
    objects = [part for part in parts if part.get("type") == "object"]
    assert [part for part in objects if part.get("additionalProperties") is not False] == []


# Arbitrary files

ANY_VALUE = st.recursive(
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
    read_bytes(text.encode("utf-8", "surrogatepass"))


@given(st.binary())
def test_no_bytes_break_the_reader(data: bytes) -> None:
    read_bytes(data)


@given(ANY_VALUE)
def test_no_yaml_breaks_the_reader(value: Any) -> None:
    read_bytes(yaml.safe_dump(value).encode())


@settings(deadline=None)
@given(st.sampled_from(PATHS), ANY_VALUE)
def test_any_value_at_any_path_is_refused_or_makes_a_service(path: yaml_source.Path, value: Any) -> None:
    documents, _ = read_bytes(replaced(path, value).encode())
    for document in documents:
        timetable.plan(codec.service_from_document(document), "2026-W49")
