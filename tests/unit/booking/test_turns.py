"""In the batch of a release the right answer gives a turn: what it is worth, and what it never gives."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from chalicelib import settings
from chalicelib.booking import captcha, holds, waiting
from chalicelib.booking.hold import Held, Hold, Waiting
from chalicelib.booking.hold_limits import Visitor
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, tokens, turns
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import recent, seat_store, service_store
from tests.conftest import MONDAY, calls, document, fill
from tests.unit.booking.steps import PARIS, at_once, send_details

pytestmark = pytest.mark.slow

SECOND, MINUTE, MOMENT = timedelta(seconds=1), timedelta(minutes=1), timedelta(milliseconds=1)
NOW = MONDAY + SECOND
FIRST = Wish(None, conditions_accepted=True)
HERE, THERE = "192.0.2.7", "192.0.2.8"
RELEASE = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "09:00"}]}


SMALL = [{"desks": [1], "openings": [{"days": ["tuesday"], "from": "09:15", "to": "09:25"}]}]


def put(batch_seconds: int) -> Service:
    plain = document(plannings=SMALL, release=RELEASE | {"batch_seconds": batch_seconds})
    del plain["seat_after"]
    return service_store.put(plain)


@pytest.fixture(autouse=True)
def service(table: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:  # noqa: ARG001  # a fixture for its effect
    """Two seats a week with a batch of a minute, on a stage that counts client networks."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "600")
    settings.current.cache_clear()
    stored = put(60)
    fill(stored, MONDAY - MINUTE)
    yield stored
    settings.current.cache_clear()


def place(now: datetime = NOW, wish: Wish = FIRST, ip_address: str = HERE) -> Hold:
    return holds.place("aes", wish, now=now, ip_address=ip_address)


def solve(placed: Hold, now: datetime = NOW, ip_address: str = HERE) -> Hold:
    challenge = captcha.new_challenge(placed.id, now)
    return captcha.answer(placed.id, challenge.id, challenge.picture, now=now, ip_address=ip_address)


def queued(now: datetime = NOW, ip_address: str = HERE) -> Waiting:
    hold = solve(place(now, ip_address=ip_address), now, ip_address)
    assert isinstance(hold, Waiting)
    return hold


def turn_of(hold: Hold) -> datetime:
    assert isinstance(hold, Waiting)
    assert hold.turn
    return hold.turn


def take(hold: Hold, now: datetime) -> Held:
    return captcha.take_seat(hold.id, now=now, ip_address=HERE)


def taken() -> int:
    weeks = ("2026-W49", "2026-W50", "2026-W51")
    return sum(seat.state is not State.OPEN for week in weeks for seat in seat_store.read_week("aes", week))


def test_a_right_answer_in_the_batch_gives_a_turn_and_writes_nothing(service: Service) -> None:
    placed = place()
    challenge = captcha.new_challenge(placed.id, NOW)
    with calls() as sent:
        hold = captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW, ip_address=HERE)
    assert set(sent) <= {"GetItem", "Query"}
    assert (hold.state, hold.has_seat, hold.captcha_passed) == ("turn", False, False)
    assert MONDAY + MINUTE <= turn_of(hold) <= MONDAY + MINUTE + turns.SPREAD
    assert hold.until == turn_of(hold) + turns.KEPT
    assert holds.view(hold.id, NOW).until == hold.until
    assert taken() == 0
    assert service.release.batch == MINUTE


def test_ten_holds_of_a_network_have_one_turn_and_two_networks_have_two() -> None:
    here = {turn_of(queued(NOW + number * SECOND)) for number in range(10)}
    assert len(here) == 1
    assert turn_of(queued(ip_address=THERE)) not in here


def test_an_answer_sent_from_many_networks_has_the_turn_of_the_one_that_placed_the_hold() -> None:
    placed = place()
    challenge = captcha.new_challenge(placed.id, NOW)
    networks = (HERE, THERE, "", *(f"2001:db8:0:{number}00::1" for number in range(8)))
    got = [
        captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW, ip_address=network) for network in networks
    ]
    assert len({hold.id for hold in got}) == 1
    assert turn_of(got[0]) == turn_of(queued())


def test_a_network_has_one_turn_for_the_holds_before_and_after_the_release() -> None:
    of_tuesday = Wish(datetime(2026, 12, 8, 9, 15, tzinfo=PARIS), conditions_accepted=True)
    before, after = place(MONDAY - MINUTE, of_tuesday), place()
    assert turn_of(solve(before)) == turn_of(solve(after))
    assert before.token.network != after.token.network  # nobody sees that they come from one network
    assert keys().network_of(before.token) == keys().network_of(after.token)


def test_a_hold_placed_before_the_batch_was_switched_on_has_the_turn_of_its_network() -> None:
    put(0)
    placed = place()
    put(60)
    assert turn_of(solve(placed)) == turn_of(queued())


def test_a_turn_of_one_release_takes_no_seat_of_the_next_one() -> None:
    moments = [{"day": "monday", "at": clock} for clock in ("09:00", "09:05")]
    plain = document(plannings=SMALL, release={**RELEASE, "moments": moments, "batch_seconds": 60})
    hold = queued()
    turn = turn_of(hold)
    service_store.put(plain)
    recent.SEATS.clear()
    with pytest.raises(refusals.HoldExpired):
        take(hold, MONDAY + 5 * MINUTE)
    assert taken() == 0
    assert take(hold, turn).has_seat


def test_the_network_of_a_hold_can_be_neither_changed_nor_left_out() -> None:
    here, there = place(), place(ip_address=THERE)
    assert len(here.token.network) == len(there.token.network) == tokens.NETWORK_LENGTH
    for network in ("", there.token.network):
        with pytest.raises(refusals.NotFound):
            holds.view(here.id.replace(here.token.network, network), NOW)


def test_the_token_of_a_turn_names_no_network() -> None:
    hold = queued()
    assert isinstance(hold, Waiting)
    assert hold.token.network == ""


def test_the_seat_is_refused_before_the_turn_and_given_at_it() -> None:
    hold = queued()
    turn = turn_of(hold)
    for early in (NOW, turn - SECOND, turn - MOMENT):
        with pytest.raises(refusals.NotYourTurn) as refused:
            take(hold, early)
        assert (refused.value.turn, refused.value.seconds) == (turn, max(1, -((early - turn) // SECOND)))
    assert taken() == 0
    held = take(hold, turn)
    assert (held.captcha_passed, held.until) == (True, turn + 15 * MINUTE)
    assert taken() == 1
    send_details(hold.id, now=turn + SECOND)  # the id of the turn leads to the seat


def test_a_turn_that_was_missed_is_not_lost_until_it_expires() -> None:
    hold, other = queued(), queued()
    end = turn_of(hold) + turns.KEPT
    assert take(hold, end - SECOND).has_seat
    with pytest.raises(refusals.HoldExpired):
        take(other, end)
    with pytest.raises(refusals.HoldExpired):
        holds.view(other.id, end)


@pytest.mark.parametrize(("after", "waits"), [(-SECOND, False), (timedelta(0), True), (MINUTE, True)])
def test_the_batch_begins_with_the_release_and_covers_its_own_spread(after: timedelta, *, waits: bool) -> None:
    placed = place(MONDAY - 2 * SECOND, Wish(datetime(2026, 12, 8, 9, 15, tzinfo=PARIS), conditions_accepted=True))
    hold = solve(placed, MONDAY + after)
    assert hold.has_seat is not waits


def test_a_right_answer_at_its_own_turn_or_later_takes_the_seat_at_once() -> None:
    turn = turn_of(queued())
    waits = solve(place(), turn - MOMENT)
    assert turn_of(waits) == turn  # who answers between the end of the batch and the turn gains nothing
    assert solve(place(), turn).has_seat


def test_of_two_requests_that_have_both_read_the_turn_one_takes_a_seat() -> None:
    hold = queued()
    turn, nobody = turn_of(hold), Visitor("", "")
    first, second = (waiting.take_seat(hold, None, nobody, now=turn, rng=RNG) for _ in range(2))
    assert first
    assert second is None
    assert taken() == 1


@pytest.mark.usefixtures("one_call_at_a_time")
def test_a_turn_gives_one_seat_however_often_it_is_used() -> None:
    placed = place()
    again, hold = solve(placed), solve(placed)
    assert again.id == hold.id
    turn = turn_of(hold)
    results = at_once(*[lambda: take(hold, turn)] * 4)
    assert len({result.id for result in results if isinstance(result, Held)}) == 1
    assert take(hold, turn + 11 * SECOND).id == holds.view(hold.id, turn + 11 * SECOND).id
    assert solve_or_none(placed, turn + 12 * SECOND) == take(hold, turn + 12 * SECOND).id  # from the page before
    assert taken() == 1


def solve_or_none(placed: Hold, now: datetime) -> str:
    return captcha.answer(placed.id, "", "", now=now, ip_address=HERE).id


def test_a_wrong_answer_or_a_spent_challenge_gives_no_turn() -> None:
    placed = place()
    challenge = captcha.new_challenge(placed.id, NOW)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(refusals.CaptchaWrong) as wrong:
            captcha.answer(placed.id, challenge.id, "wrong", now=NOW, ip_address=HERE)
        assert wrong.value.tries_left == left
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW, ip_address=HERE)
    assert solve(placed, NOW + SECOND).state == "turn"


def test_without_a_turn_the_seat_needs_the_captcha() -> None:
    placed = place()
    with pytest.raises(refusals.CaptchaRequired):
        take(placed, NOW)
    with pytest.raises(refusals.NotYourTurn):
        holds.view_ready(queued().id, NOW)


def test_a_turn_cannot_be_moved_forward_or_made_of_a_waiting_hold() -> None:
    placed = place()
    hold = solve(placed)
    until = f"{round(hold.until.timestamp() * 1000):011x}"
    for forged in (
        hold.id.replace(until, f"{round(NOW.timestamp() * 1000):011x}"),
        placed.id[:-26] + hold.id[-26:],
        hold.id[:-26] + placed.id[-26:],
    ):
        with pytest.raises(refusals.NotFound):
            captcha.take_seat(forged, now=NOW, ip_address=HERE)


def test_giving_up_during_the_wait_is_possible_and_costs_nobody_a_seat() -> None:
    hold = queued()
    holds.end(hold.id, NOW)
    assert taken() == 0
    held = take(queued(), turn_of(hold))
    holds.end(held.id, turn_of(hold) + SECOND)
    assert taken() == 0


def test_each_hold_has_a_turn_and_who_finds_nothing_is_told_so_before_any_write(service: Service) -> None:
    hold = queued()
    turn = turn_of(hold)
    for week in ("2026-W49", "2026-W50", "2026-W51"):
        for seat in seat_store.read_week("aes", week):
            seat_store.take(seat.key, "other", turn + 10 * MINUTE, turn)
    recent.SEATS.clear()
    with calls() as sent, pytest.raises(refusals.NothingFree):
        take(hold, turn)
    assert "UpdateItem" not in sent
    with pytest.raises(refusals.NothingFree):  # nor is anybody asked to wait for nothing
        solve(place_of(service), MONDAY + 30 * SECOND)


def place_of(service: Service) -> Hold:
    token = keys().hold_token(seat_store.read_week("aes", "2026-W51")[0].key)
    until = NOW + service.limits.waiting
    return Waiting(keys().waiting_token(token, until, first_free=True), service, until, NOW)


def test_a_setting_that_changes_meanwhile_keeps_the_turn_or_ends_the_wait() -> None:
    hold, other = queued(), queued()
    turn = turn_of(hold)
    put(300)
    with pytest.raises(refusals.NotYourTurn):
        take(hold, turn - SECOND)
    assert take(hold, turn).has_seat
    put(0)
    assert take(other, turn - 30 * SECOND).has_seat  # as everybody else from now on
    assert solve(place(turn - 30 * SECOND), turn - 30 * SECOND).has_seat


@pytest.mark.parametrize(("network_holds", "ip_address"), [("0", HERE), ("600", "")])
def test_where_networks_are_not_known_each_hold_has_its_own_turn(
    monkeypatch: pytest.MonkeyPatch, network_holds: str, ip_address: str
) -> None:
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", network_holds)
    settings.current.cache_clear()
    assert len({turn_of(queued(ip_address=ip_address)) for _ in range(8)}) > 1
