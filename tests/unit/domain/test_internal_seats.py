"""Seats that only the desk gives: which ones they are, when they open to the public, and what follows a change."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from chalicelib.domain import codec, figures, lifecycle, seat_changes, timetable
from chalicelib.domain.seat import BY_OPERATOR, Seat, SeatKey, State
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service
from tests.conftest import MONDAY, draw_document
from tests.unit.domain.timetables import AES, NOW, desk, key, moment, service

WEEK = "2026-W51"
"""Tuesday 15 and Thursday 17 December, 30 seats each at two desks; it opened on MONDAY."""
HOUR = timedelta(hours=1)


def plannings(internal: int = 4, **until: Any) -> list[dict[str, Any]]:
    (planning,) = desk({"days": ["tuesday", "thursday"], "from": "09:15", "to": "10:30"}, desks=(1, 2))
    return [{**planning, "internal": internal, **({"internal_until": until} if until else {})}]


NEVER = service(plannings=plannings())
RELEASED = service(plannings=plannings(days_before=3, at="09:00"))
"""The internal seats of Tuesday open to the public on Saturday at 9:00, those of Thursday on Monday."""


def internal(of: Service, week: str = WEEK) -> list[SeatKey]:
    return sorted(timetable.internal_seats(of, week))


def changes(of: Service, seats: list[Seat], now: datetime = NOW, week: str = WEEK) -> list[seat_changes.SeatChange]:
    return list(seat_changes.changes_of_week(of, week, seats, now, create=True))


def after(of: Service, seats: list[Seat], now: datetime = NOW) -> dict[SeatKey, Seat]:
    """Return the seats once the rules have been applied."""
    by_key = {seat.key: seat for seat in seats}
    for change in changes(of, seats, now):
        by_key[change.seat.key] = replace(
            change.seat, state=State.CLOSED if change.kind is ChangeKind.CLOSE else change.seat.state
        )
    return by_key


def as_planned(of: Service) -> list[Seat]:
    return [Seat(key, at) for key, at in timetable.plan(of, WEEK).items()]


def test_internal_seats_are_spread_over_the_day_and_taken_from_the_desks_in_turn() -> None:
    assert [f"{each.day:%a} {each.start:%H:%M} {each.unit}" for each in internal(NEVER)] == [
        *("Tue 09:20 1", "Tue 09:40 2", "Tue 10:00 1", "Tue 10:20 2"),
        *("Thu 09:20 1", "Thu 09:40 2", "Thu 10:00 1", "Thu 10:20 2"),
    ]
    assert internal(AES) == []


def test_each_day_has_as_many_internal_seats_as_the_planning_says() -> None:
    for count in range(30):
        keys = internal(service(plannings=plannings(count)))
        assert Counter(each.day.isoweekday() for each in keys) == Counter({2: count, 4: count})


def test_each_planning_keeps_its_own_seats() -> None:
    first = desk({"days": ["tuesday"], "from": "09:15", "to": "10:30"}, desks=(1,))
    second = desk({"days": ["tuesday"], "from": "09:15", "to": "10:30"}, desks=(2,))
    two = service(plannings=[{**first[0], "internal": 3}, {**second[0], "internal": 1}])
    assert Counter(each.unit for each in internal(two)) == {1: 3, 2: 1}


def test_the_moments_share_the_seats_that_are_not_internal() -> None:
    moments = [{"day": "monday", "at": "09:00", "seats": 40}, {"day": "wednesday", "at": "09:00"}]
    shared = service(plannings=plannings(), release={"weeks_ahead": 2, "moments": moments})
    assert timetable.releases(shared, WEEK) == ((MONDAY, 40), (MONDAY + timedelta(days=2), 12))
    planned = timetable.plan(shared, WEEK)
    assert list(planned) == timetable.planned_seats(shared, WEEK)
    assert {planned[each] for each in internal(shared)} == {shared.start_of(each) for each in internal(shared)}


@pytest.mark.parametrize(
    ("at", "day", "opens"),
    [
        ("09:00", "2026-03-31", "2026-03-28T08:00+00:00"),  # the clocks change on the Sunday between
        ("09:00", "2026-04-02", "2026-03-30T07:00+00:00"),
        ("02:30", "2026-04-01", "2026-03-29T01:30+00:00"),  # a time that this Sunday does not have
        ("02:30", "2026-10-28", "2026-10-25T00:30+00:00"),  # a time that it has twice
    ],
)
def test_internal_seats_open_to_the_public_at_the_local_time_of_the_file(at: str, day: str, opens: str) -> None:
    (planning,) = desk({"days": ["tuesday", "wednesday", "thursday"], "from": "09:15", "to": "10:30"})
    of = service(plannings=[{**planning, "internal": 1, "internal_until": {"days_before": 3, "at": at}}])
    (seat,) = [each for each in internal(of, key(day).week) if str(each.day) == day]
    assert timetable.plan(of, seat.week)[seat] == timetable.public_at(of, seat) == moment(opens)


def test_an_internal_seat_opens_to_the_public_no_sooner_than_its_week_and_no_later_than_its_slot() -> None:
    early = service(plannings=plannings(days_before=200, at="09:00"))
    late = service(plannings=plannings(days_before=0, at="23:00"))
    assert {timetable.public_at(early, each) for each in internal(early)} == {MONDAY}
    assert all(timetable.public_at(late, each) == late.start_of(each) for each in internal(late))


def test_a_holiday_has_no_internal_seats_and_a_day_closed_in_part_keeps_the_share_of_what_remains() -> None:
    thursday = {"first": "2026-12-17", "from": "09:15", "to": "09:55"}
    closed = service(plannings=plannings(), closures=[thursday], holidays=["2026-12-15"])
    keys = internal(closed)
    assert [f"{each.day:%a} {each.start:%H:%M}" for each in keys] == ["Thu 10:10"]  # 14 of 30 seats remain
    one_desk = service(plannings=plannings(), closures=[{"first": "2026-12-15", "desks": [2]}])
    assert Counter((each.day.isoweekday(), each.unit) for each in internal(one_desk)) == {
        (2, 1): 2,
        (4, 1): 2,
        (4, 2): 2,
    }


def test_a_draw_has_no_internal_seats() -> None:
    assert internal(codec.service_from_document(draw_document(plannings=plannings()))) == []


def test_a_seat_is_internal_until_its_release_and_a_seat_that_had_opened_stays_public() -> None:
    each = internal(RELEASED)[0]
    release = timetable.public_at(RELEASED, each)
    seat = Seat(each, release)
    assert timetable.is_internal(RELEASED, seat, release - HOUR)
    assert not timetable.is_internal(RELEASED, seat, release)
    assert not timetable.is_internal(RELEASED, Seat(each, release + HOUR, past_state=State.CANCELLED), release)
    assert not timetable.is_internal(RELEASED, Seat(each, MONDAY), NOW)
    assert not timetable.is_internal(RELEASED, replace(seat, reserve="closing"), NOW)
    assert not timetable.is_internal(AES, seat, NOW)


# The release of the week


def test_the_next_release_and_the_crowd_know_no_internal_seat() -> None:
    saturday = moment("2026-12-12T08:00+00:00")
    assert timetable.public_at(RELEASED, internal(RELEASED)[0]) == saturday
    assert timetable.next_release(RELEASED, saturday - HOUR) == moment("2026-12-14T08:00+00:00")
    assert not timetable.has_crowd(RELEASED, saturday)


# Changes of the file


def test_a_file_that_makes_seats_internal_takes_none_that_has_opened_and_moves_those_to_come() -> None:
    seats = as_planned(AES)
    assert changes(NEVER, seats) == []
    earlier = MONDAY - HOUR
    moved = after(NEVER, seats, earlier)
    assert Counter(change.kind for change in changes(NEVER, seats, earlier)) == {ChangeKind.MOVE: 8}
    assert {each: seat.opens_at for each, seat in moved.items()} == timetable.plan(NEVER, WEEK)
    assert changes(NEVER, list(moved.values()), earlier) == []


def test_internal_seats_that_the_file_gives_up_open_at_once_and_those_that_somebody_has_stay() -> None:
    seats = as_planned(NEVER)
    booked = next(number for number, seat in enumerate(seats) if seat.key in internal(NEVER))
    seats[booked] = replace(seats[booked], state=State.CONFIRMED)
    opened = after(service(plannings=plannings(0)), seats)
    assert Counter(seat.opens_at for seat in opened.values() if seat.state is State.OPEN) == {MONDAY: 59}
    assert opened[seats[booked].key] == seats[booked]


def test_another_release_of_internal_seats_moves_those_that_have_not_opened() -> None:
    moved = after(RELEASED, as_planned(NEVER))
    assert {each: seat.opens_at for each, seat in moved.items()} == timetable.plan(RELEASED, WEEK)


def test_a_seat_that_came_back_to_the_desk_follows_the_file_after_the_time_in_which_a_freed_seat_returns() -> None:
    seats = as_planned(NEVER)
    each = next(number for number, seat in enumerate(seats) if seat.key in internal(NEVER))
    seats[each] = replace(seats[each], past="h", past_state=State.CANCELLED)
    assert changes(NEVER, seats) == []
    two_days = AES.limits.return_before
    assert after(service(plannings=plannings(0)), seats)[seats[each].key].opens_at == NOW + two_days
    released = after(RELEASED, seats)[seats[each].key]
    assert released.opens_at == timetable.public_at(RELEASED, released.key)


def test_the_secret_moment_of_a_freed_seat_stays_when_its_file_makes_it_internal() -> None:
    public, given_back = as_planned(AES), NOW + 40 * HOUR
    public[2] = replace(public[2], opens_at=given_back, past="h", past_state=State.CANCELLED)
    late = replace(public[3], opens_at=AES.start_of(public[3].key).astimezone(UTC), past_state=State.CANCELLED)
    now = late.opens_at - 51 * HOUR + timedelta(seconds=1)  # freed a second ago, too late to open again
    assert lifecycle.return_moment(NEVER, late.key, now - timedelta(seconds=1), 0.5) == late.opens_at
    public[3] = late
    for of in (NEVER, service(plannings=plannings(0))):
        kept = after(of, public, now)
        assert (kept[public[2].key].opens_at, kept[late.key].opens_at) == (given_back, late.opens_at)


# A seat that is given back


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_an_internal_seat_that_is_given_back_does_not_open_before_its_release(fraction: float) -> None:
    each = internal(RELEASED)[0]
    release = timetable.public_at(RELEASED, each)
    assert lifecycle.return_moment(RELEASED, each, NOW, fraction) == release
    assert lifecycle.return_moment(NEVER, each, NOW, fraction) == NEVER.start_of(each)
    near = release - HOUR  # the secret moment comes later than the release
    assert lifecycle.return_moment(RELEASED, each, near, fraction) == max(
        lifecycle.return_moment(AES, each, near, fraction), release
    )
    assert lifecycle.return_moment(RELEASED, each, release + HOUR, fraction) == lifecycle.return_moment(
        AES, each, release + HOUR, fraction
    )


# Public figures


def test_the_figures_count_an_internal_seat_once_the_public_could_take_it() -> None:
    def opened(of: Service, **values: Any) -> int:
        seats = [replace(seat, **values) if seat.key in internal(of) else seat for seat in as_planned(of)]
        week = figures.of_week(of, WEEK, seats, None)
        assert [release["seats"] for release in week["releases"]][:1] == [52]
        count: int = week["opened"]
        return count

    assert opened(NEVER) == 52
    assert opened(RELEASED) == 60
    booked = {"state": State.SEEN, "filed_at": NOW}
    assert opened(NEVER, **booked) == opened(RELEASED, **booked) == 52
    assert opened(RELEASED, state=State.SEEN, filed_at=NOW + timedelta(days=14)) == 60
    assert opened(NEVER, opens_at=MONDAY) == 60  # opened before the file made them internal


def test_the_figures_of_a_release_leave_out_what_the_desk_gave_before_it() -> None:
    of = service(plannings=plannings(6, days_before=3, at="09:00"))
    seats, given = as_planned(of), internal(of)[:7]  # all six of Tuesday and one of Thursday
    seats = [replace(seat, state=State.SEEN, filed_at=NOW) if seat.key in given else seat for seat in seats]
    releases = figures.of_week(of, WEEK, seats, None)["releases"]
    assert [(release["opens_at"][:10], release["seats"]) for release in releases] == [
        ("2026-11-30", 48),
        ("2026-12-14", 5),
    ]


def test_the_figures_do_not_count_a_seat_that_was_added_for_a_walk_in() -> None:
    seat = Seat(SeatKey(date(2026, 12, 15), time(11), 1, "aes"), MONDAY, State.SEEN, filed_at=NOW, extra=True)
    walk_in = replace(seat, opens_at=AES.start_of(seat.key))
    assert figures.of_week(AES, WEEK, [seat], None)["opened"] == 1
    assert figures.of_week(AES, WEEK, [walk_in], None)["opened"] == 0
    assert figures.of_week(AES, WEEK, [replace(walk_in, state=State.CLOSED, closed=BY_OPERATOR)], None)["opened"] == 0
