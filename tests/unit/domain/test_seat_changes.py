from collections import Counter
from dataclasses import replace
from datetime import time, timedelta

from chalicelib.domain import seat_changes, timetable
from chalicelib.domain.seat import BY_OPERATOR, BY_RULES, Seat, State
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service
from tests.conftest import MONDAY
from tests.unit.domain.timetables import AES, NOW, desk, moment, service, service_with_shares


def seats_as_planned(of: Service, week: str) -> list[Seat]:
    return [Seat(key, at) for key, at in timetable.plan(of, week).items()]


def count_changes(of: Service, week: str, seats: list[Seat]) -> dict[str, int]:
    return Counter(str(change.kind) for change in seat_changes.changes_of_week(of, week, seats, NOW, create=True))


def test_seats_that_agree_with_the_rules_stay_as_they_are() -> None:
    for week in ("2026-W49", "2026-W51", "2026-W52"):
        assert count_changes(AES, week, seats_as_planned(AES, week)) == {}


def test_removed_hours_close_only_the_seats_that_nobody_has() -> None:
    fewer = service(plannings=desk({"days": ["thursday"], "from": "09:15", "to": "10:30"}, desks=(1, 2)))
    seats = seats_as_planned(AES, "2026-W51")
    assert count_changes(fewer, "2026-W51", seats) == {"close": 30}
    booked = [replace(seat, state=State.CONFIRMED) for seat in seats]
    assert count_changes(fewer, "2026-W51", booked) == {}


def test_seats_of_hours_added_to_an_open_week_open_at_once() -> None:
    more = service(plannings=desk({"days": ["tuesday", "thursday"], "from": "09:15", "to": "11:30"}, desks=(1, 2)))
    changes = list(seat_changes.changes_of_week(more, "2026-W51", seats_as_planned(AES, "2026-W51"), NOW, create=True))
    assert {change.kind for change in changes} == {ChangeKind.CREATE}
    assert (len(changes), {change.seat.opens_at for change in changes}) == (48, {MONDAY})


def test_a_changed_release_moves_the_opening_of_seats_that_have_not_opened_yet() -> None:
    later = service(release={"weeks_ahead": 2, "moments": [{"day": "tuesday", "at": "18:00"}]})
    changes = list(seat_changes.changes_of_week(later, "2026-W52", seats_as_planned(AES, "2026-W52"), NOW, create=True))
    assert {(change.kind, change.seat.opens_at) for change in changes} == {
        (ChangeKind.MOVE, moment("2026-12-08T17:00+00:00"))
    }
    assert len(changes) == 60
    assert count_changes(later, "2026-W51", seats_as_planned(AES, "2026-W51")) == {}


def test_a_smaller_share_closes_seats_only_before_the_week_opens() -> None:
    assert count_changes(service_with_shares(40), "2026-W52", seats_as_planned(AES, "2026-W52")) == {"close": 20}
    assert count_changes(service_with_shares(40), "2026-W51", seats_as_planned(AES, "2026-W51")) == {}


def test_a_greater_share_adds_the_missing_seats_to_an_open_week() -> None:
    fewer = seats_as_planned(service_with_shares(40), "2026-W51")
    assert count_changes(service_with_shares(50), "2026-W51", fewer) == {"create": 10}
    assert count_changes(service_with_shares(40), "2026-W51", fewer) == {}


def test_the_rules_reopen_what_they_closed_and_not_what_an_operator_closed() -> None:
    closed = [replace(seat, state=State.CLOSED, closed=BY_RULES) for seat in seats_as_planned(AES, "2026-W52")]
    assert count_changes(AES, "2026-W52", closed) == {"reopen": 60}
    assert count_changes(AES, "2026-W52", [replace(seat, closed=BY_OPERATOR) for seat in closed]) == {}


def test_a_seat_closed_before_its_return_does_not_reopen_earlier() -> None:
    late = NOW + timedelta(days=2)
    seats = seats_as_planned(AES, "2026-W51")
    seats[0] = replace(
        seats[0], state=State.CLOSED, closed=BY_RULES, opens_at=late, past="h", past_state=State.CANCELLED
    )
    assert [
        change.seat.opens_at for change in seat_changes.changes_of_week(AES, "2026-W51", seats, NOW, create=True)
    ] == [late]


def test_seats_that_an_operator_added_or_set_aside_are_not_changed() -> None:
    closed = service(closures=[{"first": "2026-12-14", "last": "2026-12-31"}])
    seats = seats_as_planned(AES, "2026-W52")
    assert count_changes(closed, "2026-W52", [replace(seat, extra=True) for seat in seats]) == {}
    assert count_changes(closed, "2026-W52", [replace(seat, reserve="r") for seat in seats]) == {}
    assert count_changes(closed, "2026-W52", seats) == {"close": 60}


def test_a_seat_that_was_given_back_is_neither_moved_nor_coming() -> None:
    waits = replace(seats_as_planned(AES, "2026-W51")[0], opens_at=NOW + timedelta(hours=5), past_state=State.EXPIRED)
    assert not waits.is_coming(NOW)
    assert count_changes(AES, "2026-W51", [waits, *seats_as_planned(AES, "2026-W51")[1:]]) == {}


def test_no_seat_is_created_without_create() -> None:
    assert list(seat_changes.changes_of_week(AES, "2026-W53", [], NOW, create=False)) == []


def test_a_seat_whose_slot_has_begun_is_not_created() -> None:
    changes = seat_changes.changes_of_week(AES, "2026-W49", [], moment("2026-12-03T08:15+00:00"), create=True)
    assert {change.seat.key.start for change in changes} == {time(9, 20 + n) for n in range(0, 40, 5)} | {
        time(10, n) for n in range(0, 30, 5)
    }
