"""Simulate releases on AWS, and write the tables and plots of docs/capacity.md: `make simulate`."""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

from infra.deploy.package import ROOT
from infra.tools.command_line import no_arguments
from tests.load.pages import check_sections, table, write_sections
from tests.load.simulation.aws import plots
from tests.load.simulation.aws.inputs import QUOTAS, AwsCrowd, Limits, RequestCosts, read_measured, request_costs
from tests.load.simulation.aws.release import AwsRelease, Result
from tests.load.simulation.storm import against

PAGE = ROOT / "docs" / "capacity.md"
VISITORS, SEATS = (10_000, 100_000, 1_000_000), (100, 1_000, 10_000)
DESKS = {100: 2, 1_000: 4, 10_000: 20}
PROPOSED = "proposed changes"
OLD, SNAPSHOTS, CDN = "one partition for the week, no snapshots", "one partition for the week", "a CDN"
IN_A_CROWD = {"seat_after: crowd": QUOTAS, "the same, and provisioned": replace(QUOTAS, warm=500)}
LIMITS = {
    plots.DEFAULTS: Limits(),
    PROPOSED: QUOTAS,
    OLD: Limits(snapshot_from=sys.maxsize, by_day=sys.maxsize),
    SNAPSHOTS: Limits(by_day=sys.maxsize),
    CDN: Limits(cdn=True),
    **IN_A_CROWD,
}
LADDER = {
    f"default limits; {OLD}": OLD,
    "and snapshots, from 2,000 seats on": SNAPSHOTS,
    "and a partition for each day: as it is": plots.DEFAULTS,
    "and a CDN": CDN,
    "and higher quotas": PROPOSED,
}
"""The rows of a table that adds the changes one by one, and the name of the limits of each."""
STEPS = ((100_000, 1_000), (100_000, 10_000))
CROWDS = ((100_000, 1_000), (100_000, 10_000), (1_000_000, 10_000))
Case = tuple[str, int, int]


def play(costs: RequestCosts, case: Case) -> tuple[Case, Result]:
    """Run the simulation of one case. Print how long it took."""
    name, visitors, seats = case
    began = time.monotonic()
    crowd = AwsCrowd(visitors, seats, desks=DESKS[seats], captcha_first=name in IN_A_CROWD)
    result = AwsRelease(crowd, LIMITS[name], costs).run()
    print(f"{name}: {visitors:,} on {seats:,}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return case, replace(result, held_at=plots.thin(result.held_at), known_at=plots.thin(result.known_at))


def seconds(value: float | None) -> str:
    """Format a duration."""
    if value is None:
        return "never"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.0f} min"


def row(case: Case, result: Result) -> list[str]:
    """Return a row of the table of the nine releases."""
    answers, waits = result.tally.answers, result.waits
    return [
        f"{case[1]:,}",
        f"{case[2]:,}",
        f"{result.held:,}",
        seconds(result.drain),
        f"{result.attempts_per_win:.1f}",
        f"{answers['taken']:,}",
        f"{answers['nothing free']:,}",
        f"{answers['429 gateway']:,}",
        f"{answers['429 table']:,}",
        f"{answers['503 no environment']:,}",
        f"{result.outcomes['gave up']:,}",
        " / ".join(seconds(waits[name]) for name in ("p50", "p95", "p99")),
        seconds(result.last_mail),
        f"{result.tally.dollars():.2f}",
    ]


HEAD = [
    "visitors",
    "seats",
    "held",
    "drained in",
    "attempts per hold",
    "taken",
    "nothing free",
    "429 gateway",
    "429 table",
    "503",
    "gave up",
    "outcome known after p50 / p95 / p99",
    "last letter",
    "$",
]


def ladder_row(change: str, result: Result) -> list[str]:
    """Return a row of a table that adds the changes one by one."""
    answers = result.tally.answers
    return [
        change,
        f"{result.held:,}",
        seconds(result.drain),
        f"{result.attempts_per_win:.1f}",
        f"{answers['429 gateway'] + answers['429 table'] + answers['503 no environment']:,}",
        f"{result.outcomes['gave up']:,}",
        " / ".join(seconds(result.waits[name]) for name in ("p50", "p95", "p99")),
        seconds(result.last_mail),
        f"{result.tally.dollars():.2f}",
    ]


LADDER_HEAD = [
    "with",
    "held",
    "drained in",
    "attempts per hold",
    "429 and 503",
    "gave up",
    "outcome known after p50 / p95 / p99",
    "last letter",
    "$",
]


def crowd_row(case: Case, result: Result) -> list[str]:
    """Return a row of the table of releases at which each seat is taken after its captcha."""
    return [
        f"{case[1]:,}",
        f"{case[2]:,}",
        f"{IN_A_CROWD[case[0]].warm:,}",
        seconds(result.drain),
        f"{result.outcomes['gave up']:,}",
        " / ".join(seconds(result.waits[name]) for name in ("p50", "p95", "p99", "p100")),
        f"{result.tally.dollars():.2f}",
    ]


CROWD_HEAD = [
    *("visitors", "seats", "provisioned", "drained in", "gave up"),
    *("outcome known after p50 / p95 / p99 / the last", "$"),
]


def section_of_steps(size: tuple[int, int]) -> str:
    """Name the section of docs/capacity.md with the changes one by one."""
    return f"steps {size[0]} {size[1]}"


def main() -> None:
    """Run all cases, one on each core, and write the page and the plots."""
    nine = [(visitors, seats) for visitors in VISITORS for seats in SEATS]
    cases = {(name, *size) for name in (plots.DEFAULTS, PROPOSED) for size in nine}
    cases |= {(name, *size) for name in LADDER.values() for size in STEPS}
    crowds = [(name, *size) for size in CROWDS for name in IN_A_CROWD]
    cases |= set(crowds)
    costs, runs = request_costs(read_measured()), against.read_runs()
    check_sections(PAGE, [plots.DEFAULTS, PROPOSED, "crowd", "compared", *map(section_of_steps, STEPS)])
    with ProcessPoolExecutor(os.cpu_count(), initializer=stopping.start_worker) as pool:
        results = dict(pool.map(partial(play, costs), sorted(cases, key=lambda case: (-case[1], -case[2]))))
    sections = {
        plots.DEFAULTS: table(HEAD, [row(case, results[case]) for case in ((plots.DEFAULTS, *size) for size in nine)]),
        PROPOSED: table(HEAD, [row(case, results[case]) for case in ((PROPOSED, *size) for size in nine)]),
        "crowd": table(CROWD_HEAD, [crowd_row(case, results[case]) for case in crowds]),
        "compared": table(against.HEAD, against.rows(against.compare(runs))),
    }
    for visitors, seats in STEPS:
        rows = [ladder_row(change, results[name, visitors, seats]) for change, name in LADDER.items()]
        sections[section_of_steps((visitors, seats))] = table(LADDER_HEAD, rows)
    page = write_sections(PAGE, sections)
    plots.seats(results, PROPOSED, ROOT / "docs" / "capacity-seats.svg")
    plots.waits(results, PROPOSED, ROOT / "docs" / "capacity-waits.svg")
    print(page)


if __name__ == "__main__":
    no_arguments("tests.load.simulation.aws", "Simulate releases and write the figures into docs/capacity.md.")
    stopping.stop_at_once("guichet: the simulation was stopped; there is no result")
    main()
