"""The items of draws, and their keys."""

from typing import Any

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.storage.items import Image, Item


class DrawItem(Item):
    """A draw; `chalicelib.domain.draw_record.Draw` describes the attributes."""

    stage = UnicodeAttribute()
    record = JSONAttribute()
    lists = JSONAttribute()
    unassigned = UnicodeAttribute(null=True)
    unclaimed = UnicodeAttribute(null=True)
    letters = NumberAttribute(null=True)
    witnesses = UnicodeAttribute(null=True)


class SeedItem(Item):
    """The secret seed of a draw. Only the draw function may read it, until the record shows it."""

    seed = UnicodeAttribute()


class PartItem(Item):
    """A part of a published list, compressed."""

    text = BinaryAttribute(legacy_encoding=False)


class LogItem(Item):
    """What happened to a rank after a draw: an offer, or a departure. There is at most one for each rank."""

    line = UnicodeAttribute()


def draw_item(service_id: str, week: str, **attributes: Any) -> DrawItem:
    """Return the item of a draw; all draws of a service share a partition."""
    return DrawItem(draws_partition(service_id), week, **attributes)


def draws_partition(service_id: str) -> str:
    return f"DRAWS#{service_id}"


def draw_of_image(image: Image) -> tuple[str, str] | None:
    """Return service id and week of a draw in an image of the stream; None for an item of another kind."""
    kind, _, service_id = image["pk"]["S"].partition("#")
    return (service_id, image["sk"]["S"]) if kind == "DRAWS" else None


def seed_item(service_id: str, week: str, **attributes: Any) -> SeedItem:
    """Return the item of a seed. Policies name its partition."""
    return SeedItem(f"DRAWSEED#{service_id}", week, **attributes)


def part_item(service_id: str, week: str, kind: str, digest: str, number: int, **attributes: Any) -> PartItem:
    """Return the item of a part, from 1. The digest of the list in its key keeps the parts of two runs apart."""
    return PartItem(f"DRAWPART#{service_id}#{week}#{kind}#{digest}", f"{number:04}", **attributes)


def log_item(service_id: str, week: str, rank: int, **attributes: Any) -> LogItem:
    """Return the item of a rank in the log."""
    return LogItem(log_partition(service_id, week), f"{rank:07}", **attributes)


def log_partition(service_id: str, week: str) -> str:
    return f"DRAWLOG#{service_id}#{week}"
