"""A stage is deployed, changed, rolled back and destroyed by the deployment commands, on an emulator of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import WaiterError
from chalice.local import LambdaEventConverter, RouteMatcher

from app import app
from chalicelib.canary.api import Answer, Api
from chalicelib.domain.tokens import Keys
from infra.deploy import plain, smoke
from infra.deploy.package import ROOT
from infra.deploy.stacks import Deployment
from infra.local import inbox
from infra.local.launcher import start_emulator
from infra.local.settings import ACCOUNT, KEYS, REGION, is_free
from infra.local.stack import Stack, operate
from tests.rehearsal.operator import STEPS, Operator

PLAIN_ZIP = 20_000_000
"""Bytes. With the data of all services of AWS it has 31 million."""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The emulator checks no roles here, because it knows no sender by name. tests/stack checks them."""
    folder = tmp_path_factory.mktemp("emulator")
    port = next(candidate for candidate in range(4800, 4900) if is_free(candidate))
    with inbox.serving() as mailbox, start_emulator(port, folder, smtp=mailbox.smtp, auth=False) as emulator:
        yield Operator(emulator.url, tmp_path_factory.mktemp("home"))


def test_without_a_yes_nothing_is_created(operator: Operator) -> None:
    lines = operator.run("deploy", code=1)
    assert lines[0] == "guichet-trial-data: a new stack"
    assert "  Add      Table (DynamoDB::Table)" in lines
    assert lines[-1] == "guichet: nothing was changed: this needs a terminal to ask at, or YES=1"
    assert operator.deployment.stacks.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_keys_of_another_account_are_refused(operator: Operator) -> None:
    lines = operator.run("deploy", "--yes", code=1, account='"111122223333"')
    assert lines == [f"guichet: your keys are those of the account {ACCOUNT}, but trial is in 111122223333"]


def test_too_little_concurrency_is_refused_with_the_number_needed(operator: Operator) -> None:
    (line,) = operator.run("deploy", "--yes", code=1, Reserve='"yes"')
    assert "unreserved concurrent executions, and the stage needs 670: ask AWS for more" in line


def test_a_rate_that_ses_does_not_grant_is_refused(operator: Operator) -> None:
    (line,) = operator.run("deploy", "--yes", code=1, MailRate="15")
    assert line == (
        "guichet: MailRate is 15 letters a second, and SES grants this account 14: lower it, or ask for more"
    )


def test_a_stage_is_deployed_and_tested(operator: Operator) -> None:
    lines = operator.run("deploy", "--yes")
    assert [line for line in lines if line.startswith("  ok: ")] == STEPS
    assert "page: https://rendez-vous.prefecture.example.org/" in lines
    (dns,) = (line for line in lines if line.startswith("DNS: "))
    assert dns.startswith("DNS: the CNAME of rendez-vous.prefecture.example.org must be ")
    assert dns.endswith(".cloudfront.net")
    secret = operator.client("secretsmanager").get_secret_value(SecretId="guichet-trial")["SecretString"]
    assert len(secret) == 64
    assert secret not in "\n".join(lines)
    table = operator.client("dynamodb").describe_table(TableName="guichet-trial")["Table"]
    assert table["DeletionProtectionEnabled"] is True
    assert operator.smoke_items() == []


def test_the_stage_makes_topics_for_its_alarms(operator: Operator) -> None:
    """The emulator confirms the subscription of an e-mail address by itself."""
    lines = [line for line in operator.run("deploy") if line.startswith("alarms")]
    assert lines == [
        f"alarms: arn:aws:sns:{REGION}:{ACCOUNT}:guichet-trial-alarms",
        f"alarms of the CDN: arn:aws:sns:us-east-1:{ACCOUNT}:guichet-trial-alarms",
    ]
    for region, count in ((REGION, 26), ("us-east-1", 1)):
        topic = f"arn:aws:sns:{region}:{ACCOUNT}:guichet-trial-alarms"
        alarms = operator.client("cloudwatch", region).describe_alarms(AlarmNamePrefix="guichet-trial-")["MetricAlarms"]
        assert (len(alarms), {tuple(alarm["AlarmActions"]) for alarm in alarms}) == (count, {(topic,)})


def test_an_alarm_reaches_who_has_subscribed(operator: Operator) -> None:
    queues, topic = operator.client("sqs"), f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-trial-alarms"
    url = queues.create_queue(QueueName="on-call")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:on-call"
    operator.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    operator.client("cloudwatch").set_alarm_state(
        AlarmName="guichet-trial-failures", StateValue="ALARM", StateReason="drill"
    )
    (message,) = queues.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert "docs/runbook/failures.md" in message["Body"]


def test_the_account_can_write_access_logs_and_keeps_its_role(operator: Operator) -> None:
    role = operator.client("apigateway").get_account()["cloudwatchRoleArn"]
    assert "guichet-account" in role
    assert operator.deployment.plan_account() is None


def test_a_second_run_changes_nothing(operator: Operator) -> None:
    live = operator.deployment.versions.live()
    lines = operator.run("deploy")
    assert [line for line in lines if line != "packaging the functions (a minute the first time)"][:3] == [
        "No changes."
    ] * 3
    assert [line for line in lines if line.startswith("  ok: ")] == STEPS
    assert (len(live), operator.deployment.versions.live()) == (13, live)


def test_a_rollback_after_the_first_deployment_is_refused(operator: Operator) -> None:
    (line,) = operator.run("rollback", "--yes", code=1)
    assert line == "guichet: there is nothing to go back to: trial has had no other deployment since"


def test_a_changed_setting_publishes_new_versions_and_a_rollback_returns_to_the_old_ones(operator: Operator) -> None:
    before = operator.deployment.versions.live()
    lines = operator.run("deploy", "--yes", MailRate="7")
    assert "guichet-trial: an update" in lines
    after = operator.deployment.versions.live()
    assert {name: int(version) for name, version in after.items()} == {
        name: int(old) + 1 for name, old in before.items()
    }
    assert rate(operator) == "7"
    lines = operator.run("rollback", "--yes", MailRate="7")
    assert f"  guichet-trial-hold: version {after['guichet-trial-hold']} -> {before['guichet-trial-hold']}" in lines
    assert (operator.deployment.versions.live(), rate(operator)) == (before, "14")


def rate(operator: Operator) -> str:
    """Return the mail rate of the live mailer."""
    mailer = operator.client("lambda").get_function_configuration(FunctionName="guichet-trial-mailer", Qualifier="live")
    return str(mailer["Environment"]["Variables"]["GUICHET_MAIL_RATE"])


def test_a_deployment_after_a_rollback_asks_before_it_moves_the_functions_forward(operator: Operator) -> None:
    refused = operator.run("deploy", MailRate="7", code=1)
    assert refused[-1] == "guichet: nothing was changed: this needs a terminal to ask at, or YES=1"
    assert rate(operator) == "14"
    operator.run("deploy", "--yes", MailRate="7")
    assert rate(operator) == "7"


def test_a_weak_secret_stops_the_deployment(operator: Operator) -> None:
    secrets = operator.client("secretsmanager")
    good = secrets.get_secret_value(SecretId="guichet-trial")["SecretString"]
    secrets.put_secret_value(SecretId="guichet-trial", SecretString="short")
    lines = operator.run("deploy", "--yes", code=1, MailRate="7")
    secrets.put_secret_value(SecretId="guichet-trial", SecretString=good)
    assert (
        lines[-1] == "guichet: the secret guichet-trial is malformed or too short: at least 43 characters (256 bits) "
        "without spaces, as `make rotate` writes it"
    )


def test_a_rotated_secret_reaches_every_function(operator: Operator) -> None:
    new = "n" * 64
    operator.client("secretsmanager").put_secret_value(SecretId="guichet-trial", SecretString=new)
    operator.run("deploy", "--yes", MailRate="7")
    for name in operator.deployment.versions.functions():
        function = operator.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
        assert function["Environment"]["Variables"]["GUICHET_SECRET"] == new


def test_a_stage_with_an_appointment_is_not_destroyed(operator: Operator) -> None:
    table = operator.client("dynamodb")
    seat = {"pk": {"S": "SEATS#aes#2099-W01"}, "sk": {"S": "2099-01-01T0900#001"}, "state": {"S": "confirmed"}}
    table.put_item(TableName="guichet-trial", Item=seat)
    for words in ((), ("--erase", "guichet-trial")):
        (line,) = operator.run("destroy", "--yes", *words, code=1)
        assert line == (
            "guichet: trial has 1 appointments to come: cancel or close them with the operator program first"
        )
    table.delete_item(TableName="guichet-trial", Key={name: seat[name] for name in ("pk", "sk")})


def test_a_destroyed_stage_keeps_its_table_and_can_be_deployed_again(operator: Operator) -> None:
    lines = operator.run("destroy", "--yes")
    assert lines[-1] == "guichet-trial-data stays: table, key, secrets, sender. ERASE=guichet-trial erases them."
    assert operator.deployment.stacks.status("guichet-trial") == "DELETE_COMPLETE"
    documents = operator.client("dynamodb").query(
        TableName="guichet-trial",
        KeyConditionExpression="pk = :services",
        ExpressionAttributeValues={":services": {"S": "SERVICES"}},
    )
    assert documents["Count"] == 4  # `aes`, and the hidden services of the smoke test, the canary and its draw
    assert [line for line in operator.run("deploy", "--yes") if line.startswith("  ok: ")] == STEPS


def test_erasing_needs_the_name_of_the_table(operator: Operator) -> None:
    (line,) = operator.run("destroy", "--yes", "--erase", "yes", code=1)
    assert line == "guichet: to erase the data of trial, set ERASE=guichet-trial"


def test_the_data_of_a_stage_is_erased_when_its_table_is_named(operator: Operator) -> None:
    lines = operator.run("destroy", "--yes", "--erase", "guichet-trial")
    assert lines[-1] == "trial is deleted. Its key can be restored for 30 days, its secrets for 7."
    assert "guichet-trial" not in operator.client("dynamodb").list_tables()["TableNames"]
    assert operator.deployment.stacks.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_the_error_for_a_stack_whose_creation_failed_names_the_remedy(operator: Operator) -> None:
    cloud = operator.client("cloudformation")
    broken = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 99999999}}}}'
    cloud.create_stack(StackName="guichet-trial-data", TemplateBody=broken)
    with pytest.raises(WaiterError):
        cloud.get_waiter("stack_create_complete").wait(StackName="guichet-trial-data", WaiterConfig={"Delay": 1})
    (line,) = operator.run("deploy", "--yes", code=1)
    assert line == (
        "guichet: guichet-trial-data is ROLLBACK_COMPLETE: it could not be created: "
        "`make destroy STAGE=trial` deletes it, then deploy again"
    )
    operator.run("destroy", "--yes")
    assert operator.deployment.stacks.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_an_old_change_set_does_not_stop_a_deployment(operator: Operator) -> None:
    cloud = operator.client("cloudformation")
    cloud.create_change_set(
        StackName="guichet-trial-data",
        ChangeSetName="left",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}',
    )
    assert operator.deployment.stacks.status("guichet-trial-data") == "REVIEW_IN_PROGRESS"
    assert operator.run("deploy", code=1)[0] == "guichet-trial-data: a new stack"


def test_a_plain_chalice_deploy_has_no_idle_function_and_books_with_letters(operator: Operator, tmp_path: Path) -> None:
    """The emulator knows neither PutRestApi, for a second deployment, nor the routes that Chalice imports.

    So one deployment has all settings, and the function is called with the events of API Gateway.
    """
    deployment = Deployment("dev", operator.client)
    plan = deployment.plan_data({"MailFrom": "rendez-vous@prefecture.example.org"})
    assert plan
    deployment.stacks.execute(plan)
    secret = operator.client("secretsmanager").get_secret_value(SecretId="guichet-dev")["SecretString"]
    environ = {
        "GUICHET_SECRET": secret,
        "GUICHET_STREAM": operator.client("dynamodb").describe_table(TableName="guichet-dev")["Table"][
            "LatestStreamArn"
        ],
        "GUICHET_MAIL_FROM": "rendez-vous@prefecture.example.org",
        "GUICHET_MAIL_RATE": "14",
        "GUICHET_PUBLIC_URL": "https://guichet.example.org/api",
    }
    chalice_deploy(operator, tmp_path / "project", environ)
    check_functions(operator, environ)
    emulated = Stack(operator.endpoint, inbox="")
    operate(emulated, tmp_path, "services", "put", "--yes", "--stage", "dev", str(smoke.write_files(tmp_path)[0]))
    trial = smoke.prepare(deployment, FunctionApi(operator), Keys(secret), datetime.now(UTC))
    assert [f"  ok: {step}" for step in smoke.run("dev", trial)] == STEPS


class FunctionApi(Api):
    """The API's function of a plain deployment, without the API."""

    def __init__(self, operator: Operator) -> None:
        super().__init__("guichet-dev")
        self.client = operator.client("lambda")
        self.events = LambdaEventConverter(RouteMatcher(list(app.routes)), [])

    def send(self, method: str, path: str, body: object) -> tuple[int, Answer]:
        """Call the function with one request."""
        headers = {"accept": "application/json", "content-type": "application/json"}
        event = self.events.create_lambda_event(method, path, headers)
        event["body"] = None if body is None else json.dumps(body)
        answer = json.load(self.client.invoke(FunctionName=self.url, Payload=json.dumps(event))["Payload"])
        return answer["statusCode"], json.loads(answer["body"] or "{}")


def chalice_deploy(operator: Operator, project: Path, environ: Mapping[str, str]) -> None:
    """Deploy with Chalice alone. Chalice's record of what it deployed stays in the test's folder."""
    plain.write(project, environ)
    record = project / ".chalice" / "deployed"
    record.unlink()
    chalice = [str(Path(sys.executable).with_name("chalice")), "--project-dir", str(project), "deploy"]
    env = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": operator.endpoint, "AWS_DEFAULT_REGION": REGION}
    subprocess.run(chalice, env=env, check=True, capture_output=True)
    resources = json.loads((record / "dev.json").read_text("utf-8"))["resources"]
    assert [resource["name"] for resource in resources if resource["resource_type"] == "rest_api"] == ["rest_api"]


def check_functions(operator: Operator, environ: Mapping[str, str]) -> None:
    """Check the functions of a plain deployment: their names, variables, roles, log groups and events."""
    listed = operator.client("lambda").list_functions()["Functions"]
    functions = [function for function in listed if function["FunctionName"].startswith("guichet-dev")]
    events = {f"guichet-dev-{name}" for name in ("mailer", "release", "expiry", "draw")}
    assert {function["FunctionName"] for function in functions} == {"guichet-dev", *events}
    policy = json.loads((ROOT / ".chalice" / "policy-dev.json").read_text("utf-8"))
    for function in functions:
        assert function["Environment"]["Variables"] == {
            "GUICHET_STAGE": "dev",
            "GUICHET_TABLE": "guichet-dev",
            **environ,
        }
        assert function["CodeSize"] < PLAIN_ZIP
        role = function["Role"].rpartition("/")[2]
        assert operator.client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"] == policy
    groups = operator.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/guichet-dev")["logGroups"]
    kept = {group["logGroupName"] for group in groups if group.get("retentionInDays") == 30}
    assert kept == {f"/aws/lambda/{name}" for name in events}
    (mapping,) = operator.client("lambda").list_event_source_mappings(FunctionName="guichet-dev-mailer")[
        "EventSourceMappings"
    ]
    assert mapping["EventSourceArn"] == environ["GUICHET_STREAM"]
    rules = operator.client("events").list_rules(NamePrefix="guichet-dev-")["Rules"]
    assert {rule["Name"] for rule in rules} == {f"guichet-dev-{name}-event" for name in ("release", "expiry", "draw")}
