"""Many requests at once, each on a connection of its own: one thread, which leaves the CPU to who answers."""

import io
import json
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 300.0  # seconds without any answer: a crowd makes the engine start a worker for each of it
READ = 65_536


@dataclass(frozen=True)
class Answer:
    """What one request was told, when (seconds since the first was sent), and after how long."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: float
    took: float

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Volley:
    """All answers in the order of the requests, and what they made others spend (CPU seconds, say)."""

    answers: list[Answer]
    seconds: float
    spent: Counter[str]

    @property
    def times(self) -> list[float]:
        """Seconds of each."""
        return [answer.took for answer in self.answers]


def request(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire; the other side closes the connection after its answer."""
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {parts.path}{'?' * bool(parts.query)}{parts.query} HTTP/1.1\r\n{head}\r\n".encode() + body


def volley(url: str, requests: Sequence[bytes], at_once: int, meter: Callable[[], Counter[str]] = Counter) -> Volley:
    """Send every request to the host of this address, so many at once, and read the meter before and after."""
    host = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
    told: list[tuple[bytes, float, float]] = [(b"", 0.0, 0.0)] * len(requests)
    queue = iter(enumerate(requests))
    with selectors.DefaultSelector() as open_ones:

        def send() -> None:
            for number, wish in queue:
                before = time.perf_counter()
                line = socket.create_connection(host, PATIENCE)
                line.sendall(wish)
                line.settimeout(0)
                open_ones.register(line, selectors.EVENT_READ, (number, before, []))
                return

        start, began = meter(), time.perf_counter()
        try:
            for _ in range(at_once):
                send()
            while open_ones.get_map():
                ready = open_ones.select(PATIENCE)
                if not ready:
                    raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
                for key, _ in ready:
                    number, before, parts = key.data
                    line = key.fileobj
                    assert isinstance(line, socket.socket)
                    while part := _received(line):
                        parts.append(part)
                    if part is None:
                        continue
                    after = time.perf_counter()
                    told[number] = (b"".join(parts), after - began, after - before)
                    open_ones.unregister(line)
                    line.close()
                    send()
            seconds, spent = time.perf_counter() - began, meter()
        finally:
            for key in list(open_ones.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # who is interrupted waits for nobody
    spent.subtract(start)
    return Volley([_read(*one) for one in told], seconds, spent)


def _received(line: socket.socket) -> bytes | None:
    """What is there to read: nothing at the end, None before more comes."""
    try:
        return line.recv(READ)
    except BlockingIOError:
        return None


class _Told:
    """Bytes that were received, as the standard library reads them from a socket."""

    def __init__(self, received: bytes) -> None:
        self.received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.received)


def _read(received: bytes, ended: float, took: float) -> Answer:
    answer = HTTPResponse(_Told(received))  # type: ignore[arg-type]  # it asks no more of a socket
    answer.begin()
    return Answer(answer.status, dict(answer.headers.items()), answer.read(), ended, took)
