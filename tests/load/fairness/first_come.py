"""A release of `first_come` as `make rush` plays it: the seat is taken by the right answer to the captcha.

People ask at a random moment after the opening and take some seconds for the captcha; programs that solve it ask at
once. The figures are those of tests/load/rush. What is left out: answers that take longer because many ask at once,
and that nobody in a rush asks later than twice HASTE.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.load.fairness.waiting import SEATS, Person
from tests.load.rush.plan import SOLVING_SECONDS

RATE = 60
"""Visitors a second, the default of the rush: 3,000 people ask 25 s after the opening on average."""
CAPTCHA = (2.0, 6.0)
"""Seconds a person takes for the captcha: `think(4)` of the rush."""
PROGRAM_STARTS = 2.0
"""A program asks within so many seconds of the opening."""


@dataclass
class FirstCome:
    """The releases of a service with programs beside the people.

    The seats that programs take are sold: each goes to one of those who wait, whoever it is.
    """

    programs: int
    identities: int = 1
    """How many applicants each program has."""
    is_steady: bool = False
    """Whether the same people are quick each week; else each week anew."""
    seats: int = SEATS
    seed: int = 19
    sold: list[int] = field(default_factory=list)
    """The seats that programs took, by week."""
    quickness: dict[str, float] = field(default_factory=dict)
    """Where each person stood in the last release: 0 for the quickest, 1 for the slowest."""

    def __call__(self, week: int, waiting: Sequence[Person]) -> list[Person]:
        """Give the seats of a week to the quickest. Return all who have one, the buyers too."""
        chance = random.Random(f"{self.seed} {week}")
        mean = (len(waiting) + self.programs) / RATE / 2  # seconds from the opening to a first request
        moments: list[tuple[float, Person | None]] = []
        asked = []
        for one in waiting:
            own = random.Random(one.receipt).random() if self.is_steady else chance.random()
            asked.append((own, one.receipt))
            start = -mean * math.log(1 - own)
            moments.append((start + chance.uniform(*CAPTCHA), one))
        programs = range(self.programs * self.identities)
        moments += [(chance.uniform(0, PROGRAM_STARTS) + SOLVING_SECONDS, None) for _ in programs]
        self.quickness = {receipt: n / len(asked) for n, (_, receipt) in enumerate(sorted(asked))}
        first = sorted(moments, key=lambda moment: moment[0])[: self.seats]
        winners = [one for _, one in first if one is not None]
        self.sold.append(len(first) - len(winners))
        lucky = {one.receipt for one in winners}
        others = [one for one in waiting if one.receipt not in lucky]
        return winners + chance.sample(others, min(self.sold[-1], len(others)))
