"""Read, create and delete the items of a hidden service, which a trial leaves in the table until its end."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain import timetable
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from chalicelib.storage import items, seat_keys, seat_store

Attributes = dict[str, Any]
"""The attributes of an item, as DynamoDB sends them."""


@dataclass(frozen=True)
class HiddenItems:
    """The seats of a hidden service in a table, and the persons who hold them."""

    client: Any
    """A client of DynamoDB. The functions have no paginators."""
    table: str
    keys: Keys
    service: Service

    def seat(self, key: SeatKey) -> Attributes:
        """Read the item of a seat."""
        return self._read(seat_keys.seat_item(key))

    def sent_letters(self, key: SeatKey) -> str:
        """Return the marks of the letters that were sent about the request on a seat."""
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
            answer = self.client.query(
                TableName=self.table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :partition",
                ExpressionAttributeValues={":partition": {"S": partition}},
            )
            for seat in answer["Items"]:
                if person_key := seat.get("person", {}).get("S", ""):
                    self.delete_person(person_key)
                self._delete(items.Item(seat["pk"]["S"], seat["sk"]["S"]))

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
