"""What a bot meets that hoards, and what honest people meet who share an address."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from chalice.app import Request

from chalicelib import settings
from chalicelib.booking import captcha, filing, holds, requests, schedule
from chalicelib.booking.holds import Hold, Wish
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, seat_store, service_store, visitor_store
from chalicelib.web import visit
from tests.conftest import MONDAY
from tests.unit.booking.steps import AWA, LIBRARY, NOW, solve, somebody

TICK, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)
FIRST = Wish(None, conditions_accepted=True)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch, service: Service) -> Iterator[Service]:
    """Six holds an hour from one place: two of them with the whole time to confirm."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "6")
    settings.current.cache_clear()
    yield service
    settings.current.cache_clear()


def hold(address: str = LIBRARY, visit: str = "", now: datetime = NOW, wish: Wish = FIRST) -> Hold:
    return holds.place("aes", wish, now=now, visitor_token=visit, ip_address=address)


def ticket(now: datetime = NOW) -> str:
    return keys().visitor_token(now)


def file(hold_id: str, details: Details, now: datetime = NOW, address: str = LIBRARY) -> requests.Request:
    """File a request, and pass every further captcha that it owes."""
    for n in range(4):
        try:
            return filing.file(hold_id, details, now=now + n * TICK, ip_address=address)
        except refusals.CaptchaRequired:
            solve(holds.view(hold_id, now), now + (n + 1) * TICK)
    raise AssertionError("a request owes three further captchas at most")


def held(now: datetime = NOW) -> list[SeatKey]:
    """The seats that are out of reach: of a hold that runs, or of a request."""
    service = service_store.read("aes", now)
    seats = [seat for week in timetable.open_weeks(service, now) for seat in seat_store.read_week("aes", week)]
    return [seat.key for seat in seats if seat.state is not State.OPEN and not seat.is_free(now)]


# One live hold a ticket


def test_a_second_hold_of_one_ticket_gives_the_seat_of_the_first_back() -> None:
    mine = ticket()
    first, second = hold(visit=mine), hold(visit=mine)
    assert held() == [second.seat.key]
    with pytest.raises(refusals.HoldExpired):
        holds.view(first.id, NOW)
    assert holds.view(second.id, NOW).seat.key == second.seat.key


def test_a_hold_that_became_a_request_is_not_touched_by_the_next_hold_of_its_ticket() -> None:
    mine = ticket()
    first = solve(hold(visit=mine))
    filing.file(first.id, AWA, now=NOW)
    second = hold(visit=mine)
    assert sorted(map(str, held())) == sorted(map(str, [first.seat.key, second.seat.key]))


def test_the_holds_of_two_tickets_do_not_know_each_other() -> None:
    kept = [hold(visit=ticket()) for _ in range(2)]
    assert set(held()) == {one.seat.key for one in kept}


def test_what_stands_at_a_ticket_is_replaced_only_by_who_has_seen_it_ended() -> None:
    mine, keys = ticket(), [hold(address=f"192.0.2.{n}").seat.key for n in range(3)]
    assert visitor_store.claim_hold(mine, keys[0], "a", NOW) is None
    assert visitor_store.claim_hold(mine, keys[0], "a", NOW) is None
    assert visitor_store.claim_hold(mine, keys[1], "b", NOW) == (keys[0], "a")
    assert visitor_store.claim_hold(mine, keys[2], "c", NOW, ended="a") is None
    assert visitor_store.claim_hold(mine, keys[1], "b", NOW, ended="a") == (keys[2], "c")


@pytest.mark.parametrize("wrong", ["", "x", "0" * 59, "é", "a" * 500])
def test_a_forged_ticket_is_none(wrong: str) -> None:
    hold(visit=wrong)
    assert hold(visit=wrong).brief
    assert len(held()) == 2


def test_a_ticket_is_good_for_four_hours_and_renewed_after_two() -> None:
    mine = ticket()
    assert holds.visitor_token(mine, NOW + timedelta(hours=2)) == ""
    assert holds.visitor_token(mine, NOW + timedelta(hours=2, seconds=1)) != ""
    assert keys().visitor_token_age(mine, NOW + timedelta(hours=4) - SECOND) is not None
    assert keys().visitor_token_age(mine, NOW + timedelta(hours=4)) is None
    assert keys().visitor_token_age(captcha.new_challenge(hold().id, NOW).id, NOW) is None


# Many from one place


def test_the_first_of_one_place_have_the_whole_time_to_confirm_the_next_half_an_hour() -> None:
    kept = [hold(visit=ticket()) for _ in range(6)]
    assert [one.brief for one in kept] == [False, False, True, True, True, True]
    assert [one.kept for one in kept] == [True] * 6
    whole = filing.file(solve(kept[0]).id, somebody(1), now=NOW)
    brief = file(solve(kept[5]).id, somebody(2))
    assert whole.confirm_before == NOW + timedelta(minutes=2880)
    assert brief.confirm_before == NOW + timedelta(minutes=30) + 2 * TICK
    assert holds.view(kept[5].id, NOW).time_to_confirm == timedelta(minutes=30)


def test_who_comes_without_a_ticket_has_half_an_hour_to_confirm() -> None:
    assert hold().brief
    assert hold(visit=ticket(NOW - timedelta(hours=4))).brief


def test_after_all_its_holds_a_place_keeps_nothing_before_the_captcha_and_a_seat_after_it() -> None:
    for _ in range(6):
        hold(visit=ticket())
    late = hold(visit=ticket())
    assert (late.kept, late.until, late.can_extend) == (False, NOW + 18 * MINUTE, False)
    assert len(held()) == 6
    with pytest.raises(refusals.CaptchaRequired):
        holds.view_ready(late.id, NOW)
    passed = solve(late)
    assert (passed.kept, passed.brief, passed.seat.captcha_passed, passed.until) == (
        True,
        True,
        True,
        NOW + 15 * MINUTE,
    )
    assert len(held()) == 7
    assert file(late.id, AWA).confirm_before == NOW + 30 * MINUTE + 3 * TICK


def test_the_next_ones_of_a_crowded_place_are_not_even_tried_and_another_place_is_as_before() -> None:
    for _ in range(7):
        hold(visit=ticket())
    before = counted(LIBRARY)
    assert not hold(visit=ticket()).kept
    assert counted(LIBRARY) == before == 7
    assert hold("192.0.2.8", ticket()).kept


def test_a_new_hour_begins_afresh() -> None:
    for _ in range(7):
        hold(visit=ticket())
    assert not hold(visit=ticket(), now=MONDAY + 60 * MINUTE - SECOND).kept
    assert hold(visit=ticket(), now=MONDAY + 60 * MINUTE).kept


def counted(address: str) -> int:
    row = items.CounterItem(f"ORIGIN#{keys().client_network(address, NOW)}", "HOLDS")
    row.refresh()
    return int(row.number)


def test_a_seat_taken_after_the_captcha_is_lost_after_the_time_for_the_form() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    late = hold()
    passed = solve(late)
    for kept in (late.id, passed.id):
        assert holds.view(kept, NOW + 15 * MINUTE - SECOND).seat.key == passed.seat.key
        with pytest.raises(refusals.HoldExpired):
            holds.view(kept, NOW + 15 * MINUTE)


def test_a_challenge_before_the_seat_has_five_tries_and_a_new_one_starts_afresh() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    late = hold()
    asked = captcha.new_challenge(late.id, NOW)
    left = []
    for _ in range(5):
        with pytest.raises(refusals.CaptchaWrong) as wrong:
            captcha.answer(late.id, asked.id, "wrong", now=NOW)
        left.append(wrong.value.tries_left)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(late.id, asked.id, asked.picture, now=NOW)
    newer = captcha.new_challenge(late.id, NOW + SECOND)
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(late.id, newer.id, "wrong", now=NOW + SECOND)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(late.id, asked.id, asked.picture, now=NOW + SECOND)
    assert held(NOW + SECOND) == []
    assert captcha.answer(late.id, newer.id, newer.sound, now=NOW + SECOND).seat.captcha_passed


def test_the_same_right_answer_twice_is_one_seat() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    late = hold()
    asked = captcha.new_challenge(late.id, NOW)
    twice = [captcha.answer(late.id, asked.id, asked.picture, now=NOW) for _ in range(2)]
    assert twice[0].seat.key == twice[1].seat.key
    assert len(held()) == 1


def test_a_ticket_has_one_live_hold_after_a_captcha_that_came_first_too() -> None:
    visitor_store.mark_crowded(keys().client_network(LIBRARY, NOW))
    mine = ticket()
    kept = [solve(hold(visit=mine), visit=mine) for _ in range(2)]
    assert held() == [kept[1].seat.key]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:99:bbbb::2", True),
        ("2001:db8:1:2::1", "2001:db8:1:102::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("no address", "no address", True),
        ("no address", "another", False),
    ],
)
def test_a_place_is_an_ipv4_address_or_the_56_bits_of_an_ipv6_one(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    assert (keys().client_network(one, NOW) == keys().client_network(other, NOW)) is same
    assert keys().client_network(one, NOW) != keys().client_network(one, NOW + 60 * MINUTE)


def test_no_item_of_the_table_has_an_address_and_what_is_kept_is_erased_after_an_hour() -> None:
    mine = ticket()
    hold(visit=mine)
    visitor_store.mark_crowded(keys().client_network("192.0.2.8", NOW))
    late = hold("192.0.2.8")
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(late.id, captcha.new_challenge(late.id, NOW).id, "wrong", now=NOW)
    kept = [row for row in items.CounterItem.scan() if row.pk.startswith(("ORIGIN#", "VISIT#", "LATE#"))]
    assert sorted(row.pk.partition("#")[0] for row in kept) == ["LATE", "ORIGIN", "VISIT"]
    assert {row.erase_at for row in kept} == {int((NOW + timedelta(hours=1)).timestamp())}
    assert not any("192.0.2" in row.pk or mine in row.pk for row in kept)


# The two numbers


@pytest.mark.slow
def test_of_a_hundred_captchas_solved_from_one_place_two_keep_a_seat_for_longer_than_84_minutes() -> None:
    """Each step in its last second, both extensions each time, false names, and nothing is ever confirmed."""
    kept = [hold(visit=ticket()) for _ in range(6)]
    solved_at = NOW + 9 * MINUTE - SECOND
    for last in (NOW + 3 * MINUTE - SECOND, NOW + 6 * MINUTE - SECOND):
        kept = [holds.extend(one.id, last) for one in kept]
    kept = [solve(one, solved_at) for one in kept]
    kept += [solve(hold(visit=ticket(solved_at), now=solved_at), solved_at) for _ in range(94)]
    for last in (solved_at + 15 * MINUTE - SECOND, solved_at + 30 * MINUTE - SECOND):
        kept = [holds.extend(one.id, last) for one in kept]
    filed_at = solved_at + 45 * MINUTE - SECOND
    for number, one in enumerate(kept):
        file(one.id, somebody(number), filed_at - 4 * TICK)
    over = NOW + 84 * MINUTE
    schedule.end_expired(over - 3 * SECOND)
    assert len(held(over - 3 * SECOND)) == 100
    schedule.end_expired(over)
    assert len(held(over)) == 2


@pytest.mark.slow
def test_twenty_honest_people_behind_one_address_all_book_within_the_hour() -> None:
    booked = []
    for number in range(20):
        now = NOW + 2 * number * MINUTE
        visit = ticket(now - MINUTE)
        passed = solve(hold(visit=visit, now=now), now + 20 * SECOND, visit)
        request = file(passed.id, somebody(number), now + 3 * MINUTE)
        booked.append(requests.confirm(request.token, now + 9 * MINUTE).state)
    assert booked == [State.CONFIRMED] * 20


def test_honest_people_who_share_a_bots_address_still_book() -> None:
    for _ in range(50):
        hold()
    passed = solve(hold(visit=ticket()))
    request = file(passed.id, AWA, NOW + MINUTE)
    assert requests.confirm(request.token, NOW + 9 * MINUTE).state is State.CONFIRMED


def seen_from(shown: str, forwarded: str) -> str:
    """Where a visitor comes from, as the service sees it, who spoke to API Gateway from 198.51.100.9."""
    headers = {"x-guichet-edge": shown, "x-forwarded-for": forwarded}
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


def test_behind_the_edge_of_the_stage_a_visitor_comes_from_where_the_edge_says() -> None:
    ours = keys().cdn_secret
    assert seen_from(ours, "203.0.113.7, 198.51.100.9") == "203.0.113.7"
    assert seen_from(ours, "192.0.2.66, 203.0.113.7, 198.51.100.9") == "203.0.113.7"


def test_who_only_says_to_be_the_edge_comes_from_where_they_are() -> None:
    for shown in ("", "x" * 52, tokens.Keys("another" * 10).cdn_secret, "é"):
        assert seen_from(shown, "203.0.113.7, 198.51.100.9") == "198.51.100.9"
    assert seen_from(keys().cdn_secret, "198.51.100.9") == "198.51.100.9"
