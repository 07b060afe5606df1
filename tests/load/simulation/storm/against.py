"""Compare storms that were played on this machine with the simulation of the same storms."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from tests.load.pages import using
from tests.load.simulation.storm.crowd import MAIN, Size, figures, people
from tests.load.simulation.storm.machine import SimulatedStorm
from tests.load.simulation.storm.service_times import StormCosts

RUNS = Path(__file__).with_name("runs.json")
AGREES = 0.15
"""The largest error of a main figure."""
SEEDS = range(2)
"""Each storm is simulated with two seeds for the random choices of the servers."""
HEAD = ["storm", "figure", "measured", "simulated", "error", "of single runs"]
Run = Mapping[str, Any]
"""A storm that was played: its `size`, `seed`, `connections` and `figures`, and the `costs` and `cores` of its run."""


def read_runs(path: Path = RUNS) -> list[dict[str, Any]]:
    """Read the runs that were recorded. Raise BadFile for a missing, broken or incomplete file."""
    with using(path):
        runs: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        for run in runs:
            check(run, like=runs[0])
    return runs


def check(run: Run, like: Run) -> None:
    """Raise KeyError, TypeError or ValueError unless a run has what `compare` reads, as another run has it."""
    size_of(run), StormCosts(**run["costs"])
    numbers = [run["seed"], run["cores"], *run["connections"]]
    numbers += [run["figures"][name] for name in {*MAIN, *like["figures"]}]
    for number in numbers:
        float(number)


def size_of(run: Run) -> Size:
    """Return the size of a storm."""
    return Size(**run["size"])


def simulate(run: Run) -> dict[str, float]:
    """Simulate a storm. Return the mean figures of all seeds."""
    size, costs, connections = size_of(run), StormCosts(**run["costs"]), run["connections"]
    storms = [
        SimulatedStorm(
            people(size, run["seed"]),
            seats=size.seats,
            connections=connections,
            costs=costs,
            cores=run["cores"],
            seed=seed,
        ).run()
        for seed in SEEDS
    ]
    all_figures = [figures(answers) for answers in storms]
    return {name: mean(each[name] for each in all_figures) for name in all_figures[0]}


def compare(runs: Iterable[Run] | None = None) -> list[dict[str, Any]]:
    """Compare runs, by default the recorded ones. Return the means and errors of each size and figure."""
    lines = []
    by_size: dict[Size, list[Run]] = {}
    for run in read_runs() if runs is None else runs:
        by_size.setdefault(size_of(run), []).append(run)
    for size, same in by_size.items():
        pairs = [(run["figures"], simulate(run)) for run in same]
        for name in pairs[0][0]:
            played, predicted = (mean(pair[side][name] for pair in pairs) for side in (0, 1))
            lines.append(
                {
                    "storm": str(size),
                    "figure": name,
                    "measured": played,
                    "simulated": predicted,
                    "error": predicted / played - 1,
                    "errors": sorted(pair[1][name] / pair[0][name] - 1 for pair in pairs),
                }
            )
    return lines


def disagreements(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each main figure that is simulated with a larger error than `AGREES`."""
    return [
        f"{line['storm']}: {line['figure']} is {line['measured']:.4g}, simulated {line['simulated']:.4g}"
        for line in lines
        if line["figure"] in MAIN and abs(line["error"]) > AGREES
    ]


def rows(lines: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return the rows of the table in docs/capacity.md."""
    return [
        [
            line["storm"],
            line["figure"],
            f"{line['measured']:.4g}",
            f"{line['simulated']:.4g}",
            f"{line['error']:+.0%}".replace("%", " %"),
            " to ".join(f"{error:+.0%}".replace("%", " %") for error in (line["errors"][0], line["errors"][-1])),
        ]
        for line in lines
    ]
