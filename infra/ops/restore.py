"""Find and put back lost items: `python -m infra.ops.restore STAGE MOMENT` restores a copy of the table and compares.

With `--put-back` the missing items are put back. Existing items are newer and stay as they are. The items of a person
or an e-mail address come back only if their seat still has the request, so that nobody who was erased since returns.

With `--damaged` it names the items that exist and cannot be read. Without a moment it only names them. With
`--put-back` their damaged attributes are taken from the copy, if the item still has the same request there.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from gettext import gettext as _

import boto3

from chalicelib.domain.messages import N_
from chalicelib.domain.seat import BOOKED, State, parse_key
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.storage.items import is_lock_key, person_partition
from chalicelib.storage.seat_keys import seat_item
from chalicelib.storage.service_items import SERVICES, WITHDRAWN, record_layout
from infra.ops import damage
from infra.ops.damage import DynamoDB, Item, Table
from infra.tools.command_line import one_line, stage_name

MISSING, NEW, CHANGED = N_("missing"), N_("new"), N_("changed")


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


def compare(before: Table, live: Table) -> Counter[str]:
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


def lost(before: Table, live: Table, now: datetime) -> Iterator[Item]:
    """Yield the missing items that are not due for erasure; those of a person or e-mail address only with a request.

    A damaged item is not put back, and a damaged seat has no request until it is repaired.
    """
    merged = damage.readable({**before, **live})
    learn_partitions(merged)
    for key in sorted(before.keys() - live.keys()):
        item = before[key]
        if key not in merged or damage.is_due(item, now):
            continue
        if not is_lock_key(key[0]) or has_request(merged, item):
            yield item


Key = tuple[str, str]


def plan_repairs(before: Table, live: Table, now: datetime) -> tuple[dict[Key, Item], dict[Key, str]]:
    """Return the repaired items by key, and why others cannot be repaired.

    A lock or a person is repaired only if its seat, once repaired, has the request. A state "pending" is not taken from
    the copy when the person has been sent the convocation: the request was confirmed since.
    """
    damaged = {key: live[key] for key in sorted(live) if damage.damaged_attributes(live[key])}
    reasons = {key: damage.obstacle(item, before.get(key), now) for key, item in damaged.items()}
    repairs = {key: damage.repaired(live[key], before[key]) for key, reason in reasons.items() if not reason}
    merged = {key: item for key, item in live.items() if key not in damaged} | repairs
    learn_partitions(merged)
    for key, item in repairs.items():
        if is_lock_key(key[0]) and not has_request(merged, item):
            reasons[key] = damage.WITHOUT_REQUEST
        elif item.get("state", {}).get("S") == State.PENDING and has_convocation(live, item):
            reasons[key] = damage.CHANGED_SINCE
    refused = {key: reason for key, reason in reasons.items() if reason}
    return {key: item for key, item in repairs.items() if key not in refused}, refused


def has_convocation(table: Table, seat: Item) -> bool:
    """Tell whether the person of a seat or an entry has been sent the convocation of this request."""
    people = (item for (pk, _), item in table.items() if pk == person_partition(seat["person"]["S"]))
    return any(
        item.get("hold") == seat["hold"] and LetterKind.CONVOCATION in item.get("sent", {}).get("S", "")
        for item in people
    )


def learn_partitions(table: Table) -> None:
    """Learn from the services of a table, withdrawn ones included, where it has the seats that its locks name."""
    recorded = {sk: item for (pk, sk), item in table.items() if pk in {SERVICES, WITHDRAWN}}
    locks = [item for (pk, _), item in table.items() if is_lock_key(pk)]
    for service_id in {parse_key(lock["seat"]["S"]).service for lock in locks}:
        record_layout(service_id, recorded.get(service_id, {}).get("by_day_from", {}).get("S"))


def has_request(table: Table, lock: Item) -> bool:
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
    description = _("Find and put back lost items, and repair damaged ones.")
    parser = argparse.ArgumentParser(prog="python -m infra.ops.restore", description=description)
    parser.add_argument("stage", type=stage_name)
    parser.add_argument("moment", type=moment, nargs="?", help=_("with a UTC offset: 2026-11-30T08:55:00+01:00"))
    parser.add_argument("--put-back", action="store_true", help=_("put the missing items back"))
    parser.add_argument(
        "--damaged", action="store_true", help=_("name the items that cannot be read; with --put-back, repair them")
    )
    options = parser.parse_intermixed_args(arguments)  # a moment may follow an option
    if options.moment is None and (options.put_back or not options.damaged):
        parser.error(_("name a moment. Only --damaged without --put-back needs none"))
    with one_line(options.stage):
        client = client or boto3.client("dynamodb")
        table = f"guichet-{options.stage}"
        if options.moment is None:
            name_damaged(damage.read_items(table, client=client))
            return
        work = repair_tables if options.damaged else compare_tables
        copy = restore(table, options.moment, client=client)
        work(table, copy, client=client, write=options.put_back, now=datetime.now(UTC))
        print(_("to delete the copy: {}").format(f"aws dynamodb delete-table --table-name {copy}"))


def compare_tables(table: str, copy: str, *, client: DynamoDB, write: bool, now: datetime) -> None:
    """Print how a table differs from its restored copy; with `write`, put the missing items back."""
    before, live = damage.read_items(copy, client=client), damage.read_items(table, client=client)
    differences = compare(before, live)
    for kind, number in sorted(differences.items()):
        print(f"{number:6} {_in_words(kind)}")
    if not differences:
        print(_("no differences: {} has the same {} items as then").format(table, len(live)))
    missing = list(lost(before, live, now))
    due = len(before.keys() - live.keys()) - len(missing)
    if due:
        print(_("{:6} missing but not put back: due for erasure, or of a person without a request since").format(due))
    if damaged := len(live) - len(damage.readable(live)):
        print(_("{:6} damaged: run this with --damaged first").format(damaged))
    if write:
        print(_("{:6} put back").format(put_back(table, iter(missing), client=client)))
    elif missing:
        print(_("{:6} can be put back: run this again with --put-back").format(len(missing)))
    elif differences:
        print(_("nothing can be put back: items that exist are newer"))


def name_damaged(live: Table) -> int:
    """Print the key of each damaged item and what cannot be read, no value. Return how many there are."""
    wrong = {key: damage.damaged_attributes(live[key]) for key in sorted(live)}
    damaged = {key: names for key, names in wrong.items() if names}
    for key, names in damaged.items():
        print(_("{}: damaged in {}").format(" ".join(key), ", ".join(names)))
    print(_("{:6} damaged").format(len(damaged)))
    return len(damaged)


def repair_tables(table: str, copy: str, *, client: DynamoDB, write: bool, now: datetime) -> None:
    """Print what would be repaired from a restored copy, and why something would not; with `write`, repair it."""
    before, live = damage.read_items(copy, client=client), damage.read_items(table, client=client)
    if not name_damaged(live):
        return
    repairs, reasons = plan_repairs(before, live, now)
    for key, item in repairs.items():
        if write and not damage.replace(table, live[key], item, client=client):
            reasons[key] = damage.WRITTEN_MEANWHILE
    for key, reason in sorted(reasons.items()):
        print(_("{}: not repaired: {}").format(" ".join(key), _(reason)))
    count = len(repairs.keys() - reasons.keys())
    if write:
        print(_("{:6} repaired").format(count))
    elif count:
        print(_("{:6} can be repaired: run this again with --damaged --put-back").format(count))


def _in_words(kind: str) -> str:
    """Say which items differ, in the language of the locale."""
    name, _space, change = kind.rpartition(" ")
    return f"{name} {_(change)}"


if __name__ == "__main__":
    main(sys.argv[1:])
