"""The stage of a rush: how to reach it, and how to add the rush's own service and seats and remove them."""

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
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.seat import SeatKey
from chalicelib.storage import seat_store
from chalicelib.storage.items import LockItem, SeatItem
from chalicelib.storage.service_items import ServiceItem
from infra.deploy.aws import clients
from infra.deploy.checks import read_secret
from infra.deploy.cloudformation import APP, read_template
from infra.deploy.package import ROOT
from infra.deploy.stacks import Deployment
from infra.local.launcher import answers
from infra.local.settings import STAGE
from infra.local.stack import Stack, running
from infra.ops.stage_access import problem_of, select_stage, table_of
from tests.load import stopping
from tests.load.rush import fast
from tests.load.rush.plan import FAST, LOCAL_CONCURRENCY, SERVICE_CACHE_SECONDS, CannotRush, Settings, document

SAMPLE = 250  # seats: ten batches
SPARE = 1.3
"""The estimated time is longer by this factor, because a table may become slower."""


@dataclass(frozen=True)
class Target:
    """The URLs of the API and the inbox, the stage's secret, and the URL of the emulator if this program started it."""

    url: str
    inbox: str
    secret: str = field(repr=False)
    emulator: str = ""


@contextmanager
def stage(settings: Settings, service: str) -> Iterator[Target]:
    """Connect to the stage of the rush, or start the local stack, and add the service.

    The table models use the stage's table from then on. From a stage that was running before, the service is removed
    afterwards.
    """
    origin_holds = str(read_template(APP)["Parameters"]["OriginHolds"]["Default"])
    if settings.local == FAST:
        print("starting the fast setting: web servers before the table, without API Gateway and Lambda", flush=True)
        with fast.running(document(service, settings), origin_holds=origin_holds) as site:
            yield Target(site.url, site.inbox, site.secret, site.endpoint)
        return
    with tempfile.TemporaryDirectory(prefix="guichet-rush-") as folder:
        file = Path(folder) / f"{service}.yaml"
        file.write_text(json.dumps(document(service, settings)), "utf-8")  # JSON is YAML
        if settings.url:
            with running_stage(settings, service, file) as target:
                yield target
            return
        print("starting the local stack", flush=True)
        with running(origin_holds=origin_holds, services=file.parent) as stack:
            os.environ["AWS_ENDPOINT_URL"] = stack.endpoint
            target = Target(stack.api, stack.inbox, secret(STAGE, select_stage(STAGE)), stack.endpoint)
            warm(stack, service)
            yield target


@contextmanager
def running_stage(settings: Settings, service: str, file: Path) -> Iterator[Target]:
    """Connect to a stage that is already running, and add the service. Raise CannotRush if it has appointments."""
    check_health(settings.url)
    if settings.stage == STAGE:
        parts = urlsplit(settings.url)
        os.environ["AWS_ENDPOINT_URL"] = f"{parts.scheme}://{parts.netloc}"
    region = select_stage(settings.stage)
    target = Target(settings.url, settings.inbox, secret(settings.stage, region))
    with using_table(settings.stage):
        people = 0 if settings.stage == STAGE else sum(1 for _ in LockItem.scan(LockItem.pk.startswith("PERSON#")))
    if people:
        raise CannotRush(
            f"guichet: the stage {settings.stage} has appointments of {people} people: use a stage without appointments"
        )
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", "--stage", settings.stage, str(file)]
    with added_service(command, service, settings.stage):
        print(f"waiting {SERVICE_CACHE_SECONDS:.0f} s until every function knows the service", flush=True)
        time.sleep(SERVICE_CACHE_SECONDS)
        yield target


@contextmanager
def added_service(command: Sequence[str], service: str, stage_name: str) -> Iterator[None]:
    """Add the service to the table with this command, and remove it afterwards, or when a signal stops the command."""
    with stopping.cleanup() as cleanup:
        cleanup.callback(remove, service, stage_name)
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if process.returncode:
            cleanup.pop_all()  # a command that fails has added nothing
            raise CannotRush(process.stderr.strip() or f"guichet: cannot add the service to the stage {stage_name}")
        yield


def secret(stage_name: str, region: str) -> str:
    """Read the secret of the stage. Raise CannotRush if AWS refuses it."""
    try:
        return read_secret(Deployment(stage_name, clients(region))).current
    except (BotoCoreError, ClientError) as error:
        reason = " ".join(str(error).split())
        raise CannotRush(f"guichet: cannot read the secret of the stage {stage_name}: {reason}") from error


@contextmanager
def using_table(stage_name: str) -> Iterator[None]:
    """Turn an error of the table into CannotRush, as the operator program words it."""
    try:
        yield
    except (PynamoDBException, TooManyRequests, Unavailable) as error:
        region = str(LockItem.Meta.region)
        reason = problem_of(error, stage_name, region) or f"cannot use the table {table_of(stage_name)}: {error}"
        raise CannotRush(f"guichet: {' '.join(reason.split())}") from error


def check_health(url: str) -> None:
    """Raise CannotRush unless this is the URL of a Guichet API that is not behind a CDN."""
    try:
        with urlopen(Request(f"{url}/health", headers={"Accept": "application/json"}), timeout=15) as answer:  # noqa: S310 - http or https, see read_settings
            body, is_cdn = answer.read(), "X-Amz-Cf-Id" in answer.headers
    except HTTPError as error:
        raise CannotRush(f"guichet: {url} is not a Guichet API: /health answers {error.code}") from error
    except HTTPException as error:
        raise CannotRush(
            f"guichet: {url} is not a Guichet API: /health is not an HTTP answer, or a part of one"
        ) from error
    except (OSError, UnicodeError) as error:  # UnicodeError: the name of a host with an empty or a very long part
        raise CannotRush(f"guichet: nothing answers at {url}: {error}") from error
    try:
        health = json.loads(body)
    except ValueError as error:
        raise CannotRush(f"guichet: {url} is not a Guichet API: /health is not JSON") from error
    if not isinstance(health, dict) or health.get("status") != "ok":
        raise CannotRush(f"guichet: {url} is not a Guichet API: /health does not report the status ok")
    if is_cdn:
        raise CannotRush(
            f"guichet: {url} is behind CloudFront, which replaces the visitors' IP addresses: "
            "set URL to the URL of API Gateway (EndpointURL, an output of the stack guichet-STAGE)"
        )


def warm(stack: Stack, service: str) -> None:
    """Start the workers of each function before the rush, because a cold start takes seconds on this machine."""
    visits = ((f"services/{service}", None), (f"services/{service}/slots", None), (f"services/{service}/holds", b"{}"))
    for path, body in (*visits, ("holds/none", None), ("holds/none/details", b"{}")):
        with ThreadPoolExecutor(LOCAL_CONCURRENCY) as pool:
            list(pool.map(partial(answers, form=body), [f"{stack.api}/{path}"] * LOCAL_CONCURRENCY))


def remove(service: str, stage_name: str) -> None:
    """Delete the service, its seats, and the requests and locks of its people.

    The other items that the rush wrote stay until they expire, which is within a day: the holds of visitor tokens
    (VISIT#), the counters of client networks, e-mail domains and waiting holds (ORIGIN#, DOMAIN#, LATE#), and the
    snapshots of the calendar (CALENDAR#). The audit keeps the line about the service.
    """
    try:
        with using_table(stage_name):
            ServiceItem("SERVICES", service).delete()
            with SeatItem.batch_write() as batch:
                for row in SeatItem.scan(SeatItem.pk.startswith(f"SEATS#{service}#")):
                    batch.delete(row)
            with LockItem.batch_write() as locks:
                for lock in LockItem.scan(LockItem.sk == f"SERVICE#{service}"):
                    locks.delete(lock)
    except CannotRush as error:
        raise CannotRush(f"{error}\nguichet: the service {service} or its seats are still in the table") from error


def writing_seconds(seats: Sequence[SeatKey]) -> float:
    """Write some of the seats, closed, and estimate from that how long it takes to write all of them."""
    sample, began = seats[:SAMPLE], time.monotonic()
    open_seats(sample, datetime.now(UTC) + timedelta(days=1))
    return SPARE * (time.monotonic() - began) * len(seats) / len(sample)


def open_seats(seats: Sequence[SeatKey], opens_at: datetime) -> None:
    """Create the seats as an agent adds them by hand. They open at this moment."""
    with SeatItem.batch_write() as batch:
        for key in seats:
            row = seat_store.new_item(key, opens_at)
            row.extra = True
            batch.save(row)
