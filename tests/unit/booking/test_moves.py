"""Another date for a request: whole or not at all, at most twice, and the old link tells what happened."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest

from chalicelib.booking import captcha, filing, holds, moves, requests
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store, service_store
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
PARIS = ZoneInfo("Europe/Paris")
LATER = NOW + timedelta(minutes=3)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
BOB = Details("Bob", "Exemple", "", date(1985, 1, 2), "bob@example.org", "06 12 34 56 79", "en")

pytestmark = pytest.mark.usefixtures("service")


def at(day: int, hour: int = 10, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=PARIS)


MINE = at(10)


def filed(details: Details = AWA, start: datetime = MINE) -> requests.Request:
    kept = holds.place("aes", Wish(start, conditions_accepted=True), now=NOW)
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    return filing.file(kept.id, details, now=NOW)


def booked(details: Details = AWA, start: datetime = MINE) -> requests.Request:
    return requests.confirm(filed(details, start).token, NOW)


def person(details: Details = AWA) -> Person:
    found = person_store.read(keys().person_key(details.first_name, details.last_name, details.birth_date), "aes")
    assert found
    return found


def holders(hold: str) -> list[SeatKey]:
    """Every seat that a request has."""
    return [
        seat.key
        for week in ("2026-W49", "2026-W50", "2026-W51")
        for seat in seat_store.read_week("aes", week)
        if seat.hold == hold
    ]


def test_a_request_moves_with_its_reference_and_its_locks_and_its_old_seat_returns_later() -> None:
    old = booked()
    new = moves.move(old.token, at(17, 9, 30), now=NOW)
    assert (new.state, new.start, new.reference) == (State.CONFIRMED, at(17, 9, 30), old.reference)
    assert new.token != old.token
    assert holders(old.seat.hold) == [new.seat.key]
    assert (person().seat, person().moves, person().sequence) == (new.seat.key, 1, 1)
    left = seat_store.read(old.seat.key)
    assert (left.state, left.past_state, left.freed) == (State.OPEN, State.MOVED, 1)
    assert NOW + timedelta(hours=2) <= left.opens_at <= NOW + timedelta(hours=48)
    with pytest.raises(refusals.AlreadyRequested):
        filed(AWA, at(15))
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BOB, email=AWA.email), at(15))


def test_the_same_move_again_is_the_same_and_an_old_link_leads_nowhere_else() -> None:
    old = booked()
    new = moves.move(old.token, at(17), now=NOW)
    again = moves.move(old.token, at(17), now=NOW)
    assert (again.token, again.start) == (new.token, new.start)
    assert requests.view(old.token, NOW).state is State.MOVED
    assert requests.view(old.token, NOW).person is None
    for refused in (
        lambda: moves.move(old.token, at(15), now=NOW),
        lambda: requests.cancel(old.token, NOW),
        lambda: requests.confirm(old.token, NOW),
        lambda: moves.choices(old.token, NOW),
    ):
        with pytest.raises(refusals.LinkExpired):
            refused()
    assert holders(old.seat.hold) == [new.seat.key]


def test_a_request_moves_twice_and_no_more_and_keeps_what_it_has() -> None:
    first = booked()
    second = moves.move(first.token, at(17), now=NOW)
    third = moves.move(second.token, at(15), now=NOW)
    for refused in (
        lambda: moves.move(third.token, at(10, 9, 30), now=NOW),
        lambda: moves.choices(third.token, NOW),
    ):
        with pytest.raises(refusals.NoMovesLeft):
            refused()
    assert holders(first.seat.hold) == [third.seat.key]
    assert requests.cancel(third.token, NOW).state is State.CANCELLED


def test_a_slot_that_is_gone_leaves_everything_as_it_was_and_tells_the_nearest() -> None:
    mine = booked()
    for details in (BOB, replace(BOB, first_name="Cleo", email="cleo@example.org")):
        booked(details, at(17))
    service_store.forget()
    with pytest.raises(refusals.SlotTaken) as refused:
        moves.move(mine.token, at(17), now=NOW)
    assert [f"{near:%H:%M}" for near in refused.value.nearest] == ["09:50", "09:55", "10:05"]
    assert holders(mine.seat.hold) == [mine.seat.key]
    assert person().moves == 0


def test_a_slot_that_was_never_offered_or_is_the_same_is_refused() -> None:
    mine = booked()
    for start in (at(10), at(10, 3), at(11), at(24), at(1, 9, 15)):
        with pytest.raises(refusals.SlotTaken):
            moves.move(mine.token, start, now=NOW)
    assert holders(mine.seat.hold) == [mine.seat.key]


def test_a_request_that_is_not_confirmed_or_was_cancelled_does_not_move() -> None:
    pending = filed()
    with pytest.raises(refusals.LinkExpired):
        moves.move(pending.token, at(17), now=NOW)
    requests.cancel(pending.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        moves.move(pending.token, at(17), now=NOW)


def test_the_choices_are_what_is_free_but_for_the_slot_it_has() -> None:
    mine = booked()
    _, starts = moves.choices(mine.token, NOW)
    assert starts == sorted(set(starts))
    assert at(10) not in starts
    assert at(10, 9, 15) in starts
    assert at(22) not in starts  # not open yet


@pytest.mark.usefixtures("one_call_at_a_time")
def test_two_moves_of_one_request_at_once_leave_it_one_seat() -> None:
    mine = booked()
    start = Barrier(4)

    def attempt(number: int) -> str:
        start.wait()
        try:
            return moves.move(mine.token, at(17, 9, 15 + 5 * number), now=NOW).token
        except refusals.Refusal as refusal:
            return type(refusal).__name__

    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(attempt, range(4)))
    assert len(holders(mine.seat.hold)) == 1
    assert person().seat == holders(mine.seat.hold)[0]
    assert sum(len(answer) > 60 for answer in said) == person().moves == 1
