"""Find and put back lost items: `python -m infra.ops.restore STAGE MOMENT` restores a copy of the table and compares.

With `--put-back` the items that are missing are put back. What is there is newer, and stays as it is; a person or an
address comes back only while its seat carries its request, so that nobody who was erased since returns.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import boto3

from chalicelib.domain.seat import SeatKey
from chalicelib.storage.items import seat_item
from infra.tools.command_line import one_line, stage_name

Item = dict[str, Any]
DynamoDB = Any
"""A client of it; boto3 ships no types."""
LIVE_STATES = {"pending", "confirmed"}
LOCKS = ("PERSON#", "EMAIL#")


def moment(text: str) -> datetime:
    """Read an aware moment from the command line."""
    with suppress(ValueError):
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read
    raise argparse.ArgumentTypeError(f"{text!r} is no moment with its offset, like 2026-11-30T08:55:00+01:00")


def restore(table: str, at: datetime, *, client: DynamoDB, wait: Callable[[float], None] = time.sleep) -> str:
    """The table as it was, under another name; it takes minutes to hours."""
    beside = f"{table}-{at.astimezone(UTC):%Y%m%dT%H%M%S}"
    try:
        client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=beside, RestoreDateTime=at)
    except client.exceptions.TableAlreadyExistsException:
        print(f"{beside} is there already")
    while client.describe_table(TableName=beside)["Table"]["TableStatus"] != "ACTIVE":
        wait(10)
    return beside


def items(table: str, *, client: DynamoDB) -> dict[tuple[str, str], Item]:
    """Every item by its key, read consistently."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {(item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]}


def compare(was: dict[tuple[str, str], Item], live: dict[tuple[str, str], Item]) -> Counter[str]:
    """How many items are missing, changed or new since, by kind."""
    found: Counter[str] = Counter()
    for key in was.keys() | live.keys():
        kind = key[0].partition("#")[0]
        if key not in live:
            found[f"{kind} missing"] += 1
        elif key not in was:
            found[f"{kind} new"] += 1
        elif was[key] != live[key]:
            found[f"{kind} changed"] += 1
    return found


def lost(was: dict[tuple[str, str], Item], live: dict[tuple[str, str], Item], now: datetime) -> Iterator[Item]:
    """The items to put back: those missing whose time to be erased has not come, locks only with their request."""
    after = was | live
    for key in sorted(was.keys() - live.keys()):
        item = was[key]
        if "erase_at" in item and int(item["erase_at"]["N"]) <= now.timestamp():
            continue
        if not key[0].startswith(LOCKS) or carries(after, item):
            yield item


def carries(table: dict[tuple[str, str], Item], lock: Item) -> bool:
    """Does the seat of a lock still have its request?"""
    row = seat_item(SeatKey.parse(lock["seat"]["S"]))
    seat = table.get((row.pk, row.sk), {})
    return seat.get("hold") == lock["hold"] and seat.get("state", {}).get("S") in LIVE_STATES


def put_back(table: str, missing: Iterator[Item], *, client: DynamoDB) -> int:
    """Put each where nothing is; how many."""
    done = 0
    for item in missing:
        try:
            client.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except client.exceptions.ConditionalCheckFailedException:  # made anew meanwhile: that one is newer
            continue
        done += 1
    return done


def main(arguments: list[str], *, client: DynamoDB = None) -> None:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(prog="python -m infra.ops.restore")
    parser.add_argument("stage", type=stage_name)
    parser.add_argument("moment", type=moment, help="with its offset: 2026-11-30T08:55:00+01:00")
    parser.add_argument("--put-back", action="store_true")
    chosen = parser.parse_args(arguments)
    with one_line(chosen.stage):
        client = client or boto3.client("dynamodb")
        bring_back(f"guichet-{chosen.stage}", chosen.moment, client=client, write=chosen.put_back)


def bring_back(table: str, at: datetime, *, client: DynamoDB, write: bool) -> None:
    """Restore a table beside itself and show what differs; with `write`, put back what is missing."""
    beside = restore(table, at, client=client)
    was, live = items(beside, client=client), items(table, client=client)
    differences = compare(was, live)
    for what, number in sorted(differences.items()):
        print(f"{number:6} {what}")
    if not differences:
        print(f"no differences: {table} has the same {len(live)} items as at that moment")
    if write:
        print(f"{put_back(table, lost(was, live, datetime.now(UTC)), client=client):6} put back")
    print(f"when it is no longer needed: aws dynamodb delete-table --table-name {beside}")


if __name__ == "__main__":
    main(sys.argv[1:])
