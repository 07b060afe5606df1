"""The table, its stream and all logs contain no usable token, and personal data only in person items."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain.tokens import Keys, digest
from infra.local.settings import HOST
from infra.local.stack import Stack
from tests.stack.limited import HOLD, limited, with_visitor_token  # noqa: F401  # one of them is a fixture
from tests.stack.visitor import Visitor, answered, links, path_of, person


def table(stack: Stack) -> Iterator[dict[str, Any]]:
    """Read every item."""
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table):
        yield from page["Items"]


def changes(stack: Stack) -> Iterator[dict[str, Any]]:
    """Read every image in the stream."""
    arn = stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]["LatestStreamArn"]
    streams = stack.client("dynamodbstreams")
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        shard_start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(**shard_start)["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            iterator = page.get("NextShardIterator") if page["Records"] else None
            for record in page["Records"]:
                yield from (record["dynamodb"][name] for name in ("OldImage", "NewImage") if name in record["dynamodb"])


def logs(stack: Stack, began: int) -> Iterator[str]:
    """Read every line that a function has logged since."""
    client = stack.client("logs")
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            for page in client.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], startTime=began
            ):
                yield from (event["message"] for event in page["events"])


def walk(stack: Stack, awa: dict[str, str]) -> tuple[set[str], set[str]]:
    """Book, confirm, move, request the link and hold late. Return the secrets received and the captcha answers."""
    hold_function = stack.client("lambda").get_function_configuration(FunctionName=HOLD)
    keys = Keys(hold_function["Environment"]["Variables"]["GUICHET_SECRET"])
    secrets: set[str] = set()
    answers: set[str] = set()

    def captcha_passed(visitor: Visitor, hold: str) -> None:
        challenge = str(answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"])
        secrets.update((hold, hold[-78:-26], challenge, str(visitor.web.headers["Cookie"]).partition("=")[2]))
        answers.update((keys.picture_answer(challenge), keys.sound_answer(challenge)))
        visitor.answer(hold, challenge, keys.picture_answer(challenge))

    visitor = with_visitor_token(stack)
    hold = str(visitor.hold()["hold"])
    captcha_passed(visitor, hold)
    filed = answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    link = visitor.link(awa["email"])
    answered(visitor.post(f"{link}/confirmation"), 200)
    visitor.letter(awa["email"], 2)  # after the move it would not be sent
    slot = answered(visitor.get(f"{link}/move"), 200)["choices"][-1]
    moved = answered(visitor.post(f"{link}/move", slot), 200)
    answered(visitor.post("/manage", {"reference": filed["reference"], "email": awa["email"]}), 202)
    visitor.letter(awa["email"], 4)  # first letter, convocation, new date, link; the last two in any order
    for letter in visitor.letters(awa["email"]):
        token = path_of(next(links(letter))).split("/")[2]
        secrets.update((token, token[-78:-26]))
    assert moved["token"] in secrets
    others = [(other, other.hold()) for other in (with_visitor_token(stack) for _ in range(4))]
    late, waiting = others[-1]
    assert waiting["state"] == "waiting"
    captcha_passed(late, str(waiting["hold"]))
    for other, placed in others:
        other.post(f"/holds/{placed['hold']}/end")
        secrets.add(str(placed["hold"]))
    return secrets, answers


@pytest.fixture
def uncounted(stack: Stack) -> Iterator[None]:
    """Delete the counts of holds afterwards, so that later tests start without them."""
    yield
    for item in table(stack):
        if item["pk"]["S"].startswith("ORIGIN#"):
            stack.client("dynamodb").delete_item(TableName=stack.table, Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.mark.usefixtures("uncounted", "limited")
def test_the_table_its_stream_and_all_logs_contain_no_token_and_no_personal_data_outside_person_items(
    stack: Stack,
) -> None:
    began = int(time.time() * 1000)
    awa = person(birth_name="Naissance-Exemple", phone="06 98 76 54 32", birth_date="1987-03-21")
    secrets, answers = walk(stack, awa)
    items = [*table(stack), *changes(stack)]
    of_people = [json.dumps(item, ensure_ascii=False) for item in items if item["pk"]["S"].startswith("PERSON#")]
    of_others = [json.dumps(item, ensure_ascii=False) for item in items if not item["pk"]["S"].startswith("PERSON#")]
    logged = list(logs(stack, began))
    for kind in ("SEATS#", "EMAIL#", "VISIT#", "ORIGIN#", "LATE#"):
        assert any(kind in text for text in of_others), kind
    assert any("/holds/{hold}/details" in line for line in logged)
    dump = "\n".join([*of_people, *of_others, *logged])
    assert any(digest(word) in dump for word in secrets)  # the dump does contain the digests
    assert [word for word in secrets if word in dump] == []
    whole = re.compile(rf"(?<![0-9a-z])({'|'.join(answers)})(?![0-9a-z])", re.IGNORECASE)  # not inside a longer number
    assert whole.findall(dump) == []
    private = [awa[name] for name in ("first_name", "birth_name", "email", "phone", "birth_date")]
    assert [word for word in private if word not in "\n".join(of_people)] == []
    elsewhere = "\n".join([*of_others, *logged])
    assert [word for word in (*private, HOST) if word in elsewhere] == []
