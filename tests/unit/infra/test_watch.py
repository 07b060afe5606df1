"""What ops see from outside: alarms and a dashboard about metrics that the service really writes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.web import handler

ROOT = Path(__file__).parents[3]


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the plain values that they stand before."""


Template.add_multi_constructor(
    "!",
    lambda loader, _tag, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    ),
)
TEMPLATE = (ROOT / "infra/deploy/templates/app.yaml").read_text("utf-8")
RESOURCES: dict[str, Any] = yaml.load(TEMPLATE, Template)["Resources"]  # noqa: S506  # our own, by a safe loader
ALARMS = {name: one["Properties"] for name, one in RESOURCES.items() if one.get("Type") == "AWS::CloudWatch::Alarm"}
BODY = json.loads(re.sub(r"\$\{[^}]+\}", "x", RESOURCES["Dashboard"]["Properties"]["DashboardBody"]))


def written() -> set[str]:
    """The metrics that the service's own code names."""
    code = " ".join(path.read_text("utf-8") for path in (ROOT / "chalicelib").rglob("*.py"))
    return {
        *handler.METRICS.values(),
        *re.findall(r'"(Refusals|MailAge|MailsSent|MailsRefused|SeatsFree|SeatsMissing)": ', code),
    }


def shown() -> set[str]:
    """The metrics of ours on the dashboard."""
    rows = [row for widget in BODY["widgets"] for row in widget["properties"]["metrics"]]
    named = {row[1] for row in rows if row[0] == "Guichet"}
    return named | {
        found
        for row in rows
        if isinstance(row[0], dict)
        for found in re.findall(r'MetricName="(\w+)"', row[0]["expression"])
    }


def test_the_dashboard_shows_every_metric_that_is_written_and_no_other() -> None:
    assert shown() == written() - {"MailsRefused", "SeatsMissing"}


def test_the_dashboard_reads_from_left_to_right_as_an_applicant_walks() -> None:
    first = [widget["properties"]["title"] for widget in BODY["widgets"] if widget["y"] == 0]
    assert [title[0] for title in first] == ["1", "2", "3", "4", "5", "6"]
    assert [widget["x"] for widget in BODY["widgets"] if widget["y"] == 0] == [0, 4, 8, 12, 16, 20]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_each_alarm_says_in_the_operations_guide_what_to_do_first(name: str) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert f"`{ALARMS[name]['AlarmName'].removeprefix('guichet-${Stage}-')}`" in guide


def test_an_alarm_about_a_metric_of_ours_names_one_that_is_written() -> None:
    ours = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == "Guichet"}
    assert ours == {"MailAge", "SeatsMissing"}
    assert ours <= written()
