"""A service that stops drawing: its draws are finished, and an entry keeps nobody from an appointment."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.allocation import draw, entries
from chalicelib.booking import filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.domain import draw_record, refusals
from chalicelib.domain.draw_record import Stage
from chalicelib.domain.entry import LIFE, EntryState
from chalicelib.domain.person import Details
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import entry_keys, items, person_store, seat_keys, seat_store, service_store
from tests.conftest import document
from tests.unit.allocation.drawing import (
    FROZEN_AT,
    MORNING,
    TINY,
    any_round,
    at,
    frozen,
    offers,
    put,
    receipt,
    results,
    seat_of,
    seats,
    stored,
)
from tests.unit.allocation.entrants import (
    CLOSES,
    OPENS,
    WEEK,
    all_entries,
    entered,
    entry_of,
    erasures,
    filed,
    ready,
    solve,
    somebody,
)
from tests.unit.booking.steps import AWA, BEN

pytestmark = pytest.mark.slow

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOW = OPENS + timedelta(hours=2)
ROUND_AT = draw_record.deciding_round(CLOSES, FROZEN_AT).at
WEEK_BEFORE = "2026-W51"
RELEASED = datetime.fromisoformat("2026-12-07T09:00+01:00")
"""When a first-come service opens the seats of the week that is drawn."""


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put({"beacon": "drand"})
    at(OPENS)


def stop_drawing(now: datetime) -> None:
    service_store.put(document(plannings=TINY))
    service_store.clear_caches()
    schedule.release_seats(now)


def draw_again(now: datetime) -> None:
    put({"beacon": "drand"})
    service_store.clear_caches()
    schedule.release_seats(now)


def book(details: Details = AWA, now: datetime = NOW) -> Request:
    """Ask for the first free appointment."""
    held = holds.place("aes", Wish(None, conditions_accepted=True), now=now)
    return filing.file(holds.view_ready(solve(held.id, now).id, now), details, now=now)


def held_by_draw() -> list[Seat]:
    return [seat for seat in seats() if seat.state is not State.OPEN]


# An entry, once there are no draws


@pytest.mark.parametrize("enter", [filed, entered])
def test_a_request_replaces_an_entry_in_the_same_transaction(enter: object) -> None:
    entry: Request = enter()  # type: ignore[operator]
    with pytest.raises(refusals.WrongAllocation):
        book()
    stop_drawing(NOW)
    request = book()
    person = person_store.read(entry_of(entry).person, "aes")
    assert person
    assert (person.seat, person.hold) == (request.seat.key, request.seat.hold)
    assert requests.view(entry.token, NOW).shown_state is EntryState.LEFT
    assert entry_of(entry).erase_at == NOW + 30 * DAY
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED
    with pytest.raises(refusals.AlreadyRequested):
        book(replace(AWA, email="other@example.org"))


def test_a_request_with_the_same_address_ends_an_entry_and_its_data_is_erased_in_time() -> None:
    entry = entered()
    stop_drawing(NOW)
    request = book(replace(BEN, email=AWA.email))
    assert requests.view(entry.token, NOW).shown_state is EntryState.LEFT
    person = items.person_item(entry_of(entry).person, "aes")
    person.refresh()
    assert (person.hold, person.erase_at) == (entry_of(entry).past, int((NOW + 30 * DAY).timestamp()))
    assert requests.confirm(request.token, NOW).state is State.CONFIRMED


def test_a_refused_request_leaves_the_entry_as_it_is() -> None:
    entry = entered()
    stop_drawing(NOW)
    book(BEN)
    with pytest.raises(refusals.AlreadyRequested):
        book(replace(AWA, email=BEN.email))
    assert requests.view(entry.token, NOW).shown_state is EntryState.ENTERED


def test_an_entry_that_has_left_is_replaced_like_any_request_that_is_over() -> None:
    entry = entered()
    entries.leave(entry.token, NOW)
    stop_drawing(NOW)
    assert book(now=NOW + MINUTE).state is State.PENDING
    assert entry_of(entry).past_state is State.CANCELLED


def test_an_entry_that_nobody_replaced_is_drawn_again_when_the_service_draws_again() -> None:
    entry = entered(preferences=("any",))
    before = receipt(entry)
    stop_drawing(NOW)
    draw_again(NOW + DAY)
    at(FROZEN_AT)
    at(ROUND_AT, any_round)
    assert [result.receipt for result in results()] == [before]


def test_who_filed_while_there_were_no_draws_is_in_none_afterwards() -> None:
    entered()
    stop_drawing(NOW)
    request = book()
    draw_again(NOW + DAY)
    at(FROZEN_AT)
    assert frozen() == []
    assert requests.confirm(request.token, NOW + DAY).state is State.CONFIRMED


def test_an_entry_whose_form_is_not_filed_is_refused() -> None:
    hold = ready(now=NOW)
    stop_drawing(NOW)
    with pytest.raises(refusals.WrongAllocation):
        filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)
    assert book().state is State.PENDING


def test_entries_still_end_by_time_and_nobody_is_asked_to_renew_one() -> None:
    entry = entered(now=NOW)
    stop_drawing(NOW)
    shard = next(
        number
        for number in range(entry_keys.SHARDS)
        if seat_keys.seat_primary_key(entry_of(entry).key)[0] == entry_keys.partition("aes", number)
    )
    last_day = (NOW + LIFE).replace(minute=shard)
    at(last_day - DAY)
    assert not entry_of(entry).reminded
    at(last_day + timedelta(hours=1))
    assert entry_of(entry).past_state is State.EXPIRED


def test_the_data_of_an_entry_can_be_corrected_and_erased() -> None:
    entry = entered()
    stop_drawing(NOW)
    corrected = personal_data.correct(personal_data.view_correctable(entry.token, NOW), "Awa", "Exempel", "06", now=NOW)
    assert corrected.person
    personal_data.erase(entry.token, NOW)
    assert set(erasures()) == {"ENTRIES"}


# The draws


def test_a_draw_whose_window_is_still_open_is_not_drawn() -> None:
    entered(preferences=("any",))
    stop_drawing(NOW)
    at(FROZEN_AT)
    at(ROUND_AT, any_round)
    assert stored().stage is Stage.PROMISED
    assert book(BEN, RELEASED).seat.key.week <= WEEK


def test_a_draw_that_is_frozen_is_drawn_and_nobody_takes_its_seats_before() -> None:
    people = [entered(somebody(number), preferences=("any",)) for number in range(6)]
    at(FROZEN_AT)
    stop_drawing(FROZEN_AT)
    late = RELEASED + DAY  # the beacon is away until then
    schedule.release_seats(late)
    assert not any(seat.is_free(late) for seat in seats())
    at(late, any_round)
    assert len(held_by_draw()) == 4
    shown = [requests.view(person.token, late).shown_state for person in people]
    assert sorted(map(str, shown)) == ["drawn"] * 4 + ["entered"] * 2
    winner = people[shown.index(EntryState.DRAWN)]
    assert requests.confirm(winner.token, late).state is State.CONFIRMED


def test_the_release_of_another_week_opens_its_seats_beside_a_draw_that_is_not_finished() -> None:
    """The window that has closed and the release each have their own week."""
    people = [entered(somebody(number), preferences=("any",)) for number in range(6)]
    at(FROZEN_AT)
    stop_drawing(FROZEN_AT)
    assert sum(seat.is_free(FROZEN_AT) for seat in seats(WEEK_BEFORE)) == 4
    booked = book(BEN, FROZEN_AT)
    at(ROUND_AT, any_round)
    assert len(held_by_draw()) == 4
    assert requests.confirm(booked.token, ROUND_AT).seat.key.week < WEEK
    shown = [str(requests.view(person.token, ROUND_AT).shown_state) for person in people]
    assert sorted(shown) == ["drawn"] * 4 + ["entered"] * 2


def test_the_seats_that_a_finished_draw_leaves_open_with_their_release() -> None:
    entered(preferences=("tue-am",))
    at(FROZEN_AT)
    stop_drawing(FROZEN_AT)
    at(ROUND_AT, any_round)
    schedule.release_seats(ROUND_AT)
    assert sum(seat.is_free(RELEASED) for seat in seats()) == 3


def test_a_draw_that_is_not_assigned_yet_is_finished() -> None:
    entered(preferences=("any",))
    at(FROZEN_AT)
    at(ROUND_AT)
    draw.draw_lots(service_store.read("aes", ROUND_AT), stored(), ROUND_AT, any_round)
    assert stored().stage is Stage.DRAWN
    stop_drawing(ROUND_AT)
    at(ROUND_AT + MINUTE)
    assert stored().stage is Stage.ASSIGNED
    assert len(held_by_draw()) == 1


def test_offers_go_on_and_one_that_is_not_confirmed_goes_to_the_next_rank() -> None:
    people = {receipt(one): one for one in (entered(somebody(n), preferences=("tue-am",)) for n in range(3))}
    at(FROZEN_AT)
    at(ROUND_AT, any_round)
    ranks = [people[result.receipt] for result in results()]
    requests.cancel(ranks[0].token, ROUND_AT)
    at(ROUND_AT + MINUTE)
    stop_drawing(ROUND_AT + 2 * MINUTE)
    assert requests.view(ranks[1].token, ROUND_AT + 2 * MINUTE).shown_state is EntryState.OFFERED
    over = ROUND_AT + 2 * MINUTE + ranks[0].service.limits.confirm
    schedule.end_expired(over)
    at(over)
    assert [line[:2] for line in offers()] == [[MORNING, "2"], [MORNING, "3"]]
    assert requests.confirm(ranks[2].token, over).start == ranks[0].service.start_of(seat_of(MORNING).key)


def test_a_drawn_request_can_move_once_there_are_no_draws() -> None:
    entry = entered(preferences=("tue-am",))
    at(FROZEN_AT)
    at(ROUND_AT, any_round)
    requests.confirm(entry.token, ROUND_AT)
    stop_drawing(RELEASED)
    now = RELEASED + MINUTE
    other = next(seat for seat in seats() if seat.is_free(now))
    request = requests.view(entry.token, now)
    moved = moves.move(request, request.service.start_of(other.key), now=now)
    assert (moved.state, seat_store.read(other.key).state) == (State.CONFIRMED, State.CONFIRMED)
    assert len(all_entries()) == 1
