"""What is counted of a week that is over, and what stays hidden about small groups."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from chalicelib.domain import codec, figures, timetable
from chalicelib.domain.figures import DrawCounts
from chalicelib.domain.seat import Seat, State
from tests.conftest import MONDAY, document, draw_document

SERVICE = codec.service_from_document(document())
WEEK = "2026-W51"
"""60 seats on Tuesday 15 and Thursday 17 December, which open on MONDAY."""
SEATS = [Seat(key, opens_at) for key, opens_at in timetable.plan(SERVICE, WEEK).items()]


def taken(count: int, state: State = State.CONFIRMED, **values: Any) -> list[Seat]:
    """Return the seats of the week. This many of them are in this state, each held 9 seconds after the release."""
    had = {"state": state, "holds_had": 1, "first_at": MONDAY + timedelta(seconds=9), "filed_at": MONDAY, **values}
    return [replace(seat, **had) if number < count else seat for number, seat in enumerate(SEATS)]


def counted(seats: Sequence[Seat], draw: DrawCounts | None = None) -> figures.Figures:
    return figures.of_week(SERVICE, WEEK, seats, draw)


def test_a_full_week_is_counted() -> None:
    assert counted(taken(60)) == {
        "week": WEEK,
        "allocation": "first_come",
        "opened": 60,
        "held": 60,
        "confirmed": 60,
        "freed": 0,
        "expired": 0,
        "recorded": None,
        "honoured": None,
        "days_waited": {"median": 15, "nine_of_ten": 17},
        "walk_ins": 0,
        "waiting_minutes": None,
        "draw": None,
        "releases": [{"opens_at": "2026-11-30T09:00:00+01:00", "seats": 60, "seconds_until_full": 9}],
    }


def test_a_week_without_seats_has_only_zeros() -> None:
    week = counted([])
    assert [week[name] for name in ("opened", "held", "confirmed", "freed", "expired")] == [0] * 5
    assert (week["days_waited"], week["releases"]) == (None, [])


@pytest.mark.parametrize("state", [State.OPEN, State.HELD, State.PENDING, State.CLOSED])
def test_only_a_request_that_was_confirmed_is_an_appointment(state: State) -> None:
    assert (counted(taken(60, state))["confirmed"], counted(taken(60, state))["held"]) == (0, 60)


def test_a_closed_seat_counts_as_opened_only_if_somebody_had_it() -> None:
    assert counted(taken(20, State.CLOSED, holds_had=0))["opened"] == 40
    assert counted(taken(20, State.CLOSED))["opened"] == 60


def test_what_the_desk_records_later_counts_as_an_appointment_and_says_who_came() -> None:
    outcomes = [State.SEEN] * 33 + [State.INCOMPLETE] * 7 + [State.MISSED] * 8
    seats = [replace(seat, state=outcome) for seat, outcome in zip(taken(60)[:48], outcomes, strict=True)]
    week = counted([*seats, *taken(60)[48:]])
    assert (week["confirmed"], week["recorded"], week["honoured"]) == (60, 45, 40)


def test_the_wait_on_site_ends_with_the_first_call_and_needs_ten_people() -> None:
    arrived = MONDAY + timedelta(days=15)
    seats = [
        replace(seat, arrived_at=arrived, called_at=arrived + timedelta(minutes=number, seconds=59))
        for number, seat in enumerate(taken(60, State.SEEN)[:50])
    ]
    assert counted(seats)["waiting_minutes"] == {"median": 24, "nine_of_ten": 44}
    assert counted(seats[:9])["waiting_minutes"] is None
    seen_without_a_call = [replace(seat, called_at=None) for seat in seats]
    taken_back = [replace(seat, state=State.OPEN) for seat in seats]
    assert counted(seen_without_a_call)["waiting_minutes"] is counted(taken_back)["waiting_minutes"] is None


def test_a_walk_in_is_an_appointment_that_was_filed_on_its_day_and_too_late_for_the_public() -> None:
    late = [replace(seat, filed_at=SERVICE.start_of(seat.key) - timedelta(minutes=10)) for seat in taken(60)]
    assert (counted(late)["walk_ins"], counted(late[:9])["walk_ins"]) == (60, 5)
    day_before = [replace(seat, filed_at=SERVICE.start_of(seat.key) - timedelta(days=1)) for seat in taken(60)]
    assert counted(day_before)["walk_ins"] == 0
    assert counted([replace(seat, state=State.PENDING) for seat in late])["walk_ins"] == 0
    same_day = codec.service_from_document(document(times={"notice_hours": 0}))
    assert figures.of_week(same_day, WEEK, late, None)["walk_ins"] == 0


def test_no_count_of_people_tells_a_small_group_from_none_at_all() -> None:
    """Compare weeks that differ only by one to four people in one of the counts."""
    for few in range(5):
        seats = taken(few)
        seats[30:35] = [
            replace(seat, freed=few > number, expired=few > number) for number, seat in enumerate(SEATS[30:35])
        ]
        week = counted(seats, DrawCounts(60, few, [1] * few, is_drawn=True))
        assert [week[name] for name in ("held", "confirmed", "freed", "expired", "days_waited")] == [0, 0, 0, 0, None]
        assert week["draw"] == {"seats": 60, "entries": 0, "chance_percent": None, "draws_until_drawn": None}


def test_no_number_from_one_to_four_follows_by_subtraction() -> None:
    """Whoever knows that at most all open seats were booked cannot tell how many people did not come."""
    missed_by_published: dict[tuple[int, int, int], set[int]] = {}
    for opened in range(50, 60):
        for booked, came in product(range(opened + 1), repeat=2):
            if came <= booked:
                published = opened, figures.rounded(booked), figures.rounded(came)
                missed_by_published.setdefault(published, set()).add(booked - came)
    certain = {missed.pop() for missed in missed_by_published.values() if len(missed) == 1}
    assert certain == {0}


def test_a_quantile_has_at_least_five_people_on_each_side() -> None:
    assert figures.spread(range(9)) is None
    assert figures.spread(range(10)) == {"median": 4, "nine_of_ten": None}
    assert figures.spread(range(49)) == {"median": 24, "nine_of_ten": None}
    assert figures.spread(reversed(range(50))) == {"median": 24, "nine_of_ten": 44}


def test_the_chance_follows_from_what_is_published_and_is_never_over_100_percent() -> None:
    def chance(seats: int, entries: int, *, is_drawn: bool = True) -> float | None:
        percent: float | None = counted(SEATS, DrawCounts(seats, entries, [], is_drawn=is_drawn))["draw"][
            "chance_percent"
        ]
        return percent

    assert {chance(60, entries) for entries in range(1230, 1235)} == {4.9}
    assert {chance(60, entries) for entries in range(60, 65)} == {96.8}
    assert (chance(60, 20), chance(0, 20)) == (100.0, 0.0)
    assert chance(60, 1230, is_drawn=False) is None


def test_a_week_that_was_drawn_has_no_release_and_says_how_many_draws_it_took() -> None:
    week = counted(taken(60), DrawCounts(60, 1230, [1] * 30 + [4] * 25 + [9] * 5, is_drawn=True))
    assert (week["allocation"], week["releases"]) == ("draw", [])
    assert week["draw"]["draws_until_drawn"] == {"median": 1, "nine_of_ten": 4}


def test_a_release_that_never_was_full_says_so() -> None:
    assert counted(taken(59))["releases"][0]["seconds_until_full"] is None


def test_a_release_is_left_out_if_the_rules_have_changed_since() -> None:
    moved = [replace(seat, opens_at=seat.opens_at + timedelta(hours=1)) for seat in taken(60)]
    assert counted(moved)["releases"] == []
    given_back = [replace(moved[0], freed=1), *taken(60)[1:]]
    assert [release["seats"] for release in counted(given_back)["releases"]] == [60]


def test_a_service_that_draws_has_no_release_although_its_unused_seats_open_at_their_start() -> None:
    hours = {"days": ["thursday"], "from": "10:00", "to": "10:05"}
    draws = codec.service_from_document(draw_document(plannings=[{"desks": [1, 2, 3, 4, 5, 6], "openings": [hours]}]))
    seats = [Seat(key, opens_at) for key, opens_at in timetable.plan(draws, WEEK).items()]
    assert len(seats) == 6
    assert figures.of_week(draws, WEEK, seats, None)["releases"] == []


def test_a_release_of_fewer_than_five_seats_is_left_out() -> None:
    assert counted(taken(4)[:4])["releases"] == []
    assert [release["seats"] for release in counted(taken(5)[:5])["releases"]] == [5]


@pytest.mark.parametrize(
    ("now", "weeks"),
    [
        (datetime(2026, 12, 22, 22, 59, 59, tzinfo=UTC), ["2026-W48", "2026-W49", "2026-W50"]),
        (datetime(2026, 12, 22, 23, 0, tzinfo=UTC), ["2026-W49", "2026-W50", WEEK]),
        (datetime(2027, 1, 12, 23, 0, tzinfo=UTC), ["2026-W52", "2026-W53", "2027-W01"]),
        (datetime(2026, 10, 27, 23, 0, tzinfo=UTC), ["2026-W41", "2026-W42", "2026-W43"]),
    ],
)
def test_a_week_is_due_from_two_days_after_its_end_until_its_first_seat_is_erased(
    now: datetime, weeks: list[str]
) -> None:
    assert figures.weeks_due(SERVICE, now)[-3:] == weeks


def test_a_service_that_erases_its_seats_within_the_week_has_no_figures() -> None:
    brief = codec.service_from_document(document(times={"erase_days": 8}))
    assert figures.weeks_due(brief, datetime(2026, 12, 23, 12, tzinfo=UTC)) == []
