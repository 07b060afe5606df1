"""Which items count as damaged, what repairs them, and what is left as it is."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.booking import personal_data, requests
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb, seat_keys, service_items, service_store
from infra.ops import damage, restore
from tests.conftest import calls, client_error
from tests.table import SHAPE
from tests.unit.allocation import entrants
from tests.unit.booking.steps import AWA, NOW, confirmed, filed
from tests.unit.infra.ops.program import ops

TABLE, COPY = "guichet-test", "guichet-test-20261130T075500"
Table = dict[tuple[str, str], dict[str, Any]]
WRONG: list[tuple[str, str, dict[str, str] | None]] = [
    ("SEATS", "state", {"S": "confirmd"}),
    ("SEATS", "state", None),
    ("SEATS", "opens_at", {"S": "1796025600000"}),
    ("SEATS", "opens_at", None),
    ("SEATS", "opens_at", {"N": "99999999999999999999999999"}),
    ("SEATS", "hold", {"N": "5"}),
    ("PERSON", "details", {"S": "{"}),
    ("PERSON", "details", {"S": "{}"}),
    ("PERSON", "details", None),
    ("PERSON", "filed_at", {"N": "99999999999999999999"}),
    ("EMAIL", "seat", {"S": "nowhere"}),
    ("EMAIL", "hold", None),
    ("SERVICES", "document", {"S": '{"id": "aes"}'}),
    ("SERVICES", "by_day_from", {"S": "2026-W99"}),
]


def dynamodb_client() -> Any:
    return dynamodb.connection().connection.client


class Copying:
    """A client of DynamoDB whose restored copy has these items."""

    def __init__(self, copy: Table) -> None:
        self.client, self.copy = dynamodb_client(), copy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def restore_table_to_point_in_time(self, **names: Any) -> None:
        self.client.create_table(TableName=names["TargetTableName"], **SHAPE)
        for item in self.copy.values():
            self.client.put_item(TableName=names["TargetTableName"], Item=item)


@pytest.fixture
def request_(service: Service) -> Iterator[requests.Request]:
    """A confirmed request, of a service whose seats are by week until 2027."""
    service_items.service_item(service.id).update(actions=[service_items.ServiceItem.by_day_from.set("2027-W10")])
    yield confirmed()
    service_items.forget_layouts()


def stored() -> Table:
    return damage.read_items(TABLE, client=dynamodb_client())


def key_of(table: Table, kind: str, request: requests.Request) -> tuple[str, str]:
    """Return the key of the item of a kind that belongs to the request."""
    if kind == "SERVICES":
        return service_items.SERVICES, "aes"
    if kind == "SEATS":
        return seat_keys.seat_primary_key(keys().read_link_token(request.token).seat)
    return next(key for key in table if key[0].startswith(kind))


def set_attribute(key: tuple[str, str], name: str, value: dict[str, str] | None) -> None:
    """Change an attribute behind the service's back; None removes it."""
    item = stored()[key]
    item.pop(name, None)
    client = dynamodb_client()
    client.put_item(TableName=TABLE, Item=item if value is None else {**item, name: value})


def repair(copy: Table, *, write: bool = True) -> None:
    client = Copying(copy)
    client.restore_table_to_point_in_time(TargetTableName=COPY)
    restore.repair_tables(TABLE, COPY, client=client, write=write, now=NOW)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "value"), WRONG)
def test_a_damaged_item_is_named_without_values_and_repaired_by_a_second_command_only(
    request_: requests.Request,
    kind: str,
    name: str,
    value: dict[str, str] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = stored()
    key = key_of(before, kind, request_)
    set_attribute(key, name, value)
    damaged = stored()
    restore.main(["test", "--damaged"], client=dynamodb_client())
    named = [f"{' '.join(key)}: damaged in {name}", "     1 damaged"]
    assert capsys.readouterr().out.splitlines() == named
    repair(before, write=False)
    may = "     1 can be repaired: run this again with --damaged --put-back"
    assert capsys.readouterr().out.splitlines() == [*named, may]
    assert stored() == damaged
    dynamodb_client().delete_table(TableName=COPY)
    repair(before)
    assert capsys.readouterr().out.splitlines() == [*named, "     1 repaired"]
    assert stored() == before
    service_store.clear_caches()
    assert requests.view(request_.token, NOW).reference == request_.reference


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), [("state", {"S": "confirmd"}), ("proved_at", {"S": "today"})])
@pytest.mark.usefixtures("table")
def test_a_damaged_entry_is_repaired(name: str, value: dict[str, str]) -> None:
    service_store.clear_caches()
    entrants.put_service()
    entrants.entered()
    before = stored()
    key = next(key for key in before if key[0].startswith("ENTRIES#"))
    set_attribute(key, name, value)
    assert damage.damaged_attributes(stored()[key]) == [name]
    repair(before)
    assert stored() == before


@pytest.mark.usefixtures("request_")
def test_items_of_the_service_are_not_damaged(capsys: pytest.CaptureFixture[str]) -> None:
    restore.main(["test", "--damaged"], client=dynamodb_client())
    assert capsys.readouterr().out.splitlines() == ["     0 damaged"]


def test_a_key_that_names_no_slot_is_damaged_and_an_item_of_no_service_is_not() -> None:
    seat = {"pk": {"S": "SEATS#aes#2026-W51"}, "sk": {"S": "x"}, "state": {"S": "open"}, "opens_at": {"N": "0"}}
    assert damage.damaged_attributes(seat) == ["sk"]
    assert damage.damaged_attributes({**seat, "sk": {"S": "2026-12-16T0900#001"}}) == []
    assert damage.damaged_attributes({"pk": {"S": "DESKAUDIT#aes"}, "sk": {"S": "x"}}) == []


def test_what_cannot_be_repaired_is_said(request_: requests.Request) -> None:
    before = stored()
    seat = key_of(before, "SEATS", request_)
    live = {**before[seat], "state": {"S": "confirmd"}}
    assert damage.obstacle(live, before[seat], NOW) == ""
    assert damage.obstacle(live, None, NOW) == damage.NOT_IN_COPY
    assert damage.obstacle(live, live, NOW) == damage.DAMAGED_IN_COPY
    due = {"erase_at": {"N": "1"}}
    assert damage.obstacle({**live, **due}, {**before[seat], **due}, NOW) == damage.DUE
    person = before[key_of(before, "PERSON", request_)]
    assert damage.obstacle({**person, "details": {"S": "?"}}, {**person, **due}, NOW) == ""  # it stays longer since
    endless = {name: value for name, value in before[seat].items() if name != "until"}
    assert damage.obstacle({**endless, "state": {"S": "pending"}}, endless, NOW) == damage.CHANGED_SINCE


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("SEATS", "hold", {"S": "another"}),
        ("SEATS", "hold", None),
        ("SEATS", "person", {"S": "another"}),
        ("SEATS", "arrived_at", {"N": "1796025600000"}),
        ("PERSON", "filed_at", {"N": "1796025600001"}),
        ("PERSON", "generation", {"N": "1"}),
        ("PERSON", "seat", {"S": "aes.20261216.0900.1"}),
        ("SERVICES", "by_day_from", {"S": "2027-W11"}),
        ("SERVICES", "by_day_from", None),
    ],
)
def test_an_item_of_another_request_or_layout_is_not_replaced(
    request_: requests.Request, kind: str, name: str, value: dict[str, str] | None
) -> None:
    before = stored()
    key = key_of(before, kind, request_)
    wrong = {"SEATS": "state", "PERSON": "details", "SERVICES": "document"}[kind]
    live = {**before[key], wrong: {"S": "?"}}
    assert damage.obstacle(live, before[key], NOW) == ""
    changed = {**live, name: value} if value else {each: of for each, of in live.items() if each != name}
    assert damage.obstacle(changed, before[key], NOW) == damage.CHANGED_SINCE


def test_what_was_confirmed_since_does_not_become_pending_again(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    del service
    request = filed()
    pending = stored()
    seat, person = key_of(pending, "SEATS", request), key_of(pending, "PERSON", request)
    requests.confirm(request.token, now=NOW)
    set_attribute(seat, "opens_at", {"S": "?"})
    repair(pending)
    assert stored()[seat] == {**pending[seat], "state": {"S": "confirmed"}}
    set_attribute(seat, "state", {"S": "?"})
    set_attribute(person, "sent", {"S": "confirm convocation"})
    dynamodb_client().delete_table(TableName=COPY)
    repair(pending)
    assert f"{' '.join(seat)}: not repaired: {damage.CHANGED_SINCE}" in capsys.readouterr().out.splitlines()
    table = stored()
    table[person]["hold"] = {"S": "of another request"}
    assert restore.plan_repairs(pending, table, NOW)[1] == {}
    live = stored()[seat]
    assert damage.obstacle(live, pending[seat], NOW) == ""
    assert damage.obstacle(live, pending[seat], NOW + timedelta(days=3)) == damage.CHANGED_SINCE  # its time was over


def test_a_pause_and_other_newer_attributes_stay(request_: requests.Request) -> None:
    before = stored()
    key = key_of(before, "SERVICES", request_)
    service_store.pause("aes", {"fr": "Nous revenons à midi."})
    paused = stored()[key]
    set_attribute(key, "document", {"S": "?"})
    repair(before)
    assert stored()[key] == paused


def test_a_request_without_the_moment_at_which_it_ends_is_damaged(request_: requests.Request) -> None:
    before = stored()
    seat = before[key_of(before, "SEATS", request_)]
    endless = {name: value for name, value in seat.items() if name != "until"}
    assert damage.damaged_attributes(endless) == []
    for state in ("held", "pending"):
        assert damage.damaged_attributes({**endless, "state": {"S": state}}) == ["until"]
    lock = before[key_of(before, "EMAIL", request_)]
    assert damage.damaged_attributes({name: value for name, value in lock.items() if name != "person"}) == ["person"]


def test_an_identity_that_is_damaged_must_be_in_the_copy(request_: requests.Request) -> None:
    before = stored()
    seat = before[key_of(before, "SEATS", request_)]
    live = {**seat, "hold": {"N": "5"}}
    assert damage.obstacle(live, seat, NOW) == ""
    freed = {name: value for name, value in seat.items() if name != "hold"}
    assert damage.obstacle(live, freed, NOW) == damage.CHANGED_SINCE


def test_a_person_who_was_erased_since_does_not_come_back(
    request_: requests.Request, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored()
    personal_data.erase(request_.token, NOW)
    seat = key_of(before, "SEATS", request_)
    set_attribute(seat, "opens_at", {"S": "?"})
    person = key_of(before, "PERSON", request_)
    left = {**before[person], "details": {"S": "?"}}
    dynamodb_client().put_item(TableName=TABLE, Item=left)  # as if half of it had stayed
    repair(before)
    lines = capsys.readouterr().out.splitlines()
    assert f"{' '.join(seat)}: not repaired: {damage.CHANGED_SINCE}" in lines
    assert f"{' '.join(person)}: not repaired: {damage.WITHOUT_REQUEST}" in lines
    assert lines[-1] == "     0 repaired"
    assert stored()[person] == left


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", {"S": "open"}), ("reminded", {"BOOL": True}), ("until", None), ("note", {"S": "of an older version"})],
)
def test_a_newer_write_is_never_replaced(request_: requests.Request, name: str, value: dict[str, Any] | None) -> None:
    before = stored()
    key = key_of(before, "SEATS", request_)
    before[key]["note"] = {"S": "of the copy"}
    set_attribute(key, "until", {"S": "soon"})
    read = stored()[key]
    set_attribute(key, name, value)
    written = stored()[key]
    assert not damage.replace(TABLE, read, before[key], client=dynamodb_client())
    assert stored()[key] == written
    assert damage.replace(TABLE, written, before[key], client=dynamodb_client())


def test_an_item_that_is_deleted_meanwhile_stays_deleted(request_: requests.Request) -> None:
    before = stored()
    key = key_of(before, "EMAIL", request_)
    client = dynamodb_client()
    client.delete_item(TableName=TABLE, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})
    assert not damage.replace(TABLE, {**before[key], "seat": {"S": "?"}}, before[key], client=client)


def test_an_item_that_was_written_meanwhile_is_said(
    request_: requests.Request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored()
    set_attribute(key_of(before, "SEATS", request_), "state", None)
    monkeypatch.setattr(damage, "replace", lambda *_args, **_names: False)
    repair(before)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{' '.join(key_of(before, 'SEATS', request_))}: not repaired: {damage.WRITTEN_MEANWHILE}",
        "     0 repaired",
    ]


def test_deleted_items_are_put_back_beside_damaged_ones_once_their_seat_is_repaired(
    request_: requests.Request, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stored()
    lock, person = key_of(before, "EMAIL", request_), key_of(before, "PERSON", request_)
    live = deepcopy(before)
    live[person]["seat"] = {"N": "1"}
    del live[lock]
    assert list(restore.lost(before, live, NOW)) == [before[lock]]
    live[key_of(before, "SEATS", request_)]["state"] = {"S": "?"}
    assert list(restore.lost(before, live, NOW)) == []
    set_attribute(person, "seat", {"N": "1"})
    client = Copying(before)
    client.restore_table_to_point_in_time(TargetTableName=COPY)
    restore.compare_tables(TABLE, COPY, client=client, write=False, now=NOW)
    assert "     1 damaged: run this with --damaged first" in capsys.readouterr().out.splitlines()


def test_a_damaged_item_of_the_copy_is_not_put_back(request_: requests.Request) -> None:
    before = stored()
    key = key_of(before, "SEATS", request_)
    live = {other: item for other, item in before.items() if other != key}
    assert before[key] in list(restore.lost(before, live, NOW))
    before[key] = {**before[key], "state": {"S": "?"}}
    assert list(restore.lost(before, live, NOW)) == []


@pytest.mark.parametrize("words", [[], ["--put-back"], ["--damaged", "--put-back"]])
def test_only_naming_damaged_items_needs_no_moment(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        restore.main(["test", *words])
    assert ended.value.code == 2
    assert "name a moment. Only --damaged without --put-back needs none" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "name", "value"), [row for row in WRONG if row[0] == "SEATS"])
def test_the_repair_of_an_item_calls_for_no_letter(
    request_: requests.Request, kind: str, name: str, value: dict[str, str] | None
) -> None:
    before = stored()
    seat = before[key_of(before, kind, request_)]
    damaged = {other: sound for other, sound in seat.items() if other != name} | ({name: value} if value else {})
    assert outbox.letter_due(damaged, seat) is None
    assert outbox.letter_due({**seat, "state": {"S": "pending"}}, seat) is not None


def test_no_value_of_a_damaged_item_is_printed(request_: requests.Request, capsys: pytest.CaptureFixture[str]) -> None:
    before = stored()
    person = key_of(before, "PERSON", request_)
    details = json.loads(before[person]["details"]["S"])
    set_attribute(person, "details", {"S": json.dumps({**details, "birth_date": "17 May"})})
    repair(before)
    shown = capsys.readouterr().out
    assert "damaged in details" in shown
    assert not any(value in shown for value in (AWA.first_name, AWA.last_name, AWA.email, "17 May", details["phone"]))


@pytest.mark.usefixtures("request_")
def test_a_moment_may_follow_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    before = stored()
    set_attribute((service_items.SERVICES, "aes"), "document", None)  # it is never due for erasure
    restore.main(["test", "--damaged", "2026-11-30T08:55:00+01:00"], client=Copying(before))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "     1 can be repaired: run this again with --damaged --put-back"
    assert lines[-1].startswith("to delete the copy: aws dynamodb delete-table --table-name guichet-test-")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "words", "error"),
    [
        ("SEATS", "state", ("status",), "ValueError"),
        ("SEATS", "opens_at", ("status",), "ValueError"),
        ("PERSON", "details", ("requests", "find", "--name", "awa exemple"), "JSONDecodeError"),
        ("SERVICES", "document", ("services", "list"), "JSONDecodeError"),
    ],
)
def test_a_command_that_meets_a_damaged_item_says_so_in_one_line(
    request_: requests.Request, kind: str, name: str, words: tuple[str, ...], error: str
) -> None:
    set_attribute(key_of(stored(), kind, request_), name, {"S": "?"})
    service_store.clear_caches()
    ran = ops(*words)
    line = f"{error}; damaged items in the table: 1. Name them with `python -m infra.ops.restore test --damaged`"
    assert (ran.code, ran.err) == (1, f"guichet: {line}\n")


@pytest.mark.usefixtures("request_")
def test_a_mistake_of_a_command_is_not_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr(service_store, "read_all", fail)
    with pytest.raises(ValueError, match="a mistake"):
        ops("services", "list")


def test_who_may_not_read_all_items_sees_the_error(request_: requests.Request) -> None:
    set_attribute(key_of(stored(), "SEATS", request_), "state", None)
    denied = calls(client_error("AccessDeniedException"), operation="Scan")
    with denied, pytest.raises(KeyError, match="state"):
        ops("day", "aes", "2026-12-17")
