"""Percentiles by nearest rank, for all load tools."""

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value", int, float)


def percentile(values: Sequence[Value], percent: int) -> Value:
    """Return the smallest of the values that at least this percentage of all values does not exceed.

    `percent` is from 1 to 100. The values can be in any order. Raise ValueError if there are none: they have no
    percentile.
    """
    if not values or not 1 <= percent <= 100:
        raise ValueError(f"there is no percentile {percent} of {len(values)} values")
    rank = -(-percent * len(values) // 100)  # rounded up, in whole numbers: 0.07 * 100 is more than 7
    return sorted(values)[rank - 1]
