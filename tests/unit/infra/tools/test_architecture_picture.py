"""The picture of the packages is drawn from the imports, and docs/architecture.md names functions that exist."""

import importlib
import re
from graphlib import CycleError

import pytest

from infra.tools import architecture
from infra.tools.architecture import PICTURE, ROOT, Package

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("chalicelib/*/*.py")]


def box(name: str, *imports: str) -> Package:
    return Package(name, "", (), frozenset(imports))


def test_the_picture_shows_the_imports_as_they_are() -> None:
    assert PICTURE.read_text("utf-8") == architecture.picture(), "run `make architecture`"


def test_an_import_that_follows_from_two_others_has_no_arrow() -> None:
    boxes = {name: box(name, *imports) for name, imports in {"a": "bcd", "b": "c", "c": "d", "d": ""}.items()}
    assert architecture.arrows(boxes) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert [[package.name for package in row] for row in architecture.layers(boxes)] == [["a"], ["b"], ["c"], ["d"]]


def test_packages_that_import_one_another_are_refused() -> None:
    with pytest.raises(CycleError):
        architecture.layers({"a": box("a", "b"), "b": box("b", "a")})


def test_every_function_that_the_page_names_exists() -> None:
    named = re.findall(r"`(\w+)\.(?!py`)(\w+)`", PAGE)
    assert len(named) > 30
    assert [f"{module}.{name}" for module, name in named if not exists(module, name)] == []


def exists(module: str, name: str) -> bool:
    """Tell whether a module of this name, in any package, has this function."""
    candidates = [path for path in MODULES if path.rpartition(".")[2] == module]
    return any(hasattr(importlib.import_module(path), name) for path in candidates)
