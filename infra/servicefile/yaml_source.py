"""Read YAML into texts, whole numbers, lists and dicts, and remember the line of each value.

YAML's implicit types would surprise the author of a service file, so `10:30`, `no` and `2026-12-24` stay texts here.
Anchors, aliases and tags are refused.
"""

import codecs
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from gettext import gettext as _
from typing import Any

import yaml

from chalicelib.domain.messages import N_
from infra.tools.numbers import number as written

MOST_BYTES = 200_000
MOST_DEPTH = 10

Path = tuple[str | int, ...]
"""Where a value is in its document: `("plannings", 0, "desks")`."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}", re.ASCII)
_NULL = {"", "~", "null"}
_SYNTAX = {
    "another document": (N_("a second document begins here"), N_("Write one service per file")),
    "<document start>": (N_("this line cannot follow the one before it"), N_("Write `key: value`")),
    "<block end>": (
        N_("this line is not indented like its neighbours"),
        N_("Use the same indent; no quotes in quotes"),
    ),
    "are not allowed": (
        N_("this line cannot be a part of the text before it"),
        N_("Put a text with a colon in quotes"),
    ),
    "find expected ':'": (N_("the line before this one has no colon"), N_("Write `key: value`")),
    "end of stream": (N_("a quote opens here and is not closed"), N_("Put a quote at both ends of the text")),
    "expected ','": (
        N_("a list or a group of keys lacks its end or a comma"),
        N_("Write [a, b] or {a: b}; no quotes in quotes"),
    ),
    "escape": (N_("a \\ in double quotes is not followed by an escape code"), N_("Put the text in single quotes")),
    "start any token": (N_("a text cannot begin with this character"), N_("Put the text in quotes")),
}
"""For a part of PyYAML's message: the problem and its fix as the author of the file reads them."""


class YamlMistake(Exception):
    """Raised for a part of a file that cannot be read: its line, the problem and the fix."""

    def __init__(self, line: int, problem: str, fix: str) -> None:
        super().__init__(line, problem, fix)
        self.line, self.problem, self.fix = line, problem, fix


@dataclass(frozen=True)
class Tree:
    """The value of a document, None if it could not be read, and the line of each value inside it."""

    value: Any = None
    lines: Mapping[Path, int] = field(default_factory=dict)
    mistakes: tuple[YamlMistake, ...] = ()

    def line(self, path: Path) -> int:
        """Return the line of a value; for a value that is missing, the line of what it belongs to."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def renamed(self, old: Path, new: Path) -> "Tree":
        """Return a tree in which what is at one path has its lines at another one too."""
        inside = {(*new, *path[len(old) :]): line for path, line in self.lines.items() if path[: len(old)] == old}
        return replace(self, lines={**self.lines, **inside})


def parse(data: bytes) -> Tree:
    """Read one YAML document. Every problem is returned in `mistakes`; none is raised."""
    lines: dict[Path, int] = {}
    mistakes: list[YamlMistake] = []
    try:
        value = _value(_compose(_decode(data)), (), lines, mistakes)
    except YamlMistake as mistake:
        return Tree(mistakes=(*mistakes, mistake))
    return Tree(value, lines, tuple(mistakes))


def _decode(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise YamlMistake(1, _("the file is too large"), _("Shorten it to {} bytes").format(written(MOST_BYTES)))
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = _("byte {} is not UTF-8").format(f"{data[error.start]:#04x}")
        raise YamlMistake(line, problem, _("Save the file as UTF-8, not as Latin-1 or Windows-1252")) from error


class _Loader(yaml.SafeLoader):
    """Refuses aliases, anchors and tags, and deep nesting, before a node is composed."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - a node or a number
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        if event.anchor is not None:
            is_alias = isinstance(event, yaml.AliasEvent)
            problem = _("`*{}` is an alias") if is_alias else _("`&{}` is an anchor")
            raise YamlMistake(_line(event), problem.format(event.anchor[:40]), _("Write the text itself, in quotes"))
        if event.tag is not None:
            problem = _("`{}` is a tag").format(event.tag[:40])
            raise YamlMistake(_line(event), problem, _("Write the text itself, in quotes"))
        if self.depth >= MOST_DEPTH and not isinstance(event, yaml.ScalarEvent):
            fix = _("Nest at most {} levels").format(MOST_DEPTH)
            raise YamlMistake(_line(event), _("lists and keys are nested too deep"), fix)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str) -> yaml.Node:
    try:
        loader = _Loader(text)
        if root := loader.get_single_node():
            return root
    except yaml.reader.ReaderError as error:
        raise _unprintable(text.count("\n", 0, error.position) + 1, error.character) from error
    except yaml.MarkedYAMLError as error:
        problem, mark = str(error.problem), error.problem_mark
        if mark and text[mark.index :][:1] == "\t":
            raise YamlMistake(mark.line + 1, _("there is a tab"), _("Use spaces, two for each level")) from error
        mark = error.context_mark if "end of stream" in problem and error.context_mark else mark
        known = (explanation for part, explanation in _SYNTAX.items() if part in problem)
        wrong, fix = next(known, (N_("this is not YAML ({})"), N_("Write `key: value`")))
        raise YamlMistake(mark.line + 1 if mark else 1, _(wrong).replace("{}", problem), _(fix)) from error
    except (ValueError, OverflowError) as error:  # from an escape such as "\UFFFFFFFF"
        wrong = _("this is not YAML (a number is too large)")
        raise YamlMistake(loader.line + 1, wrong, _("Put the text in single quotes")) from error
    raise YamlMistake(1, _("the file is empty"), _("Write one service as `key: value`"))


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], mistakes: list[YamlMistake]) -> Any:  # noqa: ANN401 - any
    """Return the value of a node; add the lines of what is in it, and the keys that it has twice."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        lines |= {(*path, number): _line(item) for number, item in enumerate(node.value)}
        return [_value(item, (*path, number), lines, mistakes) for number, item in enumerate(node.value)]
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlMistake(_line(key_node), _("a key is not a word"), _("Write `key: value`"))
        _scalar(key_node)  # refuses a key that cannot be displayed
        place = (*path, key_node.value)
        if key_node.value in values:
            key = " ".join(key_node.value.split())[:40]
            problem = _("`{}` is there twice, first on line {}").format(key, lines[place])
            mistakes.append(YamlMistake(_line(key_node), problem, _("Write each key once")))
            _value(value_node, (*place, "again"), lines, mistakes)
            continue
        lines[place] = _line(key_node)
        values[key_node.value] = _value(value_node, place, lines, mistakes)
    return values


def _scalar(node: yaml.ScalarNode) -> str | int | None:
    text: str = node.value.strip()
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}:
            raise _unprintable(_line(node), character)
    if node.style is None and text in _NULL:
        return None
    return int(text) if node.style is None and _NUMBER.fullmatch(text) else text


def _line(part: Any) -> int:  # noqa: ANN401 - a node or an event
    return int(part.start_mark.line) + 1


def _unprintable(line: int, character: int | str) -> YamlMistake:
    number = character if isinstance(character, int) else ord(character)
    return YamlMistake(line, _("character {} cannot be displayed").format(f"U+{number:04X}"), _("Remove it"))
