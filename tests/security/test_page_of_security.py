"""Every test and page that `docs/security.md` names exists. Also the tests of small facts that only this page needs."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import app
from chalicelib.booking import holds
from chalicelib.storage import service_store
from chalicelib.web import clock
from infra.deploy import package
from tests.client import AWA, FORM, JSON, TableFails, captcha_passed, get, hold, post, refused, send
from tests.security import gateway

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
SOURCES = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py")]
ROW = re.compile(r"^\| ((?:\d+\.\d+\.\d+|API\d+)(?:-\d+\.\d+\.\d+)?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
NO_TEST = ("not applicable: ", "open: ", "AWS: ")
LEVELS_1_AND_2 = {1: 27, 2: 11, 3: 19, 4: 10, 5: 9, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13, 14: 9}
LEVELS_1_AND_2 |= {15: 13, 16: 16, 17: 7}
"""How many requirements of ASVS 5.0 each chapter has at levels 1 and 2."""


def ids(written: str) -> list[str]:
    """Expand a range of requirements: `6.2.1-6.2.3` is three."""
    first, _, last = written.partition("-")
    head, _, number = first.rpartition(".")
    return [f"{head}.{n}" for n in range(int(number), int((last or first).rpartition(".")[2]) + 1)] if head else [first]


@cache
def functions_of(stem: str) -> set[str]:
    """Return the functions of every file with this name, in any folder of tests."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests").rglob(f"{stem}.py")]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_requirement_of_levels_1_and_2_is_listed_once() -> None:
    named = [requirement for written, _, _ in ROW.findall(PAGE) for requirement in ids(written)]
    assert len(named) == len(set(named))
    asvs = [requirement for requirement in named if not requirement.startswith("API")]
    assert {
        chapter: sum(int(requirement.split(".")[0]) == chapter for requirement in asvs) for chapter in range(1, 18)
    } == LEVELS_1_AND_2
    assert [requirement for requirement in named if requirement.startswith("API")] == [f"API{n}" for n in range(1, 11)]


def test_each_line_names_an_existing_test_or_page_or_a_reason_for_having_none() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) == sum(
        line.startswith(("| API", *(f"| {n}." for n in range(1, 18)))) for line in PAGE.splitlines()
    )
    for written, how, proof in rows:
        assert len(how.split()) <= 14, written
        if how.startswith(NO_TEST):
            assert proof == "", written
        elif proof.startswith("docs/"):
            assert (ROOT / proof).is_file(), proof
        else:
            file, _, function = proof.strip("`").partition("::")
            assert function in functions_of(file), proof


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(\w+)::(test_\w+)`", PAGE)
    assert len(named) > 120
    for file, function in named:
        assert function in functions_of(file), function


# Small facts


def _calls() -> set[str]:
    calls: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                calls.add(ast.unparse(node.func))
            elif isinstance(node, ast.Import | ast.ImportFrom):
                calls |= {f"import {getattr(node, 'module', None) or ''}.{alias.name}" for alias in node.names}
    return calls


def test_the_service_starts_no_program_and_evaluates_no_text_as_code() -> None:
    calls = _calls()
    assert not calls & {"eval", "exec", "compile", "__import__", "os.system", "pickle.loads", "yaml.load"}
    assert not any("subprocess" in call or "pickle" in call or "from_string" in call for call in calls)
    patterns = [call for path in SOURCES for call in re.findall(r"\bre\.\w+\((f?r?f?[\"'])", path.read_text("utf-8"))]
    assert {start[:-1] for start in patterns} <= {"", "r", "rf"}
    assert "import .re" in calls


def test_only_sha_256_and_the_random_generator_of_the_system_are_used() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    assert not re.search(r"\b(md5|sha1|sha224|random\.(random|choice|randint|sample)\()", text)
    assert set(re.findall(r"random\.(\w+)", text)) <= {"SystemRandom", "Random", "random", "sample"}
    assert not re.search(r"random\.Random\(", text)


def test_the_script_of_the_pages_writes_text_only() -> None:
    script = (ROOT / "chalicelib/static/guichet.js").read_text("utf-8")
    assert "textContent" in script
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|localStorage", script
    )


@pytest.mark.usefixtures("service")
def test_a_server_error_reveals_no_internal_detail(table_fails: TableFails) -> None:
    assert app.app.debug is False
    table_fails("AccessDeniedException")
    service_store.clear_caches()
    text = get("/").text + send("GET", "/", FORM).text
    refused(get("/"), 500, "try-again")
    assert not re.search(r"Traceback|AccessDenied|\.py|chalicelib|dynamodb|guichet-test", text)


@pytest.mark.usefixtures("service")
def test_the_cookies_are_lax_and_secure_and_the_visitor_token_is_http_only() -> None:
    (visitor_token,) = _cookies("/services/aes")
    (language,) = _cookies("/?lang=en")
    assert re.fullmatch(r"visit=[0-9a-f]{59}; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly", visitor_token)
    assert language == "lang=en; Path=/; Max-Age=31536000; SameSite=Lax; Secure"


def _cookies(path: str) -> list[str]:
    cookies = gateway.call("GET", path, {"Accept": "text/html"})[1]["Set-Cookie"]
    return cookies if isinstance(cookies, list) else [cookies]


@pytest.mark.usefixtures("service")
def test_no_answer_has_a_cors_header() -> None:
    hold_id = hold()
    for path in ("/", "/services/aes/slots", f"/holds/{hold_id}", "/openapi.json"):
        answer = send("GET", path, {**JSON, "Origin": "https://evil.example.com"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.usefixtures("service")
def test_a_cookie_alone_authorises_nothing() -> None:
    hold_id = captcha_passed()
    visitor_token = holds.visitor_token("", clock.now())
    for path in ("/holds/x/end", "/requests/x/cancellation", "/holds/x/details"):
        assert send("POST", path, {**FORM, "Cookie": f"visit={visitor_token}; lang=fr"}).status == 404
    assert post(f"/holds/{hold_id}/details", AWA).status == 202


def test_the_package_contains_no_tests_and_no_history(tmp_path: Path) -> None:
    folder = package.copy_sources(tmp_path)
    top = {path.name for path in folder.iterdir()}
    assert top == {"app.py", "chalicelib", ".chalice"}
    names = {path.name for path in (folder / "chalicelib").rglob("*")}
    assert not names & {".git", "tests", ".env", "docs", "infra"}
