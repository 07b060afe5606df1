"""The operator program in French: each text has a translation with the same options, commands and placeholders."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from babel.messages.pofile import read_po
from typer.main import get_command

from chalicelib.desk.history import Act
from chalicelib.domain.draw_record import Stage
from chalicelib.domain.seat import State
from chalicelib.domain.seat_changes import ChangeKind
from infra.deploy.package import ROOT
from infra.ops import effect
from infra.ops.__main__ import COMMANDS, app, load
from infra.ops.seat_status import SeatStatus
from infra.ops.watch import NO_ANSWER
from infra.ops.withdraw import INTERRUPTED
from tests.unit.infra.ops.program import ops

CATALOGUE = ROOT / "infra/ops/locale/fr/LC_MESSAGES/operator.po"
KEPT = re.compile(r"\{[^}]*\}|`[^`]*`|--[a-z-]+")
"""What a translation must keep as it is."""
PRINTED = {"_": 0, "output.count": 1, "output.table": 0, "_parser": 2}
"""Functions by the number of their argument that is printed."""


def helps(command: Any) -> Iterator[str]:
    """The help of a command, of its options and of its own commands."""
    yield from (part.help for part in (command, *command.params) if part.help)
    for own in getattr(command, "commands", {}).values():
        yield from helps(own)


def literals(node: ast.AST) -> set[str]:
    """The texts in a part of the source."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def outputs() -> Iterator[str]:
    """The texts that a command prints: those in `_`, counted nouns, the columns of tables, and states."""
    for path in sorted((ROOT / "infra/ops").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                number = PRINTED.get(ast.unparse(node.func))
                if number is not None and (number or isinstance(node.args[0], ast.Constant | ast.List | ast.Tuple)):
                    yield from literals(node.args[number])
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).lower() == "columns":
                yield from literals(node.value)
    for kind in (Act, ChangeKind, SeatStatus, Stage, State):
        yield from map(str, kind)
    yield from (*effect.FOR_APPLICANTS.values(), effect.OUTSIDE, effect.BECOME_INTERNAL, NO_ANSWER, INTERRUPTED)
    yield from (f"{date(2026, month, month):{name}}" for month in range(1, 13) for name in ("%A", "%B"))


def french() -> dict[str, str]:
    """The translations of the catalogue; of counted nouns, that of one."""
    with CATALOGUE.open("rb") as file:
        pairs = [(message.id, message.string) for message in read_po(file) if message.id]
    return {(text if isinstance(text, str) else text[0]): str(words) for text, words in pairs}


def test_each_text_has_a_translation() -> None:
    texts = {text for command in (get_command(app), *map(load, COMMANDS)) for text in helps(command)}
    assert sorted({*texts, *outputs()} - {*french(), "", " ", "_"}) == []


def test_each_sentence_that_has_a_translation_is_translated_when_it_is_printed() -> None:
    sentences = {text for text in french() if text.endswith("?") or "{" in text}
    bare = []
    for path in sorted((ROOT / "infra/ops").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_")
        translated = {id(part) for call in calls for part in ast.walk(call)}
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
