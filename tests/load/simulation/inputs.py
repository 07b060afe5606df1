"""What the simulation is given: limits and prices that AWS publishes, a crowd, and what was measured."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.booking import holds
from chalicelib.domain import calendar
from chalicelib.storage import recent

MEASURED = Path(__file__).with_name("measured.json")
TRIES = holds.TRIES
EARLIEST = calendar.EARLIEST
MEMORY = recent.SECOND.total_seconds()
FULL_MEMORY = recent.FULL.total_seconds()
PAUSE = recent.PAUSE.total_seconds()
NEAREST = 3
WEEKS = 3
"""Open weeks of a service that releases two weeks ahead: the two before the new one are full."""

MILLION = 1_000_000
PRICES_AS_OF = "2026-11-23"  # us-east-1; Paris asks up to a fifth more for some
GATEWAY, INVOCATION, EDGE, WEB_ACL = 3.50 / MILLION, 0.20 / MILLION, 1.00 / MILLION, 0.60 / MILLION  # a request
GB_SECOND, GB_OUT, GB_LOGGED = 0.0000166667, 0.09, 0.50
WRITE_UNIT, READ_UNIT, LETTER = 0.625 / MILLION, 0.125 / MILLION, 0.10 / 1000
LOGGED, ZIPPED = 500, 0.12  # bytes of log a request; gzip leaves so much of a page


@dataclass(frozen=True)
class Limits:
    """What the account may do, with AWS's defaults; what is mended is said by changing one."""

    gateway: float = 10_000  # requests a second of the account and region
    gateway_burst: float = 5_000
    concurrency: int = 1_000  # environments of the account at once
    scaling: float = 100  # new environments a second and function, after the first 1,000
    scaling_burst: float = 1_000
    warm: int = 0  # environments of each function that are there at nine: provisioned concurrency
    reserved: float = 1.0  # the share of the concurrency that `slots` may have; the rest is for who books
    partition_writes: float = 1_000
    partition_reads: float = 3_000
    table_writes: float = 4_000
    table_reads: float = 12_000
    partitions: int = 1  # of the released week: 1 with a key a week, 5 with a key a day
    shared: bool = False  # the calendar of a second in one item: one environment reads the weeks, the others its item
    mails: float = 14  # letters a second: MailRate
    window: int = EARLIEST  # the first free seat is drawn among so many
    edge: bool = False  # the calendar from an edge that keeps it for a second
    retry_after: tuple[float, float] = (5, 5)  # what the gateway tells who is refused, in seconds


@dataclass(frozen=True)
class Costs:
    """CPU of a whole core in seconds, and what else a request costs; a week's size makes some of it dearer."""

    look: float
    look_seat: float
    hold: float
    hold_seat: float
    fill: float  # to read the open weeks again: the first look or hold of a second in an environment
    fill_seat: float
    step: float = 0.006  # captcha, details, confirm: none of them looks at the week
    load: float = 0.6  # CPU until a new environment has answered
    item: int = 150  # bytes of a seat, between the 66 of an open and the 250 of a confirmed one
    call: float = 0.005  # one call of the table
    core: float = 1024 / 1769  # the share of a core that 1,024 MB have
    memory: float = 1.0  # GB
    page: int = 12_000  # bytes of a calendar before its slots
    page_slot: int = 950

    def units(self, seats: int) -> float:
        """Read units of one Query of a week."""
        return max(0.5, seats * self.item / 4096 / 2)


@dataclass(frozen=True)
class Crowd:
    """Who comes: all look at nine, choose, and stay until they know."""

    visitors: int
    seats: int
    desks: int = 4  # seats of one slot
    arrival: float = 10.0  # mean seconds after nine of the first look
    first_free: float = 0.5  # of those who choose; the others pick a slot that they saw free
    think: float = 4.0  # mean seconds between seeing and clicking
    again: float = 1.0  # mean seconds that a person takes longer than Retry-After
    patience: float = 300.0
    captcha: float = 25.0  # mean seconds from a hold to the answer
    form: float = 150.0  # mean seconds to fill it in
    confirm: float = 180.0  # mean seconds from a letter's leaving to its button
    hold_for: float = 180.0
    form_for: float = 900.0


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """The straight line nearest to the points: its value at nought, not below nought, and its slope."""
    n = len(points)
    x, y = sum(p[0] for p in points) / n, sum(p[1] for p in points) / n
    slope = sum((px - x) * (py - y) for px, py in points) / sum((px - x) ** 2 for px, _ in points)
    return max(0.0, y - slope * x), slope


def costs(measured: dict[str, Any], **changes: float) -> Costs:
    """What the steps cost on the machine that measured them, as straight lines over the seats of a week."""
    rows = measured["steps"]["by_seats"]

    def cpu(name: str, less: str = "") -> tuple[float, float]:
        return line([(row["seats"], (row["page"][name] - (row["page"][less] if less else 0)) / 1000) for row in rows])

    found: dict[str, Any] = {}
    for name, of in {
        "look": cpu("look"),
        "hold": cpu("hold"),
        "fill": cpu("hold, memory empty", "hold"),
    }.items():
        found[name], found[f"{name}_seat"] = of
    return Costs(**(found | {"load": measured["load_seconds"]} | changes))


def recorded() -> dict[str, Any]:
    """The measurements that are kept beside this program."""
    read: dict[str, Any] = json.loads(MEASURED.read_text("utf-8"))
    return read


@dataclass
class Tally:
    """What one run used, and what people were told on the way."""

    looks: int = 0
    edge: int = 0
    attempts: int = 0
    invocations: int = 0
    gb_seconds: float = 0.0
    writes: float = 0.0
    reads: float = 0.0
    letters: int = 0
    bytes_out: float = 0.0
    environments: int = 0
    lapsed: int = 0
    told: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("taken", "nothing free", "429 gateway", "429 table", "503 no environment"), 0
        )
    )

    def dollars(self) -> float:
        """The bill at list prices, without free tiers; what the gateway refuses is not billed."""
        return (
            self.invocations * (GATEWAY + INVOCATION)
            + self.edge * (EDGE + WEB_ACL)
            + self.gb_seconds * GB_SECOND
            + self.writes * WRITE_UNIT
            + self.reads * READ_UNIT
            + self.letters * LETTER
            + self.bytes_out / 1e9 * GB_OUT
            + self.invocations * LOGGED / 1e9 * GB_LOGGED
        )
