"""Run a program that cannot outlive its parent: `guard FOLDER PROGRAM...`, with stdin as a pipe from the parent.

When the parent closes the pipe or dies, the guard kills the program and all processes that it started, and removes the
folder. Use it only for a program whose files are worth nothing afterwards.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
POLL_SECONDS = 0.2


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Ask Linux to send this process a signal when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)


def children() -> list[int]:
    """Return the ids of the children of this process; none on a kernel that does not list them."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()]
    except FileNotFoundError:
        return []


def guard(folder: str, program: list[str]) -> None:
    """Run a program until it ends or stdin closes. Kill all that it started, and remove the folder."""
    # Orphans of the program become children of this process, so that they can be found and waited for.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = subprocess.Popen(
        program,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - there is one thread
    )
    while child.poll() is None and not select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
        pass
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # os.wait raises it when no child is left
        while True:
            for orphan in children():  # these have their own process group
                os.kill(orphan, signal.SIGKILL)
            os.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # the parent decides when to stop
    if len(sys.argv) < 3:  # noqa: PLR2004 - the folder and the program
        sys.exit("usage: guard FOLDER PROGRAM...")
    guard(sys.argv[1], sys.argv[2:])
