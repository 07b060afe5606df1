"""Replace the secret of a stage, and keep what attestations need of the old one."""

from collections.abc import Callable
from datetime import date

from chalicelib.domain import tokens
from infra.deploy.aws import CannotDeploy
from infra.deploy.checks import read_secret
from infra.deploy.output import Ask, say
from infra.deploy.stacks import Deployment

MOST_CHARACTERS = 3_000
"""The longest secret: a Lambda function has 4 KB for all its settings. 38 keys fit, about one for each month."""


def rotate(
    deployment: Deployment, *, leaked: bool, ask: Ask, today: date, new_secret: Callable[[], str] = tokens.new_secret
) -> None:
    """Store a new secret with the attestation keys of the last three years. The next deployment puts it in place.

    After a leak no key is kept, because whoever has the old secret could sign attestations of any day.
    """
    secret = read_secret(deployment)
    rotated = secret.rotated(new_secret(), today, leaked=leaked)
    if len(str(rotated)) > MOST_CHARACTERS:
        raise CannotDeploy(
            f"{deployment.stage} keeps {len(secret.kept)} attestation keys of the last three years, and no more fit: "
            "rotate less often, or set LEAKED=1, which keeps none"
        )
    lost = "no attestation given so far can be checked any more" if leaked else "attestations stay valid for 3 years"
    say(
        "The next deployment ends every link in a letter, every hold and every lock of a request (docs/deploy.md).",
        f"Kept attestation keys: {len(rotated.kept)}; {lost}.",
    )
    ask(f"Replace the secret of {deployment.stage}?")
    deployment.client("secretsmanager").put_secret_value(SecretId=deployment.table, SecretString=str(rotated))
    say(f"The secret of {deployment.stage} is replaced. Now deploy: make deploy STAGE={deployment.stage}")
