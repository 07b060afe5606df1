"""Compute the verdict on a rush: its figures, the broken promises, and one page with plots."""

import html
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.load.history import OK, Operation, Rejection, Rules, check
from tests.load.percentiles import percentile
from tests.load.rush import fairness
from tests.load.rush.plan import FAST, LAMBDAS, PEOPLE
from tests.load.rush.recorded import first_moments, holds_that

STEPS = [
    "notice",
    "calendar",
    "hold",
    "extend",
    "captcha",
    "answer",
    "seat",
    "view",
    "details",
    "letter",
    "link",
    "confirm",
    "cancel",
    "end",
]  # in the order of a visit
TO_A_SEAT = ("hold", "captcha", "answer", "seat")
"""The steps in which a visitor waits for a seat."""
PLAYED = {
    LAMBDAS: "the packaged stack on the emulator, a process for each concurrent request",
    FAST: "fast: web servers before the emulator's table, without API Gateway, Lambda and roles",
}
"""The local settings in words."""
PRICED_AS = {"answer": "captcha", "seat": "captcha", "details": "details", "confirm": "confirm"}
COUNTER_UNITS = 2.0  # write units that count a hold by visitor token and by client network
PEAK_SECONDS = 10
SHOWN_REJECTIONS = 20  # rejections on the page
PERCENTILES = (50, 95, 99)
STYLE = """body{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#161616}
table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto}.kept{color:#18753c}.broken{color:#ce0500}"""


class Tone(StrEnum):
    """What a line of the verdict says: a figure, or a promise that was kept or broken. The page colours it."""

    FACT = "fact"
    KEPT = "kept"
    BROKEN = "broken"


@dataclass(frozen=True)
class Result:
    """The figures as in result.json, and the seats over time for the plots."""

    figures: dict[str, Any]
    seats_over_time: Mapping[str, Sequence[tuple[float, int]]]

    def lines(self) -> Iterator[tuple[Tone, str]]:
        """Return the verdict in a few lines, each with its tone."""
        for fact in self._facts():
            yield Tone.FACT, fact
        for broken in self.figures["broken"]:
            yield Tone.BROKEN, f"BROKEN: {broken}"
        if self.figures["broken"]:
            yield Tone.BROKEN, "verdict: a promise is broken"
        else:
            yield Tone.KEPT, "verdict: all promises kept"

    def _facts(self) -> Iterator[str]:
        figures = self.figures
        hold, waited = (
            figures["service_seconds_by_step"].get("hold", {}),
            figures["waited_seconds_by_step"].get("hold", {}),
        )
        yield f"setting: {PLAYED.get(figures['settings'].get('local', ''), figures['where'])}"
        drain = "never" if figures["drain_seconds"] is None else f"{figures['drain_seconds']:.1f} s"
        yield (
            f"seats opened {figures['seats']:,}, held {figures['held']:,}, confirmed {figures['confirmed']:,};"
            f" drained in {drain}"
        )
        yield from fairness.lines(figures)
        yield (
            f"seats given twice {figures['doubles']}, confirmed without a seat {figures['lost']},"
            f" 5xx {figures['fives']}, no answer {figures['silent']};"
            f" history of {figures['operations']:,} operations: {'rejected' if figures['rejected'] else 'accepted'}"
        )
        yield f"a hold request took p50 {_s(hold, 'p50')}, p95 {_s(hold, 'p95')}, p99 {_s(hold, 'p99')},"
        yield f"including the wait for a connection: p50 {_s(waited, 'p50')}, p95 {_s(waited, 'p95')};" + (
            f" {figures['attempts_per_win']:.1f} attempts per hold granted" if figures["attempts_per_win"] else ""
        )
        whole = ", ".join(
            f"{step} {_s(figures['waited_seconds_by_step'][step], 'p95')}"
            for step in TO_A_SEAT
            if step in figures["waited_seconds_by_step"]
        )
        yield f"p95 with the wait for a connection: {whole or '-'}"
        yield (
            f"{figures['requests']:,} requests in {figures['seconds']:.0f} s,"
            f" {figures['requests_per_second']:.0f}/s at peak; refused: "
            + (", ".join(f"{code} {count:,}" for code, count in figures["refusals"].items()) or "nothing")
        )
        units = figures["write_units"]
        if units:
            yield (
                f"write units: {units['per_win']:.1f} per booking,"
                f" at most {units['per_loser_at_most']:.1f} per refused visitor ({units['how']})"
            )


def _s(step: Mapping[str, float], name: str) -> str:
    return f"{step[name]:.2f} s" if step else "-"


def judge(
    *,
    settings: Mapping[str, Any],
    machine: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    history: Sequence[Operation],
    table: Sequence[tuple[str, str, str, str]],
    opens: Mapping[str, float],
    rules: Rules,
    units: Mapping[str, float],
) -> Result:
    """Compute the figures of a rush and the promises that it broke."""
    rejected = check(history, opens, rules)
    requests = [record for record in records if "status" in record]
    outcomes = Counter((request["step"], request["outcome"]) for request in requests)
    turns = Counter({("answer", OK): sum(has_turn(request) for request in requests)})  # writes nothing
    grants = [operation for operation in history if operation.kind == "hold" and operation.outcome == OK]
    seats = {seat: (state, hold) for seat, state, hold, _ in table}
    lost = [seat for seat, hold in confirmations(history) if seats.get(seat) != ("confirmed", hold)]
    people = Counter(person for _, state, _, person in table if state in {"pending", "confirmed"})
    fives = sum(request["status"] >= 500 for request in requests)
    silent = sum(request["status"] == 0 for request in requests)
    no_letter = sum(record["step"] == "no letter" for record in records)
    opened = min(opens.values())
    first_held = first_moments(history, "hold")
    first, last = (
        min(request["start"] for request in requests),
        max(request["start"] + request["seconds"] for request in requests),
    )
    attempts = sum(count for (step, _), count in outcomes.items() if step == "hold")
    shares, unfair = fairness.judge(records, history, opened=opened, batch=settings["batch"], seats=len(opens))
    figures: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(machine),
        "where": settings["url"] or "this machine",
        "settings": {name: value for name, value in settings.items() if name != "inbox"},
        "visitors": settings["visitors"],
        "bots": sum(members["visitors"] for group, members in shares["groups"].items() if group != PEOPLE),
        "seats": len(opens),
        "held": len(first_held),
        "confirmed": len(holds_that(history, "confirm")),
        "cancelled": len(holds_that(history, "cancel")),
        **shares,
        "doubles": _doubles(rejected),
        "lost": len(lost),
        "fives": fives,
        "silent": silent,
        "no_letter": no_letter,
        "broken": [*_broken_promises(rejected, lost, people), *unfair, *_failures(fives, silent, no_letter)],
        "rejected": [{"seat": rejection.seat, "kind": rejection.kind, "why": rejection.why} for rejection in rejected],
        "operations": len(history),
        "requests": len(requests),
        "seconds": last - first,
        "requests_per_second": busiest([request["start"] for request in requests]),
        "drain_seconds": max(first_held.values()) - opened if len(first_held) == len(opens) else None,
        "attempts_per_win": attempts / len(grants) if grants else None,
        "refusals": dict(Counter(request["code"] for request in requests if request["code"]).most_common()),
        "service_seconds_by_step": {step: cuts for step in STEPS if (cuts := waits(records, step, "seconds"))},
        "waited_seconds_by_step": {step: cuts for step in STEPS if (cuts := waits(records, step, "waited"))},
        "write_units": _units(units, outcomes - turns, len(grants), len(opens), settings["visitors"]),
    }
    return Result(figures, seats_over_time(history, opened))


def has_turn(request: Mapping[str, Any]) -> bool:
    """Tell whether a right answer gave a turn instead of a seat."""
    return request["step"] == "answer" and request.get("state") == "turn"


def _broken_promises(rejected: Sequence[Rejection], lost: Sequence[str], people: Counter[str]) -> Iterator[str]:
    doubles = _doubles(rejected)
    if doubles:
        yield f"{doubles} seats were given to two visitors"
    if lost:
        seats = ", ".join(lost[:3])
        yield f"{len(lost)} people were told that their appointment is confirmed, but have no seat: {seats}"
    if repeated := sum(count > 1 for person, count in people.items() if person):
        yield f"{repeated} people have two requests"
    for rejection in rejected[:3]:
        yield f"the history of {rejection.seat} breaks the rules: {rejection.why}"
    if len(rejected) > 3:
        yield f"the histories of {len(rejected) - 3} more seats break the rules"


def _failures(fives: int, silent: int, no_letter: int) -> Iterator[str]:
    if fives:
        yield f"{fives} answers were 5xx"
    if silent:
        yield f"{silent} requests had no answer"
    if no_letter:
        yield f"{no_letter} people did not receive their letter"


def _doubles(rejected: Sequence[Rejection]) -> int:
    """Count the seats that a second visitor got while another one had them."""
    return sum(rejection.kind in {"hold", "arrive"} for rejection in rejected)


def confirmations(history: Sequence[Operation]) -> list[tuple[str, str]]:
    """Return seat and hold of each confirmation that was not cancelled."""
    cancelled = {
        operation.hold for operation in history if operation.kind == "cancel" and operation.outcome != "refused"
    }
    confirmed = {
        (operation.seat, operation.hold)
        for operation in history
        if operation.kind == "confirm" and operation.outcome == OK
    }
    return sorted(holding for holding in confirmed if holding[1] not in cancelled)


def busiest(starts: Sequence[float]) -> float:
    """Return the requests per second in the busiest ten seconds."""
    return max(Counter(int(start // PEAK_SECONDS) for start in starts).values()) / PEAK_SECONDS


def waits(records: Sequence[Mapping[str, Any]], step: str, field: str) -> dict[str, float]:
    """Return how often a step was taken and how many seconds it took: percentiles and mean. Empty if nobody took it."""
    durations = [record[field] for record in records if record["step"] == step]
    if not durations:
        return {}
    cuts = {f"p{percent}": round(percentile(durations, percent), 4) for percent in PERCENTILES}
    return {"count": len(durations), **cuts, "mean": round(fmean(durations), 4)}


def _units(
    units: Mapping[str, float], outcomes: Counter[tuple[str, str]], grants: int, seats: int, visitors: int
) -> dict[str, Any]:
    """Compute the write units of a booking and of a refused visitor from the units of each step."""
    confirmations = outcomes["confirm", OK]
    if not units or not confirmations:
        return {}
    spent = seats * units["create"] + sum(outcomes[step, OK] * units[price] for step, price in PRICED_AS.items())
    spent += grants * (units["hold"] + COUNTER_UNITS) + outcomes["details", OK] * units["mail mark 1"]
    spent += confirmations * units["mail mark 2"]
    refused = outcomes["hold", "refused"] * units["loser of the table"]
    losers = visitors - confirmations
    return {
        "per_win": round(spent / confirmations, 2),
        "per_loser_at_most": round(refused / losers, 2) if losers else 0,
        "how": "computed from tests/load/units.py and the number of each step, with 2 units for the counters of visitor"
        " token and client network; each refusal counts as a failed write, although those from the cache cost nothing",
    }


def seats_over_time(history: Sequence[Operation], opened: float) -> dict[str, list[tuple[float, int]]]:
    """Return the running counts of seats held, requested and confirmed, by seconds after the opening."""
    return {
        name: [(at - opened, number) for number, at in enumerate(sorted(first_moments(history, kind).values()), 1)]
        for kind, name in (("hold", "held"), ("details", "requested"), ("confirm", "confirmed"))
    }


# The page


def write(result: Result, folder: Path) -> None:
    """Write index.html and result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result.figures, indent=1) + "\n", "utf-8")
    (folder / "index.html").write_text(page(result), "utf-8")


def page(result: Result) -> str:
    """Return the report as one HTML page without external files."""
    figures = result.figures
    lines = "".join(f'<li class="{tone}">{html.escape(line)}' for tone, line in result.lines())
    steps = "".join(
        f"<tr><td>{step}<td>{cuts['count']:,}"
        + "".join(f"<td>{cuts[name]:.3f}" for name in ("p50", "p95", "p99", "mean"))
        for step, cuts in figures["service_seconds_by_step"].items()
    )
    rejections = "".join(
        f"<li>{html.escape(rejection['seat'])}: {html.escape(rejection['why'])}"
        for rejection in figures["rejected"][:SHOWN_REJECTIONS]
    )
    facts = html.escape(f"{figures['date']} · {figures['where']} · {figures['machine']} · {figures['settings']}")
    rejected = f"<h2>Rejected histories</h2><ul>{rejections}</ul>" if rejections else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>A rush on Guichet</title><style>{STYLE}</style>'
        f"<h1>A rush: {figures['visitors']:,} visitors, {figures['seats']:,} seats</h1><p>{facts}</p><ul>{lines}</ul>"
        f"<h2>Who got the seats</h2>{fairness.table(figures)}"
        f"<h2>Seats</h2>{seats_plot(result)}<h2>Waiting</h2>"
        f"<p>From sending a request to its answer, without the wait for a connection.</p>{waits_plot(figures)}"
        f"<table><tr><th>step<th>count<th>p50 (s)<th>p95<th>p99<th>mean{steps}</table>"
        f"<h2>Refusals</h2>{refusals_plot(figures)}{rejected}</html>\n"
    )


def _svg(figure: Figure) -> str:
    """Return a figure as inline SVG. The same figure gives the same text."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "rush", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def seats_plot(result: Result) -> str:
    """Plot the seats over time."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for name, points in result.seats_over_time.items():
        axes.step([at for at, _ in points], [count for _, count in points], where="post", label=name)
    axes.set(xlabel="seconds after the opening", ylabel="seats", ylim=(0, None))
    axes.legend()
    return _svg(figure)


def waits_plot(figures: Mapping[str, Any]) -> str:
    """Plot the percentiles of each step."""
    steps = figures["service_seconds_by_step"]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(("p50", "p95", "p99")):
        axes.bar([at + (number - 1) * 0.27 for at in range(len(steps))], [cuts[name] for cuts in steps.values()], 0.25)
    axes.set_xticks(range(len(steps)), list(steps))
    axes.set(ylabel="seconds")
    axes.legend(("p50", "p95", "p99"))
    return _svg(figure)


def refusals_plot(figures: Mapping[str, Any]) -> str:
    """Plot the refusals by code."""
    counts = figures["refusals"]
    if not counts:
        return "<p>Nobody was refused.</p>"
    figure = Figure(figsize=(9, 0.6 + 0.35 * len(counts)), layout="constrained")
    axes = figure.subplots()
    axes.bar_label(axes.barh(list(counts), list(counts.values())))
    axes.invert_yaxis()
    return _svg(figure)
