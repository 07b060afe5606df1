"""A service as a YAML file that a civil servant writes: checked whole, and each mistake named by its line."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path as File
from typing import Any

from jsonschema import (  # type: ignore[import-untyped]  # it ships no types
    Draft202012Validator,
    ValidationError,
    validators,
)

from infra.servicefile import rules, yaml_source
from infra.servicefile.holidays import holidays_of, horizon
from infra.servicefile.rules import Finding
from infra.servicefile.yaml_source import Path, Tree

SCHEMA = File(__file__).parents[1] / "services" / "schema.json"
MOST = 100
"""How many mistakes of one file are listed: whoever has more has another problem."""


@dataclass(frozen=True, order=True)
class Note:
    """What is wrong on a line of a file, and what was expected; or only to be known."""

    file: str
    line: int
    wrong: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}; expected {self.expected}"


class Mistakes(ValueError):
    """Files that cannot be put in place; every mistake on a line of its own."""

    def __init__(self, notes: Sequence[Note]) -> None:
        super().__init__("\n".join(map(str, notes)))
        self.notes = tuple(notes)


@dataclass(frozen=True)
class Services:
    """The documents as they are stored, in the order of their files, and what whoever wrote them should know."""

    documents: tuple[dict[str, Any], ...]
    warnings: tuple[Note, ...]


def read(paths: Iterable[File], *, today: date) -> Services:
    """Read and check files; Mistakes lists all that is wrong, and then nothing is returned."""
    documents, warnings, mistakes = [], [], list[Note]()
    ids: dict[str, str] = {}
    for path in paths:
        tree = _tree(path)
        broken = [Note(str(path), mistake.line, mistake.wrong, mistake.expected) for mistake in tree.mistakes]
        broken += _notes(path, tree, _mistakes(tree, today))
        name = tree.value.get("id") if isinstance(tree.value, dict) else None
        if isinstance(name, str):
            line = tree.line(("id",))
            if name in ids:
                broken.append(Note(str(path), line, f"`id` is {_shown(name)}, as in {ids[name]}", "an id of its own"))
            ids.setdefault(name, f"{path}:{line}")
        mistakes += sorted(broken)[:MOST]
        if not broken:
            warnings += _notes(path, tree, rules.warnings(tree.value))
            documents.append(tree.value | {"holidays": _holidays(tree.value, today)})
    if mistakes:
        raise Mistakes(mistakes)
    return Services(tuple(documents), tuple(warnings))


def _tree(path: File) -> Tree:
    try:
        with path.open("rb") as file:
            return yaml_source.parse(file.read(yaml_source.MOST_BYTES + 1))
    except OSError as error:
        return Tree(mistakes=(yaml_source.Mistake(1, f"it cannot be read ({error.strerror})", "a YAML file"),))


def _notes(path: File, tree: Tree, findings: Iterable[Finding]) -> list[Note]:
    return [Note(str(path), tree.line(finding.path), finding.wrong, finding.expected) for finding in findings]


def _holidays(document: dict[str, Any], today: date) -> list[str]:
    if "public_holidays" not in document:
        return []
    return [day.isoformat() for day in holidays_of(document["public_holidays"]["department"], horizon(today))]


def _mistakes(tree: Tree, today: date) -> Iterator[Finding]:
    if tree.value is None and tree.mistakes:
        return
    found = list(
        dict.fromkeys(f for error in islice(_validator().iter_errors(tree.value), MOST) for f in _words(error))
    )
    yield from found
    if isinstance(tree.value, dict):
        broken = {str(finding.path[0]) for finding in found if finding.path}
        broken |= set(_validator().schema["required"]) - tree.value.keys()
        yield from islice(rules.mistakes(tree.value, broken, today), MOST)


# The schema's errors in words


@cache
def _validator() -> Any:  # noqa: ANN401 - jsonschema ships no types
    schema = json.loads(SCHEMA.read_text("utf-8"))
    return validators.extend(Draft202012Validator, {"uniqueItems": _once})(schema)


def _once(_validator: object, _wanted: bool, items: object, _schema: object) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema calls it
    """In linear time, which the library's own is not."""
    if isinstance(items, list) and len(set(map(json.dumps, items))) < len(items):
        yield ValidationError("twice")


def _words(error: ValidationError) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "required":
        yield from _missing(error, path)
    elif error.validator == "additionalProperties":
        yield from _unknown(error, path)
    elif error.validator == "uniqueItems":
        yield from _repeated(error, path)
    else:
        wrong = _WRONG.get(str(error.validator), lambda error: f"is {_shown(error.instance)}")(error)
        yield Finding(path, f"{_place(path)} {wrong}", error.schema["expected"])


def _few(error: ValidationError) -> str:
    number = len(error.instance)
    return f"has {number} item{'' if number == 1 else 's'}" if number else "is empty"


_WRONG: dict[str, Callable[[ValidationError], str]] = {
    "minItems": _few,
    "maxItems": _few,
    "minLength": lambda _: "is empty",
    "maxLength": lambda error: f"has {len(error.instance):,} characters",
    "enum": lambda error: f"is {_shown(error.instance)}{_meant(error.instance, error.validator_value)}",
}


def _missing(error: ValidationError, path: Path) -> Iterator[Finding]:
    spelt = {near for key in _strangers(error) for near in _near(key, error.schema["properties"])}
    for key in error.validator_value:
        if key not in error.instance and key not in spelt:
            yield Finding((*path, key), f"`{key}` is missing", _expected(error.schema["properties"][key]))


def _unknown(error: ValidationError, path: Path) -> Iterator[Finding]:
    for key in _strangers(error):
        keys = error.schema["properties"]
        wrong = f"`{_short(key)}` is no key of {_place(path)}{_meant(key, keys)}"
        yield Finding((*path, key), wrong, f"one of {', '.join(keys)}")


def _repeated(error: ValidationError, path: Path) -> Iterator[Finding]:
    seen = set[str]()
    for number, item in enumerate(error.instance):
        if json.dumps(item) in seen:
            yield Finding((*path, number), f"{_shown(item)} is twice in {_place(path)}", error.schema["expected"])
            return
        seen.add(json.dumps(item))


def _strangers(error: ValidationError) -> list[str]:
    return list(islice((key for key in error.instance if key not in error.schema["properties"]), MOST))


def _expected(schema: dict[str, Any]) -> str:
    while "$ref" in schema:
        schema = _validator().schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return str(schema["expected"])


def _place(path: Path) -> str:
    if not path:
        return "the file"
    *_, last = path
    if isinstance(last, int):
        return f"item {last + 1} of {_place(path[:-1])}"
    return f"`{last}`"


def _near(word: object, words: Iterable[str]) -> list[str]:
    return get_close_matches(word[:40], words, 1) if isinstance(word, str) else []


def _meant(word: object, words: Iterable[str]) -> str:
    return "".join(f" (did you mean `{near}`?)" for near in _near(word, words))


def _short(text: str) -> str:
    """On one line, and not for ever."""
    text = " ".join(text.split())
    return f"{text[:40]}…" if text[40:] else text


def _shown(value: object) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        return f'the text "{_short(value)}"'
    if isinstance(value, int):
        return f"the number {value:,}"
    return "a list" if isinstance(value, list) else "a group of keys"
