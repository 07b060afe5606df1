"""The items of public figures, and their keys."""

from typing import Any

from pynamodb.attributes import JSONAttribute

from chalicelib.storage.items import Item


class FigureItem(Item):
    """The published figures of one week. They have no date to be erased: they contain nothing about a person."""

    figures = JSONAttribute()


def figure_item(service_id: str, week: str, **attributes: Any) -> FigureItem:
    """Return the item of a week; all weeks of a service share a partition."""
    return FigureItem(figures_partition(service_id), week, **attributes)


def figures_partition(service_id: str) -> str:
    return f"FIGURES#{service_id}"
