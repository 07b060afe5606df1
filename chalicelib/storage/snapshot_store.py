"""The snapshot of a large week: one item, which each process reads instead of the seats.

The process that finds it stale rebuilds it, unless another process has claimed it. It is a cache: without it, or when
it cannot be read, the week itself is read. A layout has a sort key of its own, so that two versions of the code keep
their snapshots apart.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import BinaryAttribute, NumberAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain import week_snapshot
from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.week_snapshot import WeekSnapshot
from chalicelib.storage import dynamodb, items, seat_keys
from chalicelib.storage.dynamodb import Document
from chalicelib.storage.items import Item, TimestampAttribute
from chalicelib.storage.recent import FULL, SECOND

LAYOUT = "1"
CLAIMED = timedelta(seconds=3)
"""How long a process may take to rebuild a snapshot before another one tries: several times what 10,000 seats take."""
USABLE = timedelta(seconds=10)
"""How long a stale snapshot is shown while another process rebuilds it, or while the week cannot be read."""
STORED = timedelta(days=1)


class SnapshotItem(Item):
    """The snapshot of a week, made at `made_at`, and when a process claimed it to rebuild it."""

    made_at = TimestampAttribute()
    claimed_at = TimestampAttribute(null=True)
    seats = BinaryAttribute(legacy_encoding=False)
    erase_at = NumberAttribute()


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """What the table has of a snapshot. `snapshot` is None if there is none, or none that can be read."""

    service: str
    week: str
    exists: bool
    snapshot: WeekSnapshot | None = None
    claimed_at: datetime | None = None

    def usable(self, now: datetime) -> WeekSnapshot | None:
        """Return the snapshot if it may be shown: also a stale one, for `USABLE`. None if the clock went back."""
        snapshot = self.snapshot
        return snapshot if snapshot and -SECOND < now - snapshot.made_at < self._stale_after + USABLE else None

    def is_due(self, now: datetime) -> bool:
        """Tell whether the snapshot is stale, and no other process has claimed it."""
        if self.snapshot and now - self.snapshot.made_at < self._stale_after:
            return False
        return self.claimed_at is None or not timedelta(0) <= now - self.claimed_at < CLAIMED

    @property
    def _stale_after(self) -> timedelta:
        return FULL if self.snapshot and self.snapshot.is_full else SECOND


def read(service_id: str, week: str) -> StoredSnapshot:
    """Read the snapshot of a week with one Query, which every function may do."""
    with dynamodb.translated_errors():
        partition = seat_keys.snapshot_partition(service_id, week)
        documents = dynamodb.connection().query(partition, SnapshotItem.sk == LAYOUT)["Items"]
    return _stored(service_id, week, documents[0]) if documents else StoredSnapshot(service_id, week, exists=False)


def _stored(service_id: str, week: str, document: Document) -> StoredSnapshot:
    try:
        made_at = items.timestamp(document["made_at"]["N"])
        claimed_at = items.timestamp(document["claimed_at"]["N"]) if "claimed_at" in document else None
        snapshot = week_snapshot.decode(service_id, made_at, document["seats"]["B"])
    except (KeyError, ValueError):
        return StoredSnapshot(service_id, week, exists=True)
    return StoredSnapshot(service_id, week, exists=True, snapshot=snapshot, claimed_at=claimed_at)


def claim(stored: StoredSnapshot, now: datetime) -> bool:
    """Claim a readable snapshot to rebuild it. Return False if another process has, or if the table throttles."""
    claimed_at = SnapshotItem.claimed_at
    is_unclaimed = claimed_at == stored.claimed_at if stored.claimed_at else claimed_at.does_not_exist()
    return _update(stored, [claimed_at.set(now)], _is_as_read(stored) & is_unclaimed)


def put(stored: StoredSnapshot, snapshot: WeekSnapshot) -> bool:
    """Replace the snapshot. Return False if another process has replaced it since it was read, or the table throttles.

    What cannot be read is always replaced.
    """
    actions: list[Action] = [
        SnapshotItem.made_at.set(snapshot.made_at),
        SnapshotItem.seats.set(week_snapshot.encode(snapshot)),
        SnapshotItem.erase_at.set(int((snapshot.made_at + STORED).timestamp())),
        SnapshotItem.claimed_at.remove(),
    ]
    return _update(stored, actions, _is_as_read(stored))


def _is_as_read(stored: StoredSnapshot) -> Condition | None:
    if stored.snapshot:
        return SnapshotItem.made_at == stored.snapshot.made_at
    return None if stored.exists else SnapshotItem.pk.does_not_exist()


def _update(stored: StoredSnapshot, actions: list[Action], condition: Condition | None) -> bool:
    pk = seat_keys.snapshot_partition(stored.service, stored.week)
    with suppress(TooManyRequests, Unavailable):
        return dynamodb.try_write(
            lambda: dynamodb.connection().update_item(pk, LAYOUT, actions=actions, condition=condition)
        )
    return False
