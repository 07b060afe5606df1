"""`make local`: run `chalice local` before a table, an inbox and the mailer on this machine, until Ctrl-C.

All routes answer, and the server starts again when a file changes. There is no Lambda, no role and no desk.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.deploy.stacks import Deployment
from infra.local import inbox
from infra.local.launcher import clean_environment, comes_up, failure, guarded, start_emulator
from infra.local.process_guard import die_with_parent
from infra.local.settings import HOST, MAIL_FROM, STAGE, CannotRun, any_port, is_free, read_port
from infra.local.stack import SERVICES, Stack, operate, put_services

PORT = 8000
"""Chalice's own default."""
START_SECONDS = 30.0


@dataclass(frozen=True)
class Site:
    """A running `chalice local`: its URL, the URLs beside it, and its process."""

    url: str
    stack: Stack
    server: subprocess.Popen[bytes]


@contextmanager
def running(port: int) -> Iterator[Site]:
    """Run `chalice local` on a port for as long as the block lasts. The table has the services and their seats."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="guichet-")))
        emulated = folder / "emulator"
        emulated.mkdir()
        mailbox = cleanup.enter_context(inbox.serving())
        emulator = cleanup.enter_context(start_emulator(any_port(), emulated, smtp=mailbox.smtp, auth=False))
        stack, url = Stack(emulator.url, mailbox.url), f"http://{HOST}:{port}"
        stream = create_table(stack, folder)
        secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.table)["SecretString"]
        environ = {
            **clean_environment(folder),
            "AWS_ENDPOINT_URL": emulator.url,
            "PYTHONDONTWRITEBYTECODE": "1",  # Chalice would take it for a change of the code
            "GUICHET_STAGE": STAGE,
            "GUICHET_TABLE": stack.table,
            "GUICHET_SECRET": secret,
            "GUICHET_CAPTCHA_ANSWER": os.environ.get("GUICHET_CAPTCHA_ANSWER", ""),
            "GUICHET_PUBLIC_URL": url,
            "GUICHET_MAIL_FROM": MAIL_FROM,
            "GUICHET_MAIL_RATE": "1000",  # the local inbox has no limit
        }
        cleanup.enter_context(guarded(["-m", "infra.local.mailer", stream], folder / "mailer", environ))
        chalice = [str(Path(sys.executable).with_name("chalice")), "local", "--stage", STAGE, "--port", str(port)]
        server = cleanup.enter_context(guarded(chalice, folder / "server", environ))
        if not comes_up(f"{url}/health", server, START_SECONDS):
            raise CannotRun("guichet: `chalice local` does not start")  # it has written why
        yield Site(url, stack, server)


def create_table(stack: Stack, folder: Path) -> str:
    """Create the data stack, the services and their seats. Return the ARN of the table's stream."""
    deployment = Deployment(STAGE, stack.client)
    if plan := deployment.plan_data({"MailFrom": MAIL_FROM}):
        deployment.stacks.execute(plan)
    put_services(stack, folder, sorted(SERVICES.glob("*.yaml")))
    operate(stack, folder, "release", "run")
    return str(stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]["LatestStreamArn"])


def main(words: list[str]) -> None:
    """Run the server until Ctrl-C, SIGTERM or the end of the parent process. Exit with 1 when it ends by itself."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.plain", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", default="", help=f"the port of the server, {PORT} by default")
    port = read_port(parser.parse_args(words).port, "PORT") or PORT
    if not is_free(port):
        raise CannotRun(f"guichet: port {port} is in use: choose another one with `make local PORT={port + 1}`")
    die_with_parent()
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's "&" makes Python ignore SIGINT otherwise
        signal.signal(stop, lambda *_: sys.exit(0))
    try:
        with running(port) as site:
            ops = f"GUICHET_PORT={site.stack.endpoint.rpartition(':')[2]} .venv/bin/python -m infra.ops --help"
            print(f"page: {site.url}/", f"inbox: {site.stack.inbox}", f"ops: {ops}", "ready", sep="\n", flush=True)
            site.server.wait()
            raise CannotRun("guichet: `chalice local` ended")
    except subprocess.CalledProcessError as error:
        raise failure(f"run {' '.join(error.cmd[:4])}", f"{error.stdout}\n{error.stderr}") from error


if __name__ == "__main__":
    main(sys.argv[1:])
