"""The operator program enters people who came by post, by phone or in person."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import app
from chalicelib.domain import entry
from chalicelib.domain.seat import State
from chalicelib.web import clock
from tests.unit.allocation.drawing import DRAWN_AT, at, put
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, all_entries, entered
from tests.unit.infra.ops.program import Ran, ops, table_without_audit

FORM = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "birth_date": "1990-05-17",
    "phone": "06 12 34 56 78",
    "language": "tr",
    "preferences": ["tue-am", "any"],
}


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put()
    at(OPENS)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command at a moment; it calls the functions of the service as Lambda does."""

    def run(*words: str, now: datetime = NOW, stdin: str = "") -> Ran:
        monkeypatch.setattr(clock, "clock", lambda: now)

        def invoke(_stage: str, _region: str, name: str, event: Any) -> Any:
            assert name == "office"
            return app.office_function(json.loads(json.dumps(event)), None)

        return ops(*words, now=now, invoke=invoke, stdin=stdin)

    return run


def acts() -> list[dict[str, Any]]:
    """Return the audit, newest first."""
    documents: list[dict[str, Any]] = ops("audit", "--json", now=DRAWN_AT).json["acts"]
    return documents


def enter(run: Any, now: datetime = NOW, **changes: object) -> Ran:
    ran: Ran = run("draws", "enter", "aes", "--by", "post", "--json", now=now, stdin=json.dumps({**FORM, **changes}))
    return ran


def test_somebody_without_an_email_address_is_entered_and_their_receipt_is_printed_in_two_languages(run: Any) -> None:
    ran = run("draws", "enter", "aes", "--by", "phone", stdin=json.dumps(FORM))
    (stored,) = all_entries()
    assert (ran.code, stored.state, stored.preferences) == (0, State.CONFIRMED, ("tue-am", "any"))
    lines = ran.out.splitlines()
    assert f"Votre reçu : {stored.receipt}" in lines
    assert sum(stored.receipt in line for line in lines) == 2


def test_the_audit_says_who_entered_whom_and_how_they_came_without_a_name(run: Any) -> None:
    reference = enter(run).json["reference"]
    act = next(act for act in acts() if act["what"] == "draws enter")
    assert act["arguments"] == {"service": "aes", "by": "post", "reference": reference}
    assert (act["outcome"], act["counts"]) == ("done", {"entered": 1})
    assert "xemple" not in json.dumps(acts())


def test_somebody_with_an_email_address_gets_a_letter_and_proves_it(run: Any) -> None:
    ran = enter(run, email="awa@example.org")
    assert (ran.code, ran.json["receipt"], all_entries()[0].state) == (0, None, State.PENDING)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preferences": ["mon-am"]}, "these fields cannot be used. preferences"),
        ({"birth_date": "17/05/2090"}, "these fields cannot be used. birth_date"),
        ({"email": "awa"}, "these fields cannot be used. email"),
    ],
)
def test_wrong_details_are_refused_by_their_name(run: Any, changes: dict[str, object], words: str) -> None:
    ran = enter(run, NOW, **changes)
    assert (ran.code, words in ran.err, all_entries()) == (1, True, [])


def test_a_person_who_is_in_the_list_and_a_closed_window_are_refused(run: Any) -> None:
    enter(run)
    again, closed = enter(run), enter(run, now=CLOSES, last_name="Exempel")
    assert "guichet: this person, or this e-mail address, is in the list" in again.err
    assert "the window is closed. The next one of aes opens on Thursday 10 December 2026 09:00" in closed.err
    assert next(act for act in acts() if act["what"] == "draws enter")["outcome"] == "refused"


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 9_000, "x" * 20_000])
def test_what_is_not_a_form_is_refused_and_not_repeated(run: Any, text: str) -> None:
    ran = run("draws", "enter", "aes", "--by", "post", stdin=text)
    assert (ran.code, ran.err) == (1, "guichet: the details are not a JSON object: docs/ops.md has an example\n")


def test_the_details_are_read_from_a_file_too(run: Any, tmp_path: Path) -> None:
    (tmp_path / "form.json").write_text(json.dumps(FORM), "utf-8")
    assert run("draws", "enter", "aes", str(tmp_path / "form.json"), "--by", "counter").code == 0
    assert run("draws", "enter", "aes", str(tmp_path / "none.json"), "--by", "counter").code == 1


def test_an_entry_of_the_office_is_changed_renewed_let_go_and_its_receipt_printed_again(run: Any) -> None:
    first = enter(run).json
    reference, later = first["reference"], NOW + timedelta(days=1)
    assert run("draws", "receipt", reference, "--json").json["receipt"] == first["receipt"]
    assert run("draws", "change", reference, "thu-pm", "any", "--json").json["preferences"] == ["thu-pm", "any"]
    assert run("draws", "renew", reference, now=later).code == 0
    (stored,) = all_entries()
    assert (stored.preferences, stored.until) == (("thu-pm", "any"), later + entry.LIFE)
    assert stored.receipt == first["receipt"]
    assert run("requests", "correct", reference, "--last-name", "Exempel", "--yes").code == 0
    assert "No e-mail reaches the applicant: tell them." in run("requests", "cancel", reference, "--yes").out
    refused = run("draws", "change", reference, "any")
    assert (refused.code, refused.err) == (1, f"guichet: {reference} is not in the list\n")


def test_a_change_is_refused_for_a_half_day_without_seats_and_after_the_close(run: Any) -> None:
    reference = enter(run).json["reference"]
    before = table_without_audit()
    assert run("draws", "change", reference, "mon-am").code == 1
    assert run("draws", "change", reference, "any", now=CLOSES).code == 1
    assert run("draws", "change", reference, "any", "--dry-run").code == 0
    assert table_without_audit() == before


def test_an_unproven_entry_is_not_renewed(run: Any) -> None:
    reference = enter(run, email="awa@example.org").json["reference"]
    assert run("draws", "renew", reference).err == "guichet: the entry is not proven yet, or has ended meanwhile\n"


def test_the_list_of_calls_has_the_appointment_and_what_to_say(run: Any) -> None:
    reference = enter(run).json["reference"]
    assert run("draws", "calls", "aes").err == "guichet: aes has no draw that is drawn yet\n"
    at(DRAWN_AT)
    (call,) = run("draws", "calls", "aes", "--json", now=DRAWN_AT).json["calls"]
    assert (call["reason"], call["reference"], call["phone"]) == ("drawn", reference, FORM["phone"])
    assert "Votre rendez-vous est confirmé : mardi 22 décembre 2026, 9\xa0h\xa015" in call["what to say"]
    assert acts()[0]["counts"] == {"people": 1}
    assert run("draws", "calls", "aes", "--csv", now=DRAWN_AT).out.count("\n") == 2
    assert run("draws", "receipt", reference, now=DRAWN_AT).err == f"guichet: {reference} has a seat: confirmed\n"
    shown = run("requests", "show", reference, "--json", now=DRAWN_AT).json
    assert (shown["state"], shown["email"]) == ("confirmed", "")


def test_who_has_an_email_address_is_not_on_the_list_of_calls(run: Any) -> None:
    entered()
    at(DRAWN_AT)
    ran = run("draws", "calls", "aes", now=DRAWN_AT)
    assert (ran.code, ran.out) == (0, "There is nobody to call or write to.\n")
