"""Run a program that cannot outlive its parent: `guard FOLDER PROGRAM...`, with the parent at the other end of stdin.

When the parent closes that pipe, or dies in whatever way, the program and all that it started are killed and the
folder is removed. Meant for a program whose state is worth nothing afterwards.
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
PAUSE = 0.2  # seconds between two looks at the program


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Ask Linux for this signal when the process that started this one ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)


def children() -> list[int]:
    """Return the ids of the children of this process; none on a kernel that does not list them."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split()]
    except FileNotFoundError:
        return []


def guard(folder: str, program: list[str]) -> None:
    """Run the program until it ends or stdin closes; nothing of it is left afterwards."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # its orphans become children here, and can be waited for
    child = subprocess.Popen(
        program,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - there is one thread
    )
    while child.poll() is None and not select.select([sys.stdin], [], [], PAUSE)[0]:
        pass
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # there is no child left
        while True:
            for orphan in children():  # those that have a process group of their own
                os.kill(orphan, signal.SIGKILL)
            os.wait()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked, signal.SIG_IGN)  # the parent decides
    if len(sys.argv) < 3:  # noqa: PLR2004 - the folder and the program
        sys.exit("usage: guard FOLDER PROGRAM...")
    guard(sys.argv[1], sys.argv[2:])
