"""The stage that a rush is played at: how to reach it, and a service of its own with seats."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.seat import SeatKey
from chalicelib.storage import seat_store
from chalicelib.storage.items import LockItem, SeatItem, ServiceItem
from infra.deploy.commands import clients, secret_of
from infra.deploy.package import ROOT
from infra.deploy.stacks import APP, Deployment, template
from infra.local.stack import STAGE, Stack, answers, running
from infra.ops.stage_access import reach
from tests.load.rush.plan import HERE_AT_ONCE, CannotRush, Wish, document

MEMORY = 61.0  # seconds after which every function has read the services again


@dataclass(frozen=True)
class Target:
    """Where the service and its inbox are, the stage's secret, and the stack if this program started it."""

    url: str
    inbox: str
    secret: str = field(repr=False)
    own: Stack | None = None


@contextmanager
def stage(wish: Wish, service: str) -> Iterator[Target]:
    """Reach the stage to rush, or start the stack on this machine, with the service in place.

    The table's models are turned to the stage's table. Everything of the service is gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="guichet-rush-") as folder:
        file = Path(folder) / f"{service}.yaml"
        file.write_text(json.dumps(document(service, wish.seat_after)), "utf-8")  # JSON is YAML
        if wish.url:
            with elsewhere(wish, service, file) as target:
                yield target
            return
        print("starting the stack on this machine", flush=True)
        origin_holds = str(template(APP)["Parameters"]["OriginHolds"]["Default"])
        with running(origin_holds=origin_holds, services=file.parent) as stack:
            os.environ["AWS_ENDPOINT_URL"] = stack.endpoint
            target = Target(stack.api, stack.inbox, secret(STAGE, reach(STAGE)), stack)
            warm(stack, service)
            yield target


@contextmanager
def elsewhere(wish: Wish, service: str, file: Path) -> Iterator[Target]:
    """Reach a stage that runs already, and put the service in place there."""
    alive(wish.url)
    if wish.stage == STAGE:
        parts = urlsplit(wish.url)
        os.environ["AWS_ENDPOINT_URL"] = f"{parts.scheme}://{parts.netloc}"
    region = reach(wish.stage)
    if wish.stage != STAGE and (people := sum(1 for _ in LockItem.scan(LockItem.pk.startswith("PERSON#")))):
        raise CannotRush(f"guichet: {wish.stage} has appointments of {people} people: rush a stage that has none")
    target = Target(wish.url, wish.inbox, secret(wish.stage, region))
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", "--stage", wish.stage, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise CannotRush(done.stderr.strip() or f"guichet: the service could not be put on {wish.stage}")
    try:
        print(f"waiting {MEMORY:.0f} s until every function knows the service", flush=True)
        time.sleep(MEMORY)
        yield target
    finally:
        remove(service)


def secret(stage_name: str, region: str) -> str:
    """Read the secret of the stage, as the smoke test does. Raise CannotRush if AWS refuses it."""
    try:
        return secret_of(Deployment(stage_name, clients(region)))
    except (BotoCoreError, ClientError) as error:
        reason = " ".join(str(error).split())
        raise CannotRush(f"guichet: cannot read the secret of the stage {stage_name}: {reason}") from error


def alive(url: str) -> None:
    """CannotRush unless a Guichet answers here."""
    try:
        with urlopen(Request(f"{url}/health", headers={"Accept": "application/json"}), timeout=15) as answer:  # noqa: S310 - http or https, see asked
            told, from_cdn = json.loads(answer.read()), "X-Amz-Cf-Id" in answer.headers
    except HTTPError as error:
        raise CannotRush(f"guichet: {url} is no Guichet: its /health answers {error.code}") from error
    except OSError as error:
        raise CannotRush(f"guichet: nothing answers at {url}: {error}") from error
    except ValueError as error:
        raise CannotRush(f"guichet: {url} is no Guichet: its /health is no JSON") from error
    if not isinstance(told, dict) or told.get("status") != "ok":
        raise CannotRush(f"guichet: {url} is no Guichet: its /health says something else")
    if from_cdn:
        raise CannotRush(
            f"guichet: {url} is behind CloudFront, which would replace the visitors' addresses by yours: "
            "give the URL of API Gateway (EndpointURL, an output of the stack guichet-STAGE)"
        )


def warm(own: Stack, service: str) -> None:
    """Start as many workers of each function as the crowd will use at once: a cold one takes this machine seconds."""
    gone = "holds/none"
    visits = ((f"services/{service}", None), (f"services/{service}/slots", None), (f"services/{service}/holds", b"{}"))
    for path, body in (*visits, (gone, None), (f"{gone}/details", b"{}")):
        with ThreadPoolExecutor(HERE_AT_ONCE) as pool:
            list(pool.map(partial(answers, form=body), [f"{own.api}/{path}"] * HERE_AT_ONCE))


def remove(service: str) -> None:
    """Everything that the rush left in the table."""
    ServiceItem("SERVICES", service).delete()
    with SeatItem.batch_write() as batch:
        for row in SeatItem.scan(SeatItem.pk.startswith(f"SEATS#{service}#")):
            batch.delete(row)
    with LockItem.batch_write() as locks:
        for lock in LockItem.scan(LockItem.sk == f"SERVICE#{service}"):
            locks.delete(lock)


def open_seats(seats: Sequence[SeatKey], opens_at: datetime) -> None:
    """Make the seats, as somebody at the office adds them by hand: they open at this moment."""
    with SeatItem.batch_write() as batch:
        for key in seats:
            row = seat_store.new_item(key, opens_at)
            row.extra = True
            batch.save(row)
