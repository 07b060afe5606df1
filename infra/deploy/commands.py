"""`make access`, `deploy`, `rollback`, `rotate` and `destroy`: the command line of the deployment."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import removal, rollout, rotation
from infra.deploy import stage as stages
from infra.deploy.aws import CannotDeploy, Client, clients
from infra.deploy.checks import check_account
from infra.deploy.output import asker
from infra.deploy.package import packaging_failed
from infra.deploy.rollout import Clock
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage

CDN_REGION = "us-east-1"
"""AWS keeps the certificates and web ACLs of CloudFront in this region."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deploy a stage to AWS, return to its last version, rotate its secret, or delete it. "
    "Exit codes: 0 done, 1 refused, 2 wrong use.",
)
StageName = Annotated[str, typer.Argument(metavar="STAGE", help="The name of the stage, like prod.")]
Settings = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The settings; infra/stages/STAGE.yaml if not given.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Leaked = Annotated[bool, typer.Option("--leaked", help="Accept nothing of the old secret: others may know it.")]
Erase = Annotated[str, typer.Option("--erase", metavar="TABLE", help="Erase the data too. Names the stage's table.")]


def system_clock() -> datetime:
    """Return the time. The whole program reads it here."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Environment:
    """What a test may replace: the clients of a region, and the clock."""

    connect: Callable[[str], Client] = clients
    now: Clock = system_clock


@app.command("deploy")
def deploy_stage(ctx: typer.Context, stage: StageName = "", *, file: Settings = None, yes: Yes = False) -> None:
    """Bring a stage up to date, put its services in place, and run the smoke test."""
    with _opened(ctx, stage, file) as (settings, deployment, cdn):
        rollout.deploy(settings, deployment, cdn, ask=asker(yes=yes), now=ctx.obj.now)


@app.command("access")
def give_access(ctx: typer.Context, stage: StageName = "", *, file: Settings = None, yes: Yes = False) -> None:
    """Create the policies of who deploys, operates and observes a stage. For an administrator of the account."""
    with _opened(ctx, stage, file) as (settings, deployment, _cdn):
        rollout.give_access(settings, deployment, asker(yes=yes))


@app.command("rollback")
def roll_back(ctx: typer.Context, stage: StageName = "", *, file: Settings = None, yes: Yes = False) -> None:
    """Return all functions of a stage to the version before the last deployment."""
    with _opened(ctx, stage, file) as (_, deployment, _cdn):
        rollout.rollback(deployment, ask=asker(yes=yes))


@app.command("rotate")
def rotate_secret(
    ctx: typer.Context, stage: StageName = "", *, file: Settings = None, yes: Yes = False, leaked: Leaked = False
) -> None:
    """Replace the secret of a stage. Links, holds, locks and attestations of the old one stay valid."""
    with _opened(ctx, stage, file) as (settings, deployment, _cdn):
        check_account(settings, deployment)
        rotation.rotate(deployment, leaked=leaked, ask=asker(yes=yes), today=ctx.obj.now().date())


@app.command("destroy")
def destroy_stage(
    ctx: typer.Context, stage: StageName = "", *, file: Settings = None, yes: Yes = False, erase: Erase = ""
) -> None:
    """Delete a stage. Its data stays, unless `--erase` names its table. Refused while it has appointments."""
    with _opened(ctx, stage, file) as (_, deployment, cdn):
        removal.destroy(deployment, cdn, erase=erase, ask=asker(yes=yes), today=ctx.obj.now().date())


@contextmanager
def _opened(ctx: typer.Context, name: str, file: Path | None) -> Iterator[tuple[Stage, Deployment, Deployment]]:
    """Read the settings of a stage. Yield them with the stage in its region and in the CDN's.

    Turns the errors of AWS, of a program and of Ctrl-C into CannotDeploy.
    """
    environment: Environment = ctx.obj
    settings = stages.read(name, file, today=environment.now().date())
    try:
        deployment = Deployment(name, environment.connect(settings.region))
        yield settings, deployment, Deployment(name, environment.connect(CDN_REGION))
    except (BotoCoreError, ClientError) as error:
        raise CannotDeploy(f"AWS: {' '.join(str(error).split())}") from error
    except subprocess.CalledProcessError as error:
        raise packaging_failed(error) from error
    except KeyboardInterrupt as error:
        raise CannotDeploy(
            "stopped: CloudFormation finishes what it has begun; until then `make deploy` is refused"
        ) from error


def main(words: list[str], *, environment: Environment | None = None) -> None:
    """Run the command line. Always ends with SystemExit."""
    app(words, prog_name="python -m infra.deploy", obj=environment or Environment())
