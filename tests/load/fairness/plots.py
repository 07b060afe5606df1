"""The plots of docs/fairness.md. They are opaque, so they can be read on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

COLOURS = ("#000091", "#18753c", "#b34000", "#6a6af4", "#666666")
DASHES = ("-", "--", ":", "-.", (0, (1, 3)))
"""Each line differs by more than its colour."""


def waits(runs: Mapping[str, Sequence[int]], path: Path, *, most: int) -> None:
    """Plot the share of people who have a seat after so many lost weeks."""
    figure, axes = _figure()
    for (name, waited), colour, dash in zip(runs.items(), COLOURS, DASHES, strict=False):
        share = [sum(weeks <= week for weeks in waited) / len(waited) for week in range(most + 1)]
        axes.plot(range(most + 1), [100 * value for value in share], color=colour, linestyle=dash, label=name)
    axes.set(xlabel="weeks lost before the seat", ylabel="% of the people", xlim=(0, most), ylim=(0, 101))
    axes.legend(loc="lower right", fontsize="small")
    _save(figure, path)


def chances(groups: Sequence[str], runs: Mapping[str, Sequence[float]], path: Path) -> None:
    """Plot the chance of each group as bars, beside each other for each rule."""
    figure, axes = _figure()
    width = 0.8 / len(runs)
    for number, ((name, values), colour, hatch) in enumerate(
        zip(runs.items(), COLOURS, ("", "//", ".."), strict=False)
    ):
        places = [place + (number - (len(runs) - 1) / 2) * width for place in range(len(groups))]
        bars = axes.bar(places, [100 * value for value in values], width, color=colour, hatch=hatch, label=name)
        axes.bar_label(bars, fmt="%.1f", fontsize="small")
    axes.set(ylabel="% who get a seat in a week", xticks=range(len(groups)), xticklabels=groups)
    axes.legend(fontsize="small")
    _save(figure, path)


def _figure() -> tuple[Figure, mpl.axes.Axes]:
    mpl.rcParams |= {"svg.hashsalt": "guichet", "svg.fonttype": "none"}  # the same figures give the same file
    figure = Figure(figsize=(8, 3.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(row.rstrip() for row in path.read_text("utf-8").splitlines()) + "\n", "utf-8")
