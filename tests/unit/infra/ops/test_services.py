"""Service files and releases by the operator program."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.booking import schedule
from chalicelib.domain.seat import BY_RULES, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_maintenance, seat_store, service_store
from chalicelib.storage.service_items import ServiceItem
from infra.servicefile import reader
from tests.conftest import MONDAY, document, fill
from tests.unit.infra.ops.bookings import ERASED, NOW, book, key
from tests.unit.infra.ops.program import audit_items, extra, ops, table_without_audit, whole_table
from tests.unit.infra.servicefile.samples import GOOD, changed

AES = changed(("id: essai", "id: aes"), ('{department: "42"}', '{department: "67"}'))

OPENS = (
    "  week 2026-W49: 48 seats, open as soon as they are created",
    "  week 2026-W50: 48 seats, open as soon as they are created",
    "  week 2026-W51: 30 seats, open as soon as they are created",
    "  week 2026-W51: 18 seats, open Thursday 3 December 2026 18:00",
    "  week 2026-W52: 24 seats, open Monday 7 December 2026 09:00",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of two services in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aes.yaml").write_text(AES, "utf-8")
    (tmp_path / "essai.yaml").write_text(GOOD, "utf-8")
    return tmp_path


@pytest.fixture
def placed(folder: Path, table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """The service of aes.yaml in place, with its seats."""
    read = reader.read([folder / "aes.yaml"], today=date(2026, 11, 30))
    put = service_store.put(read.documents[0])
    fill(put, NOW)
    return put


def write(folder: Path, *changes: tuple[str, str]) -> None:
    (folder / "aes.yaml").write_text(changed(*changes, of=AES), "utf-8")


def put(*words: str) -> Any:
    """The one service in the JSON of `services put`."""
    (service,) = ops("services", "put", "aes.yaml", "--json", *words).json["services"]
    return service


# Check


@pytest.mark.usefixtures("folder")
def test_correct_files_are_accepted_without_a_table() -> None:
    assert ops("services", "check", "aes.yaml", "essai.yaml", "--stage", "none").out == "All files are correct.\n"
    ran = ops("services", "check", "aes.yaml", "essai.yaml", "--json")
    assert (ran.code, ran.json) == (0, {"services": ["aes", "essai"], "warnings": []})


@pytest.mark.parametrize("command", ["check", "put"])
@pytest.mark.usefixtures("table")
def test_each_mistake_is_named_by_its_line_and_nothing_is_put(folder: Path, command: str) -> None:
    write(folder, ("slot_minutes: 5", "slot_minutes: 0"))
    ran = ops("services", command, "essai.yaml", "aes.yaml")
    line = "aes.yaml:4: `slot_minutes` is the number 0. Set `slot_minutes` to a whole number of minutes from 1 to 480."
    assert (ran.code, ran.out, ran.err) == (1, "", f"guichet: {line}\n")
    (mistake,) = ops("services", command, "essai.yaml", "aes.yaml", "--json").json["mistakes"]
    assert (mistake["file"], mistake["line"]) == ("aes.yaml", 4)
    assert whole_table() == []


def test_a_warning_is_printed_on_stderr(folder: Path) -> None:
    write(folder, (', en: "Trial"', ""))
    ran = ops("services", "check", "aes.yaml")
    assert (ran.code, ran.out) == (0, "All files are correct.\n")
    assert ran.err == "notice: aes.yaml:2: no text in en: the French text is shown. Add a text in en.\n"


# Put


@pytest.mark.usefixtures("folder", "table")
def test_new_services_are_put_together_with_their_effects() -> None:
    ran = ops("services", "put", "aes.yaml", "essai.yaml", "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "aes: a new service",
        "  168 seats to create",
        *OPENS,
        "  public: on the home page from now on",
        "essai: a new service",
        "  168 seats to create",
        *OPENS,
        "  public: on the home page from now on",
        "In place: aes, essai.",
    ]
    assert {service.id for service in service_store.read_all(NOW)} == {"aes", "essai"}
    assert [row.sk for row in ServiceItem.query("SERVICES")] == ["aes", "essai"]
    assert audit_items()[0]["arguments"] == {"services": ["aes", "essai"]}


@pytest.mark.usefixtures("folder", "table")
def test_a_hidden_service_becomes_public_when_its_file_is_put_without_hidden() -> None:
    ran = ops("services", "put", "aes.yaml", "--hidden", "--yes")
    assert "  hidden: not on the home page; only visitors who know its URL can book" in ran.out.splitlines()
    assert ran.out.splitlines()[-1] == (
        "To list them on the home page, put the same files without --hidden and without `listing: hidden`."
    )
    assert service_store.read("aes", NOW).hidden
    assert ops("services", "put", "aes.yaml", "--hidden").out.splitlines()[0] == "aes: nothing changes"
    shown = ops("services", "put", "aes.yaml", "--yes").out.splitlines()
    assert "    listing: hidden -> none (on the home page or hidden)" in shown
    assert "  public: on the home page from now on" in shown
    assert not service_store.read("aes", NOW).hidden


@pytest.mark.usefixtures("folder", "table")
def test_the_json_of_a_new_service_says_when_its_seats_open() -> None:
    new = put("--dry-run")
    assert (new["new"], new["hidden"], new["opens"][-1]) == (
        True,
        False,
        {"week": "2026-W52", "opens_at": "2026-12-07T08:00:00.000Z", "seats": 24},
    )
    assert sum(release["seats"] for release in new["opens"]) == 168


@pytest.mark.usefixtures("placed")
def test_a_file_that_is_in_place_changes_nothing_and_asks_nothing() -> None:
    ran = ops("services", "put", "aes.yaml")
    assert (ran.code, ran.out) == (0, "aes: nothing changes\n")
    assert audit_items() == []


def test_changed_rules_and_seats_are_shown_before_anything_is_written(folder: Path, placed: Service) -> None:
    book(key("2026-12-08", "09:15"))
    extra(key("2026-12-08", "11:00"), NOW)
    book(key("2026-12-08", "11:00"), 2)
    write(folder, ('from: "09:15"', 'from: "09:20"'), ("hold_seconds: 180", "hold_seconds: 240"))
    before = table_without_audit()
    dry = put("--dry-run")
    assert dry == {
        "id": "aes",
        "new": False,
        "hidden": False,
        "by_day_from": None,
        "opens": [],
        "internal": {},
        "rules": [
            {"rule": "plannings", "before": plannings("09:15"), "after": plannings("09:20")},
            {"rule": "times.hold_seconds", "before": 180, "after": 240},
        ],
        "applicants": [{"rule": "times.hold_seconds", "before": 180, "after": 240}],
        "seats": {"close": 13, "move": 10, "kept": 1},
        "weeks": {
            "2026-W49": {"go": 4},
            "2026-W50": {"go": 3, "booked outside the new hours": 1},
            "2026-W51": {"go": 4, "open at another moment": 10},
            "2026-W52": {"go": 2},
        },
        "outside": [{"reference": "AES-00001-AAAAA", "start": "2026-12-08T08:15:00.000Z", "desk": 1}],
    }
    refused = ops("services", "put", "aes.yaml")
    assert refused.code == 1
    lines = refused.err.splitlines()
    assert lines[:5] == [
        "aes: an existing service",
        "  plannings",
        "  for applicants:",
        "    times.hold_seconds: 180 -> 240 (seconds for the captcha)",
        "  10 seats to open at another moment, 13 seats to close",
    ]
    assert "  week 2026-W50: 3 go, 1 booked outside the new hours" in lines
    assert lines[-3:-1] == [
        "  1 seat kept: booked outside the new hours",
        "    AES-00001-AAAAA: Tuesday 8 December 2026 09:15, desk 1",
    ]
    assert table_without_audit() == before
    assert placed.limits.hold == timedelta(seconds=180)


@pytest.mark.usefixtures("placed")
def test_a_changed_text_is_shown_with_what_it_loses_and_gains(folder: Path) -> None:
    write(folder, ('intro: {fr: "Texte", fr-x-facile: "Texte", en: "Text"', 'intro: {fr: "Autre", en: "Text"'))
    assert ops("services", "put", "aes.yaml", "--dry-run").out.splitlines()[1:7] == [
        "  for applicants:",
        "    intro.fr",
        "      - Texte",
        "      + Autre",
        "    intro.fr-x-facile",
        "      - Texte",
    ]


@pytest.mark.usefixtures("placed")
def test_seats_that_become_internal_are_counted_by_week(folder: Path) -> None:
    write(folder, ("desks: [1, 2]\n", "desks: [1, 2]\n    internal: 3\n"), ("seats: 30", "seats: 20"))
    assert put("--dry-run")["weeks"]["2026-W52"] == {"become internal": 3, "open at another moment": 1}
    assert "week 2026-W52: 1 open at another moment, 3 become internal" in ops("services", "put", "aes.yaml").err


def plannings(start: str) -> list[dict[str, Any]]:
    hours = {
        "days": ["tuesday", "thursday"],
        "from": start,
        "to": "10:30",
        "breaks": [{"from": "10:00", "to": "10:15"}],
    }
    return [{"desks": [1, 2], "openings": [hours]}]


@pytest.mark.usefixtures("placed")
def test_the_announced_effect_is_what_the_release_then_does(folder: Path) -> None:
    book(key("2026-12-08", "09:15"))
    write(folder, ('from: "09:15"', 'from: "09:20"'))
    effect = put("--yes")["seats"]
    assert effect.pop("kept") == 1
    assert audit_items()[0]["arguments"] == {"services": ["aes"], "rules": ["plannings"]}
    assert ops("release", "run", "aes", "--dry-run", "--json").json["services"] == {"aes": effect}
    assert ops("release", "run", "--json").json == {"dry_run": False, "services": {"aes": effect}}
    assert ops("release", "run", "aes", "--json").json["services"] == {"aes": {}}
    assert seat_store.read(key("2026-12-08", "09:15")).state is State.CONFIRMED
    assert seat_store.read(key("2026-12-08", "09:15", unit=2)).state is State.CLOSED
    assert [item["counts"] for item in audit_items()].count(effect) == 1


@pytest.mark.usefixtures("folder", "table")
def test_all_files_are_put_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(Exception):
        pass

    saved = []

    def update(_writes: object, row: ServiceItem, **_actions: object) -> None:
        saved.append(row.sk)
        if len(saved) > 1:
            raise Cut

    monkeypatch.setattr("pynamodb.transactions.TransactWrite.update", update)
    with pytest.raises(Cut):
        ops("services", "put", "aes.yaml", "essai.yaml", "--yes")
    assert list(ServiceItem.query("SERVICES")) == []
    assert [item["outcome"] for item in audit_items()] == ["failed"]


# List


@pytest.mark.usefixtures("table")
def test_the_services_of_a_stage_are_listed_with_their_next_release() -> None:
    assert ops("services", "list").out == "There is no service.\n"
    service_store.put(document())
    ran = ops("services", "list")
    assert "Exceptional admission" in ran.out
    assert "Monday 7 December 2026 09:00" in ran.out
    (service,) = ops("services", "list", "--json").json["services"]
    assert (service["id"], service["desks"], service["next_release"]) == ("aes", [1, 2], "2026-12-07T08:00:00.000Z")


# Releases


@pytest.mark.usefixtures("placed")
def test_a_preview_lists_each_release_with_its_seats_desks_and_week() -> None:
    assert ops("release", "preview", "aes", "--weeks", "2").out.splitlines() == [
        "Thursday 3 December 2026 18:00: 18 seats, 2 desks, week 2026-W51",
        "Monday 7 December 2026 09:00: 24 seats, 2 desks, week 2026-W52",
    ]


@pytest.mark.usefixtures("placed")
def test_a_preview_leaves_out_weeks_that_are_closed_and_is_right_in_summer() -> None:
    ran = ops("release", "preview", "aes", "--weeks", "6", "--json")
    weeks = ["2026-W51", "2026-W52", *("2027-W01", "2027-W02", "2027-W03", "2027-W04") * 2]
    assert sorted(release["week"] for release in ran.json["releases"]) == sorted(weeks)
    summer = ops("release", "preview", "aes", "--weeks", "1", "--json", now=MONDAY.replace(year=2027, month=6, day=28))
    assert summer.json["releases"][0]["opens_at"] == "2027-07-01T16:00:00.000Z"


@pytest.mark.usefixtures("service")
def test_a_preview_counts_what_operators_closed_and_added() -> None:
    coming = key("2026-12-22", "09:15")
    extra(key("2026-12-22", "11:00", unit=3), MONDAY + timedelta(days=7))
    assert seat_store.create(coming, MONDAY + timedelta(days=7), ERASED)
    assert seat_maintenance.close(coming, "office", NOW)
    (first,) = ops("release", "preview", "aes", "--weeks", "1", "--json").json["releases"]
    assert first == {"opens_at": "2026-12-07T08:00:00.000Z", "week": "2026-W52", "seats": 60, "desks": 3}


@pytest.mark.usefixtures("table")
def test_a_preview_of_a_service_that_is_closed_for_a_year_says_so() -> None:
    service_store.put(document(closures=[{"first": "2026-01-01", "last": "2028-12-31"}]))
    ran = ops("release", "preview", "aes")
    assert (ran.code, ran.out) == (0, "Nothing opens within a year.\n")


@pytest.mark.usefixtures("table")
def test_a_preview_never_tells_when_a_freed_seat_returns(service: Service) -> None:
    book(key("2026-12-10", "09:15"))
    back = NOW + timedelta(hours=13)
    assert seat_store.end_request(seat_store.read(key("2026-12-10", "09:15")), State.WITHDRAWN, back, NOW)
    for closed in (False, True):  # a seat that the rules closed meanwhile comes back too
        assert not closed or seat_maintenance.close(key("2026-12-10", "09:15"), BY_RULES, NOW)
        assert back.isoformat()[:16] not in json.dumps(ops("release", "preview", service.id, "--json").json)


@pytest.mark.usefixtures("service")
def test_a_release_run_by_hand_makes_what_the_clock_would() -> None:
    due = len(schedule.changes(service_store.read("aes", NOW), NOW))
    ran = ops("release", "run", "aes")
    assert (ran.code, ran.err) == (0, "")
    assert str(due) in ran.out
    assert schedule.changes(service_store.read("aes", NOW), NOW) == []
