"""The history of the opening hours in the table."""

from chalicelib.storage import desk_items, dynamodb
from chalicelib.storage.desk_items import HistoryItem


def write(row: HistoryItem) -> None:
    """Store a change, or what it has done in the end."""
    with dynamodb.translated_errors():
        row.save()


def read(service_id: str, before: str, limit: int) -> list[HistoryItem]:
    """Return the changes of a service with a key below `before`, or the last ones without it. The newest come first."""
    condition = HistoryItem.sk < before if before else None
    with dynamodb.translated_errors():
        partition = desk_items.history_partition(service_id)
        return list(HistoryItem.query(partition, condition, scan_index_forward=False, limit=limit))
