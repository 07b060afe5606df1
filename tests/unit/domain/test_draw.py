"""The rule of the draw: order, seniority share, preferences, and equal chances."""

import random
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

import pytest

from chalicelib.domain.draw import FrozenEntry, Result, Score, assign, half_day, order, score_of

TUESDAY = ["2026-12-15T09:15/001", "2026-12-15T09:15/002", "2026-12-15T14:00/001"]
CHI_SQUARE_99_OF_19 = 36.19
"""The value that chi-square with 19 degrees of freedom exceeds in 1 % of all cases (NIST handbook, 1.3.6.7.4)."""


def entries(*waited: int, preferences: tuple[str, ...] = ("any",)) -> list[FrozenEntry]:
    """Return entries whose receipts are `a`, `b`, `c`…, with these numbers of lost draws."""
    return [FrozenEntry(chr(ord("a") + number), lost, preferences) for number, lost in enumerate(waited)]


def by_letter(receipt: str) -> bytes:
    """Score a receipt by its letters, so that a test can foresee the order."""
    return receipt.encode()


def receipts(ranked: list[FrozenEntry]) -> str:
    return "".join(entry.receipt for entry in ranked)


@pytest.mark.parametrize(
    ("waited", "seats", "percent", "expected"),
    [
        ((0, 0, 0), 3, 25, "abc"),
        ((0, 1, 2), 4, 25, "cab"),
        ((0, 1, 2), 4, 50, "cba"),
        ((0, 1, 2), 3, 25, "abc"),
        ((0, 2, 2), 4, 25, "bac"),
        ((0, 0, 1), 4, 100, "cab"),
        ((5, 4, 3), 0, 100, "abc"),
        ((), 4, 25, ""),
    ],
    ids=[
        "nobody has waited",
        "a quarter of four seats is one",
        "half of four seats is two",
        "a quarter of three seats is none",
        "equal waits are decided by score",
        "who has not waited has no seniority",
        "no seats",
        "no entries",
    ],
)
def test_a_share_of_the_seats_goes_to_those_who_waited_longest(
    waited: tuple[int, ...], seats: int, percent: int, expected: str
) -> None:
    assert receipts(order(entries(*waited), seats, percent, by_letter)) == expected


def test_the_order_does_not_depend_on_the_order_of_the_list() -> None:
    listed = entries(0, 3, 1, 0, 2, 3)
    shuffled = random.Random(7).sample(listed, len(listed))  # noqa: S311  # not a secret
    assert order(shuffled, 8, 25, by_letter) == order(listed, 8, 25, by_letter)


def test_each_entry_takes_the_first_seat_of_its_first_preference_that_has_one() -> None:
    ranked = [
        FrozenEntry("a", 0, ("2026-12-15-pm", "any")),
        FrozenEntry("b", 0, ("2026-12-15-pm", "2026-12-15-am")),
        FrozenEntry("c", 0, ("2026-12-15-pm",)),
        FrozenEntry("d", 0, ("any",)),
        FrozenEntry("e", 0, ("any",)),
    ]
    assert assign(ranked, TUESDAY) == [
        Result(1, "a", TUESDAY[2]),
        Result(2, "b", TUESDAY[0]),
        Result(3, "c", None),
        Result(4, "d", TUESDAY[1]),
        Result(5, "e", None),
    ]


def test_no_seat_is_given_twice_and_none_is_left_while_somebody_would_take_it() -> None:
    rng = random.Random(3)  # noqa: S311  # not a secret
    seats = [f"2026-12-{day}T{hour:02}:15/001" for day in (15, 17) for hour in (9, 10, 13, 14)]
    half_days = sorted({half_day(seat) for seat in seats})
    ranked = [FrozenEntry(f"r{n}", 0, tuple(rng.sample([*half_days, "any"], 2))) for n in range(12)]
    results = assign(ranked, seats)
    given = [result.seat for result in results if result.seat]
    assert len(given) == len(set(given))
    for entry, result in zip(ranked, results, strict=True):
        if result.seat is None:
            left = {half_day(seat) for seat in seats if seat not in given}
            assert not left.intersection(entry.preferences)
            assert "any" not in entry.preferences or not left


@pytest.mark.parametrize(("start", "half"), [("11:59", "am"), ("12:00", "pm"), ("00:00", "am"), ("23:55", "pm")])
def test_noon_belongs_to_the_afternoon(start: str, half: str) -> None:
    assert half_day(f"2026-12-15T{start}/001") == f"2026-12-15-{half}"


def test_the_score_hashes_randomness_seed_root_and_receipt_in_this_order() -> None:
    score = score_of(b"\x01", b"\x02", b"\x03")
    assert score("abc") == sha256(b"\x01\x02\x03abc").digest()


DRAWS, ENTRIES = 4000, 20


def chi_square(score: Callable[[int], Score], waited: int = 0, percent: int = 25) -> float:
    """Return chi-square, with 19 degrees of freedom, of how often each of 20 entries wins one of 3 seats.

    The seats of a draw go to different entries, so the counts vary less than those of independent throws. The factor
    corrects it: a count has the variance `DRAWS * p * (1 - p)`, and two of them are correlated by -1 / 19.
    """
    listed = entries(*[waited] * ENTRIES)
    wins: Counter[str] = Counter()
    for number in range(DRAWS):
        ranked = order(listed, len(TUESDAY), percent, score(number))
        wins.update(result.receipt for result in assign(ranked, TUESDAY) if result.seat)
    chance = len(TUESDAY) / ENTRIES
    spread = sum((wins[entry.receipt] - DRAWS * chance) ** 2 for entry in listed) / (DRAWS * chance * (1 - chance))
    return spread * (ENTRIES - 1) / ENTRIES


def fair(number: int) -> Score:
    """Return the score of a draw, with a randomness of its own."""
    return score_of(sha256(f"round {number}".encode()).digest(), b"seed", b"root")


@pytest.mark.parametrize(("waited", "percent"), [(0, 25), (2, 67)], ids=["new", "waited equally long"])
def test_every_entry_has_the_same_chance(waited: int, percent: int) -> None:
    """Find a chance that is a third greater (below), at the level of 1 %. It cannot find one that is 2 % greater."""
    assert chi_square(fair, waited, percent) < CHI_SQUARE_99_OF_19


def test_the_statistic_finds_an_entry_whose_chance_is_a_third_greater() -> None:
    def biased(number: int) -> Score:
        """Give one entry a second score in two draws of five. The better one counts."""
        score, again = fair(number), fair(-1 - number)
        favoured = "a" if number % 5 < 2 else ""
        return lambda receipt: min(score(receipt), again(receipt)) if receipt == favoured else score(receipt)

    assert chi_square(biased) > CHI_SQUARE_99_OF_19
