"""Play storms on this machine and simulate them: `make bench-storm`.

For each size it plays a storm, and measures what a request costs before and after it, because a machine gets faster and
slower. Nothing of the storm that is compared is an input of the simulation but the connections that each server
accepted. With `--record` the run is added to runs.json, which keeps the last runs of each size, and the table of
docs/capacity.md is written anew.
"""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.deploy.package import ROOT
from infra.local.process_guard import die_with_parent
from tests.load.pages import check_sections, table, with_sections
from tests.load.simulation.storm import against
from tests.load.simulation.storm.crowd import Size, figures, people
from tests.load.simulation.storm.played import create_seats, serving
from tests.load.simulation.storm.service_times import cores, sample, storm_costs

PAGE = ROOT / "docs" / "capacity.md"
SECTION = "compared"
SIZES = (Size(2_000, 400, 32), Size(2_400, 600, 64), Size(2_500, 500, 24))
WARM_UP = Size(300, 60, 16)
KEPT = 5  # that runs.json keeps of each size
BUSY = 0.3  # cores for other programs: with more of them a run says nothing


def measure(size: Size, seed: int) -> dict[str, Any]:
    """Play a storm of this size, and measure the costs before and after it."""
    with serving(["warm-up", "before", "storm", "after"]) as here:
        create_seats("warm-up", WARM_UP.seats)
        here.storm("warm-up", people(WARM_UP, seed), WARM_UP.at_once)
        before = sample(here, "before", size.seats, seed + 1)
        create_seats("storm", size.seats)
        storm = here.storm("storm", people(size, seed), size.at_once)
        measured = before + sample(here, "after", size.seats, seed + 2)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "seed": seed,
        "size": asdict(size),
        "cores": round(cores(measured), 3),
        "costs": {name: round(cost, 7) for name, cost in asdict(storm_costs(measured)).items()},
        "connections": storm.connections,
        "figures": {name: round(value, 5) for name, value in figures(storm.answers).items()},
    }


def record(
    known: list[dict[str, Any]], runs: Sequence[dict[str, Any]], page: Path = PAGE, file: Path = against.RUNS
) -> None:
    """Add runs to the known ones in runs.json, and write the table of docs/capacity.md: both, or none."""
    for run in runs:
        same = [other for other in known if other["size"] == run["size"]]
        others = [other for other in known if other["size"] != run["size"]]
        known = [*others, *same[1 - KEPT :], run]
    text = with_sections(page, {SECTION: table(against.HEAD, against.rows(against.compare(known)))})
    with stopping.cleanup() as writes:  # no signal comes between them
        writes.callback(file.write_text, json.dumps(known, indent=1) + "\n", "utf-8")
        writes.callback(page.write_text, text, "utf-8")


def main() -> None:
    """Run the comparison. Exit with the main figures that do not agree."""
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m tests.load.simulation.storm.compare")
    parser.add_argument("--record", action="store_true", help="write runs.json and docs/capacity.md")
    parser.add_argument("--size", type=int, choices=range(len(SIZES)), help="play one size only")
    options = parser.parse_args()
    stopping.stop_with("guichet: the comparison was stopped; nothing is recorded")
    known = against.read_runs() if options.record else []
    if options.record:
        check_sections(PAGE, [SECTION])
    seed = int(time.time())
    runs = [measure(size, seed) for size in (SIZES if options.size is None else [SIZES[options.size]])]
    lines = against.compare(runs)
    print(table(against.HEAD, against.rows(lines)))
    for run in runs:
        taken = (os.cpu_count() or 1) - run["cores"]
        print(f"{against.size_of(run)}: other programs took {taken:.2f} cores")
        if taken > BUSY:
            raise SystemExit("guichet: the machine is too busy for a comparison; nothing is recorded")
    if options.record:
        record(known, runs)
    if wrong := against.disagreements(lines):
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
