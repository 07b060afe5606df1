"""Play the weeks of a service: who waits, who gets a seat by a draw or by being first, and after how many weeks.

Each week the newcomers join, and then the seats are given. The figures are about the PEOPLE who join until
LAST_ARRIVAL; the weeks after it go on with as many newcomers.
"""

import base64
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256

from chalicelib.domain import draw, draw_record
from chalicelib.domain.draw import ANY, FrozenEntry, Result

SEATS = 270
"""Seats a week."""
ARRIVALS = 270
"""People who join each week: as many as there are seats."""
LAST_ARRIVAL = 26
PEOPLE = 10_000
BACKLOG = PEOPLE - LAST_ARRIVAL * ARRIVALS
"""People who wait at the beginning."""
SETTLED = range(53, 79)
"""Weeks of the second year. At the beginning nobody has lost a draw, so seniority has no effect yet."""
MOST_WEEKS = 156
"""Weeks after which the play ends, whoever still waits."""
MONDAY = date(2026, 12, 14)
HALF_DAYS = [(day, start) for day in range(5) for start in ("09", "14")]
FLEXIBLE = 0.4
"""The share of people who take every half-day. The others rank two half-days, and half of these then any."""


@dataclass(slots=True)
class Person:
    """Somebody who waits. `week` is the week of the first draw or release that they take part in, from 1."""

    receipt: str
    week: int
    wishes: tuple[str, ...]
    is_invented: bool = False
    served: int | None = None

    @property
    def waited(self) -> int | None:
        """How many weeks were lost before the seat; None without a seat."""
        return None if self.served is None else self.served - self.week


def person(number: int, week: int, chance: random.Random, *, is_invented: bool = False) -> Person:
    """Invent somebody. The same number has the same receipt."""
    receipt = base64.b32encode(sha256(f"receipt {number}".encode()).digest()).decode().lower()[:26]
    if is_invented or chance.random() < FLEXIBLE:
        return Person(receipt, week, (ANY,), is_invented)
    halves = ["am" if start < "12" else "pm" for _, start in HALF_DAYS]
    days = [f"{day}-{half}" for (day, _), half in zip(HALF_DAYS, halves, strict=True)]
    return Person(receipt, week, (*chance.sample(days, 2), *((ANY,) if chance.random() < 0.5 else ())))


def seats_of(week: int, count: int = SEATS) -> list[str]:
    """Return the seats of a week, evenly over its half-days, as a record names them."""
    monday = MONDAY + timedelta(weeks=week)
    places = [HALF_DAYS[n % len(HALF_DAYS)] for n in range(count)]
    return sorted(
        f"{monday + timedelta(days=day)}T{start}:{n // 100 * 5:02}/{n % 100 + 1:03}"
        for n, (day, start) in enumerate(places)
    )


Allocate = Callable[[int, Sequence[Person]], Iterable[Person]]
"""Gives the seats of a week to those who wait. Returns those who have one."""


def play(allocate: Allocate, *, weeks: int = MOST_WEEKS, seed: int = 19) -> list[Person]:
    """Play until the PEOPLE who came first have a seat and SETTLED is over, or for so many weeks. Return everybody."""
    chance = random.Random(seed)
    people = [person(number, 1, chance) for number in range(BACKLOG)]
    waiting = list(people)
    for week in range(1, weeks + 1):
        newcomers = [person(number, week, chance) for number in range(len(people), len(people) + ARRIVALS)]
        people += newcomers
        waiting += newcomers
        for winner in allocate(week, waiting):
            winner.served = week
        waiting = [one for one in waiting if one.served is None]
        if week >= SETTLED.stop and all(one.served is not None for one in people[:PEOPLE]):
            break
    return people


@dataclass
class Draw:
    """The draws of a service, by the rule that the service itself applies."""

    seniority_percent: int
    seats: int = SEATS
    seed: int = 19
    waited: Mapping[str, int] = field(default_factory=dict)
    """How many draws each receipt has lost. A receipt that is not in it has lost none."""
    results: list[Result] = field(default_factory=list)
    """The results of the last draw."""

    def __call__(self, week: int, waiting: Sequence[Person]) -> list[Person]:
        """Draw the seats of a week among those who wait. Return the winners by rank."""
        monday = MONDAY + timedelta(weeks=week)
        entries = [FrozenEntry(one.receipt, self.waited.get(one.receipt, 0), _dated(one, monday)) for one in waiting]
        seats = seats_of(week, self.seats)
        root = draw_record.root(draw_record.entry_lines(entries), draw_record.seat_lines(seats))
        seed = sha256(f"{self.seed} {week}".encode()).hexdigest()
        record = {"seniority_percent": self.seniority_percent, "randomness": root, "seed": seed, "root": root}
        self.results = draw_record.results(record, entries, seats)
        standing = draw_record.standing(entries, self.results, {})  # who is served does not come back
        self.waited = {receipt: lost for receipt, (lost, _) in standing.items()}
        by_receipt = {one.receipt: one for one in waiting}
        return [by_receipt[result.receipt] for result in self.results if result.seat]

    def offer(self, week: int, waiting: Sequence[Person], given_up: Iterable[Person]) -> list[Person]:
        """Offer the seats that these winners of the last draw gave up to the next ranks whose preferences fit."""
        monday, by_receipt = MONDAY + timedelta(weeks=week), {one.receipt: one for one in waiting}
        gone = {one.receipt for one in given_up}
        queue = [by_receipt[result.receipt] for result in self.results if not result.seat]
        wishes = {one.receipt: set(_dated(one, monday)) for one in queue}
        taken: dict[str, Person] = {}
        for seat in (result.seat for result in self.results if result.seat and result.receipt in gone):
            for one in queue:
                if one.receipt not in taken and {ANY, draw.half_day(seat)} & wishes[one.receipt]:
                    taken[one.receipt] = one
                    if not one.is_invented:  # an invented person gives this seat up as well: the next rank has it
                        break
        return [one for one in taken.values() if not one.is_invented]

    def forget(self, people: Iterable[Person]) -> None:
        """Start the receipts of people again, as for those who let a seat lapse or do not come."""
        gone = {one.receipt for one in people}
        self.waited = {receipt: lost for receipt, lost in self.waited.items() if receipt not in gone}


def _dated(one: Person, monday: date) -> tuple[str, ...]:
    return tuple(wish if wish == ANY else f"{monday + timedelta(days=int(wish[0]))}-{wish[2:]}" for wish in one.wishes)
