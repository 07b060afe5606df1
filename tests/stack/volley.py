"""Send many requests at once, each on its own connection, from one thread: most of the CPU is left to the server."""

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

PATIENCE = 300.0  # seconds without any answer: the emulator may start a worker for each request
READ = 65_536


@dataclass(frozen=True)
class Answer:
    """The answer to one request. `ended` counts seconds from the first request, `took` from this one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ended: float
    took: float

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Volley:
    """All answers in the order of the requests, and the difference of the meter, for example CPU seconds."""

    answers: list[Answer]
    seconds: float
    spent: Counter[str]

    @property
    def times(self) -> list[float]:
        """Return the seconds that each request took."""
        return [answer.took for answer in self.answers]


def request(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of a request. The server closes the connection after its answer."""
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {parts.path}{'?' * bool(parts.query)}{parts.query} HTTP/1.1\r\n{head}\r\n".encode() + body


def volley(url: str, requests: Sequence[bytes], at_once: int, meter: Callable[[], Counter[str]] = Counter) -> Volley:
    """Send every request to the host of this URL, `at_once` at a time, and read the meter before and after."""
    host = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
    received: list[tuple[bytes, float, float]] = [(b"", 0.0, 0.0)] * len(requests)
    queue = iter(enumerate(requests))
    with selectors.DefaultSelector() as open_sockets:

        def send() -> None:
            for number, content in queue:
                before = time.perf_counter()
                connection = socket.create_connection(host, PATIENCE)
                open_sockets.register(connection, selectors.EVENT_READ, (number, before, []))
                connection.sendall(content)
                connection.settimeout(0)
                return

        start, began = meter(), time.perf_counter()
        try:
            for _ in range(at_once):
                send()
            while open_sockets.get_map():
                ready = open_sockets.select(PATIENCE)
                if not ready:
                    raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
                for key, _ in ready:
                    number, before, parts = key.data
                    connection = key.fileobj
                    assert isinstance(connection, socket.socket)
                    while part := _receive(connection):
                        parts.append(part)
                    if part is None:
                        continue
                    after = time.perf_counter()
                    received[number] = (b"".join(parts), after - began, after - before)
                    open_sockets.unregister(connection)
                    connection.close()
                    send()
            seconds, spent = time.perf_counter() - began, meter()
        finally:
            for key in list(open_sockets.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # every key is a socket
    spent.subtract(start)
    return Volley([_read(*answer) for answer in received], seconds, spent)


def _receive(connection: socket.socket) -> bytes | None:
    """Return the bytes that have arrived; nothing at the end, None if none are there yet."""
    try:
        return connection.recv(READ)
    except BlockingIOError:
        return None


class _Received:
    """Received bytes, in the form in which `http.client` reads them from a socket."""

    def __init__(self, received: bytes) -> None:
        self.received = received

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.received)


def _read(received: bytes, ended: float, took: float) -> Answer:
    answer = HTTPResponse(_Received(received))  # type: ignore[arg-type]  # it uses no other method of a socket
    answer.begin()
    return Answer(answer.status, dict(answer.headers.items()), answer.read(), ended, took)
