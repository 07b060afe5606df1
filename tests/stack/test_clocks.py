"""Functions whose clocks are apart: who was told a time keeps the seat until then. Half a minute: `make test-long`."""

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


def one_seat(stack: Stack, service: str) -> None:
    """A service that holds a seat for three seconds, and its only seat."""
    table = stack.client("dynamodb")
    found = table.get_item(TableName=stack.table, Key={"pk": {"S": "SERVICES"}, "sk": {"S": "aes"}})["Item"]
    document = json.loads(found["document"]["S"])
    document |= {"id": service, "times": document["times"] | {"hold_seconds": 3}}
    day = datetime.now(UTC) + timedelta(days=7)
    seat = {"pk": f"SEATS#{service}#{day:%G-W%V}", "sk": f"{day:%Y-%m-%d}T1000#001", "state": "open"}
    opens = {"opens_at": {"N": str(int(time.time() * 1000) - 60_000)}}
    row = {"pk": {"S": "SERVICES"}, "sk": {"S": service}, "document": {"S": json.dumps(document)}}
    table.put_item(TableName=stack.table, Item=row)
    table.put_item(TableName=stack.table, Item={name: {"S": value} for name, value in seat.items()} | opens)


@pytest.mark.parametrize(("seconds", "both"), [(2, False), (3, True)])
def test_clocks_two_seconds_off_either_way_give_one_seat_to_one_and_three_seconds_off_to_two(
    stack: Stack,
    seconds: int,
    both: bool,  # noqa: FBT001 - the expected value
) -> None:
    service = f"clock{seconds}"
    one_seat(stack, service)
    wish, visitor = {"first_free": True, "conditions_accepted": True}, Visitor(stack)
    with clock_off(stack, "hold", seconds), clock_off(stack, "captcha", -seconds):
        visitor.get("/holds/none")  # both functions have started
        first = answered(visitor.post(f"/services/{service}/holds", wish), 201)
        end = timestamp(visitor.item(first["hold"])["until"]["N"])  # what the answer tells is cut to whole seconds
        assert end - datetime.now(UTC) > timedelta(seconds=seconds + 1)  # its clock is fast
        time.sleep((end - datetime.now(UTC)).total_seconds() + 2.5)  # their clocks are real
        goes_on = visitor.get(f"/holds/{first['hold']}").status_code == 200
        second = visitor.post(f"/services/{service}/holds", wish).status_code == 201
        assert (goes_on and second) is both
        time.sleep(3)
        assert second or visitor.post(f"/services/{service}/holds", wish).status_code == 201  # not away for longer
