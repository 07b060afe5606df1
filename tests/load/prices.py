"""The bill of a Monday at the list prices of `simulation.inputs`."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.load.simulation.inputs import (
    EDGE,
    GATEWAY,
    GB_LOGGED,
    GB_OUT,
    GB_SECOND,
    INVOCATION,
    LETTER,
    LOGGED,
    MILLION,
    READ_UNIT,
    WEB_ACL,
    WRITE_UNIT,
)

FULL_CORE = 1769  # MB of memory at which a Lambda has a whole core
WAIT_MS = 5.0  # for one call of the table, paid while the CPU rests
ENVIRONMENTS, SECONDS = 100, 300  # of a crowd of 100,000: so many at once of each function, for so long


@dataclass(frozen=True)
class Given:
    """What is not billed: requests and GB at the edge, calls and GB-seconds of Lambda, GB of logs."""

    edge: float = 0
    sent: float = 0
    calls: float = 0
    gb_seconds: float = 0
    logged: float = 0


NOTHING = Given()
EACH_MONTH = Given(10 * MILLION, 1_000, MILLION, 400_000, 5)
"""What AWS gives every account, not only new ones ("always free" on its pages of prices, read 2026-11-23)."""


@dataclass(frozen=True)
class Use:
    """What a request of one kind costs: CPU, calls of the table, bytes of the answer, MB of its function."""

    cpu_ms: float
    calls: float
    sent: int
    memory: int

    @property
    def gb_seconds(self) -> float:
        """What Lambda bills: less memory than FULL_CORE is less than a core."""
        return (self.cpu_ms * max(1.0, FULL_CORE / self.memory) + self.calls * WAIT_MS) / 1000 * self.memory / 1024


def bill(
    requests: Mapping[str, float],
    uses: Mapping[str, Use],
    *,
    writes: float,
    reads: float,
    letters: float,
    load_gb_seconds: float,
    kept: Mapping[str, float] | None = None,
    given: Given = NOTHING,
) -> dict[str, float]:
    """Dollars by service for so many requests of each kind, and in all; `kept` are those that an edge answers."""
    count = sum(requests.values())
    seconds = sum(number * uses[kind].gb_seconds for kind, number in requests.items()) + load_gb_seconds
    sent = sum(number * uses[kind].sent for of in (requests, kept or {}) for kind, number in of.items())
    parts = {
        "API Gateway": count * GATEWAY,
        "Lambda": _beyond(count, given.calls) * INVOCATION + _beyond(seconds, given.gb_seconds) * GB_SECOND,
        "DynamoDB": writes * WRITE_UNIT + reads * READ_UNIT,
        "SES": letters * LETTER,
        "traffic out": _beyond(sent / 1e9, given.sent) * GB_OUT,
        "logs": _beyond(count * LOGGED / 1e9, given.logged) * GB_LOGGED,
    }
    if kept is not None:
        asked = count + sum(kept.values())
        parts["CloudFront"] = _beyond(asked, given.edge) * EDGE
        parts["web ACL"] = asked * WEB_ACL
    return {**parts, "total": sum(parts.values())}


def _beyond(used: float, given: float) -> float:
    return max(0.0, used - given)
