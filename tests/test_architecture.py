"""Imports go one way: app -> edge and use cases -> adapters -> domain; plumbing from anywhere."""

import ast
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "app": {"app"},
    "edge": {"edge", "views"},
    "use cases": {"booking", "claims", "offers", "appointment", "manage", "upkeep", "outbox", "feedback", "forms"},
    "adapters": {
        "rows",
        "store",
        "memory",
        "places",
        "locks",
        "visitors",
        "mail",
        "captcha_image",
        "convocation",
        "direction",
        "paper",
        "pages",
    },
    "domain": {"model", "timetable", "letters", "tokens", "errors", "words", "files"},
    "plumbing": {"settings", "log"},
}
MAY_IMPORT = {
    "app": ROOMS["edge"] | ROOMS["use cases"] | ROOMS["plumbing"] | {"__version__"},
    "edge": ROOMS["edge"] | ROOMS["use cases"] | ROOMS["adapters"] | ROOMS["domain"] | ROOMS["plumbing"],
    "use cases": ROOMS["use cases"] | ROOMS["adapters"] | ROOMS["domain"] | ROOMS["plumbing"],
    "adapters": ROOMS["adapters"] | ROOMS["domain"] | ROOMS["plumbing"],
    "domain": ROOMS["domain"],
    "plumbing": ROOMS["plumbing"],
}
FILES = {path.stem: path for path in [ROOT / "app.py", *(ROOT / "chalicelib").glob("[!_]*.py")]}


def imports(module: str) -> tuple[set[str], set[str]]:
    """What a module imports of `chalicelib`, and which packages from elsewhere; inside functions too."""
    own: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for package, _, rest in (name.partition(".") for name in names):
            if package == "chalicelib":
                own.add(rest.partition(".")[0])
            else:
                others.add(package)
    return own, others


def test_every_file_is_in_exactly_one_room() -> None:
    assert Counter(FILES.keys()) == Counter(module for room in ROOMS.values() for module in room)


@pytest.mark.parametrize(("room", "module"), [(room, module) for room in ROOMS for module in sorted(ROOMS[room])])
def test_a_module_imports_only_from_its_own_room_and_those_below(room: str, module: str) -> None:
    own, _ = imports(module)
    assert own - MAY_IMPORT[room] == set()


@pytest.mark.parametrize("module", sorted(ROOMS["domain"] | ROOMS["plumbing"]))
def test_the_domain_and_the_plumbing_import_nothing_from_elsewhere_but_the_standard_library(module: str) -> None:
    _, others = imports(module)
    assert others - sys.stdlib_module_names == set()


def test_app_imports_nothing_from_elsewhere_but_chalice() -> None:
    _, others = imports("app")
    assert others - sys.stdlib_module_names == {"chalice"}


def test_there_is_no_circle() -> None:
    TopologicalSorter({module: imports(module)[0] for module in FILES}).prepare()
