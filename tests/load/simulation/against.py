"""The simulated laptop beside the real one: service times are fitted to the small storms, the rest is compared."""

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
FIT = {"rate": 1.0, "p50": 1.0, "p95": 0.5}  # how much each figure weighs
REQUEST, WRITE = [n / 2000 for n in range(14, 33)], [n / 1000 for n in range(1, 13)]
SEEDS = 9
HEAD = ["what", "figure", "measured", "simulated", "error"]


def fitted(storms: list[dict[str, Any]], fill: float) -> Laptop:
    """The laptop whose times for a request and a write come nearest to these storms."""

    def miss(laptop: Laptop) -> float:
        return sum(
            weight * abs(log(played(laptop, one)[name] / one[name])) for one in storms for name, weight in FIT.items()
        )

    return min((Laptop(CORES, request, fill, write) for request, write in product(REQUEST, WRITE)), key=miss)


def played(laptop: Laptop, one: dict[str, Any]) -> dict[str, float]:
    """The same storm, simulated."""
    seen = storm(laptop, one["threads"], one["attempts"], one["seats"])
    return {
        "rate": seen.rate,
        "drain": seen.drain,
        "attempts_per_win": seen.attempts_per_win,
        "p50": seen.p50,
        "p95": seen.p95,
        **seen.refusals,
    }


def last_rush() -> dict[str, Any] | None:
    """What is needed of the last rush: from build/rush where there was one, which is then recorded.

    The simulation takes the seat when it is chosen, so a rush with another SEAT_AFTER is not compared.
    """
    measured: dict[str, Any] = recorded()
    of = json.loads(RUSH.read_text("utf-8")) if RUSH.exists() else {}
    if of.get("settings", {}).get("seat_after") == "choice":
        waited = of["waited_seconds_by_step"]
        figures = {name: of[name] for name in ("drain_seconds", "attempts_per_win")}
        figures |= {code: of["refusals"].get(code, 0) for code in ("nothing-free", "slot-taken")}
        figures |= {
            f"{step} waited {cut}": waited[step][cut] for step in ("calendar", "hold") for cut in ("p50", "p95")
        }
        given = {name: of[name] for name in ("date", "visitors", "seats", "bots", "rate", "haste")}
        service = {
            step: {cut: of["service_seconds_by_step"][step][cut] for cut in ("p50", "mean")} for step in FUNCTION
        }
        load = of["machine"]["load"][0]
        measured["rush"] = given | {"at_once": of["settings"]["at_once"], "load": load, "service": service}
        measured["rush"]["figures"] = figures
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    found: dict[str, Any] | None = measured.get("rush")
    return found


def errors(what: str, real: dict[str, Any], simulated: dict[str, float]) -> list[dict[str, Any]]:
    """Each figure measured and simulated, and the error in per cent; none where nothing was measured."""
    return [
        {
            "what": what,
            "figure": name,
            "measured": real[name],
            "simulated": simulated[name],
            "error": round((simulated[name] / real[name] - 1) * 100) if real[name] else None,
        }
        for name in simulated
        if real.get(name) is not None
    ]


def compare() -> list[dict[str, Any]]:
    """The storms and the last rush, measured and simulated."""
    measured = recorded()
    storms = measured["storms"]
    alone = [one for one in storms if one["fit"]]
    of = costs(measured)
    laptop = fitted(alone, of.fill + of.fill_seat * alone[0]["seats"] / WEEKS)
    found = []
    for one in storms:
        what = f"storm of {one['date']}, {one['threads']} at once" + (", fitted" if one["fit"] else "")
        found += errors(what, one, played(laptop, one))
    if rush := last_rush():
        runs = [Rehearsal(rush, seed).run() for seed in range(SEEDS)]
        middle = {name: median(run[name] for run in runs) for name in runs[0]}
        found += errors(
            f"rush of {rush['date'][:10]}, {rush['visitors']:,} on {rush['seats']}", rush["figures"], middle
        )
    return found


def rows(compared: list[dict[str, Any]]) -> list[list[str]]:
    """For the page."""
    return [
        [
            one["what"],
            one["figure"],
            f"{one['measured']:.4g}",
            f"{one['simulated']:.4g}",
            "-" if one["error"] is None else f"{one['error']:+d} %",
        ]
        for one in compared
    ]
