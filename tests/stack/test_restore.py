"""A drill: items are deleted by mistake and put back.

The emulator always restores the present state of the table, so this test restores before it deletes.
"""

from datetime import UTC, datetime

import pytest

from infra.local.stack import Stack
from infra.ops import damage, restore
from tests.stack.visitor import Visitor, answered, key_of, person


def test_deleted_items_come_back_but_not_those_of_an_applicant_who_was_erased_since(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    table, visitor, at = stack.client("dynamodb"), Visitor(stack), datetime.now(UTC)
    stays, leaves = person(), person()
    for applicant in (stays, leaves):
        visitor.file(applicant)
    restored, erased = visitor.link(stays["email"]), visitor.link(leaves["email"])
    copy = restore.restore(stack.table, at, client=table)
    answered(visitor.post(f"{erased}/erasure"), 200)
    of_stays = {
        key for key, item in damage.read_items(stack.table, client=table).items() if stays["email"] in str(item)
    }
    (person_key,) = {key for key in of_stays if key[0].startswith("PERSON#")}
    table.delete_item(TableName=stack.table, Key=key_of(restored))
    table.delete_item(TableName=stack.table, Key={"pk": {"S": person_key[0]}, "sk": {"S": person_key[1]}})

    restore.main([stack.table.removeprefix("guichet-"), at.isoformat(), "--put-back"], client=table)

    lines = capsys.readouterr().out.splitlines()
    assert f"{copy} exists already" in lines
    assert "     2 put back" in lines
    assert answered(visitor.get(restored), 200)["state"] == "pending"
    assert answered(visitor.get(erased), 200)["state"] == "cancelled"
    assert leaves["email"] not in str(damage.read_items(stack.table, client=table))
    answered(visitor.post(f"{restored}/cancellation"), 200)
    table.delete_table(TableName=copy)
