"""Explore all interleavings of applicants, two runs of the draw and the clock with `draw_walk`."""

import pytest

from tests.proof import draw_walk


def test_nobody_gets_two_seats_or_loses_one_in_any_order_of_calls() -> None:
    assert len(draw_walk.explore()) == 7_032


@pytest.mark.parametrize("lacks", [pytest.param(name, id=text) for text, name in draw_walk.CONDITIONS.items()])
def test_without_a_condition_the_walk_goes_wrong(lacks: str) -> None:
    with pytest.raises(draw_walk.Wrong):
        draw_walk.explore(lacks)
