"""`services pause` and `services resume` of the operator program."""

from pathlib import Path

import pytest

from chalicelib.desk import history
from chalicelib.storage import service_store
from tests.unit.infra.ops.bookings import NOW
from tests.unit.infra.ops.program import audit_items, ops
from tests.unit.infra.servicefile.samples import changed

pytestmark = pytest.mark.usefixtures("service")
MESSAGES = ("--message-fr", "Panne.\nRevenez lundi.", "--message-en", "Out of order.")


def paused() -> object:
    service_store.clear_caches()
    return service_store.read("aes", NOW).paused


def test_a_pause_is_stored_recorded_and_ended() -> None:
    ran = ops("services", "pause", "aes", *MESSAGES, "--yes")
    assert (ran.code, ran.out.splitlines()[1:]) == (
        0,
        ["  fr: Panne. Revenez lundi.", "  en: Out of order.", "Done: visitors see it within a minute."],
    )
    assert paused() == {"fr": "Panne. Revenez lundi.", "en": "Out of order."}
    assert "paused" in ops("services", "list").out
    assert ops("services", "resume", "aes", "--yes", "--json").json["paused"] is False
    assert paused() is None
    assert ops("services", "resume", "aes", "--yes").err == "guichet: aes is not paused\n"
    assert {(change.act, *change.facts.get("languages", ())) for change in history.read("aes")} == {
        ("paused", "fr", "en"),
        ("resumed",),
    }
    assert {(item["what"], item["outcome"]) for item in audit_items()} == {
        ("services pause", "done"),
        ("services resume", "done"),
    }


@pytest.mark.slow
def test_a_pause_outlives_a_new_file(tmp_path: Path) -> None:
    ops("services", "pause", "aes", "--yes")
    file = tmp_path / "aes.yaml"
    file.write_text(changed(("id: essai", "id: aes"), ("hold_seconds: 180", "hold_seconds: 240")), "utf-8")
    assert ops("services", "put", str(file), "--yes").code == 0
    assert paused() == {}
    assert service_store.read("aes", NOW).limits.hold.total_seconds() == 240


def test_the_messages_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "pause.yaml").write_text('fr: "Panne"\nar: "عطل"\n', "utf-8")
    assert ops("services", "pause", "aes", "--messages", str(tmp_path / "pause.yaml"), "--yes").code == 0
    assert paused() == {"fr": "Panne", "ar": "عطل"}


@pytest.mark.parametrize(
    ("words", "file", "problem"),
    [
        (("--message-en", "Out of order."), "", "there is no French message: it is shown where a language is missing"),
        (("--message-fr", " "), "", "the message in fr must be a text of 1 to 500 characters"),
        (("--message-fr", "a" * 501), "", "the message in fr must be a text of 1 to 500 characters"),
        (("--messages", "none.yaml"), "", "none.yaml cannot be read (No such file or directory)"),
        (("--messages", "p.yaml"), "de: Pause", "de is no language of the pages: use fr, fr-x-facile, en, ar, tr"),
        (("--messages", "p.yaml"), "fr: [Panne]", "the message in fr must be a text of 1 to 500 characters"),
        (("--messages", "p.yaml"), "Panne", "p.yaml must have a message by language, like `fr: Texte`"),
        (
            ("--messages", "p.yaml"),
            "fr: a\nfr: b",
            "p.yaml:2: `fr` is there twice, first on line 1. Write each key once",
        ),
        (
            ("--messages", "p.yaml", "--message-fr", "Panne"),
            "fr: Panne",
            "the messages are in the options and in a file: use one of them",
        ),
    ],
)
def test_a_message_that_cannot_be_shown_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    file: str,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if file:
        (tmp_path / "p.yaml").write_text(file, "utf-8")
    ran = ops("services", "pause", "aes", *words, "--yes")
    assert (ran.code, ran.err) == (1, f"guichet: {problem}\n")
    assert paused() is None


def test_nothing_is_paused_without_a_yes_or_in_a_dry_run() -> None:
    ran = ops("services", "pause", "aes", *MESSAGES)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "guichet: nothing was changed: confirm with --yes, or run this at a terminal"
    assert ops("services", "pause", "aes", "--dry-run", "--json").json["dry_run"] is True
    assert paused() is None
    assert audit_items() == []
