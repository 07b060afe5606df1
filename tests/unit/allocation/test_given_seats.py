"""The move of an entry to the seat that a draw gives it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.allocation import entries
from chalicelib.booking import filing, holds, personal_data, requests, schedule
from chalicelib.domain import entry, refusals
from chalicelib.domain.entry import EntryState
from chalicelib.domain.seat import DRAWN, OFFERED, Seat, SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import counter_items, dynamodb, items, person_store, seat_keys, seat_maintenance, seat_store
from chalicelib.storage.move_store import MoveResult
from tests.conftest import fill
from tests.unit.allocation.entrants import (
    CLOSES,
    NOW,
    OPENS,
    WEEK,
    all_entries,
    entered,
    entry_of,
    erasures,
    filed,
    put_service,
    ready,
    somebody,
)
from tests.unit.booking.steps import AWA, BEN, at_once, person

pytestmark = pytest.mark.slow

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LIFE = entry.LIFE


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    fill(put_service(), NOW)


def seats() -> list[Seat]:
    return seat_store.read_week("aes", WEEK)


def draw(request: requests.Request, to: SeatKey, by: str = DRAWN, now: datetime = CLOSES) -> MoveResult:
    return entries.give_seat(request.service, entry_of(request), to, by, now=now)


@pytest.mark.parametrize("by", [DRAWN, OFFERED])
def test_a_drawn_entry_becomes_a_pending_request_on_its_seat_and_its_old_link_leads_there(by: str) -> None:
    request = entered()
    to = seats()[0].key
    assert draw(request, to, by) is MoveResult.DONE
    seat, moved = seat_store.read(to), requests.view(request.token, CLOSES)
    assert (seat.state, seat.hold, seat.by_draw) == (State.PENDING, person().hold, by)
    assert seat.until == CLOSES + request.service.limits.confirm
    assert (moved.shown_state, moved.reference, moved.start) == (
        EntryState(by),
        request.reference,
        request.service.start_of(to),
    )
    assert moved.person == person()
    assert person().seat == to
    assert entry_of(request).moved_to == to
    assert set[datetime]().union(*erasures().values()) == {request.service.erase_at(to)}
    assert requests.confirm(request.token, CLOSES).shown_state is State.CONFIRMED
    assert requests.view(moved.token, CLOSES).state is State.CONFIRMED


def test_the_old_link_of_an_entry_cancels_the_seat_that_it_leads_to() -> None:
    request = entered()
    draw(request, seats()[0].key)
    assert entries.leave(request.token, CLOSES).state is State.CANCELLED
    assert requests.view(request.token, CLOSES).state is State.CANCELLED
    seat = seats()[0]
    assert (seat.state, seat.by_draw, seat.opens_at) == (State.OPEN, "", request.service.start_of(seat.key))
    entered(now=OPENS + timedelta(weeks=1))


def test_a_seat_that_nobody_confirms_expires_as_any_other() -> None:
    request = entered()
    draw(request, seats()[0].key)
    over = CLOSES + request.service.limits.confirm + SECOND
    schedule.end_expired(over)
    assert requests.view(request.token, over).state is State.EXPIRED


def test_giving_a_seat_again_changes_nothing() -> None:
    request = entered()
    stored, to = entry_of(request), seats()[0].key
    for _ in range(2):
        assert entries.give_seat(request.service, stored, to, DRAWN, now=CLOSES) is MoveResult.DONE
    assert draw(request, seats()[1].key) is MoveResult.REQUEST_CHANGED
    assert [seat.state for seat in seats()[:2]] == [State.PENDING, State.OPEN]


def test_a_seat_is_given_once_and_who_comes_second_stays_entered() -> None:
    first, second, to = entered(), entered(BEN), seats()[0].key
    assert draw(first, to) is MoveResult.DONE
    assert draw(second, to) is MoveResult.SEAT_TAKEN
    assert requests.view(second.token, CLOSES).shown_state is EntryState.ENTERED


def test_two_runs_at_once_give_one_seat_to_one_entry(one_call_at_a_time: None) -> None:  # noqa: ARG001
    first, second, to = entered(), entered(BEN), seats()[0].key
    answers = at_once(*(lambda request=request: draw(request, to) for request in (first, second, first, second)))
    assert set(answers) <= {*MoveResult} | {
        answer for answer in answers if isinstance(answer, refusals.TooManyRequests)
    }
    moved = [stored for stored in all_entries() if stored.moved_to]
    assert len(moved) <= 1
    assert [stored.past for stored in moved] == [seat.hold for seat in seats() if seat.hold]


@pytest.mark.parametrize("state", ["closed", "set aside", "missing"])
def test_a_seat_that_is_closed_set_aside_or_gone_is_not_given(state: str) -> None:
    request, to = entered(), seats()[0]
    if state == "closed":
        assert seat_maintenance.close(to.key, "office", NOW)
    elif state == "set aside":
        assert seat_maintenance.set_aside(to, "closing", to.opens_at)
    else:
        seat_keys.seat_item(to.key).delete()
    assert draw(request, to.key) is MoveResult.SEAT_TAKEN
    assert entry_of(request).state is State.CONFIRMED


def test_only_who_is_entered_gets_a_seat() -> None:
    unproven, left, erased = filed(), entered(BEN), entered(somebody(1))
    entries.leave(left.token, NOW)
    personal_data.erase(erased.token, NOW)
    for request in (unproven, left, erased):
        assert draw(request, seats()[0].key) is MoveResult.REQUEST_CHANGED
    assert {seat.state for seat in seats()} == {State.OPEN}


def test_a_line_of_the_record_that_exists_keeps_the_seat_from_being_given_twice() -> None:
    request = entered()
    line = counter_items.CounterItem("LINE#1", "1", number=1, erase_at=0)
    stored, (first, second) = entry_of(request), [seat.key for seat in seats()[:2]]
    assert entries.give_seat(request.service, stored, first, OFFERED, now=CLOSES, also=[line]) is MoveResult.DONE
    other = entry_of(entered(BEN))
    assert entries.give_seat(request.service, other, second, OFFERED, now=CLOSES, also=[line]) is (
        MoveResult.REQUEST_CHANGED
    )
    assert seat_store.read(second).state is State.OPEN


def test_the_correction_of_an_address_still_ends_the_links_from_before_when_the_entry_is_drawn() -> None:
    held = ready()
    first = filing.file(holds.view_ready(held.id, NOW), AWA, now=NOW)
    second = filing.change_email(held.id, "awa@example.net", now=NOW)
    requests.confirm(second.token, NOW)
    draw(second, seats()[0].key)
    with pytest.raises(refusals.LinkExpired):
        requests.view(first.token, CLOSES)
    assert requests.view(second.token, CLOSES).shown_state is EntryState.DRAWN


def test_a_drawn_person_is_kept_out_by_the_seat_as_by_the_entry() -> None:
    request = entered()
    draw(request, seats()[0].key)
    with pytest.raises(refusals.AlreadyRequested):
        filed()
    assert person_store.read(person().key, "aes") == person()


# What the rest of the service does with the request that an entry has become


def test_a_drawn_request_can_be_corrected_and_its_new_name_is_locked_as_long_as_its_seat() -> None:
    request, to = entered(), seats()[0].key
    draw(request, to)
    corrected = personal_data.correct(
        personal_data.view_correctable(request.token, CLOSES), "Awa", "Exempel", "06", now=CLOSES
    )
    assert corrected.shown_state is EntryState.DRAWN
    stored = person()
    assert (stored.details.last_name, stored.seat, len(stored.names)) == ("Exempel", to, 1)
    assert set[datetime]().union(*erasures().values()) == {request.service.erase_at(to)}
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, last_name="Exempel", email="other@example.org"))
    assert requests.confirm(request.token, CLOSES).shown_state is State.CONFIRMED


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.slow
def test_an_erased_drawn_request_leaves_nothing_personal_and_frees_its_seat(is_confirmed: bool) -> None:  # noqa: FBT001
    request = entered()
    draw(request, seats()[0].key)
    personal_data.correct(personal_data.view_correctable(request.token, CLOSES), "Awa", "Exempel", "06", now=CLOSES)
    if is_confirmed:
        requests.confirm(request.token, CLOSES)
    stored, hold = person(), entry_of(request).past
    secrets = (stored.key, *stored.names, keys().email_key(AWA.email), AWA.email, "Awa", "Exempel", "Exemple")
    assert all(any(secret in text for text in whole_table()) for secret in secrets)
    personal_data.erase(request.token, CLOSES)
    for secret in secrets:
        assert not any(secret in text for text in whole_table()), secret
    assert (seats()[0].state, seats()[0].past) == (State.OPEN, hold)
    assert entry_of(request).erase_at == request.service.erase_at(seats()[0].key)
    assert requests.view(request.token, CLOSES).state is State.CANCELLED


def whole_table() -> list[str]:
    """Return every item, as text."""
    response = dynamodb.connection().connection.client.scan(TableName=items.Item.Meta.table_name, ConsistentRead=True)
    return [repr(item) for item in response["Items"] if not item["pk"]["S"].startswith("SERVICE")]


def test_a_confirmed_drawn_request_is_reminded_once_and_counted_in_its_week() -> None:
    request, to = entered(), seats()[0].key
    draw(request, to)
    soon = request.service.start_of(to) - timedelta(hours=20)
    assert schedule.end_expired(CLOSES)["reminders"] == 0
    requests.confirm(request.token, CLOSES)
    assert schedule.end_expired(soon)["reminders"] == 1
    assert schedule.end_expired(soon)["reminders"] == 0
    assert seat_store.read(to).holds_had == 1
