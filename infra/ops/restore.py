"""Find and put back lost items: `python -m infra.ops.restore STAGE MOMENT` restores a copy of the table and compares.

With `--put-back` the missing items are put back. Existing items are newer and stay as they are. The items of a person
or an e-mail address come back only if their seat still has the request, so that nobody who was erased since returns.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from gettext import gettext as _
from typing import Any

import boto3

from chalicelib.domain.messages import N_
from chalicelib.domain.seat import BOOKED, parse_key
from chalicelib.storage.items import is_lock_key
from chalicelib.storage.seat_keys import seat_item
from chalicelib.storage.service_items import SERVICES, WITHDRAWN, record_layout
from infra.tools.command_line import one_line, stage_name

MISSING, NEW, CHANGED = N_("missing"), N_("new"), N_("changed")
Item = dict[str, Any]
DynamoDB = Any
"""A boto3 client, which has no types."""


def moment(text: str) -> datetime:
    """Read a date and time with a UTC offset from the command line."""
    with suppress(ValueError):
        value = datetime.fromisoformat(text)
        if value.tzinfo is not None:
            return value
    problem = _("{!r} is not a date and time with a UTC offset, like 2026-11-30T08:55:00+01:00")
    raise argparse.ArgumentTypeError(problem.format(text))


def restore(table: str, at: datetime, *, client: DynamoDB, wait: Callable[[float], None] = time.sleep) -> str:
    """Restore the table as it was under another name, and return that name. This takes minutes to hours."""
    copy = f"{table}-{at.astimezone(UTC):%Y%m%dT%H%M%S}"
    try:
        client.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=copy, RestoreDateTime=at)
    except client.exceptions.TableAlreadyExistsException:
        print(_("{} exists already").format(copy))
    while client.describe_table(TableName=copy)["Table"]["TableStatus"] != "ACTIVE":
        wait(10)
    return copy


def items(table: str, *, client: DynamoDB) -> dict[tuple[str, str], Item]:
    """Return every item by its key, from a consistent scan."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {(item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]}


def compare(before: dict[tuple[str, str], Item], live: dict[tuple[str, str], Item]) -> Counter[str]:
    """Count the items that are missing, changed or new since, by kind."""
    differences: Counter[str] = Counter()
    for key in before.keys() | live.keys():
        kind = key[0].partition("#")[0]
        if key not in live:
            differences[f"{kind} {MISSING}"] += 1
        elif key not in before:
            differences[f"{kind} {NEW}"] += 1
        elif before[key] != live[key]:
            differences[f"{kind} {CHANGED}"] += 1
    return differences


def lost(before: dict[tuple[str, str], Item], live: dict[tuple[str, str], Item], now: datetime) -> Iterator[Item]:
    """Yield the missing items that are not due for erasure; those of a person or e-mail address only with a request."""
    merged = before | live
    learn_partitions(merged)
    for key in sorted(before.keys() - live.keys()):
        item = before[key]
        if "erase_at" in item and int(item["erase_at"]["N"]) <= now.timestamp():
            continue
        if not is_lock_key(key[0]) or has_request(merged, item):
            yield item


def learn_partitions(table: dict[tuple[str, str], Item]) -> None:
    """Learn from the services of a table, withdrawn ones included, where it has the seats that its locks name."""
    recorded = {sk: item for (pk, sk), item in table.items() if pk in {SERVICES, WITHDRAWN}}
    locks = [item for (pk, _), item in table.items() if is_lock_key(pk)]
    for service_id in {parse_key(lock["seat"]["S"]).service for lock in locks}:
        record_layout(service_id, recorded.get(service_id, {}).get("by_day_from", {}).get("S"))


def has_request(table: dict[tuple[str, str], Item], lock: Item) -> bool:
    """Tell whether the seat of a lock still has its request."""
    key = seat_item(parse_key(lock["seat"]["S"]))
    seat = table.get((key.pk, key.sk), {})
    return seat.get("hold") == lock["hold"] and seat.get("state", {}).get("S") in BOOKED


def put_back(table: str, missing: Iterator[Item], *, client: DynamoDB) -> int:
    """Put each item that does not exist. Return how many were put."""
    count = 0
    for item in missing:
        try:
            client.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
        except client.exceptions.ConditionalCheckFailedException:  # written meanwhile, so newer
            continue
        count += 1
    return count


def main(arguments: list[str], *, client: DynamoDB = None) -> None:
    """Run the command line."""
    description = _("Find and put back lost items.")
    parser = argparse.ArgumentParser(prog="python -m infra.ops.restore", description=description)
    parser.add_argument("stage", type=stage_name)
    parser.add_argument("moment", type=moment, help=_("with a UTC offset: 2026-11-30T08:55:00+01:00"))
    parser.add_argument("--put-back", action="store_true", help=_("put the missing items back"))
    options = parser.parse_args(arguments)
    with one_line(options.stage):
        client = client or boto3.client("dynamodb")
        compare_tables(f"guichet-{options.stage}", options.moment, client=client, write=options.put_back)


def compare_tables(table: str, at: datetime, *, client: DynamoDB, write: bool) -> None:
    """Restore a copy of a table and print the differences; with `write`, put the missing items back."""
    copy = restore(table, at, client=client)
    before, live = items(copy, client=client), items(table, client=client)
    differences = compare(before, live)
    for kind, number in sorted(differences.items()):
        print(f"{number:6} {_in_words(kind)}")
    if not differences:
        print(_("no differences: {} has the same {} items as then").format(table, len(live)))
    missing = list(lost(before, live, datetime.now(UTC)))
    due = len(before.keys() - live.keys()) - len(missing)
    if due:
        print(_("{:6} missing but not put back: due for erasure, or of a person without a request since").format(due))
    if write:
        print(_("{:6} put back").format(put_back(table, iter(missing), client=client)))
    elif missing:
        print(_("{:6} can be put back: run this again with --put-back").format(len(missing)))
    elif differences:
        print(_("nothing can be put back: items that exist are newer"))
    print(_("to delete the copy: {}").format(f"aws dynamodb delete-table --table-name {copy}"))


def _in_words(kind: str) -> str:
    """Say which items differ, in the language of the locale."""
    name, _space, change = kind.rpartition(" ")
    return f"{name} {_(change)}"


if __name__ == "__main__":
    main(sys.argv[1:])
