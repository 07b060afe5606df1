"""The rule of the draw: which entry gets which seat. A pure function of the public record of a draw."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

ANY = "any"
"""The preference of an applicant who takes every half-day."""
_NOON = "12:00"


@dataclass(frozen=True, slots=True)
class FrozenEntry:
    """An entry in one draw, without personal data. `waited` counts the earlier draws that the receipt lost."""

    receipt: str
    waited: int
    preferences: tuple[str, ...]
    """Half-days such as `2026-12-15-am`, or `any`, most wanted first."""


@dataclass(frozen=True, slots=True)
class Result:
    """The rank of an entry, from 1, and the seat that it gets, such as `2026-12-15T09:15/001`, if any."""

    rank: int
    receipt: str
    seat: str | None


Score = Callable[[str], bytes]
"""The score of a receipt. The smallest comes first."""


def half_day(seat: str) -> str:
    """Return the half-day of a seat: `2026-12-15-am` if it starts before 12:00 in local time, else `…-pm`."""
    day, start = seat[:10], seat[11:16]
    return f"{day}-{'am' if start < _NOON else 'pm'}"


def score_of(randomness: bytes, seed: bytes, root: bytes) -> Score:
    """Return the score of this draw: SHA-256 of the randomness, the seed, the root and the receipt in ASCII."""
    return lambda receipt: sha256(randomness + seed + root + receipt.encode("ascii")).digest()


def order(entries: Iterable[FrozenEntry], seats: int, seniority_percent: int, score: Score) -> list[FrozenEntry]:
    """Return the entries by rank.

    The entries that waited longest come first: as many as `seniority_percent` of the seats (rounded down), if they lost
    at least one draw. Everybody else follows by score, which also decides between entries that waited equally long.
    """
    by_score = sorted(entries, key=lambda entry: score(entry.receipt))
    waiting = sorted((entry for entry in by_score if entry.waited), key=lambda entry: -entry.waited)
    first = waiting[: seniority_percent * seats // 100]
    receipts = {entry.receipt for entry in first}
    return first + [entry for entry in by_score if entry.receipt not in receipts]


def assign(ranked: Iterable[FrozenEntry], seats: Sequence[str]) -> list[Result]:
    """Give each entry, by rank, the first free seat of the first of its preferences that has one. Time: linear."""
    taken: set[str] = set()
    lists: dict[str, list[str]] = {ANY: list(reversed(seats))}
    for seat in reversed(seats):
        lists.setdefault(half_day(seat), []).append(seat)

    def take(preference: str) -> str | None:
        remaining = lists.get(preference, [])
        while remaining:
            if (seat := remaining.pop()) not in taken:
                taken.add(seat)
                return seat
        return None

    def first_seat(entry: FrozenEntry) -> str | None:
        return next(filter(None, map(take, entry.preferences)), None)

    return [Result(rank, entry.receipt, first_seat(entry)) for rank, entry in enumerate(ranked, start=1)]
