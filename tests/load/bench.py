"""What the service costs, beside floors, aims and the run before: `python -m tests.load.bench [--record WORDS]`.

Prints a table and writes build/bench.json: `units` (calls, writes, reads) of each step of a booking and `handlers` (the
same) of each handler; `cpu_ms` of each handler, warm; `pace_ms` of a fixed piece of Python, to compare machines by;
`call_ms` of one call of the table by botocore alone; `load_ms` of each function (`import`, and with its `first`
request); `bytes` of each handler's answer, gzip; `zip_bytes`; `dollars`, `dollars_behind_the_edge` and there
`dollars_billed`, by service.
--record keeps the run in docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import asdict
from pathlib import Path
from typing import Any

# The first names the table that the others read.
from tests.load.units import fresh_table, somewhere

# isort: split
from chalicelib.web import clock
from infra.deploy.package import BUILD, ROOT, package
from tests.load import handlers, prices
from tests.load.simulation.inputs import PRICES_AS_OF

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BOOKING = ("create", "hold", "captcha", "details", "mail mark 1", "confirm", "mail mark 2")
VISITORS, WINNERS = 100_000, 1_000
LOOKED = ("notice", "style sheet", "script", "calendar page")
"""What everybody asks for; then a place: WON or LOST."""
KEPT = ("style sheet", "script", "calendar page")
"""What the edge answers."""
LOST = ("hold page, refused",)
WON: tuple[str, ...] = (
    "hold page",
    "captcha page",
    "captcha answer",
    "details page",
    "check page",
    "details sent",
    "details page",
)
WON += ("request page", "confirm", "request page")
MISS, MISS_OF_A_WEEK = "calendar JSON, first of a second", "calendar JSON of a week, first of a second"
MISS_OF_A_MINUTE = "calendar JSON, first of a minute"
LOSERS_WRITES = 0.2  # units each, those who lose at the table: the aim; `make rush` measures it
FLOORS_AND_AIMS: dict[str, tuple[float | None, float | None]] = {
    "write units of a booking": (6, 9),
    "write units of a booking, the visitor's ticket and count with it": (6, 9),
    "write units of a hold": (1, 1),
    "calls of a hold": (1, 1),
    "write units of who is refused from memory": (0, 0),
    "read units of a calendar of a week, first of a second": (None, 10),
    "bytes of the calendar page, gzip": (None, 4096),
    "CPU ms, calendar page": (None, 2),
    "CPU ms, calendar JSON": (None, 2),
    "CPU ms, hold page": (0.5, 2),
    "CPU ms, hold JSON": (0.5, 2),
    "CPU ms, hold JSON, without ticket and count": (0.5, 2),
    "CPU ms, captcha page": (None, 6),
    "CPU ms to load hold, with its first request": (225, 300),
    "MB of the zip": (None, 15),
    "dollars for 100,000 visitors on 1,000 seats": (0.23, 1.35),
    "dollars for the same behind the edge": (0.23, 1.35),
    "dollars for the same, less what AWS gives each month": (0.23, 1.35),
}
PACE = "CPU ms, a fixed piece of Python"
HISTORY = (
    PACE,
    *("CPU ms, calendar page", "CPU ms, calendar page, first of a second", "CPU ms, hold page"),
    *("CPU ms, hold page, refused", "CPU ms, captcha page", "CPU ms to load hold, with its first request"),
    *("read units of a calendar, first of a second", "write units of a booking", "MB of the zip"),
    "dollars for 100,000 visitors on 1,000 seats",
)


def run() -> dict[str, Any]:
    """Measure everything."""
    template = package("laptop")
    packed = template.with_name("deployment.zip")
    with somewhere():
        with fresh_table():
            cases = handlers.Monday().cases()
            with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):  # one line a call
                pace, bare, cpu = handlers.pace(), handlers.bare_call(), handlers.warm(cases)
                steps, sizes = handlers.asked(cases)
            loads = handlers.loads(cases, packed)
        booked = steps_of_a_booking()
    seen: dict[str, Any] = {
        "units": booked,
        "handlers": {name: asdict(step) for name, step in steps.items()},
        "pace_ms": pace,
        "call_ms": bare,
        "cpu_ms": cpu,
        "load_ms": loads,
        "bytes": sizes,
        "zip_bytes": packed.stat().st_size,
    }
    behind, billed = dollars(seen, cases, edge=True), dollars(seen, cases, edge=True, given=prices.EACH_MONTH)
    return {**seen, "dollars": dollars(seen, cases), "dollars_behind_the_edge": behind, "dollars_billed": billed}


def steps_of_a_booking() -> dict[str, dict[str, Any]]:
    """What tests/load/units.py counts, in a process without the limits of a stage: the seat and the request alone."""
    env = {name: value for name, value in os.environ.items() if name != "GUICHET_ORIGIN_HOLDS"}
    command = [sys.executable, "-m", "tests.load.units", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return {step["name"]: step for step in json.loads(done.stdout)}


def dollars(
    seen: Mapping[str, Any],
    cases: Mapping[str, handlers.Case],
    *,
    edge: bool = False,
    given: prices.Given = prices.NOTHING,
) -> dict[str, float]:
    """The bill of VISITORS on WINNERS seats, each of whom comes once and does not wait on the calendar.

    An edge keeps the files, and asks for the calendar once a second.
    """
    memory = memories()
    uses = {
        name: prices.Use(cpu, seen["handlers"][name]["calls"], seen["bytes"][name], memory[cases[name].function])
        for name, cpu in seen["cpu_ms"].items()
    }
    requests = dict.fromkeys(LOOKED, float(VISITORS)) | dict.fromkeys(LOST, float(VISITORS - WINNERS))
    for name in WON:
        requests[name] = requests.get(name, 0) + WINNERS
    kept = {name: requests.pop(name) for name in KEPT} if edge else None
    if edge:
        requests["calendar page"] = prices.SECONDS
    readers = prices.ENVIRONMENTS + (1 if edge else prices.ENVIRONMENTS)  # of hold and of slots
    loaded = (
        seen["load_ms"][name]["first"] / 1000 * max(1, prices.FULL_CORE / memory[name]) * memory[name] / 1024
        for name in ("page", "slots", "hold", "captcha", "request")
    )
    read = {name: seen["handlers"][name]["reads"] * WINNERS / handlers.SEATS for name in (MISS, MISS_OF_A_MINUTE)}
    misses = prices.SECONDS * read[MISS] + prices.SECONDS / 60 * (read[MISS_OF_A_MINUTE] - read[MISS])
    return prices.bill(
        requests,
        uses,
        writes=written(seen) * WINNERS + LOSERS_WRITES * (VISITORS - WINNERS),
        reads=sum(seen["units"][name]["reads"] for name in BOOKING) * WINNERS + misses * readers,
        letters=2 * WINNERS,
        load_gb_seconds=sum(loaded) * prices.ENVIRONMENTS,
        kept=kept,
        given=given,
    )


def written(seen: Mapping[str, Any]) -> float:
    """Write units of a booking by a visitor with a ticket, from an address that is counted."""
    visitor = seen["handlers"]["hold page"]["writes"] - seen["units"]["hold"]["writes"]
    return float(sum(seen["units"][name]["writes"] for name in BOOKING) + visitor)


def memories() -> dict[str, int]:
    """MB of each function."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    own = {
        name: of.get("lambda_memory_size", config["lambda_memory_size"])
        for name, of in config["lambda_functions"].items()
    }
    return {**own, "page": own["api_handler"]}


def rows(seen: Mapping[str, Any]) -> dict[str, float]:
    """The figures by the words of their rows."""
    units = seen["units"]
    return {
        "write units of a booking": sum(units[name]["writes"] for name in BOOKING),
        "write units of a booking, the visitor's ticket and count with it": written(seen),
        "read units of a booking": sum(units[name]["reads"] for name in BOOKING),
        "write units of a hold": units["hold"]["writes"],
        "calls of a hold": units["hold"]["calls"],
        "write units of a hold, the visitor's ticket and count with it": seen["handlers"]["hold page"]["writes"],
        "write units of who is refused from memory": units["loser of the memory"]["writes"],
        "write units of who is refused at the table": units["loser of the table"]["writes"],
        "read units of a calendar of a week, first of a second": seen["handlers"][MISS_OF_A_WEEK]["reads"],
        "read units of a calendar, first of a second": seen["handlers"][MISS]["reads"],
        "read units of a calendar, first of a minute": seen["handlers"][MISS_OF_A_MINUTE]["reads"],
        **{
            f"bytes of the {name}, gzip": size
            for name, size in seen["bytes"].items()
            if size and "first of" not in name
        },
        PACE: seen["pace_ms"],
        "CPU ms, one call of the table by botocore alone": seen["call_ms"],
        **{f"CPU ms, {name}": ms for name, ms in seen["cpu_ms"].items()},
        "CPU ms to import app.py": seen["load_ms"]["hold"]["import"],
        **{f"CPU ms to load {name}, with its first request": ms["first"] for name, ms in seen["load_ms"].items()},
        "MB of the zip": seen["zip_bytes"] / 1e6,
        **{f"dollars, {name}": value for name, value in seen["dollars"].items() if name != "total"},
        "dollars for 100,000 visitors on 1,000 seats": seen["dollars"]["total"],
        "dollars for the same behind the edge": seen["dollars_behind_the_edge"]["total"],
        "dollars for the same, less what AWS gives each month": seen["dollars_billed"]["total"],
    }


def short(value: float | None) -> str:
    """A figure with three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def table(figures: Mapping[str, float], before: Mapping[str, str]) -> Iterator[str]:
    """Lines of Markdown; an aim that is missed is marked."""
    yield "| | floor | aim | now | last recorded |"
    yield "|---|--:|--:|--:|--:|"
    for name, value in figures.items():
        floor, aim = FLOORS_AND_AIMS.get(name, (None, None))
        missed = " (missed)" if aim is not None and value > aim else ""
        yield f"| {name} | {short(floor)} | {short(aim)} | {short(value)}{missed} | {before.get(name, '–')} |"


def recorded(document: str) -> tuple[dict[str, str], list[str]]:
    """The figures and the lines of history of a document of before."""
    now, _, past = document.partition("## Earlier")
    figures = {cells[1]: cells[4].removesuffix(" (missed)") for cells in _cells(now) if len(cells) == 7 and cells[1]}
    return figures, [line for line in past.splitlines() if re.match(r"\| \d", line)]


def _cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.split("|")]


def machine() -> str:
    """Cores, processor, Python and the load, no names."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text() if info.exists() else "")
    core = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores of {core}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def write(figures: Mapping[str, float], words: str) -> None:
    """Keep this run, and a line of those before."""
    old = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
    before, history = recorded(old)
    day = f"{clock.now():%Y-%m-%d}"
    history.append(f"| {day} {words} | " + " | ".join(short(figures[name]) for name in HISTORY) + " |")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench RECORD=words`; `make bench` prints the same table.",
        "",
        f"Recorded {day} on {machine()}. Prices of {PRICES_AS_OF}, us-east-1.",
        "",
        *table(figures, before),
        "",
        EXPLAINED,
        "## Earlier and now",
        "",
        "| | " + " | ".join(HISTORY) + " |",
        "|---|" + "--:|" * len(HISTORY),
        *history,
        "",
    ]
    DOCUMENT.write_text("\n".join(lines), "utf-8")


EXPLAINED = """
How it is measured:

- **Units and calls** are those of one booking of the service AES (`tests/load/units.py`): the engine's own count, and
  for a Query the sizes of its items.
- **CPU** is process CPU time around one call of a function's entry point with an event of API Gateway; the table is an
  engine in another process. The lowest of five medians. A machine that others use as well makes all of it up to twice
  as much: compare by the fixed piece of Python. The service has 200 seats a week in 100 slots; the weeks before
  the last open one are taken, and a calendar for which no week is named reads them too, once a second.
- **To load** is a fresh interpreter that imports `app.py` out of the zip and then answers one request, for which it
  makes the client. The lowest of eleven. Neither TLS to the table nor Lambda's own start is in it.
- **Dollars**: 99,000 people open notice, style sheet, script and calendar and are refused once; 1,000 book to the end.
  List prices, 5 ms of waiting a call of the table, 100 environments of each function for 300 seconds, and 0.2 write
  units for each who is refused (an aim, which `make rush` measures). The edge keeps style sheet, script and calendar;
  its web ACL is in it by the request. AWS gives every account 10,000,000 requests and 1 TB at the edge, 1,000,000 calls
  and 400,000 GB-seconds of Lambda and 5 GB of logs a month: what is left is what a Monday adds to the bill. What a
  stage costs by the month is in docs/operations.md.
"""


def main() -> None:
    """Measure, print, and keep what was asked to be kept."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--record", metavar="WORDS", help="keep this run in docs/benchmarks.md under these words")
    wish = asked.parse_args()
    seen = run()
    (BUILD / "bench.json").write_text(json.dumps(seen, indent=1), "utf-8")
    figures = rows(seen)
    before, _ = recorded(DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else "")
    print(machine(), *table(figures, before), sep="\n")
    if wish.record:
        write(figures, "" if wish.record == "1" else wish.record)


if __name__ == "__main__":
    main()
