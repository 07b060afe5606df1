"""Functions with different clocks: a hold lasts until the time that its holder was given. Part of `make test-long`."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.storage.items import timestamp
from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.faults import clock_off
from tests.stack.visitor import Visitor, answered

pytestmark = LONG


def put_service(stack: Stack, service: str) -> None:
    """Write a service with holds of three seconds, and its only seat."""
    table = stack.client("dynamodb")
    aes = table.get_item(TableName=stack.table, Key={"pk": {"S": "SERVICES"}, "sk": {"S": "aes"}})["Item"]
    document = json.loads(aes["document"]["S"])
    document |= {"id": service, "times": document["times"] | {"hold_seconds": 3}}
    day = datetime.now(UTC) + timedelta(days=7)
    seat = {"pk": f"SEATS#{service}#{day:%G-W%V}", "sk": f"{day:%Y-%m-%d}T1000#001", "state": "open"}
    opens_at = {"opens_at": {"N": str(int(time.time() * 1000) - 60_000)}}
    item = {"pk": {"S": "SERVICES"}, "sk": {"S": service}, "document": {"S": json.dumps(document)}}
    table.put_item(TableName=stack.table, Item=item)
    table.put_item(TableName=stack.table, Item={name: {"S": value} for name, value in seat.items()} | opens_at)


@pytest.mark.parametrize(("seconds", "two_holders"), [(2, False), (3, True)])
def test_clocks_that_differ_by_four_seconds_keep_a_seat_for_one_holder_and_by_six_do_not(
    stack: Stack,
    seconds: int,
    two_holders: bool,  # noqa: FBT001 - the expected value
) -> None:
    service = f"clock{seconds}"
    put_service(stack, service)
    wish, visitor = {"first_free": True, "conditions_accepted": True}, Visitor(stack)
    with clock_off(stack, "hold", seconds), clock_off(stack, "captcha", -seconds):
        visitor.get("/holds/none")  # both functions have started
        first = answered(visitor.post(f"/services/{service}/holds", wish), 201)
        end = timestamp(visitor.item(first["hold"])["until"]["N"])  # the answer has whole seconds only
        assert end - datetime.now(UTC) > timedelta(seconds=seconds + 1)  # the function's clock is fast
        time.sleep((end - datetime.now(UTC)).total_seconds() + 2.5)  # the functions read the machine's clock
        first_goes_on = visitor.get(f"/holds/{first['hold']}").status_code == 200
        second = visitor.post(f"/services/{service}/holds", wish).status_code == 201
        assert (first_goes_on and second) is two_holders
        time.sleep(3)
        assert second or visitor.post(f"/services/{service}/holds", wish).status_code == 201
