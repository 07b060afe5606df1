"""The smoke test of a deployed stage: the booking of `chalicelib/canary`, with the keys of who deploys.

The deployer may read the stage's secret, which the trial needs. The draw is left to the canary, which tries it within
five minutes: functions that cached the services before a deployment added the hidden ones do not know them for a
minute.
"""

from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.canary import run as canary
from chalicelib.canary.api import Api
from chalicelib.canary.booking_trial import BookingTrial
from chalicelib.canary.hidden_items import HiddenItems
from chalicelib.canary.trial import StepFailed, Trial
from chalicelib.domain import codec
from chalicelib.domain.service import CANARY_DRAW, Beacon, Service
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
    """Write the files of the hidden services: that of the smoke test, the same for the canary, and one with a draw.

    The smoke test and the canary have their own, so that neither deletes the seat that the other is booking.
    """
    document = yaml.safe_load(SERVICE_FILE.read_text("utf-8"))
    documents = (document, document | {"id": canary.SERVICE}, _with_draw(document))
    files = []
    for each in documents:
        files.append(folder / f"{each['id']}.yaml")
        files[-1].write_text(yaml.safe_dump(each, allow_unicode=True, sort_keys=False), "utf-8")
    return files


def _with_draw(document: dict[str, Any]) -> dict[str, Any]:
    """Return the hidden service whose draw the canary enters. Its window is open all week."""
    moment = {"day": "monday", "at": "00:00"}
    rules = {"opens": moment, "closes": moment.copy(), "weeks_ahead": 0, "seniority_percent": 0, "preferences": 1}
    kept = {part: text for part, text in document.items() if part not in {"release", "seat_after"}}
    return kept | {"id": CANARY_DRAW, "allocation": "draw", "draw": rules | {"beacon": str(Beacon.DRAND)}}


def prepare(deployment: Deployment, api: Api, keys: Keys, now: datetime, *, patience: float = PATIENCE) -> BookingTrial:
    """Return the trial of a stage."""
    service = hidden_service()
    service_items.record_layout(service.id, None)  # its few seats never have a partition for each day
    return BookingTrial(api, HiddenItems(deployment.client("dynamodb"), deployment.table, keys, service), now, patience)


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
