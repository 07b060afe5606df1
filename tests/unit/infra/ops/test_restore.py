"""Which lost items come back."""

from datetime import UTC, datetime

import pytest

from chalicelib.domain.seat import parse_key
from chalicelib.storage import seat_keys, service_items
from infra.ops import restore

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
REF = "many.20261216.0900.1"


@pytest.mark.parametrize("of_services", [service_items.SERVICES, service_items.WITHDRAWN])
@pytest.mark.parametrize(("by_day_from", "partition"), [("2026-W51", "2026-12-16"), ("2026-W52", "2026-W51")])
def test_the_lock_of_a_person_comes_back_whose_seat_is_where_the_restored_service_says(
    by_day_from: str, partition: str, of_services: str
) -> None:
    service_items.forget_layouts()
    services = {(of_services, "many"): {"by_day_from": {"S": by_day_from}}}
    seat = {"hold": {"S": "h"}, "state": {"S": "confirmed"}}
    lock = {"pk": {"S": "PERSON#a"}, "seat": {"S": REF}, "hold": {"S": "h"}}
    before = services | {(f"SEATS#many#{partition}", "2026-12-16T0900#001"): seat, ("PERSON#a", "SERVICE#many"): lock}
    live = {key: item for key, item in before.items() if item is not lock}
    service_items.record_layout("many", by_day_from)
    row = seat_keys.seat_item(parse_key(REF))
    assert (row.pk, row.sk) in before
    service_items.forget_layouts()
    assert list(restore.lost(before, live, NOW)) == [lock]
