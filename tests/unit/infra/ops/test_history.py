"""The history of the opening hours: what each command adds to it, and how the operator reads it."""

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.desk import accounts, history
from chalicelib.domain.agent import Role
from chalicelib.domain.seat import State
from chalicelib.storage import desk_items, history_store
from chalicelib.storage.items import SeatItem
from chalicelib.storage.seat_keys import seat_item
from tests.unit.infra.ops.bookings import NOW, aes, book, key
from tests.unit.infra.ops.program import ops
from tests.unit.infra.servicefile.samples import changed

CLOSE = ("close", "aes", "2026-12-08", "--yes")
AES = changed(("id: essai", "id: aes"))


def acts() -> list[tuple[str, dict[str, object], dict[str, int] | None]]:
    """Return what the history has, the oldest first."""
    changes = reversed(history.read("aes"))
    return [
        (
            change.act,
            {name: value for name, value in change.facts.items() if name != "rules"},
            dict(change.counts or {}),
        )
        for change in changes
    ]


@pytest.mark.usefixtures("service")
def test_each_command_that_changes_the_hours_is_in_the_history() -> None:
    book(key(start="09:15"))
    minute = timedelta(minutes=1)
    ops(*CLOSE, "--last", "2026-12-10", "--from", "09:15", "--to", "09:20", "--desk", "1", now=NOW)
    ops("seats", "reopen", "aes", "2026-12-10", "--from", "09:15", "--to", "09:20", "--yes", now=NOW + minute)
    ops(
        *("seats", "add", "aes", "2026-12-10", "--from", "11:00", "--to", "11:10", "--desk", "2", "--force", "--yes"),
        now=NOW + 2 * minute,
    )
    hours = {"start": "09:15", "end": "09:20", "desks": []}
    assert acts() == [
        (
            "closing",
            {"first": "2026-12-08", "last": "2026-12-10", **hours, "desks": [1]},
            {"closed": 2, "written_to": 1, "set_aside": 1},
        ),
        ("reopened", {"first": "2026-12-10", "last": "2026-12-10", **hours}, {"reopened": 1}),
        (
            "added",
            {"first": "2026-12-10", "last": "2026-12-10", "start": "11:00", "end": "11:10", "desks": [2]},
            {"made": 2},
        ),
    ]


@pytest.mark.usefixtures("table")
def test_a_service_file_is_in_the_history_with_its_hours_and_without_its_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate((AES, changed(('from: "09:15"', 'from: "09:20"'), ("Essai", "Test"), of=AES))):
        (tmp_path / "aes.yaml").write_text(text, "utf-8")
        assert ops("services", "put", "aes.yaml", "--yes", now=NOW + number * timedelta(minutes=1)).code == 0
    new, old = history.read("aes")
    assert (old.act, old.facts, old.counts) == (history.Act.SERVICE, {"rules": []}, {"put": 1})
    rules = {rule["rule"]: rule for rule in new.facts["rules"]}
    assert rules["plannings"]["after"][0]["openings"][0]["from"] == "09:20"
    assert [rule for name, rule in rules.items() if name != "plannings"] == [{"rule": "name.fr"}]


@pytest.mark.usefixtures("service")
def test_the_history_names_agents_and_says_what_was_interrupted() -> None:
    agnes = accounts.invite("agnes@example.org", "Agnès Exemple", ["aes"], Role.PLANNER, by=None, now=NOW)
    hours = {"first": "2026-12-08", "last": "2026-12-08", "start": "00:00", "end": "23:59", "desks": [2]}
    with history.recorded("aes", agnes.id, history.Act.CLOSING, NOW, **hours) as counts:
        assert history.read("aes")[0].counts is None
        ran = ops("history", "aes")
        assert "interrupted" in ran.out
        counts["closed"] = 3
    ran = ops("history", "aes", "--json")
    (change,) = ran.json["changes"]
    assert (ran.code, change["name"], change["what"], change["counts"]) == (
        0,
        "Agnès Exemple",
        "closing",
        {"closed": 3},
    )
    assert "closed 3" in ops("history", "aes").out
    assert ops("history", "aes", "--since", "2026-12-01").out == "Nothing was changed.\n"
    assert ops("history", "other").code == 1


@pytest.mark.usefixtures("service")
def test_the_history_is_read_in_parts_and_kept_for_two_years() -> None:
    for number in range(3):
        with history.recorded("aes", "agent", history.Act.WALK_IN, NOW + timedelta(minutes=number), seat=f"{number}"):
            pass
    newest, middle, oldest = history.read("aes")
    assert [change.facts["seat"] for change in (newest, middle, oldest)] == ["2", "1", "0"]
    assert history.read("aes", before=middle.key) == [oldest]
    assert history.read("aes", limit=1) == [newest]
    (row,) = history_store.read("aes", "", 1)
    assert row.erase_at == int((newest.at + timedelta(days=730)).timestamp())
    assert row.pk == desk_items.history_partition("aes")


@pytest.mark.usefixtures("service")
def test_a_closing_while_applicants_are_there_or_at_an_unknown_desk_is_refused() -> None:
    book(key(start="09:15"))
    now = aes().start_of(key()) - timedelta(minutes=5)
    seat_item(key(start="09:15")).update([SeatItem.state.set(State.ARRIVED)])
    ran = ops(*CLOSE, now=now)
    assert (ran.code, ran.err) == (
        1,
        "guichet: 1 applicant arrived or called: 0915A. Record what becomes of them first, or close other hours\n",
    )
    assert ops(*CLOSE, "--dry-run", "--json", now=now).json["present"] == ["0915A"]
    assert ops(*CLOSE, "--desk", "9").err == "guichet: aes has no such desk: it has 1, 2\n"
    ran = ops(*CLOSE, "--last", "2026-12-07")
    assert ran.err == "guichet: the last day, Monday 7 December 2026, is before Tuesday 8 December 2026\n"
    assert acts() == []
