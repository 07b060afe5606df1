"""What somebody finds who has the whole table, its stream and all logs: nothing that opens a door or names a person."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.domain.tokens import Keys, digest
from infra.local.stack import HOST, Stack
from tests.stack.limited import HOLD, limited, ticketed  # noqa: F401  # one of them is a fixture
from tests.stack.visitor import Visitor, answered, links, path_of, person


def table(stack: Stack) -> Iterator[dict[str, Any]]:
    """Every item."""
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table):
        yield from page["Items"]


def changes(stack: Stack) -> Iterator[dict[str, Any]]:
    """Every image that the stream still has."""
    arn = stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]["LatestStreamArn"]
    streams = stack.client("dynamodbstreams")
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        after = streams.get_shard_iterator(**place)["ShardIterator"]
        while after:
            page = streams.get_records(ShardIterator=after)
            after = page.get("NextShardIterator") if page["Records"] else None
            for record in page["Records"]:
                yield from (record["dynamodb"][name] for name in ("OldImage", "NewImage") if name in record["dynamodb"])


def logs(stack: Stack, began: int) -> Iterator[str]:
    """Every line that was logged since, of whatever function."""
    client = stack.client("logs")
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            for page in client.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], startTime=began
            ):
                yield from (event["message"] for event in page["events"])


def walk(stack: Stack, awa: dict[str, str]) -> tuple[set[str], set[str]]:
    """What somebody was given who books, confirms, moves, asks for the link, holds late; and the captchas' answers."""
    secret = stack.client("lambda").get_function_configuration(FunctionName=HOLD)["Environment"]["Variables"]
    keys = Keys(secret["GUICHET_SECRET"])
    given: set[str] = set()
    answers: set[str] = set()

    def captcha_passed(visitor: Visitor, hold: str) -> None:
        challenge = str(answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"])
        given.update((hold, hold[-78:-26], challenge, str(visitor.web.headers["Cookie"]).partition("=")[2]))
        answers.update((keys.picture_answer(challenge), keys.sound_answer(challenge)))
        visitor.answer(hold, challenge, keys.picture_answer(challenge))

    visitor = ticketed(stack)
    hold = str(visitor.hold()["hold"])
    captcha_passed(visitor, hold)
    filed = answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    link = visitor.link(awa["email"])
    answered(visitor.post(f"{link}/confirmation"), 200)
    visitor.letter(awa["email"], 2)  # once the date is another one, it would not be sent
    slot = answered(visitor.get(f"{link}/move"), 200)["choices"][-1]
    moved = answered(visitor.post(f"{link}/move", slot), 200)
    answered(visitor.post("/manage", {"reference": filed["reference"], "email": awa["email"]}), 202)
    visitor.letter(awa["email"], 4)  # to confirm, convocation, the new date, the link: the last two in any order
    for letter in visitor.letters(awa["email"]):
        token = path_of(next(links(letter))).split("/")[2]
        given.update((token, token[-78:-26]))
    assert moved["token"] in given
    others = [(one, one.hold()) for one in (ticketed(stack) for _ in range(4))]
    late, waiting = others[-1]
    assert waiting["state"] == "waiting"
    captcha_passed(late, str(waiting["hold"]))
    for one, kept in others:
        one.post(f"/holds/{kept['hold']}/end")
        given.add(str(kept["hold"]))
    return given, answers


@pytest.fixture
def uncounted(stack: Stack) -> Iterator[None]:
    """The holds of these tests are not counted for those that come after."""
    yield
    for item in table(stack):
        if item["pk"]["S"].startswith("ORIGIN#"):
            stack.client("dynamodb").delete_item(TableName=stack.table, Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.mark.usefixtures("uncounted", "limited")
def test_a_dump_of_the_table_its_stream_and_all_logs_opens_nothing_and_names_nobody(stack: Stack) -> None:
    began = int(time.time() * 1000)
    awa = person(birth_name="Naissance-Exemple", phone="06 98 76 54 32", birth_date="1987-03-21")
    given, answers = walk(stack, awa)
    items = [*table(stack), *changes(stack)]
    of_people = [json.dumps(one, ensure_ascii=False) for one in items if one["pk"]["S"].startswith("PERSON#")]
    of_others = [json.dumps(one, ensure_ascii=False) for one in items if not one["pk"]["S"].startswith("PERSON#")]
    logged = list(logs(stack, began))
    for kind in ("SEATS#", "EMAIL#", "VISIT#", "ORIGIN#", "LATE#"):
        assert any(kind in text for text in of_others), kind
    assert any("/holds/{hold}/details" in line for line in logged)
    found = "\n".join([*of_people, *of_others, *logged])
    assert any(digest(word) in found for word in given)  # what is kept instead: it is their dump
    assert [word for word in given if word in found] == []
    whole = re.compile(rf"(?<![0-9a-z])({'|'.join(answers)})(?![0-9a-z])", re.IGNORECASE)  # not inside a longer number
    assert whole.findall(found) == []
    private = [awa[name] for name in ("first_name", "birth_name", "email", "phone", "birth_date")]
    assert [word for word in private if word not in "\n".join(of_people)] == []
    elsewhere = "\n".join([*of_others, *logged])
    assert [word for word in (*private, HOST) if word in elsewhere] == []
