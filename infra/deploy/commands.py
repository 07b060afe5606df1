"""`make deploy`, `make rollback`, `make destroy`: a stage in an AWS account, by the templates that `make run` uses."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.seat import State
from chalicelib.domain.tokens import Keys
from infra.deploy import smoke, stage
from infra.deploy.package import CannotDeploy, Client, failed, package
from infra.deploy.stacks import BEFORE, LIVE, NEVER_MADE, NOT_MADE, Deployment, Plan
from infra.deploy.stage import Stage

EDGE_REGION = "us-east-1"
RESERVED, LEFT = 558, 100
"""What the functions reserve of the account's concurrency, the mailer's one included; what AWS wants left over."""
LEAST_SECRET = re.compile(r"\S{43,}")
Ask = Callable[[str], None]
Clock = Callable[[], datetime]


def deploy(wanted: Stage, deployment: Deployment, edge: Deployment, *, ask: Ask, now: Clock) -> None:
    """Bring all stacks of a stage up to date, put its services in place, and walk through it once."""
    check_account(wanted, deployment)
    data = deployment.data(wanted.data)
    apply(deployment, data, ask)
    deployment.client("cloudformation").update_termination_protection(
        StackName=deployment.data_stack, EnableTerminationProtection=True
    )
    check_sender(deployment)
    secret = secret_of(deployment)
    say("packaging the functions (a minute the first time)")
    live = deployment.live()
    planned = deployment.app(package(wanted.name), wanted.app)
    apply(deployment, planned, ask)
    if live and planned:
        deployment.point(BEFORE, live)
    if back := {
        name: version for name, version in deployment.published().items() if deployment.live()[name] != version
    }:
        ask(f"{wanted.name} was rolled back. Turn {len(back)} functions forward to the last deployment again?")
        deployment.point(LIVE, back)
    host = at_edge(wanted, deployment, edge, Keys(secret).cdn_secret, ask)
    files = [str(file) for file in (*wanted.services, smoke.SMOKE)]
    if (effect := smoke.ops(deployment, "services", "put", "--dry-run", *files)) and not all_the_same(effect):
        say(effect.rstrip())
        ask("Put these services in place?")
        smoke.ops(deployment, "services", "put", "--yes", *files)
        deployment.release()
    api = address(deployment)
    for step in smoke.run(smoke.Walk(deployment, api, Keys(secret), now())):
        say(f"  ok: {step}")
    page = wanted.app.get("PublicUrl", api)
    say(f"page: {page}/", f"api: {page}", ops_line(wanted))
    if host:
        say(f"DNS: the CNAME of {wanted.edge['Domain']} must be {host}")


def ops_line(wanted: Stage) -> str:
    """Return the command that runs the operator program on this stage."""
    return f"ops: AWS_DEFAULT_REGION={wanted.region} GUICHET_STAGE={wanted.name} .venv/bin/python -m infra.ops --help"


def at_edge(wanted: Stage, deployment: Deployment, edge: Deployment, shown: str, ask: Ask) -> str:
    """Bring the edge up to date, if the stage has one; the host of CloudFront."""
    if not wanted.edge:
        return ""
    origin = deployment.outputs(deployment.app_stack)["EndpointURL"].split("/")[2]
    apply(edge, edge.edge({**wanted.edge, "Origin": origin, "Pass": shown}), ask)
    return edge.outputs(edge.edge_stack)["Host"]


def apply(deployment: Deployment, plan: Plan | None, ask: Ask) -> None:
    """Show what would change, ask, and do it."""
    if plan is None:
        return say("No changes.")
    say(*plan.lines())
    try:
        ask("Do this?")
    except CannotDeploy:
        deployment.drop(plan)
        raise
    deployment.execute(plan)
    return say(f"{plan.stack} is up to date.")


def all_the_same(effect: str) -> bool:
    """Does `services put --dry-run` say that nothing changes?"""
    return all(line.endswith(": nothing changes") for line in effect.strip().splitlines())


# What is checked before anything is changed


def check_account(wanted: Stage, deployment: Deployment) -> None:
    """The keys are the right account's, and it may run what the stage needs."""
    account = deployment.client("sts").get_caller_identity()["Account"]
    if account != wanted.account:
        raise CannotDeploy(f"your keys are those of the account {account}, but {wanted.name} is in {wanted.account}")
    limit = deployment.client("lambda").get_account_settings()["AccountLimit"]
    needed = (RESERVED if wanted.app.get("Reserve", "yes") == "yes" else 1) + LEFT
    is_new = deployment.status(deployment.app_stack) in NOT_MADE
    if is_new and limit["UnreservedConcurrentExecutions"] < needed:
        raise CannotDeploy(
            f"the account may run {limit['UnreservedConcurrentExecutions']} more functions at once, the stage needs "
            f'{needed}: ask AWS for more (Service Quotas: Lambda, concurrent executions), or try with Reserve: "no"'
        )
    mail = deployment.client("sesv2").get_account()
    rate, most = int(wanted.app.get("MailRate", "14")), mail["SendQuota"]["MaxSendRate"]
    if not mail["SendingEnabled"]:
        raise CannotDeploy("SES does not let this account send mail: see its reputation dashboard")
    if not mail["ProductionAccessEnabled"]:
        say(
            "careful: SES keeps this account in its sandbox: letters reach verified addresses only. "
            "Ask for production access"
        )
    elif rate > most:
        raise CannotDeploy(
            f"MailRate is {rate} letters a second, and SES grants this account {most:g}: lower it, or ask for more"
        )


def check_sender(deployment: Deployment) -> None:
    """SES lets the stage send as its sender; CannotDeploy says what must be done for it."""
    sender = deployment.outputs(deployment.data_stack)["Sender"]
    found = deployment.client("sesv2").get_email_identity(EmailIdentity=sender)
    if found["VerifiedForSendingStatus"]:
        return
    if "@" in sender:
        raise CannotDeploy(f"SES has not verified {sender} yet: open the link in AWS's letter to it, then deploy again")
    say(
        *(
            f"{token}._domainkey.{sender} CNAME {token}.dkim.amazonses.com"
            for token in found["DkimAttributes"]["Tokens"]
        )
    )
    raise CannotDeploy(f"SES has not verified {sender} yet: put these records in its DNS, then deploy again")


def secret_of(deployment: Deployment) -> str:
    """The secret of the stage; CannotDeploy if somebody put a weak one in its place."""
    secret = deployment.client("secretsmanager").get_secret_value(SecretId=deployment.table)["SecretString"]
    if not LEAST_SECRET.fullmatch(secret):
        raise CannotDeploy(
            f"the secret guichet-{deployment.stage} is too short: at least 43 characters (256 bits) without spaces"
        )
    return str(secret)


def address(deployment: Deployment) -> str:
    """Where the API is, behind any edge; an engine that plays AWS has it under its own address."""
    outputs = deployment.outputs(deployment.app_stack)
    if engine := os.environ.get("AWS_ENDPOINT_URL"):
        return f"{engine}/_aws/execute-api/{outputs['RestAPIId']}/api"
    return outputs["EndpointURL"].rstrip("/")


# The way back, and the end


def rollback(deployment: Deployment, *, ask: Ask) -> None:
    """Turn every function back to what it was before the last deployment. Table and routes stay as they are."""
    live, before = deployment.live(), deployment.before()
    back = {name: version for name, version in before.items() if live.get(name) != version}
    if not back:
        raise CannotDeploy(f"there is nothing to go back to: {deployment.stage} has had no other deployment since")
    say(*(f"  {name}: version {live[name]} -> {version}" for name, version in back.items()))
    ask("Go back?")
    deployment.point(LIVE, back)
    say(f"{deployment.stage} runs as before. `make deploy` goes forward again.")


def destroy(deployment: Deployment, edge: Deployment, *, erase: str, ask: Ask, now: datetime) -> None:
    """Take a stage away; what people have entered stays, unless `erase` is the name of its table."""
    live = appointments(deployment, now.date().isoformat())
    if live:
        raise CannotDeploy(
            f"{deployment.stage} has {live} appointments to come: cancel or close them with the ops program first"
        )
    if erase and erase != deployment.table:
        raise CannotDeploy(f"to erase what {deployment.stage} keeps, say so: ERASE={deployment.table}")
    ask(f"Take {deployment.stage} away{' and erase all that it keeps, for good' if erase else ''}?")
    for place, stack in ((edge, edge.edge_stack), (deployment, deployment.app_stack)):
        if place.status(stack) != "DELETE_COMPLETE":
            say(f"deleting {stack}")
            place.delete(stack)
    if deployment.status(deployment.data_stack) in NEVER_MADE:  # nothing is in it
        deployment.delete(deployment.data_stack)
    if erase:
        deployment.erase()
        say(f"{deployment.stage} is gone. Its key can be called back for 30 days, its secret for 7.")
    elif deployment.status(deployment.data_stack) != "DELETE_COMPLETE":
        say(f"{deployment.data_stack} stays: table, key, secret, sender. ERASE={deployment.table} erases them.")


def appointments(deployment: Deployment, today: str) -> int:
    """Count the seats from today on that somebody has, less what an interrupted smoke test left."""
    table = deployment.client("dynamodb")
    values = {":pending": {"S": State.PENDING}, ":confirmed": {"S": State.CONFIRMED}, ":today": {"S": today}}
    values[":smoke"] = {"S": f"SEATS#{smoke.service().id}#"}
    pages = table.get_paginator("scan").paginate(
        TableName=deployment.table,
        Select="COUNT",
        ConsistentRead=True,
        FilterExpression="#state IN (:pending, :confirmed) AND sk >= :today AND NOT begins_with(pk, :smoke)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues=values,
    )
    try:
        return sum(page["Count"] for page in pages)
    except table.exceptions.ResourceNotFoundException:
        return 0


# The command


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def asker(*, yes: bool) -> Ask:
    """Ask at the terminal; CannotDeploy for any answer but yes."""

    def ask(question: str) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise CannotDeploy("nothing was changed: this needs a terminal to ask at, or YES=1")
        print(f"{question} [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            raise CannotDeploy("nothing was changed")

    return ask


def clients(region: str) -> Client:
    """Clients of this shell's account in a region."""
    session, config = boto3.Session(region_name=region), Config(retries={"mode": "standard", "total_max_attempts": 5})
    return lambda service: session.client(service, config=config)


def clock() -> datetime:
    """Return the time. The whole program takes it from here."""
    return datetime.now(UTC)


def main(words: list[str], *, connect: Callable[[str], Client] = clients, now: Clock = clock) -> None:
    """Read the command line, do it, and turn what AWS refuses into one line."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy")
    parser.add_argument("do", choices=("deploy", "rollback", "destroy"))
    parser.add_argument("stage", nargs="?", default="")
    parser.add_argument("--file", type=Path, help="the settings, else infra/stages/STAGE.yaml")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--erase", default="", metavar="TABLE", help="destroy: erase this table too")
    given = parser.parse_args(words)
    wanted = stage.read(given.stage, given.file, today=now().date())
    deployment = Deployment(wanted.name, connect(wanted.region))
    edge, ask = Deployment(wanted.name, connect(EDGE_REGION)), asker(yes=given.yes)
    try:
        if given.do == "deploy":
            deploy(wanted, deployment, edge, ask=ask, now=now)
        elif given.do == "rollback":
            rollback(deployment, ask=ask)
        else:
            destroy(deployment, edge, erase=given.erase, ask=ask, now=now())
    except (BotoCoreError, ClientError) as error:
        raise CannotDeploy(f"AWS: {' '.join(str(error).split())}") from error
    except subprocess.CalledProcessError as error:
        raise failed(error) from error
    except KeyboardInterrupt as error:
        raise CannotDeploy(
            "stopped: what CloudFormation has begun goes on; `make deploy` says when it is still at work"
        ) from error
