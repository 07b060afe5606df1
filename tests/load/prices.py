"""The list prices of AWS, and the bill of a release."""

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000
AS_OF = "2026-11-23"
"""When the prices below were read: those of us-east-1 in dollars. Some in eu-west-3 are up to a fifth higher."""
GATEWAY, INVOCATION, CDN, WEB_ACL = 3.50 / MILLION, 0.20 / MILLION, 1.00 / MILLION, 0.60 / MILLION  # per request
GB_SECOND, GB_OUT, GB_LOGGED = 0.0000166667, 0.09, 0.50
WRITE_UNIT, READ_UNIT, LETTER = 0.625 / MILLION, 0.125 / MILLION, 0.10 / 1000
LOGGED = 500  # bytes of log per request
FULL_CORE = 1769  # MB of memory at which a Lambda function has a full core
WAIT_MS = 5.0  # for one call to the table, billed although the CPU is idle
ENVIRONMENTS, SECONDS = 100, 300  # of each function, and for how long, with 100,000 visitors


@dataclass(frozen=True)
class FreeTier:
    """The usage that is not billed: CDN requests, GB sent, Lambda calls and GB-seconds, GB of logs."""

    cdn: float = 0
    sent: float = 0
    calls: float = 0
    gb_seconds: float = 0
    logged: float = 0


NO_FREE_TIER = FreeTier()
MONTHLY_FREE_TIER = FreeTier(10 * MILLION, 1_000, MILLION, 400_000, 5)
"""The monthly free tier of every account ("always free" on the pricing pages of AWS, read 2026-11-23)."""


@dataclass(frozen=True)
class Use:
    """The resources of one request: CPU, calls to the table, bytes of the answer, and MB of the function."""

    cpu_ms: float
    calls: float
    sent: int
    memory: int

    @property
    def gb_seconds(self) -> float:
        """The GB-seconds that Lambda bills. A function with less memory than FULL_CORE has less than a core."""
        return (self.cpu_ms * max(1.0, FULL_CORE / self.memory) + self.calls * WAIT_MS) / 1000 * self.memory / 1024


def bill(
    requests: Mapping[str, float],
    uses: Mapping[str, Use],
    *,
    writes: float,
    reads: float,
    letters: float,
    load_gb_seconds: float,
    cached: Mapping[str, float] | None = None,
    free: FreeTier = NO_FREE_TIER,
) -> dict[str, float]:
    """Compute the dollars by AWS service and in total.

    `requests` are those that reach the gateway, by kind. `cached` are those that a CDN answers, if there is one.
    """
    count = sum(requests.values())
    seconds = sum(number * uses[kind].gb_seconds for kind, number in requests.items()) + load_gb_seconds
    sent = sum(number * uses[kind].sent for counts in (requests, cached or {}) for kind, number in counts.items())
    parts = {
        "API Gateway": count * GATEWAY,
        "Lambda": _beyond(count, free.calls) * INVOCATION + _beyond(seconds, free.gb_seconds) * GB_SECOND,
        "DynamoDB": writes * WRITE_UNIT + reads * READ_UNIT,
        "SES": letters * LETTER,
        "traffic out": _beyond(sent / 1e9, free.sent) * GB_OUT,
        "logs": _beyond(count * LOGGED / 1e9, free.logged) * GB_LOGGED,
    }
    if cached is not None:
        cdn_requests = count + sum(cached.values())
        parts["CloudFront"] = _beyond(cdn_requests, free.cdn) * CDN
        parts["web ACL"] = cdn_requests * WEB_ACL
    return {**parts, "total": sum(parts.values())}


def _beyond(used: float, free: float) -> float:
    return max(0.0, used - free)
