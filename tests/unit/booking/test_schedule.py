"""The schedules may be missed, late, repeated or simultaneous. A seat still opens once, at its time."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

import app
from chalicelib.booking import figures, holds, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import calendar, refusals
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store, service_store
from chalicelib.storage.items import SeatItem
from tests.conftest import MONDAY, UNREACHABLE, calls, document
from tests.unit.booking.steps import BEN, NOW, filed, hold

WEEK = "2026-W51"
"""Opens on MONDAY."""
SCHEDULED = dict.fromkeys(("id", "account", "source", "time", "region", "version"), "") | {
    "resources": [],
    "detail": {},
    "detail-type": "",
}


@pytest.fixture
def small(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Four seats a week."""
    hours = {"days": ["thursday"], "from": "10:00", "to": "10:10"}
    return service_store.put(document(plannings=[{"desks": [1, 2], "openings": [hours]}]))


def offered(service: Service, now: datetime) -> int:
    """Seats of the week that a visitor may take now."""
    return len(calendar.free_seats(service, seat_store.read_week("aes", WEEK), now))


@pytest.mark.parametrize("fired", [-timedelta(days=6), -timedelta(hours=1), -timedelta(minutes=1)])
def test_seats_made_any_time_ahead_open_at_nine_and_not_a_moment_before(small: Service, fired: timedelta) -> None:
    schedule.release_seats(MONDAY + fired)
    assert offered(small, MONDAY - timedelta(milliseconds=1)) == 0
    assert offered(small, MONDAY) == 4


def test_a_schedule_that_fires_59_seconds_late_opens_nothing_late(small: Service) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    assert offered(small, MONDAY) == 4
    assert schedule.release_seats(MONDAY + timedelta(seconds=59)).get("create") == 4  # the week after's
    assert offered(small, MONDAY + timedelta(seconds=59)) == 4


def test_a_schedule_that_was_missed_for_a_week_makes_the_seats_when_it_comes_back_and_they_are_open(
    small: Service,
) -> None:
    late = MONDAY + timedelta(days=1, hours=3)
    assert offered(small, late) == 0
    schedule.release_seats(late)
    assert offered(small, late) == 4
    assert {seat.opens_at for seat in seat_store.read_week("aes", WEEK)} == {MONDAY}


def test_a_schedule_that_fires_five_times_changes_nothing_after_the_first_and_takes_no_seat_from_anybody(
    small: Service,
) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    hold_before = holds.place(
        "aes", Wish(small.start_of(seat_store.read_week("aes", WEEK)[0].key), conditions_accepted=True), now=MONDAY
    )
    before = seat_store.read_week("aes", WEEK)
    schedule.release_seats(MONDAY)
    for second in range(4):
        assert schedule.release_seats(MONDAY + timedelta(seconds=second)) == {}
    assert seat_store.read_week("aes", WEEK) == before
    assert seat_store.read(hold_before.key).hold == hold_before.digest


@pytest.mark.usefixtures("one_call_at_a_time")
def test_five_that_fire_at_once_make_each_seat_once(small: Service) -> None:
    with ThreadPoolExecutor(5) as threads:
        created = list(threads.map(lambda _: schedule.release_seats(MONDAY - timedelta(minutes=1))["create"], range(5)))
    assert sum(created) == 12
    assert len(seat_store.read_week("aes", WEEK)) == 4
    assert offered(small, MONDAY) == 4


def test_a_visitor_one_millisecond_early_is_told_the_moment(small: Service) -> None:
    schedule.release_seats(MONDAY - timedelta(hours=1))
    start = small.start_of(seat_store.read_week("aes", WEEK)[0].key)
    with pytest.raises(refusals.NotOpenYet) as refusal:
        holds.place("aes", Wish(start, conditions_accepted=True), now=MONDAY - timedelta(milliseconds=1))
    assert refusal.value.opens_at == MONDAY


@pytest.mark.slow
@pytest.mark.usefixtures("table")
def test_a_release_makes_each_seat_once() -> None:
    service_store.put(document())
    assert schedule.release_seats(MONDAY - timedelta(minutes=1)) == {
        "create": 180
    }  # this week's, next week's, the coming one's
    assert schedule.release_seats(MONDAY - timedelta(minutes=1)) == {}
    assert schedule.release_seats(MONDAY) == {"create": 60}  # the week that opens on the Monday after
    assert {seat.opens_at for seat in seat_store.read_week("aes", "2026-W51")} == {MONDAY}


@pytest.mark.usefixtures("service")
def test_the_expiry_ends_expired_holds_and_requests_and_no_others() -> None:
    unfinished, request, confirmed = hold(), filed(start=None), filed(BEN, None)
    requests.confirm(confirmed.token, NOW)
    assert request.confirm_before is not None
    assert schedule.end_expired(NOW + timedelta(seconds=180)) == {"holds": 0, "requests": 0, "reminders": 0}
    assert schedule.end_expired(NOW + timedelta(seconds=186)) == {"holds": 1, "requests": 0, "reminders": 0}
    assert seat_store.read(unfinished.seat.key).state is State.OPEN
    late = request.confirm_before + timedelta(seconds=1)
    assert schedule.end_expired(late, random_fraction=lambda: 0.5) == {"holds": 0, "requests": 1, "reminders": 1}
    assert schedule.end_expired(late) == {"holds": 0, "requests": 0, "reminders": 0}
    assert seat_store.read(request.seat.key).past_state is State.EXPIRED
    assert requests.view(request.token, late).state is State.EXPIRED
    assert requests.view(confirmed.token, late).state is State.CONFIRMED


# One service that cannot be read


def damage(seat: Seat) -> None:
    """Write a state that no version of the service knows."""
    seat_store.update(seat.key, [SeatItem.state.set("broken")], SeatItem.pk.exists())


@pytest.mark.usefixtures("small")
def test_a_damaged_seat_of_one_service_stops_the_schedules_of_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    hours = {"days": ["thursday"], "from": "10:00", "to": "10:10"}
    before, after = (
        service_store.put(document(id=id_, plannings=[{"desks": [1, 2], "openings": [hours]}]))
        for id_ in ("aaa", "zzz")
    )
    schedule.release_seats(MONDAY - timedelta(hours=1))
    damage(seat_store.read_week("aes", WEEK)[0])
    for due in (MONDAY, MONDAY + timedelta(days=7)):
        with pytest.raises(ValueError, match="broken"):
            schedule.release_seats(due)
    assert all(seat_store.read_week(service.id, "2026-W53") for service in (before, after))
    held = [holds.place(service.id, Wish(None, conditions_accepted=True), now=MONDAY) for service in (before, after)]
    with pytest.raises(ValueError, match="broken"):
        schedule.end_expired(MONDAY + timedelta(minutes=30))
    assert [seat_store.read(hold.key).state for hold in held] == [State.OPEN] * 2
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failed = [(event["service"], event["reason"]) for event in events if event["event"] == "service_failed"]
    assert failed == [("aes", "ValueError")] * 3
    assert sum(event["event"] in {"release", "expiry"} for event in events) == 4


@pytest.mark.usefixtures("small")
def test_a_table_that_is_away_ends_a_run_at_the_first_service() -> None:
    service_store.put(document(id="zzz"))
    service_store.read_all(MONDAY)
    with calls(UNREACHABLE) as made, pytest.raises(refusals.Unavailable):
        schedule.end_expired(MONDAY)
    assert len(made) == 1


@pytest.mark.usefixtures("small")
def test_a_release_that_fails_does_not_hold_back_the_figures_nor_an_expiry_the_pulse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = list[str]()

    def fail(_now: datetime) -> None:
        raise ValueError

    for name in ("release_seats", "end_expired"):
        monkeypatch.setattr(schedule, name, fail)
    monkeypatch.setattr(schedule, "beat", lambda _: done.append("pulse"))
    monkeypatch.setattr(figures, "publish", lambda _: done.append("figures"))
    for function in (app.release, app.expiry):
        with pytest.raises(ValueError):  # noqa: PT011  # the error that was raised
            function(SCHEDULED, None)
    assert done == ["figures", "pulse"]
