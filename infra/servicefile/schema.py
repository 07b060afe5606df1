"""Check a service document against its JSON schema, and explain each error to the author of the file."""

import json
from collections.abc import Callable, Iterable, Iterator
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

from infra.servicefile.rules import Finding
from infra.servicefile.yaml_source import Path

SCHEMA = File(__file__).parents[1] / "services" / "schema.json"


def required() -> set[str]:
    """Return the keys that every service document must have."""
    return set(_validator().schema["required"])


def findings(document: object, most: int) -> list[Finding]:
    """Return the findings of the schema's first errors in a document, each once."""
    errors = islice(_validator().iter_errors(document), most)
    return list(dict.fromkeys(finding for error in errors for finding in _explain(error, most)))


@cache
def _validator() -> Any:  # noqa: ANN401 - jsonschema ships no types
    schema = json.loads(SCHEMA.read_text("utf-8"))
    return validators.extend(Draft202012Validator, {"uniqueItems": _unique_items})(schema)


def _unique_items(_validator: object, _unique: bool, items: object, _schema: object) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema calls it
    """Check in linear time; jsonschema's own check takes quadratic time."""
    if isinstance(items, list) and len(set(map(json.dumps, items))) < len(items):
        yield ValidationError("twice")


def _explain(error: ValidationError, most: int) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    if error.validator == "required":
        yield from _missing_keys(error, path, most)
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(error, path, most)
    elif error.validator == "uniqueItems":
        yield from _repeated_item(error, path)
    else:
        problem = _PROBLEMS.get(str(error.validator), lambda error: f"is {_describe(error.instance)}")(error)
        yield Finding(path, f"{_part(path)} {problem}", _set(path, error.schema))


def _set(path: Path, schema: dict[str, Any]) -> str:
    return f"Set {_part(path)} to {schema['expected']}" if path else f"Write {schema['expected']}"


def _number_of_items(error: ValidationError) -> str:
    number = len(error.instance)
    return f"has {number} item{'' if number == 1 else 's'}" if number else "is empty"


_PROBLEMS: dict[str, Callable[[ValidationError], str]] = {
    "minItems": _number_of_items,
    "maxItems": _number_of_items,
    "minLength": lambda _: "is empty",
    "maxLength": lambda error: f"has {len(error.instance):,} characters",
    "enum": lambda error: f"is {_describe(error.instance)}{_suggestion(error.instance, error.validator_value)}",
}


def _missing_keys(error: ValidationError, path: Path, most: int) -> Iterator[Finding]:
    misspelt = {key for unknown in _unknown(error, most) for key in _similar(unknown, error.schema["properties"])}
    for key in error.validator_value:
        if key not in error.instance and key not in misspelt:
            expected = _resolve(error.schema["properties"][key])["expected"]
            yield Finding((*path, key), f"`{key}` is missing", f"Add `{key}`: {expected}")


def _unknown_keys(error: ValidationError, path: Path, most: int) -> Iterator[Finding]:
    keys = error.schema["properties"]
    for key in _unknown(error, most):
        problem = f"`{_one_line(key)}` is not a key of {_part(path)}{_suggestion(key, keys)}"
        yield Finding((*path, key), problem, f"Use one of {', '.join(keys)}")


def _repeated_item(error: ValidationError, path: Path) -> Iterator[Finding]:
    seen = set[str]()
    for number, item in enumerate(error.instance):
        if json.dumps(item) in seen:
            problem = f"{_describe(item)} is twice in {_part(path)}"
            yield Finding((*path, number), problem, _set(path, error.schema))
            return
        seen.add(json.dumps(item))


def _unknown(error: ValidationError, most: int) -> list[str]:
    return list(islice((key for key in error.instance if key not in error.schema["properties"]), most))


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _validator().schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _part(path: Path) -> str:
    """Name a part of the file: `` `desks` `` or `` item 1 of `desks` ``."""
    if not path:
        return "the file"
    *_, last = path
    return f"item {last + 1} of {_part(path[:-1])}" if isinstance(last, int) else f"`{last}`"


def _similar(word: object, words: Iterable[str]) -> list[str]:
    return get_close_matches(word[:40], words, 1) if isinstance(word, str) else []


def _suggestion(word: object, words: Iterable[str]) -> str:
    return "".join(f" (did you mean `{similar}`?)" for similar in _similar(word, words))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:40]}…" if text[40:] else text


def _describe(value: object) -> str:
    if value is None or value == "":
        return "empty"
    if isinstance(value, str):
        return f'the text "{_one_line(value)}"'
    if isinstance(value, int):
        return f"the number {value:,}"
    return "a list" if isinstance(value, list) else "a group of keys"
