from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from chalicelib.booking import availability, captcha, filing, holds, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, person_store, recent, seat_store, service_store
from tests.conftest import MONDAY, calls, document, throttled
from tests.unit.booking.steps import AWA, FIRST, NOW, captcha_passed, hold

PARIS = ZoneInfo("Europe/Paris")
SECOND = timedelta(seconds=1)
BOB = Details("Bob", "Exemple", "", date(1985, 1, 2), "bob@example.org", "06 12 34 56 79", "en")


def filed(details: Details = AWA, now: datetime = NOW) -> requests.Request:
    return filing.file(captcha_passed(now).id, details, now=now)


# Looking


@pytest.mark.usefixtures("table")
def test_a_hidden_service_is_not_offered_and_can_be_found_by_who_knows_it() -> None:
    for name, listing in (("aes", {}), ("seen", {"listing": "home"}), ("essai", {"listing": "hidden"})):
        service_store.put(document(id=name, **listing))
    assert [service.id for service in availability.services(NOW)] == ["aes", "seen"]
    assert availability.service("essai", NOW).hidden is True


# The hold


def test_the_first_free_slot_is_held_and_the_calendar_counts_one_seat_less(service: Service) -> None:
    before = availability.week_calendar("aes", None, NOW).free
    kept = hold()
    assert kept.seat.until == NOW + timedelta(seconds=180)
    assert availability.week_calendar("aes", kept.seat.key.week, NOW).free == before - 1
    assert service.start_of(kept.seat.key) == kept.start


def first_free(seed: int, now: datetime) -> SeatKey:
    """Where somebody finds the first free slot who gives it back at once."""
    kept = holds.place("aes", FIRST, now=now, rng=Random(seed))  # noqa: S311  # not a secret
    holds.end(kept.id, now)
    return kept.seat.key


def test_the_first_free_is_one_of_the_ten_earliest(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    assert {first_free(seed, NOW) for seed in range(5)} <= set(free[:10])


@pytest.mark.parametrize("throttles", [True, False], ids=["the table throttles", "somebody is faster"])
def test_in_a_busy_week_the_first_free_is_any_of_the_week(
    service: Service,
    throttles: bool,  # noqa: FBT001  # either makes the service busy
) -> None:
    free = availability.free_seats(service, NOW)
    found = set()
    for seed in range(5):
        recent.forget()
        if throttles:
            with throttled(), pytest.raises(refusals.TooManyRequests):
                hold()
        else:
            meet(free[20 + seed])
        found.add(first_free(seed, NOW + SECOND / 2))
    assert not found <= set(free[:10])
    assert {key.week for key in found} == {free[0].week}


def meet(key: SeatKey, now: datetime = NOW) -> None:
    """Somebody takes this seat, and this process asks for it too late."""
    assert seat_store.take(key, "theirs", now + SECOND * 180, now)
    assert not seat_store.take(key, "mine", now + SECOND * 180, now)


def test_in_a_busy_week_a_process_takes_seat_by_seat_and_steps_over_one_that_is_another_s(service: Service) -> None:
    week = [key for key in availability.free_seats(service, NOW) if key.week == "2026-W49"]
    meet(week[0])
    first = week.index(hold().seat.key)
    way = week[first + 1 :] + week[1:first]
    theirs = seat_store.new_item(way[2], NOW)
    theirs.state, theirs.hold, theirs.until = State.HELD, "theirs", NOW + SECOND * 180
    theirs.save()
    assert [hold().seat.key for _ in range(9)] == [*way[:2], *way[3:10]]


def test_in_a_busy_week_the_desk_of_a_named_slot_is_drawn_wherever_the_process_was_before(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    meet(free[0])
    named = Wish(service.start_of(free[-1]), conditions_accepted=True)
    found = set()
    for _ in range(20):
        hold()
        kept = hold(wish=named)
        holds.end(kept.id, NOW)
        found.add(kept.seat.key)
    assert found == {key for key in free if service.start_of(key) == named.start}


def test_in_a_busy_week_one_attempt_asks_for_three_seats_and_no_more(service: Service) -> None:
    free = availability.free_seats(service, NOW)
    meet(free[0])
    hold()
    for key in free:
        row = seat_store.new_item(key, NOW)
        row.state, row.hold, row.until = State.HELD, "theirs", NOW + SECOND * 180
        row.save()
    with calls() as asked, pytest.raises(refusals.SlotTaken):
        hold()
    assert asked == ["UpdateItem"] * holds.TRIES


@pytest.mark.usefixtures("service")
def test_within_a_tenth_of_a_second_of_a_throttle_a_hold_is_refused_from_memory() -> None:
    service_store.read_all(NOW)
    with throttled() as asked:
        for _ in range(5):
            with pytest.raises(refusals.TooManyRequests):
                hold()
    assert asked == ["Query"]
    assert hold(NOW + SECOND / 10).kept


def test_a_slot_with_two_desks_is_held_twice_and_then_taken_with_the_three_nearest(service: Service) -> None:
    start = datetime(2026, 12, 3, 10, 15, tzinfo=service.zone)
    wish = Wish(start, conditions_accepted=True)
    assert hold(wish=wish).seat.key != hold(wish=wish).seat.key
    with pytest.raises(refusals.SlotTaken) as refused:
        hold(wish=wish)
    assert [f"{near:%H:%M}" for near in refused.value.nearest] == ["10:05", "10:10", "10:20"]


@pytest.mark.usefixtures("service")
def test_a_hold_without_the_conditions_is_refused_and_nothing_is_held() -> None:
    with pytest.raises(refusals.ConditionsNotAccepted):
        hold(wish=Wish(None, conditions_accepted=False))
    assert availability.week_calendar("aes", "2026-W49", NOW).free == 30  # Thursday's: Tuesday is too near


def test_a_seat_of_the_coming_release_is_refused_until_nine_in_paris_and_free_at_nine(service: Service) -> None:
    wish = Wish(datetime(2026, 12, 15, 9, 15, tzinfo=service.zone), conditions_accepted=True)
    with pytest.raises(refusals.NotOpenYet) as refused:
        hold(MONDAY - SECOND, wish)
    assert refused.value.opens_at.isoformat() == "2026-11-30T09:00:00+01:00"
    assert hold(MONDAY, wish).start == wish.start


def test_a_slot_that_never_was_is_not_found(service: Service) -> None:
    for start in ("2026-12-03T10:17", "2026-12-06T10:15", "2036-12-02T10:15", "2020-12-03T10:15"):
        moment = datetime.fromisoformat(start).replace(tzinfo=service.zone)
        with pytest.raises(refusals.NotFound):
            hold(wish=Wish(moment, conditions_accepted=True))


@pytest.mark.slow
@pytest.mark.usefixtures("service")
def test_when_all_is_taken_the_refusal_says_when_the_next_slots_open() -> None:
    for week in timetable.open_weeks(service_store.read("aes", NOW), NOW):
        for seat in seat_store.read_week("aes", week):
            seat_store.take(seat.key, "other", NOW + timedelta(days=1), NOW)
    with pytest.raises(refusals.NothingFree) as refused:
        hold()
    assert str(refused.value.next_release) == "2026-12-07 09:00:00+01:00"


@pytest.mark.usefixtures("service")
def test_a_hold_ends_at_its_time_and_its_seat_is_another_persons_five_seconds_later() -> None:
    kept = hold()
    end = NOW + timedelta(seconds=180)
    assert holds.view(kept.id, end - SECOND).id == kept.id
    with pytest.raises(refusals.HoldExpired):
        holds.view(kept.id, end)
    assert not seat_store.take(kept.seat.key, "other", end + timedelta(minutes=3), end + timedelta(seconds=5))
    assert seat_store.take(
        kept.seat.key, "other", end + timedelta(minutes=3), end + timedelta(seconds=5, milliseconds=1)
    )


@pytest.mark.usefixtures("service")
def test_a_hold_that_is_given_back_is_free_at_once_and_giving_back_twice_is_once() -> None:
    kept = hold()
    holds.end(kept.id, NOW)
    holds.end(kept.id, NOW)
    assert seat_store.read(kept.seat.key).is_free(NOW)
    with pytest.raises(refusals.HoldExpired):
        holds.view(kept.id, NOW)


@pytest.mark.usefixtures("service")
def test_a_hold_is_extended_twice_and_a_third_time_changes_nothing() -> None:
    kept = hold()
    for n in (1, 2):
        kept = holds.extend(kept.id, NOW + n * SECOND)
    assert kept.seat.until == NOW + timedelta(seconds=540)
    assert not kept.can_extend
    assert holds.extend(kept.id, NOW + 3 * SECOND).seat.until == kept.seat.until
    with pytest.raises(refusals.HoldExpired):
        holds.extend(kept.id, NOW + timedelta(seconds=540))


@pytest.mark.usefixtures("service")
def test_an_invented_hold_is_not_found_and_a_link_is_no_hold() -> None:
    kept = hold()
    link = keys().link_token(kept.seat.key, kept.seat.hold)
    ref = kept.seat.key.ref
    for wrong in ("x", "", ref, f"{ref}.{'a' * 78}", str(link), kept.id[:-1], "aes.20261203.9915.1." + "a" * 78):
        with pytest.raises(refusals.NotFound):
            holds.view(wrong, NOW)


@pytest.mark.usefixtures("service")
def test_an_id_survives_a_mail_program_that_changes_its_case() -> None:
    kept = hold()
    assert holds.view(kept.id.upper(), NOW).id == kept.id


# The captcha


@pytest.mark.usefixtures("service")
def test_the_picture_and_the_sound_both_pass_in_any_case_and_give_fifteen_minutes() -> None:
    for answer in ("picture", "sound"):
        kept = hold()
        asked = captcha.new_challenge(kept.id, NOW)
        typed = f" {getattr(asked, answer).upper()} "
        passed = captcha.answer(kept.id, asked.id, typed, now=NOW)
        assert passed.seat.captcha_passed
        assert passed.seat.until == NOW + timedelta(minutes=15)


@pytest.mark.usefixtures("service")
def test_five_wrong_answers_spend_a_challenge_even_for_the_right_one_and_a_new_one_starts_afresh() -> None:
    kept = hold()
    asked = captcha.new_challenge(kept.id, NOW)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(refusals.CaptchaWrong) as refused:
            captcha.answer(kept.id, asked.id, "wrong", now=NOW)
        assert refused.value.tries_left == left
    for answer in ("wrong", asked.picture):
        with pytest.raises(refusals.CaptchaSpent):
            captcha.answer(kept.id, asked.id, answer, now=NOW)
    later = NOW + SECOND
    fresh = captcha.new_challenge(kept.id, later)
    assert captcha.answer(kept.id, fresh.id, fresh.picture, now=later).seat.captcha_passed


@pytest.mark.usefixtures("service")
def test_an_older_challenge_is_spent_once_a_newer_one_was_tried() -> None:
    kept = hold()
    old, new = captcha.new_challenge(kept.id, NOW), captcha.new_challenge(kept.id, NOW + SECOND)
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(kept.id, new.id, "wrong", now=NOW + SECOND)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(kept.id, old.id, old.picture, now=NOW + SECOND)


@pytest.mark.usefixtures("service")
def test_a_challenge_is_good_for_one_hold_and_for_five_minutes() -> None:
    kept, other = hold(), hold()
    asked = captcha.new_challenge(other.id, NOW)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    assert tokens.Keys("k" * 43).new_challenge("hold", NOW, nonce=lambda _: "0" * 16) != asked.id
    own = keys()
    made = own.new_challenge(kept.seat.hold, NOW)
    assert own.challenge_time(made, kept.seat.hold, NOW + timedelta(seconds=299)) == int(NOW.timestamp() * 1000)
    with pytest.raises(refusals.CaptchaSpent):
        own.challenge_time(made, kept.seat.hold, NOW + timedelta(minutes=5))


@pytest.mark.usefixtures("service")
def test_a_challenge_whose_time_was_forged_is_refused() -> None:
    kept = hold()
    asked = captcha.new_challenge(kept.id, NOW)
    forged = f"{int(NOW.timestamp() * 1000) + 60_000:011x}{asked.id[11:]}"
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(kept.id, forged, asked.picture, now=NOW)


@pytest.mark.usefixtures("service")
def test_the_same_right_answer_twice_gives_the_same_and_does_not_lengthen_the_hold() -> None:
    kept = hold()
    asked = captcha.new_challenge(kept.id, NOW)
    first = captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    again = captcha.answer(kept.id, asked.id, asked.picture, now=NOW + SECOND)
    assert again.seat.until == first.seat.until


# The request


@pytest.mark.usefixtures("service")
def test_details_before_the_captcha_are_refused() -> None:
    with pytest.raises(refusals.CaptchaRequired):
        filing.file(hold().id, AWA, now=NOW)


@pytest.mark.usefixtures("service")
def test_a_request_has_2880_minutes_and_the_same_details_twice_are_one() -> None:
    kept = captcha_passed()
    first = filing.file(kept.id, AWA, now=NOW)
    again = filing.file(kept.id, AWA, now=NOW + SECOND)
    assert (first.state, first.reference) == (again.state, again.reference) == (State.PENDING, first.reference)
    assert first.confirm_before == again.confirm_before == min(NOW + timedelta(minutes=2880), first.start)


@pytest.mark.usefixtures("service")
def test_a_person_has_one_live_request_whatever_the_spelling() -> None:
    filed()
    same = Details("EXEMPLE", "àwa", "", AWA.birth_date, "other@example.org", AWA.phone, "fr")
    with pytest.raises(refusals.AlreadyRequested):
        filed(same)


@pytest.mark.usefixtures("service")
def test_an_address_has_one_live_request_whatever_the_spelling() -> None:
    filed(Details("Awa", "Exemple", "", AWA.birth_date, "a.wa+rdv@gmail.com", AWA.phone, "fr"))
    with pytest.raises(refusals.AlreadyRequested):
        filed(Details("Bob", "Exemple", "", BOB.birth_date, "AWA@googlemail.com", AWA.phone, "fr"))
    filed(BOB)


@pytest.mark.usefixtures("service")
def test_a_refused_address_leaves_no_lock_on_the_person() -> None:
    filed()
    borrowed = Details("Bob", "Exemple", "", BOB.birth_date, AWA.email, BOB.phone, "fr")
    with pytest.raises(refusals.AlreadyRequested):
        filed(borrowed)
    assert filed(BOB).state is State.PENDING


@pytest.mark.usefixtures("service")
def test_who_was_refused_and_files_for_somebody_else_leaves_no_lock_on_the_first_address() -> None:
    filed()
    hold = captcha_passed().id
    first = replace(AWA, email="chloe@example.org")
    with pytest.raises(refusals.AlreadyRequested):
        filing.file(hold, first, now=NOW)
    filing.file(hold, BOB, now=NOW)
    chloe = replace(first, first_name="Chloé")
    assert filed(chloe).state is State.PENDING
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BOB, email="bob.2@example.org"))


@pytest.mark.usefixtures("service")
def test_details_after_the_hold_ran_out_change_nothing() -> None:
    kept = captcha_passed()
    with pytest.raises(refusals.HoldExpired):
        filing.file(kept.id, AWA, now=NOW + timedelta(minutes=15))
    assert person_store.read(keys().person_key("Awa", "Exemple", AWA.birth_date), "aes") is None


@pytest.mark.usefixtures("service")
def test_a_request_is_confirmed_once_however_often_the_button_is_pressed() -> None:
    token = filed().token
    assert requests.view(token, NOW).state is State.PENDING
    first = requests.confirm(token, NOW)
    again = requests.confirm(token, NOW + timedelta(days=1))
    assert first.state is again.state is State.CONFIRMED
    assert again.person is not None
    assert again.person.details == AWA


@pytest.mark.usefixtures("service")
def test_a_request_cannot_be_confirmed_after_its_time() -> None:
    request = filed()
    assert request.confirm_before is not None
    with pytest.raises(refusals.LinkExpired):
        requests.confirm(request.token, request.confirm_before)
    assert requests.view(request.token, request.confirm_before).state is State.EXPIRED


@pytest.mark.usefixtures("service")
def test_a_cancelled_request_is_cancelled_once_and_its_seat_comes_back_later() -> None:
    kept = hold(wish=Wish(datetime(2026, 12, 10, 10, 0, tzinfo=PARIS), conditions_accepted=True))
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    request = filing.file(kept.id, AWA, now=NOW)
    requests.confirm(request.token, NOW)
    for _ in range(2):
        assert requests.cancel(request.token, NOW, random_fraction=lambda: 0.0).state is State.CANCELLED
    with pytest.raises(refusals.LinkExpired):
        requests.confirm(request.token, NOW)
    key = keys().read_token("link", request.token).seat
    seat = seat_store.read(key)
    assert seat.opens_at == NOW + timedelta(hours=2)
    assert not seat.is_free(NOW)
    assert seat.is_free(seat.opens_at)


@pytest.mark.usefixtures("service")
def test_an_old_link_is_over_once_another_person_has_the_seat() -> None:
    request = filed()
    requests.cancel(request.token, NOW)
    key = keys().read_token("link", request.token).seat
    later = seat_store.read(key).opens_at
    assert seat_store.take(key, "another", later + timedelta(minutes=3), later)
    with pytest.raises(refusals.LinkExpired):
        requests.view(request.token, later)
    with pytest.raises(refusals.LinkExpired):
        requests.cancel(request.token, later)
    assert seat_store.read(key).hold == "another"


@pytest.mark.usefixtures("service")
def test_after_a_cancellation_the_same_person_may_ask_again() -> None:
    requests.cancel(filed().token, NOW)
    assert filed().state is State.PENDING


@pytest.mark.usefixtures("service")
def test_a_hold_id_and_an_invented_token_open_no_request() -> None:
    kept = captcha_passed()
    for wrong in (kept.id, "x", f"{kept.seat.key.ref}.{'b' * 78}"):
        with pytest.raises(refusals.NotFound):
            requests.view(wrong, NOW)


# The clock


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
def test_the_expiry_ends_what_ran_out_and_leaves_what_did_not() -> None:
    unfinished, request, confirmed = hold(), filed(), filed(BOB)
    requests.confirm(confirmed.token, NOW)
    assert request.confirm_before is not None
    assert schedule.end_expired(NOW + timedelta(seconds=180)) == {"holds": 0, "requests": 0, "reminders": 0}
    assert schedule.end_expired(NOW + timedelta(seconds=186)) == {"holds": 1, "requests": 0, "reminders": 0}
    assert seat_store.read(unfinished.seat.key).state is State.OPEN
    late = request.confirm_before + timedelta(seconds=1)
    assert schedule.end_expired(late, random_fraction=lambda: 0.5) == {"holds": 0, "requests": 1, "reminders": 1}
    assert schedule.end_expired(late) == {"holds": 0, "requests": 0, "reminders": 0}
    key = keys().read_token("link", request.token).seat
    assert seat_store.read(key).past_state is State.EXPIRED
    assert requests.view(request.token, late).state is State.EXPIRED
    assert requests.view(confirmed.token, late).state is State.CONFIRMED


@pytest.mark.usefixtures("service")
def test_a_seat_that_waits_to_return_looks_like_any_taken_one(service: Service) -> None:
    request = filed()
    requests.cancel(request.token, NOW, random_fraction=lambda: 0.0)
    service_store.forget()
    key = keys().read_token("link", request.token).seat
    twin = replace(key, unit=3 - key.unit)
    seat_store.take(twin, "other", NOW + timedelta(days=3), NOW)
    wish = Wish(service.start_of(key), conditions_accepted=True)
    with pytest.raises(refusals.SlotTaken):
        hold(wish=wish)
    slot = next(s for s in availability.week_calendar("aes", key.week, NOW).slots if s.start == service.start_of(key))
    assert (slot.free, slot.capacity) == (0, 2)


def test_asking_for_a_link_twice_within_two_minutes_leaves_word_once(service: Service) -> None:
    request = filed()
    address = keys().email_key("AWA@example.org")
    requests.ask_link(request.reference.lower(), "AWA@example.org", NOW)
    assert not person_store.ask_link(address, service.id, request.reference, NOW + SECOND, pause=requests.LINK_PAUSE)
    requests.ask_link("AES-22222-22222", "nobody@example.org", NOW)
    assert items.LockItem.count(f"EMAIL#{keys().email_key('nobody@example.org')}") == 0


@pytest.mark.parametrize("over", [False, True])
def test_a_link_is_asked_for_three_times_in_any_24_hours_also_for_a_request_that_is_over(
    service: Service,
    over: bool,  # noqa: FBT001  # both states of a request
) -> None:
    request = filed()
    if over:
        requests.cancel(request.token, NOW)
    address = keys().email_key("awa@example.org")

    def asked(**after: float) -> bool:
        now = NOW + timedelta(**after)
        return person_store.ask_link(address, service.id, request.reference, now, pause=requests.LINK_PAUSE)

    assert [asked(hours=hours) for hours in (0, 5, 10)] == [True, True, True]
    assert [asked(hours=hours) for hours in (10.1, 15, 23.9, 24)] == [False, False, False, False]
    assert asked(hours=24, milliseconds=1)
    assert not asked(hours=28)
    assert asked(hours=29, seconds=1)
    assert not asked(hours=29, seconds=100)
    assert not asked(hours=33)
    assert asked(hours=34, seconds=1)


@pytest.mark.usefixtures("service")
def test_nothing_stored_of_a_seat_is_personal_or_usable_as_a_link() -> None:
    kept = captcha_passed()
    request = filing.file(kept.id, AWA, now=NOW)
    requests.confirm(request.token, NOW)
    secret = kept.id.rpartition(".")[2][:52]
    link = request.token.rpartition(".")[2][:52]
    dumped = str([row.to_simple_dict() for row in items.SeatItem.scan()])
    for forbidden in (secret, link, "Awa", "Exemple", "awa@", "1990"):
        assert forbidden not in dumped
