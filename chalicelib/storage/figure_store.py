"""The published figures in the table: one small item for each week of a service, written once."""

from chalicelib.domain.figures import SHOWN, Figures
from chalicelib.storage import dynamodb, figure_items
from chalicelib.storage.figure_items import FigureItem


def publish(service_id: str, figures: Figures) -> bool:
    """Store the figures of a week. Return False, and change nothing, if the week has some."""
    row = figure_items.figure_item(service_id, figures["week"], figures=dict(figures))
    return dynamodb.try_write(lambda: row.save(FigureItem.pk.does_not_exist()))


def read_recent(service_id: str) -> list[Figures]:
    """Read the last weeks that were published, newest first, with one Query."""
    with dynamodb.translated_errors():
        partition = figure_items.figures_partition(service_id)
        return [row.figures for row in FigureItem.query(partition, scan_index_forward=False, limit=SHOWN)]
