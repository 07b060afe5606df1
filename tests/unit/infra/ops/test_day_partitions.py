"""From which week on the seats of a service have a partition for each day, as `services put` decides it once."""

from pathlib import Path
from typing import Any

import pytest

from chalicelib.storage import dynamodb, items, seat_keys, seat_store, service_items, service_store
from chalicelib.storage.service_items import ServiceItem
from infra.ops import day_partitions
from tests.conftest import fill
from tests.unit.infra.ops.bookings import NOW, key
from tests.unit.infra.ops.program import extra, ops
from tests.unit.infra.servicefile.samples import changed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("table")]
AES = changed(("id: essai", "id: aes"), ('{department: "42"}', '{department: "67"}'))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of a service with 48 seats a week, which count as many."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(day_partitions, "MANY", 48)
    (tmp_path / "aes.yaml").write_text(AES, "utf-8")


def put(*words: str) -> Any:
    ran = ops("services", "put", "aes.yaml", *words)
    assert ran.code == 0, ran.err
    return ran


def stored() -> str | None:
    """Return what the item of the service says, and let this process forget it."""
    service_items.forget_layouts()
    service_store.clear_caches()
    return ServiceItem.get("SERVICES", "aes", consistent_read=True).by_day_from


def pks() -> set[str]:
    fill(service_store.read("aes", NOW), NOW)
    return {item.pk for item in items.Item.scan(seat_keys.is_seat_of("aes"))}


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_partitions, "MANY", 49)


def test_a_new_service_with_many_seats_has_a_partition_for_each_day_from_the_first_week_on() -> None:
    line = "  many seats: from week 2026-W49 on, each day has its own partition of the table"
    assert line in put("--dry-run").out.splitlines()
    assert list(ServiceItem.query("SERVICES")) == []
    assert line in put("--yes").out.splitlines()
    assert stored() == "2026-W49"
    assert {pk for pk in pks() if "W" in pk} == set()
    put("--yes")  # the same file, and then another one
    (service,) = ops("services", "put", "aes.yaml", "--json", "--dry-run").json["services"]
    assert (service["by_day_from"], stored()) == (None, "2026-W49")


def test_a_service_with_few_seats_keeps_a_partition_for_each_week(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    put("--yes")
    assert stored() is None
    assert pks() == {"SEATS#aes#2026-W49", "SEATS#aes#2026-W50", "SEATS#aes#2026-W51", "SEATS#aes#2026-W52"}


def test_a_service_that_grows_begins_two_weeks_after_its_last_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    put("--yes")
    assert stored() is None
    before = pks()
    monkeypatch.setattr(day_partitions, "MANY", 48)
    put("--yes")  # the same file
    assert stored() == "2027-W01"
    assert pks() == before


def test_a_seat_far_ahead_that_somebody_added_by_hand_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    put("--yes")
    extra(key("2027-06-08"), NOW)
    monkeypatch.setattr(day_partitions, "MANY", 48)
    put("--yes")
    assert stored() == "2027-W25"
    assert seat_store.read(key("2027-06-08")).extra


def test_two_operators_never_record_two_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    read = day_partitions.first_week

    def meanwhile(*arguments: Any) -> str | None:
        week = read(*arguments)
        service_items.service_item("aes").update(actions=[ServiceItem.by_day_from.set("2026-W50")])
        return week

    monkeypatch.setattr(day_partitions, "first_week", meanwhile)
    ran = ops("services", "put", "aes.yaml", "--yes")
    assert (ran.code, ran.err) == (1, "guichet: another operator is changing these services: run this again\n")
    assert stored() == "2026-W50"


def test_who_changes_a_service_while_another_operator_does_is_told_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def conflict(_write: object) -> bool:
        raise dynamodb.TransactionConflict

    monkeypatch.setattr(dynamodb, "transact", conflict)
    ran = ops("services", "put", "aes.yaml", "--yes")
    assert (ran.code, ran.err) == (1, "guichet: another operator is changing these services: run this again\n")


def test_a_withdrawn_service_comes_back_with_the_week_that_processes_may_remember() -> None:
    put("--yes")
    extra(key(), NOW)
    assert ops("services", "withdraw", "aes", "--yes").code == 0
    assert seat_store.read_all_weeks("aes") == []
    put("--yes")
    assert stored() == "2026-W49"


def test_a_damaged_week_is_named_and_nothing_is_put() -> None:
    put("--yes")
    service_items.service_item("aes").update(actions=[ServiceItem.by_day_from.set("soon")])
    assert stored() == "soon"
    for command in (("services", "put", "aes.yaml", "--yes"), ("calendar", "aes")):
        ran = ops(*command)
        said = "guichet: by_day_from of the service aes names no week. Restore this item from a backup.\n"
        assert (ran.code, ran.err) == (3, said)


def test_seats_that_an_older_version_created_are_named_and_nothing_is_put() -> None:
    put("--yes")
    item = seat_store.new_item(key(), NOW)
    item.pk = seat_keys.week_partition("aes", key().week)
    item.save()
    said = "an older version created seats of 2026-W50, which this one does not see: deploy that version again"
    for words in (("--dry-run",), ("--yes",)):
        ran = ops("services", "put", "aes.yaml", *words)
        assert (ran.code, ran.out, ran.err) == (1, "", f"guichet: aes: {said}\n")
