"""Which lost items come back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.seat import parse_key
from chalicelib.storage import seat_keys, service_items
from infra.ops import restore
from tests.conftest import document

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
REF = "many.20261216.0900.1"


def item_of(key: tuple[str, str], **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}, **attributes}


@pytest.mark.parametrize("of_services", [service_items.SERVICES, service_items.WITHDRAWN])
@pytest.mark.parametrize(("by_day_from", "partition"), [("2026-W51", "2026-12-16"), ("2026-W52", "2026-W51")])
def test_the_lock_of_a_person_comes_back_whose_seat_is_where_the_restored_service_says(
    by_day_from: str, partition: str, of_services: str
) -> None:
    service_items.forget_layouts()
    seat_key, lock_key, service_key = (
        (f"SEATS#many#{partition}", "2026-12-16T0900#001"),
        ("PERSON#a", "SERVICE#many"),
        (of_services, "many"),
    )
    many = {"document": {"S": json.dumps(document(id="many"))}, "by_day_from": {"S": by_day_from}}
    seat = {"hold": {"S": "h"}, "state": {"S": "confirmed"}, "opens_at": {"N": "0"}}
    lock = item_of(lock_key, seat={"S": REF}, hold={"S": "h"}, person={"S": "b"}, erase_at={"N": "4102444800"})
    before = {service_key: item_of(service_key, **many), seat_key: item_of(seat_key, **seat), lock_key: lock}
    live = {key: stored for key, stored in before.items() if stored is not lock}
    service_items.record_layout("many", by_day_from)
    row = seat_keys.seat_item(parse_key(REF))
    assert (row.pk, row.sk) in before
    service_items.forget_layouts()
    assert list(restore.lost(before, live, NOW)) == [lock]
