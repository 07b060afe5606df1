"""An alarm is heard, says what a missing value means, and has a page of the runbook. Access logs name nobody."""

import re
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy import alarms, stage
from infra.deploy.aws import CannotDeploy
from infra.deploy.cloudformation import APP, CDN, read_template
from infra.deploy.package import ROOT
from infra.deploy.stacks import Deployment

ACCOUNT, REGION = "111122223333", "eu-west-3"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"
CDN_TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:on-call"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1"
DOMAIN = {"Domain": "rendez-vous.example.org", "Certificate": CERTIFICATE}
NOBODY = "nobody hears them, because the settings have neither a topic nor AlarmEmail"
RUNBOOK = ROOT / "docs" / "runbook"


class NotFoundError(ClientError):  # type: ignore[misc]  # botocore has no types
    """What SNS answers for a topic that does not exist."""


class Aws:
    """SNS with some topics, and stacks with a topic of their own."""

    class exceptions:  # noqa: N801  # the name that boto3 gives
        """The errors of the client."""

        NotFoundException = NotFoundError

    def __init__(self, *, key: str = "", confirmed: int = 0, made: str = "", absent: bool = False) -> None:
        self.key, self.confirmed, self.made, self.absent = key, confirmed, made, absent

    def get_topic_attributes(self, **_: object) -> Any:
        if self.absent:
            raise NotFoundError({"Error": {"Code": "NotFound"}}, "GetTopicAttributes")
        key = {"KmsMasterKeyId": self.key} if self.key else {}
        return {"Attributes": {"SubscriptionsConfirmed": str(self.confirmed), **key}}

    def describe_stacks(self, **_: object) -> Any:
        return {"Stacks": [{"Outputs": [{"OutputKey": "AlarmMails", "OutputValue": self.made}] if self.made else []}]}


def settings(tmp_path: Any, **values: str) -> stage.Stage:
    path = tmp_path / "prod.yaml"
    common = {"account": f'"{ACCOUNT}"', "region": REGION, "MailFrom": "rendez-vous@prefecture.example.org"}
    path.write_text("".join(f"{key}: {value}\n" for key, value in {**common, **values}.items()), "utf-8")
    return stage.read("prod", path, today=date(2026, 11, 23), environ={})


def deployment(aws: Aws) -> Deployment:
    return Deployment("prod", lambda _: aws)


@pytest.mark.parametrize(
    ("aws", "topic", "reason"),
    [
        (Aws(), CDN_TOPIC, "AlarmTopic is in us-east-1: an alarm sends to topics of its own region, eu-west-3"),
        (Aws(absent=True), TOPIC, f"AlarmTopic {TOPIC} does not exist: create it, or set AlarmEmail instead"),
        (Aws(key="alias/aws/sns"), TOPIC, "AlarmTopic is encrypted with alias/aws/sns, which CloudWatch may not use"),
    ],
)
def test_a_topic_that_cannot_be_reached_stops_the_deployment(tmp_path: Any, aws: Aws, topic: str, reason: str) -> None:
    with pytest.raises(CannotDeploy, match=re.escape(reason)):
        alarms.check_topic(settings(tmp_path, AlarmTopic=topic), deployment(aws))


def test_a_topic_of_another_account_is_only_warned_about(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = TOPIC.replace(ACCOUNT, "999988887777")
    at = settings(tmp_path, AlarmTopic=foreign)
    alarms.check_topic(at, deployment(Aws(absent=True)))
    assert (
        "belongs to the account 999988887777. Its policy must let cloudwatch.amazonaws.com" in capsys.readouterr().out
    )
    (line,) = alarms.audience(at, deployment(Aws()), deployment(Aws()))
    assert line == f"alarms: {foreign}, of which another account knows the subscribers"


def test_a_stage_without_a_topic_is_told_that_nobody_hears_its_alarms(tmp_path: Any) -> None:
    silent = deployment(Aws())
    assert alarms.audience(settings(tmp_path), silent, silent) == [f"alarms: {NOBODY}"]
    at = settings(tmp_path, AlarmTopic=TOPIC, **DOMAIN)
    heard = deployment(Aws(confirmed=1))
    assert alarms.audience(at, heard, silent) == [f"alarms: {TOPIC}", f"alarms of the CDN: {NOBODY}"]


def test_a_stage_makes_topics_for_an_e_mail_address_and_says_that_it_is_not_confirmed(tmp_path: Any) -> None:
    at = settings(tmp_path, AlarmEmail="on-call@example.org", **DOMAIN)
    assert (at.app["AlarmEmail"], at.cdn["AlarmEmail"]) == ("on-call@example.org", "on-call@example.org")
    assert "AlarmEmail" not in settings(tmp_path).app
    waiting = deployment(Aws(made=TOPIC))
    (first, _) = alarms.audience(at, waiting, waiting)
    assert first.startswith(f"alarms: nobody hears them: {TOPIC} has no confirmed subscription")
    heard = deployment(Aws(made=TOPIC, confirmed=1))
    assert alarms.audience(at, heard, heard) == [f"alarms: {TOPIC}", f"alarms of the CDN: {TOPIC}"]


def of_type(kind: str) -> list[dict[str, Any]]:
    resources = [resource for path in (APP, CDN) for resource in read_template(path)["Resources"].values()]
    return [resource["Properties"] for resource in resources if resource.get("Type") == kind]


def test_every_alarm_is_sent_says_what_a_missing_value_means_and_has_a_page_of_the_runbook() -> None:
    pages = set()
    for alarm in of_type("AWS::CloudWatch::Alarm"):
        name = alarm["AlarmName"]["Fn::Sub"].removeprefix("guichet-${Stage}-")
        page = re.search(r" - docs/runbook/([a-z-]+\.md)$", alarm["AlarmDescription"])
        assert page, name
        pages.add(page[1])
        assert f"`{name}`" in (RUNBOOK / page[1]).read_text("utf-8")
        assert alarm["TreatMissingData"] in {"breaching", "notBreaching", "ignore"}
        assert alarm["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic"
    assert pages == {path.name for path in RUNBOOK.glob("*.md")}


def test_the_alarm_of_the_limits_reads_the_metric_of_the_web_acl() -> None:
    (limits,) = of_type("AWS::WAFv2::WebACL")
    (alarm,) = [alarm for alarm in of_type("AWS::CloudWatch::Alarm") if alarm["Namespace"] == "AWS/WAFV2"]
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
    assert dimensions == {"WebACL": limits["VisibilityConfig"]["MetricName"], "Rule": "ALL"}
    assert limits["VisibilityConfig"]["CloudWatchMetricsEnabled"] is True


def test_the_access_logs_have_no_path_no_query_and_nothing_about_the_visitor() -> None:
    (api,) = [
        api for api in read_template(APP)["Resources"].values() if "AccessLogSetting" in api.get("Properties", {})
    ]
    fields = set(re.findall(r"\$context\.([A-Za-z.]+)", api["Properties"]["AccessLogSetting"]["Format"]["Fn::Sub"]))
    routes = {"requestId", "requestTime", "httpMethod", "resourcePath", "status"}
    assert fields == routes | {"responseLatency", "responseLength", "integrationStatus", "error.responseType"}
    (delivery,) = of_type("AWS::Logs::Delivery")
    named = {"c-ip", "c-port", "cs-uri-stem", "cs-uri-query", "x-forwarded-for", "x-host-header", "asn", "c-country"}
    assert not named & set(delivery["RecordFields"])
    assert not [field for field in delivery["RecordFields"] if field.startswith("cs(")]
    assert all(group["RetentionInDays"] == 30 for group in of_type("AWS::Logs::LogGroup"))


def test_the_canary_runs_three_times_in_the_period_of_its_alarm() -> None:
    template = read_template(APP)
    rate = re.fullmatch(r"rate\(([0-9]+) minutes\)", template["Parameters"]["CanarySchedule"]["Default"])
    assert rate
    assert template["Resources"]["CanaryAlarm"]["Properties"]["Period"] >= 3 * 60 * int(rate[1])


def test_every_schedule_has_a_destination_for_what_fails() -> None:
    resources = read_template(APP)["Resources"]
    queue = {"Fn::GetAtt": ["Undone", "Arn"]}
    for name in ("Release", "Expiry", "Draw", "Canary"):
        function = resources[name]["Properties"]
        assert function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": queue}
        assert function["Events"][f"{name}Event"]["Properties"]["DeadLetterConfig"] == {"Arn": queue}
    for name in ("WarmUp", "CoolDown"):
        assert resources[name]["Properties"]["Target"]["DeadLetterConfig"] == {"Arn": queue}
