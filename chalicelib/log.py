"""One JSON line per event on stderr, which Lambda keeps. Never personal data, never a token.

A line may carry metrics in CloudWatch's embedded metric format: numbers that its log turns into metrics by itself.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from chalicelib import settings

NAMESPACE = "Guichet"
clock: Callable[[], float] = time.time
"""What dates a metric, in seconds since 1970. A test sets its own clock here."""
_run: ContextVar[str] = ContextVar("run", default="")


def about(run: str) -> None:
    """All that is written from now on is about this run: the id that API Gateway, or Lambda, gave it."""
    _run.set(run)


def event(
    name: str,
    metrics: Mapping[str, float] | None = None,
    by: Mapping[str, str] | None = None,
    /,
    **facts: str | float | bool | None,
) -> None:
    """Write what happened; the facts are codes, counts and seat keys.

    `metrics` are counted for the stage, and for what is named in `by` as well.
    """
    line: dict[str, object] = {"event": name, "run": _run.get(), **facts}
    if metrics:
        dimensions = [["Stage"], ["Stage", *by]] if by else [["Stage"]]
        told = {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": [{"Name": metric} for metric in metrics]}
        line |= {"_aws": {"Timestamp": int(clock() * 1000), "CloudWatchMetrics": [told]}}
        line |= {"Stage": settings.current().stage, **(by or {}), **metrics}
    sys.stderr.write(json.dumps(line) + "\n")
