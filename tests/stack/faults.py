"""Faults around a running function, for as long as a block lasts."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import psutil

from infra.local.settings import HOST, STAGE
from infra.local.stack import Stack
from tests.stack.visitor import changed


@contextmanager
def configured(stack: Stack, function: str, **variables: str) -> Iterator[None]:
    """Change environment variables of a function. Its processes start again before and after the block."""
    configuration = stack.client("lambda").get_function_configuration(FunctionName=f"guichet-{STAGE}-{function}")
    with changed(stack, function, Environment={"Variables": configuration["Environment"]["Variables"] | variables}):
        yield


def logged(stack: Stack, function: str, word: str, since: datetime) -> bool | None:
    """Return True once a function has logged a line with this word, and None before, for `until`."""
    group, start = f"/aws/lambda/guichet-{STAGE}-{function}", int(since.timestamp() * 1000)
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start)
    return any(word in event["message"] for page in pages for event in page["events"]) or None


Fault = Callable[["Call"], bytes | None]
"""Gets a call before it is forwarded. Returns the answer to give instead of the table's, or None."""


@dataclass(frozen=True)
class Call:
    """One call of a function to the table: its operation, like `UpdateItem`, and the port of the caller."""

    name: str
    port: int


THROTTLED = (
    b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slower"}'
)


@contextmanager
def table_behind(stack: Stack, function: str, fault: Fault) -> Iterator[list[Call]]:
    """Put a proxy with a fault between a function and the table. Yields the list of calls so far."""
    calls: list[Call] = []
    emulator = urlsplit(stack.endpoint)

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
            with closing(HTTPConnection(str(emulator.hostname), emulator.port, timeout=30)) as connection:
                connection.request("POST", self.path, body, dict(self.headers))
                response = connection.getresponse()
                content = response.read()
            self.answer(response.status, content)

        def answer(self, status: int, body: bytes) -> None:
            with suppress(ConnectionError):  # the caller may be gone
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer((HOST, 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with configured(stack, function, AWS_ENDPOINT_URL_DYNAMODB=f"http://{HOST}:{server.server_port}"):
            yield calls
    finally:
        server.shutdown()
        server.server_close()


def kill_caller(call: Call) -> None:
    """Kill the process that made this call, as when the machine of a function fails."""
    connections = [connection for connection in psutil.net_connections("tcp") if connection.laddr]
    pids = [connection.pid for connection in connections if connection.laddr.port == call.port and connection.pid]
    (pid,) = (pid for pid in pids if pid != os.getpid())
    os.kill(pid, signal.SIGKILL)


SHIFTED = """
import datetime

class AnyDatetime(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)

real = datetime.datetime
class Shifted(real, metaclass=AnyDatetime):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(seconds={seconds})

datetime.datetime = Shifted
"""


@contextmanager
def clock_off(stack: Stack, function: str, seconds: float) -> Iterator[None]:
    """Run a function with a clock that is fast by this many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sitecustomize.py").write_text(SHIFTED.format(seconds=seconds))
        with configured(stack, function, PYTHONPATH=folder):
            yield
