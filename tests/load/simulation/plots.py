"""Two small plots: the seats over time, and who knows by when."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.load.simulation.rush import Result

POINTS = 60
COLOURS = {10_000: "#000091", 100_000: "#b34000", 1_000_000: "#18753c"}
SEATS = (100, 1_000, 10_000)


def thin(values: list[float]) -> list[float]:
    """At most so many of them, the first and the last among them."""
    if len(values) <= POINTS:
        return values
    return [values[round(n * (len(values) - 1) / (POINTS - 1))] for n in range(POINTS)]


def _share(values: list[float], of: float) -> tuple[list[float], list[float]]:
    """Times, and which part of all had come by then."""
    count = max(1, len(values) - 1)
    return [max(0.1, one) for one in values], [of * n / count for n in range(len(values))]


def _plot(found: Mapping[tuple[str, int, int], Result], last: str, what: str, path: Path) -> None:
    mpl.rcParams |= {"svg.hashsalt": "guichet", "svg.fonttype": "none"}  # the same plot is the same file, and small
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, seats in zip(figure.subplots(1, 3, sharey=True), SEATS, strict=True):
        for visitors, colour in COLOURS.items():
            for name, line in (("today", "-"), (last, ":")):
                of = found[name, visitors, seats]
                values, share = (of.held_at, of.held / seats) if what == "held" else (of.known_at, 1.0)
                label = f"{visitors:,}" if name == "today" else None
                axes.plot(*_share(values, share), line, color=colour, label=label)
        axes.set(xscale="log", title=f"{seats:,} seats", xlabel="seconds after nine", xlim=(1, 600), ylim=(0, 1.05))
        axes.grid(visible=True, alpha=0.3)
    figure.axes[0].set_ylabel("seats held" if what == "held" else "visitors who know")
    figure.axes[0].legend(title="visitors", fontsize="small", loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(row.rstrip() for row in path.read_text("utf-8").splitlines()) + "\n", "utf-8")


def seats(found: Mapping[tuple[str, int, int], Result], last: str, path: Path) -> None:
    """The part of the seats that was held by then."""
    _plot(found, last, "held", path)


def waits(found: Mapping[tuple[str, int, int], Result], last: str, path: Path) -> None:
    """The part of the visitors that knew by then."""
    _plot(found, last, "known", path)
