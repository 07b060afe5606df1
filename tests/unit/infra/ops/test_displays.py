"""The commands `displays`: an operator makes the link of a screen, lists the links and revokes one."""

import pytest

from chalicelib.desk import displays
from chalicelib.storage import service_store
from tests.conftest import document
from tests.unit.infra.ops.bookings import NOW
from tests.unit.infra.ops.program import audit_items, ops, table_without_audit


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    service_store.put(document())


def test_a_link_is_made_listed_and_revoked() -> None:
    made = ops("displays", "add", "aes", "Salle  A", "--json").json
    shown = displays.find(made["path"].removeprefix("/display/"), NOW)
    assert (shown.id, shown.place, shown.made_by) == (made["id"], "Salle A", "operator")
    assert [link["place"] for link in ops("displays", "list", "aes", "--json").json["displays"]] == ["Salle A"]
    listed = ops("displays", "list", "aes").out
    assert ("Salle A" in listed, made["path"][-52:] in listed + str(audit_items())) == (True, False)
    assert ops("displays", "revoke", "aes", made["id"]).out == f"{made['id']} is revoked.\n"
    assert ops("displays", "list", "aes").out == "No screen has a link.\n"
    acts = ops("agents", "audit", "aes", NOW.date().isoformat(), "--json").json["acts"]
    assert [act["act"] for act in acts] == ["display add", "display revoke"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("add", "none", "Salle A"), "there is no service none"),
        (("add", "aes", " "), "the place of a screen has 1 to 60 characters"),
        (("add", "aes", "x" * 61), "the place of a screen has 1 to 60 characters"),
        (("revoke", "aes", "0123456789ab"), "aes has no link 0123456789ab: `displays list aes` shows them"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_changes_nothing(words: tuple[str, ...], line: str) -> None:
    before = table_without_audit()
    ran = ops("displays", *words)
    assert (ran.code, ran.err.count("\n"), line in ran.err) == (1, 1, True)
    assert table_without_audit() == before
