"""Read, create and delete the items of hidden services, which a trial leaves in the table until its end."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain import timetable
from chalicelib.domain.seat import Key, SeatKey
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from chalicelib.storage import counter_items, entry_keys, items, seat_keys, seat_store

MOST_OF_SHARD = 5
"""How many entries of a shard a run deletes at most. A run leaves one; visitors who pass the captcha can add others."""

Attributes = dict[str, Any]
"""The attributes of an item, as DynamoDB sends them."""


@dataclass(frozen=True)
class HiddenItems:
    """The seats and entries of a hidden service in a table, and the persons who have them."""

    client: Any
    """A client of DynamoDB. The functions have no paginators."""
    table: str
    keys: Keys
    service: Service

    def seat(self, key: Key) -> Attributes:
        """Read the item of a seat or an entry."""
        return self._read(seat_keys.seat_item(key))

    def sent_letters(self, key: Key) -> str:
        """Return the marks of the letters that were sent about the request on a seat or an entry."""
        person_key = self.seat(key).get("person", {}).get("S", "")
        person = self._read(items.person_item(person_key, self.service.id)) if person_key else {}
        return str(person.get("sent", {}).get("S", ""))

    def open_seat(self, key: SeatKey, opens_at: datetime) -> None:
        """Create a seat that no rule of the service gives."""
        item = seat_store.new_item(key, opens_at)
        item.extra, item.erase_at = True, int(self.service.erase_at(key).timestamp())
        self.client.put_item(TableName=self.table, Item=item.serialize())

    def delete_seats(self, now: datetime) -> None:
        """Delete every seat of the weeks that visitors see, with the items of its person.

        The seat is deleted last. It names the person, so the next run can finish an interrupted one. A week has a seat
        for each day on which a run was interrupted: one answer of DynamoDB has them all.
        """
        weeks = timetable.weeks_to_create(self.service, now)
        for partition in (pk for week in weeks for pk in seat_keys.seat_partitions(self.service.id, week)):
            for seat in self._query(partition):
                self._delete_carrier(seat)

    def delete_entries(self) -> None:
        """Delete the entries in the draws, with the items of their persons and their holds."""
        for shard in range(entry_keys.SHARDS):
            for entry in self._query(entry_keys.partition(self.service.id, shard), Limit=MOST_OF_SHARD):
                for name in ("hold", "past"):
                    if hold := entry.get(name, {}).get("S", ""):
                        self._delete(counter_items.waiting_item(hold))
                self._delete_carrier(entry)

    def _query(self, partition: str, **options: int) -> list[Attributes]:
        answer = self.client.query(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :partition",
            ExpressionAttributeValues={":partition": {"S": partition}},
            **options,
        )
        rows: list[Attributes] = answer["Items"]
        return rows

    def _delete_carrier(self, carrier: Attributes) -> None:
        if person_key := carrier.get("person", {}).get("S", ""):
            self.delete_person(person_key)
        self._delete(items.Item(carrier["pk"]["S"], carrier["sk"]["S"]))

    def delete_person(self, person_key: str) -> None:
        """Delete a person item of the hidden service, and the lock of its e-mail address."""
        person = items.person_item(person_key, self.service.id)
        if attributes := self._read(person):
            email = json.loads(attributes["details"]["S"])["email"]
            self._delete(items.email_lock(self.keys.email_key(email), self.service.id))
            self._delete(person)

    def _read(self, item: items.Item) -> Attributes:
        answer = self.client.get_item(TableName=self.table, Key=_primary_key(item), ConsistentRead=True)
        attributes: Attributes = answer.get("Item", {})
        return attributes

    def _delete(self, item: items.Item) -> None:
        self.client.delete_item(TableName=self.table, Key=_primary_key(item))


def _primary_key(item: items.Item) -> Attributes:
    return {"pk": {"S": item.pk}, "sk": {"S": item.sk}}
