"""Start the emulator in a process that cannot outlive this one, and wait until it answers."""

import errno
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from infra.local import process_guard
from infra.local.settings import HOST, KEYS, REGION, CannotRun, is_free

DISK_NEEDED = 500_000_000
"""Bytes. Every worker of the emulator unpacks the zip of its function."""
DISK_FULL = f"guichet: the disk is full: {tempfile.gettempdir()} needs {DISK_NEEDED // 1_000_000} MB"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack: its URL, the guard process that ends it, and its log."""

    url: str
    guard: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait(self, pause: float = 1.0) -> str:
        """Wait until its process ends or its port is free. Return the log."""
        while self.guard.poll() is None and not is_free(self.port):
            time.sleep(pause)
        return self.logged()

    def logged(self) -> str:
        """Return the log. The guard removes the file when MiniStack ends, but an open file stays readable."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


@contextmanager
def start_emulator(
    port: int, folder: Path, *, smtp: str, auth: bool = True, environ: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Emulator]:
    """Run MiniStack on a port for as long as the block lasts, with all its files in a folder.

    With `auth` it checks the role of every call. `environ` adds to the environment of MiniStack and of the functions.
    """
    here = Path(__file__).parent
    guarded = [sys.executable, str(here / "process_guard.py"), str(folder)]
    command = [*guarded, sys.executable, "-P", str(here / "emulator.py")]
    settings = {
        "AUTH": str(auth).lower(),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "SMTP_HOST": smtp,
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/none",  # MiniStack must not touch the containers of this machine
        "IOT_MTLS_ENABLED": "0",  # would listen on a second port
        "SFTP_ENABLED": "0",  # the same
    }
    env = {**clean_environment(folder), **settings, **environ}
    with (folder / "emulator.log").open("w+b") as log:
        guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, start_new_session=True
        )
        emulator = Emulator(f"http://{HOST}:{port}", guard, log)
        try:
            if not comes_up(f"{emulator.url}/_ministack/health", guard, START_SECONDS):
                guard.communicate()
                raise failure(f"start MiniStack on port {port}", emulator.logged())
            yield emulator
        finally:
            guard.communicate()  # closing its stdin makes the guard end the emulator and its workers


@contextmanager
def guarded(
    words: list[str], folder: Path, environ: Mapping[str, str], log: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program that cannot outlive this process. It writes to the log, or to the terminal."""
    folder.mkdir()
    guard = [sys.executable, process_guard.__file__, str(folder), sys.executable, *words]
    process = subprocess.Popen(
        guard,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        cwd=Path(__file__).parents[2],
        env=environ,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.communicate()  # closing its stdin makes the guard end the program


def clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment without this user's settings, in which all files go into a folder."""
    files = {"HOME": str(folder), "TMPDIR": str(folder)}
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **files, **KEYS, "AWS_DEFAULT_REGION": REGION}


def comes_up(url: str, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait until a process answers at this URL. Return False if it ends first, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.1)  # nothing tells when a server listens
    return True


def answers(url: str, form: bytes | None = None) -> bool:
    """Return whether a server answers at this URL, with any status. A `form` is sent as a POST."""
    try:
        urlopen(url, form, timeout=10).close()  # noqa: S310 - a fixed http URL of this machine
    except HTTPError as error:
        error.close()
        return True
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True


def failure(action: str, log: str) -> CannotRun:
    """Return the error for an action that failed, with the last line of its log."""
    if os.strerror(errno.ENOSPC) in log:
        return CannotRun(DISK_FULL)
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return CannotRun(f"guichet: cannot {action}: {lines[-1] if lines else 'no reason given'}")
