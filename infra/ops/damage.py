"""Damaged items, which the service cannot read: which attributes are wrong, and how one is replaced from a copy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynamodb.attributes import Attribute

from chalicelib.domain import codec
from chalicelib.domain.messages import N_
from chalicelib.domain.seat import SeatKey, State, monday_of, parse_key
from chalicelib.storage import entry_keys, items, rows, seat_keys, service_items

Item = dict[str, Any]
DynamoDB = Any
"""A boto3 client, which has no types."""
Table = Mapping[tuple[str, str], Item]
"""The items of a table by their key."""

NOT_IN_COPY = N_("the copy does not have it")
DAMAGED_IN_COPY = N_("it is damaged in the copy too: choose an earlier moment")
DUE = N_("it is due for erasure")
CHANGED_SINCE = N_("its request or its layout has changed since: choose a later moment")
WITHOUT_REQUEST = N_("its person has no request since")
WRITTEN_MEANWHILE = N_("it was written meanwhile")

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
_PARSED: dict[str, Callable[[Any], object]] = {
    "state": State,
    "past_state": State,
    "seat": parse_key,
    "moved_to": SeatKey.parse,
    "details": codec.details_from_document,
    "as_filed": codec.details_from_document,
    "document": codec.service_from_document,
    "by_day_from": monday_of,
}
"""Attributes with a form of their own, and what reads it."""


@dataclass(frozen=True)
class Kind:
    """What an item of a kind must have, what tells whose it is, and what reads it."""

    model: type[items.Item]
    required: frozenset[str]
    same: tuple[str, ...]
    """A copy that differs in one of these is of another request, or of another layout of the table."""
    read: Callable[[Item], object]


_REQUEST = ("hold", "person", "filed_at", "seat", "generation")
_LOCK = frozenset({"seat", "hold", "erase_at"})
_UNTIL = {State.HELD, State.PENDING}
"""The states that end at a moment."""
SEAT = Kind(items.SeatItem, frozenset({"opens_at", "state"}), _REQUEST, rows.seat_from)
ENTRY = Kind(items.SeatItem, frozenset({"state"}), _REQUEST, rows.entry_from)
PERSON = Kind(items.PersonItem, _LOCK | {"filed_at", "details"}, _REQUEST, rows.person_from)
LOCK = Kind(items.LockItem, _LOCK | {"person"}, _REQUEST, bool)
SERVICE = Kind(service_items.ServiceItem, frozenset({"document"}), ("by_day_from",), bool)


def kind_of(item: Item) -> Kind | None:
    """Return the kind of an item; None for others, such as counters, records of draws and what only operators read."""
    pk = item["pk"]["S"]
    if items.is_lock_key(pk):
        return LOCK if "person" in item or items.key_in_email_image(item) else PERSON
    if entry_keys.is_entry(pk):
        return ENTRY
    if seat_keys.is_seat_image(item):
        return SEAT
    return SERVICE if pk == service_items.SERVICES else None


def damaged_attributes(item: Item) -> list[str]:
    """Return the names of the attributes that the service cannot read. The key is named if the rest is sound."""
    if (kind := kind_of(item)) is None:
        return []
    attributes = {attribute.attr_name: attribute for attribute in kind.model.get_attributes().values()}
    wrong = [name for name in sorted(attributes) if not _is_sound(name, attributes[name], item, kind)]
    if not wrong:
        try:
            kind.read(item)
        except _UNREADABLE:
            return ["sk"]
    return wrong


def _is_sound(name: str, attribute: Attribute[Any], item: Item, kind: Kind) -> bool:
    """Tell whether an attribute has its type and form, or may be missing."""
    if name not in item:
        needs_until = name == "until" and kind.model is items.SeatItem and item.get("state", {}).get("S") in _UNTIL
        return name not in kind.required and not needs_until
    try:
        value = attribute.deserialize(attribute.get_value(item[name]))
        _PARSED.get(name, bool)(value)
    except _UNREADABLE:
        return False
    return True


def read_items(table: str, *, client: DynamoDB) -> dict[tuple[str, str], Item]:
    """Return every item of a table by its key, from a consistent scan."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {(item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]}


def readable(table: Table) -> dict[tuple[str, str], Item]:
    """Return the items that are not damaged."""
    return {key: item for key, item in table.items() if not damaged_attributes(item)}


def is_due(item: Item, now: datetime) -> bool:
    """Tell whether an item is due for erasure."""
    return "erase_at" in item and int(item["erase_at"]["N"]) <= now.timestamp()


def repaired(live: Item, copy: Item) -> Item:
    """Return a damaged item with its damaged attributes from a copy. All others stay: they may be newer."""
    wrong = damaged_attributes(live)
    sound = {name: value for name, value in live.items() if name not in wrong}
    return sound | {name: copy[name] for name in wrong if name in copy}


def obstacle(live: Item, copy: Item | None, now: datetime) -> str:
    """Return why a damaged item cannot be repaired from its copy; empty if it can.

    A state fits nothing but the other attributes of its moment, so they must be the same.
    """
    if copy is None:
        return NOT_IN_COPY
    if damaged_attributes(copy):
        return DAMAGED_IN_COPY
    kind, wrong = kind_of(copy), damaged_attributes(live)
    same = set(kind.same) if kind else set()
    if "state" in wrong:
        same |= (live.keys() | copy.keys()) - set(wrong)
    if any(name not in copy if name in wrong else live.get(name) != copy.get(name) for name in same):
        return CHANGED_SINCE
    item = repaired(live, copy)
    if is_due(item, now):
        return DUE
    is_over = "state" in wrong and item["state"]["S"] in _UNTIL and items.timestamp(item["until"]["N"]) <= now
    return CHANGED_SINCE if is_over or damaged_attributes(item) else ""


def replace(table: str, live: Item, item: Item, *, client: DynamoDB) -> bool:
    """Replace a damaged item, if each attribute is still as it was read. Return False if it was written meanwhile."""
    kind = kind_of(item)
    known = {attribute.attr_name for attribute in kind.model.get_attributes().values()} if kind else set()
    names = {f"#a{number}": name for number, name in enumerate(sorted(known | live.keys() | item.keys()))}
    values = {f":{short[1:]}": live[name] for short, name in names.items() if name in live}
    unchanged = [
        f"{short} = :{short[1:]}" if name in live else f"attribute_not_exists({short})" for short, name in names.items()
    ]
    try:
        client.put_item(
            TableName=table,
            Item=item,
            ConditionExpression=" AND ".join(unchanged),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True
