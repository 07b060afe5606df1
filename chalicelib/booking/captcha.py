"""The captcha of a hold: new challenges, and answers."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import settings
from chalicelib.booking import entering, hold_limits, holds, waiting
from chalicelib.booking.hold import CAPTCHA_TRIES, Held, Hold, Waiting
from chalicelib.domain import turns
from chalicelib.domain.refusals import CaptchaRequired, CaptchaSpent, CaptchaWrong, HoldExpired, NotYourTurn
from chalicelib.domain.rng import RNG
from chalicelib.keys import keys
from chalicelib.storage import seat_store, waiting_store


@dataclass(frozen=True, slots=True)
class Challenge:
    """The id of a challenge, and the two answers that pass it: what its picture shows and what its sound says."""

    id: str
    picture: str
    sound: str


def new_challenge(hold_id: str, now: datetime) -> Challenge:
    """Create a challenge for a hold. Nothing is stored: the answers are derived from the id and the stage's secret."""
    return new_challenge_for(holds.view(hold_id, now), now)


def new_challenge_for(hold: Hold, now: datetime) -> Challenge:
    """Create a challenge for a hold that was just read."""
    return challenge_with_id(keys().new_challenge(hold.digest, now), hold.digest)


def challenge_with_id(challenge_id: str, hold_digest: str) -> Challenge:
    """Return the challenge with an id that was verified (`challenge_time`), of the hold with this digest."""
    signer = keys().signer_of_challenge(challenge_id, hold_digest)
    return Challenge(challenge_id, signer.picture_answer(challenge_id), signer.sound_answer(challenge_id))


def answer(
    hold_id: str,
    challenge_id: str,
    answer: str,
    *,
    now: datetime,
    visitor_token: str = "",
    ip_address: str = "",
    rng: random.Random = RNG,
) -> Hold:
    """Check an answer. The right one gives the hold the time for the form, and a waiting hold its seat, turn or entry.

    Idempotent: a hold that passed its captcha is returned as it is. Raises CaptchaWrong, or CaptchaSpent when the
    challenge is foreign, too old, replaced, or has no tries left.
    """
    hold = holds.view(hold_id, now)
    if hold.captcha_passed or hold.is_filed or (isinstance(hold, Waiting) and hold.turn):
        return hold
    made_at = keys().challenge_time(challenge_id, hold.digest, now)
    is_right = _is_right(challenge_with_id(challenge_id, hold.digest), answer)
    passed: Hold | None
    if isinstance(hold, Waiting):
        if not is_right:
            raise _wrong(
                waiting_store.count_wrong_answer(hold.digest, made_at, now, most=CAPTCHA_TRIES, seen=hold.tries)
            )
        visitor = hold_limits.identify(keys(), visitor_token, ip_address, now)
        if hold.is_entry:
            passed = entering.store(hold, made_at, visitor, now=now)
        elif turn := waiting.next_turn(hold, now):
            passed = waiting.give_turn(hold, made_at, turn, now=now)
        else:
            passed = waiting.take_seat(hold, made_at, visitor, now=now, rng=rng)
    else:
        if not is_right:
            raise _wrong(
                seat_store.count_wrong_answer(hold.carrier.key, hold.digest, made_at, now, most=CAPTCHA_TRIES),
            )
        passed = _pass(hold, made_at, now)
    return passed or _passed_by_another_answer(hold_id, now)


def take_seat(
    hold_id: str, *, now: datetime, visitor_token: str = "", ip_address: str = "", rng: random.Random = RNG
) -> Held:
    """Take the seat of a hold whose turn has come. Idempotent: a hold that has its seat is returned as it is.

    Raises NotYourTurn, before any write, while its service has a batch and the turn has not come; HoldExpired when the
    turn is of an earlier release than the one whose turns come now; CaptchaRequired before the captcha; SlotTaken or
    NothingFree when nothing is free.
    """
    hold = holds.view(hold_id, now)
    if isinstance(hold, Held) and (hold.captcha_passed or hold.is_filed):
        return hold
    if isinstance(hold, Held) or not hold.turn:
        raise CaptchaRequired
    if now < hold.turn and hold.service.release.batch:
        raise NotYourTurn(hold.turn, hold.seconds_to_turn)
    release = turns.batched_release(hold.service, now)
    if release and hold.turn < release:
        raise HoldExpired
    visitor = hold_limits.identify(keys(), visitor_token, ip_address, now)
    return waiting.take_seat(hold, None, visitor, now=now, rng=rng) or _passed_by_another_answer(hold_id, now)


def _pass(hold: Held, made_at: int, now: datetime) -> Held | None:
    """Store that the captcha of a hold is passed. Return None if the challenge is spent.

    A further captcha over a limit gives no more time.
    """
    seat, until = hold.carrier, now + hold.service.limits.form
    due = seat.captchas_due if seat.checked_for else 0
    if not seat_store.pass_captcha(seat.key, seat.hold, made_at, until, now, most=CAPTCHA_TRIES, due=due):
        return None
    if due:
        return replace(hold, carrier=replace(seat, captcha_passed=True, captchas_due=due - 1))
    return replace(hold, until=until, carrier=replace(seat, captcha_passed=True, until=until, extensions=0))


def _passed_by_another_answer(hold_id: str, now: datetime) -> Held:
    """Return the hold if another answer passed its captcha. Raises CaptchaSpent if none did."""
    hold = holds.view(hold_id, now)
    if isinstance(hold, Held) and hold.captcha_passed:
        return hold
    raise CaptchaSpent


def _wrong(tries: int | None) -> CaptchaWrong | CaptchaSpent:
    """Return the refusal of a wrong answer. `tries` counts those of its challenge; None if the challenge is spent."""
    return CaptchaSpent() if tries is None else CaptchaWrong(CAPTCHA_TRIES - tries)


def _is_right(challenge: Challenge, answer: str) -> bool:
    right = {challenge.picture, challenge.sound}
    if extra := settings.current().captcha_answer:
        right.add(extra)
    return "".join(answer.split()).casefold() in right
