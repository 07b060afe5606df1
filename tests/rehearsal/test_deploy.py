"""A stage is deployed, changed, turned back and taken away by the commands of the Makefile, on an engine of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import WaiterError

from infra.deploy.package import copy_sources
from infra.deploy.stacks import Deployment
from infra.local import inbox
from infra.local.stack import ACCOUNT, KEYS, REGION, is_free, start_emulator
from tests.rehearsal.desk import STEPS, Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Roles are not checked here: the engine knows no sender by name (tests/stack checks them)."""
    folder = tmp_path_factory.mktemp("engine")
    port = next(candidate for candidate in range(4800, 4900) if is_free(candidate))
    with inbox.serving() as box, start_emulator(port, folder, smtp=box.smtp, auth=False) as started:
        yield Desk(started.url, tmp_path_factory.mktemp("desk"))


def test_without_a_yes_nothing_is_made(desk: Desk) -> None:
    said = desk.run("deploy", code=1)
    assert said[0] == "guichet-trial-data: a new stack"
    assert "  Add      Table (DynamoDB::Table)" in said
    assert said[-1] == "guichet: nothing was changed: this needs a terminal to ask at, or YES=1"
    assert desk.deployment.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_keys_of_another_account_are_refused(desk: Desk) -> None:
    said = desk.run("deploy", "--yes", code=1, account='"111122223333"')
    assert said == [f"guichet: your keys are those of the account {ACCOUNT}, but trial is in 111122223333"]


def test_an_account_that_may_not_run_enough_functions_is_told_how_many(desk: Desk) -> None:
    (said,) = desk.run("deploy", "--yes", code=1, Reserve='"yes"')
    assert "more functions at once, the stage needs 658: ask AWS for more" in said


def test_a_rate_that_ses_does_not_grant_is_refused(desk: Desk) -> None:
    (said,) = desk.run("deploy", "--yes", code=1, MailRate="15")
    assert said == (
        "guichet: MailRate is 15 letters a second, and SES grants this account 14: lower it, or ask for more"
    )


def test_a_stage_is_deployed_and_walked_through(desk: Desk) -> None:
    said = desk.run("deploy", "--yes")
    assert [line for line in said if line.startswith("  ok: ")] == STEPS
    assert "page: https://rendez-vous.prefecture.example.org/" in said
    (dns,) = (line for line in said if line.startswith("DNS: "))
    assert dns.startswith("DNS: the CNAME of rendez-vous.prefecture.example.org must be ")
    assert dns.endswith(".cloudfront.net")
    secret = desk.client("secretsmanager").get_secret_value(SecretId="guichet-trial")["SecretString"]
    assert len(secret) == 64
    assert secret not in "\n".join(said)
    table = desk.client("dynamodb").describe_table(TableName="guichet-trial")["Table"]
    assert table["DeletionProtectionEnabled"] is True
    left = desk.client("dynamodb").scan(TableName="guichet-trial")["Items"]
    assert [item for item in left if item["pk"]["S"].startswith(("SEATS#essai", "PERSON#", "EMAIL#"))] == []


def test_a_second_run_changes_nothing(desk: Desk) -> None:
    live = desk.deployment.live()
    said = desk.run("deploy")
    assert [line for line in said if line != "packaging the functions (a minute the first time)"][:3] == [
        "No changes."
    ] * 3
    assert [line for line in said if line.startswith("  ok: ")] == STEPS
    assert (len(live), desk.deployment.live()) == (9, live)


def test_there_is_nothing_to_go_back_to_after_the_first_deployment(desk: Desk) -> None:
    (said,) = desk.run("rollback", "--yes", code=1)
    assert said == "guichet: there is nothing to go back to: trial has had no other deployment since"


def test_another_setting_is_another_version_and_rollback_returns_to_the_one_before(desk: Desk) -> None:
    before = desk.deployment.live()
    said = desk.run("deploy", "--yes", MailRate="7")
    assert "guichet-trial: an update" in said
    after = desk.deployment.live()
    assert {name: int(version) for name, version in after.items()} == {
        name: int(old) + 1 for name, old in before.items()
    }
    assert rate(desk) == "7"
    said = desk.run("rollback", "--yes", MailRate="7")
    assert f"  guichet-trial-hold: version {after['guichet-trial-hold']} -> {before['guichet-trial-hold']}" in said
    assert (desk.deployment.live(), rate(desk)) == (before, "14")


def rate(desk: Desk) -> str:
    """Letters a second of the mailer that everything calls."""
    found = desk.client("lambda").get_function_configuration(FunctionName="guichet-trial-mailer", Qualifier="live")
    return str(found["Environment"]["Variables"]["GUICHET_MAIL_RATE"])


def test_a_deployment_after_a_rollback_asks_before_it_goes_forward_again(desk: Desk) -> None:
    refused = desk.run("deploy", MailRate="7", code=1)
    assert refused[-1] == "guichet: nothing was changed: this needs a terminal to ask at, or YES=1"
    assert rate(desk) == "14"
    desk.run("deploy", "--yes", MailRate="7")
    assert rate(desk) == "7"


def test_a_secret_that_somebody_made_too_short_stops_the_deployment(desk: Desk) -> None:
    secrets = desk.client("secretsmanager")
    good = secrets.get_secret_value(SecretId="guichet-trial")["SecretString"]
    secrets.put_secret_value(SecretId="guichet-trial", SecretString="short")
    said = desk.run("deploy", "--yes", code=1, MailRate="7")
    secrets.put_secret_value(SecretId="guichet-trial", SecretString=good)
    assert (
        said[-1] == "guichet: the secret guichet-trial is too short: at least 43 characters (256 bits) without spaces"
    )


def test_a_rotated_secret_reaches_every_function(desk: Desk) -> None:
    new = "n" * 64
    desk.client("secretsmanager").put_secret_value(SecretId="guichet-trial", SecretString=new)
    desk.run("deploy", "--yes", MailRate="7")
    for name in desk.deployment.functions():
        found = desk.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
        assert found["Environment"]["Variables"]["GUICHET_SECRET"] == new


def test_a_stage_with_an_appointment_is_not_taken_away(desk: Desk) -> None:
    table = desk.client("dynamodb")
    seat = {"pk": {"S": "SEATS#aes#2099-W01"}, "sk": {"S": "2099-01-01T0900#001"}, "state": {"S": "confirmed"}}
    table.put_item(TableName="guichet-trial", Item=seat)
    for words in ((), ("--erase", "guichet-trial")):
        (said,) = desk.run("destroy", "--yes", *words, code=1)
        assert said == ("guichet: trial has 1 appointments to come: cancel or close them with the ops program first")
    table.delete_item(TableName="guichet-trial", Key={name: seat[name] for name in ("pk", "sk")})


def test_a_stage_that_is_taken_away_keeps_its_table_and_comes_back(desk: Desk) -> None:
    said = desk.run("destroy", "--yes")
    assert said[-1] == "guichet-trial-data stays: table, key, secret, sender. ERASE=guichet-trial erases them."
    assert desk.deployment.status("guichet-trial") == "DELETE_COMPLETE"
    documents = desk.client("dynamodb").query(
        TableName="guichet-trial",
        KeyConditionExpression="pk = :services",
        ExpressionAttributeValues={":services": {"S": "SERVICES"}},
    )
    assert documents["Count"] == 2
    assert [line for line in desk.run("deploy", "--yes") if line.startswith("  ok: ")] == STEPS


def test_other_words_erase_nothing(desk: Desk) -> None:
    (said,) = desk.run("destroy", "--yes", "--erase", "yes", code=1)
    assert said == "guichet: to erase what trial keeps, say so: ERASE=guichet-trial"


def test_what_a_stage_keeps_is_erased_when_it_is_said_in_words(desk: Desk) -> None:
    said = desk.run("destroy", "--yes", "--erase", "guichet-trial")
    assert said[-1] == "trial is gone. Its key can be called back for 30 days, its secret for 7."
    assert "guichet-trial" not in desk.client("dynamodb").list_tables()["TableNames"]
    assert desk.deployment.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_a_stack_that_could_not_be_created_is_named_with_the_way_out(desk: Desk) -> None:
    cloud = desk.client("cloudformation")
    broken = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 99999999}}}}'
    cloud.create_stack(StackName="guichet-trial-data", TemplateBody=broken)
    with pytest.raises(WaiterError):
        cloud.get_waiter("stack_create_complete").wait(StackName="guichet-trial-data", WaiterConfig={"Delay": 1})
    (said,) = desk.run("deploy", "--yes", code=1)
    assert said == (
        "guichet: guichet-trial-data is ROLLBACK_COMPLETE: it could not be created: "
        "`make destroy STAGE=trial` clears it away, then deploy again"
    )
    desk.run("destroy", "--yes")
    assert desk.deployment.status("guichet-trial-data") == "DELETE_COMPLETE"


def test_a_plan_that_was_left_behind_is_no_obstacle(desk: Desk) -> None:
    cloud = desk.client("cloudformation")
    cloud.create_change_set(
        StackName="guichet-trial-data",
        ChangeSetName="left",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}',
    )
    assert desk.deployment.status("guichet-trial-data") == "REVIEW_IN_PROGRESS"
    assert desk.run("deploy", code=1)[0] == "guichet-trial-data: a new stack"


def test_a_plain_chalice_deploy_makes_every_function_and_its_stream(desk: Desk, tmp_path: Path) -> None:
    deployment = Deployment("dev", desk.client)
    plan = deployment.data({"MailFrom": "rendez-vous@prefecture.example.org"})
    assert plan
    deployment.execute(plan)
    stream = desk.client("dynamodb").describe_table(TableName="guichet-dev")["Table"]["LatestStreamArn"]
    copy_sources(tmp_path)
    command = [
        str(Path(sys.executable).with_name("chalice")),
        "--project-dir",
        str(tmp_path),
        "deploy",
        "--stage",
        "dev",
    ]
    env = {
        **os.environ,
        **KEYS,
        "AWS_ENDPOINT_URL": desk.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "GUICHET_STREAM": stream,
    }
    subprocess.run(command, env=env, check=True, capture_output=True)
    made = [one for one in desk.client("lambda").list_functions()["Functions"] if "-dev" in one["FunctionName"]]
    assert len(made) == 9
    for function in made:
        assert function["Environment"]["Variables"] == {"GUICHET_STAGE": "dev", "GUICHET_TABLE": "guichet-dev"}
    (mapping,) = desk.client("lambda").list_event_source_mappings(FunctionName="guichet-dev-mailer")[
        "EventSourceMappings"
    ]
    assert mapping["EventSourceArn"] == stream
