"""The canary on the packaged functions: a run books and enters a draw over HTTP, and leaves nothing."""

from collections.abc import Iterator

from chalicelib.canary import run as canary
from chalicelib.domain.service import CANARY_DRAW
from infra.local.stack import Stack
from tests.rehearsal.permissions import SCHEDULED_EVENT, StepChecks

SUCCESS = {"pk": {"S": "PULSE"}, "sk": {"S": "CANARY"}}


def test_a_run_of_the_canary_books_and_enters_a_draw_and_leaves_nothing(stack: Stack) -> None:
    step = StepChecks(stack)
    stack.client("dynamodb").delete_item(TableName=stack.table, Key=SUCCESS)
    assert step.invoke("canary", SCHEDULED_EVENT)
    assert "Item" in stack.client("dynamodb").get_item(TableName=stack.table, Key=SUCCESS, ConsistentRead=True)
    assert step.invoke("draw", SCHEDULED_EVENT)
    assert step.invoke("release", SCHEDULED_EVENT)
    assert sorted(left(stack)) == [("SERVICES", canary.SERVICE), ("SERVICES", CANARY_DRAW)]


def left(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield the keys that name a hidden service of the canary, and the holds whose item names its entry.

    The history of its file is that of the deployment.
    """
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table, ConsistentRead=True):
        for item in page["Items"]:
            pk, sk = item["pk"]["S"], item["sk"]["S"]
            named = {*pk.split("#"), *sk.split("#"), item.get("seat", {}).get("S", "").partition(".")[0]}
            if named & {canary.SERVICE, CANARY_DRAW} and not pk.startswith("DESKHISTORY#"):
                yield pk, sk
