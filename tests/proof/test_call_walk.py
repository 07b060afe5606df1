"""Explore all interleavings of calls with `call_walk`. `test_call_path` compares the walk with the code."""

import pytest

from tests.long import LONG
from tests.proof import call_walk

WAITING = call_walk.start(2, 1, 1)
RECORDED = call_walk.start(1, 2, 1, seats=call_walk.RECORDED)
FURTHER = call_walk.start(2, 2, 1)


@pytest.mark.parametrize(
    ("first", "states"), [(WAITING, 33_909), (RECORDED, 10_519), pytest.param(FURTHER, 186_795, marks=LONG)]
)
def test_nobody_is_at_two_desks_and_every_write_is_a_right_step_at_its_moment(
    first: call_walk.World, states: int
) -> None:
    assert len(call_walk.explore(first)) == states


@pytest.mark.parametrize("lacks", [pytest.param(lacks, id=name) for name, lacks in call_walk.CONDITIONS.items()])
def test_without_a_condition_the_walk_goes_wrong(lacks: str) -> None:
    with pytest.raises(call_walk.Wrong):
        call_walk.explore(RECORDED if lacks == "arrival" else WAITING, lacks)
