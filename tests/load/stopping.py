"""How INT, TERM and HUP end a load program: with one line, an undisturbed cleanup, and exit code 128 plus the number.

A program begins with `stop_at_once`, before its other imports, and calls `stop_with` as soon as it starts something.
This module imports little, because a signal before `stop_at_once` shows a traceback.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STDERR = 2
"""Its descriptor: `sys.stderr` may be redirected."""


class Cleanups:
    """How many cleanups are running, and the exit code of the signal that waits for their end; 0 if there is none."""

    running = 0
    waiting = 0


def stop_at_once(line: str = "guichet: stopped") -> None:
    """Let a signal print this line, and end the program where it is, with its pools. It may have no other cleanup.

    An exception would be lost in a callback of the import system, and a pool shows one more when it ends early.
    """
    _handle(os._exit, line)


def stop_with(line: str) -> None:
    """Let the first signal print this line, and end the program with its cleanup. Further signals do nothing."""
    _handle(_exit, line)


def _handle(end: Callable[[int], object], line: str) -> None:
    def stop(number: int, _: FrameType | None) -> None:
        _set(lambda *_: None)  # SIG_IGN would be inherited by the programs that a cleanup starts
        with suppress(OSError):  # the terminal may be gone
            os.write(STDERR, f"{line}\n".encode())
        if pools := sys.modules.get("multiprocessing"):
            for worker in pools.active_children():  # a pool would wait until they have done all their work
                worker.kill()
        end(128 + number)

    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` ignores it
            signal.signal(number, stop)
    atexit.register(_set, signal.SIG_IGN)  # what Python does then is no place for an exception


def _exit(code: int) -> None:
    if not Cleanups.running:
        sys.exit(code)
    Cleanups.waiting = code


def _set(handler: Handler) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


@contextmanager
def cleanup() -> Iterator[ExitStack]:
    """Yield a stack whose callbacks no signal interrupts. A signal ends the program after them."""
    try:
        with ExitStack() as stack:
            try:
                yield stack
            finally:
                Cleanups.running += 1
    finally:
        Cleanups.running -= 1
        if Cleanups.waiting and not Cleanups.running:
            sys.exit(Cleanups.waiting)


def start_worker() -> None:
    """Let a process of a pool end without a word at a signal."""
    _set(signal.SIG_DFL)
