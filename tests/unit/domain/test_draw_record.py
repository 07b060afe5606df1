"""The record of a draw: its lists, its root, its promise and its round."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from chalicelib.domain import draw_record
from chalicelib.domain.draw import FrozenEntry, Result
from chalicelib.domain.draw_record import InvalidRecord

A, B = "a" * 26, "b" * 26
CLOSES = datetime(2026, 11, 29, 17, tzinfo=UTC)
RECORD = {
    "service": "aes-tirage",
    "week": "2026-W51",
    "opens": "2026-11-26T09:00:00+01:00",
    "closes": "2026-11-29T18:00:00+01:00",
    "seniority_percent": 25,
    "code": "1.2.0",
    "previous": None,
    "commitment": "ab" * 32,
    "beacon": {"kind": "drand", "chain": draw_record.DRAND_CHAIN},
}


def test_the_lists_are_sorted_and_have_a_line_each() -> None:
    entries = [FrozenEntry(B, 0, ("any",)), FrozenEntry(A, 3, ("2026-12-15-am", "any"))]
    seats = ["2026-12-15T14:00/001", "2026-12-15T09:15/002"]
    assert draw_record.entry_lines(entries) == f"{A};3;2026-12-15-am,any\n{B};0;any\n"
    assert draw_record.seat_lines(seats) == "2026-12-15T09:15/002\n2026-12-15T14:00/001\n"
    results = [Result(1, B, seats[0]), Result(2, A, None)]
    assert draw_record.result_lines(results) == f"1;{B};2026-12-15T14:00/001\n2;{A};-\n"


def test_published_lists_are_read_back() -> None:
    entries = [FrozenEntry(A, 3, ("2026-12-15-am", "any")), FrozenEntry(B, 0, ("any",))]
    seats = ["2026-12-15T09:15/002", "2026-12-15T14:00/001"]
    assert draw_record.parse_entries(draw_record.entry_lines(entries)) == entries
    assert draw_record.parse_seats(draw_record.seat_lines(seats)) == seats
    assert not draw_record.parse_entries("")
    assert not draw_record.parse_seats("")


@pytest.mark.parametrize(
    "text",
    [
        f"{A};0;any",
        f"{A};0;any\n\n",
        f"{A};0;any\n{A};0;any\n",
        f"{B};0;any\n{A};0;any\n",
        f"{A.upper()};0;any\n",
        f"{A};00;any\n",
        f"{A};-1;any\n",
        f"{A};0;\n",
        f"{A};0;tue-am\n",
        f"{A};0;any\r\n",
        f"{A[:-1]};0;any\n",
        f"{A};٠;any\n",
    ],
)
def test_a_malformed_list_of_entries_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecord):
        draw_record.parse_entries(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-15T09:15/1\n",
        "2026-12-15T09:15/001",
        "2026-12-15T09:15/001\n2026-12-15T09:15/001\n",
        "2026-12-15T09:20/001\n2026-12-15T09:15/001\n",
    ],
)
def test_a_malformed_list_of_seats_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecord):
        draw_record.parse_seats(text)


def test_the_root_hashes_the_entries_and_then_the_seats() -> None:
    assert draw_record.root("entries\n", "seats\n") == sha256(b"entries\nseats\n").hexdigest()


@pytest.mark.parametrize(
    "name", ["service", "week", "opens", "closes", "seniority_percent", "code", "commitment", "previous"]
)
def test_the_promise_covers_each_field_that_is_fixed_beforehand(name: str) -> None:
    assert draw_record.promise({**RECORD, name: "other"}) != draw_record.promise(RECORD)


def test_the_promise_covers_the_kind_of_beacon_but_not_its_later_round() -> None:
    drawn = {**RECORD, "beacon": {**RECORD["beacon"], "round": 123, "signature": "00"}, "entries": 5}  # type: ignore[dict-item]
    assert draw_record.promise(drawn) == draw_record.promise(RECORD)
    assert draw_record.promise({**RECORD, "beacon": {"kind": "commitment"}}) != draw_record.promise(RECORD)


def test_the_round_is_the_first_at_or_after_half_an_hour_after_the_close() -> None:
    decided = draw_record.deciding_round(CLOSES, CLOSES + timedelta(minutes=1))
    seconds = (CLOSES + timedelta(minutes=30)).timestamp()
    assert decided.number == -((1_692_803_367 - seconds) // 3) + 1
    assert not decided.late
    assert timedelta(0) <= decided.at - (CLOSES + timedelta(minutes=30)) < timedelta(seconds=3)


def test_a_freeze_that_is_published_late_moves_the_round_and_says_so() -> None:
    in_time, late = CLOSES + timedelta(minutes=20), CLOSES + timedelta(minutes=20, milliseconds=1)
    assert not draw_record.deciding_round(CLOSES, in_time).late
    decided = draw_record.deciding_round(CLOSES, late)
    assert decided.late
    assert timedelta(0) <= decided.at - (late + timedelta(minutes=30)) < timedelta(seconds=3)


def test_a_moment_on_a_round_is_that_round() -> None:
    genesis = datetime.fromtimestamp(1_692_803_367, UTC)
    assert draw_record.deciding_round(genesis - timedelta(minutes=30), genesis - timedelta(minutes=30)).number == 1
