"""Imports go one way: app -> web, mail, canary; web -> desk; both -> allocation -> booking -> storage -> domain."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "domain": set[str](),
    "storage": {"domain"},
    "booking": {"domain", "storage"},
    "allocation": {"domain", "storage", "booking"},
    "desk": {"domain", "storage", "booking", "allocation"},
    "canary": {"domain", "storage"},
    "rendering": {"domain"},
    "mail": {"domain", "storage", "booking", "allocation", "rendering"},
    "web": {"domain", "storage", "booking", "allocation", "desk", "rendering"},
}
"""Each package of `chalicelib/` and the packages that it may import."""
SHARED = {"settings": {"domain"}, "keys": {"domain"}, "log": set[str]()}
"""The modules beside the packages. Every package but `domain` and `rendering` may import them."""
FILES = {
    ".".join(path.relative_to(ROOT / "chalicelib").with_suffix("").parts): path
    for path in (ROOT / "chalicelib").rglob("*.py")
    if path.parent.name != "static"  # served as a text; its own test says that it shares no code with the service
}
MODULES = {name: path for name, path in FILES.items() if not name.endswith("__init__")}

ENTRANCE = re.compile(
    r"(datetime|date)\.(now|today|utcnow)|time\.(time|time_ns|localtime|gmtime)"
    r"|secrets\.\w+|random\.SystemRandom|os\.urandom|uuid\.uuid\d"
)
UNIT_TESTS = sorted(
    path
    for folder in ("unit", "security", "proof")
    for path in (ROOT / "tests" / folder).rglob("*.py")
    if path.name != "fuzz.py"  # `make fuzz` draws anew each time
)


def imports(path: Path) -> tuple[set[str], set[str]]:
    """What a module imports of `chalicelib`, and which packages from elsewhere; inside functions too."""
    own: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for package, _, rest in (name.partition(".") for name in names):
            if package == "chalicelib":
                own.add(next((module for module in MODULES if f"{rest}.".startswith(f"{module}.")), rest))
            else:
                others.add(package)
    return own, others


def package_of(module: str) -> str:
    return module.partition(".")[0]


def test_nothing_is_flat_but_the_shared_modules() -> None:
    assert {module for module in MODULES if "." not in module} == set(SHARED)
    assert {package_of(module) for module in MODULES if "." in module} == set(PACKAGES)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_its_own_package_and_those_below(module: str) -> None:
    package = package_of(module)
    allowed = {package, *(PACKAGES | SHARED)[package], *(SHARED if package not in {"domain", "rendering"} else ())}
    own, _ = imports(MODULES[module])
    if module == "allocation.draw":
        allowed.add("__version__")  # of the code that draws, in the record
    assert {package_of(name) for name in own} - allowed == set()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_says_in_one_line_what_it_is_for(package: str) -> None:
    source = (ROOT / "chalicelib" / package / "__init__.py").read_text("utf-8")
    assert re.fullmatch(r'"""[^\n"]{20,}\."""\n', source)


@pytest.mark.parametrize("module", sorted(module for module in MODULES if package_of(module) in {"domain", *SHARED}))
def test_the_domain_and_the_shared_modules_import_nothing_from_elsewhere_but_the_standard_library(module: str) -> None:
    _, others = imports(MODULES[module])
    allowed = {"email_validator"} if module == "domain.emails" else set()  # loaded at first use
    assert others - sys.stdlib_module_names == allowed


def test_app_imports_only_chalice_and_what_a_handler_calls() -> None:
    own, others = imports(ROOT / "app.py")
    assert others - sys.stdlib_module_names == {"chalice"}
    assert {package_of(name) for name in own} <= {
        "web",
        "booking",
        "allocation",
        "mail",
        "canary",
        "__version__",
        *SHARED,
    }


NETWORK = re.compile(
    r"(http\.client|socket|ssl|asyncio|select|selectors|urllib\.request|urllib3|requests|httpx|aiohttp|smtplib|ftplib"
    r"|poplib|imaplib|xmlrpc|subprocess)(\..*)?"
)
"""The modules with which code could open a connection that is not one of botocore's to AWS."""


def test_only_the_beacon_of_the_draw_the_sign_in_of_the_desk_and_the_canary_open_connections() -> None:
    paths = {**MODULES, "app": ROOT / "app.py"}
    openers = {module for module, path in paths.items() if any(map(NETWORK.fullmatch, imported_names(path)))}
    assert openers == {"allocation.beacon", "canary.api", "desk.provider"}


def test_only_the_draw_function_reaches_the_beacon() -> None:
    users = {module for module, path in MODULES.items() if "allocation.beacon" in imports(path)[0]}
    assert users <= {"allocation.draw", "allocation.run"}
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    callers = {name for name, node in functions.items() if "allocation import run" in ast.unparse(node)}
    assert callers == {"draw"}


def test_only_the_canary_and_what_deploys_call_the_api() -> None:
    users = {module for module, path in MODULES.items() if "canary.api" in imports(path)[0]}
    assert users == {"canary.run", "canary.trial"}
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name for name, node in functions.items() if "chalicelib.canary" in ast.unparse(node)} == {"canary"}


def test_only_the_routes_of_the_sign_in_reach_the_identity_provider() -> None:
    users = {
        name: {module for module, path in MODULES.items() if name in imports(path)[0]}
        for name in ("desk.provider", "desk.signin", "web.signin_views")
    }
    assert users == {
        "desk.provider": {"desk.signin"},
        "desk.signin": {"web.signin_views"},
        "web.signin_views": {"web.desk_routes"},
    }
    lines = MODULES["web.desk_routes"].read_text("utf-8").splitlines()
    calls = [number for number, line in enumerate(lines) if "return signin_views." in line]
    routes = {next(line for line in reversed(lines[:number]) if line.startswith("@")) for number in calls}
    assert len(routes) == 2
    assert all(line.startswith('@reads("/desk/') for line in routes)


def test_only_the_sign_in_imports_the_package_of_its_layer() -> None:
    users = {module for module, path in MODULES.items() if {"joserfc", "cryptography"} & imports(path)[1]}
    assert users == {"desk.signin"}


def imported_names(path: Path) -> set[str]:
    """The full names of the modules and objects that a file imports, also inside functions."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return names | {f"{node.module}.{alias.name}" for node in froms for alias in node.names}


def test_numbers_are_read_in_digits_0_to_9_only() -> None:
    many = re.compile(r"\\d|\.is(decimal|digit|numeric)\(")  # these take the digits of every script
    paths = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "infra").rglob("*.py")]
    lines = [f"{path.name}: {line}" for path in paths for line in path.read_text("utf-8").splitlines()]
    assert [line for line in lines if many.search(line)] == []


@pytest.mark.parametrize("folder", ["chalicelib", "infra"])
def test_only_the_modules_of_keys_build_and_take_apart_the_keys_of_the_table(folder: str) -> None:
    prefix = re.compile(r"\b[A-Z]{3,}#")
    literals = {
        (str(path.relative_to(ROOT)), node.value)
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and prefix.search(node.value)
    }
    home = re.compile(r"chalicelib/storage/(\w+_)?(items|keys)\.py")
    assert {literal for literal in literals if not home.fullmatch(literal[0])} == set()


def entrances(path: Path) -> set[str]:
    """What a file reads of the machine's clock and of its random sources."""
    names = {
        ast.unparse(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)
    }
    return {name for name in names if ENTRANCE.fullmatch(name)}


def test_time_and_chance_enter_the_service_where_a_test_can_set_them() -> None:
    read = {module: entrances(path) for module, path in MODULES.items()}
    assert {module: names for module, names in read.items() if names} == {
        "web.clock": {"datetime.now"},
        "log": {"time.time"},
        "domain.rng": {"random.SystemRandom"},
        "rendering.captcha_image": {"secrets.choice", "secrets.randbelow"},  # its library draws from these as well
    }


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_a_unit_test_reads_neither_the_machines_clock_nor_its_chance(path: Path) -> None:
    assert entrances(path) == set()


def test_a_program_has_the_machines_clock_and_chance_without_being_told() -> None:
    program = (
        "import random; from datetime import UTC, datetime;"
        "from chalicelib.domain.rng import RNG; from chalicelib.web import clock;"
        "assert type(RNG.source) is random.SystemRandom;"
        "assert clock.clock() <= datetime.now(UTC) <= clock.clock()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0  # noqa: S603  this Python


def test_no_test_imports_from_another_test() -> None:
    importing = re.compile(
        r"^ *(from [\w.]*\btest_\w+ import|from [\w.]+ import .*\btest_\w+|import .*\btest_)", re.MULTILINE
    )
    assert [str(path) for path in (ROOT / "tests").rglob("*.py") if importing.search(path.read_text("utf-8"))] == []


def test_there_is_no_circle() -> None:
    TopologicalSorter({module: imports(path)[0] for module, path in MODULES.items()}).prepare()
