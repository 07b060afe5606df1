"""The people of a storm. The storm that is played on this machine and the simulated one have the same people."""

import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from statistics import quantiles

LOOK, FIRST_FREE = -2, -1
"""What a person may ask for, apart from the number of a slot."""
CALENDAR, FULL, HELD, TAKEN, NOTHING = "calendar", "full calendar", "held", "slot-taken", "nothing-free"
FIRST_FREE_SHARE = 0.5
DESKS = 2


@dataclass(frozen=True)
class Size:
    """How many people come, how many of them at once, and for how many seats."""

    people: int
    seats: int
    at_once: int

    def __str__(self) -> str:
        return f"{self.people:,} on {self.seats}, {self.at_once} at once"


@dataclass(frozen=True)
class Reply:
    """What an answer tells a person: the outcome, and the free slots, or the nearest ones, by number."""

    outcome: str
    slots: Sequence[int] = ()


Person = Generator[int, Reply, None]


def person(chance: random.Random) -> Person:
    """Look at the week, then ask for a seat until there is one or nothing is free. Yield what to ask for."""
    reply = yield LOOK
    takes_first = chance.random() < FIRST_FREE_SHARE
    while reply.slots:
        reply = yield FIRST_FREE if takes_first else chance.choice(reply.slots)
        takes_first = False


def people(size: Size, seed: int) -> list[Person]:
    """Return the people in the order in which they come. The same seed gives the same people."""
    return [person(random.Random(f"{seed} {number}")) for number in range(size.people)]


@dataclass(frozen=True)
class StormAnswer:
    """An answer to a person: what was asked, when, in seconds from the first request, and the outcome."""

    person: int
    asked: int
    sent: float
    answered: float
    outcome: str


MAIN = ("drained in", "answers per second", "wait p50", "wait p95")
"""The figures that have to agree."""


def figures(answers: Sequence[StormAnswer]) -> dict[str, float]:
    """Return the figures of a storm. Times are in seconds."""
    held = [answer.answered for answer in answers if answer.outcome == HELD]
    drained = max(held)
    known: dict[int, float] = {}
    for answer in answers:
        known[answer.person] = known.get(answer.person, 0.0) + answer.answered - answer.sent
    waits = quantiles((answer.answered - answer.sent for answer in answers), n=100)
    outcomes = quantiles(known.values(), n=100)
    return {
        "drained in": drained,
        "answers per second": len(answers) / max(answer.answered for answer in answers),
        "wait p50": waits[49],
        "wait p95": waits[94],
        "outcome known after p50": outcomes[49],
        "outcome known after p95": outcomes[94],
        "attempts per hold": sum(answer.asked != LOOK and answer.answered <= drained for answer in answers) / len(held),
    }
