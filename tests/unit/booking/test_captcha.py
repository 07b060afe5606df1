"""The captcha of a hold."""

from datetime import timedelta

import pytest

from chalicelib.booking import captcha
from chalicelib.domain import refusals, tokens
from chalicelib.keys import keys
from tests.unit.booking.steps import NOW, hold

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("service")


def test_the_picture_and_the_sound_both_pass_in_any_case_and_give_fifteen_minutes() -> None:
    for answer in ("picture", "sound"):
        held = hold()
        challenge = captcha.new_challenge(held.id, NOW)
        typed = f" {getattr(challenge, answer).upper()} "
        passed = captcha.answer(held.id, challenge.id, typed, now=NOW)
        assert passed.captcha_passed
        assert passed.until == NOW + timedelta(minutes=15)


def test_five_wrong_answers_spend_a_challenge_even_for_the_right_one_and_a_new_one_starts_afresh() -> None:
    held = hold()
    challenge = captcha.new_challenge(held.id, NOW)
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(refusals.CaptchaWrong) as refusal:
            captcha.answer(held.id, challenge.id, "wrong", now=NOW)
        assert refusal.value.tries_left == left
    for answer in ("wrong", challenge.picture):
        with pytest.raises(refusals.CaptchaSpent):
            captcha.answer(held.id, challenge.id, answer, now=NOW)
    later = NOW + SECOND
    fresh = captcha.new_challenge(held.id, later)
    assert captcha.answer(held.id, fresh.id, fresh.picture, now=later).captcha_passed


def test_an_older_challenge_is_spent_once_a_newer_one_was_tried() -> None:
    held = hold()
    old, new = captcha.new_challenge(held.id, NOW), captcha.new_challenge(held.id, NOW + SECOND)
    with pytest.raises(refusals.CaptchaWrong):
        captcha.answer(held.id, new.id, "wrong", now=NOW + SECOND)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(held.id, old.id, old.picture, now=NOW + SECOND)


def test_a_challenge_is_good_for_one_hold_and_for_five_minutes() -> None:
    held, other = hold(), hold()
    challenge = captcha.new_challenge(other.id, NOW)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(held.id, challenge.id, challenge.picture, now=NOW)
    assert tokens.Keys("k" * 43).new_challenge("hold", NOW, nonce=lambda _: "0" * 16) != challenge.id
    keys_of_stage = keys()
    challenge_id = keys_of_stage.new_challenge(held.seat.hold, NOW)
    assert keys_of_stage.challenge_time(challenge_id, held.seat.hold, NOW + timedelta(seconds=299)) == int(
        NOW.timestamp() * 1000
    )
    with pytest.raises(refusals.CaptchaSpent):
        keys_of_stage.challenge_time(challenge_id, held.seat.hold, NOW + timedelta(minutes=5))


def test_a_challenge_whose_time_was_forged_is_refused() -> None:
    held = hold()
    challenge = captcha.new_challenge(held.id, NOW)
    forged = f"{int(NOW.timestamp() * 1000) + 60_000:011x}{challenge.id[11:]}"
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(held.id, forged, challenge.picture, now=NOW)


def test_the_same_right_answer_twice_gives_the_same_and_does_not_lengthen_the_hold() -> None:
    held = hold()
    challenge = captcha.new_challenge(held.id, NOW)
    first = captcha.answer(held.id, challenge.id, challenge.picture, now=NOW)
    again = captcha.answer(held.id, challenge.id, challenge.picture, now=NOW + SECOND)
    assert again.until == first.until
