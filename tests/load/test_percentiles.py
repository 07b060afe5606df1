"""Tests of the percentiles of the load tools."""

import pytest

from tests.load.percentiles import percentile


@pytest.mark.parametrize(("percent", "value"), [(1, 10), (25, 10), (26, 20), (50, 20), (75, 30), (76, 40), (100, 40)])
def test_a_percentile_is_the_smallest_value_that_so_many_percent_do_not_exceed(percent: int, value: int) -> None:
    assert percentile([40, 10, 30, 20], percent) == value


def test_the_median_of_two_values_is_the_smaller_one() -> None:
    assert percentile([0.7, 0.5], 50) == 0.5


def test_each_percentile_of_a_hundred_values_is_another_value() -> None:
    assert [percentile(range(1, 101), percent) for percent in range(1, 101)] == [*range(1, 101)]


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_no_values_and_no_percentage_have_no_percentile(values: list[int], percent: int) -> None:
    with pytest.raises(ValueError, match=f"there is no percentile {percent} of {len(values)} values"):
        percentile(values, percent)
