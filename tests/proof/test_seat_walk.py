"""Explore all interleavings of the calls to the table with `walk`. `test_seat_path` compares the walk with the code."""

import pytest

from tests.long import LONG
from tests.proof import walk

SAME_PERSON, SAME_ADDRESS = (1, 0, 1), (0, 1, 1)


@pytest.mark.parametrize(
    ("takes", "states"),
    [
        (SAME_PERSON, 19_326),
        (SAME_ADDRESS, 16_104),
        pytest.param((2, 0, 1), 193_276, marks=LONG),  # one of the two places a second hold
        pytest.param((0, 1, 2), 160_046, marks=LONG),
    ],
)
def test_one_person_or_one_address_twice_never_gets_two_requests_and_no_seat_is_lost(
    takes: tuple[int, ...], states: int
) -> None:
    assert len(walk.explore(takes=takes, start=walk.STALE)) == states


def test_three_visitors_never_share_a_seat_in_the_first_twenty_thousand_states() -> None:
    assert len(walk.explore(most=20_000)) > 20_000


@LONG
def test_three_visitors_never_share_a_seat_in_any_state_and_no_seat_is_lost() -> None:
    assert len(walk.explore()) == 892_072  # three minutes, one gigabyte of memory


@pytest.mark.parametrize("lacks", [pytest.param(lacks, id=condition) for condition, lacks in walk.CONDITIONS.items()])
def test_without_a_condition_the_walk_goes_wrong(lacks: str) -> None:
    with pytest.raises(walk.Wrong):
        walk.explore(lacks, takes=SAME_ADDRESS if lacks == "lock address" else SAME_PERSON, start=walk.STALE)
