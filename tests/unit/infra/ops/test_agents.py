"""The commands `agents`: an operator makes the first administrator, and whoever follows."""

import pytest

from chalicelib.desk import accounts
from chalicelib.domain.agent import Role
from chalicelib.storage import service_store
from tests.conftest import document
from tests.unit.infra.ops.bookings import NOW
from tests.unit.infra.ops.program import audit_items, ops, table_without_audit

ADD = ("agents", "add", "agnes@example.org", "Agnès Exemple", "administrator", "--service", "aes")


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    service_store.put(document())


def test_an_account_is_added_listed_changed_and_removed() -> None:
    assert ops(*ADD).out == "agnes@example.org is administrator of aes.\n"
    assert ops("agents", "add", "denis@example.org", "Denis", "administrator", "--service", "aes").code == 0
    assert ops("agents", "role", "denis@example.org", "viewer", "--service", "aes").code == 0
    listed = ops("agents", "list", "--json").json["agents"]
    assert [(agent["email"], agent["roles"], agent["signed_in_at"]) for agent in listed] == [
        ("agnes@example.org", {"aes": "administrator"}, None),
        ("denis@example.org", {"aes": "viewer"}, None),
    ]
    assert "never" in ops("agents", "list").out
    assert ops("agents", "remove", "denis@example.org", "--service", "aes").code == 0
    assert [account.email for account in accounts.all_open()] == ["agnes@example.org"]
    assert {"agents add", "agents role", "agents remove", "agents list"} == {item["what"] for item in audit_items()}
    assert "example.org" not in str(audit_items())
    acts = ops("agents", "audit", "aes", NOW.date().isoformat(), "--json").json["acts"]
    assert sorted((act["agent"], act["facts"]["before"], act["facts"]["after"]) for act in acts) == [
        ("operator", "administrator", "viewer"),
        ("operator", "none", "administrator"),
        ("operator", "none", "administrator"),
        ("operator", "viewer", "none"),
    ]
    assert "operator" in ops("agents", "audit", "aes", NOW.date().isoformat()).out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (ADD, "agnes@example.org has a role in one of these services: use `agents role`"),
        (("agents", "add", "agnes", "A", "agent", "--service", "aes"), "agnes is no e-mail address that can"),
        (("agents", "add", "a@example.org", "A", "agent", "--service", "none"), "there is no service none"),
        (("agents", "remove", "x@example.org", "--service", "aes"), "x@example.org has no account"),
        (("agents", "role", "agnes@example.org", "agent", "--service", "b"), "agnes@example.org has no role in b"),
        (("agents", "remove", "agnes@example.org", "--service", "aes"), "is the last administrator of aes"),
        (("agents", "role", "agnes@example.org", "agent", "--service", "aes"), "is the last administrator of aes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_changes_nothing(words: tuple[str, ...], line: str) -> None:
    assert ops(*ADD).code == 0
    before = table_without_audit()
    ran = ops(*words)
    assert (ran.code, ran.err.count("\n"), line in ran.err) == (1, 1, True)
    assert table_without_audit() == before
    account = accounts.find("agnes@example.org")
    assert account
    assert account.roles == {"aes": Role.ADMINISTRATOR}
