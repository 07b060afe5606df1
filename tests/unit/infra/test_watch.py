"""The dashboard and the alarms are about metrics that the service writes."""

import json
import re

import pytest

from chalicelib.web import handler
from infra.deploy.cloudformation import APP, read_template
from infra.deploy.package import ROOT

RESOURCES = read_template(APP)["Resources"]
ALARMS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource.get("Type") == "AWS::CloudWatch::Alarm"
}
DASHBOARD = json.loads(re.sub(r"\$\{[^}]+\}", "x", RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]))

OF_THE_CANARY = {"CanarySuccess", "CanaryMilliseconds"}
"""`/health/booking` and `infra.ops watch` show them."""


def written() -> set[str]:
    """Return the metrics that the service's code names."""
    code = " ".join(path.read_text("utf-8") for path in (ROOT / "chalicelib").rglob("*.py"))
    return {
        *handler.METRICS.values(),
        *re.findall(r'"(Refusals|MailAge|MailsSent|MailsRefused|SeatsFree|SeatsMissing|Draws\w+|Canary\w+)": ', code),
    }


def displayed() -> set[str]:
    """Return the service's metrics on the dashboard."""
    rows = [row for widget in DASHBOARD["widgets"] for row in widget["properties"]["metrics"]]
    named = {row[1] for row in rows if row[0] == "Guichet"}
    expressions = [row[0]["expression"] for row in rows if isinstance(row[0], dict)]
    return named | {name for expression in expressions for name in re.findall(r'MetricName="(\w+)"', expression)}


def test_the_dashboard_shows_every_metric_that_is_written_and_no_other() -> None:
    assert displayed() == written() - {"MailsRefused", "SeatsMissing", "DrawsOverdue", "DrawsVoid"} - OF_THE_CANARY


def test_the_first_row_of_the_dashboard_has_the_steps_of_a_booking_in_their_order() -> None:
    first_row = [widget for widget in DASHBOARD["widgets"] if widget["y"] == 0]
    steps = [(widget["x"], widget["properties"]["title"][0]) for widget in first_row]
    assert steps == [(0, "1"), (4, "2"), (8, "3"), (12, "4"), (16, "5"), (20, "6")]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_the_operations_guide_says_what_to_do_for_each_alarm(name: str) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert f"`{ALARMS[name]['AlarmName']['Fn::Sub'].removeprefix('guichet-${Stage}-')}`" in guide


def test_an_alarm_about_a_metric_of_the_service_names_one_that_is_written() -> None:
    names = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == "Guichet"}
    from_the_access_log = {"ApiThrottles"}
    assert names == {"MailAge", "SeatsMissing", "DrawsOverdue", "DrawsVoid", "CanarySuccess"} | from_the_access_log
    assert names - from_the_access_log <= written()
