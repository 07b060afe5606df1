"""The program that checks a draw reads a record from a server or from its own copy. Local servers play the service."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from chalicelib.static import verify_draw
from tests.unit.static.records import FIRST, SECOND, THIRD, Published, chain, offer

PART = 200
"""Characters of a part of a list."""


@dataclass
class Server:
    """A server that publishes draws. `special` are its other answers: status, headers and body of a path."""

    draws: list[Published]
    special: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(path)
        if path in self.special:
            return self.special[path]
        plain, _, part = path.partition("?part=")
        words = plain.strip("/").split("/")[2:]
        by_week = {draw.week: draw for draw in self.draws}
        if words == ["draws"]:
            weeks = [{"week": week, "drawn_at": draw.record.get("drawn_at")} for week, draw in by_week.items()]
            return 200, {}, json.dumps({"draws": weeks}).encode()
        if len(words) < 2 or words[1] not in by_week:
            return 404, {}, b"{}"
        draw = by_week[words[1]]
        if len(words) == 2:
            return 200, {}, json.dumps(draw.record).encode()
        text = draw.text(words[2])
        parts = [text[start : start + PART] for start in range(0, max(len(text), 1), PART)]
        if not 1 <= int(part) <= len(parts):
            return 404, {}, b"{}"
        return 200, {"X-Parts": str(len(parts))}, parts[int(part) - 1].encode()

    def draw_url(self, week: str) -> str:
        return f"{self.url}/services/aes/draws/{week}"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = server.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(chain())) as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*words: object) -> tuple[int, str]:
        code = verify_draw.main([str(word) for word in words])
        return code, capsys.readouterr().out

    return call


Run = Callable[..., tuple[int, str]]


def test_a_record_is_read_in_parts_with_all_before_it(server: Server, run: Run) -> None:
    code, output = run(server.draw_url(THIRD))
    assert code == 0, output
    assert [line[:8] for line in output.splitlines()[:3]] == [FIRST, SECOND, THIRD]
    assert f"/services/aes/draws/{FIRST}/entries?part=3" in server.asked


def test_a_copied_url_may_end_with_a_slash_or_a_language(server: Server, run: Run) -> None:
    assert run(server.draw_url(FIRST) + "/?lang=en#result")[0] == 0


def test_what_was_saved_is_checked_without_the_server_and_gives_the_same(
    server: Server, run: Run, tmp_path: Path
) -> None:
    online = run(server.draw_url(THIRD), "--save", tmp_path)
    server.draws = []
    assert run(tmp_path / THIRD) == online
    assert online[0] == 0
    assert sorted(path.name for path in (tmp_path / FIRST).iterdir()) == [
        "entries.txt",
        "offers.txt",
        "record.json",
        "results.txt",
        "seats.txt",
    ]


def test_a_saved_copy_may_be_added_to_but_not_contradicted(server: Server, run: Run, tmp_path: Path) -> None:
    draw = server.draws[0]
    added = {name: draw.record.pop(name) for name in ("seed", "randomness", "drawn_at")}
    signature = draw.record["beacon"].pop("signature")
    save = (server.draw_url(FIRST), "--save", tmp_path)
    assert run(*save)[0] == 2  # frozen, not drawn yet
    draw.record |= added
    draw.record["beacon"]["signature"] = signature
    assert run(*save)[0] == 0
    draw.offers.append(offer(draw, 90, "left", draw.waiting()[2]))
    assert run(*save)[0] == 0
    draw.offers.pop()
    code, output = run(*save)
    assert (code, "contradicts what was saved before" in output) == (1, True)
    draw.offers.append(offer(draw, 90, "left", draw.waiting()[2]))
    draw.entries.pop()
    draw.cover()
    code, output = run(*save)
    assert (code, "record.json" in output) == (1, True)


def test_a_folder_that_cannot_be_written_is_refused(server: Server, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(server.draw_url(FIRST), "--save", tmp_path / "file")[0] == 2


PATH = f"/services/aes/draws/{FIRST}"
ONE = {"X-Parts": "1"}


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        (f"{PATH}/entries?part=2", (404, {}, b""), "entries?part=2: HTTP Error 404"),
        (f"{PATH}/entries?part=1", (200, {}, b""), "does not say in how many parts"),
        (f"{PATH}/entries?part=1", (200, {"X-Parts": "1001"}, b""), "or in more than 1000"),
        (f"{PATH}/entries?part=1", (200, {"X-Parts": "0"}, b""), "does not say in how many parts"),
        (f"{PATH}/entries?part=1", (200, ONE, b"x" * 1_000_001), "is longer than 1000000 bytes"),
        (f"{PATH}/entries?part=1", (200, {"X-Parts": "1", "Content-Length": "9"}, b"x"), "the answer broke off"),
        (PATH, (503, {}, b""), "HTTP Error 503"),
        (PATH, (200, {}, b"<!doctype html>"), "as JSON in UTF-8"),
        (PATH, (200, {"Content-Length": "x"}, b""), "the answer broke off"),
        (PATH, (302, {"Location": PATH}, b""), "infinite loop"),
        (PATH, (302, {"Location": "ftp://example.org/"}, b""), "redirects to another server: ftp://example.org/"),
        (PATH, (302, {"Location": "http://localhost:1/"}, b""), "redirects to another server"),
        ("/services/aes/draws", (200, {}, b'{"draws": 1}'), "is not a list of draws"),
        ("/services/aes/draws", (200, {}, b'{"draws": ["2024-W01"]}'), "is not a list of draws"),
    ],
)
def test_a_bad_answer_gets_a_clear_refusal(
    path: str, answer: tuple[int, dict[str, str], bytes], message: str, server: Server, run: Run
) -> None:
    server.special[path] = answer
    code, output = run(server.draw_url(FIRST))
    assert (code, message in output) == (2, True), output


def test_too_many_draws_are_refused(server: Server, run: Run) -> None:
    weeks = [{"week": f"{year}-W{week:02}"} for year in range(1900, 2000) for week in range(1, 12)]
    server.special["/services/aes/draws"] = (200, {}, json.dumps({"draws": weeks}).encode())
    assert "more than 1000 draws" in run(server.draw_url(FIRST))[1]


def test_part_missing_without_notice_is_wrong(server: Server, run: Run) -> None:
    server.special[f"{PATH}/entries?part=1"] = (200, ONE, server.draws[0].entries[0].encode() + b"\n")
    assert run(server.draw_url(FIRST))[0] == 1


def test_a_redirect_on_the_same_server_is_followed_and_to_another_one_never(server: Server, run: Run) -> None:
    server.special["/services/old/draws/" + FIRST] = (302, {"Location": PATH}, b"")
    server.special["/services/old/draws"] = (302, {"Location": "/services/aes/draws"}, b"")
    for name in ("entries", "seats", "results", "offers"):
        count = server.answer(f"{PATH}/{name}?part=1")[1]["X-Parts"]
        for number in range(1, int(count) + 1):
            moved = {"Location": f"{PATH}/{name}?part={number}"}
            server.special[f"/services/old/draws/{FIRST}/{name}?part={number}"] = (302, moved, b"")
    assert run(f"{server.url}/services/old/draws/{FIRST}")[0] == 0
    with serving(Server(chain())) as other:
        server.special[PATH] = (302, {"Location": other.draw_url(FIRST)}, b"")
        code, output = run(server.draw_url(FIRST))
        assert (code, "redirects to another server" in output, other.asked) == (2, True, [])


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.org{PATH}",
        f"ftp://127.0.0.1{PATH}",
        f"file://{PATH}",
        f"http://127.0.0.1.example.org{PATH}",
        f"http://[{PATH}",
        "https://example.org/services/aes/draws",
    ],
)
def test_only_https_or_this_machine_and_a_draw_are_called(url: str, run: Run) -> None:
    code, output = run(url)
    assert (code, output.startswith("Not checked: ")) == (2, True)
    assert any(words in output for words in ("must begin with https://", "is no URL", "must end with a week"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("example.org", False),
        (None, False),
    ],
)
def test_this_machine_is_known_by_its_loopback_addresses(host: str | None, expected: bool) -> None:  # noqa: FBT001
    assert verify_draw.is_this_machine(host) is expected
