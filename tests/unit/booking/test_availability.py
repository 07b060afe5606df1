"""What looks free: the counts of the open weeks, and the week that a calendar opens with."""

from datetime import datetime, timedelta

import pytest

from chalicelib.booking import availability
from chalicelib.domain import timetable
from chalicelib.domain.service import Service
from chalicelib.storage import recent, seat_store, service_store
from tests.conftest import MONDAY, calls, document, fill, throttled

pytestmark = pytest.mark.slow

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
NOW = MONDAY + SECOND
SATURDAY = NOW + 5 * DAY


def take_all(service: Service, week: str) -> None:
    for seat in seat_store.read_week(service.id, week):
        assert seat_store.take(seat.key, "other", SATURDAY + 30 * DAY, seat.opens_at + SECOND)


def counts(service: Service, now: datetime = NOW) -> list[tuple[str, int | None]]:
    return [(count.week, count.free) for count in availability.open_weeks(service, now)]


def test_every_open_week_is_counted(service: Service) -> None:
    take_all(service, "2026-W50")
    assert counts(service) == [("2026-W49", 30), ("2026-W50", 0), ("2026-W51", 60)]


def test_the_week_in_which_nothing_can_be_offered_any_more_is_not_counted_and_not_opened(service: Service) -> None:
    wednesday = NOW + 2 * DAY  # Thursday 09:15 is less than 49 hours away
    assert [week for week, _ in counts(service, wednesday)] == ["2026-W50", "2026-W51"]
    for week in timetable.open_weeks(service, wednesday):
        take_all(service, week)
    recent.SEATS.clear()
    assert availability.week_calendar("aes", None, wednesday).week == "2026-W50"


def test_a_week_that_is_over_by_the_notice_is_not_read(service: Service) -> None:
    with calls(operation="Query") as names:
        assert availability.first_free(service, SATURDAY)
        assert [week for week, _ in counts(service, SATURDAY)] == ["2026-W50", "2026-W51"]
    assert len(names) == 2


def test_the_calendar_opens_the_first_week_with_something_free(service: Service) -> None:
    take_all(service, "2026-W49")
    take_all(service, "2026-W50")
    calendar = availability.week_calendar("aes", None, NOW)
    assert (calendar.week, calendar.free) == ("2026-W51", 60)


@pytest.mark.usefixtures("service")
def test_a_calendar_reads_the_other_weeks_every_ten_seconds_only() -> None:
    service_store.read("aes", NOW)
    queries = []
    for second in range(21):
        with calls(operation="Query") as names:
            availability.week_calendar("aes", "2026-W50", NOW + second * SECOND)
        queries.append(len(names))
    assert queries == [3, *[1] * 9, 3, *[1] * 9, 3]


def test_the_shown_week_is_counted_as_of_this_second(service: Service) -> None:
    availability.week_calendar("aes", "2026-W50", NOW)
    take_all(service, "2026-W50")
    recent.SEATS.expire(NOW + 2 * SECOND)
    shown = availability.week_calendar("aes", "2026-W50", NOW + 2 * SECOND)
    assert {count.week: count.free for count in shown.weeks}["2026-W50"] == shown.free == 0


@pytest.mark.usefixtures("table")
def test_a_count_ends_when_more_seats_of_its_week_open() -> None:
    moments = [{"day": "monday", "at": "09:00", "seats": 20}, {"day": "monday", "at": "09:01"}]
    service = service_store.put(document(release={"weeks_ahead": 2, "moments": moments}))
    fill(service, MONDAY - DAY)
    before = MONDAY + timedelta(seconds=58)
    assert dict(counts(service, before))["2026-W51"] == 20
    assert dict(counts(service, before + 2 * SECOND))["2026-W51"] == 60


def test_a_week_that_cannot_be_read_is_not_called_full(service: Service) -> None:
    service_store.read("aes", NOW)
    with throttled():
        assert {free for _, free in counts(service)} == {None}
