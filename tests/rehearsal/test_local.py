"""`make local`: a booking with its letters on `chalice local`."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from chalicelib.canary.api import Api
from chalicelib.domain.tokens import Keys
from infra.deploy import smoke
from infra.deploy.stacks import Deployment
from infra.local import plain
from infra.local.settings import STAGE, any_port
from infra.local.stack import put_services
from tests.rehearsal.operator import STEPS


def test_chalice_local_books_with_letters(tmp_path: Path) -> None:
    with plain.running(any_port()) as site:
        put_services(site.stack, tmp_path, smoke.write_files(tmp_path))
        secret = site.stack.client("secretsmanager").get_secret_value(SecretId=site.stack.table)["SecretString"]
        deployment = Deployment(STAGE, site.stack.client)
        trial = smoke.prepare(deployment, Api(site.url), Keys(secret), datetime.now(UTC))
        assert [f"  ok: {step}" for step in smoke.run(STAGE, trial)] == STEPS
        hold = {"first_free": True, "conditions_accepted": True}
        assert Api(site.url).call("POST", "/services/aes/holds", hold)[0] == HTTPStatus.CREATED
