"""Imports go one way: app -> edge and use cases -> adapters -> domain; plumbing from anywhere."""

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "app": {"app"},
    "edge": {"edge", "incoming", "views"},
    "use cases": {
        "booking",
        "claims",
        "offers",
        "limits",
        "appointment",
        "manage",
        "upkeep",
        "outbox",
        "feedback",
        "forms",
    },
    "adapters": {
        "rows",
        "store",
        "memory",
        "places",
        "locks",
        "filing",
        "visitors",
        "mail",
        "captcha_image",
        "convocation",
        "direction",
        "paper",
        "pages",
    },
    "domain": {"chance", "model", "timetable", "letters", "names", "tokens", "errors", "words", "files"},
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

ENTRANCE = re.compile(
    r"(datetime|date)\.(now|today|utcnow)|time\.(time|time_ns|localtime|gmtime)"
    r"|secrets\.\w+|random\.SystemRandom|os\.urandom|uuid\.uuid\d"
)
UNIT_TESTS = sorted(
    path
    for folder in ("", "attack", "office", "proof", "tools")
    for path in (ROOT / "tests" / folder).glob("*.py")
    if path.name != "fuzz.py"  # `make fuzz` draws anew each time
)


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
    allowed = {"email_validator"} if module == "names" else set()  # the grammar of addresses, loaded at first use
    assert others - sys.stdlib_module_names == allowed


def test_app_imports_nothing_from_elsewhere_but_chalice() -> None:
    _, others = imports("app")
    assert others - sys.stdlib_module_names == {"chalice"}


def test_numbers_are_read_in_digits_0_to_9_only() -> None:
    many = re.compile(r"\\d|\.is(decimal|digit|numeric)\(")  # these take the digits of every script
    paths = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "infra").rglob("*.py")]
    lines = [f"{path.name}: {line}" for path in paths for line in path.read_text("utf-8").splitlines()]
    assert [line for line in lines if many.search(line)] == []


def entrances(path: Path) -> set[str]:
    """What a file reads of the machine's clock and of its random sources."""
    names = {
        ast.unparse(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)
    }
    return {name for name in names if ENTRANCE.fullmatch(name)}


def test_time_and_chance_enter_the_service_where_a_test_can_set_them() -> None:
    read = {module: entrances(path) for module, path in FILES.items()}
    assert {module: names for module, names in read.items() if names} == {
        "edge": {"datetime.now"},
        "log": {"time.time"},
        "chance": {"random.SystemRandom"},
        "captcha_image": {"secrets.choice", "secrets.randbelow"},  # what the library under it draws from as well
    }


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_a_unit_test_reads_neither_the_machines_clock_nor_its_chance(path: Path) -> None:
    assert entrances(path) == set()


def test_a_program_has_the_machines_clock_and_chance_without_being_told() -> None:
    program = (
        "import random; from datetime import UTC, datetime; from chalicelib import chance, edge;"
        "assert type(chance.CHANCE.source) is random.SystemRandom;"
        "assert edge.clock() <= datetime.now(UTC) <= edge.clock()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0  # noqa: S603  this Python


def test_there_is_no_circle() -> None:
    TopologicalSorter({module: imports(module)[0] for module in FILES}).prepare()
