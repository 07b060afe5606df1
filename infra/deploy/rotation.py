"""Replace the secret of a stage, and keep what still depends on the old one.

A rotation takes two deployments, and `make deploy` makes both. After the first one, every function accepts the new
secret and still uses the old one. The second one makes the new secret current. So two versions of the functions that
run at the same time always know each other's secrets, and a rollback of either deployment loses nothing.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from chalicelib.domain import codec, tokens
from chalicelib.domain.stage_secret import DatedSecret, StageSecret
from chalicelib.domain.tokens import Keys
from chalicelib.storage import items
from infra.deploy.aws import CannotDeploy
from infra.deploy.checks import read_secret
from infra.deploy.output import Ask, say
from infra.deploy.stacks import Deployment

MOST_CHARACTERS = 3_000
"""The longest secret: a Lambda function has 4 KB for all its settings. 37 attestation keys fit."""
MOST_EARLIER = 3
"""How many earlier secrets are kept. Each one adds 4 write units to a booking."""
HOLDS_AND_COOKIES = timedelta(days=2)
"""How long an earlier secret is kept at least: holds and cookies, which no item of the table names, live for hours."""


def rotate(
    deployment: Deployment, *, leaked: bool, ask: Ask, today: date, new_secret: Callable[[], str] = tokens.new_secret
) -> None:
    """Store a new secret beside the old one. The next deployment puts it in place.

    After a leak, the new secret is current at once. The old one only finds locks, and no attestation key is kept.
    Earlier secrets are dropped when no stored request was filed with them.
    """
    stored = read_secret(deployment)
    if stored.upcoming and not leaked:
        raise CannotDeploy(
            f"the secret of {deployment.stage} was rotated on {stored.upcoming.day}, and not deployed since: "
            f"make deploy STAGE={deployment.stage}"
        )
    kept = stored.without(_unneeded(deployment, stored, today))
    rotated = kept.rotated(new_secret(), today, leaked=leaked)
    deployed = rotated.promoted(today)
    _check_size(deployment, kept, deployed, leaked=leaked)
    lost = (
        "Links in letters, holds in progress and attestations given so far end; locks of requests are kept"
        if leaked
        else "Links, holds and locks stay valid; attestations too, for 3 years"
    )
    say(f"{lost} (docs/deploy.md).", f"Earlier secrets kept: {len(deployed.previous) + len(deployed.leaked)}.")
    ask(f"Replace the secret of {deployment.stage}?")
    _store(deployment, rotated)
    say(f"The secret of {deployment.stage} is replaced. Now deploy: make deploy STAGE={deployment.stage}")


def _check_size(deployment: Deployment, kept: StageSecret, rotated: StageSecret, *, leaked: bool) -> None:
    """Refuse a rotation that keeps more than fits. After a leak only the settings of a function are a limit."""
    if not leaked and len(kept.previous) + len(kept.leaked) >= MOST_EARLIER:
        raise CannotDeploy(
            f"{deployment.stage} keeps {MOST_EARLIER} earlier secrets, with which stored requests were filed: "
            "rotate again when those have ended, or set LEAKED=1, which ends all links"
        )
    if len(str(rotated)) > MOST_CHARACTERS:
        raise CannotDeploy(
            f"{deployment.stage} keeps {len(kept.kept)} attestation keys of the last three years, and no more fit: "
            "rotate less often, or set LEAKED=1, which keeps none"
        )


def _unneeded(deployment: Deployment, stored: StageSecret, today: date) -> Callable[[DatedSecret], bool]:
    """Return the rule that tells which earlier secrets nothing needs any more. Reads the persons of the table."""
    old = {d for d in (*stored.previous, *stored.leaked) if today - d.day >= HOLDS_AND_COOKIES}
    used = _secrets_in_use(deployment, stored) if old else set()
    return lambda earlier: earlier in old and None not in used and earlier.secret not in used


def _secrets_in_use(deployment: Deployment, stored: StageSecret) -> set[str | None]:
    """Return the secrets with which stored requests were filed, and None if one was filed with an unknown secret."""
    keys = Keys(stored.current, stored.accepted, stored.leaked_secrets)
    pages = (
        deployment.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=deployment.table,
            ConsistentRead=True,
            FilterExpression="begins_with(pk, :person) AND attribute_exists(details)",
            ExpressionAttributeValues={":person": {"S": items.person_partition("")}},
            ProjectionExpression="pk, details, as_filed",
        )
    )
    used: set[str | None] = set()
    for item in (item for page in pages for item in page["Items"]):
        filed = codec.details_from_document(json.loads(item.get("as_filed", item["details"])["S"]))
        locker = keys.locker_of(item["pk"]["S"].removeprefix(items.person_partition("")), filed)
        used.add(locker.secret if locker else None)
    return used


def promote(deployment: Deployment, today: date) -> bool:
    """Make the new secret current, which every function accepts by now. Return False if there is none."""
    stored = read_secret(deployment)
    if stored.upcoming is None:
        return False
    _store(deployment, stored.promoted(today))
    say(f"All functions of {deployment.stage} know the new secret. A second deployment makes it current.")
    return True


def check_rollback(deployment: Deployment, live: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Refuse a rollback to versions that do not know the current secret, or whose secret has been dropped since."""
    stored = read_secret(deployment)
    for function, version in before.items():
        old = _secret_of(deployment, function, version)
        current = _secret_of(deployment, function, live[function])
        is_known = current.current in (old.current, *old.accepted)
        if not is_known or old.current not in (stored.current, *stored.accepted, *stored.leaked_secrets):
            raise CannotDeploy(
                f"the secret of {deployment.stage} was rotated since, and the version before does not know the new "
                "one: a rollback would end links and locks. Deploy the older commit instead"
            )


def _secret_of(deployment: Deployment, function: str, version: str) -> StageSecret:
    """Read the secret of a published version of a function."""
    client = deployment.client("lambda")
    settings = client.get_function_configuration(FunctionName=function, Qualifier=version)["Environment"]["Variables"]
    return StageSecret.parse(settings["GUICHET_SECRET"])


def _store(deployment: Deployment, secret: StageSecret) -> None:
    deployment.client("secretsmanager").put_secret_value(SecretId=deployment.table, SecretString=str(secret))
