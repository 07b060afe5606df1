"""Play 10,000 people over three years, and write the tables and plots of docs/fairness.md: `make draw-demo`."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.draw import ANY
from infra.deploy.package import ROOT
from infra.tools.command_line import no_arguments
from tests.load.fairness import plots, turns
from tests.load.fairness.first_come import FirstCome
from tests.load.fairness.invented import Infiltrated, captchas
from tests.load.fairness.waiting import LAST_ARRIVAL, MOST_WEEKS, PEOPLE, SEATS, SETTLED, Allocate, Draw, Person, play
from tests.load.pages import table, write_sections
from tests.load.percentiles import percentile

PAGE = ROOT / "docs" / "fairness.md"
PROGRAMS = 60
"""Programs beside about 3,000 people: 2 %, as in `make rush`."""
FIFTHS = ("quickest fifth", "second", "third", "fourth", "slowest fifth")
LONGEST = f"over {MOST_WEEKS}"


RULES: dict[str, Callable[[], Allocate]] = {
    "draw, seniority 0 %": lambda: Draw(0),
    "draw, seniority 25 %": lambda: Draw(25),
    "draw, seniority 100 %": lambda: Draw(100),
    "first come, 60 programs": lambda: FirstCome(PROGRAMS),
    "first come, the same people slow each week": lambda: FirstCome(PROGRAMS, is_steady=True),
}
WISHES: dict[str, Callable[[Person], bool]] = {
    "any half-day": lambda one: one.wishes == (ANY,),
    "two half-days, then any": lambda one: len(one.wishes) > 1 and ANY in one.wishes,
    "two half-days only, none of them on Monday": lambda one: ANY not in one.wishes and "0" not in _days(one),
    "two half-days only, one or both on Monday": lambda one: ANY not in one.wishes and "0" in _days(one),
}
IDENTITIES = (1, 5, 25)
INVENTED = (0, 100, 1_000, 5_000)
CONFIRM, LAPSE = "confirm", "lapse"
COSTS = (  # client networks, e-mail domains (0: mailboxes of providers), hours, days
    ("in one hour, from one network and one domain", 1, 1, 1, 1),
    ("over the window, from one network and one domain", 1, 1, 81, 4),
    ("over the window, from one network and 25 domains", 1, 25, 81, 4),
    ("over the window, mailboxes of known providers", 1, 0, 81, 4),
)


def _days(one: Person) -> set[str]:
    return {wish[0] for wish in one.wishes}


@dataclass
class Counted:
    """A rule, and who got a seat in the weeks in which people come, by how quick they were."""

    rule: Allocate
    tries: list[int] = field(default_factory=lambda: [0] * 5)
    wins: list[int] = field(default_factory=lambda: [0] * 5)

    def __call__(self, week: int, waiting: Sequence[Person]) -> list[Person]:
        """Apply the rule, and count."""
        winners = list(self.rule(week, waiting))
        if week <= LAST_ARRIVAL:
            lucky = {one.receipt for one in winners}
            for one in waiting:
                fifth = int(5 * self.quickness(one, week))
                self.tries[fifth] += 1
                self.wins[fifth] += one.receipt in lucky
        return winners

    def quickness(self, one: Person, week: int) -> float:
        """Return where somebody stood among all, from 0 for the quickest. A draw does not know it: any number does."""
        if isinstance(self.rule, FirstCome):
            return self.rule.quickness[one.receipt]
        return hashlib.sha256(f"{week} {one.receipt}".encode()).digest()[0] / 256


def run_rule(name: str) -> dict[str, Any]:
    """Play a rule. Return what the page says of it."""
    counted = Counted(RULES[name]())
    everybody = play(counted)
    people = everybody[:PEOPLE]
    waited = [MOST_WEEKS if one.waited is None else one.waited for one in people]
    return {
        "waited": waited,
        "first": _first(people, lambda _: True),
        "settled": _first(everybody, lambda one: one.week in SETTLED),
        "chance": [won / tried for won, tried in zip(counted.wins, counted.tries, strict=True)],
        "wishes": {wish: _first(people, is_meant) for wish, is_meant in WISHES.items()},
    }


def _first(people: Sequence[Person], is_meant: Callable[[Person], bool]) -> float:
    """Return the share of some people who have a seat at the first try."""
    meant = [one for one in people if is_meant(one)]
    return sum(one.waited == 0 for one in meant) / len(meant)


def run_programs(identities: int) -> dict[str, float]:
    """Play programs with so many identities each by both rules. Return the share of the seats that they got."""
    quick = FirstCome(PROGRAMS, identities)
    play(quick, weeks=LAST_ARRIVAL)
    entered = Infiltrated(PROGRAMS * identities, confirms=True).play()
    return {"first come": sum(quick.sold) / LAST_ARRIVAL, "draw": sum(entered.wins) / LAST_ARRIVAL}


def run_invented(identities: int, action: str) -> Infiltrated:
    """Play invented people who confirm and stay away, or who let each seat lapse."""
    return Infiltrated(identities, confirms=action == CONFIRM).play()


def run_restart(answer: str) -> float:
    """Play a year with 1,000 invented people. Return the seats a week that they take in its second half."""
    wins = Infiltrated(1_000, confirms=True, restarts=answer == "yes").play(2 * LAST_ARRIVAL).wins
    return sum(wins[LAST_ARRIVAL:]) / LAST_ARRIVAL


def weeks_lost(waited: Sequence[int], percent: int) -> str:
    """Return how many weeks so many percent of the people lost at most."""
    weeks = percentile(waited, percent)
    return LONGEST if weeks >= MOST_WEEKS else str(weeks)


def main() -> None:
    """Play everything, one on each core, and write the page and the plots."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rules = {name: pool.submit(run_rule, name) for name in RULES}
        programs = {number: pool.submit(run_programs, number) for number in IDENTITIES}
        restarts = {answer: pool.submit(run_restart, answer) for answer in ("yes", "no")}
        cases = [(number, action) for number in INVENTED for action in (LAPSE, CONFIRM)]
        invented = {case: pool.submit(run_invented, *case) for case in cases}
        crowds = {crowd: pool.submit(turns.play, crowd) for crowd in turns.CROWDS}
    played = _results(rules)
    tables = _of_rules(played) | _of_identities(_results(programs), _results(invented), _results(restarts))
    tables |= turns.sections(_results(crowds))
    page = write_sections(PAGE, tables)
    plots.waits({name: run["waited"] for name, run in played.items()}, ROOT / "docs" / "fairness-waits.svg", most=52)
    shown = ("draw, seniority 25 %", "first come, 60 programs")
    bars = {name: played[name]["chance"] for name in shown}
    plots.chances(FIFTHS, bars, ROOT / "docs" / "fairness-chance.svg")
    sys.stdout.write(page)


def _results(futures: dict[Any, "Future[Any]"]) -> dict[Any, Any]:
    return {name: future.result() for name, future in futures.items()}


def _of_rules(rules: dict[str, Any]) -> dict[str, str]:
    """Return the tables that compare the rules, by the names of their sections."""
    return {
        "waiting": table(
            ["rule", "median wait, weeks", "95th percentile", "longest", "seat at the first try", "in the second year"],
            [
                [
                    name,
                    *(weeks_lost(run["waited"], percent) for percent in (50, 95, 100)),
                    *(f"{run[which]:.1%}" for which in ("first", "settled")),
                ]
                for name, run in rules.items()
            ],
        ),
        "speed": table(
            ["rule", *FIFTHS],
            [[name, *(f"{chance:.1%}" for chance in run["chance"])] for name, run in rules.items()],
        ),
        "preferences": table(
            ["draw, seniority 25 %", "seat at the first try"],
            [[wish, f"{chance:.1%}"] for wish, chance in rules["draw, seniority 25 %"]["wishes"].items()],
        ),
    }


def _of_identities(
    programs: dict[int, Any], invented: dict[Any, Infiltrated], restarts: dict[str, float]
) -> dict[str, str]:
    """Return the tables about programs with several identities and about invented people."""
    return {
        "identities": table(
            ["identities of each program", "first come: seats of programs", "draw: seats of programs"],
            [
                [str(number), *(f"{got[rule]:.0f} of {SEATS}" for rule in ("first come", "draw"))]
                for number, got in programs.items()
            ],
        ),
        "invented": table(
            [
                "invented people",
                "their seats a week, at the draw",
                "honest chance in a draw",
                "if they do not confirm: after the offers",
                "if they confirm and stay away: seats lost a week",
            ],
            [_invented_row(number, invented[number, LAPSE], invented[number, CONFIRM]) for number in INVENTED],
        ),
        "restart": table(
            ["1,000 invented people who confirm and stay away, weeks 27 to 52", "seats lost a week"],
            [
                ["their receipt starts again (the rule)", f"{restarts['yes']:.0f}"],
                ["if it did not", f"{restarts['no']:.0f}"],
            ],
        ),
        "cost": table(
            ["1,000 entries", "captchas"],
            [
                [where, f"{captchas(1_000, networks=networks, domains=domains, hours=hours, days=days):,}"]
                for where, networks, domains, hours, days in COSTS
            ],
        ),
    }


def _invented_row(number: int, lapsing: Infiltrated, confirming: Infiltrated) -> list[str]:
    after = (lapsing.drawn + lapsing.offered) / lapsing.tries
    return [
        f"{number:,}",
        _weekly(lapsing.wins),
        f"{lapsing.drawn / lapsing.tries:.1%}",
        f"{after:.1%}",
        _weekly(confirming.wins),
    ]


def _weekly(counts: Sequence[int]) -> str:
    return f"{sum(counts) / len(counts):.0f}"


if __name__ == "__main__":
    no_arguments("tests.load.fairness", "Play a draw and first come, first served, and write docs/fairness.md.")
    main()
