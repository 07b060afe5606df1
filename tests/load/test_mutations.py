"""Every broken copy of the service still applies, and an edit that does not apply is an error."""

import ast
import inspect

import pytest

from chalicelib.storage import seat_expressions
from tests.load import calls
from tests.load.mutants import MUTANTS, Mutant, broken
from tests.load.mutations import (
    Edit,
    MutationError,
    argument,
    call,
    compare,
    drop,
    mutate_source,
    never,
    rebind,
    return_instead,
    subtract_nothing,
)

SOURCE = """
def rule(seat: Seat, now: datetime) -> bool:
    late = seat.until < now - SKEW and seat.held
    if late or seat.opens > now:
        return False
    return check(seat.key, now) & (seat.state == FREE) & (seat.state == OPEN)
"""


@pytest.mark.parametrize("copy", [*MUTANTS, *calls.MUTANTS], ids=lambda copy: copy.name)
def test_every_broken_copy_of_the_service_applies_and_is_taken_back(copy: Mutant) -> None:
    originals = [getattr(change.owner, change.function) for change in copy.changes]
    with broken(copy):
        for change, original in zip(copy.changes, originals, strict=True):
            assert getattr(change.owner, change.function).__code__.co_code != original.__code__.co_code
    assert [getattr(change.owner, change.function) for change in copy.changes] == originals


@pytest.mark.parametrize("edit", [drop("State.OPEN"), drop("SeatItem.until")])
def test_every_broken_hold_that_the_storm_deploys_applies(edit: Edit) -> None:
    mutate_source(inspect.getsource(seat_expressions), "is_free", [edit])


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (drop("until"), "late = seat.held"),
        (drop("state", "FREE"), "return check(seat.key, now) & (seat.state == OPEN)"),
        (never("opens"), "if False:"),
        (never("held"), "late = seat.until < now - SKEW and False"),
        (compare("until", "<", "<="), "late = seat.until <= now - SKEW and seat.held"),
        (subtract_nothing("SKEW"), "late = seat.until < now and seat.held"),
        (call("check", "{Seat}.closed"), "return seat.closed & (seat.state == FREE) & (seat.state == OPEN)"),
        (
            argument("check", 1, "{Seat}.end"),
            "return check(seat.key, seat.end) & (seat.state == FREE) & (seat.state == OPEN)",
        ),
        (return_instead("True"), "return True"),
        (rebind("now", "EARLIER"), "now = EARLIER"),
    ],
    ids=lambda value: value.description if isinstance(value, Edit) else "",
)
def test_an_edit_changes_one_expression_and_nothing_else(edit: Edit, line: str) -> None:
    before, after = (
        ast.unparse(ast.parse(text)).splitlines() for text in (SOURCE, mutate_source(SOURCE, "rule", [edit]))
    )
    changed = [text.strip() for text in after if text not in before]
    assert changed == [line]


@pytest.mark.parametrize(
    ("edit", "count"),
    [
        (drop("gone"), 0),
        (drop("state"), 2),
        (compare("until", ">", ">="), 0),
        (never("now"), 2),
        (rebind("then", "0"), 0),
    ],
    ids=lambda value: value.description if isinstance(value, Edit) else str(value),
)
def test_an_edit_that_does_not_apply_exactly_once_is_an_error(edit: Edit, count: int) -> None:
    with pytest.raises(MutationError, match=f"applies {count} times"):
        mutate_source(SOURCE, "rule", [edit])


def test_an_edit_of_a_function_or_a_parameter_that_is_gone_is_an_error() -> None:
    with pytest.raises(MutationError, match="there is no function gone"):
        mutate_source(SOURCE, "gone", [drop("until")])
    with pytest.raises(MutationError, match="annotated with Token"):
        mutate_source(SOURCE, "rule", [call("check", "{Token}.seat")])
