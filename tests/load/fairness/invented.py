"""Play a draw into which somebody has entered many invented people: what honest people lose, and what it costs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from chalicelib.booking.hold_limits import TIERS
from chalicelib.booking.request_limits import MOST_CAPTCHAS
from chalicelib.domain.service import Limits
from tests.load.fairness import waiting
from tests.load.fairness.waiting import LAST_ARRIVAL, Draw, Person

NETWORK_HOLDS = 30
"""The default of OriginHolds in infra/deploy/templates/app.yaml: entries an hour of one client network."""
WINDOW_HOURS, WINDOW_DAYS = 81, 4
"""A window from Thursday 9:00 to Sunday 18:00 touches four days."""


@dataclass
class Infiltrated:
    """Draws with invented people among those who wait. They never come, and enter again after each win."""

    identities: int
    confirms: bool
    """Whether they confirm, so that their seats stay empty; else their seats are offered to the next ranks."""
    restarts: bool = True
    """Whether their receipts start again, as the rule says, after they let a seat lapse or do not come."""
    seniority_percent: int = 25
    tries: int = 0
    drawn: int = 0
    """Honest people who were drawn."""
    offered: int = 0
    """Honest people who got a seat by an offer."""
    wins: list[int] = field(default_factory=list)
    """The seats that went to invented people first, by week."""
    rule: Draw = field(init=False)

    def __post_init__(self) -> None:
        self.rule = Draw(self.seniority_percent)
        chance = random.Random(0)
        numbers = range(1_000_000, 1_000_000 + self.identities)
        self.invented = [waiting.person(number, 1, chance, is_invented=True) for number in numbers]

    def __call__(self, week: int, people: Sequence[Person]) -> list[Person]:
        """Draw among honest and invented people. Return the honest ones who have a seat."""
        everybody = [*people, *self.invented]
        winners = self.rule(week, everybody)
        honest = [one for one in winners if not one.is_invented]
        invented = [one for one in winners if one.is_invented]
        late = [] if self.confirms else self.rule.offer(week, everybody, invented)
        if self.restarts:
            self.rule.forget(invented)
        self.tries += len(people)
        self.drawn += len(honest)
        self.offered += len(late)
        self.wins.append(len(invented))
        return honest + late

    def play(self, weeks: int = LAST_ARRIVAL) -> Self:
        """Play so many weeks. Return itself, with the figures."""
        waiting.play(self, weeks=weeks)
        return self


def captchas(entries: int, *, networks: int, domains: int, hours: int = WINDOW_HOURS, days: int = WINDOW_DAYS) -> int:
    """Return how many captchas so many entries cost that are spread evenly over networks, domains, hours and days.

    Each entry costs one, and further ones, at most MOST_CAPTCHAS, for each full limit that the client network (in an
    hour) or the e-mail domain (in a day) has used up before it. No domains: mailboxes of well-known providers.
    """
    tier = NETWORK_HOLDS // TIERS
    total = 0
    for number in range(entries):
        in_hour = number // (networks * hours)
        in_day = number // (domains * days) if domains else 0
        due = max(in_hour // tier, in_day // Limits().domain_requests)
        total += 1 + min(due, MOST_CAPTCHAS)
    return total
