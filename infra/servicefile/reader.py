"""Read service files: check each whole, and name each mistake by file and line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from gettext import gettext as _
from itertools import chain, islice
from pathlib import Path as File
from typing import Any

from infra.servicefile import draw_rules, rules, yaml_source
from infra.servicefile.findings import Finding, Readable
from infra.servicefile.holidays import holidays_of, horizon
from infra.servicefile.yaml_source import Tree, YamlMistake

MOST = 100
"""How many mistakes of one file are listed."""


@dataclass(frozen=True, order=True)
class Note:
    """A mistake or a warning: the line of a file, the problem and the fix."""

    file: str
    line: int
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}. {self.fix}."

    def document(self) -> dict[str, Any]:
        """Return the note as the operator program prints it in JSON."""
        return {"file": self.file, "line": self.line, "wrong": self.problem, "expected": self.fix}


class Mistakes(ValueError):
    """Raised for files that cannot be put in place, with every mistake on a line of its own."""

    def __init__(self, notes: Sequence[Note]) -> None:
        super().__init__("\n".join(map(str, notes)))
        self.notes = tuple(notes)


@dataclass(frozen=True)
class Services:
    """The service documents as they are stored, in the order of their files, and the warnings."""

    documents: tuple[dict[str, Any], ...]
    warnings: tuple[Note, ...]


def read(paths: Iterable[File], *, today: date) -> Services:
    """Read and check files. Raise Mistakes with the mistakes of all files if there is one in any."""
    documents, warnings, mistakes = [], [], list[Note]()
    ids: dict[str, str] = {}
    for path in paths:
        tree = _parse(path)
        notes = [Note(str(path), mistake.line, mistake.problem, mistake.fix) for mistake in tree.mistakes]
        notes += _mistakes(path, tree, today)
        service_id = tree.value.get("id") if isinstance(tree.value, dict) else None
        if isinstance(service_id, str):
            line = tree.line(("id",))
            if service_id in ids:
                problem = _("`id` is {}, as in {}").format(service_id, ids[service_id])
                notes.append(Note(str(path), line, problem, _("Give each service its own `id`")))
            ids.setdefault(service_id, f"{path}:{line}")
        mistakes += sorted(notes)[:MOST]
        if not notes:
            warnings += _notes(path, tree, chain(rules.warnings(tree.value), draw_rules.warnings(tree.value)))
            documents.append(tree.value | {"holidays": _holidays(tree.value, today)})
    if mistakes:
        raise Mistakes(mistakes)
    return Services(tuple(documents), tuple(warnings))


def _parse(path: File) -> Tree:
    try:
        with path.open("rb") as file:
            return yaml_source.parse(file.read(yaml_source.MOST_BYTES + 1))
    except OSError as error:
        problem = _("it cannot be read ({})").format(error.strerror)
        return Tree(mistakes=(YamlMistake(1, problem, _("Name a YAML file")),))


def _notes(path: File, tree: Tree, findings: Iterable[Finding]) -> list[Note]:
    return [Note(str(path), tree.line(finding.path), finding.problem, finding.fix) for finding in findings]


def _holidays(document: dict[str, Any], today: date) -> list[str]:
    if "public_holidays" not in document:
        return []
    return [day.isoformat() for day in holidays_of(document["public_holidays"]["department"], horizon(today))]


def _mistakes(path: File, tree: Tree, today: date) -> list[Note]:
    """Check the schema and the rules. A rule reads the words that were probably meant, and skips what is invalid."""
    from infra.servicefile import schema  # noqa: PLC0415  # jsonschema loads a grammar of URIs: about 1 s

    if tree.value is None and tree.mistakes:
        return []
    checked = schema.check(tree.value, MOST)
    for old, new in checked.renamed:
        tree = tree.renamed(old, new)
    notes = _notes(path, tree, checked.findings)
    if isinstance(checked.document, dict):
        missing = (schema.required() | draw_rules.ALTERNATIVES) - checked.document.keys()
        readable = Readable(checked.invalid | {(key,) for key in missing})
        findings = chain(
            rules.mistakes(checked.document, readable, today), draw_rules.mistakes(checked.document, readable)
        )
        notes += _notes(path, tree, islice(findings, MOST))
    return notes
