"""The verdict on a rush: its figures, what is broken, and one page with plots."""

import html
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.load.history import OK, Operation, Rejection, Rules, check
from tests.load.rush import fairness
from tests.load.rush.plan import PEOPLE

STEPS = [
    "notice",
    "calendar",
    "hold",
    "extend",
    "captcha",
    "answer",
    "view",
    "details",
    "letter",
    "link",
    "confirm",
    "cancel",
    "end",
]  # in the order of a visit
PRICE = {"answer": "captcha", "details": "details", "confirm": "confirm"}
NOTES = 2.0  # write units that note a hold under its visitor token and its client network
BUSY = 10  # seconds
SHOWN = 20  # rejections on the page
CUTS = (0.5, 0.95, 0.99)
STYLE = """body{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#161616}
table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:right}
td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto}.kept{color:#18753c}.broken{color:#ce0500}"""


@dataclass(frozen=True)
class Result:
    """The figures, as result.json has them, and what the plots need."""

    figures: dict[str, Any]
    course: Mapping[str, Sequence[tuple[float, int]]]

    def lines(self) -> Iterator[str]:
        """The verdict in a few lines."""
        of = self.figures
        hold, waited = of["service_seconds_by_step"].get("hold", {}), of["waited_seconds_by_step"].get("hold", {})
        drain = "never" if of["drain_seconds"] is None else f"{of['drain_seconds']:.1f} s"
        yield f"seats opened {of['seats']:,}, held {of['held']:,}, confirmed {of['confirmed']:,}; drained in {drain}"
        yield from fairness.lines(of)
        yield (
            f"doubles {of['doubles']}, lost {of['lost']}, 5xx {of['fives']}, no answer {of['silent']};"
            f" history of {of['operations']:,} operations: {'rejected' if of['rejected'] else 'accepted'}"
        )
        yield f"a hold took p50 {_s(hold, 'p50')}, p95 {_s(hold, 'p95')}, p99 {_s(hold, 'p99')},"
        yield f"with the wait for a line p50 {_s(waited, 'p50')}, p95 {_s(waited, 'p95')};" + (
            f" {of['attempts_per_win']:.1f} attempts for each that was given" if of["attempts_per_win"] else ""
        )
        yield (
            f"{of['requests']:,} requests in {of['seconds']:.0f} s, {of['requests_per_second']:.0f}/s at most; "
            "refused: " + (", ".join(f"{code} {count:,}" for code, count in of["refusals"].items()) or "nothing")
        )
        units = of["write_units"]
        if units:
            yield (
                f"write units: {units['per_win']:.1f} a booking, at most {units['per_loser_at_most']:.1f} a loser"
                f" ({units['how']})"
            )
        for broken in of["broken"]:
            yield f"BROKEN: {broken}"
        yield "verdict: " + ("a promise is broken" if of["broken"] else "all promises kept")


def _s(step: Mapping[str, float], name: str) -> str:
    return f"{step[name]:.2f} s" if step else "-"


def judge(
    *,
    wish: Mapping[str, Any],
    machine: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    history: Sequence[Operation],
    table: Sequence[tuple[str, str, str, str]],
    opens: Mapping[str, float],
    rules: Rules,
    units: Mapping[str, float],
) -> Result:
    """All figures of a rush, and which promises it broke."""
    rejected = check(history, opens, rules)
    asked = [one for one in records if "status" in one]
    told = Counter((one["step"], one["outcome"]) for one in asked)
    given = [one for one in history if one.kind == "hold" and one.outcome == OK]
    ours = confirmed(history)
    state = {seat: (what, hold) for seat, what, hold, _ in table}
    lost = [seat for seat, hold in ours if state.get(seat) != ("confirmed", hold)]
    people = Counter(person for _, what, _, person in table if what in {"pending", "confirmed"})
    fives = sum(one["status"] >= 500 for one in asked)
    silent = sum(one["status"] == 0 for one in asked)
    waited = sum(one["step"] == "no letter" for one in records)
    opened = min(opens.values())
    firsts = first_holds(given)
    first, last = min(one["start"] for one in asked), max(one["start"] + one["seconds"] for one in asked)
    attempts = sum(count for (step, _), count in told.items() if step == "hold")
    shares, unfair = fairness.judge(records, history, opened=opened, seats=len(opens))
    figures: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(machine),
        "where": wish["url"] or "laptop",
        "settings": {name: value for name, value in wish.items() if name != "inbox"},
        "rate": wish["rate"],
        "workers": wish["workers"],
        "haste": wish["haste"],
        "visitors": wish["visitors"],
        "bots": sum(of["visitors"] for group, of in shares["groups"].items() if group != PEOPLE),
        "seats": len(opens),
        "held": len(firsts),
        "confirmed": len({one.hold for one in history if one.kind == "confirm" and one.outcome == OK}),
        "cancelled": len({one.hold for one in history if one.kind == "cancel" and one.outcome == OK}),
        **shares,
        "doubles": _doubles(rejected),
        "lost": len(lost),
        "fives": fives,
        "silent": silent,
        "no_letter": waited,
        "broken": [*_broken(rejected, lost, people), *unfair, *_unkind(fives, silent, waited)],
        "rejected": [{"seat": one.seat, "kind": one.kind, "why": one.why} for one in rejected],
        "operations": len(history),
        "requests": len(asked),
        "seconds": last - first,
        "requests_per_second": busiest([one["start"] for one in asked]),
        "drain_seconds": max(firsts.values()) - opened if len(firsts) == len(opens) else None,
        "attempts_per_win": attempts / len(given) if given else None,
        "refusals": dict(Counter(one["code"] for one in asked if one["code"]).most_common()),
        "service_seconds_by_step": {step: cuts for step in STEPS if (cuts := waits(records, step, "seconds"))},
        "waited_seconds_by_step": {step: cuts for step in STEPS if (cuts := waits(records, step, "waited"))},
        "write_units": _units(units, told, len(given), len(opens), wish["visitors"]),
    }
    return Result(figures, course(history, opened))


def _broken(rejected: Sequence[Rejection], lost: Sequence[str], people: Counter[str]) -> Iterator[str]:
    doubles = _doubles(rejected)
    if doubles:
        yield f"{doubles} seats were given to two"
    if lost:
        yield f"{len(lost)} people were told that it is confirmed and have no seat: {', '.join(lost[:3])}"
    if twice := sum(count > 1 for person, count in people.items() if person):
        yield f"{twice} people have two requests"
    for one in rejected[:3]:
        yield f"the history of {one.seat} is that of no fair service: {one.why}"
    if len(rejected) > 3:
        yield f"and that of {len(rejected) - 3} more seats"


def _unkind(fives: int, silent: int, waited: int) -> Iterator[str]:
    if fives:
        yield f"{fives} answers were 5xx"
    if silent:
        yield f"{silent} requests had no answer"
    if waited:
        yield f"{waited} people waited for their letter in vain"


def _doubles(rejected: Sequence[Rejection]) -> int:
    """Seats that were given while somebody else had them."""
    return sum(one.kind in {"hold", "arrive"} for one in rejected)


def confirmed(history: Sequence[Operation]) -> list[tuple[str, str]]:
    """Seat and hold of everybody who was told that it is confirmed, and did not cancel."""
    gone = {one.hold for one in history if one.kind == "cancel" and one.outcome != "refused"}
    told = {(one.seat, one.hold) for one in history if one.kind == "confirm" and one.outcome == OK}
    return sorted(one for one in told if one[1] not in gone)


def first_holds(given: Sequence[Operation]) -> dict[str, float]:
    """When each seat was first held, as its holder learnt it."""
    found: dict[str, float] = {}
    for one in given:
        found[one.seat] = min(found.get(one.seat, one.end), one.end)
    return found


def busiest(starts: Sequence[float]) -> float:
    """Requests a second in the busiest ten seconds."""
    return max(Counter(int(start // BUSY) for start in starts).values()) / BUSY


def waits(records: Sequence[Mapping[str, Any]], step: str, what: str) -> dict[str, float]:
    """How long a step took: percentiles by the nearest rank, and the mean."""
    took = sorted(one[what] for one in records if one["step"] == step)
    if not took:
        return {}
    cuts = {f"p{cut * 100:.0f}": round(took[min(int(cut * len(took)), len(took) - 1)], 4) for cut in CUTS}
    return {"count": len(took), **cuts, "mean": round(fmean(took), 4)}


def _units(
    units: Mapping[str, float], told: Counter[tuple[str, str]], taken: int, seats: int, visitors: int
) -> dict[str, Any]:
    """What a booking and a loser cost, from the price of each step and how often it was done."""
    done = told["confirm", OK]
    if not units or not done:
        return {}
    spent = seats * units["create"] + sum(told[step, OK] * units[price] for step, price in PRICE.items())
    spent += taken * (units["hold"] + NOTES) + told["details", OK] * units["mail mark 1"] + done * units["mail mark 2"]
    losers = visitors - done
    return {
        "per_win": round(spent / done, 2),
        "per_loser_at_most": round(told["hold", "refused"] * units["loser of the table"] / losers, 2) if losers else 0,
        "how": "computed: units of tests/load/units.py, and 2 for visitor token and client network, times what was"
        " done; each refusal counted as one at the table, though those of the memory cost nothing",
    }


def course(history: Sequence[Operation], opened: float) -> dict[str, list[tuple[float, int]]]:
    """How many seats had been held, filed for and confirmed, second by second from the opening on."""
    firsts: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for one in history:
        if one.outcome == OK and one.kind in {"hold", "details", "confirm"}:
            firsts[one.kind][one.seat] = min(firsts[one.kind].get(one.seat, one.end), one.end)
    return {
        name: [(at - opened, number) for number, at in enumerate(sorted(firsts[kind].values()), start=1)]
        for kind, name in (("hold", "held"), ("details", "requested"), ("confirm", "confirmed"))
    }


# The page


def write(result: Result, folder: Path) -> None:
    """The page and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result.figures, indent=1) + "\n", "utf-8")
    (folder / "index.html").write_text(page(result), "utf-8")


def page(result: Result) -> str:
    """Everything on one page that needs nothing else."""
    of = result.figures
    lines = "".join(
        f'<li class="{"broken" if "roken" in line else "kept" if "kept" in line else ""}">{html.escape(line)}'
        for line in result.lines()
    )
    steps = "".join(
        f"<tr><td>{step}<td>{cuts['count']:,}"
        + "".join(f"<td>{cuts[name]:.3f}" for name in ("p50", "p95", "p99", "mean"))
        for step, cuts in of["service_seconds_by_step"].items()
    )
    wrong = "".join(f"<li>{html.escape(one['seat'])}: {html.escape(one['why'])}" for one in of["rejected"][:SHOWN])
    facts = html.escape(f"{of['date']} · {of['where']} · {of['machine']} · {of['settings']}")
    rejected = f"<h2>Rejected histories</h2><ul>{wrong}</ul>" if wrong else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>A rush on Guichet</title><style>{STYLE}</style>'
        f"<h1>A rush: {of['visitors']:,} visitors, {of['seats']:,} seats</h1><p>{facts}</p><ul>{lines}</ul>"
        f"<h2>Who got the seats</h2>{fairness.table(of)}"
        f"<h2>Seats</h2>{seats_plot(result)}<h2>Waiting</h2>{waits_plot(of)}"
        f"<table><tr><th>step<th>count<th>p50 (s)<th>p95<th>p99<th>mean{steps}</table>"
        f"<h2>Refusals</h2>{refusals_plot(of)}{rejected}</html>\n"
    )


def _drawn(figure: Figure) -> str:
    """A figure as SVG to put into a page; the same for the same figures."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "rush", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def seats_plot(result: Result) -> str:
    """Seats over time."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    for name, points in result.course.items():
        axes.step([at for at, _ in points], [count for _, count in points], where="post", label=name)
    axes.set(xlabel="seconds after the opening", ylabel="seats", ylim=(0, None))
    axes.legend()
    return _drawn(figure)


def waits_plot(of: Mapping[str, Any]) -> str:
    """Percentiles by step."""
    steps = of["service_seconds_by_step"]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(("p50", "p95", "p99")):
        axes.bar([at + (number - 1) * 0.27 for at in range(len(steps))], [cuts[name] for cuts in steps.values()], 0.25)
    axes.set_xticks(range(len(steps)), list(steps))
    axes.set(ylabel="seconds")
    axes.legend(("p50", "p95", "p99"))
    return _drawn(figure)


def refusals_plot(of: Mapping[str, Any]) -> str:
    """Refusals by code."""
    counts = of["refusals"]
    if not counts:
        return "<p>Nobody was refused.</p>"
    figure = Figure(figsize=(9, 0.6 + 0.35 * len(counts)), layout="constrained")
    axes = figure.subplots()
    axes.bar_label(axes.barh(list(counts), list(counts.values())))
    axes.invert_yaxis()
    return _drawn(figure)
