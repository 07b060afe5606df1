"""Measure what each kind of request costs on this machine, apart from the storms that are compared."""

from dataclasses import dataclass
from statistics import mean

from tests.load.simulation.storm.crowd import CALENDAR, FIRST_FREE, FULL, HELD, LOOK, NOTHING, TAKEN, Size, people
from tests.load.simulation.storm.metered import EMPTY, FAILED
from tests.load.simulation.storm.played import Metered, Played, Servers, create_seats, repeat

AT_ONCE, SECONDS = 16, 1.2
WEEK = "Query"


@dataclass(frozen=True)
class StormCosts:
    """CPU seconds. The first ones are those of a server for a request, without its calls to the table."""

    look: float
    full: float
    """Of a look when no slot is free."""
    held: float
    taken: float
    """Of a hold that is refused from the cache while other slots are free."""
    nothing: float
    """Of a hold that is refused because nothing is free."""
    failed: float
    """Additional, for each seat that another visitor took first."""
    week: float
    """Additional, to read the released week."""
    empty: float
    """Additional, to read a week without seats."""
    table_week: float
    table_empty: float
    table_write: float
    look_crowd: float
    full_crowd: float
    hold_crowd: float
    empty_weeks: int
    """How many weeks without seats are read with the released one. On a Sunday it is one less."""


@dataclass
class Sample:
    """What is played to measure: looks at a free week, a small storm, and holds and looks when nothing is free."""

    free: Played
    storm: Played
    holds: Played
    full: Played

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.free + other.free, self.storm + other.storm, self.holds + other.holds, self.full + other.full
        )


def sample(place: Servers, service: str, seats: int, seed: int) -> Sample:
    """Play what is needed to measure the costs, on a week of this service with so many seats."""
    size = Size(2 * seats, seats, AT_ONCE)
    create_seats(service, seats)

    def again(asked: int) -> Played:
        return place.storm(service, [repeat(asked, SECONDS) for _ in range(AT_ONCE)], AT_ONCE)

    return Sample(again(LOOK), place.storm(service, people(size, seed), AT_ONCE), again(FIRST_FREE), again(LOOK))


def storm_costs(sample: Sample) -> StormCosts:
    """Turn a sample into costs. What the web server needs beside the application is in each request."""
    free, storm, holds, full = sample.free, sample.storm, sample.holds, sample.full
    base = {
        CALENDAR: cpu(storm, CALENDAR),
        FULL: cpu(full, FULL),
        HELD: cpu(storm, HELD, UpdateItem=2, PutItem=1),
        TAKEN: cpu(storm, TAKEN),
        NOTHING: cpu(holds, NOTHING),
    }
    failing = [answer for answer in storm.answers if answer.calls[FAILED] and not reads(answer)]
    more = sum(answer.cpu + web_server_overhead(storm) - base[answer.outcome] for answer in failing)
    week = cpu(free, CALENDAR, Query=1) - cpu(free, CALENDAR)
    empty_weeks = max(answer.calls[EMPTY] for answer in holds.answers)
    both = cpu(holds, NOTHING, Query=1, Empty=empty_weeks) - base[NOTHING]
    table_week = free.cpu["emulator"] / count(free, WEEK)
    table_empty = max(0.0, holds.cpu["emulator"] - table_week * count(holds, WEEK)) / count(holds, EMPTY)
    table_reads = table_week * count(storm, WEEK) + table_empty * count(storm, EMPTY)
    return StormCosts(
        look=base[CALENDAR],
        full=base[FULL],
        held=base[HELD],
        taken=base[TAKEN],
        nothing=base[NOTHING],
        failed=more / sum(answer.calls[FAILED] for answer in failing),
        week=week,
        empty=max(0.0, both - week) / empty_weeks,
        table_week=table_week,
        table_empty=table_empty,
        table_write=(storm.cpu["emulator"] - table_reads) / count(storm, FAILED, "UpdateItem", "PutItem"),
        look_crowd=crowd(storm, looks=True),
        full_crowd=crowd(full, looks=True),
        hold_crowd=crowd(storm, looks=False),
        empty_weeks=empty_weeks,
    )


def cores(sample: Sample) -> float:
    """Return how many cores other programs leave to the servers while these are busy."""
    return (sample.free + sample.full).cores


def web_server_overhead(played: Played) -> float:
    """Return the CPU seconds of the web server for a request beside those of the application."""
    return played.per_answer("servers", sum(answer.cpu for answer in played.answers))


def cpu(played: Played, outcome: str, **calls: int) -> float:
    """Return the mean CPU seconds of a server for the requests with this outcome and these calls."""
    same = [answer.cpu for answer in played.answers if answer.outcome == outcome and answer.calls == calls]
    return mean(same) + web_server_overhead(played)


def crowd(played: Played, *, looks: bool) -> float:
    """Return the mean CPU seconds of the crowd for a look, or for a hold."""
    same = [answer.crowd for answer in played.answers if (answer.asked == LOOK) is looks]
    return mean(same) + played.per_answer("crowd", sum(answer.crowd for answer in played.answers))


def reads(answer: Metered) -> int:
    """Count the weeks that were read for an answer."""
    return answer.calls[WEEK] + answer.calls[EMPTY]


def count(played: Played, *names: str) -> int:
    """Count the calls to the table with these names."""
    return sum(answer.calls[name] for answer in played.answers for name in names)
