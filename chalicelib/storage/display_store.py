"""The links of the screens in the waiting room. All links of a service share a partition."""

from pynamodb.exceptions import DoesNotExist
from pynamodb.transactions import TransactWrite

from chalicelib.domain.display import Display
from chalicelib.storage import desk_items, dynamodb
from chalicelib.storage.desk_items import DeskAuditItem, DisplayItem


def add(display: Display, audit: DeskAuditItem) -> bool:
    """Store a new link, and the audit of it. Return False if there is one with its secret."""
    row = desk_items.display_item(
        display.service,
        display.digest,
        place=display.place,
        made_by=display.made_by,
        made_at=display.made_at,
        until=display.until,
        erase_at=int(display.until.timestamp()),
    )

    def write(writes: TransactWrite) -> None:
        writes.save(row, condition=DisplayItem.pk.does_not_exist())
        writes.save(audit)

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False


def read(service_id: str, digest: str) -> Display | None:
    """Read a link consistently, whether it is over or not; None if there is none."""
    row = desk_items.display_item(service_id, digest)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return _display(service_id, row)


def read_all(service_id: str) -> list[Display]:
    """Read all links of a service consistently. Those that are over stay until DynamoDB erases them."""
    with dynamodb.translated_errors():
        rows = list(DisplayItem.query(desk_items.displays_partition(service_id), consistent_read=True))
    return [_display(service_id, row) for row in rows]


def delete(display: Display, audit: DeskAuditItem) -> bool:
    """Delete a link, and store the audit of it. Return False if it is gone."""
    row = desk_items.display_item(display.service, display.digest)

    def write(writes: TransactWrite) -> None:
        writes.delete(row, condition=DisplayItem.pk.exists())
        writes.save(audit)

    try:
        return not dynamodb.transact(write)
    except dynamodb.TransactionConflict:
        return False


def _display(service_id: str, row: DisplayItem) -> Display:
    return Display(service_id, row.sk, row.place, row.made_by, row.made_at, row.until)
