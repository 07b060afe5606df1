"""The fast local setting of a rush: web servers before the table, its stream, the mailer and the inbox.

It runs the same application, table, letters and expiry as a stage, without API Gateway, Lambda and roles, so that a
machine carries a crowd that is many times larger. MiniStack's Lambdas stay the reference for correctness.
"""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import boto3

from chalicelib.domain import codec
from chalicelib.storage import items, service_store
from infra.deploy.package import ROOT
from infra.local import inbox
from infra.local.launcher import clean_environment, comes_up, guarded, start_emulator
from infra.local.settings import HOST, MAIL_FROM, STAGE, any_port
from infra.local.settings import KEYS as AWS_KEYS
from infra.ops import day_partitions
from infra.ops.stage_access import select_stage, table_of
from tests.load import stopping
from tests.load.rush.plan import CannotRush
from tests.table import SHAPE, STREAM

APPLICATION = "tests.load.server:application"
SERVERS = 3
"""Web server processes. Each answers one request at a time, as a Lambda environment does. While one waits for the
table, another answers."""
START_SECONDS = 30.0


@dataclass(frozen=True)
class Site:
    """The URLs of a running setting, and its secret."""

    url: str
    inbox: str
    endpoint: str
    secret: str


@contextmanager
def running(
    document: Mapping[str, Any], *, origin_holds: str, application: str = APPLICATION, letters: bool = True
) -> Iterator[Site]:
    """Run the setting with one service for as long as the block lasts. The table models use its table.

    Without `letters` no mailer reads the stream.
    """
    with stopping.cleanup() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="guichet-rush-")))
        mailbox = cleanup.enter_context(inbox.serving())
        emulated = folder / "emulator"
        emulated.mkdir()
        port = any_port()
        emulator = cleanup.enter_context(start_emulator(port, emulated, smtp=mailbox.smtp, auth=False))
        os.environ["AWS_ENDPOINT_URL"] = emulator.url
        select_stage(STAGE)
        items.Item._connection = None  # noqa: SLF001  # it may be that of a setting that ran before in this process
        service_store.clear_caches()
        stream = create_table(document)
        server_port = any_port()
        url = f"http://{HOST}:{server_port}"
        environ = {
            **clean_environment(folder),
            **AWS_KEYS,
            "AWS_ENDPOINT_URL": emulator.url,
            "PYTHONPATH": str(ROOT),
            "GUICHET_STAGE": STAGE,
            "GUICHET_TABLE": table_of(STAGE),
            "GUICHET_SECRET": secrets.token_urlsafe(32),
            "GUICHET_ORIGIN_HOLDS": origin_holds,
            "GUICHET_PUBLIC_URL": url,
            "GUICHET_MAIL_FROM": MAIL_FROM,
            "GUICHET_MAIL_RATE": "1000",  # the local inbox has no limit
        }
        log = cleanup.enter_context((folder / "servers.log").open("w+b"))
        servers = ["-m", "granian", application, "--interface", "wsgi", "--http", "1", "--no-ws"]
        servers += ["--host", HOST, "--port", str(server_port), "--workers", str(SERVERS), "--blocking-threads", "1"]
        servers += ["--backlog", "8192", "--backpressure", "1024", "--log-level", "warning"]
        server = cleanup.enter_context(guarded(servers, folder / "web", environ, log))
        if letters:
            cleanup.enter_context(guarded(["-m", "infra.local.mailer", stream], folder / "mailer", environ, log))
        wait_for(url, server, log)
        yield Site(url, mailbox.url, emulator.url, environ["GUICHET_SECRET"])


def create_table(document: Mapping[str, Any]) -> str:
    """Create the table with its stream, the sender and the service. Return the ARN of the stream."""
    table = boto3.client("dynamodb").create_table(TableName=table_of(STAGE), **SHAPE, **STREAM)
    boto3.client("ses").verify_email_identity(EmailAddress=MAIL_FROM)
    first_week = day_partitions.first_week(codec.service_from_document(dict(document)), datetime.now(UTC))
    service_store.put(dict(document), by_day_from=first_week)
    return str(table["TableDescription"]["LatestStreamArn"])


def wait_for(url: str, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Wait until the web servers answer. Raise CannotRush with the last line of the log if they do not."""
    if not comes_up(f"{url}/health", server, START_SECONDS):
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        raise CannotRush(f"guichet: the web servers do not start: {lines[-1] if lines else 'no reason given'}")
