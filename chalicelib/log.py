"""Write one JSON line per event to stderr, which Lambda sends to CloudWatch Logs. No personal data, no tokens.

A line may carry metrics in the embedded metric format, from which CloudWatch extracts them.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from chalicelib import settings

NAMESPACE = "Guichet"
clock: Callable[[], float] = time.time
"""The clock of the metrics, in seconds since 1970. A test sets its own."""
_run: ContextVar[str] = ContextVar("run", default="")


def set_run_id(run_id: str) -> None:
    """Set the id, from API Gateway or Lambda, that all following lines carry."""
    _run.set(run_id)


def event(
    name: str,
    metrics: Mapping[str, float] | None = None,
    by: Mapping[str, str] | None = None,
    /,
    **facts: str | float | bool | None,
) -> None:
    """Write an event. The facts are codes, counts and seat keys.

    Each metric is recorded for the stage, and also for the dimensions in `by`, if any.
    """
    line: dict[str, object] = {"event": name, "run": _run.get(), **facts}
    if metrics:
        dimensions = [["Stage"], ["Stage", *by]] if by else [["Stage"]]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": dimensions,
            "Metrics": [{"Name": metric} for metric in metrics],
        }
        line |= {"_aws": {"Timestamp": int(clock() * 1000), "CloudWatchMetrics": [directive]}}
        line |= {"Stage": settings.current().stage, **(by or {}), **metrics}
    sys.stderr.write(json.dumps(line) + "\n")
