"""The settings of a stage: each mistake stops the deployment with one line, before anything is sent to AWS."""

from datetime import date
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from infra.deploy import stage
from infra.deploy.aws import CannotDeploy
from infra.deploy.checks import RESERVED, check_concurrency
from infra.deploy.cloudformation import APP, CDN, DATA, read_template
from infra.deploy.stacks import Deployment
from infra.deploy.stage import MOST_MAILERS

TODAY = date(2026, 11, 23)
GOOD = {
    "account": '"111122223333"',
    "region": "eu-west-3",
    "services": "[infra/services/aes.yaml]",
    "MailFrom": "rendez-vous@prefecture.example.org",
}
CDN_SETTINGS = {
    "Domain": "rendez-vous.prefecture.example.org",
    "Certificate": "arn:aws:acm:us-east-1:111122223333:certificate/1",
}


def read(folder: Path, changes: dict[str, str | None], environ: dict[str, str] | None = None) -> stage.Stage:
    path = folder / "prod.yaml"
    lines = [f"{key}: {value}\n" for key, value in {**GOOD, **changes}.items() if value is not None]
    path.write_text("".join(lines), "utf-8")
    return stage.read("prod", path, today=TODAY, environ=environ or {})


def refusal(folder: Path, changes: dict[str, str | None], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(CannotDeploy) as refused:
        read(folder, changes, environ)
    line = str(refused.value).replace(f"{folder}/", "")
    assert "\n" not in line
    return line


def test_settings_go_to_the_template_that_takes_them(tmp_path: Path) -> None:
    settings = read(tmp_path, {"MailRate": "20", "Reserve": '"no"', "WarmHolds": "0"})
    assert (settings.name, settings.account, settings.region) == ("prod", "111122223333", "eu-west-3")
    assert settings.data == {"MailFrom": "rendez-vous@prefecture.example.org"}
    assert settings.app == {"MailRate": "20", "Mailers": "1", "Reserve": "no", "WarmHolds": "0"}
    assert settings.cdn == {}


def test_a_domain_adds_the_cdn_and_is_the_url_in_the_letters(tmp_path: Path) -> None:
    settings = read(tmp_path, {**CDN_SETTINGS, "Visits": "3000"})
    assert settings.cdn == {**CDN_SETTINGS, "Visits": "3000"}
    assert settings.app == {"Mailers": "1", "PublicUrl": "https://rendez-vous.prefecture.example.org"}


@pytest.mark.parametrize(("rate", "mailers"), [(None, "1"), ("1", "1"), ("21", "2"), ("200", "10"), ("9999", "10")])
def test_each_twenty_letters_a_second_have_a_mailer(tmp_path: Path, rate: str | None, mailers: str) -> None:
    assert read(tmp_path, {"MailRate": rate}).app["Mailers"] == mailers


def test_a_stage_runs_the_python_of_its_settings_and_3_13_without_one(tmp_path: Path) -> None:
    assert read(tmp_path, {}).python == "3.13"
    assert read(tmp_path, {"python": '"3.14"'}).python == "3.14"
    assert read(tmp_path, {"python": "3.11"}).python == "3.11"  # without quotes, which is a number


def test_the_example_is_valid() -> None:
    settings = stage.read("example", None, today=TODAY, environ={})
    assert settings.data["MailDomain"] == "prefecture.example.org"


PREFIX = "guichet: prod.yaml: "
ACCOUNT = "the twelve digits of the AWS account, in quotes"
DESK = "DeskIssuer, DeskClientId, DeskAcr"
CERTIFICATE = "The ARN of the domain's certificate in ACM in us-east-1"
SENDER = "The e-mail address that sends the letters"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"MailFom": "x"}, f"{PREFIX}MailFom is no setting (did you mean MailFrom?)"),
        ({"CaptchaAnswer": "x"}, f"{PREFIX}CaptchaAnswer is only for the local stack: remove it"),
        ({"Mailers": "3"}, f"{PREFIX}Mailers follows from MailRate: remove it"),
        ({"SecretVersion": "1" * 36}, f"{PREFIX}SecretVersion is no setting"),
        ({"MailFrom": None}, f"{PREFIX}MailFrom is missing: {SENDER}"),
        ({"MailFrom": "rendez-vous"}, f"{PREFIX}MailFrom is 'rendez-vous': {SENDER}"),
        ({"MailRate": "0"}, f"{PREFIX}MailRate is 0: E-mails a second - at most the rate that SES grants"),
        ({"MailRate": '"1٤"'}, f"{PREFIX}MailRate is '1٤': E-mails a second - at most the rate that SES grants"),
        ({"python": '"3.12"'}, f"{PREFIX}python is 3.12: expected 3.11, 3.13 or 3.14"),
        ({"python": "3"}, f"{PREFIX}python is 3: expected 3.11, 3.13 or 3.14"),
        ({"account": '"11112222333٣"'}, f"{PREFIX}account is '11112222333٣': expected {ACCOUNT}"),
        ({"MailRate": "many"}, f"{PREFIX}MailRate is 'many': E-mails a second - at most the rate that SES grants"),
        ({"MailRate": ""}, f"{PREFIX}MailRate is None: E-mails a second - at most the rate that SES grants"),
        (
            {"Reserve": "perhaps"},
            f"{PREFIX}Reserve is 'perhaps': " + read_template(APP)["Parameters"]["Reserve"]["Description"],
        ),
        (
            {"account": "111122223333"},
            f"{PREFIX}account is 111122223333: expected {ACCOUNT}",
        ),
        ({"account": None}, f"{PREFIX}account is missing: expected {ACCOUNT}"),
        ({"region": "Paris"}, f"{PREFIX}region is 'Paris': expected an AWS region, like eu-west-3"),
        (
            {"region": "eu-west-33"},
            f"{PREFIX}region is 'eu-west-33': expected an AWS region, like eu-west-3",
        ),
        (
            {"region": "eu-west-9"},
            f"{PREFIX}SES is not available in region eu-west-9. Set `region` to another one, like eu-west-3",
        ),
        ({"services": "aes"}, f"{PREFIX}services is a list of files, like infra/services/aes.yaml"),
        (
            {"services": "[infra/services/none.yaml]"},
            "it cannot be read (No such file or directory). Name a YAML file.",
        ),
        ({"Visits": "3000"}, f"{PREFIX}limits of the CDN need Domain and Certificate"),
        (
            {"Domain": CDN_SETTINGS["Domain"]},
            f"{PREFIX}Certificate is missing: {CERTIFICATE}",
        ),
        (
            {**CDN_SETTINGS, "Certificate": "arn:aws:acm:eu-west-3:1:certificate/1"},
            f"{PREFIX}Certificate is 'arn:aws:acm:eu-west-3:1:certificate/1': {CERTIFICATE}",
        ),
        ({**CDN_SETTINGS, "PublicUrl": "https://example.org"}, f"{PREFIX}PublicUrl follows from Domain: remove it"),
        ({"DeskClientId": "x", "DeskAcr": "eidas2"}, f"{PREFIX}DeskIssuer is missing: the desk needs {DESK}"),
        ({"DeskIssuer": "https://connexion.example.org"}, f"{PREFIX}DeskClientId is missing: the desk needs {DESK}"),
        (
            {"DeskIssuer": "http://127.0.0.1:4567", "DeskClientId": "x", "DeskAcr": "eidas2"},
            f"{PREFIX}DeskIssuer needs https://",
        ),
        ({"DeskSecretVersion": "1" * 36}, f"{PREFIX}DeskSecretVersion is no setting"),
        ({"MailFrom": "[broken"}, "guichet: prod.yaml:5: this is not YAML"),
    ],
)
def test_a_mistake_in_the_settings_stops_with_one_line(
    tmp_path: Path, changes: dict[str, str | None], line: str
) -> None:
    assert refusal(tmp_path, changes).endswith(line)


def test_a_mistake_in_a_service_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "aes.yaml").write_text("id: aes\nname: {fr: AES}\n", "utf-8")
    line = refusal(tmp_path, {"services": f"[{tmp_path}/aes.yaml]"})
    assert line.startswith("guichet: aes.yaml:1: `address` is missing. Add `address`: ")
    assert line.endswith(" more)")


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"GUICHET_CAPTCHA_ANSWER": "x"},
            "guichet: GUICHET_CAPTCHA_ANSWER is set: only the local stack may set it: unset it",
        ),
        (
            {"AWS_REGION": "eu-west-1"},
            "guichet: AWS_REGION is eu-west-1, but prod.yaml says eu-west-3: unset it, or correct the file",
        ),
        (
            {"AWS_DEFAULT_REGION": "us-east-1"},
            "guichet: AWS_DEFAULT_REGION is us-east-1, but prod.yaml says eu-west-3: unset it, or correct the file",
        ),
    ],
)
def test_a_shell_with_contradictory_variables_is_refused(tmp_path: Path, environ: dict[str, str], line: str) -> None:
    assert refusal(tmp_path, {}, environ) == line


ANOTHER = "choose a name that does not end in"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "guichet: the name of the stage is missing: make … STAGE=prod"),
        *(
            (name, f"guichet: guichet-{name} may be a resource of another stage: {ANOTHER} {name.rpartition('-')[2]}")
            for name in ("prod-desk", "a-b-data", "a-edge", "a-access", "account", "a-account")
        ),
        ("Prod", "guichet: 'Prod' is no name of a stage: lower-case letters, digits and hyphens, at most 20"),
        ("laptop", "guichet: laptop is the stage of `make run`: choose another name"),
        ("data", "guichet: infra/stages/data.yaml does not exist: copy infra/stages/example.yaml and edit it"),
        (
            "none",
            "guichet: infra/stages/none.yaml does not exist: copy infra/stages/example.yaml and edit it",
        ),
    ],
)
def test_a_name_that_no_stage_can_have_or_that_has_no_settings_is_refused(name: str, line: str) -> None:
    with pytest.raises(CannotDeploy) as refused:
        stage.read(name, None, today=TODAY, environ={})
    assert str(refused.value) == line


class NoSecret:
    """Secrets Manager without a client secret."""

    class exceptions:  # noqa: N801  # as botocore has it
        ResourceNotFoundException = KeyError

    def describe_secret(self, *, SecretId: str) -> object:  # noqa: N803  # as AWS has it
        raise KeyError(SecretId)


def test_a_desk_without_its_client_secret_stops_the_deployment_with_one_line() -> None:
    with pytest.raises(CannotDeploy) as refused:
        Deployment("prod", lambda _service: NoSecret()).desk_secret_version()
    assert str(refused.value) == (
        "guichet: the desk of prod has no client secret: store the one that the identity provider gave in Secrets "
        "Manager as guichet-prod-desk (docs/deploy.md)"
    )


@pytest.mark.parametrize("stored", [["guichet-prod"], ["guichet-prod", "guichet-prod-desk"]])
def test_the_secrets_of_a_stage_are_deleted_and_those_of_others_stay(stored: list[str]) -> None:
    with mock_aws():
        manager = boto3.client("secretsmanager")
        for name in (*stored, "guichet-prod2", "guichet-prod2-desk"):
            manager.create_secret(Name=name, SecretString="example")
        Deployment("prod", boto3.client).delete_secrets()
        assert [each["Name"] for each in manager.list_secrets()["SecretList"]] == [
            "guichet-prod2",
            "guichet-prod2-desk",
        ]
        for name in stored:
            deleted = manager.describe_secret(SecretId=name)
            assert (deleted["DeletedDate"] - deleted["CreatedDate"]).days in {6, 7}  # it can be restored until then


def test_a_client_secret_that_was_deleted_by_hand_does_not_stop_the_erasure() -> None:
    with mock_aws():
        manager = boto3.client("secretsmanager")
        for name in ("guichet-prod", "guichet-prod-desk"):
            manager.create_secret(Name=name, SecretString="example")
        manager.delete_secret(SecretId="guichet-prod-desk", RecoveryWindowInDays=7)
        Deployment("prod", boto3.client).delete_secrets()
        assert manager.list_secrets()["SecretList"] == []


def test_every_resource_of_the_data_stack_outlives_it() -> None:
    for name, resource in read_template(DATA)["Resources"].items():
        policies = (name, resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        assert policies == (name, "RetainExceptOnCreate", "Retain")


def test_the_table_is_encrypted_backed_up_and_protected_from_deletion() -> None:
    table = read_template(DATA)["Resources"]["Table"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "erase_at", "Enabled": True}


def test_functions_reserve_what_the_deployment_counts() -> None:
    properties = [resource.get("Properties", {}) for resource in read_template(APP)["Resources"].values()]
    reserved = [
        values["ReservedConcurrentExecutions"]["Fn::If"][1]
        for values in properties
        if "Fn::If" in values.get("ReservedConcurrentExecutions", {})
    ]
    assert sum(reserved) == RESERVED


def test_as_many_mailers_run_as_share_the_rate() -> None:
    mailer = read_template(APP)["Resources"]["Mailer"]["Properties"]
    mailers = {"Ref": "Mailers"}
    assert mailer["ReservedConcurrentExecutions"] == mailers
    assert mailer["Environment"]["Variables"]["GUICHET_MAILERS"] == mailers
    stream = mailer["Events"]["MailerDynamodbEventSource"]["Properties"]
    assert (stream["ParallelizationFactor"], stream["FunctionResponseTypes"]) == (mailers, ["ReportBatchItemFailures"])
    assert read_template(APP)["Parameters"]["Mailers"]["MaxValue"] == MOST_MAILERS


class Lambda:
    """An account with so many unreserved concurrent executions, and a mailer that reserves so many."""

    def __init__(self, unreserved: int, mailers: int) -> None:
        self.unreserved, self.mailers = unreserved, mailers

    def get_account_settings(self) -> dict[str, dict[str, int]]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.unreserved}}

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:  # noqa: N803  # the name of boto3
        assert FunctionName == "guichet-prod-mailer"
        return {"ReservedConcurrentExecutions": self.mailers}

    def describe_stacks(self, **_: object) -> dict[str, list[dict[str, str]]]:
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}


@pytest.mark.parametrize(
    ("unreserved", "rate", "refused"), [(109, "200", False), (108, "200", True), (100, "14", False), (90, "20", False)]
)
def test_more_mailers_than_the_account_can_reserve_stop_the_deployment_of_a_stage_that_exists(
    tmp_path: Path, unreserved: int, rate: str, *, refused: bool
) -> None:
    account = Lambda(unreserved, mailers=1)
    deployment, settings = Deployment("prod", lambda _: account), read(tmp_path, {"MailRate": rate})
    if not refused:
        check_concurrency(settings, deployment)
        return
    with pytest.raises(CannotDeploy) as stopped:
        check_concurrency(settings, deployment)
    assert str(stopped.value) == (
        "guichet: MailRate needs 10 mailers at once, 9 more than now, and the account has 108 unreserved concurrent "
        "executions, of which 100 must remain: lower it, or ask AWS for more (Service Quotas: Lambda, concurrent "
        "executions)"
    )


def test_the_cdn_caches_the_calendar_for_one_second_figures_for_five_minutes_and_files_for_a_year() -> None:
    resources = read_template(CDN)["Resources"]
    ages = {
        name: resources[name]["Properties"]["CachePolicyConfig"]["MaxTTL"] for name in ("Calendar", "Figures", "Files")
    }
    assert ages == {"Calendar": 1, "Figures": 300, "Files": 31_536_000}
    behaviours = resources["Distribution"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
    assert [(behaviour["PathPattern"], behaviour["CachePolicyId"]) for behaviour in behaviours] == [
        ("/services/*/slots", {"Ref": "Calendar"}),
        ("/services/*/figures", {"Ref": "Figures"}),
        ("/static/*", {"Ref": "Files"}),
    ]
