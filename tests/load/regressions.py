"""Compare the CPU times of a benchmark with the recorded ones, as ratios to a bare call of botocore in the same run.

Another machine, or another load of this one, changes a CPU time and the bare call alike.
"""

from collections.abc import Iterator, Mapping

BARE = "CPU ms, one call of the table by botocore alone"
PACE = "CPU ms, a fixed piece of Python"
TOLERATED = 0.15
SMALL, LARGE = 600, 10_000
"""The seats of the services whose first calendars are compared."""
CALENDARS = {f"first calendar {kind}, CPU for {LARGE:,} seats ÷ CPU for {SMALL}": kind for kind in ("JSON", "page")}
"""The rows that compare them."""


class CannotCompare(Exception):
    """Raised when one of the runs has no bare call to divide by. The message is one line."""


def first_calendar(kind: str, seats: int) -> str:
    """Return the name of the row of a first calendar."""
    return f"first calendar {kind} of {seats:,} seats"


def calendar_ratios(measured: Mapping[str, float]) -> dict[str, float]:
    """Return how many first calendars of the small service one of the large service costs, by the name of its row."""
    return {
        row: measured[first_calendar(kind, LARGE)] / measured[first_calendar(kind, SMALL)]
        for row, kind in CALENDARS.items()
    }


def slower(now: Mapping[str, float], recorded: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each row that became slower by more than TOLERATED. A row that was not recorded is not compared.

    `recorded` has the cells of the table in docs/benchmarks.md. Raises CannotCompare.
    """
    before = {name: number for name, cell in recorded.items() if (number := _number(cell))}
    if not now.get(BARE) or BARE not in before:
        raise CannotCompare(f"guichet: `{BARE}` is not recorded: run make bench RECORD=words first")
    for name, value in now.items():
        if name not in before or not _is_compared(name):
            continue
        ratio, ratio_before = value / now[BARE], before[name] / before[BARE]
        if ratio > ratio_before * (1 + TOLERATED):
            yield f"{name}: {ratio:.3g} bare calls, recorded {ratio_before:.3g} (+{ratio / ratio_before - 1:.0%})"


def report(now: Mapping[str, float], recorded: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the lines about what became slower, and the exit code for --check: 1 for anything, or no comparison."""
    try:
        rows = list(slower(now, recorded))
    except CannotCompare as reason:
        return [str(reason)], 1
    new = [
        f"Not recorded, so not compared: {name}"
        for name in now
        if _is_compared(name) and not _number(recorded.get(name, ""))
    ]
    if not rows:
        kept = f"No row is slower than recorded by more than {TOLERATED:.0%}, measured in bare calls of botocore."
        return [kept, *new], 0
    return [f"Slower than recorded by more than {TOLERATED:.0%}, measured in bare calls of botocore:", *rows, *new], 1


def _is_compared(name: str) -> bool:
    return name.startswith("CPU ms") and name not in {BARE, PACE}


def _number(cell: str) -> float | None:
    """Read a cell of the table; None for a figure that was not measured."""
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return None
