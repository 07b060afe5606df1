"""The whole service on this machine: what `make run` executes. All that it starts ends with it."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import boto3
import yaml
from botocore.config import Config

from infra.deploy.package import ROOT, package
from infra.deploy.stacks import Deployment
from infra.local import inbox
from infra.local.process_guard import die_with_parent

HOST = inbox.HOST
REGION = "eu-west-3"
ACCOUNT = "000000000000"  # the engine's
STAGE = "laptop"
MAIL_FROM = "rendez-vous@guichet.example"
API = "guichet"
API_STAGE = "api"
BUCKET = f"guichet-packages-{ACCOUNT}-{REGION}"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # the engine's administrator
FIRST_PORT = 4566
SERVICES = ROOT / "infra" / "services"
ROOM = 500_000_000  # bytes: every worker unpacks the zip
DISK_FULL = f"guichet: the disk is full: {tempfile.gettempdir()} needs {ROOM // 1_000_000} MB"
PATIENCE = 60.0  # seconds for the engine to answer


class CannotRun(SystemExit):
    """The service cannot be had on this machine; the message is the one line that says why."""


@dataclass(frozen=True)
class Emulator:
    """A running MiniStack: its URL, the guard process that ends with it, and its log."""

    url: str
    guard: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def wait(self, pause: float = 1.0) -> str:
        """Wait until it ends, or until nothing listens on its port; return what it logged."""
        while self.guard.poll() is None and not is_free(self.port):
            time.sleep(pause)
        return self.logged()

    def logged(self) -> str:
        """Return the log. The guard removes the file when MiniStack ends; it can be read as long as it is open."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


@dataclass(frozen=True)
class Stack:
    """Where the parts of a running service are."""

    endpoint: str
    inbox: str
    table: str = f"guichet-{STAGE}"
    engine: Emulator | None = None

    @property
    def api(self) -> str:
        """The address of the service, without a slash at its end."""
        return f"{self.endpoint}/_aws/execute-api/{API}/{API_STAGE}"

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 ships no types
        """A client of the engine that may do everything."""
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
    services: Path = SERVICES,
    origin_holds: str = "0",
) -> Iterator[Stack]:
    """The service, deployed and with open seats, for as long as the block lasts; port 0 is the first free one.

    `services` is the folder of the service files.
    """
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="guichet-"))
    try:
        if shutil.disk_usage(folder).free < ROOM:
            raise CannotRun(DISK_FULL)
        with inbox.serving() as box, start_emulator(port, folder, smtp=box.smtp) as started:
            stack = Stack(started.url, box.url, engine=started)
            parameters = {
                "PublicUrl": stack.api,
                "CaptchaAnswer": answer,
                "MailRate": "1000",  # this inbox takes what comes
                "Reserve": "no",  # there is no room for 558 processes; the engine runs ten of a function
                "OriginHolds": origin_holds,  # 0: all who try it come from one address
                "ExpirySchedule": expiry,
                "ReleaseSchedule": release,
            }
            install(stack, folder, parameters)
            seed(stack, folder, services)
            warm(stack)
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_free(port: int) -> bool:
    """Whether a program may listen on this port of this machine."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return the first free port from FIRST_PORT on; CannotRun if there is none among a hundred."""
    for candidate in range(FIRST_PORT, FIRST_PORT + 100):
        if is_free(candidate):
            return candidate
    raise CannotRun(f"guichet: ports {FIRST_PORT} to {FIRST_PORT + 99} are in use: set GUICHET_PORT to a free one")


@contextmanager
def start_emulator(
    port: int, folder: Path, *, smtp: str, auth: bool = True, environ: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Emulator]:
    """Run MiniStack on this port, with all its files in this folder; it checks every role if `auth`.

    `environ` adds to the environment of MiniStack and of the functions.
    """
    guard_of, program = (str(ROOT / "infra/local" / name) for name in ("process_guard.py", "emulator.py"))
    guarded = [sys.executable, guard_of, str(folder), sys.executable, "-P", program]
    settings = {
        "AUTH": str(auth).lower(),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "SMTP_HOST": smtp,
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/none",  # no container of this machine is its business
        "IOT_MTLS_ENABLED": "0",  # would listen on a port of its own
        "SFTP_ENABLED": "0",  # the same
    }
    env = {**quiet(folder), **settings, **environ}
    with (folder / "engine.log").open("w+b") as log:
        guard = subprocess.Popen(
            guarded, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, start_new_session=True
        )
        started = Emulator(f"http://{HOST}:{port}", guard, log)
        try:
            until = time.monotonic() + PATIENCE
            while not answers(f"{started.url}/_ministack/health"):
                if guard.poll() is not None or time.monotonic() > until:
                    guard.communicate()
                    raise cannot(f"start MiniStack on port {port}", started.logged())
                time.sleep(0.1)
            yield started
        finally:
            guard.communicate()  # closes its stdin: it ends the engine and the workers


def quiet(folder: Path) -> dict[str, str]:
    """An environment without settings of this user, whose files all go into this folder."""
    place = {"HOME": str(folder), "TMPDIR": str(folder)}
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **place, **KEYS, "AWS_DEFAULT_REGION": REGION}


def answers(url: str, form: bytes | None = None) -> bool:
    """Whether there is a server at this URL, whatever it says."""
    try:
        urlopen(url, form, timeout=10).close()  # noqa: S310 - a fixed http URL of this machine
    except HTTPError:
        return True
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True


def cannot(what: str, said: str) -> CannotRun:
    """The line that says what went wrong, from all that a program said."""
    if os.strerror(errno.ENOSPC) in said:
        return CannotRun(DISK_FULL)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return CannotRun(f"guichet: cannot {what}: {lines[-1] if lines else 'no reason given'}")


def install(stack: Stack, folder: Path, parameters: dict[str, str]) -> None:
    """Package the service and deploy its two stacks."""
    with ThreadPoolExecutor() as pool:
        packaging = pool.submit(package, STAGE, out=folder / "package")
        deployment = Deployment(STAGE, stack.client, {"ms-custom-id": API})
        if plan := deployment.data({"MailFrom": MAIL_FROM}):
            deployment.execute(plan)
        template = packaging.result()
    if plan := deployment.app(template, parameters):
        deployment.execute(plan)
    play_gateway_responses(stack, template)
    play_feedback(stack)


def play_gateway_responses(stack: Stack, template: Path) -> None:
    """MiniStack leaves these out when it imports an API, but knows them one by one."""
    api = yaml.safe_load(template.read_text())["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    gateway = stack.client("apigateway")
    for kind, response in api["x-amazon-apigateway-gateway-responses"].items():
        gateway.put_gateway_response(restApiId=API, responseType=kind, **response)
    gateway.create_deployment(restApiId=API, stageName=API_STAGE)


def play_feedback(stack: Stack) -> None:
    """MiniStack plays SES's mailbox simulator, but tells what became of a letter only to topics of its sender."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-{STAGE}-feedback"
    for kind in ("Bounce", "Complaint", "Delivery"):
        stack.client("ses").set_identity_notification_topic(Identity=MAIL_FROM, NotificationType=kind, SnsTopic=topic)


def seed(stack: Stack, folder: Path, services: Path) -> None:
    """Put every service of a folder in place and open its seats."""
    files = sorted(map(str, services.glob("*.yaml")))
    command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", *files]
    env = quiet(folder) | {"AWS_ENDPOINT_URL": stack.endpoint}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)
    release(stack)


def release(stack: Stack) -> None:
    """Let the release function do at once what it does every hour."""
    Deployment(STAGE, stack.client).release()


def warm(stack: Stack) -> None:
    """Start one worker of each function that people wait for."""
    visits = (
        ("/", None),
        ("/services/aes/slots", None),
        ("/holds/none", None),
        ("/holds/none/end", b""),
        ("/manage", b""),
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda visit: answers(stack.api + visit[0], visit[1]), visits))


def port_of(wish: str) -> int:
    """Read a value of GUICHET_PORT, 0 for an empty one; CannotRun if it is not a port number."""
    if not wish:
        return 0
    if not re.fullmatch("[0-9]+", wish) or not 0 < int(wish) < 65536:  # noqa: PLR2004 - ports are 16 bits
        raise CannotRun(f"guichet: GUICHET_PORT must be a port number from 1 to 65535, not {wish!r}")
    return int(wish)


def asked_port() -> int:
    """Return the port that GUICHET_PORT names, 0 when it is not set; CannotRun if it cannot be used."""
    port = port_of(os.environ.get("GUICHET_PORT", ""))
    if port and not is_free(port):
        raise CannotRun(f"guichet: port {port} is in use: set GUICHET_PORT to another one")
    return port


def lines(stack: Stack) -> tuple[str, ...]:
    """What to open, and how to work on it."""
    ops = f"GUICHET_PORT={stack.endpoint.rpartition(':')[2]} .venv/bin/python -m infra.ops --help"
    return f"page: {stack.api}/", f"api: {stack.api}", f"inbox: {stack.inbox}", f"ops: {ops}"


def ended(log: str) -> str:
    """Return the line that says that MiniStack ended by itself."""
    if os.strerror(errno.ENOSPC) in log:
        return DISK_FULL
    return "guichet: MiniStack ended, and all bookings are lost: start it again with `make run`"


def main() -> None:
    """Run until Ctrl-C, SIGTERM, or the end of the program that started this one; exit with 1 when MiniStack ends."""
    die_with_parent()
    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the first too: a shell's "&" makes Python ignore it
        signal.signal(asked, lambda *_: sys.exit(0))
    try:
        with running(port=asked_port(), answer=os.environ.get("GUICHET_CAPTCHA_ANSWER", "")) as stack:
            print(*lines(stack), "ready", sep="\n", flush=True)
            if stack.engine:
                line = ended(stack.engine.wait())
                print(line, file=sys.stderr, flush=True)  # at once: removing the files takes seconds
                sys.exit(1)
    except subprocess.CalledProcessError as error:
        raise cannot(f"run {' '.join(error.cmd[:4])}", f"{error.stdout}\n{error.stderr}") from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CannotRun(DISK_FULL) from error
