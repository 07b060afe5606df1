"""Replies with the public figures of a service."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any
from urllib.parse import quote

from chalicelib.domain.figures import SMALLEST, Figures
from chalicelib.domain.service import Service
from chalicelib.storage import figure_store
from chalicelib.web import reply
from chalicelib.web.reply import Json, Page, Result
from chalicelib.web.visit import Visit


def figures(service: Service, visit: Visit) -> Result:
    """Show the figures of the last weeks, newest first: a page with a plot, its table and a CSV file, or JSON."""
    weeks = figure_store.read_recent(service.id)
    data = {"service": service.id, "rounded_down_to": SMALLEST, "weeks": weeks}
    context = {
        "service": service,
        "office": service.office,
        "weeks": weeks,
        "csv": "" if visit.wants_json else _csv_uri(weeks),
    }
    cache = reply.FIVE_MINUTES
    return Result(Json(data, cache=cache), Page("figures.html", context, cache=cache))


def _csv_uri(weeks: Sequence[Figures]) -> str:
    """Return the figures as a `data:` URI of a CSV file, oldest first. A nested field becomes `draw_entries`."""
    rows = [dict(_flat(figures)) for figures in reversed(weeks)]
    text = StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue())}"


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the fields of a week, and those of its parts under longer names. A list of releases is numbered."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}_")
        elif isinstance(value, list):
            for number, part in enumerate(value, start=1):
                yield from _flat(part, f"release_{number}_")
        elif value is not None:
            yield f"{prefix}{name}", value
