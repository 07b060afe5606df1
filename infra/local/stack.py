"""Deploy the whole service to an emulator on this machine, and open its seats."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from infra.deploy import smoke
from infra.deploy.package import ROOT, package
from infra.deploy.stacks import Deployment
from infra.local import inbox, provider
from infra.local.launcher import DISK_FULL, DISK_NEEDED, Emulator, answers, clean_environment, start_emulator
from infra.local.settings import (
    ACCOUNT,
    API,
    API_STAGE,
    KEYS,
    MAIL_FROM,
    REGION,
    STAGE,
    CannotRun,
    first_free_port,
)

SERVICES = ROOT / "infra" / "services"


@dataclass(frozen=True)
class Stack:
    """The URLs of a running service, and the name of its table."""

    endpoint: str
    inbox: str
    table: str = f"guichet-{STAGE}"
    emulator: Emulator | None = None
    identities: provider.Provider | None = None
    """The identity provider of the agents."""

    @property
    def api(self) -> str:
        """The URL of the service, without a slash at its end."""
        return f"{self.endpoint}/_aws/execute-api/{API}/{API_STAGE}"

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 ships no types
        """Return a client of the emulator with all permissions."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(read_timeout=300, retries={"total_max_attempts": 1}),
        )


@contextmanager
def running(
    *,
    port: int = 0,
    answer: str = "",
    expiry: str = "rate(1 minute)",
    release: str = "rate(1 hour)",
    canary: str = "rate(5 minutes)",
    services: Path = SERVICES,
    origin_holds: str = "0",
) -> Iterator[Stack]:
    """Run the service, deployed and with open seats, for as long as the block lasts.

    Port 0 stands for the first free one. `services` is the folder of the service files. `origin_holds` is the limit of
    holds for one client network; the default counts none, because all visitors of this machine share one.
    """
    port = port or first_free_port()
    folder = Path(tempfile.mkdtemp(prefix="guichet-"))
    try:
        if shutil.disk_usage(folder).free < DISK_NEEDED:
            raise CannotRun(DISK_FULL)
        with (
            inbox.serving() as mailbox,
            provider.serving() as identities,
            start_emulator(port, folder, smtp=mailbox.smtp) as emulator,
        ):
            stack = Stack(emulator.url, mailbox.url, emulator=emulator, identities=identities)
            parameters = {
                "PublicUrl": stack.api,
                "CaptchaAnswer": answer,
                "MailRate": "1000",  # the local inbox has no limit
                "Reserve": "no",  # the emulator runs ten processes of a function, not the 569 that AWS reserves
                "OriginHolds": origin_holds,
                "ExpirySchedule": expiry,
                "ReleaseSchedule": release,
                "CanarySchedule": canary,
                "DeskIssuer": identities.url,
                "DeskClientId": provider.CLIENT_ID,
                "DeskAcr": provider.TWO_FACTORS,
            }
            install(stack, folder, parameters)
            seed(stack, folder, services)
            warm(stack)
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(stack: Stack, folder: Path, parameters: dict[str, str]) -> None:
    """Package the service and deploy its data stack and its application stack."""
    with ThreadPoolExecutor() as pool:
        packaging = pool.submit(package, STAGE, out=folder / "package")
        deployment = Deployment(STAGE, stack.client, {"ms-custom-id": API})
        if plan := deployment.plan_data({"MailFrom": MAIL_FROM}):
            deployment.stacks.execute(plan)
        stack.client("secretsmanager").create_secret(Name=f"{stack.table}-desk", SecretString=provider.CLIENT_SECRET)
        template = packaging.result()
    if plan := deployment.plan_app(template, parameters):
        deployment.stacks.execute(plan)
    put_gateway_responses(stack, template)
    subscribe_to_feedback(stack)


def put_gateway_responses(stack: Stack, template: Path) -> None:
    """Create API Gateway's own answers. MiniStack leaves them out when it imports an API."""
    api = yaml.safe_load(template.read_text())["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    gateway = stack.client("apigateway")
    for kind, response in api["x-amazon-apigateway-gateway-responses"].items():
        gateway.put_gateway_response(restApiId=API, responseType=kind, **response)
    gateway.create_deployment(restApiId=API, stageName=API_STAGE)


def subscribe_to_feedback(stack: Stack) -> None:
    """Send feedback about e-mails to the topic of the sender, the only topic to which MiniStack publishes it."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-{STAGE}-feedback"
    for kind in ("Bounce", "Complaint", "Delivery"):
        stack.client("ses").set_identity_notification_topic(Identity=MAIL_FROM, NotificationType=kind, SnsTopic=topic)


def seed(stack: Stack, folder: Path, services: Path) -> None:
    """Write all services of a folder to the table, create their seats, and give the invented agents their roles."""
    files = sorted(services.glob("*.yaml"))
    put_services(stack, folder, [*files, *smoke.write_files(folder)])
    everywhere = [word for file in files for word in ("--service", file.stem)]
    people = [person for person in provider.PEOPLE.values() if person.role]
    with ThreadPoolExecutor() as pool:
        adding = [
            pool.submit(operate, stack, folder, "agents", "add", person.email, person.name, person.role, *everywhere)
            for person in people
        ]
        release(stack)
        for added in adding:
            added.result()


def put_services(stack: Stack, folder: Path, files: Sequence[Path]) -> None:
    """Check service files and write them to the table with the operator program. Its own files go into a folder."""
    operate(stack, folder, "services", "put", "--yes", *map(str, files))


def operate(stack: Stack, folder: Path, *words: str) -> None:
    """Run a command of the operator program."""
    command = [sys.executable, "-m", "infra.ops", *words]
    env = clean_environment(folder) | {"AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)


def release(stack: Stack) -> None:
    """Run the release function now, as its schedule does every hour."""
    Deployment(STAGE, stack.client).release()


def warm(stack: Stack) -> None:
    """Start one worker of each function that visitors wait for, so that the first visit is not slow."""
    visits = (
        ("/", None),
        ("/services/aes/slots", None),
        ("/holds/none", None),
        ("/holds/none/end", b""),
        ("/manage", b""),
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda visit: answers(stack.api + visit[0], visit[1]), visits))
