"""What else a release in `first_come` could do for people: random turns and limits, each alone.

One release with the figures of tests/load/rush. Each rule decides when a visitor who has passed the captcha may take a
seat, their turn; a limit bounds the confirmed requests of a client network. Without a rule the turn is at once.
"""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from math import inf
from typing import NamedTuple, Self

from chalicelib.domain.codec import service_from_document
from chalicelib.domain.turns import turn
from tests.load.fairness.first_come import CAPTCHA, PROGRAM_STARTS, RATE
from tests.load.pages import table
from tests.load.percentiles import percentile
from tests.load.rush.plan import IDENTITIES, SOLVING_SECONDS, document, lateness, read_settings

RELEASE = datetime(2026, 11, 30, 8, tzinfo=UTC)
SERVICE = service_from_document(document("aes", read_settings({"BATCH": "60"}), opens_at=RELEASE))
VISITORS, SEATS = 3_000, 60
SHARES = (0.02, 0.2, 0.5)
"""The shares of programs among the visitors."""
RELEASES = {0: 240, 0.02: 240, 0.2: 60, 0.5: 40}
"""How many releases are played with each share. Where programs are few, their seats vary most."""
SLOWER = (1, 2, 4)
"""How many times as long as in the rush people take to ask."""
HOLDS = 10
"""How many holds a program asks for in order to use the one with the best turn."""
MOST_RATIO = 200
"""Beyond this ratio people have so few seats that it is not a figure."""
PEOPLE_CONFIRM, PROGRAMS_CONFIRM = (11.0, 40.0), (1.0, 2.0)
"""Seconds from the seat to the confirmation: the form, the letter and its link."""
MOBILE, CARRIER_NETWORKS = 0.3, 40
"""The share of people whose mobile carrier puts them behind shared IPv4 addresses, and the number of these."""
HOUSED, HOUSE = 0.1, 25
"""The share of people on the connection of a hostel, a library or an association, and how many are on each."""


class Pass(NamedTuple):
    """A right answer to a captcha."""

    moment: float
    asked: float
    owner: int
    """Who may have one seat: a person, or an identity of a program."""
    network: int
    is_program: bool


Turn = tuple[float, float, Pass]
"""When a pass may take a seat, its rank among those of the same moment, and the pass."""
TurnRule = Callable[[Sequence[Pass], random.Random], list[Turn]]


class Kind(NamedTuple):
    """A kind of programs: how many identities, client networks and holds of each identity a program has."""

    identities: int = 1
    networks: int = 1
    holds: int = 1


KINDS = {
    "solving": Kind(),
    f"solving, {HOLDS} holds each": Kind(holds=HOLDS),
    "many": Kind(IDENTITIES, networks=IDENTITIES),
    "many, all behind one network": Kind(IDENTITIES),
}


class Rule(NamedTuple):
    """A rule for turns, and the most confirmed requests of a client network: 0 for no limit."""

    turns: TurnRule
    limit: int = 0


def at_once(passes: Sequence[Pass], _: random.Random) -> list[Turn]:
    """Give each pass its turn at its own moment, as the service does."""
    return [(one.moment, 0.0, one) for one in passes]


def wait(longest: float) -> TurnRule:
    """Return the rule that lets each pass wait for a random time."""
    return lambda passes, chance: [(one.moment + chance.uniform(0, longest), 0.0, one) for one in passes]


def first_batch(seconds: float) -> TurnRule:
    """Return the rule that puts the passes of the first seconds into a random order. Later ones go at once."""
    return lambda passes, chance: [(max(one.moment, seconds), chance.random(), one) for one in passes]


def first_batch_by_network(seconds: float) -> TurnRule:
    """Return the rule of `first_batch` where all passes of a client network have the same rank."""

    def turns(passes: Sequence[Pass], chance: random.Random) -> list[Turn]:
        ranks = {network: chance.random() for network in dict.fromkeys(one.network for one in passes)}
        return [(max(one.moment, seconds), ranks[one.network], one) for one in passes]

    return turns


def batch_as_built(passes: Sequence[Pass], chance: random.Random) -> list[Turn]:
    """Give the turns of a service with a batch of 60 s. People come a little late to their turn, programs do not."""
    return _late_turns(passes, chance, lambda rank: (turn(SERVICE, RELEASE, rank) - RELEASE).total_seconds())


def at_an_even_rate(passes: Sequence[Pass], chance: random.Random) -> list[Turn]:
    """Give turns at an even rate within 5 s after a batch of 60 s."""
    return _late_turns(passes, chance, lambda rank: 60 + 5 * rank)


def _late_turns(passes: Sequence[Pass], chance: random.Random, turn_of: Callable[[float], float]) -> list[Turn]:
    ranks = {network: chance.random() for network in dict.fromkeys(one.network for one in passes)}
    turns = []
    for one in passes:
        moment = turn_of(ranks[one.network])
        late = 0.0 if one.is_program else lateness(chance)
        turns.append((moment + late if one.moment < moment else one.moment, 0.0, one))
    return turns


def batches(seconds: float) -> TurnRule:
    """Return the rule that puts the passes of every so many seconds into a random order."""
    return lambda passes, chance: [((one.moment // seconds + 1) * seconds, chance.random(), one) for one in passes]


NONE, BY_NETWORK = "none: the seat at once", "batch of the first 120 s, one rank for each network"
BUILT = "**built**: batch of the first 60 s, turns by network within 45 s"
EVEN = "batch of the first 60 s, turns by network within 5 s at an even rate"
RULES = {
    NONE: Rule(at_once),
    "random wait, 0 to 10 s": Rule(wait(10)),
    "random wait, 0 to 30 s": Rule(wait(30)),
    "random wait, 0 to 120 s": Rule(wait(120)),
    "batch of the first 20 s": Rule(first_batch(20)),
    "batch of the first 60 s": Rule(first_batch(60)),
    "batch of the first 120 s": Rule(first_batch(120)),
    BY_NETWORK: Rule(first_batch_by_network(120)),
    EVEN: Rule(at_an_even_rate),
    BUILT: Rule(batch_as_built),
    "a batch every 5 s": Rule(batches(5)),
    "a batch every 30 s": Rule(batches(30)),
    "1 confirmed request for each network": Rule(at_once, 1),
    "3 confirmed requests for each network": Rule(at_once, 3),
}


def passes_of(
    chance: random.Random, programs: int, kind: Kind, slower: int = 1, visitors: int = VISITORS
) -> list[Pass]:
    """Return the passes of a release, as if there were seats for all."""
    mean, passes = slower * visitors / RATE / 2, []
    people = visitors - programs
    houses = max(int(people * HOUSED / HOUSE), 1)
    for number in range(people):
        where = chance.random()
        network = number
        if where < MOBILE:
            network = -1 - chance.randrange(CARRIER_NETWORKS)
        elif where < MOBILE + HOUSED:
            network = -1 - CARRIER_NETWORKS - chance.randrange(houses)
        asked = chance.expovariate(1 / mean)
        passes.append(Pass(asked + chance.uniform(*CAPTCHA), asked, number, network, is_program=False))
    for number in range(people, visitors):
        for identity in range(kind.identities):
            owner = number + identity * visitors
            network = number + identity % kind.networks * visitors
            for _ in range(kind.holds):
                asked = chance.uniform(0, PROGRAM_STARTS)
                passes.append(Pass(asked + SOLVING_SECONDS, asked, owner, network, is_program=True))
    return passes


@dataclass
class Release:
    """The seats of one release, taken in the order of the turns."""

    seats: int
    limit: int
    chance: random.Random
    served: dict[int, float] = field(default_factory=dict)
    """When each owner of a seat got it."""
    refused: int = 0
    """The people whom the limit refused while there was a seat for them."""
    confirmed: Counter[int] = field(default_factory=Counter)
    """The confirmed requests of each client network, and those refused at the confirmation."""
    changes: list[tuple[float, bool]] = field(default_factory=list)
    """When the last free seat went, and when one came back."""

    def serve(self, turns: list[Turn]) -> Self:
        """Give the seats. A confirmation over the limit is refused, and its seat goes to the next turn."""
        heapify(turns)
        confirmations: list[Turn] = []
        while confirmations or (turns and self.seats):
            if confirmations and (not turns or confirmations[0] <= turns[0]):
                moment, _, one = heappop(confirmations)
                self._confirm(one, moment)
                continue
            moment, _, one = heappop(turns)
            if self.seats and self._take(one, moment) and self.limit:
                delay = self.chance.uniform(*(PROGRAMS_CONFIRM if one.is_program else PEOPLE_CONFIRM))
                heappush(confirmations, (moment + delay, 0.0, one))
        return self

    def _take(self, one: Pass, moment: float) -> bool:
        """Take a seat. Return False for an owner that has one, and for a network that is at its limit."""
        if one.owner in self.served:
            return False
        if self.limit and self.confirmed[one.network] >= self.limit:
            self.refused += not one.is_program
            return False
        self.served[one.owner] = moment
        self.seats -= 1
        if not self.seats:
            self.changes.append((moment, False))
        return True

    def _confirm(self, one: Pass, moment: float) -> None:
        """Confirm a request, or refuse it and give the seat back."""
        self.confirmed[one.network] += 1
        if self.confirmed[one.network] <= self.limit:
            return
        self.refused += not one.is_program
        del self.served[one.owner]
        self.seats += 1
        if self.seats == 1:
            self.changes.append((moment, True))

    def was_free(self, moment: float) -> bool:
        """Tell whether a seat was free at a moment."""
        number = bisect_right(self.changes, (moment, True))
        return self.changes[number - 1][1] if number else True


@dataclass
class Tally:
    """What people and programs got in some releases."""

    people: int = 0
    """The seats of people."""
    programs: int = 0
    refused: int = 0
    in_vain: int = 0
    """The people who got no seat, but saw a free one when they asked and so solved a captcha."""
    waits: list[float] = field(default_factory=list)
    """Seconds from the captcha to the seat, of the people who got one."""

    def add(self, passes: Sequence[Pass], release: Release) -> None:
        """Count a release that was served."""
        people = [one for one in passes if not one.is_program]
        waits = [release.served[one.owner] - one.moment for one in people if one.owner in release.served]
        self.waits += waits
        self.people += len(waits)
        self.programs += len(release.served) - len(waits)
        self.refused += release.refused
        self.in_vain += sum(one.owner not in release.served and release.was_free(one.asked) for one in people)

    def ratio(self, programs: int) -> str:
        """Divide the seats of a program by the seats of a person."""
        ratio = self.programs / programs / (self.people / (VISITORS - programs)) if self.people else inf
        return f"over {MOST_RATIO}" if ratio > MOST_RATIO else f"{ratio:.{int(ratio < HOLDS)}f}"


class Crowd(NamedTuple):
    """A crowd to play."""

    kind: str
    share: float
    slower: int = 1

    @property
    def programs(self) -> int:
        """The number of its programs."""
        return round(self.share * VISITORS)


ALONE = Crowd("solving", 0)
CROWDS = (
    ALONE,
    *(Crowd("solving", SHARES[0], times) for times in SLOWER[1:]),
    *(Crowd(kind, share) for kind in KINDS for share in SHARES),
)


def play(crowd: Crowd) -> dict[str, Tally]:
    """Play the releases of a crowd with each rule."""
    tallies = {name: Tally() for name in RULES}
    for number in range(RELEASES[crowd.share]):
        passes = passes_of(random.Random(f"{number} {crowd}"), crowd.programs, KINDS[crowd.kind], crowd.slower)
        for name, rule in RULES.items():
            chance = random.Random(f"{number} {crowd} {name}")
            tallies[name].add(passes, Release(SEATS, rule.limit, chance).serve(rule.turns(passes, chance)))
    return tallies


def sections(played: Mapping[Crowd, Mapping[str, Tally]]) -> dict[str, str]:
    """Return the tables of the page, by the names of their sections."""
    mean = VISITORS / RATE / 2

    def ratios(rule: str, crowds: Sequence[Crowd]) -> str:
        return " / ".join(played[crowd][rule].ratio(crowd.programs) for crowd in crowds)

    return {
        "turns": table(
            ["rule", *KINDS],
            [[rule, *(ratios(rule, [Crowd(kind, share) for share in SHARES]) for kind in KINDS)] for rule in RULES],
        ),
        "turns-cost": table(
            [
                "rule, without programs",
                "people with a seat wait longer, median / 95th percentile",
                "people who solve a captcha and get no seat",
                "refused by the limit, of the people who would have a seat",
            ],
            [[rule, *_cost(tally)] for rule, tally in played[ALONE].items()],
        ),
        "turns-slower": table(
            ["rule, 2 % solving", *(f"people ask after {times * mean:.0f} s on average" for times in SLOWER)],
            [[rule, *(ratios(rule, [Crowd("solving", SHARES[0], times)]) for times in SLOWER)] for rule in RULES],
        ),
    }


def _cost(alone: Tally) -> list[str]:
    return [
        " / ".join(f"{percentile(alone.waits, percent):.0f} s" for percent in (50, 95)),
        f"{alone.in_vain / RELEASES[ALONE.share]:,.0f}",
        f"{alone.refused / (alone.people + alone.refused):.1%}",
    ]
