"""The smoke test of a deployed stage: the trial of `chalicelib/canary`, with the keys of who deploys.

The deployer may read the stage's secret, which the trial needs.
"""

from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.canary import run as canary
from chalicelib.canary.api import Api
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.canary.trial import StepFailed, Trial
from chalicelib.domain import codec
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from chalicelib.storage import service_items
from infra.deploy.aws import CannotDeploy
from infra.deploy.stacks import Deployment
from infra.servicefile import reader

SERVICE_FILE = Path(__file__).with_name("smoke.yaml")
PATIENCE = 90.0
"""Seconds to wait for a step. Functions cache services for a minute, and a first e-mail may take as long."""


class SmokeTestFailed(CannotDeploy):
    """A step of the smoke test had another answer than expected."""


@cache
def hidden_service() -> Service:
    """Read the hidden service from its file. The result does not depend on `today`: its closure lasts until 2099."""
    (document,) = reader.read([SERVICE_FILE], today=date.min).documents
    return codec.service_from_document(document)


def write_files(folder: Path) -> list[Path]:
    """Write the files of both hidden services: that of the smoke test, and the same under the id of the canary.

    Each has its own, so that neither deletes the seat that the other is booking.
    """
    text = SERVICE_FILE.read_text("utf-8")
    files = {name: folder / f"{name}.yaml" for name in (hidden_service().id, canary.SERVICE)}
    for name, file in files.items():
        file.write_text(text.replace(f"id: {hidden_service().id}\n", f"id: {name}\n", 1), "utf-8")
    return list(files.values())


def prepare(deployment: Deployment, api: Api, keys: Keys, now: datetime, *, patience: float = PATIENCE) -> Trial:
    """Return the trial of a stage."""
    service = hidden_service()
    service_items.record_layout(service.id, None)  # its few seats never have a partition for each day
    return Trial(api, HiddenItems(deployment.client("dynamodb"), deployment.table, keys, service), now, patience)


def run(stage: str, trial: Trial) -> Iterator[str]:
    """Run the steps of a smoke test, and yield the name of each. An error of AWS in the test does not blame the stage.

    SmokeTestFailed has the latest answer, what was expected, and what to do.
    """
    try:
        yield from trial.steps()
    except StepFailed as failed:
        raise SmokeTestFailed(
            f"smoke test: {failed}. {stage} is deployed and fails its test: find the cause in the logs of its "
            "functions, then deploy again, or roll back if visitors fail too (docs/deploy.md)"
        ) from failed
    except (BotoCoreError, ClientError) as error:
        reason = " ".join(str(error).split())
        raise CannotDeploy(
            f"smoke test: AWS: {reason}. {stage} is deployed, and its test could not be made: "
            "do not roll back for this; deploy again once it is put right"
        ) from error
