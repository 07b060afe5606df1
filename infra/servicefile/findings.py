"""A problem of a service document, and which parts of the document the rules can read in spite of others."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from infra.servicefile.yaml_source import Path


class Finding(NamedTuple):
    """A problem of a service document: where it is and how to fix it."""

    path: Path
    problem: str
    fix: str


@dataclass(frozen=True)
class Readable:
    """Tells which parts of a document the schema accepts."""

    invalid: Collection[Path]
    """What the schema refuses, or misses."""

    def __call__(self, *parts: str) -> bool:
        """Tell whether nothing is invalid in these parts, such as `times.notice_hours`."""
        return not any(_is_beside(part, path) for part in parts for path in self.invalid)

    def lists(self, *parts: str) -> bool:
        """Tell whether the parts are lists, whose items may be invalid."""
        return not any(len(path) <= 1 and _is_beside(part, path) for part in parts for path in self.invalid)

    @property
    def skipped(self) -> set[Path]:
        """The plannings, openings and closures that no rule can read."""
        return {item for path in self.invalid if (item := _item_of(path))}


def _is_beside(part: str, path: Path) -> bool:
    """Tell whether one is inside the other."""
    return all(key == name for key, name in zip(path, part.split("."), strict=False))


def _item_of(path: Path) -> Path | None:
    match path:
        case ("plannings", _, "openings", _, *_):
            return path[:4]
        case ("plannings", _, "internal" | "internal_until", *_):
            return None
        case ("plannings" | "closures", _, *_):
            return path[:2]
    return None
