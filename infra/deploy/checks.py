"""Check the account, the sender and the secret of a stage before anything is changed."""

from chalicelib.domain.stage_secret import StageSecret
from infra.deploy.aws import CannotDeploy
from infra.deploy.cloudformation import ABSENT, READY
from infra.deploy.output import say
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage

RESERVED = 569
"""The concurrent executions that the functions reserve, besides those of the mailer, which reserves `Mailers`."""
UNRESERVED = 100
"""The concurrent executions that AWS wants to remain unreserved."""


def check_account(stage: Stage, deployment: Deployment) -> None:
    """Check that the keys belong to the right account, and that its quotas allow the stage."""
    check_keys(stage, deployment)
    check_concurrency(stage, deployment)
    _check_ses(stage, deployment)


def check_keys(stage: Stage, deployment: Deployment) -> None:
    """Check that the keys belong to the account of the stage."""
    account = deployment.client("sts").get_caller_identity()["Account"]
    if account != stage.account:
        raise CannotDeploy(f"your keys are those of the account {account}, but {stage.name} is in {stage.account}")


def check_concurrency(stage: Stage, deployment: Deployment) -> None:
    """Check that the account can reserve the concurrency of the stage, also if it has more mailers than before."""
    functions, mailers = deployment.client("lambda"), int(stage.app["Mailers"])
    available = functions.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    needed = (RESERVED if stage.app.get("Reserve", "yes") == "yes" else 0) + mailers + UNRESERVED
    status = deployment.stacks.status(deployment.app_stack)
    if status in READY - ABSENT:
        mailer = functions.get_function_concurrency(FunctionName=f"guichet-{stage.name}-mailer")
        more = mailers - mailer.get("ReservedConcurrentExecutions", 0)
        if more > 0 and available - more < UNRESERVED:
            raise CannotDeploy(
                f"MailRate needs {mailers} mailers at once, {more} more than now, and the account has {available} "
                f"unreserved concurrent executions, of which {UNRESERVED} must remain: lower it, or ask AWS for more "
                "(Service Quotas: Lambda, concurrent executions)"
            )
    elif status in ABSENT and available < needed:
        raise CannotDeploy(
            f"the account has {available} unreserved concurrent executions, and the stage needs "
            f'{needed}: ask AWS for more (Service Quotas: Lambda, concurrent executions), or set Reserve: "no"'
        )


def _check_ses(stage: Stage, deployment: Deployment) -> None:
    account = deployment.client("sesv2").get_account()
    rate, maximum = int(stage.app.get("MailRate", "14")), account["SendQuota"]["MaxSendRate"]
    if not account["SendingEnabled"]:
        raise CannotDeploy("SES does not let this account send mail: see its reputation dashboard")
    if not account["ProductionAccessEnabled"]:
        say(
            "warning: SES keeps this account in its sandbox, so letters reach verified e-mail addresses only. "
            "Ask for production access"
        )
    elif rate > maximum:
        raise CannotDeploy(
            f"MailRate is {rate} letters a second, and SES grants this account {maximum:g}: lower it, or ask for more"
        )


def check_sender(deployment: Deployment) -> None:
    """Check that SES has verified the sender. Otherwise raise CannotDeploy, which says how to verify it."""
    sender = deployment.stacks.outputs(deployment.data_stack)["Sender"]
    identity = deployment.client("sesv2").get_email_identity(EmailIdentity=sender)
    if identity["VerifiedForSendingStatus"]:
        return
    if "@" in sender:
        raise CannotDeploy(
            f"SES has not verified {sender} yet: open the link in the e-mail that AWS sent to it, then deploy again"
        )
    for token in identity["DkimAttributes"]["Tokens"]:
        say(f"{token}._domainkey.{sender} CNAME {token}.dkim.amazonses.com")
    raise CannotDeploy(f"SES has not verified {sender} yet: put these records in its DNS, then deploy again")


def read_secret(deployment: Deployment) -> StageSecret:
    """Read the stage's secret. Raise CannotDeploy if somebody has replaced it by a weak or malformed one."""
    stored = deployment.client("secretsmanager").get_secret_value(SecretId=deployment.table)["SecretString"]
    try:
        return StageSecret.parse(stored)
    except ValueError as error:
        raise CannotDeploy(
            f"the secret guichet-{deployment.stage} is malformed or too short: at least 43 characters (256 bits) "
            "without spaces, as `make rotate` writes it"
        ) from error
