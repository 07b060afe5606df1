"""Which seats the desk may give, and that a walk-in never gets one over somebody's."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest

from chalicelib.booking import availability
from chalicelib.desk import history, manual_seats, places
from chalicelib.domain import lifecycle, timetable
from chalicelib.domain.refusals import SlotTaken, TooManyRequests
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, recent, seat_expressions, seat_keys, seat_store, service_store, timetable_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import desk_history_views
from tests.conftest import MONDAY, calls, document, draw_document, fill

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("table")]

NOW = MONDAY + timedelta(seconds=1)
TODAY = datetime.fromisoformat("2026-12-08T10:07+01:00")
"""A Tuesday: the slot of 10:05 runs."""
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def placed(make: Any = document, by_day_from: str | None = None, **changes: Any) -> Service:
    """Put a service in place: slots of 10:00 to 10:20 at two desks on Tuesdays, with one internal seat a day."""
    stored = make(**{"plannings": _hours("10:00", "10:20", internal=1), **changes})
    service = service_store.put(stored, by_day_from=by_day_from)
    fill(service, NOW)
    return service


def _hours(start: str, end: str, **internal: Any) -> list[dict[str, Any]]:
    return [{"desks": [1, 2], "openings": [{"days": ["tuesday"], "from": start, "to": end}], **internal}]


def with_missing_seats() -> Service:
    """Put a service in place whose release opens half of the seats."""
    moments = [{"day": "monday", "at": "09:00", "seats": 4}]
    return placed(plannings=_hours("10:00", "10:20"), release={"weeks_ahead": 2, "moments": moments})


def missing_seat(service: Service) -> SeatKey:
    return next(key for key in places.now_seats(service, TODAY) if key.start == time(10, 15) and not exists(key))


def seat(start: str, unit: int) -> SeatKey:
    return SeatKey(TODAY.date(), time.fromisoformat(start), unit, "aes")


def change(key: SeatKey, **values: Any) -> None:
    change_elsewhere(key, **values)
    recent.SEATS.clear()


def change_elsewhere(key: SeatKey, **values: Any) -> None:
    """Change a seat as another process does: the cache of this one does not learn of it."""
    actions = [getattr(SeatItem, name).set(value) for name, value in values.items()]
    assert seat_store.update(key, actions, SeatItem.pk.exists())


def at(keys: list[SeatKey]) -> list[str]:
    return [f"{key.start:%H:%M} {key.unit}" for key in keys]


def internal(service: Service) -> list[SeatKey]:
    weeks = timetable.weeks_to_create(service, NOW)
    return sorted(key for week in weeks for key in timetable.internal_seats(service, week))


# Booking for somebody


def test_internal_seats_come_first_and_an_association_gets_no_others() -> None:
    service = placed()
    coming = [key for key in internal(service) if service.start_of(key) > NOW]
    assert len(coming) == 4  # also that of the week that opens next
    assert places.free_for(service, NOW, public=False) == coming
    seats = places.free_for(service, NOW, public=True)
    assert (seats[:4], len(seats)) == (coming, 4 + 14)  # two open weeks outside the notice
    assert set(seats[4:]).isdisjoint(coming)


def test_a_seat_that_somebody_has_or_that_is_set_aside_is_not_for_the_desk() -> None:
    service = placed()
    first, second, third, *_ = places.free_for(service, NOW, public=False)
    change(first, state=State.CONFIRMED)
    change(second, reserve="closing", opens_at=NOW + timedelta(days=7))
    assert places.free_for(service, NOW, public=False)[0] == third
    for taken in (first, second):
        with pytest.raises(SlotTaken):
            places.read_free(service, [taken], NOW, public=True)


@pytest.fixture(params=["small week", "large week", "week by day"])
def any_service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Put a service in place whose calendar is read from the seats, from a snapshot, or from that of a week by day."""
    if request.param == "large week":
        monkeypatch.setattr(availability, "LARGE", 1)
    return placed(by_day_from="2026-W01" if request.param == "week by day" else None)


def test_an_internal_seat_that_was_given_back_is_for_the_desk_at_once_and_for_nobody_else(any_service: Service) -> None:
    availability.free_seats(any_service, NOW)  # a visitor looks at the calendar first
    before = places.free_for(any_service, NOW, public=True)
    freed = before[0]
    change_elsewhere(freed, state=State.CONFIRMED)
    assert places.free_for(any_service, NOW, public=True) == before[1:]
    opens_at = lifecycle.return_moment(any_service, freed, NOW, 0.5)
    change_elsewhere(freed, state=State.OPEN, past_state=State.CANCELLED, opens_at=opens_at)
    for wait in (timedelta(0), SECOND, 5 * MINUTE):
        public = availability.free_seats(any_service, NOW + wait)
        assert freed not in public
        assert places.free_for(any_service, NOW + wait, public=True) == before[:4] + public == before


def test_an_internal_seat_that_is_taken_is_not_shown_from_a_week_without_public_seats(any_service: Service) -> None:
    for public in availability.free_seats(any_service, NOW):
        change(public, state=State.CONFIRMED)
    availability.free_seats(any_service, NOW + SECOND)
    first, *others = places.free_for(any_service, NOW + SECOND, public=True)
    assert len(others) == 3
    change_elsewhere(first, state=State.CONFIRMED)
    for wait in (SECOND, 2 * SECOND, 59 * SECOND):
        assert places.free_for(any_service, NOW + wait, public=True) == others


@pytest.mark.parametrize(("by_day_from", "calls_a_week"), [(None, 1), ("2026-W01", 7)])
def test_only_weeks_with_internal_seats_that_are_not_yet_released_are_read(
    by_day_from: str | None, calls_a_week: int
) -> None:
    service = placed(by_day_from=by_day_from)
    weeks = len({key.week for key in internal(service) if service.start_of(key) > NOW})
    with calls() as made:
        places.free_for(service, NOW, public=False)
    assert made == ["Query"] * calls_a_week * weeks
    released = {"days_before": 30, "at": "09:00"}  # with the other seats of their week
    service = placed(by_day_from=by_day_from, plannings=_hours("10:00", "10:20", internal=1, internal_until=released))
    with calls() as made:
        (coming,) = places.free_for(service, NOW, public=False)
    assert coming.week not in timetable.open_weeks(service, NOW)
    assert made == ["Query"] * calls_a_week


def test_a_draw_has_no_seats_for_the_desk_to_book() -> None:
    drawn = placed(draw_document, plannings=document()["plannings"])
    assert places.free_for(drawn, NOW, public=True) == []


def test_the_chosen_seats_are_read_for_the_write_and_one_that_is_gone_is_refused_with_the_nearest() -> None:
    service = placed()
    mine = places.free_for(service, NOW, public=False)[1]
    public = places.free_for(service, NOW, public=True)[-1]
    assert [read.key for read in places.read_free(service, [mine, public], NOW, public=True)] == [mine, public]
    with pytest.raises(SlotTaken) as refused:
        places.read_free(service, [public], NOW, public=False)
    assert set(refused.value.nearest) <= {service.start_of(key) for key in internal(service)}
    with pytest.raises(SlotTaken):
        places.read_free(service, [seat("11:00", 1)], NOW, public=True)


def test_the_condition_of_the_write_fails_once_a_visitor_or_a_closing_has_the_seat() -> None:
    service = placed()
    public = places.free_for(service, NOW, public=True)[-1]
    (read,) = places.read_free(service, [public], NOW, public=True)
    assert is_unused(read)
    change(public, opens_at=NOW + timedelta(days=7), reserve="closing")
    assert not is_unused(read)
    change(public, opens_at=read.opens_at)
    assert seat_store.take(public, "visitor", NOW + 3 * MINUTE, NOW)
    assert not is_unused(read)
    assert is_unused(read, NOW + 4 * MINUTE)  # the hold is over


def is_unused(read: Any, now: datetime = NOW) -> bool:
    return seat_store.update(read.key, [SeatItem.brief.remove()], seat_expressions.is_unused(read, now))


# Walk-ins


def test_a_walk_in_gets_a_seat_of_the_slot_that_runs_or_a_later_one_of_today() -> None:
    service = placed()
    assert at(places.now_seats(service, TODAY)) == ["10:05 1", "10:05 2", "10:10 1", "10:10 2", "10:15 1", "10:15 2"]
    assert at(places.now_seats(service, TODAY + 3 * MINUTE)) == ["10:10 1", "10:10 2", "10:15 1", "10:15 2"]
    assert places.now_seats(service, TODAY + timedelta(days=1)) == []


@pytest.mark.parametrize(
    "values",
    [
        {"state": State.HELD, "until": TODAY + MINUTE},
        {"state": State.PENDING},
        {"state": State.CONFIRMED},
        {"state": State.ARRIVED},
        {"state": State.MISSED},
        {"state": State.CLOSED, "closed": BY_OPERATOR},
        {"state": State.CLOSED, "closed": BY_RULES},
        {"reserve": "closing", "opens_at": TODAY + timedelta(days=2)},
    ],
    ids=lambda values: "-".join(map(str, values.values()))[:20],
)
def test_a_walk_in_gets_no_seat_that_is_held_filed_set_aside_or_closed(values: dict[str, Any]) -> None:
    service = placed()
    change(seat("10:10", 1), **values)
    assert "10:10 1" not in at(places.now_seats(service, TODAY))
    with pytest.raises(SlotTaken):
        places.read_free(service, [seat("10:10", 1)], TODAY, public=True, walk_in=True)


def test_a_walk_in_may_get_a_seat_whose_hold_is_over_or_that_waits_to_return() -> None:
    service = placed()
    change(seat("10:15", 1), state=State.HELD, until=TODAY - MINUTE)
    change(seat("10:10", 2), past_state=State.CANCELLED, opens_at=service.start_of(seat("10:10", 2)))
    assert {"10:15 1", "10:10 2"} <= set(at(places.now_seats(service, TODAY)))


def test_a_walk_in_gets_no_seat_that_overlaps_one_that_somebody_has() -> None:
    service = placed()
    for _ in manual_seats.add(service, [seat("10:22", 1)], NOW):
        pass
    change(seat("10:22", 1), state=State.CONFIRMED)
    longer = service_store.put(document(slot_minutes=10, plannings=_hours("10:00", "10:30")))
    seats = at(places.now_seats(longer, TODAY))
    assert {"10:15 1", "10:20 1", "10:20 2"}.isdisjoint(seats)  # 10:20 would overlap 10:15, which nobody has
    assert {"10:10 1", "10:15 2"} <= set(seats)


def test_a_seat_that_the_release_leaves_out_is_created_for_a_walk_in_and_opens_to_nobody_else() -> None:
    service = with_missing_seats()
    missing = missing_seat(service)
    for _ in range(2):  # a repetition finds it
        (created,) = places.read_free(service, [missing], TODAY, public=True, walk_in=True, agent_id="b" * 16)
        assert (created.key, created.extra, created.opens_at) == (missing, True, service.start_of(missing))
    assert timetable_store.read_counter("aes") == 1
    assert not created.is_free(TODAY)
    (change,) = history.read("aes")
    assert (change.act, change.who, change.counts) == (history.Act.WALK_IN, "b" * 16, {"made": 1})
    shown = desk_history_views.hours(change).replace("\u00a0", " ").replace("\u202f", " ")
    assert shown == f"8 décembre 2026, de 10 h 15 à 10 h 20, guichet {missing.unit}"
    document_of = dynamodb.read(*seat_keys.seat_primary_key(missing))
    assert document_of is not None
    assert "erase_at" in document_of


def exists(key: SeatKey) -> bool:
    return dynamodb.read(*seat_keys.seat_primary_key(key)) is not None


def test_of_two_seats_that_overlap_only_one_is_created(monkeypatch: pytest.MonkeyPatch) -> None:
    service = with_missing_seats()
    missing = missing_seat(service)
    write = timetable_store.write

    def meanwhile(*words: Any) -> None:
        monkeypatch.setattr(timetable_store, "write", write)
        list(manual_seats.add(service, [seat("10:17", missing.unit)], NOW))
        write(*words)

    monkeypatch.setattr(timetable_store, "write", meanwhile)
    with pytest.raises(SlotTaken):
        places.read_free(service, [missing], TODAY, public=True, walk_in=True)
    assert not exists(missing)


def test_a_walk_in_is_asked_to_try_again_while_others_keep_changing_the_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    service = with_missing_seats()
    missing = missing_seat(service)

    def outdated(*_: object) -> None:
        raise timetable_store.Outdated

    monkeypatch.setattr(timetable_store, "write", outdated)
    with pytest.raises(TooManyRequests):
        places.read_free(service, [missing], TODAY, public=True, walk_in=True)
