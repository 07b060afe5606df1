"""The plots of docs/capacity.md: the share of seats held, and of visitors who know the outcome, over time."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.load.simulation.aws.release import Result

POINTS = 60
DEFAULTS = "default limits"
COLOURS = {10_000: "#000091", 100_000: "#b34000", 1_000_000: "#18753c"}
SEATS = (100, 1_000, 10_000)


def thin(values: list[float]) -> list[float]:
    """Return at most POINTS of the values, with the first and the last."""
    if len(values) <= POINTS:
        return values
    return [values[round(n * (len(values) - 1) / (POINTS - 1))] for n in range(POINTS)]


def _share(values: list[float], total: float) -> tuple[list[float], list[float]]:
    """Return the times, and the share of all values up to each time."""
    count = max(1, len(values) - 1)
    return [max(0.1, value) for value in values], [total * n / count for n in range(len(values))]


def _plot(runs: Mapping[tuple[str, int, int], Result], proposed: str, figure_name: str, path: Path) -> None:
    mpl.rcParams |= {
        "svg.hashsalt": "guichet",
        "svg.fonttype": "none",
    }  # a plot without changes gives the same small file
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, seats in zip(figure.subplots(1, 3, sharey=True), SEATS, strict=True):
        for visitors, colour in COLOURS.items():
            for name, line in ((DEFAULTS, "-"), (proposed, ":")):
                result = runs[name, visitors, seats]
                values, share = (
                    (result.held_at, result.held / seats) if figure_name == "held" else (result.known_at, 1.0)
                )
                label = f"{visitors:,}" if name == DEFAULTS else None
                axes.plot(*_share(values, share), line, color=colour, label=label)
        axes.set(xscale="log", title=f"{seats:,} seats", xlabel="seconds after nine", xlim=(1, 600), ylim=(0, 1.05))
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("seats held" if figure_name == "held" else "visitors who know")
    figure.axes[0].legend(title="visitors", fontsize="small", loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(row.rstrip() for row in path.read_text("utf-8").splitlines()) + "\n", "utf-8")


def seats(runs: Mapping[tuple[str, int, int], Result], proposed: str, path: Path) -> None:
    """Plot the share of seats held over time."""
    _plot(runs, proposed, "held", path)


def waits(runs: Mapping[tuple[str, int, int], Result], proposed: str, path: Path) -> None:
    """Plot the share of visitors who know the outcome over time."""
    _plot(runs, proposed, "known", path)
