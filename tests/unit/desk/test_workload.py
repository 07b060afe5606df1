"""The figures of a day and a week: by day, by desk, and how long people waited."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from chalicelib.desk import workload
from chalicelib.domain import codec
from chalicelib.domain.seat import Seat, SeatKey, State
from tests.conftest import document

SERVICE = codec.service_from_document(document())
TUESDAY, THURSDAY = date(2026, 12, 15), date(2026, 12, 17)


def seat(day: date, place: tuple[int, int], state: State, waited: int | None = None, desk: int = 0) -> Seat:
    """Return a seat at a minute after ten and a desk; its applicant waited and was called to a desk."""
    key = SeatKey(day, time(10, place[0]), place[1], "aes")
    start = datetime.combine(day, key.start, SERVICE.zone)
    filed = replace(Seat(key, start, state), filed_at=start - timedelta(days=9))
    if waited is None:
        return filed
    return replace(filed, arrived_at=start, called_at=start + timedelta(minutes=waited), called_to=desk)


WEEK = [
    seat(TUESDAY, (0, 1), State.SEEN, 4, 1),
    seat(TUESDAY, (0, 2), State.SEEN, 30, 1),  # expected at desk 2, seen at desk 1
    seat(TUESDAY, (5, 1), State.MISSED),
    seat(TUESDAY, (5, 2), State.INCOMPLETE, 12, 2),
    seat(TUESDAY, (10, 1), State.OPEN),
    seat(TUESDAY, (10, 2), State.CLOSED),
    replace(seat(THURSDAY, (0, 1), State.CALLED, 7, 1), filed_at=datetime(2026, 12, 17, 9, 50, tzinfo=SERVICE.zone)),
    seat(THURSDAY, (0, 2), State.CONFIRMED),
]


def test_a_week_is_counted_as_a_whole() -> None:
    assert workload.of_seats(SERVICE, WEEK) == workload.Workload(
        planned=7, booked=6, walk_ins=1, seen=2, missed=1, incomplete=1, open_=2, waits=4, median=7, most=30
    )


def test_nothing_is_counted_without_seats_and_nobody_waits() -> None:
    assert workload.of_seats(SERVICE, []) == workload.Workload(0, 0, 0, 0, 0, 0, 0, 0, None, None)


@pytest.mark.parametrize(
    ("values", "percent", "rank"),
    [([3], 50, 3), ([3], 95, 3), ([1, 2], 50, 1), (range(1, 21), 95, 19), (range(1, 101), 95, 95), ([1, 2, 3], 95, 3)],
)
def test_a_quantile_is_the_nearest_rank(values: Sequence[int], percent: int, rank: int) -> None:
    assert workload.nearest_rank(list(values), percent) == rank


def test_an_applicant_counts_where_they_were_called_to_and_on_their_day() -> None:
    desks = dict(workload.by_desk(SERVICE, WEEK))
    assert {desk: (part.booked, part.seen, part.median, part.most) for desk, part in desks.items()} == {
        1: (4, 2, 7, 30),
        2: (2, 0, 12, 12),
    }
    days = dict(workload.by_day(SERVICE, WEEK))
    assert {day: (part.booked, part.walk_ins, part.most) for day, part in days.items()} == {
        TUESDAY: (4, 0, 30),
        THURSDAY: (2, 1, 7),
    }


def test_the_file_has_a_line_for_each_day_and_each_of_its_desks_and_no_name() -> None:
    lines = workload.csv_text(SERVICE, WEEK).removeprefix("\ufeff").splitlines()
    assert lines[0].startswith("Jour;Guichet;Places prévues;Rendez-vous;Dont venus sans rendez-vous;Reçus")
    assert lines[1:] == [
        "2026-12-15;tous;5;4;0;2;1;1;0;3;12;30",
        "2026-12-15;1;4;3;0;2;1;0;0;2;4;30",
        "2026-12-15;2;1;1;0;0;0;1;0;1;12;12",
        "2026-12-17;tous;2;2;1;0;0;0;2;1;7;7",
        "2026-12-17;1;1;1;1;0;0;0;1;1;7;7",
        "2026-12-17;2;1;1;0;0;0;0;1;0;;",
    ]
