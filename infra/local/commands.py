"""`make run`: start the local stack, print its URLs, and stop everything at the end."""

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from infra.local import practice, practice_day
from infra.local.launcher import DISK_FULL, failure
from infra.local.process_guard import die_with_parent
from infra.local.settings import CannotRun, is_free, read_port
from infra.local.stack import Stack, running

START = timedelta(seconds=30)
"""How long the stack may take to start. One can enter the first draw only then."""


def main() -> None:
    """Run the local stack until Ctrl-C, SIGTERM or the end of the parent process. Exit with 1 when MiniStack ends."""
    die_with_parent()
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's "&" makes Python ignore SIGINT otherwise
        signal.signal(stop, lambda *_: sys.exit(0))
    try:
        port, answer = chosen_port(), os.environ.get("GUICHET_CAPTCHA_ANSWER", "")
        window = practice.first_window(datetime.now(UTC) + START)
        with (
            practice.services(window) as services,
            running(port=port, answer=answer, services=services) as stack,
            practice.windows(stack, services, window),
        ):
            practice_day.fill(stack, datetime.now(UTC))
            print(*summary(stack), practice.line(stack, window), "ready", sep="\n", flush=True)
            if stack.emulator:
                log = stack.emulator.wait()
                print(
                    end_message(log), file=sys.stderr, flush=True
                )  # before the files are removed, which takes seconds
                sys.exit(1)
    except subprocess.CalledProcessError as error:
        raise failure(f"run {' '.join(error.cmd[:4])}", f"{error.stdout}\n{error.stderr}") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CannotRun(DISK_FULL) from error


def chosen_port() -> int:
    """Return the port of GUICHET_PORT, or 0 when it is not set. Raise CannotRun if it cannot be used."""
    port = read_port(os.environ.get("GUICHET_PORT", ""))
    if port and not is_free(port):
        raise CannotRun(f"guichet: port {port} is in use: set GUICHET_PORT to another one")
    return port


def summary(stack: Stack) -> tuple[str, ...]:
    """Return the URLs of a stack, and the command of the operator program for it."""
    port = stack.endpoint.rpartition(":")[2]
    ops = f"GUICHET_PORT={port} .venv/bin/python -m infra.ops --help"
    return (
        f"page: {stack.api}/",
        f"api: {stack.api}",
        f"inbox: {stack.inbox}",
        f"desk: {stack.api}/desk",
        f"ops: {ops}",
    )


def end_message(log: str) -> str:
    """Return the message for a MiniStack that ended by itself, from its log."""
    if os.strerror(errno.ENOSPC) in log:
        return DISK_FULL
    return "guichet: MiniStack ended, and all bookings are lost: start it again with `make run`"
