"""Check a service document against its JSON schema, and explain each error to the author of the file."""

import copy
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from gettext import gettext as _
from gettext import ngettext
from itertools import islice
from pathlib import Path as File
from typing import Any, NamedTuple

from jsonschema import (  # type: ignore[import-untyped]  # it ships no types
    Draft202012Validator,
    ValidationError,
    validators,
)

from infra.servicefile import words
from infra.servicefile.findings import Finding
from infra.servicefile.yaml_source import MOST_DEPTH, Path
from infra.tools.numbers import number as written

SCHEMA = File(__file__).parents[1] / "services" / "schema.json"


def required() -> set[str]:
    """Return the keys that every service document must have."""
    return set(_validator().schema["required"])


class Check(NamedTuple):
    """What the schema says about a document."""

    findings: list[Finding]
    document: Any
    """The document with the words that were probably meant, so that the rules can go on with it."""
    invalid: set[Path]
    """What is wrong in that document, or missing."""
    renamed: list[tuple[Path, Path]]
    """The path of each key that got another name: in the file, and in `document`."""


def check(document: Any, most: int) -> Check:  # noqa: ANN401 - any value
    """Check a document. What is inside a misspelt key is checked as well."""
    document, renamed = copy.deepcopy(document), list[tuple[Path, Path]]()
    findings: dict[Finding, None] = {}
    errors: list[ValidationError] = []
    for _round in range(MOST_DEPTH):
        errors = list(islice(_validator().iter_errors(document), most))
        findings |= dict.fromkeys(finding for error in errors for finding in _explain(error, most))
        keys = _rename_keys(document, errors, most)
        renamed += keys
        if not _replace_values(document, errors) and not keys:
            break
    return Check(list(findings), document, set(_invalid(errors)), renamed)


def _rename_keys(document: Any, errors: Sequence[ValidationError], most: int) -> list[tuple[Path, Path]]:  # noqa: ANN401 - any value
    """Give unknown keys the name that was probably meant. Return the old and the new path of each."""
    renamed: list[tuple[Path, Path]] = []
    for error in (error for error in errors if error.validator == "additionalProperties"):
        path, group = tuple(error.absolute_path), _at(document, error.absolute_path)
        for key, word in _unknown(error, most).items():
            if word and word not in group:
                group[word] = group.pop(key)
                renamed.append(((*path, key), (*path, word)))
    return renamed


def _replace_values(document: Any, errors: Sequence[ValidationError]) -> bool:  # noqa: ANN401 - any value
    """Replace values by those that were probably meant. Tell whether there was any."""
    meant = [(list(error.absolute_path), word) for error in errors if (word := _meant_value(error))]
    for path, word in meant:
        if path:
            _at(document, path[:-1])[path[-1]] = word
    return bool(meant)


def _at(document: Any, path: Iterable[str | int]) -> Any:  # noqa: ANN401 - any value
    for key in path:
        document = document[key]
    return document


def _meant_value(error: ValidationError) -> str | None:
    if error.validator == "enum":
        return words.meant(error.instance, error.validator_value)
    return words.meant_form(error.instance, error.validator_value) if error.validator == "pattern" else None


def _invalid(errors: Sequence[ValidationError]) -> Iterator[Path]:
    for error in errors:
        path: Path = tuple(error.absolute_path)
        if error.validator == "required":
            yield from ((*path, key) for key in error.validator_value if key not in error.instance)
        elif error.validator != "additionalProperties":
            yield path


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
        yield Finding(path, _problem(error, _part(path)), _set(path, error.schema))


def _set(path: Path, schema: dict[str, Any]) -> str:
    expected = _(schema["expected"])
    return _("Set {} to {}").format(_part(path), expected) if path else _("Write {}").format(expected)


def _problem(error: ValidationError, part: str) -> str:
    value, kind = error.instance, str(error.validator)
    if value in ("", None, []):
        return _("{} is empty").format(part)
    if kind in {"minItems", "maxItems"}:
        return ngettext("{} has {} item", "{} has {} items", len(value)).format(part, len(value))
    if kind == "maxLength":
        return _("{} has {} characters").format(part, written(len(value)))
    return _("{} is {}{}").format(part, _describe(value), _suggestion(_meant_value(error)))


def _missing_keys(error: ValidationError, path: Path, most: int) -> Iterator[Finding]:
    misspelt = _unknown(error, most).values()
    for key in error.validator_value:
        if key not in error.instance and key not in misspelt:
            expected = _(_resolve(error.schema["properties"][key])["expected"])
            yield Finding((*path, key), _("`{}` is missing").format(key), _("Add `{}`: {}").format(key, expected))


def _unknown_keys(error: ValidationError, path: Path, most: int) -> Iterator[Finding]:
    keys = error.schema["properties"]
    for key, word in _unknown(error, most).items():
        problem = _("`{key}` is not a key of {part}{suggestion}").format(
            key=_one_line(key), part=_part(path), suggestion=_suggestion(word)
        )
        yield Finding((*path, key), problem, _("Use one of {}").format(", ".join(keys)))


def _repeated_item(error: ValidationError, path: Path) -> Iterator[Finding]:
    seen = set[str]()
    for number, item in enumerate(error.instance):
        if json.dumps(item) in seen:
            problem = _("{} is twice in {}").format(_describe(item), _part(path))
            yield Finding((*path, number), problem, _set(path, error.schema))
            return
        seen.add(json.dumps(item))


def _unknown(error: ValidationError, most: int) -> dict[str, str | None]:
    """Return the unknown keys of a group, each with the key that was probably meant if that one is not there."""
    keys, group = error.schema["properties"], error.instance
    unknown = islice((key for key in group if key not in keys), most)
    return {key: word if word not in group else None for key in unknown for word in [words.meant(key, keys)]}


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _validator().schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _part(path: Path) -> str:
    """Name a part of the file: `` `desks` `` or `` item 1 of `desks` ``."""
    if not path:
        return _("the file")
    last = path[-1]
    return _("item {} of {}").format(last + 1, _part(path[:-1])) if isinstance(last, int) else f"`{last}`"


def _suggestion(word: str | None) -> str:
    return _(" (did you mean `{}`?)").format(word) if word else ""


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:40]}…" if text[40:] else text


def _describe(value: object) -> str:
    if value is None or value == "":
        return _("empty")
    if isinstance(value, str):
        return _('the text "{}"').format(_one_line(value))
    if isinstance(value, int):
        return _("the number {}").format(written(value))
    return _("a list") if isinstance(value, list) else _("a group of keys")
