"""The figures of a week that was played, published once by the hourly schedule."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.booking import figures, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain.figures import Figures
from chalicelib.domain.service import Service
from chalicelib.storage import figure_store, seat_keys, seat_maintenance, seat_store, service_store
from tests.conftest import calls
from tests.unit.booking import steps
from tests.unit.booking.steps import NOW, at_once, hold, somebody

WEEK = "2026-W51"
"""60 seats on Tuesday 15 and Thursday 17 December, which open on MONDAY. The two weeks before have opened as well."""
SETTLED = datetime(2026, 12, 22, 23, 0, tzinfo=UTC)
"""Two days after the end of the week, in Paris."""
A_WEEK = timedelta(weeks=1)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service")]


def published() -> dict[str, Figures]:
    """Return the published figures by week, newest first."""
    return {week["week"]: week for week in figure_store.read_recent("aes")}


def publish(now: datetime = SETTLED) -> dict[str, Figures]:
    """Run the schedule, and return what is published then."""
    service_store.clear_caches()
    figures.publish(now)
    return published()


def test_the_counts_of_a_played_week_are_right(service: Service) -> None:
    seats = seat_store.read_week("aes", WEEK)
    starts = [service.start_of(seat.key) for seat in seats]
    booked = [steps.confirmed(somebody(number), starts[number]) for number in range(10)]
    for number in range(10, 16):
        steps.filed(somebody(number), starts[number])  # nobody confirms it
    for request in booked[:5]:
        requests.cancel(request.token, NOW, random_fraction=lambda: 0.5)
    steps.move(booked[5].token, starts[30])
    hold(wish=Wish(starts[40], conditions_accepted=True))  # it expires
    assert seat_maintenance.close(seats[50].key, "office", NOW)
    assert seat_maintenance.close(seats[51].key, "office", NOW)
    schedule.end_expired(NOW + timedelta(days=3), random_fraction=lambda: 0.5)
    expected = {
        "allocation": "first_come",
        "opened": 58,  # 60, two of which were closed before anybody had them
        "held": 15,  # 10 and 6, the one that moved, and the hold
        "confirmed": 5,
        "freed": 5,  # 5 were cancelled, 1 moved away
        "expired": 5,  # 6
        "days_waited": None,
        "walk_ins": 0,
        "waiting_minutes": None,
        "releases": [{"opens_at": "2026-11-30T09:00:00+01:00", "seats": 58, "seconds_until_full": None}],
        "honoured": None,
        "draw": None,
    }
    week = publish()[WEEK]
    assert {name: week[name] for name in expected} == expected


def test_a_week_is_published_once_and_what_happens_later_does_not_show() -> None:
    before = publish()
    for seat in seat_store.read_week("aes", WEEK):
        seat_keys.seat_item(seat.key).delete()  # as the table does 30 days after
    assert publish(SETTLED + timedelta(hours=1)) == before
    assert publish(SETTLED + 3 * A_WEEK)[WEEK] == before[WEEK]


def test_a_week_is_not_published_before_it_is_settled() -> None:
    assert WEEK not in publish(SETTLED - timedelta(seconds=1))
    assert WEEK in publish(SETTLED)


def test_runs_that_were_missed_for_two_weeks_are_made_up_for() -> None:
    weeks = publish(SETTLED + 2 * A_WEEK)
    assert [(week, figures["opened"]) for week, figures in weeks.items()] == [
        ("2026-W53", 0),
        ("2026-W52", 0),
        (WEEK, 60),
    ]


def test_two_runs_at_once_publish_a_week_once_with_the_same_numbers() -> None:
    at_once(*[lambda: figures.publish(SETTLED)] * 2)
    before = published()
    assert [week["opened"] for week in before.values()] == [60, 60, 60]
    assert not figure_store.publish("aes", {**before[WEEK], "opened": 59})  # a slower run that has read other seats
    assert published() == before


def test_weeks_before_the_service_began_are_not_published_but_a_week_without_seats_after_that_is() -> None:
    assert list(publish(SETTLED - A_WEEK)) == ["2026-W50", "2026-W49"]  # not 2026-W48
    after = publish(SETTLED + A_WEEK)
    assert [(week, after[week]["opened"]) for week in after][:2] == [("2026-W52", 0), (WEEK, 60)]


def test_the_last_26_weeks_are_shown_newest_first() -> None:
    week = publish()[WEEK]
    for number in range(1, 31):
        assert figure_store.publish("aes", {**week, "week": f"2027-W{number:02}"})
    assert list(published()) == [f"2027-W{number:02}" for number in range(30, 4, -1)]


def test_a_run_that_has_nothing_to_publish_costs_one_query() -> None:
    publish()
    figures.publish(SETTLED)
    with calls() as names:
        figures.publish(SETTLED)
    assert names == ["Query"]


def test_nothing_about_a_person_is_published() -> None:
    request = steps.confirmed(somebody(1))
    text = str(publish())
    for secret in ("Exemple", "example.org", request.reference, request.seat.hold, request.seat.person):
        assert secret
        assert secret not in text
