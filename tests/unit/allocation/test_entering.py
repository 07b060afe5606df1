"""Enter the draws of a service: the token, the captcha, the details, the proof, and what keeps others out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.allocation import entries
from chalicelib.allocation.entries import Application
from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.booking.hold import Held, Waiting
from chalicelib.domain import entry, refusals, tokens
from chalicelib.domain.entry import EntryState
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import items, seat_keys, seat_store, service_store
from tests.conftest import calls, document, fill
from tests.unit.allocation.entrants import (
    CLOSES,
    DOCUMENT,
    NOW,
    OPENS,
    PREFERENCES,
    all_entries,
    entered,
    entry_of,
    filed,
    place,
    put_service,
    ready,
    solve,
)
from tests.unit.booking.steps import AWA, BEN, at_once, person

pytestmark = pytest.mark.slow

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LIFE = entry.LIFE


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    fill(put_service(), NOW)


# The token


def test_placing_an_entry_stores_nothing_and_its_token_carries_the_preferences() -> None:
    with calls(operation="UpdateItem") as updates, calls(operation="PutItem") as puts:
        placed = place()
    assert updates + puts == []
    hold = holds.view(placed.id, NOW)
    assert isinstance(hold, Waiting)
    assert (hold.preferences, hold.is_entry, hold.captcha_passed) == (PREFERENCES, True, False)
    assert hold.until == NOW + hold.service.limits.waiting


def test_the_token_of_an_entry_ends_with_its_time() -> None:
    placed = place()
    with pytest.raises(refusals.HoldExpired):
        holds.view(placed.id, placed.until)


def test_an_entry_is_refused_outside_of_the_window_to_the_millisecond() -> None:
    moment = timedelta(milliseconds=1)
    assert place(now=OPENS)
    assert place(now=CLOSES - moment)
    for now, opens in ((OPENS - moment, OPENS), (CLOSES, OPENS + timedelta(weeks=1))):
        with pytest.raises(refusals.NotInWindow) as refusal:
            place(now=now)
        assert refusal.value.opens_at == opens


def test_an_entry_is_refused_in_a_service_that_gives_its_seats_to_the_first() -> None:
    service_store.put(document())
    with pytest.raises(refusals.WrongAllocation):
        place()


def test_an_entry_is_refused_when_the_service_stopped_to_draw_before_the_captcha() -> None:
    placed = place()
    service_store.put(document())
    with pytest.raises(refusals.WrongAllocation):
        solve(placed.id)


def test_the_conditions_must_be_accepted() -> None:
    with pytest.raises(refusals.ConditionsNotAccepted):
        entries.place("aes", Application(PREFERENCES, conditions_accepted=False), now=NOW)


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ([], entry.NONE_CHOSEN),
        (["", " "], entry.NONE_CHOSEN),
        (["wed-am"], entry.NOT_OFFERED),
        (["tue-am", "<script>"], entry.NOT_OFFERED),
        (["tue-am"] * 5, entry.CHOSEN_TWICE),
        (["any", "any"], entry.CHOSEN_TWICE),
        (["any", "tue-am"], entry.ANY_NOT_LAST),
    ],
)
def test_preferences_that_cannot_be_used_are_refused_with_the_reason(preferences: list[str], message: str) -> None:
    with pytest.raises(refusals.InvalidFields) as refusal:
        place(preferences)
    assert refusal.value.errors == {"preferences": message}


def test_any_counts_as_one_of_the_preferences() -> None:
    service_store.put({**DOCUMENT, "draw": {**DOCUMENT["draw"], "preferences": 2}})
    assert place(["tue-pm", "any"]).preferences == ("tue-pm", "any")
    with pytest.raises(refusals.InvalidFields) as refusal:
        place(["tue-am", "tue-pm", "any"])
    assert refusal.value.errors == {"preferences": entry.TOO_MANY}


def test_five_half_days_may_be_ranked_and_six_may_not() -> None:
    six = [f"{day}-{half}" for day in ("mon", "tue", "wed") for half in ("am", "pm")]
    assert entry.check_preferences(six[:5], six, 5) == tuple(six[:5])
    assert entry.check_preferences([*six[:4], "any"], six, 5) == (*six[:4], "any")
    for chosen in (six, [*six[:5], "any"]):
        with pytest.raises(refusals.InvalidFields) as refusal:
            entry.check_preferences(chosen, six, 5)
        assert refusal.value.errors == {"preferences": entry.TOO_MANY}


def test_preferences_are_read_in_any_case_and_without_the_empty_ones() -> None:
    assert place(["", "TUE-AM", "", " Any "]).preferences == ("tue-am", "any")


# The captcha


def test_the_right_answer_stores_the_entry_under_the_same_secret() -> None:
    placed = place()
    held = solve(placed.id)
    assert (held.token.secret, held.preferences, held.captcha_passed) == (placed.token.secret, PREFERENCES, True)
    assert held.until == NOW + held.service.limits.form
    for hold_id in (placed.id, held.id):
        viewed = holds.view(hold_id, NOW)
        assert isinstance(viewed, Held)
        assert (viewed.id, viewed.carrier) == (held.id, all_entries()[0])


def test_a_hold_that_is_no_entry_yet_can_be_ended_and_then_still_be_used() -> None:
    placed = place()
    assert holds.end(placed.id, NOW).id == "aes"
    assert solve(placed.id).captcha_passed


def test_an_entry_that_was_given_back_is_over() -> None:
    held = ready()
    holds.end(held.id, NOW)
    holds.end(held.id, NOW)
    with pytest.raises(refusals.HoldExpired):
        holds.view(held.id, NOW)


def test_a_challenge_takes_five_answers() -> None:
    placed = place()
    challenge = captcha.new_challenge(placed.id, NOW)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(refusals.CaptchaWrong) as refusal:
            captcha.answer(placed.id, challenge.id, "wrong", now=NOW)
        assert refusal.value.tries_left == left
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(placed.id, challenge.id, challenge.sound, now=NOW)
    assert all_entries() == []
    assert solve(placed.id, NOW + SECOND).captcha_passed


def test_an_entry_whose_item_is_gone_is_over() -> None:
    held = ready()
    seat_keys.seat_item(held.token.key).delete()
    with pytest.raises(refusals.HoldExpired):
        holds.view(held.id, NOW)


def test_a_visitor_token_has_one_live_hold_whatever_it_is_for() -> None:
    visit = keys().visitor_token(NOW)
    first, second = place(), place()
    for placed in (first, second):
        challenge = captcha.new_challenge(placed.id, NOW)
        captcha.answer(placed.id, challenge.id, challenge.sound, now=NOW, visitor_token=visit, ip_address="192.0.2.7")
    with pytest.raises(refusals.HoldExpired):
        holds.view(first.id, NOW)
    assert holds.view(second.id, NOW).captcha_passed


def test_the_time_for_the_form_can_be_extended_as_with_a_seat() -> None:
    held = ready()
    assert holds.extend(held.id, NOW).until == held.until + held.service.limits.form
    assert holds.extend(held.id, NOW).until == held.until + 2 * held.service.limits.form
    assert not holds.view(held.id, NOW).can_extend


# Details and proof


def test_a_filed_entry_waits_for_the_proof_of_its_address() -> None:
    request = filed()
    assert (request.state, request.shown_state, request.is_entry) == (State.PENDING, EntryState.UNPROVEN, True)
    assert request.confirm_before == NOW + request.service.limits.confirm
    assert request.reference == keys().reference("aes", entry_of(request).hold)
    assert person().seat == entry_of(request).key
    assert requests.view(request.token, NOW).token == request.token


def test_entering_costs_no_more_than_a_booking() -> None:
    placed = place()
    with calls() as names:
        request = filing.file(solve(placed.id), AWA, now=NOW)
        requests.confirm(request.token, NOW)
    assert [name for name in names if name not in {"GetItem", "Query"}] == [
        "UpdateItem",  # the challenge
        "UpdateItem",  # the entry
        "TransactWriteItems",  # three items: entry, person, e-mail address
        "UpdateItem",  # the proof
    ]


def test_the_proof_gives_a_receipt_and_26_weeks_and_repeating_it_changes_nothing() -> None:
    token = filed().token
    proved = requests.confirm(token, NOW + DAY)
    stored = entry_of(proved)
    assert proved.shown_state is EntryState.ENTERED
    assert len(stored.receipt) == tokens.RECEIPT_LENGTH
    assert set(stored.receipt) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert (stored.proved_at, stored.until) == (NOW + DAY, NOW + DAY + LIFE)
    assert requests.confirm(token, NOW + 2 * DAY).carrier == stored


def test_receipts_differ_and_two_proofs_at_once_give_one(one_call_at_a_time: None) -> None:  # noqa: ARG001
    tokens_of_two = [filed().token, filed(BEN).token]
    for token in tokens_of_two:
        answers = at_once(*[lambda token=token: requests.confirm(token, NOW)] * 2)
        receipts = {answer.carrier.receipt for answer in answers if isinstance(answer, requests.Request)}  # type: ignore[union-attr]
        assert len(receipts) == 1
    assert len({stored.receipt for stored in all_entries()}) == 2


def test_an_address_may_be_proven_after_the_close() -> None:
    request = filed(now=CLOSES - timedelta(minutes=1))
    assert entry_of(requests.confirm(request.token, CLOSES + DAY)).proved_at == CLOSES + DAY


def test_an_address_cannot_be_proven_when_its_time_is_over() -> None:
    request = filed()
    late = NOW + request.service.limits.confirm
    assert requests.view(request.token, late).shown_state is EntryState.EXPIRED
    with pytest.raises(refusals.LinkExpired):
        requests.confirm(request.token, late)


def test_the_same_form_again_is_the_same_entry_and_may_correct_the_address() -> None:
    held = ready()
    first = filing.file(holds.view_ready(held.id, NOW), AWA, now=NOW)
    assert filing.file(holds.view_ready(held.id, NOW), AWA, now=NOW).token == first.token
    corrected = filing.change_email(held.id, "awa@example.net", now=NOW)
    assert person().details.email == "awa@example.net"
    with pytest.raises(refusals.LinkExpired):
        requests.view(first.token, NOW)
    assert requests.confirm(corrected.token, NOW).shown_state is EntryState.ENTERED


# One live entry or request


@pytest.mark.parametrize(
    "other",
    [replace(AWA, email="ben@example.org"), replace(BEN, email="Awa@EXAMPLE.org")],
    ids=["the same person", "the same e-mail address"],
)
@pytest.mark.parametrize("enter", [filed, entered])
def test_an_entry_keeps_out_another_entry_of_the_same_person_or_address(other: object, enter: object) -> None:
    enter()  # type: ignore[operator]
    with pytest.raises(refusals.AlreadyRequested):
        filed(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [replace(AWA, email="ben@example.org"), replace(BEN, email=AWA.email)])
def test_an_entry_keeps_out_who_held_a_seat_before_the_service_drew_its_seats(other: object) -> None:
    entered()
    seat = SeatKey.parse("aes.20261222.0915.1")
    digest = seated(seat)
    with pytest.raises(refusals.AlreadyRequested):
        filing.file(holds.view_ready(digest, NOW), other, now=NOW)  # type: ignore[arg-type]


def seated(key: SeatKey) -> str:
    """Return the token of a hold on a seat, its captcha passed, as before the service drew its seats."""
    token = keys().hold_token(key)
    digest, until = tokens.digest(token.secret), NOW + timedelta(minutes=15)
    seat_store.update(key, [items.SeatItem.opens_at.set(NOW)], items.SeatItem.pk.exists())
    assert seat_store.take(key, digest, until, NOW, captcha_passed=True)
    return str(token)


@pytest.mark.parametrize("other", [replace(AWA, email="ben@example.org"), replace(BEN, email=AWA.email)])
def test_a_request_from_before_the_draws_keeps_out_an_entry(other: object) -> None:
    filing.file(holds.view_ready(seated(SeatKey.parse("aes.20261222.0915.1")), NOW), AWA, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filed(other)  # type: ignore[arg-type]


def test_an_entry_keeps_nobody_out_once_it_is_over_even_before_anything_has_ended_it() -> None:
    request = filed()
    over = NOW + request.service.limits.confirm
    in_window = OPENS + timedelta(weeks=1)
    assert in_window > over
    again = filed(now=in_window)
    assert entry_of(again).key != entry_of(request).key
    assert requests.view(request.token, in_window).shown_state is EntryState.EXPIRED


def test_who_has_left_may_enter_again_with_a_new_receipt() -> None:
    first = entered()
    entries.leave(first.token, NOW)
    second = entered()
    assert entry_of(first).receipt != entry_of(second).receipt
