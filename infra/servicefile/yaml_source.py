"""YAML as people write it, without its surprises: no dates, no yes or no, no anchors. Each part knows its line."""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_BYTES = 200_000
MOST_DEPTH = 10

Path = tuple[str | int, ...]
"""Where a value is: `("plannings", 0, "desks")`."""

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}", re.ASCII)
_NOTHING = {"", "~", "null"}
_ONE_FILE = "one service, written as `key: value`"
_WORDS = {
    "<document start>": ("this cannot follow what is before it", "`key: value`"),
    "<block end>": ("this does not line up with what is before it", "the indent of its neighbours; no quote in quotes"),
    "are not allowed": ("this line cannot be a part of the text before it", "a text with a colon in quotes"),
    "find expected ':'": ("there is a line without a colon before this one", "`key: value`"),
    "end of stream": ("a quote that begins here is not closed", "a quote at both ends of a text"),
    "expected ','": (
        "a list or a group of keys is not closed, or lacks a comma",
        "[a, b] or {key: value}; no quote in quotes",
    ),
    "escape": ("a \\ in double quotes is followed by what it cannot be", "the text in single quotes"),
    "start any token": ("a text cannot begin with this character", "the text in quotes"),
}
"""What the parser says, and what it means to whoever wrote the file."""


class Mistake(Exception):
    """Something in a file is not as it should be: on which line, and what was expected."""

    def __init__(self, line: int, wrong: str, expected: str) -> None:
        super().__init__(line, wrong, expected)
        self.line, self.wrong, self.expected = line, wrong, expected


@dataclass(frozen=True)
class Tree:
    """What a file says, in texts, whole numbers, lists and dicts; None if it could not be read."""

    value: Any = None
    lines: Mapping[Path, int] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()

    def line(self, path: Path) -> int:
        """The line of a value, or of what it would be in."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(data: bytes) -> Tree:
    """Read one YAML document; what is wrong comes back as mistakes, never as an exception."""
    if len(data) > MOST_BYTES:
        return Tree(mistakes=(Mistake(1, "the file is too large", f"at most {MOST_BYTES:,} bytes"),))
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        reader = _Reader(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte {data[error.start]:#04x} is not UTF-8"
        return Tree(mistakes=(Mistake(line, wrong, "a file saved as UTF-8, not as Latin-1 or Windows-1252"),))
    try:
        value = reader.document()
    except Mistake as mistake:
        return Tree(mistakes=(*reader.mistakes, mistake))
    return Tree(value, reader.lines, tuple(reader.mistakes))


class _Reader:
    """Builds the values from the parser's events, so that an alias is refused before anything is copied."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Path, int] = {}
        self.mistakes: list[Mistake] = []
        self._line = 1
        self._events = self._parsed()

    def document(self) -> Any:  # noqa: ANN401 - a file may say anything
        """The value of the one document."""
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise Mistake(1, "the file is empty", _ONE_FILE)
        value = self._value(next(self._events), ())
        next(self._events)  # the document ends
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise Mistake(self._line, "a second document begins", "one service a file")
        return value

    def _parsed(self) -> Iterator[yaml.Event]:
        try:
            for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
                self._line = event.start_mark.line + 1 if event.start_mark else self._line
                yield event
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            raise Mistake(line, f"character {_code(error.character)} cannot be shown", "text") from error
        except yaml.MarkedYAMLError as error:
            begun = "end of stream" in str(error.problem) and error.context_mark
            mark = begun or error.problem_mark
            line = mark.line + 1 if mark else self._line
            if error.problem_mark and self.text[error.problem_mark.index :][:1] == "\t":
                raise Mistake(line, "there is a tab", "spaces, two for each step") from error
            known = [words for part, words in _WORDS.items() if part in str(error.problem)]
            wrong, expected = known[0] if known else (f"this is not YAML ({error.problem})", "`key: value`")
            raise Mistake(line, wrong, expected) from error
        except (ValueError, OverflowError) as error:  # from an escape such as "\UFFFFFFFF"
            raise Mistake(
                self._line, "this is not YAML (a number is too large)", "the text in single quotes"
            ) from error

    def _value(self, event: yaml.Event, path: Path) -> Any:  # noqa: ANN401 - a file may say anything
        match event:
            case yaml.AliasEvent():
                raise Mistake(self._line, f"`*{event.anchor!s:.40}` is an alias", "the text itself, in quotes")
            case yaml.NodeEvent(anchor=str(name)):
                raise Mistake(self._line, f"`&{name:.40}` is an anchor", "the text itself, in quotes")
            case yaml.ScalarEvent(tag=str(tag)) | yaml.CollectionStartEvent(tag=str(tag)):
                raise Mistake(self._line, f"`{tag:.40}` is a tag", "the text itself, in quotes")
            case yaml.ScalarEvent():
                return self._scalar(event)
            case yaml.SequenceStartEvent() if len(path) < MOST_DEPTH:
                return self._list(path)
            case yaml.MappingStartEvent() if len(path) < MOST_DEPTH:
                return self._dict(path)
        raise Mistake(self._line, "parts are inside parts too deep", f"at most {MOST_DEPTH} steps")

    def _list(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(values))
            self.lines[here] = self._line
            values.append(self._value(event, here))
        return values

    def _dict(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = self._line
            if not isinstance(event, yaml.ScalarEvent):
                raise Mistake(line, "a key is not a word", "`key: value`")
            self._value(event, path)
            here = (*path, event.value)
            if event.value in values:
                wrong = f"`{' '.join(event.value.split())[:40]}` is there twice, first on line {self.lines[here]}"
                self.mistakes.append(Mistake(line, wrong, "each key once"))
                self._value(next(self._events), (*path, event.value, "again"))
                continue
            self.lines[here] = line
            values[event.value] = self._value(next(self._events), here)
        return values

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | None:
        text: str = event.value.strip()
        for character in text:
            if character not in "\n\t" and unicodedata.category(character) in {"Cc", "Cs"}:
                raise Mistake(self._line, f"character {_code(ord(character))} cannot be shown", "text")
        if event.style is None and text in _NOTHING:
            return None
        return int(text) if event.style is None and _NUMBER.fullmatch(text) else text


def _code(character: int | str) -> str:
    return f"U+{character if isinstance(character, int) else ord(character):04X}"
