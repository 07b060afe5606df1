"""Which partition keys the conditions of policies see on the emulator."""

import json
from typing import Any

import pytest

from infra.local import emulator

KEY, OTHER = ({"pk": {"S": pk}, "sk": {"S": "1"}} for pk in ("SEATS#aes", "DESKAUDIT#aes"))
NAMES = {"#0": "pk", "#1": "sk"}
VALUES = {":0": {"S": "SEATS#aes"}, ":1": {"S": "Key"}}


def seen(call: dict[str, Any]) -> list[str] | None:
    """Return the keys that a condition sees; None if it sees none."""
    keys: list[str] | None = emulator.with_leading_keys(json.dumps(call).encode()).get("dynamodb:LeadingKeys")
    return keys


@pytest.mark.parametrize(
    "call",
    [
        {"Key": KEY},
        {"Item": {**KEY, "Key": {"M": OTHER}}},
        {"Key": KEY, "ExpressionAttributeValues": {":0": {"M": {"Key": OTHER}}}},
        {"KeyConditionExpression": "pk = :0 AND sk > :1", "ExpressionAttributeValues": VALUES},
        {
            "KeyConditionExpression": "#1=:1 and (#0 = :0)",
            "ExpressionAttributeNames": NAMES,
            "ExpressionAttributeValues": VALUES,
        },
        {"RequestItems": {"guichet-test": {"Keys": [KEY]}}},
        {"RequestItems": {"guichet-test": [{"PutRequest": {"Item": KEY}}]}},
        {"RequestItems": {"guichet-test": [{"DeleteRequest": {"Key": KEY}}]}},
    ],
)
def test_a_condition_sees_the_partition_key_of_a_call(call: dict[str, Any]) -> None:
    assert seen({"TableName": "guichet-test", **call}) == ["SEATS#aes"]


def test_a_condition_sees_each_key_of_a_batch_and_none_of_a_scan() -> None:
    assert seen({"RequestItems": {"guichet-test": {"Keys": [KEY, OTHER]}}}) == ["SEATS#aes", "DESKAUDIT#aes"]
    assert seen({"TableName": "guichet-test", "ExclusiveStartKey": KEY}) is None


def test_in_a_transaction_a_condition_sees_the_key_of_the_item_that_is_checked() -> None:
    parts: list[dict[str, Any]] = [{"Update": {"Key": KEY}}, {"Put": {"Item": OTHER}}, {"ConditionCheck": {"Key": KEY}}]
    call = {"TransactItems": [{kind: {"TableName": "t", **of} for kind, of in part.items()} for part in parts]}
    body = json.dumps(call).encode()
    context = dict(emulator.with_leading_keys(body))
    checks = emulator.checks_with_own_key("dynamodb:TransactWriteItems", body, "eu-west-3", "000000000000")
    assert [(action, *context["dynamodb:LeadingKeys"]) for action, _table in checks] == [
        ("dynamodb:UpdateItem", "SEATS#aes"),
        ("dynamodb:PutItem", "DESKAUDIT#aes"),
        ("dynamodb:ConditionCheckItem", "SEATS#aes"),
    ]


def test_a_call_that_is_no_transaction_has_no_further_checks() -> None:
    body = json.dumps({"TableName": "guichet-test", "Key": KEY}).encode()
    emulator.with_leading_keys(body)
    assert emulator.checks_with_own_key("dynamodb:GetItem", body, "eu-west-3", "000000000000") == []
