"""The operator program in French: each text has a translation with the same options, commands and placeholders."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from typer.main import get_command

from chalicelib.allocation.overview import Step
from chalicelib.desk.history import Act
from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.draw_record import Stage
from chalicelib.domain.seat import State
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.storage import service_store
from infra.deploy.package import ROOT
from infra.ops import draws, effect, other_words
from infra.ops.__main__ import COMMANDS, app, load
from infra.ops.seat_status import SeatStatus
from infra.ops.watch import NO_ANSWER
from infra.ops.withdraw import INTERRUPTED
from infra.servicefile.schema import SCHEMA
from tests.conftest import document
from tests.unit.infra.ops.program import ops
from tests.unit.infra.servicefile.samples import changed

CATALOGUE = ROOT / "infra/ops/locale/fr/LC_MESSAGES/operator.po"
KEPT = re.compile(r"\{[^}]*\}|%\(\w+\)s|%s|`[^`]*`|--[a-z-]+")
"""What a translation must keep as it is."""
SOURCES = [
    *sorted((ROOT / "infra/ops").glob("*.py")),
    *sorted((ROOT / "infra/servicefile").glob("*.py")),
    ROOT / "infra/tools/command_line.py",
    ROOT / "infra/tools/numbers.py",
    ROOT / "chalicelib/allocation/overview.py",
]
PRINTED = {"_": 0, "N_": 0, "Problem": 0, "ngettext": 0, "output.count": 1, "output.table": 0, "_parser": 2}
"""Functions by the number of their argument that is printed."""


def helps(command: Any) -> Iterator[str]:
    """The help of a command, of its options and of its own commands."""
    yield from (part.help for part in (command, *command.params) if part.help)
    for own in getattr(command, "commands", {}).values():
        yield from helps(own)


def literals(node: ast.AST) -> set[str]:
    """The texts in a part of the source."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def expected(schema: Any) -> Iterator[str]:
    """How the schema of service files explains mistakes."""
    if isinstance(schema, dict):
        yield from (text for key, text in schema.items() if key == "expected" and isinstance(text, str))
        for part in schema.values():
            yield from expected(part)


def outputs() -> Iterator[str]:
    """The texts that a command prints: those in `_`, counted nouns, the columns of tables, and states."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                number = PRINTED.get(ast.unparse(node.func))
                if number is not None and (number or isinstance(node.args[0], ast.Constant | ast.List | ast.Tuple)):
                    yield from literals(node.args[number])
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).lower() == "columns":
                yield from literals(node.value)
    for kind in (Act, ChangeKind, SeatStatus, Stage, State, Step):
        yield from map(str, kind)
    yield from expected(json.loads(SCHEMA.read_text("utf-8")))
    yield from WEEKDAYS
    yield from (*effect.FOR_APPLICANTS.values(), effect.OUTSIDE, effect.BECOME_INTERNAL, NO_ANSWER, INTERRUPTED)
    yield from (f"{date(2026, month, month):{name}}" for month in range(1, 13) for name in ("%A", "%B"))


def french() -> dict[str, str]:
    """The translations of the catalogue; of counted nouns, that of one."""
    with CATALOGUE.open("rb") as file:
        pairs = [(message.id, message.string) for message in read_po(file) if message.id]
    return {first(text): first(words) for text, words in pairs}


def first(forms: Any) -> str:
    """Return a text, or the first form of a counted one."""
    return str(forms if isinstance(forms, str) else forms[0])


def test_each_text_has_a_translation() -> None:
    texts = {text for command in (get_command(app), *map(load, COMMANDS)) for text in helps(command)}
    assert sorted({*texts, *outputs()} - {*french(), "", " ", "_"}) == []


def test_each_sentence_that_has_a_translation_is_translated_when_it_is_printed() -> None:
    sentences = {text for text in french() if text.endswith("?") or "{" in text}
    bare = []
    for path in sorted((ROOT / "infra/ops").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        translated = {id(part) for call in calls if ast.unparse(call.func) in {"_", "N_"} for part in ast.walk(call)}
        constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in sentences)
        bare += [node.value for node in constants if id(node) not in translated]
    assert bare == []


def test_translations_keep_options_commands_and_placeholders() -> None:
    changed = [text for text, words in french().items() if sorted(KEPT.findall(text)) != sorted(KEPT.findall(words))]
    assert changed == []


@pytest.mark.parametrize("name", ["LC_ALL", "LC_MESSAGES", "LANG"])
def test_the_help_is_in_french_by_the_locale(name: str) -> None:
    env: dict[str, Any] = {"LANGUAGE": None, "LC_ALL": None, "LC_MESSAGES": None, "LANG": None, name: "fr_FR.UTF-8"}
    assert "Fermer des jours" in ops("--help", **env).out
    assert "personne ne peut commencer" in ops("services", "pause", "--help", **env).out


@pytest.mark.parametrize("language", ["C.UTF-8", "de_DE.UTF-8", None])
def test_it_is_in_english_otherwise(language: str | None) -> None:
    env: dict[str, Any] = {"LANGUAGE": None, "LC_ALL": None, "LC_MESSAGES": None, "LANG": language}
    assert "Close days" in ops("--help", **env).out


@pytest.mark.usefixtures("service")
def test_commands_speak_french_by_the_locale() -> None:
    env: dict[str, Any] = {"LANGUAGE": None, "LC_ALL": "fr_FR.UTF-8"}
    seats = ("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "1", "--force")
    ran = ops(*seats, "--dry-run", **env)
    assert ran.out.startswith("jeudi 10 décembre 2026 : 2 places à ajouter, ouverture lundi 30 novembre 2026")
    refused = ops("day", "none", "2026-12-08", **env)
    assert refused.err == "guichet: il n\u2019y a pas de service none sur test : choisissez parmi aes\n"
    assert "créneau" in ops("calendar", "aes", **env).out


@pytest.mark.usefixtures("service")
def test_a_service_has_its_name_in_the_language_of_the_program() -> None:
    french: dict[str, Any] = {"LANGUAGE": None, "LC_ALL": "fr_FR.UTF-8"}
    for command in (("services", "list"), ("day", "aes", "2026-12-08")):
        assert "Admission exceptionnelle" in ops(*command, **french).out
        assert "Exceptional admission" in ops(*command).out
    service_store.put(document(name={"fr": "Demande"}))
    assert "Demande" in ops("services", "list").out


def test_wrong_use_is_explained_in_french() -> None:
    seats = ("seats", "add", "aes", "2026-12-10", "--from", "09:00", "--to", "10:00")
    for words, told in (
        (("services", "check"), "Il manque l’argument 'FILE...'."),
        (("seats", "add", "aes", "2026-12-10", "--from", "9:00"), "'9:00' n’est pas une heure comme 09:00"),
        ((*seats, "--desk", "0"), "Valeur refusée pour '--desk' : il faut 1 au moins"),
        ((*seats, "--desk", "a"), "Valeur refusée pour '--desk' : il faut un nombre entier"),
        (("status", "--stge"), "L’option --stge n’existe pas (options possibles : --stage)"),
        (("servces",), "La commande 'servces' n’existe pas. Vouliez-vous dire 'services' ?"),
        (("day", "aes", "2026-12-01", "x"), "Argument(s) en trop (x)"),
        (("audit", "--stage"), "L’option '--stage' demande une valeur."),
        (("audit", "--json=1"), "L’option '--json' ne prend pas de valeur."),
    ):
        ran = ops(*words, LANGUAGE=None, LC_ALL="fr_FR.UTF-8")
        said = " ".join(ran.err.replace("│", " ").split())
        assert (ran.code, told in said, "Usage" in said) == (2, True, False), said


def test_the_checker_still_says_what_is_translated() -> None:
    said = literals(ast.parse(draws.CHECKER.read_text("utf-8")))
    parts = {part.removeprefix(": ") for message in other_words.CHECKER for part in message.split("{}")}
    assert [part for part in sorted(parts) if not any(part in text for text in said)] == []


def test_a_verdict_of_the_checker_is_in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "fr")
    verdict = "2026-W51: 12 entries, 4 seats, 0 offers: as the rule says"
    assert other_words.in_words(verdict, other_words.CHECKER) == (
        "2026-W51 : 12 inscriptions, 4 places, 0 propositions : conforme à la règle"
    )
    wrong = "WRONG: 2026-W51: the root is not that of the published entries and seats"
    assert other_words.in_words(wrong, other_words.CHECKER) == wrong.replace("WRONG:", "FAUX :")


@pytest.mark.usefixtures("table")
def test_a_mistake_of_a_service_file_is_explained_in_french(tmp_path: Path) -> None:
    file = tmp_path / "essai.yaml"
    file.write_text(changed(("[tuesday, thursday]", "[mardi]"), ("slot_minutes: 5", "slot_minutes: 1000")), "utf-8")
    ran = ops("services", "check", str(file), LANGUAGE=None, LC_ALL="fr_FR.UTF-8")
    length = (
        "`slot_minutes` contient le nombre 1 000. Dans `slot_minutes`, indiquez un nombre entier de minutes, de 1 à"
    )
    day = (
        "l'élément 1 de `days` contient le texte « mardi » (vouliez-vous dire `tuesday` ?). Dans l'élément 1 de `days`"
    )
    days = "monday, tuesday, wednesday, thursday, friday, saturday ou sunday (lundi à dimanche)"
    said = ran.err.replace("\u2019", "'").splitlines()
    assert said == [f"guichet: {file}:4: {length} 480.", f"guichet: {file}:8: {day}, indiquez {days}."]
