"""`make rotate`: a new secret, what is kept of earlier ones, two deployments, and rollbacks that lose nothing."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import codec
from chalicelib.domain.person import Details
from chalicelib.domain.stage_secret import DatedSecret, StageSecret, attestation_key
from chalicelib.domain.tokens import Keys
from infra.deploy import rollout, rotation
from infra.deploy.aws import CannotDeploy
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage

TODAY = date(2026, 12, 7)
DAY = timedelta(days=1)
OLD, NEW = "o" * 64, "n" * 52
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


class Aws:
    """The secret of one stage, the persons of its table, and the settings of the versions of a function."""

    def __init__(self, stored: str | StageSecret, versions: Mapping[str, StageSecret] | None = None) -> None:
        self.stored = str(stored)
        self.persons: list[dict[str, Any]] = []
        self.versions = versions or {}

    def get_secret_value(self, **_: object) -> Any:
        return {"SecretString": self.stored}

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803  # the names of boto3
        assert SecretId == "guichet-test"
        self.stored = SecretString

    def get_paginator(self, _: str) -> "Aws":
        return self

    def paginate(self, **_: object) -> Any:
        return [{"Items": self.persons[:1]}, {"Items": self.persons[1:]}]

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> Any:  # noqa: N803  # of boto3
        assert FunctionName == "guichet-test-hold"
        return {"Environment": {"Variables": {"GUICHET_SECRET": str(self.versions[Qualifier])}}}

    def add(self, secret: str, *, corrected: bool = False) -> None:
        """Store a person whose request was filed with this secret."""
        details = json.dumps(codec.details_to_document(AWA))
        item = {"pk": {"S": f"PERSON#{Keys(secret).person_key('Awa', 'Exemple', AWA.birth_date)}"}}
        item["details"] = {"S": json.dumps(codec.details_to_document(replace(AWA, last_name="Autre")))}
        item["as_filed" if corrected else "details"] = {"S": details}
        self.persons.append(item)


def deployment(aws: Aws) -> Deployment:
    return Deployment("test", lambda _: aws)


def rotate(aws: Aws, *, leaked: bool = False, today: date = TODAY, new: str = NEW) -> StageSecret:
    rotation.rotate(deployment(aws), leaked=leaked, ask=lambda _: None, today=today, new_secret=lambda: new)
    return StageSecret.parse(aws.stored)


def deploy(aws: Aws, today: date = TODAY) -> StageSecret:
    assert rotation.promote(deployment(aws), today)
    return StageSecret.parse(aws.stored)


def test_a_rotation_adds_a_secret_that_the_first_deployment_makes_known(capsys: pytest.CaptureFixture[str]) -> None:
    rotated = rotate(Aws(OLD))
    assert (rotated.current, rotated.accepted) == (OLD, (NEW,))
    assert rotated.attestation_keys == (attestation_key(OLD), attestation_key(NEW))
    printed = capsys.readouterr().out
    assert "Links, holds and locks stay valid; attestations too, for 3 years" in printed
    assert "Earlier secrets kept: 1." in printed
    assert "make deploy STAGE=test" in printed
    assert OLD not in printed
    assert NEW not in printed


def test_the_second_deployment_makes_it_current_and_keeps_the_old_one() -> None:
    aws = Aws(OLD)
    rotate(aws)
    current = deploy(aws)
    assert (current.current, current.accepted, current.upcoming) == (NEW, (OLD,), None)
    assert current.attestation_keys == (attestation_key(NEW), attestation_key(OLD))
    assert not rotation.promote(deployment(aws), TODAY)


def test_a_deployment_with_a_rotated_secret_deploys_the_functions_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    aws, deployed = Aws(OLD), []

    class Stop(Exception):
        """The deployment went on after the functions."""

    def stop(*_: object) -> None:
        raise Stop

    for name in ("check_account", "check_sender", "apply"):
        monkeypatch.setattr(rollout, name, lambda *_: None)
    for plan in ("plan_data", "plan_account"):
        monkeypatch.setattr(Deployment, plan, lambda *_: None)
    monkeypatch.setattr(Deployment, "stacks", type("Stacks", (), {"protect": lambda *_, **__: None})())
    monkeypatch.setattr(rollout, "deploy_functions", lambda *_: deployed.append(StageSecret.parse(aws.stored).current))
    monkeypatch.setattr(rollout, "put_services", stop)
    stage = Stage("test", "123456789012", "eu-west-3", "3.13", (), {}, {}, {})
    for expected in ([OLD], [OLD, OLD, NEW], [OLD, OLD, NEW, NEW]):
        with pytest.raises(Stop):
            rollout.deploy(
                stage,
                deployment(aws),
                deployment(aws),
                ask=lambda _: None,
                now=lambda: datetime(2026, 12, 7, tzinfo=UTC),
            )
        assert deployed == expected
        if len(expected) == 1:
            rotate(aws)


def test_after_a_leak_the_old_secrets_only_find_locks(capsys: pytest.CaptureFixture[str]) -> None:
    aws = Aws(OLD)
    rotate(aws)
    deploy(aws)
    leaked = rotate(aws, leaked=True, new="m" * 52)
    assert (leaked.current, leaked.accepted, leaked.kept) == ("m" * 52, (), ())
    assert leaked.leaked_secrets == (NEW, OLD)
    assert "Links in letters, holds in progress and attestations given so far end" in capsys.readouterr().out


def test_a_leak_before_the_deployment_of_a_rotation_replaces_both_secrets() -> None:
    aws = Aws(OLD)
    rotate(aws)
    leaked = rotate(aws, leaked=True, new="m" * 52)
    assert leaked == StageSecret("m" * 52, leaked=(DatedSecret(TODAY, OLD),))


def test_a_no_changes_nothing() -> None:
    def refuse(_: str) -> None:
        raise CannotDeploy("nothing was changed")

    aws = Aws(OLD)
    with pytest.raises(CannotDeploy):
        rotation.rotate(deployment(aws), leaked=False, ask=refuse, today=TODAY)
    assert aws.stored == OLD


def test_a_second_rotation_waits_for_the_deployment_of_the_first() -> None:
    aws = Aws(OLD)
    rotate(aws)
    before = aws.stored
    with pytest.raises(CannotDeploy, match="was rotated on 2026-12-07, and not deployed since: make deploy STAGE=test"):
        rotate(aws)
    assert aws.stored == before


@pytest.mark.parametrize("corrected", [False, True])
def test_an_earlier_secret_is_kept_as_long_as_a_stored_request_was_filed_with_it(corrected: bool) -> None:  # noqa: FBT001  # a parameter
    aws = Aws(StageSecret(NEW, previous=(DatedSecret(TODAY, OLD), DatedSecret(TODAY, "x" * 52))))
    aws.add(NEW)
    aws.add(OLD, corrected=corrected)
    assert rotate(aws, today=TODAY + 200 * DAY, new="m" * 52).accepted == ("m" * 52, OLD)


def test_an_earlier_secret_is_kept_for_two_days_for_holds_and_cookies() -> None:
    for days, kept in ((1, ("m" * 52, OLD)), (2, ("m" * 52,))):
        aws = Aws(StageSecret(NEW, previous=(DatedSecret(TODAY, OLD),)))
        assert rotate(aws, today=TODAY + days * DAY, new="m" * 52).accepted == kept


def test_a_request_of_an_unknown_secret_drops_no_earlier_one() -> None:
    aws = Aws(StageSecret(NEW, leaked=(DatedSecret(TODAY, OLD),)))
    aws.add("x" * 52)
    assert rotate(aws, today=TODAY + 200 * DAY, new="m" * 52).leaked_secrets == (OLD,)


def test_a_fourth_earlier_secret_is_refused_until_one_is_no_longer_needed() -> None:
    earlier = tuple(DatedSecret(TODAY, letter * 52) for letter in "abc")
    aws = Aws(StageSecret(NEW, previous=earlier[:2], leaked=earlier[2:]))
    for secret in earlier:
        aws.add(secret.secret)
    later = TODAY + 30 * DAY
    with pytest.raises(CannotDeploy, match="keeps 3 earlier secrets"):
        rotate(aws, today=later)
    assert len(rotate(Aws(aws.stored), today=later, new="m" * 52).accepted) == 1  # nobody needs them
    assert len(rotate(aws, leaked=True, today=later, new="m" * 52).leaked_secrets) == 4


def test_more_keys_than_fit_into_the_settings_of_a_function_are_refused() -> None:
    aws = Aws(OLD)
    for number in range(37):
        rotate(aws, today=TODAY + 2 * number * DAY)
        deploy(aws, TODAY + 2 * number * DAY)
    assert len(StageSecret.parse(aws.stored).kept) == 37
    with pytest.raises(CannotDeploy, match="rotate less often"):
        rotate(aws, today=TODAY + 74 * DAY)


def test_a_malformed_secret_is_not_replaced() -> None:
    aws = Aws("short")
    with pytest.raises(CannotDeploy, match="malformed or too short"):
        rotate(aws)
    assert aws.stored == "short"


BEFORE = StageSecret(OLD)
KNOWN = BEFORE.rotated(NEW, TODAY, leaked=False)
ROTATED = KNOWN.promoted(TODAY)
LEAKED = BEFORE.rotated(NEW, TODAY, leaked=True)


@pytest.mark.parametrize(
    ("stored", "live", "before", "is_allowed"),
    [
        (BEFORE, BEFORE, BEFORE, True),
        (KNOWN, BEFORE, BEFORE, True),  # rotated, and not deployed
        (KNOWN, KNOWN, BEFORE, True),  # the first deployment was cut short
        (ROTATED, ROTATED, KNOWN, True),
        (ROTATED, ROTATED, BEFORE, False),
        (LEAKED, BEFORE, BEFORE, True),
        (LEAKED, LEAKED, BEFORE, False),
        (StageSecret(NEW), ROTATED, KNOWN, False),  # the old secret has been dropped since
    ],
)
def test_a_rollback_is_refused_if_it_would_bring_back_a_secret_that_does_not_know_the_current_one(
    stored: StageSecret,
    live: StageSecret,
    before: StageSecret,
    is_allowed: bool,  # noqa: FBT001  # a parameter
) -> None:
    aws = Aws(stored, {"1": before, "2": live})

    def check() -> None:
        rotation.check_rollback(deployment(aws), {"guichet-test-hold": "2"}, {"guichet-test-hold": "1"})

    if is_allowed:
        check()
    else:
        with pytest.raises(CannotDeploy, match="was rotated since, and the version before does not know the new one"):
            check()


def test_a_rollback_checks_the_secrets_before_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Versions:
        def live(self) -> dict[str, str]:
            return {"guichet-test-hold": "2"}

        def before(self) -> dict[str, str]:
            return {"guichet-test-hold": "1"}

    monkeypatch.setattr(Deployment, "versions", Versions())
    with pytest.raises(CannotDeploy, match="Deploy the older commit instead"):
        rollout.rollback(deployment(Aws(LEAKED, {"1": BEFORE, "2": LEAKED})), ask=pytest.fail)
