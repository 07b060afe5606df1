"""Alarms as CloudWatch evaluates them, on the metrics of the emulator and on those that only AWS writes.

The emulator writes metrics of functions. What a function logs in the embedded metric format becomes metrics here, as
CloudWatch does it. The numbers that only another service of AWS knows (API Gateway, DynamoDB, SQS, SES) are counted by
the drill where they arise, and written under the names of that service.
"""

import json
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.local.stack import Stack

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}
PREFIX = "guichet-laptop-"


@dataclass(frozen=True)
class Alarms:
    """The alarms that are deployed to a stack."""

    stack: Stack

    def named(self) -> dict[str, dict[str, Any]]:
        """Return each alarm by its name without the stage."""
        pages = self.stack.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=PREFIX)
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        return {alarm["AlarmName"].removeprefix(PREFIX): alarm for alarm in alarms}

    def rings(self, name: str, since: datetime) -> bool:
        """Return whether an alarm rings for what its metric says since a moment. No value counts as the alarm says."""
        alarm = self.named()[name]
        value = self.value(alarm, since)
        if value is None:
            return bool(alarm["TreatMissingData"] == "breaching")
        return COMPARISONS[alarm["ComparisonOperator"]](value, alarm["Threshold"])

    def value(self, alarm: dict[str, Any], since: datetime) -> float | None:
        """Return the statistic of the alarm's metric since a moment; None if the metric has no value since."""
        end = datetime.now(UTC) + timedelta(minutes=1)
        period = -(-int((end - since).total_seconds()) // 60) * 60
        statistics = self.stack.client("cloudwatch").get_metric_statistics(
            **{name: alarm[name] for name in ("Namespace", "MetricName")},
            Dimensions=alarm.get("Dimensions", []),
            StartTime=since,
            EndTime=end,
            Period=period,
            Statistics=[alarm["Statistic"]],
        )
        points = [float(point[alarm["Statistic"]]) for point in statistics["Datapoints"]]
        if not points:
            return None
        return sum(points) if alarm["Statistic"] == "Sum" else max(points)

    def count(self, namespace: str, metric: str, value: float, **dimensions: str) -> None:
        """Write a value that only a service of AWS would know."""
        named = [{"Name": name, "Value": text} for name, text in dimensions.items()]
        datum = {"MetricName": metric, "Dimensions": named, "Value": value, "Timestamp": datetime.now(UTC)}
        self.stack.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])

    def read_log(self, function: str, since: datetime) -> list[dict[str, Any]]:
        """Return the lines of JSON that a function has logged since a moment, and write the metrics that they carry."""
        pages = self.stack.client("logs").get_paginator("filter_log_events")
        events = pages.paginate(logGroupName=f"/aws/lambda/{PREFIX}{function}", startTime=int(since.timestamp() * 1000))
        lines = [
            json.loads(event["message"])
            for page in events
            for event in page["events"]
            if event["message"].startswith("{")
        ]
        for line in lines:
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                for metric in directive["Metrics"]:
                    for names in directive["Dimensions"]:
                        named = {name: str(line[name]) for name in names}
                        self.count(directive["Namespace"], metric["Name"], line[metric["Name"]], **named)
        return lines
