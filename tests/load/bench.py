"""Measure what the service costs, and compare with floors, aims and the last record: `python -m tests.load.bench`.

Prints a table, and writes build/bench.json: `units` (calls, writes, reads) of each step of a booking, and `handlers`,
the same of each handler; `cpu_ms` of each warm handler; `pace_ms` of a fixed piece of Python, to compare machines;
`desk_cpu_ms` of use cases of the desk; `calendar_cpu_ms` of first calendars of 600 and 10,000 seats; `call_ms` of one
call to the table by botocore alone; `load_ms` of each function (`import`, and with its `first` request); `bytes` of
each handler's answer, gzip; `zip_bytes`; and the bill by AWS service: `dollars`, `dollars_behind_the_cdn` (with the
CDN), and `dollars_billed` (the same beyond the free tier).
Names what became slower than recorded by more than 15 %, each row divided by the bare call of the same run.
--record WORDS adds the run to docs/benchmarks.md under this title. --check exits with 1 if something became slower.
"""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

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

# This import sets the environment that the imports below read.
from tests.load.units import fresh_table, somewhere

# isort: split
from chalicelib.web import clock
from infra.deploy.package import BUILD, ROOT, package
from tests.load import calendars, desk, handlers, prices, regressions
from tests.load.pages import check_sections, write_sections
from tests.load.regressions import BARE, PACE

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BOOKING = ("create", "hold", "captcha", "details", "mail mark 1", "confirm", "mail mark 2")
VISITORS, WINNERS = 100_000, 1_000
EVERYBODY = ("notice", "style sheet", "script", "calendar page")
"""The requests of every visitor. Then follow those of WON or LOST."""
CACHED = ("style sheet", "script", "calendar page")
"""The requests that the CDN answers."""
LOST = ("hold page, refused", "calendar page, refused")
WON: tuple[str, ...] = (
    "hold page",
    "captcha page",
    "captcha answer",
    "details page",
    "details to check",
    "check page",
    "details sent",
    "details page",
)
WON += ("request page", "confirm", "request page")
MISS, MISS_OF_A_WEEK = "calendar JSON, first of a second", "calendar JSON of a week, first of a second"
MISS_OF_A_MINUTE = "calendar JSON, first of a minute"
LOSER_WRITES = 0.2  # write units per refused visitor: an aim, which `make rush` measures
FLOORS_AND_AIMS: dict[str, tuple[float | None, float | None]] = {
    "write units of a booking": (6, 9),
    "write units of a booking, with visitor token and client count": (6, 9),
    "write units of a hold": (1, 1),
    "calls of a hold": (1, 1),
    "write units of who is refused from the cache": (0, 0),
    "read units of a calendar of a week, first of a second": (None, 10),
    "bytes of the calendar page, gzip": (None, 4096),
    "CPU ms, calendar page": (None, 2),
    "CPU ms, calendar JSON": (None, 2),
    "CPU ms, hold page": (0.5, 2),
    "CPU ms, hold JSON": (0.5, 2),
    "CPU ms, hold JSON, without visitor token and client count": (0.5, 2),
    "CPU ms, captcha page": (None, 6),
    "CPU ms, the list of 300 appointments": (None, 100),
    **dict.fromkeys(regressions.CALENDARS, (None, 5)),
    "CPU ms to load hold, with its first request": (225, 300),
    "MB of the zip": (None, 15),
    "dollars for 100,000 visitors on 1,000 seats": (0.23, 1.35),
    "dollars for the same behind the CDN": (0.23, 1.35),
    "dollars for the same, less what AWS gives each month": (0.23, 1.35),
}
HISTORY = (
    PACE,
    *("CPU ms, calendar page", "CPU ms, calendar page, first of a second", "CPU ms, hold page"),
    *("CPU ms, hold page, refused", "CPU ms, captcha page", "CPU ms to load hold, with its first request"),
    *("read units of a calendar, first of a second", "write units of a booking", "MB of the zip"),
    "dollars for 100,000 visitors on 1,000 seats",
)


def run() -> dict[str, Any]:
    """Measure all figures."""
    template = package("laptop")
    package_file = template.with_name("deployment.zip")
    with somewhere():
        with fresh_table():
            monday = handlers.Monday()
            cases = monday.cases()
            with Path(os.devnull).open("w") as sink, redirect_stderr(sink):  # each call logs a line
                pace, bare, cpu = handlers.pace(), handlers.bare_call(), handlers.warm(cases)
                steps, sizes = handlers.count_units(cases)
                desk_cpu = desk.cpu(monday.service, clock.now())
            loads = handlers.loads(cases, package_file)
        with fresh_table(), Path(os.devnull).open("w") as sink, redirect_stderr(sink):
            calendar_cpu = calendars.cpu()
        booking_steps = steps_of_a_booking()
    figures: dict[str, Any] = {
        "units": booking_steps,
        "handlers": {name: asdict(step) for name, step in steps.items()},
        "pace_ms": pace,
        "call_ms": bare,
        "cpu_ms": cpu,
        "desk_cpu_ms": desk_cpu,
        "calendar_cpu_ms": calendar_cpu,
        "load_ms": loads,
        "bytes": sizes,
        "zip_bytes": package_file.stat().st_size,
    }
    return {
        **figures,
        "dollars": dollars(figures, cases),
        "dollars_behind_the_cdn": dollars(figures, cases, cdn=True),
        "dollars_billed": dollars(figures, cases, cdn=True, free=prices.MONTHLY_FREE_TIER),
    }


def steps_of_a_booking() -> dict[str, dict[str, Any]]:
    """Return the steps that tests/load/units.py counts, without the limits of a stage, which cost more units."""
    env = {name: value for name, value in os.environ.items() if name != "GUICHET_ORIGIN_HOLDS"}
    command = [sys.executable, "-m", "tests.load.units", "--json"]
    process = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return {step["name"]: step for step in json.loads(process.stdout)}


def dollars(
    figures: Mapping[str, Any],
    cases: Mapping[str, handlers.Case],
    *,
    cdn: bool = False,
    free: prices.FreeTier = prices.NO_FREE_TIER,
) -> dict[str, float]:
    """Compute the bill of VISITORS on WINNERS seats. Each visitor comes once and does not reload the calendar.

    A CDN caches the static files, and reads the calendar once a second.
    """
    memory = memories()
    uses = {
        name: prices.Use(cpu, figures["handlers"][name]["calls"], figures["bytes"][name], memory[cases[name].function])
        for name, cpu in figures["cpu_ms"].items()
    }
    requests = dict.fromkeys(EVERYBODY, float(VISITORS)) | dict.fromkeys(LOST, float(VISITORS - WINNERS))
    for name in WON:
        requests[name] = requests.get(name, 0) + WINNERS
    cached = {name: requests.pop(name) for name in CACHED} if cdn else None
    if cdn:
        requests["calendar page"] = prices.SECONDS
    readers = prices.ENVIRONMENTS + (1 if cdn else prices.ENVIRONMENTS)  # of hold and of slots
    loaded = (
        figures["load_ms"][name]["first"] / 1000 * max(1, prices.FULL_CORE / memory[name]) * memory[name] / 1024
        for name in ("page", "slots", "hold", "captcha", "request")
    )
    read_units = {
        name: figures["handlers"][name]["reads"] * WINNERS / handlers.SEATS for name in (MISS, MISS_OF_A_MINUTE)
    }
    misses = prices.SECONDS * read_units[MISS] + prices.SECONDS / 60 * (read_units[MISS_OF_A_MINUTE] - read_units[MISS])
    return prices.bill(
        requests,
        uses,
        writes=written(figures) * WINNERS + LOSER_WRITES * (VISITORS - WINNERS),
        reads=sum(figures["units"][name]["reads"] for name in BOOKING) * WINNERS + misses * readers,
        letters=2 * WINNERS,
        load_gb_seconds=sum(loaded) * prices.ENVIRONMENTS,
        cached=cached,
        free=free,
    )


def written(figures: Mapping[str, Any]) -> float:
    """Return the write units of a booking, with those of the visitor token and of the client network's counter."""
    counters = figures["handlers"]["hold page"]["writes"] - figures["units"]["hold"]["writes"]
    return float(sum(figures["units"][name]["writes"] for name in BOOKING) + counters)


def memories() -> dict[str, int]:
    """Return the memory of each function in MB."""
    config = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    sizes = {
        name: function.get("lambda_memory_size", config["lambda_memory_size"])
        for name, function in config["lambda_functions"].items()
    }
    return {**sizes, "page": sizes["api_handler"]}


def rows(measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures by the names of their rows."""
    units = measured["units"]
    return {
        "write units of a booking": sum(units[name]["writes"] for name in BOOKING),
        "write units of a booking, with visitor token and client count": written(measured),
        "read units of a booking": sum(units[name]["reads"] for name in BOOKING),
        "write units of a hold": units["hold"]["writes"],
        "calls of a hold": units["hold"]["calls"],
        "write units of a hold, with visitor token and client count": measured["handlers"]["hold page"]["writes"],
        "write units of who is refused from the cache": units["loser of the memory"]["writes"],
        "write units of who is refused at the table": units["loser of the table"]["writes"],
        "read units of a calendar of a week, first of a second": measured["handlers"][MISS_OF_A_WEEK]["reads"],
        "read units of a calendar, first of a second": measured["handlers"][MISS]["reads"],
        "read units of a calendar, first of a minute": measured["handlers"][MISS_OF_A_MINUTE]["reads"],
        **{
            f"bytes of the {name}, gzip": size
            for name, size in measured["bytes"].items()
            if size and "first of" not in name
        },
        PACE: measured["pace_ms"],
        BARE: measured["call_ms"],
        **{f"CPU ms, {name}": ms for name, ms in measured["cpu_ms"].items()},
        **{f"CPU ms, {name}": ms for name, ms in measured["desk_cpu_ms"].items()},
        **{f"CPU ms, {name}": ms for name, ms in measured["calendar_cpu_ms"].items()},
        **regressions.calendar_ratios(measured["calendar_cpu_ms"]),
        "CPU ms to import app.py": measured["load_ms"]["hold"]["import"],
        **{f"CPU ms to load {name}, with its first request": ms["first"] for name, ms in measured["load_ms"].items()},
        "MB of the zip": measured["zip_bytes"] / 1e6,
        **{f"dollars, {name}": value for name, value in measured["dollars"].items() if name != "total"},
        "dollars for 100,000 visitors on 1,000 seats": measured["dollars"]["total"],
        "dollars for the same behind the CDN": measured["dollars_behind_the_cdn"]["total"],
        "dollars for the same, less what AWS gives each month": measured["dollars_billed"]["total"],
    }


def short(value: float | None) -> str:
    """Format a figure with three significant digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def table(figures: Mapping[str, float], before: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the Markdown table. A missed aim is marked."""
    yield "| | floor | aim | now | last recorded |"
    yield "|---|--:|--:|--:|--:|"
    for name, value in figures.items():
        floor, aim = FLOORS_AND_AIMS.get(name, (None, None))
        missed = " (missed)" if aim is not None and value > aim else ""
        yield f"| {name} | {short(floor)} | {short(aim)} | {short(value)}{missed} | {before.get(name, '–')} |"


def recorded(document: str) -> tuple[dict[str, str], list[str]]:
    """Read the figures and the history lines of docs/benchmarks.md."""
    current, _, history = document.partition("## Earlier")
    figures = {
        cells[1]: cells[4].removesuffix(" (missed)") for cells in _cells(current) if len(cells) == 7 and cells[1]
    }
    return figures, [line for line in history.splitlines() if re.match(r"\| \d", line)]


def _cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.split("|")]


def machine() -> str:
    """Describe this machine without its name: cores, processor, Python and load."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text() if info.exists() else "")
    processor = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores of {processor}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def write(figures: Mapping[str, float], title: str) -> None:
    """Write this run into docs/benchmarks.md, and add it to the history."""
    before, history = recorded(DOCUMENT.read_text("utf-8"))
    day = f"{clock.now():%Y-%m-%d}"
    history.append(f"| {day} {title} | " + " | ".join(short(figures[name]) for name in HISTORY) + " |")
    source = f"Recorded {day} on {machine()}. Prices of {prices.AS_OF}, us-east-1."
    head = ["| | " + " | ".join(HISTORY) + " |", "|---|" + "--:|" * len(HISTORY)]
    sections = {"figures": "\n".join([source, "", *table(figures, before)]), "history": "\n".join([*head, *history])}
    write_sections(DOCUMENT, sections)


def main() -> None:
    """Measure, compare and print the figures, and record them with --record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", metavar="WORDS", help="add this run to docs/benchmarks.md under this title")
    parser.add_argument("--check", action="store_true", help="exit with 1 if something became slower")
    options = parser.parse_args()
    stopping.stop_with("guichet: the measurement was stopped; nothing is recorded")
    check_sections(DOCUMENT, ["figures", "history"])
    measured = run()
    (BUILD / "bench.json").write_text(json.dumps(measured, indent=1), "utf-8")
    figures = rows(measured)
    before, _ = recorded(DOCUMENT.read_text("utf-8"))
    comparison, code = regressions.report(figures, before)
    print(machine(), *table(figures, before), "", *comparison, sep="\n")
    if options.record:
        write(figures, "" if options.record == "1" else options.record)
    if options.check:
        sys.exit(code)


if __name__ == "__main__":
    main()
