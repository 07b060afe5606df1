"""Compare the simulated laptop with measurements: service times are fitted to one storm, all other figures compared."""

import json
from itertools import product
from math import log
from statistics import median
from typing import Any

from infra.deploy.package import ROOT
from tests.load.simulation.inputs import MEASURED, WEEKS, costs, recorded
from tests.load.simulation.laptop import Laptop, storm
from tests.load.simulation.rehearsal import FUNCTION, Rehearsal

RUSH = ROOT / "build" / "rush" / "result.json"
CORES = 2
FIT = {"rate": 1.0, "p50": 1.0, "p95": 0.5}  # the weight of each figure
REQUEST, WRITE = [n / 2000 for n in range(14, 33)], [n / 1000 for n in range(1, 13)]
SEEDS = 9
HEAD = ["what", "figure", "measured", "simulated", "error"]


def fitted(storms: list[dict[str, Any]], fill: float) -> Laptop:
    """Fit a laptop to these storms: return the one whose times for a request and a write give the smallest error."""

    def error(laptop: Laptop) -> float:
        return sum(
            weight * abs(log(simulated(laptop, measured_storm)[name] / measured_storm[name]))
            for measured_storm in storms
            for name, weight in FIT.items()
        )

    return min((Laptop(CORES, request, fill, write) for request, write in product(REQUEST, WRITE)), key=error)


def simulated(laptop: Laptop, measured_storm: dict[str, Any]) -> dict[str, float]:
    """Simulate a measured storm."""
    result = storm(laptop, measured_storm["threads"], measured_storm["attempts"], measured_storm["seats"])
    return {
        "rate": result.rate,
        "drain": result.drain,
        "attempts_per_win": result.attempts_per_win,
        "p50": result.p50,
        "p95": result.p95,
        **result.refusals,
    }


def last_rush() -> dict[str, Any] | None:
    """Return the figures of the last rush. If build/rush has one, record it in measured.json first.

    The simulation takes the seat when it is chosen, so a rush with another SEAT_AFTER is ignored.
    """
    measured: dict[str, Any] = recorded()
    rush = json.loads(RUSH.read_text("utf-8")) if RUSH.exists() else {}
    if rush.get("settings", {}).get("seat_after") == "choice":
        waited = rush["waited_seconds_by_step"]
        figures = {name: rush[name] for name in ("drain_seconds", "attempts_per_win")}
        figures |= {code: rush["refusals"].get(code, 0) for code in ("nothing-free", "slot-taken")}
        figures |= {
            f"{step} waited {cut}": waited[step][cut] for step in ("calendar", "hold") for cut in ("p50", "p95")
        }
        settings = {name: rush[name] for name in ("date", "visitors", "seats", "bots", "rate", "haste")}
        service = {
            step: {cut: rush["service_seconds_by_step"][step][cut] for cut in ("p50", "mean")} for step in FUNCTION
        }
        load = rush["machine"]["load"][0]
        measured["rush"] = settings | {"at_once": rush["settings"]["at_once"], "load": load, "service": service}
        measured["rush"]["figures"] = figures
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    recorded_rush: dict[str, Any] | None = measured.get("rush")
    return recorded_rush


def errors(what: str, measured: dict[str, Any], figures: dict[str, float]) -> list[dict[str, Any]]:
    """Return the error of each simulated figure in per cent. Figures that were not measured are left out."""
    return [
        {
            "what": what,
            "figure": name,
            "measured": measured[name],
            "simulated": figures[name],
            "error": round((figures[name] / measured[name] - 1) * 100) if measured[name] else None,
        }
        for name in figures
        if measured.get(name) is not None
    ]


def compare() -> list[dict[str, Any]]:
    """Compare the storms and the last rush with the simulation."""
    measured = recorded()
    storms = measured["storms"]
    fitted_storms = [measured_storm for measured_storm in storms if measured_storm["fit"]]
    cpu = costs(measured)
    laptop = fitted(fitted_storms, cpu.fill + cpu.fill_seat * fitted_storms[0]["seats"] / WEEKS)
    comparison = []
    for measured_storm in storms:
        what = f"storm of {measured_storm['date']}, {measured_storm['threads']} at once" + (
            ", fitted" if measured_storm["fit"] else ""
        )
        comparison += errors(what, measured_storm, simulated(laptop, measured_storm))
    if rush := last_rush():
        runs = [Rehearsal(rush, seed).run() for seed in range(SEEDS)]
        middle = {name: median(run[name] for run in runs) for name in runs[0]}
        comparison += errors(
            f"rush of {rush['date'][:10]}, {rush['visitors']:,} on {rush['seats']}", rush["figures"], middle
        )
    return comparison


def rows(comparison: list[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of the table in docs/capacity.md."""
    return [
        [
            line["what"],
            line["figure"],
            f"{line['measured']:.4g}",
            f"{line['simulated']:.4g}",
            "-" if line["error"] is None else f"{line['error']:+d} %",
        ]
        for line in comparison
    ]
