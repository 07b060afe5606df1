"""The operator program in French: each text has a translation with the same options, commands and placeholders."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.pofile import read_po
from typer.main import get_command

from infra.deploy.package import ROOT
from infra.ops.__main__ import COMMANDS, app, load
from tests.unit.infra.ops.program import ops

CATALOGUE = ROOT / "infra/ops/locale/fr/LC_MESSAGES/operator.po"
KEPT = re.compile(r"\{[^}]*\}|`[^`]*`|--[a-z-]+")
"""What a translation must keep as it is."""


def helps(command: Any) -> Iterator[str]:
    """The help of a command, of its options and of its own commands."""
    yield from (part.help for part in (command, *command.params) if part.help)
    for own in getattr(command, "commands", {}).values():
        yield from helps(own)


def french() -> dict[str, str]:
    """The translations of the catalogue."""
    with CATALOGUE.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def test_each_help_text_has_a_translation() -> None:
    texts = {text for command in (get_command(app), *map(load, COMMANDS)) for text in helps(command)}
    assert sorted(texts - french().keys()) == []


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
