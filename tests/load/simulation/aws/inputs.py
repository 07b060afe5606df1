"""The inputs of the simulation: the limits that AWS publishes, the crowd, and the measured costs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.domain import week_snapshot
from chalicelib.storage import seat_keys, snapshot_store
from infra.ops import day_partitions
from tests.load.pages import using
from tests.load.prices import (
    CDN,
    GATEWAY,
    GB_LOGGED,
    GB_OUT,
    GB_SECOND,
    INVOCATION,
    LETTER,
    LOGGED,
    READ_UNIT,
    WEB_ACL,
    WRITE_UNIT,
)
from tests.load.simulation.seats import EARLIEST

MEASURED = Path(__file__).with_name("measured.json")
USABLE, CLAIMED = snapshot_store.USABLE.total_seconds(), snapshot_store.CLAIMED.total_seconds()
WEEKS = 3
"""The open weeks of a service that releases two weeks ahead. The two weeks before the new one are full."""

DAYS, OPEN_DAYS = seat_keys.DAYS, 5
"""The days of a week that are read, and those that have seats: as many each."""

ZIPPED = 0.12  # the gzip ratio of a page


@dataclass(frozen=True)
class Limits:
    """The limits of the account and of the service. The defaults are those of AWS and of the service."""

    gateway: float = 10_000  # requests per second of the account in its region
    gateway_burst: float = 5_000
    concurrency: int = 1_000  # concurrent environments of the account
    scaling: float = 100  # new environments per second and function, after the first 1,000
    scaling_burst: float = 1_000
    warm: int = 0  # environments of each function before the release: provisioned concurrency
    partition_writes: float = 1_000
    partition_reads: float = 3_000
    table_writes: float = 4_000
    table_reads: float = 12_000
    by_day: int = day_partitions.MANY  # from how many seats a week each day has a partition, and the week a snapshot
    snapshot_from: int = week_snapshot.LARGE  # from how many seats any other week is read from its snapshot
    mails: float = 14  # letters per second: MailRate
    window: int = EARLIEST  # number of seats from which the first free one is drawn
    cdn: bool = False  # a CDN caches the calendar for 1 s
    retry_after: tuple[float, float] = (5, 5)  # seconds, of the gateway's 429


QUOTAS = Limits(
    cdn=True,
    gateway=50_000,
    gateway_burst=25_000,
    concurrency=5_000,
    table_writes=10_000,
    table_reads=30_000,
    mails=100,
    retry_after=(1, 10),
)
"""With the CDN and the quotas that docs/capacity.md proposes for 100,000 visitors."""


@dataclass(frozen=True)
class RequestCosts:
    """The costs of a request. CPU is in seconds of a full core; the names with `_seat` are per seat of the week."""

    look: float
    look_seat: float
    hold: float
    hold_seat: float
    fill: float  # to read the open weeks: the first request of each second in an environment
    fill_seat: float
    decode_seat: float = 0.0000055  # CPU to read a snapshot and cache it
    encode_seat: float = 0.000002  # CPU to write it
    snapshot_bytes: int = 2_200  # of 10,000 seats
    step: float = 0.006  # captcha, details, confirm: these do not read the week
    load: float = 0.6  # CPU of a new environment until its first answer
    item: int = 150  # bytes of a seat, between the 66 of an open and the 250 of a confirmed one
    call: float = 0.005  # latency of one call to the table
    core: float = 1024 / 1769  # the share of a core at 1,024 MB
    memory: float = 1.0  # GB
    page: int = 12_000  # bytes of a calendar before its slots
    page_slot: int = 950

    def units(self, seats: int) -> float:
        """Return the read units of one Query of a week."""
        return max(0.5, seats * self.item / 4096 / 2)


@dataclass(frozen=True)
class AwsCrowd:
    """The visitors. Each looks at nine, chooses, and stays until the outcome is known or patience ends."""

    visitors: int
    seats: int
    desks: int = 4  # seats of one slot
    arrival: float = 10.0  # mean seconds after nine of the first look
    first_free: float = 0.5  # the share that takes the first free slot; the others choose a slot that they saw free
    think: float = 4.0  # mean seconds between seeing and clicking
    again: float = 1.0  # mean seconds that a person waits beyond Retry-After
    patience: float = 300.0
    captcha: float = 25.0  # mean seconds from a hold to the answer
    captcha_first: bool = False  # each hold waits: it takes a seat after its captcha (`seat_after: crowd`)
    form: float = 150.0  # mean seconds to fill it in
    confirm: float = 180.0  # mean seconds from the sending of a letter to the confirmation
    hold_for: float = 180.0
    form_for: float = 900.0


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Fit a straight line by least squares. Return its value at 0, which is at least 0, and its slope."""
    n = len(points)
    x, y = sum(p[0] for p in points) / n, sum(p[1] for p in points) / n
    slope = sum((px - x) * (py - y) for px, py in points) / sum((px - x) ** 2 for px, _ in points)
    return max(0.0, y - slope * x), slope


def request_costs(measured: dict[str, Any]) -> RequestCosts:
    """Turn the measurements into costs: straight lines over the seats of a week."""

    def fit(cpu: Callable[[dict[str, float]], float]) -> tuple[float, float]:
        return line([(row["seats"], cpu(row) / 1000) for row in measured["by_seats"]])

    look, look_seat = fit(lambda row: row["look"])
    hold, hold_seat = fit(lambda row: row["hold"])
    fill, fill_seat = fit(lambda row: row["hold, cache empty"] - row["hold"])
    return RequestCosts(look, look_seat, hold, hold_seat, fill, fill_seat, load=measured["load_seconds"])


def read_measured(path: Path = MEASURED) -> dict[str, Any]:
    """Read the measurements in measured.json. Raise BadFile for a missing, broken or incomplete file."""
    with using(path):
        measured: dict[str, Any] = json.loads(path.read_text("utf-8"))
        request_costs(measured)
    return measured


@dataclass
class Tally:
    """The resources that one run used, and how often each negative answer was given."""

    looks: int = 0
    cdn: int = 0
    attempts: int = 0
    invocations: int = 0
    gb_seconds: float = 0.0
    writes: float = 0.0
    reads: float = 0.0
    letters: int = 0
    bytes_out: float = 0.0
    lapsed: int = 0
    answers: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("taken", "nothing free", "429 gateway", "429 table", "503 no environment"), 0
        )
    )

    def dollars(self) -> float:
        """Return the bill at list prices without free tiers. Requests that the gateway refuses are not billed."""
        return (
            self.invocations * (GATEWAY + INVOCATION)
            + self.cdn * (CDN + WEB_ACL)
            + self.gb_seconds * GB_SECOND
            + self.writes * WRITE_UNIT
            + self.reads * READ_UNIT
            + self.letters * LETTER
            + self.bytes_out / 1e9 * GB_OUT
            + self.invocations * LOGGED / 1e9 * GB_LOGGED
        )
