"""Delete a stage, and erase its data only if its table is named."""

from datetime import date

from chalicelib.canary import run as canary
from chalicelib.domain.seat import State
from chalicelib.domain.service import CANARY_DRAW
from chalicelib.storage import entry_keys, seat_keys
from infra.deploy import smoke
from infra.deploy.aws import CannotDeploy
from infra.deploy.cloudformation import NEVER_USED
from infra.deploy.output import Ask, say
from infra.deploy.stacks import Deployment


def destroy(deployment: Deployment, cdn: Deployment, *, erase: str, ask: Ask, today: date) -> None:
    """Delete the stacks of a stage. The data stack stays, unless `erase` is the name of its table.

    Raises CannotDeploy while the stage has appointments to come. `cdn` is the same stage in us-east-1.
    """
    if count := count_appointments(deployment, today):
        raise CannotDeploy(
            f"{deployment.stage} has {count} appointments to come: cancel or close them with the operator program first"
        )
    if erase and erase != deployment.table:
        raise CannotDeploy(f"to erase the data of {deployment.stage}, set ERASE={deployment.table}")
    ask(f"Delete {deployment.stage}{' and erase its data for good' if erase else ''}?")
    for region, stack in ((cdn, cdn.cdn_stack), (deployment, deployment.app_stack)):
        if region.stacks.status(stack) != "DELETE_COMPLETE":
            say(f"deleting {stack}")
            region.stacks.delete(stack)
    if deployment.stacks.status(deployment.data_stack) in NEVER_USED:
        deployment.stacks.delete(deployment.data_stack)
    if erase:
        deployment.erase()
        say(f"{deployment.stage} is deleted. Its key can be restored for 30 days, its secrets for 7.")
    elif deployment.stacks.status(deployment.data_stack) != "DELETE_COMPLETE":
        say(f"{deployment.data_stack} stays: table, key, secrets, sender. ERASE={deployment.table} erases them.")


def count_appointments(deployment: Deployment, today: date) -> int:
    """Count the pending and confirmed seats from today on, without those of an interrupted smoke test or canary."""
    dynamodb = deployment.client("dynamodb")
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=deployment.table,
        Select="COUNT",
        ConsistentRead=True,
        FilterExpression="#state IN (:pending, :confirmed, :arrived, :called) AND sk >= :today"
        " AND NOT begins_with(pk, :smoke) AND NOT begins_with(pk, :canary) AND NOT begins_with(pk, :entries)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":pending": {"S": State.PENDING},
            ":confirmed": {"S": State.CONFIRMED},
            ":arrived": {"S": State.ARRIVED},
            ":called": {"S": State.CALLED},
            ":today": {"S": today.isoformat()},
            ":smoke": {"S": seat_keys.all_seats_prefix(smoke.hidden_service().id)},
            ":canary": {"S": seat_keys.all_seats_prefix(canary.SERVICE)},
            ":entries": {"S": entry_keys.all_entries_prefix(CANARY_DRAW)},
        },
    )
    try:
        return sum(page["Count"] for page in pages)
    except dynamodb.exceptions.ResourceNotFoundException:
        return 0
