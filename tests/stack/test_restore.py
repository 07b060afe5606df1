"""A drill: half the table is lost by mistake, and comes back.

The engine restores what the table has at that moment, whatever moment is asked for: so this restores before the loss.
"""

from datetime import UTC, datetime

import pytest

from infra.local.stack import Stack
from infra.ops import restore
from tests.stack.visitor import Visitor, answered, key_of, person


def test_what_was_deleted_by_mistake_comes_back_and_who_was_erased_since_does_not(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    table, visitor, at = stack.client("dynamodb"), Visitor(stack), datetime.now(UTC)
    stays, leaves = person(), person()
    for who in (stays, leaves):
        visitor.file(who)
    kept, erased = visitor.link(stays["email"]), visitor.link(leaves["email"])
    beside = restore.restore(stack.table, at, client=table)
    answered(visitor.post(f"{erased}/erasure"), 200)
    of_stays = {key for key, item in restore.items(stack.table, client=table).items() if stays["email"] in str(item)}
    (person_key,) = {key for key in of_stays if key[0].startswith("PERSON#")}
    table.delete_item(TableName=stack.table, Key=key_of(kept))
    table.delete_item(TableName=stack.table, Key={"pk": {"S": person_key[0]}, "sk": {"S": person_key[1]}})

    restore.main([stack.table.removeprefix("guichet-"), at.isoformat(), "--put-back"], client=table)

    said = capsys.readouterr().out.splitlines()
    assert f"{beside} is there already" in said
    assert "     2 put back" in said
    assert answered(visitor.get(kept), 200)["state"] == "pending"
    assert answered(visitor.get(erased), 200)["state"] == "cancelled"
    assert leaves["email"] not in str(restore.items(stack.table, client=table))
    answered(visitor.post(f"{kept}/cancellation"), 200)
    table.delete_table(TableName=beside)


def test_a_moment_without_its_offset_is_refused() -> None:
    with pytest.raises(SystemExit):
        restore.main(["laptop", "2026-11-30T08:55:00"])
