"""`make rotate`: a new secret, the attestation keys of the last three years, and nothing changed without a yes."""

from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.domain.stage_secret import StageSecret, attestation_key
from infra.deploy import rotation
from infra.deploy.aws import CannotDeploy
from infra.deploy.stacks import Deployment

TODAY = date(2026, 12, 7)
OLD, NEW = "o" * 64, "n" * 52


class Secrets:
    """Secrets Manager with the secret of one stage."""

    def __init__(self, stored: str) -> None:
        self.stored = stored

    def get_secret_value(self, **_: object) -> Any:
        return {"SecretString": self.stored}

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803  # the names of boto3
        assert SecretId == "guichet-test"
        self.stored = SecretString


def rotate(manager: Secrets, *, leaked: bool = False, today: date = TODAY) -> StageSecret:
    deployment = Deployment("test", lambda _: manager)
    rotation.rotate(deployment, leaked=leaked, ask=lambda _: None, today=today, new_secret=lambda: NEW)
    return StageSecret.parse(manager.stored)


def test_a_rotation_keeps_the_attestation_key_and_not_the_secret(capsys: pytest.CaptureFixture[str]) -> None:
    rotated = rotate(Secrets(OLD))
    assert rotated.current == NEW
    assert rotated.attestation_keys == (attestation_key(NEW), attestation_key(OLD))
    printed = capsys.readouterr().out
    assert "Kept attestation keys: 1; attestations stay valid for 3 years." in printed
    assert "make deploy STAGE=test" in printed
    assert OLD not in printed
    assert NEW not in printed


def test_after_a_leak_no_key_is_kept() -> None:
    assert rotate(Secrets(OLD), leaked=True) == StageSecret(NEW)


def test_a_no_changes_nothing() -> None:
    def refuse(_: str) -> None:
        raise CannotDeploy("nothing was changed")

    manager = Secrets(OLD)
    with pytest.raises(CannotDeploy):
        rotation.rotate(Deployment("test", lambda _: manager), leaked=False, ask=refuse, today=TODAY)
    assert manager.stored == OLD


def test_more_keys_than_fit_into_the_settings_of_a_function_are_refused() -> None:
    manager = Secrets(OLD)
    for day in range(38):
        rotate(manager, today=TODAY + timedelta(days=day))
    assert len(StageSecret.parse(manager.stored).kept) == 38
    with pytest.raises(CannotDeploy, match="rotate less often"):
        rotate(manager, today=TODAY + timedelta(days=38))


def test_a_malformed_secret_is_not_replaced() -> None:
    manager = Secrets("short")
    with pytest.raises(CannotDeploy, match="malformed or too short"):
        rotate(manager)
    assert manager.stored == "short"
