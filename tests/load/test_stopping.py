"""Tests of how a signal ends a load program."""

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.deploy.package import ROOT

LINE = "guichet: stopped, and there is no result\n"
BEGIN = f"""
import time
from tests.load import stopping
stopping.stop_with({LINE.strip()!r})
"""
WITH_CLEANUP = f"""{BEGIN}
def clean():
    print("cleaning", flush=True)
    time.sleep(0.6)
    print("half clean", flush=True)

with stopping.cleanup() as cleanup, stopping.cleanup() as inner:
    cleanup.callback(print, "clean", flush=True)
    inner.callback(clean)
    print("working", flush=True)
    time.sleep(%s)
print("the program goes on")
"""
WITH_POOL = f"""{BEGIN.replace("stop_with", "stop_at_once")}
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, initializer=stopping.start_worker) as pool:
    for _ in pool.map(time.sleep, (0, 60, 60, 60)):
        print("working", flush=True)
"""
PROGRAMS = (
    "bench.py",
    "peer.py",
    "rush/__main__.py",
    "rush/table.py",
    "simulation/aws/__main__.py",
    "simulation/storm/compare.py",
)
STOPS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def stop(
    program: str,
    at: str,
    number: signal.Signals,
    times: int = 1,
    send: Callable[[int, int], None] = os.killpg,
) -> tuple[int, list[str], str]:
    """Run a program, and send it a signal after a line. Return its code, its next lines and its errors."""
    process = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    while process.stdout.readline() != f"{at}\n":
        pass
    for _ in range(times):
        send(process.pid, number)
        time.sleep(0.05)
    out, error = process.communicate(timeout=30)
    return process.returncode, out.splitlines(), error


@STOPS
@pytest.mark.parametrize("times", [1, 6])
def test_a_signal_ends_a_program_with_one_line_and_no_further_one_interrupts_its_cleanup(
    number: signal.Signals, times: int
) -> None:
    assert stop(WITH_CLEANUP % 60, "working", number, times) == (
        128 + number,
        ["cleaning", "half clean", "clean"],
        LINE,
    )


@STOPS
def test_a_signal_during_a_cleanup_ends_the_program_after_it(number: signal.Signals) -> None:
    assert stop(WITH_CLEANUP % 0, "cleaning", number) == (128 + number, ["half clean", "clean"], LINE)


@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_processes_of_a_pool_without_a_word(
    number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    began = time.monotonic()
    assert stop(WITH_POOL, "working", number, send=send) == (128 + number, [], LINE)
    assert time.monotonic() - began < 20


def test_a_program_that_ignores_hup_goes_on_after_it_as_with_nohup() -> None:
    program = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{WITH_CLEANUP % 0.5}"
    assert stop(program, "working", signal.SIGHUP) == (
        0,
        ["cleaning", "half clean", "clean", "the program goes on"],
        "",
    )


@STOPS
def test_a_signal_before_a_program_has_started_anything_ends_it_at_once(number: signal.Signals) -> None:
    program = BEGIN.replace("stop_with", "stop_at_once").replace(repr(LINE.strip()), "")
    program += "try:\n    print('working', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleaning')"
    assert stop(program, "working", number) == (128 + number, [], "guichet: stopped\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_minds_signals_before_its_other_imports_and_while_it_works(program: str) -> None:
    text = (ROOT / "tests" / "load" / program).read_text("utf-8")
    _, first, second, *_ = map(ast.unparse, ast.parse(text).body)
    assert first == "from tests.load import stopping"
    assert second == "if __name__ == '__main__':\n    stopping.stop_at_once()"
    assert text.count("stopping.stop_") >= 2


def test_a_rush_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    env = os.environ | {"TMPDIR": str(tmp_path), "VISITORS": "20", "SEATS": "2", "LOCAL": "fast"}
    command = [sys.executable, "-m", "tests.load.rush"]
    with subprocess.Popen(  # noqa: S603 - our own
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as rush:
        assert rush.stdout
        assert rush.stderr
        while not rush.stdout.readline().startswith("20 visitors"):
            pass
        for _ in range(6):
            os.killpg(rush.pid, signal.SIGHUP)
            time.sleep(0.05)
        assert rush.stderr.read() == "guichet: the rush was stopped; there is no verdict\n"
    assert rush.returncode == 129
    assert list(tmp_path.glob("guichet*")) == []
