"""The limits of a program that hoards seats, and of people who share its IP address."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from chalice.app import Request

from chalicelib import settings
from chalicelib.booking import captcha, holds, requests, schedule
from chalicelib.booking.hold import Held, Hold, Waiting
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import counter_items, seat_store, service_store, visitor_store
from chalicelib.web import visit
from tests.conftest import MONDAY
from tests.unit.booking.steps import AWA, LIBRARY, NOW, send_details, solve, somebody

pytestmark = pytest.mark.slow

TICK, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)
FIRST = Wish(None, conditions_accepted=True)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch, service: Service) -> Iterator[Service]:
    """Six holds an hour for each client network, two of them with the whole time to confirm."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "6")
    settings.current.cache_clear()
    yield service
    settings.current.cache_clear()


def place(ip_address: str = LIBRARY, visitor_token: str = "", now: datetime = NOW) -> Hold:
    return holds.place("aes", FIRST, now=now, visitor_token=visitor_token, ip_address=ip_address)


def hold(ip_address: str = LIBRARY, visitor_token: str = "", now: datetime = NOW) -> Held:
    placed = place(ip_address, visitor_token, now)
    assert isinstance(placed, Held)
    return placed


def wait(ip_address: str = LIBRARY, visitor_token: str = "", now: datetime = NOW) -> Waiting:
    placed = place(ip_address, visitor_token, now)
    assert isinstance(placed, Waiting)
    return placed


def new_token(now: datetime = NOW) -> str:
    return keys().visitor_token(now)


def file(hold_id: str, details: Details, now: datetime = NOW, ip_address: str = LIBRARY) -> requests.Request:
    """File a request, and pass every further captcha that it owes."""
    for n in range(4):
        try:
            return send_details(hold_id, details, now=now + n * TICK, ip_address=ip_address)
        except refusals.CaptchaRequired:
            solve(holds.view(hold_id, now), now + (n + 1) * TICK)
    raise AssertionError("a request owes three further captchas at most")


def held(now: datetime = NOW) -> list[SeatKey]:
    """Return the seats that are not free: those of a running hold or of a request."""
    service = service_store.read("aes", now)
    seats = [seat for week in timetable.open_weeks(service, now) for seat in seat_store.read_week("aes", week)]
    return [seat.key for seat in seats if seat.state is not State.OPEN and not seat.is_free(now)]


# One live hold for each visitor token


def test_a_second_hold_of_one_visitor_token_gives_the_seat_of_the_first_back() -> None:
    token = new_token()
    first, second = hold(visitor_token=token), hold(visitor_token=token)
    assert held() == [second.key]
    with pytest.raises(refusals.HoldExpired):
        holds.view(first.id, NOW)
    assert holds.view(second.id, NOW).key == second.key


def test_a_hold_that_became_a_request_is_not_changed_by_the_next_hold_of_its_visitor_token() -> None:
    token = new_token()
    first = solve(place(visitor_token=token))
    send_details(first.id, AWA, now=NOW)
    second = hold(visitor_token=token)
    assert sorted(map(str, held())) == sorted(map(str, [first.key, second.key]))


def test_the_holds_of_two_visitor_tokens_are_independent() -> None:
    placed = [hold(visitor_token=new_token()) for _ in range(2)]
    assert set(held()) == {hold.key for hold in placed}


def test_the_hold_of_a_visitor_token_is_replaced_only_by_a_caller_who_has_ended_it() -> None:
    token, keys = new_token(), [hold(ip_address=f"192.0.2.{n}").key for n in range(3)]
    assert visitor_store.claim_hold(token, keys[0], "a", NOW) is None
    assert visitor_store.claim_hold(token, keys[0], "a", NOW) is None
    assert visitor_store.claim_hold(token, keys[1], "b", NOW) == (keys[0], "a")
    assert visitor_store.claim_hold(token, keys[2], "c", NOW, ended="a") is None
    assert visitor_store.claim_hold(token, keys[1], "b", NOW, ended="a") == (keys[2], "c")


@pytest.mark.parametrize("wrong", ["", "x", "0" * 59, "é", "a" * 500])
def test_a_forged_visitor_token_counts_as_none(wrong: str) -> None:
    hold(visitor_token=wrong)
    assert hold(visitor_token=wrong).brief
    assert len(held()) == 2


def test_a_visitor_token_is_valid_for_four_hours_and_renewed_after_two() -> None:
    token = new_token()
    assert holds.visitor_token(token, NOW + timedelta(hours=2)) == ""
    assert holds.visitor_token(token, NOW + timedelta(hours=2, seconds=1)) != ""
    assert keys().visitor_token_age(token, NOW + timedelta(hours=4) - SECOND) is not None
    assert keys().visitor_token_age(token, NOW + timedelta(hours=4)) is None
    assert keys().visitor_token_age(captcha.new_challenge(hold().id, NOW).id, NOW) is None


# Many holds of one client network


def test_the_first_third_of_a_client_network_has_the_whole_time_to_confirm_and_the_others_half_an_hour() -> None:
    placed = [hold(visitor_token=new_token()) for _ in range(6)]
    assert [hold.brief for hold in placed] == [False, False, True, True, True, True]
    whole = send_details(solve(placed[0]).id, somebody(1), now=NOW)
    brief = file(solve(placed[5]).id, somebody(2))
    assert whole.confirm_before == NOW + timedelta(minutes=2880)
    assert brief.confirm_before == NOW + timedelta(minutes=30) + 2 * TICK
    assert holds.view_ready(placed[5].id, NOW).time_to_confirm == timedelta(minutes=30)


def test_a_visitor_without_a_visitor_token_has_half_an_hour_to_confirm() -> None:
    assert hold().brief
    assert hold(visitor_token=new_token(NOW - timedelta(hours=4))).brief


def test_a_client_network_that_used_up_its_holds_gets_a_seat_after_the_captcha_only() -> None:
    for _ in range(6):
        hold(visitor_token=new_token())
    late = wait(visitor_token=new_token())
    assert (late.until, late.can_extend) == (NOW + 18 * MINUTE, False)
    assert len(held()) == 6
    with pytest.raises(refusals.CaptchaRequired):
        holds.view_ready(late.id, NOW)
    passed = solve(late)
    assert (passed.brief, passed.captcha_passed, passed.until) == (True, True, NOW + 15 * MINUTE)
    assert len(held()) == 7
    assert file(late.id, AWA).confirm_before == NOW + 30 * MINUTE + 3 * TICK


def test_further_holds_of_a_crowded_client_network_are_not_counted_and_another_network_is_unaffected() -> None:
    for _ in range(7):
        place(visitor_token=new_token())
    before = counted(LIBRARY)
    wait(visitor_token=new_token())
    assert counted(LIBRARY) == before == 7
    hold("192.0.2.8", new_token())


def test_a_new_hour_begins_afresh() -> None:
    for _ in range(7):
        place(visitor_token=new_token())
    wait(visitor_token=new_token(), now=MONDAY + 60 * MINUTE - SECOND)
    hold(visitor_token=new_token(), now=MONDAY + 60 * MINUTE)


def counted(ip_address: str) -> int:
    row = counter_items.CounterItem(f"ORIGIN#{keys().client_network(ip_address, NOW)}", "HOLDS")
    row.refresh()
    return int(row.number)


def test_a_seat_taken_after_the_captcha_is_lost_after_the_time_for_the_form() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    late = wait()
    passed = solve(late)
    for placed in (late.id, passed.id):
        assert holds.view(placed, NOW + 15 * MINUTE - SECOND).key == passed.key
        with pytest.raises(refusals.HoldExpired):
            holds.view(placed, NOW + 15 * MINUTE)


def test_a_challenge_before_the_seat_has_five_tries_and_a_new_one_starts_afresh() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    late = wait()
    challenge = captcha.new_challenge(late.id, NOW)
    left = []
    for _ in range(5):
        with pytest.raises(refusals.CaptchaWrong) as wrong:
            captcha.answer(late.id, challenge.id, "wrong", now=NOW)
        left.append(wrong.value.tries_left)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(late.id, challenge.id, challenge.picture, now=NOW)
    newer = captcha.new_challenge(late.id, NOW + SECOND)
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(late.id, newer.id, "wrong", now=NOW + SECOND)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(late.id, challenge.id, challenge.picture, now=NOW + SECOND)
    assert held(NOW + SECOND) == []
    assert captcha.answer(late.id, newer.id, newer.sound, now=NOW + SECOND).captcha_passed


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:99:bbbb::2", True),
        ("2001:db8:1:2::1", "2001:db8:1:102::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("no ip_address", "no ip_address", True),
        ("no ip_address", "another", False),
    ],
)
def test_a_client_network_is_an_ipv4_address_or_the_56_bits_of_an_ipv6_address(
    first: str, second: str, *, same: bool
) -> None:
    assert (keys().client_network(first, NOW) == keys().client_network(second, NOW)) is same
    assert keys().client_network(first, NOW) != keys().client_network(first, NOW + 60 * MINUTE)


def test_no_item_has_an_ip_address_and_counters_are_erased_after_an_hour() -> None:
    token = new_token()
    hold(visitor_token=token)
    visitor_store.mark_crowded(keys().client_network("192.0.2.8", NOW))
    late = wait("192.0.2.8")
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(late.id, captcha.new_challenge(late.id, NOW).id, "wrong", now=NOW)
    counters = [row for row in counter_items.CounterItem.scan() if row.pk.startswith(("ORIGIN#", "VISIT#", "LATE#"))]
    assert sorted(row.pk.partition("#")[0] for row in counters) == ["LATE", "ORIGIN", "VISIT"]
    assert {row.erase_at for row in counters} == {int((NOW + timedelta(hours=1)).timestamp())}
    assert not any("192.0.2" in row.pk or token in row.pk for row in counters)


# The figures of docs/security.md


def extend(placed: list[Held], now: datetime) -> list[Held]:
    extended = [holds.extend(hold.id, now) for hold in placed]
    return [hold for hold in extended if isinstance(hold, Held)]


@pytest.mark.slow
def test_of_thirty_captchas_solved_from_one_network_two_keep_a_seat_for_longer_than_84_minutes() -> None:
    """Each step in its last second, both extensions each time, false names, and nothing is ever confirmed."""
    placed = [hold(visitor_token=new_token()) for _ in range(6)]
    solved_at = NOW + 9 * MINUTE - SECOND
    for last in (NOW + 3 * MINUTE - SECOND, NOW + 6 * MINUTE - SECOND):
        placed = extend(placed, last)
    placed = [solve(held, solved_at) for held in placed]
    placed += [solve(place(visitor_token=new_token(solved_at), now=solved_at), solved_at) for _ in range(24)]
    for last in (solved_at + 15 * MINUTE - SECOND, solved_at + 30 * MINUTE - SECOND):
        placed = extend(placed, last)
    filed_at = solved_at + 45 * MINUTE - SECOND
    for number, ready in enumerate(placed):
        file(ready.id, somebody(number), filed_at - 4 * TICK)
    over = NOW + 84 * MINUTE
    schedule.end_expired(over - 3 * SECOND)
    assert len(held(over - 3 * SECOND)) == 30
    schedule.end_expired(over)
    assert len(held(over)) == 2


@pytest.mark.slow
def test_twenty_people_behind_one_ip_address_all_book_within_the_hour() -> None:
    booked = []
    for number in range(20):
        now = NOW + 2 * number * MINUTE
        visitor_token = new_token(now - MINUTE)
        passed = solve(place(visitor_token=visitor_token, now=now), now + 20 * SECOND, visitor_token)
        request = file(passed.id, somebody(number), now + 3 * MINUTE)
        booked.append(requests.confirm(request.token, now + 9 * MINUTE).state)
    assert booked == [State.CONFIRMED] * 20


def test_a_person_who_shares_the_ip_address_of_a_program_still_books() -> None:
    for _ in range(50):
        place()
    passed = solve(place(visitor_token=new_token()))
    request = file(passed.id, AWA, NOW + MINUTE)
    assert requests.confirm(request.token, NOW + 9 * MINUTE).state is State.CONFIRMED


def seen_from(secret: str, forwarded: str) -> str:
    """Return the IP address that the service sees of a visitor who called API Gateway from 198.51.100.9."""
    headers = {"x-guichet-edge": secret, "x-forwarded-for": forwarded}
    event = {
        "multiValueQueryStringParameters": None,
        "headers": headers,
        "pathParameters": {},
        "body": "",
        "path": "/",
        "stageVariables": None,
        "isBase64Encoded": False,
        "requestContext": {"resourcePath": "/", "httpMethod": "GET", "identity": {"sourceIp": "198.51.100.9"}},
    }
    return visit.read_visit(Request(event), NOW).ip_address


def test_behind_the_cdn_of_the_stage_a_visitor_has_the_ip_address_that_the_cdn_forwards() -> None:
    ours = keys().cdn_secret
    assert seen_from(ours, "203.0.113.7, 198.51.100.9") == "203.0.113.7"
    assert seen_from(ours, "192.0.2.66, 203.0.113.7, 198.51.100.9") == "203.0.113.7"


def test_a_client_that_pretends_to_be_the_cdn_has_its_own_ip_address() -> None:
    for secret in ("", "x" * 52, tokens.Keys("another" * 10).cdn_secret, "é"):
        assert seen_from(secret, "203.0.113.7, 198.51.100.9") == "198.51.100.9"
    assert seen_from(keys().cdn_secret, "198.51.100.9") == "198.51.100.9"
