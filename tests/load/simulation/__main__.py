"""Beyond this machine: `make simulate` plays nine Mondays and writes the tables and plots of docs/capacity.md."""

import json
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from infra.deploy.package import ROOT
from infra.tools.command_line import no_arguments
from tests.load.simulation import against, plots
from tests.load.simulation.inputs import Crowd, Limits, costs, recorded
from tests.load.simulation.rush import Monday, Result

PAGE = ROOT / "docs" / "capacity.md"
BUILD = ROOT / "build" / "simulation.json"
VISITORS, SEATS = (10_000, 100_000, 1_000_000), (100, 1_000, 10_000)
DESKS = {100: 2, 1_000: 4, 10_000: 20}
FAST = Limits(edge=True, shared=True, window=200)
QUOTAS = replace(
    FAST,
    gateway=50_000,
    gateway_burst=25_000,
    concurrency=5_000,
    table_writes=10_000,
    table_reads=30_000,
    mails=100,
    retry_after=(1, 10),
)
LAST = "and quotas asked"
LADDER = {
    "today": Limits(),
    "an edge": Limits(edge=True),
    "and the calendar as one item": Limits(edge=True, shared=True),
    "and first free among 200": FAST,
    LAST: QUOTAS,
    "and a key a day": replace(QUOTAS, partitions=5),
}
STEPS = ((100_000, 1_000), (100_000, 10_000))
Case = tuple[str, int, int]


def play(case: Case) -> tuple[Case, Result]:
    """One Monday."""
    name, visitors, seats = case
    began = time.monotonic()
    done = Monday(Crowd(visitors, seats, desks=DESKS[seats]), LADDER[name], costs(recorded())).run()
    print(f"{name}: {visitors:,} on {seats:,}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return case, replace(done, held_at=plots.thin(done.held_at), known_at=plots.thin(done.known_at))


def seconds(value: float | None) -> str:
    """For people."""
    if value is None:
        return "never"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.0f} min"


def row(case: Case, of: Result) -> list[str]:
    """A line of the table of the nine."""
    told, waits = of.tally.told, of.waits
    return [
        f"{case[1]:,}",
        f"{case[2]:,}",
        f"{of.held:,}",
        seconds(of.drain),
        f"{of.attempts_per_win:.1f}",
        f"{told['taken']:,}",
        f"{told['nothing free']:,}",
        f"{told['429 gateway']:,}",
        f"{told['429 table']:,}",
        f"{told['503 no environment']:,}",
        f"{of.outcomes['gave up']:,}",
        " / ".join(seconds(waits[name]) for name in ("p50", "p95", "p99")),
        seconds(of.last_mail),
        f"{of.tally.dollars():.2f}",
    ]


HEAD = [
    "visitors",
    "seats",
    "held",
    "drained in",
    "attempts a win",
    "taken",
    "nothing free",
    "429 gateway",
    "429 table",
    "503",
    "gave up",
    "knows after p50 / p95 / p99",
    "last letter",
    "$",
]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ladder_row(name: str, of: Result) -> list[str]:
    """A line of what a mending brings."""
    told = of.tally.told
    return [
        name,
        f"{of.held:,}",
        seconds(of.drain),
        f"{of.attempts_per_win:.1f}",
        f"{told['429 gateway'] + told['429 table'] + told['503 no environment']:,}",
        f"{of.outcomes['gave up']:,}",
        " / ".join(seconds(of.waits[name]) for name in ("p50", "p95", "p99")),
        seconds(of.last_mail),
        f"{of.tally.dollars():.2f}",
    ]


LADDER_HEAD = [
    "with",
    "held",
    "drained in",
    "attempts a win",
    "429 and 503",
    "gave up",
    "knows after p50 / p95 / p99",
    "last letter",
    "$",
]


def put(page: str, name: str, text: str) -> str:
    """The page with another text between two marks."""
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    changed, count = re.subn(
        f"{begin}.*?{end}", lambda _: f"{begin}\n\n{text}\n\n{end}", page, count=1, flags=re.DOTALL
    )
    if not count:
        raise ValueError(f"docs/capacity.md has no {begin}")
    return changed


def main() -> None:
    """Everything, as many at once as there are cores."""
    nine = [(visitors, seats) for visitors in VISITORS for seats in SEATS]
    cases = {(name, *size) for name in ("today", LAST) for size in nine}
    cases |= {(name, *size) for name in LADDER for size in STEPS}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = dict(pool.map(play, sorted(cases, key=lambda case: (-case[1], -case[2]))))
    compared = against.compare()
    BUILD.parent.mkdir(exist_ok=True)
    kept: list[dict[str, Any]] = [
        {"limits": case[0], "visitors": case[1], "seats": case[2], **asdict(of)} for case, of in sorted(found.items())
    ]
    BUILD.write_text(json.dumps({"runs": kept, "compared": compared}, indent=1), "utf-8")
    page = PAGE.read_text("utf-8")
    page = put(page, "today", table(HEAD, [row(case, found[case]) for case in (("today", *size) for size in nine)]))
    page = put(page, "mended", table(HEAD, [row(case, found[case]) for case in ((LAST, *size) for size in nine)]))
    for visitors, seats in STEPS:
        rows = [ladder_row(name, found[name, visitors, seats]) for name in LADDER]
        page = put(page, f"steps {visitors} {seats}", table(LADDER_HEAD, rows))
    page = put(page, "compared", table(against.HEAD, against.rows(compared)))
    PAGE.write_text(page, "utf-8")
    plots.seats(found, LAST, ROOT / "docs" / "capacity-seats.svg")
    plots.waits(found, LAST, ROOT / "docs" / "capacity-waits.svg")
    print(PAGE.read_text("utf-8"))


if __name__ == "__main__":
    no_arguments("tests.load.simulation", "Simulate releases and write the figures into docs/capacity.md.")
    main()
