"""What goes wrong around a running function, for as long as a block lasts."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import psutil

from infra.local.stack import HOST, STAGE, Stack
from tests.stack.visitor import changed


@contextmanager
def configured(stack: Stack, function: str, **variables: str) -> Iterator[None]:
    """A function with other settings in its environment; its processes start again before and after."""
    found = stack.client("lambda").get_function_configuration(FunctionName=f"guichet-{STAGE}-{function}")
    with changed(stack, function, Environment={"Variables": found["Environment"]["Variables"] | variables}):
        yield


def logged(stack: Stack, function: str, word: str, since: datetime) -> bool | None:
    """True once a function has written a line with this word; None before, for `until`."""
    group, began = f"/aws/lambda/guichet-{STAGE}-{function}", int(since.timestamp() * 1000)
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=began)
    return any(word in event["message"] for page in pages for event in page["events"]) or None


Fault = Callable[["Call"], bytes | None]
"""Looks at a call before it is passed on: what to answer instead, or None. It may sleep, or kill who calls."""


@dataclass(frozen=True)
class Call:
    """One call of a function to the table: its name, as `UpdateItem`, and the port that it comes from."""

    name: str
    port: int


THROTTLED = (
    b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slower"}'
)


@contextmanager
def table_behind(stack: Stack, function: str, fault: Fault) -> Iterator[list[Call]]:
    """What a function calls the table for passes by here first; the calls so far."""
    calls: list[Call] = []
    engine = urlsplit(stack.endpoint)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(self.headers["X-Amz-Target"].rpartition(".")[2], self.client_address[1])
            calls.append(call)
            instead = fault(call)
            if instead is not None:
                self.answer(HTTPStatus.BAD_REQUEST, instead)
                return
            onward = HTTPConnection(str(engine.hostname), engine.port, timeout=30)
            onward.request("POST", self.path, body, dict(self.headers))
            came = onward.getresponse()
            self.answer(came.status, came.read())
            onward.close()

        def answer(self, status: int, body: bytes) -> None:
            with suppress(ConnectionError):  # who asked may be gone
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with configured(stack, function, AWS_ENDPOINT_URL_DYNAMODB=f"http://{HOST}:{server.server_port}"):
            yield calls
    finally:
        server.shutdown()
        server.server_close()


def kill_caller(call: Call) -> None:
    """End the process that made this call at once, as a function dies whose machine fails."""
    found = [one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == call.port and one.pid]
    mine = [pid for pid in found if pid != os.getpid()]
    assert len(mine) == 1, found
    os.kill(mine[0], signal.SIGKILL)


SHIFTED = """
import datetime

class Same(type):
    def __instancecheck__(cls, one):
        return isinstance(one, real)

real = datetime.datetime
class Shifted(real, metaclass=Same):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds={seconds})

datetime.datetime = Shifted
"""


@contextmanager
def clock_off(stack: Stack, function: str, seconds: float) -> Iterator[None]:
    """A function whose clock is so many seconds fast."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(SHIFTED.format(seconds=seconds))
        with configured(stack, function, PYTHONPATH=folder):
            yield
