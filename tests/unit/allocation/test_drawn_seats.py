"""Seats for the winners of a draw, and for the next ranks when a seat comes free."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.allocation import entries, publication
from chalicelib.allocation import seats as drawn_seats
from chalicelib.booking import holds, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.desk import register
from chalicelib.domain import draw_record, refusals
from chalicelib.domain.draw import half_day
from chalicelib.domain.entry import EntryState
from chalicelib.domain.seat import State
from chalicelib.storage import person_store, seat_maintenance, service_store
from chalicelib.storage.move_store import MoveResult
from tests.unit.allocation.drawing import (
    A_WEEK,
    FROZEN_AT,
    MORNING,
    any_round,
    at,
    close,
    frozen,
    holders,
    offers,
    put,
    receipt,
    results,
    seat_of,
    seats,
    stored,
)
from tests.unit.allocation.entrants import CLOSES, OPENS, WEEK, entered, entry_of, somebody
from tests.unit.booking.steps import PARIS

pytestmark = pytest.mark.slow

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ROUND_AT = draw_record.deciding_round(CLOSES, FROZEN_AT).at


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put({"beacon": "drand"})
    at(OPENS)


def enter(count: int, *preferences: str) -> dict[str, Request]:
    """Enter so many people. Return their requests by receipt."""
    made = [entered(somebody(number), preferences=preferences or ("any",)) for number in range(count)]
    return {receipt(request): request for request in made}


def draw() -> list[str]:
    """Freeze and draw. Return the receipts by rank."""
    at(FROZEN_AT)
    at(ROUND_AT, any_round)
    return [result.receipt for result in results()]


def shown(request: Request) -> object:
    """Return the state that the applicant sees."""
    return requests.view(request.token, ROUND_AT + 2 * MINUTE).shown_state


# The winners


def test_a_winner_has_a_request_on_the_seat_and_its_locks_and_old_link_lead_there() -> None:
    people = enter(1, "tue-am")
    ((name, request),) = people.items()
    draw()
    seat = seat_of(MORNING)
    person = person_store.read(seat.person, "aes")
    assert person
    assert (person.seat, person.hold, seat.state) == (seat.key, seat.hold, State.PENDING)
    assert requests.view(request.token, ROUND_AT).seat.key == seat.key
    assert entry_of(request).receipt == name
    with pytest.raises(refusals.AlreadyRequested):
        entered(somebody(0), now=OPENS + A_WEEK)
    assert seat.until == ROUND_AT + request.service.limits.confirm
    assert requests.confirm(request.token, ROUND_AT + DAY).state is State.CONFIRMED


def test_a_winner_who_has_left_since_the_freeze_is_recorded_and_the_next_rank_is_offered_the_seat() -> None:
    people = enter(3, "tue-am")
    at(FROZEN_AT)
    for request in people.values():
        requests.cancel(request.token, FROZEN_AT)
    stayer = entered(somebody(5), now=CLOSES - MINUTE, preferences=("tue-am",))
    at(ROUND_AT, any_round)
    assert holders() == {}
    assert [line[0] for line in offers()] == ["unassigned", "left", "left", "left"]
    assert publication.offers("aes", WEEK, 1).text.startswith(f"{stored().record['drawn_at']};unassigned;1;")
    assert shown(stayer) is EntryState.ENTERED  # it came after the freeze


def test_a_winner_whose_seat_was_closed_stays_in_the_list_and_is_offered_the_first_seat_that_fits() -> None:
    people = enter(3, "tue-am", "thu-am")
    at(FROZEN_AT)
    thursday = next(seat for seat in seats() if seat.key.day.isoweekday() == 4)
    close([seat_of(MORNING), thursday], FROZEN_AT)
    at(ROUND_AT, any_round)
    first, second, _ = [result.receipt for result in results()]
    assert {result.receipt for result in results() if result.seat} == {first, second}
    assert holders() == {}
    assert shown(people[first]) is EntryState.ENTERED
    assert seat_maintenance.reopen(seat_of(MORNING).key, "office", seat_of(MORNING).opens_at)
    at(ROUND_AT + MINUTE)
    assert offers() == [["unassigned", "1", first], ["unassigned", "2", second], [MORNING, "1", first]]
    assert shown(people[first]) is EntryState.OFFERED
    schedule.release_seats(OPENS + A_WEEK)
    at(OPENS + A_WEEK)
    at(FROZEN_AT + A_WEEK)
    waited = {entry.receipt: entry.waited for entry in frozen("2026-W53")}
    assert waited == {second: 0, results()[2].receipt: 1}


# Offers


def test_a_seat_that_a_winner_gives_up_goes_to_the_next_rank_that_wants_it_and_never_to_first_come() -> None:
    people = enter(7)
    ranks = draw()
    gone = results()[0]
    assert gone.seat
    requests.cancel(people[gone.receipt].token, ROUND_AT + MINUTE)
    with pytest.raises(refusals.WrongAllocation):
        holds.place("aes", Wish(None, conditions_accepted=True), now=ROUND_AT + MINUTE)
    at(ROUND_AT + 2 * MINUTE)
    assert offers() == [[gone.seat, "5", ranks[4]]]
    request = requests.view(people[ranks[4]].token, ROUND_AT + 2 * MINUTE)
    assert (request.shown_state, request.confirm_before) == (
        EntryState.OFFERED,
        ROUND_AT + 2 * MINUTE + request.service.limits.confirm,
    )
    assert {shown(people[name]) for name in ranks[5:]} == {EntryState.ENTERED}


def test_an_offer_that_lapses_goes_to_the_rank_after_and_nobody_is_offered_a_second_one() -> None:
    people = enter(6)
    ranks = draw()
    over = ROUND_AT + people[ranks[0]].service.limits.confirm + timedelta(seconds=1)
    for winner in ranks[1:4]:
        requests.confirm(people[winner].token, ROUND_AT)
    schedule.end_expired(over)
    at(over)
    assert [line[1:] for line in offers()] == [["5", ranks[4]]]
    again = over + people[ranks[0]].service.limits.confirm + timedelta(seconds=1)
    schedule.end_expired(again)
    at(again)
    assert [line[1:] for line in offers()] == [["5", ranks[4]], ["6", ranks[5]]]
    last = again + MINUTE
    requests.cancel(people[ranks[5]].token, last)
    at(last)
    assert len(offers()) == 2
    assert stored().unclaimed == (results()[0].seat,)


def test_a_rank_is_offered_only_half_days_that_it_prefers() -> None:
    morning, afternoon = enter(2, "tue-am"), {}
    for number in range(2, 4):
        request = entered(somebody(number), preferences=("tue-pm",))
        afternoon[receipt(request)] = request
    draw()
    won = {half_day(result.seat): result.receipt for result in results() if result.seat}
    waiting = {result.receipt for result in results() if not result.seat}
    requests.cancel(afternoon[won["2026-12-22-pm"]].token, ROUND_AT + MINUTE)
    at(ROUND_AT + MINUTE)
    (offered,) = offers()
    assert offered[2] in waiting & set(afternoon)
    assert shown(next(morning[name] for name in waiting & set(morning))) is EntryState.ENTERED


def test_ranks_that_have_left_are_recorded_when_they_are_passed_over_and_once() -> None:
    people = enter(8)
    ranks = draw()
    for name in (ranks[4], ranks[5], ranks[7]):
        requests.cancel(people[name].token, ROUND_AT)
    for number, name in enumerate(ranks[:2], start=1):
        requests.cancel(people[name].token, ROUND_AT + number * MINUTE)
        at(ROUND_AT + number * MINUTE)
    assert [line[0] for line in offers()] == ["left", "left", results()[0].seat, "left"]
    assert [line[1] for line in offers()] == ["5", "6", "7", "8"]
    moments = [line.split(";")[0] for line in publication.offers("aes", WEEK, 1).text.splitlines()]
    assert moments == sorted(moments)
    assert moments[0].endswith("+01:00")


def test_a_seat_is_not_offered_when_there_is_no_time_left_to_confirm() -> None:
    people = enter(6, "tue-am")
    ranks = draw()
    start = people[ranks[0]].service.start_of(seat_of(MORNING).key)
    last = start - people[ranks[0]].service.limits.confirm - drawn_seats.NOTICE
    requests.confirm(people[ranks[0]].token, ROUND_AT)
    requests.cancel(people[ranks[0]].token, last)
    at(last + timedelta(milliseconds=1))
    assert offers() == []
    at(last)
    assert [line[1:] for line in offers()] == [["2", ranks[1]]]


def test_who_was_drawn_can_confirm_cancel_or_let_it_expire_and_enter_again_with_a_new_receipt() -> None:
    people = enter(1, "tue-am")
    ((name, request),) = people.items()
    draw()
    requests.confirm(request.token, ROUND_AT)
    assert requests.cancel(request.token, ROUND_AT).state is State.CANCELLED
    again = entered(somebody(0), now=OPENS + A_WEEK)
    assert receipt(again) != name
    schedule.release_seats(OPENS + A_WEEK)
    at(OPENS + A_WEEK)
    at(FROZEN_AT + A_WEEK)
    assert [(entry.receipt, entry.waited) for entry in frozen("2026-W53")] == [(receipt(again), 0)]


def test_who_did_not_come_can_enter_again_from_the_start_on_and_has_waited_for_no_draw() -> None:
    ((name, request),) = enter(1, "tue-am").items()
    draw()
    requests.confirm(request.token, ROUND_AT)
    with pytest.raises(refusals.AlreadyRequested):
        entered(somebody(0), now=OPENS + A_WEEK)
    key = seat_of(MORNING).key
    start = datetime.combine(key.day, key.start, PARIS)
    register.record(service_store.read("aes", start), key, State.MISSED, "a" * 16, start)
    again = receipt(entered(somebody(0), now=OPENS + 3 * A_WEEK))
    assert again != name
    assert publication.place_of("aes", again).waited == 0


def test_a_live_offer_is_not_in_the_next_draw_and_leaving_it_frees_the_seat() -> None:
    people = enter(5)
    ranks = draw()
    requests.cancel(people[ranks[0]].token, ROUND_AT)
    at(ROUND_AT + MINUTE)
    schedule.release_seats(OPENS + A_WEEK)
    at(OPENS + A_WEEK)
    at(FROZEN_AT + A_WEEK)
    assert frozen("2026-W53") == []
    assert entries.leave(people[ranks[4]].token, ROUND_AT + 2 * MINUTE).state is State.CANCELLED
    assert sum(seat.state is State.OPEN for seat in seats()) == 1


def test_the_lines_stay_in_order_when_the_clock_goes_back() -> None:
    people = enter(6)
    ranks = draw()
    for number, name in enumerate(ranks[:2]):
        requests.cancel(people[name].token, ROUND_AT)
        at(ROUND_AT + timedelta(minutes=5 * (1 - number)))
    assert [line[1] for line in offers()] == ["5", "6"]


def test_the_lines_begin_with_the_draw_even_if_the_clock_was_ahead_then() -> None:
    people = enter(5)
    ranks = draw()
    requests.cancel(people[ranks[0]].token, ROUND_AT)
    at(ROUND_AT - MINUTE)
    assert publication.offers("aes", WEEK, 1).text.startswith("2026-12-06T18:30:00.000+01:00;")


def test_who_renews_the_entry_at_the_moment_of_an_offer_keeps_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    people = enter(6)
    ranks = draw()
    requests.cancel(people[ranks[0]].token, ROUND_AT)
    give_seat = entries.give_seat
    renewed: list[Request] = []

    def renew_before(*words: Any, **fields: Any) -> MoveResult:
        if not renewed:
            renewed.append(entries.renew(people[ranks[4]].token, ROUND_AT))
        return give_seat(*words, **fields)

    monkeypatch.setattr(entries, "give_seat", renew_before)
    at(ROUND_AT + MINUTE)
    assert [line[1:] for line in offers()] == [["5", ranks[4]]]


def test_a_seat_that_is_set_aside_is_offered_when_the_time_of_the_displaced_is_over() -> None:
    people = enter(4)
    aside = seat_of(MORNING)
    assert seat_maintenance.set_aside(aside, "closing", ROUND_AT + DAY)
    ranks = draw()
    at(ROUND_AT + DAY - MINUTE)
    assert offers() == []
    at(ROUND_AT + DAY)
    assert offers() == [[MORNING, "4", ranks[3]]]
    assert requests.view(people[ranks[3]].token, ROUND_AT + DAY).seat.key == aside.key
