"""What the settings of a stage may be: each mistake stops with one line, before AWS is asked anything."""

from datetime import date
from pathlib import Path

import pytest

from infra.deploy import stage
from infra.deploy.package import CannotDeploy
from infra.deploy.stacks import APP, DATA, EDGE, template

TODAY = date(2026, 11, 23)
GOOD = {
    "account": '"111122223333"',
    "region": "eu-west-3",
    "services": "[infra/services/aes.yaml]",
    "MailFrom": "rendez-vous@prefecture.example.org",
}
EDGE_OF = {
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
    found = read(tmp_path, {"MailRate": "20", "Reserve": '"no"', "WarmHolds": "0"})
    assert (found.name, found.account, found.region) == ("prod", "111122223333", "eu-west-3")
    assert found.data == {"MailFrom": "rendez-vous@prefecture.example.org"}
    assert found.app == {"MailRate": "20", "Reserve": "no", "WarmHolds": "0"}
    assert found.edge == {}


def test_a_domain_puts_the_edge_before_the_stage_and_its_address_in_the_letters(tmp_path: Path) -> None:
    found = read(tmp_path, {**EDGE_OF, "Visits": "3000"})
    assert found.edge == {**EDGE_OF, "Visits": "3000"}
    assert found.app == {"PublicUrl": "https://rendez-vous.prefecture.example.org"}


def test_the_example_is_read_but_for_its_names() -> None:
    with pytest.raises(CannotDeploy, match=r"^guichet: which stage"):
        stage.read("", None, today=TODAY, environ={})
    found = stage.read("example", None, today=TODAY, environ={})
    assert found.data["MailDomain"] == "prefecture.example.org"


SEEN = "guichet: prod.yaml: "
ACCOUNT = "the twelve digits of the AWS account, in quotes"
SENDER = "The address the letters come from"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"MailFom": "x"}, f"{SEEN}MailFom is no setting (did you mean MailFrom?)"),
        ({"CaptchaAnswer": "x"}, f"{SEEN}CaptchaAnswer is for a laptop alone: remove it"),
        ({"SecretVersion": "1" * 36}, f"{SEEN}SecretVersion is no setting"),
        ({"MailFrom": None}, f"{SEEN}MailFrom is missing: {SENDER}"),
        ({"MailFrom": "rendez-vous"}, f"{SEEN}MailFrom is 'rendez-vous': {SENDER}"),
        ({"MailRate": "0"}, f"{SEEN}MailRate is 0: Letters a second - no more than SES grants"),
        ({"MailRate": '"1٤"'}, f"{SEEN}MailRate is '1٤': Letters a second - no more than SES grants"),
        ({"account": '"11112222333٣"'}, f"{SEEN}account is '11112222333٣': expected {ACCOUNT}"),
        ({"MailRate": "many"}, f"{SEEN}MailRate is 'many': Letters a second - no more than SES grants"),
        ({"MailRate": ""}, f"{SEEN}MailRate is None: Letters a second - no more than SES grants"),
        (
            {"Reserve": "perhaps"},
            f"{SEEN}Reserve is 'perhaps': Whether functions reserve their concurrency - 558 of the account's 1000",
        ),
        (
            {"account": "111122223333"},
            f"{SEEN}account is 111122223333: expected {ACCOUNT}",
        ),
        ({"account": None}, f"{SEEN}account is missing: expected {ACCOUNT}"),
        ({"region": "Paris"}, f"{SEEN}region is 'Paris': expected an AWS region, like eu-west-3"),
        (
            {"region": "eu-west-33"},
            f"{SEEN}region is 'eu-west-33': expected an AWS region, like eu-west-3",
        ),
        (
            {"region": "eu-west-9"},
            f"{SEEN}region eu-west-9 is none where AWS sends mail (SES): take another, like eu-west-3",
        ),
        ({"services": "aes"}, f"{SEEN}services is a list of files, like infra/services/aes.yaml"),
        (
            {"services": "[infra/services/none.yaml]"},
            "it cannot be read (No such file or directory); expected a YAML file",
        ),
        ({"Visits": "3000"}, f"{SEEN}limits of the edge need Domain and Certificate"),
        ({"Domain": EDGE_OF["Domain"]}, f"{SEEN}Certificate is missing: ACM's certificate for the domain"),
        (
            {**EDGE_OF, "Certificate": "arn:aws:acm:eu-west-3:1:certificate/1"},
            f"{SEEN}Certificate is 'arn:aws:acm:eu-west-3:1:certificate/1': ACM's certificate for the domain",
        ),
        ({**EDGE_OF, "PublicUrl": "https://example.org"}, f"{SEEN}PublicUrl follows from Domain: remove it"),
        ({"MailFrom": "[broken"}, "guichet: prod.yaml:5: this is not YAML"),
    ],
)
def test_a_mistake_in_the_settings_stops_with_one_line(
    tmp_path: Path, changes: dict[str, str | None], line: str
) -> None:
    assert refusal(tmp_path, changes).endswith(line)


def test_a_service_file_that_is_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "aes.yaml").write_text("id: aes\nname: {fr: AES}\n", "utf-8")
    line = refusal(tmp_path, {"services": f"[{tmp_path}/aes.yaml]"})
    assert line.startswith("guichet: aes.yaml:1: `address` is missing; expected ")
    assert line.endswith(" more)")


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"GUICHET_CAPTCHA_ANSWER": "x"}, "guichet: GUICHET_CAPTCHA_ANSWER is set: it is for a laptop alone: unset it"),
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
def test_a_shell_that_says_something_else_is_refused(tmp_path: Path, environ: dict[str, str], line: str) -> None:
    assert refusal(tmp_path, {}, environ) == line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "guichet: which stage? make … STAGE=prod"),
        ("Prod", "guichet: 'Prod' is no name of a stage: small letters, digits and hyphens, 20 at most"),
        ("laptop", "guichet: the stage laptop is that of `make run`: choose another name"),
        (
            "none",
            "guichet: infra/stages/none.yaml is not there: copy infra/stages/example.yaml and change what it says",
        ),
    ],
)
def test_a_stage_that_cannot_be_is_refused(name: str, line: str) -> None:
    with pytest.raises(CannotDeploy) as refused:
        stage.read(name, None, today=TODAY, environ={})
    assert str(refused.value) == line


def test_all_that_a_stage_keeps_outlives_its_stack() -> None:
    for name, resource in template(DATA)["Resources"].items():
        policies = (name, resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        assert policies == (name, "RetainExceptOnCreate", "Retain")


def test_the_table_is_kept_safe() -> None:
    table = template(DATA)["Resources"]["Table"]["Properties"]
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
    resources = template(APP)["Resources"].values()
    reserved = [one["Properties"]["ReservedConcurrentExecutions"]["Fn::If"][1] for one in resources if _reserves(one)]
    assert (sum(reserved), len(reserved)) == (557, 7)  # and the one of the mailer, in .chalice/config.json


def _reserves(resource: dict[str, object]) -> bool:
    properties = resource.get("Properties")
    return isinstance(properties, dict) and "ReservedConcurrentExecutions" in properties


def test_the_calendar_is_kept_for_one_second_and_files_for_a_year() -> None:
    resources = template(EDGE)["Resources"]
    kept = {name: resources[name]["Properties"]["CachePolicyConfig"]["MaxTTL"] for name in ("Calendar", "Files")}
    assert kept == {"Calendar": 1, "Files": 31_536_000}
    behaviours = resources["Distribution"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
    assert [(one["PathPattern"], one["CachePolicyId"]) for one in behaviours] == [
        ("/services/*/slots", {"Ref": "Calendar"}),
        ("/static/*", {"Ref": "Files"}),
    ]
