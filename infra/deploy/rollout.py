"""Deploy a stage, and return its functions to the version before."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.canary.api import Api
from chalicelib.domain.tokens import Keys
from infra.deploy import alarms, rotation, smoke
from infra.deploy.aws import CannotDeploy
from infra.deploy.checks import check_account, check_keys, check_sender, read_secret
from infra.deploy.cloudformation import Plan
from infra.deploy.output import Ask, say
from infra.deploy.package import ROOT, package
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage
from infra.deploy.versions import BEFORE, LIVE

Clock = Callable[[], datetime]


def deploy(stage: Stage, deployment: Deployment, cdn: Deployment, *, ask: Ask, now: Clock) -> None:
    """Bring all stacks of a stage up to date, put its services in place, and run the smoke test.

    A rotated secret needs two deployments of the functions (see `rotation`). Running it again changes nothing. `cdn`
    is the same stage in us-east-1.
    """
    check_account(stage, deployment)
    alarms.check_topic(stage, deployment)
    apply(deployment, deployment.plan_data(stage.data), ask)
    deployment.stacks.protect(deployment.data_stack, enabled=True)
    check_sender(deployment)
    read_secret(deployment)
    if log_role := deployment.plan_account():
        apply(deployment, log_role, ask)
    deploy_functions(stage, deployment, ask)
    if rotation.promote(deployment, now().date()):
        deploy_functions(stage, deployment, ask)
    keys = Keys(read_secret(deployment).current)
    host = deploy_cdn(stage, deployment, cdn, keys.cdn_secret, ask) if stage.cdn else ""
    put_services(stage, deployment, ask)
    api = api_url(deployment)
    for step in smoke.run(stage.name, smoke.prepare(deployment, Api(api), keys, now())):
        say(f"  ok: {step}")
    page = stage.app.get("PublicUrl", api)
    desk = f"{page}/desk" if stage.app.get("DeskIssuer") else "none, because the settings have no DeskIssuer"
    say(f"page: {page}/", f"api: {page}", f"desk: {desk}", *alarms.audience(stage, deployment, cdn))
    say(operator_command(stage))
    if host:
        say(f"DNS: the CNAME of {stage.cdn['Domain']} must be {host}")


def give_access(stage: Stage, deployment: Deployment, ask: Ask) -> None:
    """Bring the policies of who works on a stage up to date. Only an administrator of the account can."""
    check_keys(stage, deployment)
    apply(deployment, deployment.plan_access(stage.data.get("MailDomain") or stage.data["MailFrom"]), ask)
    roles = ("deployer", "operator", "observer")
    say(f"policies to attach: {', '.join(f'guichet-{stage.name}-{role}' for role in roles)} (docs/deploy.md)")


def apply(deployment: Deployment, plan: Plan | None, ask: Ask) -> None:
    """Show the changes of a plan, ask, and execute it. A refused plan is deleted."""
    if plan is None:
        return say("No changes.")
    say(*plan.lines())
    try:
        ask("Apply these changes?")
    except CannotDeploy:
        deployment.stacks.drop(plan)
        raise
    deployment.stacks.execute(plan)
    return say(f"{plan.stack} is up to date.")


def deploy_functions(stage: Stage, deployment: Deployment, ask: Ask) -> None:
    """Package and deploy the functions, and remember the versions that were live for a rollback."""
    say("packaging the functions (a minute the first time)")
    versions = deployment.versions
    live = versions.live()
    plan = deployment.plan_app(package(stage.name, python=stage.python), stage.app)
    apply(deployment, plan, ask)
    if live and plan:
        versions.point(BEFORE, live)
    current = versions.live()
    rolled_back = {name: version for name, version in versions.published().items() if current[name] != version}
    if rolled_back:
        ask(f"{stage.name} was rolled back. Return {len(rolled_back)} functions to the last deployment?")
        versions.point(LIVE, rolled_back)


def deploy_cdn(stage: Stage, deployment: Deployment, cdn: Deployment, secret: str, ask: Ask) -> str:
    """Bring the CDN up to date. Return its host name. `secret` proves to the service that a request came through it."""
    origin = deployment.stacks.outputs(deployment.app_stack)["EndpointURL"].split("/")[2]
    apply(cdn, cdn.plan_cdn({**stage.cdn, "Origin": origin, "Pass": secret}), ask)
    return cdn.stacks.outputs(cdn.cdn_stack)["Host"]


def put_services(stage: Stage, deployment: Deployment, ask: Ask) -> None:
    """Write the stage's services and the hidden ones (smoke test, canary) to the table, and create their seats."""
    with TemporaryDirectory() as folder:
        files = [str(file) for file in (*stage.services, *smoke.write_files(Path(folder)))]
        effect = run_operator_program(deployment, "services", "put", "--dry-run", *files).strip()
        if all(line.endswith(": nothing changes") for line in effect.splitlines()):
            return
        say(effect)
        ask("Write these services to the table?")
        run_operator_program(deployment, "services", "put", "--yes", *files)
    deployment.release()


def run_operator_program(deployment: Deployment, *words: str) -> str:
    """Run a command of the operator program on this stage. Return its output; raise CannotDeploy if it refuses."""
    command = [sys.executable, "-m", "infra.ops", *words, "--stage", deployment.stage]
    ended = subprocess.run(command, cwd=ROOT, env=deployment.environ(), check=False, capture_output=True, text=True)
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines()
        raise CannotDeploy(f"{' '.join(words[:2])}: {lines[-1].removeprefix('guichet: ') if lines else 'it failed'}")
    return ended.stdout


def api_url(deployment: Deployment) -> str:
    """Return the URL of the API behind the CDN. An emulator serves it under its own URL."""
    outputs = deployment.stacks.outputs(deployment.app_stack)
    if emulator := os.environ.get("AWS_ENDPOINT_URL"):
        return f"{emulator}/_aws/execute-api/{outputs['RestAPIId']}/api"
    return outputs["EndpointURL"].rstrip("/")


def operator_command(stage: Stage) -> str:
    """Return the command that runs the operator program on this stage."""
    return f"ops: AWS_DEFAULT_REGION={stage.region} GUICHET_STAGE={stage.name} .venv/bin/python -m infra.ops --help"


def rollback(deployment: Deployment, *, ask: Ask) -> None:
    """Point every function at the version before the last deployment. The table and the routes stay as they are."""
    versions = deployment.versions
    live = versions.live()
    changed = {name: version for name, version in versions.before().items() if live.get(name) != version}
    if not changed:
        raise CannotDeploy(f"there is nothing to go back to: {deployment.stage} has had no other deployment since")
    rotation.check_rollback(deployment, live, changed)
    say(*(f"  {name}: version {live[name]} -> {version}" for name, version in changed.items()))
    ask("Roll these functions back?")
    versions.point(LIVE, changed)
    say(f"{deployment.stage} runs the versions before the last deployment. `make deploy` returns to the last ones.")
