"""Only a round that quicknet signed decides a draw, whatever the endpoints answer. Local servers play the endpoints."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest

from chalicelib.allocation import beacon
from chalicelib.domain.draw_record import DRAND_CHAIN

ROUND = 123
SIGNATURES = {
    123: "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92",
    1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    5928395: "a5d07c0071b4e386b3ae09206522253c68fefe8490ad59ecc44a7dd0d0745be91da5779e2247a82403fbc0cb9a34cb61",
    9367912: "845091b99635a8a5f93a15cd8622fae0c7ee5307fb5b888dc67ee4fe997b5b326dbd637bd7ab39e3188fd507ea94b314",
}
RANDOMNESS = {
    123: "fb8f7bc29bf24db51871ec8c79f3a1e4bd0557bc0dfcee9ed1d924e69d1c60dc",
    1000: "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd",
    9367912: "a646d1f17493408fdd89ee2ff71a0d1eab6087f23fdef7f60a2baec60436a496",
}
"""Facts about quicknet that drand published."""
OUTSIDE_THE_SUBGROUP = f"80{'00' * 46}04"
"""A point of the curve that is not in the group of the signatures."""

Endpoint = Callable[[socket.socket], None]
"""What an endpoint does with a connection."""


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Endpoint:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + body)


def document(**facts: Any) -> bytes:
    return json.dumps(
        {"round": ROUND, "randomness": RANDOMNESS[ROUND], "signature": SIGNATURES[ROUND]} | facts
    ).encode()


TRUE = answer(document())
OVER = Event()
"""Set when a test ends, so that an endpoint that hangs ends too."""


def hang(_connection: socket.socket) -> None:
    OVER.wait(30)


def drip(connection: socket.socket) -> None:
    """Send a byte of the answer from time to time, and never the last one."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n")
    while not OVER.wait(0.02):
        connection.sendall(b" ")


def break_off(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + document()[:100])


def never_end(connection: socket.socket) -> None:
    """Send an answer without an end, as fast as it is read."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + document())
    while not OVER.is_set():
        connection.sendall(b" " * 65536)


BAD: dict[str, Endpoint] = {
    "the signature of another round": answer(document(signature=SIGNATURES[1000])),
    "another round": answer(document(round=1000, signature=SIGNATURES[1000])),
    "the round as a text": answer(document(round="123")),
    "no round": answer(json.dumps({"signature": SIGNATURES[ROUND]}).encode()),
    "no signature": answer(json.dumps({"round": ROUND}).encode()),
    "the signature as a number": answer(document(signature=int(SIGNATURES[ROUND], 16))),
    "a short signature": answer(document(signature=SIGNATURES[ROUND][:-2])),
    "a long signature": answer(document(signature=SIGNATURES[ROUND] + "00")),
    "a signature with other letters": answer(document(signature="zz" + SIGNATURES[ROUND][2:])),
    "a signature with one bit changed": answer(document(signature=SIGNATURES[ROUND][:-1] + "3")),
    "a point outside of the subgroup": answer(document(signature=OUTSIDE_THE_SUBGROUP)),
    "the point at infinity": answer(document(signature="c0" + "00" * 47)),
    "no point": answer(document(signature="ff" * 48)),
    "a list": answer(b"[1]"),
    "nothing": answer(b""),
    "no JSON": answer(b"<html>"),
    "no UTF-8": answer(b"\xff"),
    "deep JSON": answer(b"[" * 4000),
    "a huge answer": answer(document() + b" " * 100_000),
    "an answer without an end": never_end,
    "an error": answer(document(), "500 Internal Server Error"),
    "a redirect": answer(document(), "302 Found", "Location: https://example.org/"),
    "no HTTP": lambda connection: connection.sendall(b"\0\1\2\3\r\n\r\n"),
    "half of an answer": break_off,
    "no answer": lambda _connection: None,
    "silence": hang,
    "a byte from time to time": drip,
}


@contextmanager
def serving(endpoint: Endpoint, requests: list[bytes]) -> Iterator[int]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with_end = b""
            while not with_end.endswith(b"\r\n\r\n"):
                with_end += self.request.recv(4096)
            requests.append(with_end)
            try:
                endpoint(self.request)
            except OSError:
                return  # the client has closed the connection

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            OVER.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    OVER.clear()
    monkeypatch.setattr(beacon, "TIMEOUT", 0.5)


def read_from(*endpoints: Endpoint, number: int = ROUND) -> tuple[beacon.SignedRound | None, list[bytes]]:
    """Read a round from these endpoints. Return it, and the requests that they got."""
    requests: list[bytes] = []
    with ExitStack() as stack:
        ports = {f"drand{n}": stack.enter_context(serving(each, requests)) for n, each in enumerate(endpoints)}

        def connect(host: str) -> http.client.HTTPConnection:
            return http.client.HTTPConnection("127.0.0.1", ports[host], timeout=beacon.TIMEOUT)

        return beacon.read_round(number, connect=connect, hosts=list(ports)), requests


@pytest.mark.parametrize("number", SIGNATURES)
def test_a_round_of_quicknet_is_accepted_and_its_signature_for_the_next_round_is_not(number: int) -> None:
    signature = bytes.fromhex(SIGNATURES[number])
    assert beacon.verify(number, signature)
    assert not beacon.verify(number + 1, signature)
    assert not beacon.verify(number - 1, signature)


@pytest.mark.parametrize("number", RANDOMNESS)
def test_the_randomness_is_the_one_that_drand_publishes(number: int) -> None:
    signed = beacon.SignedRound(number, bytes.fromhex(SIGNATURES[number]))
    assert signed.randomness.hex() == RANDOMNESS[number]
    assert signed.randomness == sha256(signed.signature).digest()


def test_the_first_endpoint_that_has_the_round_is_believed_after_its_signature_was_verified() -> None:
    signed, requests = read_from(TRUE, TRUE)
    assert signed == beacon.SignedRound(ROUND, bytes.fromhex(SIGNATURES[ROUND]))
    assert len(requests) == 1
    assert requests[0].startswith(f"GET /{DRAND_CHAIN}/public/{ROUND} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("kind", BAD)
def test_the_next_endpoint_is_asked_after_a_bad_answer(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    signed, requests = read_from(BAD[kind], TRUE)
    assert signed == beacon.SignedRound(ROUND, bytes.fromhex(SIGNATURES[ROUND]))
    assert len(requests) == 2
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["host"], line["round"]) == ("beacon", "drand0", ROUND)
    assert line["answer"] in {"forged", "malformed", "none"}


def test_an_answer_without_an_end_is_read_only_up_to_the_limit() -> None:
    sent: list[int] = []

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not OVER.is_set():
            connection.sendall(b" " * 65536)
            sent.append(65536)

    assert read_from(pour)[0] is None
    assert sum(sent) < 30_000_000  # what the buffers between the two ends take, and not what arrives in half a second


def test_an_answer_that_comes_byte_by_byte_is_cut_off_by_the_deadline() -> None:
    sent: list[bytes] = []

    def drip_all(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while len(sent) < 100 and not OVER.wait(0.02):
            connection.sendall(b" ")
            sent.append(b" ")

    assert read_from(drip_all)[0] is None
    assert len(sent) < 100


def test_a_forged_round_is_told_from_a_malformed_one(capsys: pytest.CaptureFixture[str]) -> None:
    read_from(BAD["the signature of another round"], BAD["a point outside of the subgroup"], BAD["a list"], hang)
    lines = [json.loads(line)["answer"] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["forged", "forged", "malformed", "none"]


@pytest.mark.parametrize("status", ["404 Not Found", "425 Too Early"])
def test_a_round_that_is_not_published_yet_is_none_and_every_endpoint_was_asked(
    status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signed, requests = read_from(*[answer(b"{}", status)] * 4)
    assert signed is None
    assert len(requests) == 4
    assert {json.loads(line)["answer"] for line in capsys.readouterr().err.splitlines()} == {"not yet"}


def test_one_endpoint_may_have_a_round_that_another_does_not_have_yet() -> None:
    signed, _ = read_from(answer(b"{}", "425 Too Early"), TRUE)
    assert signed is not None


def test_nothing_is_believed_when_every_endpoint_is_wrong() -> None:
    signed, requests = read_from(BAD["another round"], BAD["a redirect"], break_off, BAD["the point at infinity"])
    assert signed is None
    assert len(requests) == 4


def test_an_endpoint_that_cannot_be_reached_is_passed_over() -> None:
    def refuse(_host: str) -> http.client.HTTPConnection:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return http.client.HTTPConnection("127.0.0.1", free.getsockname()[1], timeout=beacon.TIMEOUT)

    assert beacon.read_round(ROUND, connect=refuse, hosts=["drand0"]) is None


def test_the_endpoints_are_those_of_drand_and_are_called_with_tls() -> None:
    assert beacon.ENDPOINTS == ("api.drand.sh", "api2.drand.sh", "api3.drand.sh", "drand.cloudflare.com")
    connections = [beacon._connect(host) for host in beacon.ENDPOINTS]  # noqa: SLF001 - it opens none
    assert all(isinstance(connection, http.client.HTTPSConnection) for connection in connections)
    assert [connection.host for connection in connections] == list(beacon.ENDPOINTS)
