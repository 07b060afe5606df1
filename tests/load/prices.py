"""What AWS asks for what a crowd uses: list prices in dollars, without free tiers, and the bill of a Monday."""

from collections.abc import Mapping
from dataclasses import dataclass

AS_OF = "2026-11-23"
REGION = "us-east-1"  # the region that AWS quotes; Paris asks up to a fifth more for some of it
MILLION = 1_000_000
GATEWAY = 3.50 / MILLION  # a request of a REST API, the first 333 million
INVOCATION = 0.20 / MILLION
GB_SECOND = 0.0000166667  # Lambda on x86; loading is paid too
WRITE_UNIT = 0.625 / MILLION
READ_UNIT = 0.125 / MILLION
LETTER = 0.10 / 1000  # SES
GB_OUT = 0.09  # to the internet
GB_LOGGED = 0.50  # CloudWatch Logs

FULL_CORE = 1769  # MB of memory at which a Lambda has a whole core
WAIT_MS = 5.0  # for one call of the table, paid while the CPU rests
LOGGED = 500  # bytes a request: our line, and Lambda's START, END and REPORT
ENVIRONMENTS, SECONDS = 100, 300  # of a crowd of 100,000: so many at once of each function, for so long


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
) -> dict[str, float]:
    """Dollars by service for so many requests of each kind, and in all."""
    count = sum(requests.values())
    seconds = sum(number * uses[kind].gb_seconds for kind, number in requests.items()) + load_gb_seconds
    sent = sum(number * uses[kind].sent for kind, number in requests.items())
    parts = {
        "API Gateway": count * GATEWAY,
        "Lambda": count * INVOCATION + seconds * GB_SECOND,
        "DynamoDB": writes * WRITE_UNIT + reads * READ_UNIT,
        "SES": letters * LETTER,
        "traffic out": sent / 1e9 * GB_OUT,
        "logs": count * LOGGED / 1e9 * GB_LOGGED,
    }
    return {**parts, "total": sum(parts.values())}
