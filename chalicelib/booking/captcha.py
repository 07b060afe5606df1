"""The captcha of a hold: new challenges, and answers."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import settings
from chalicelib.booking import hold_limits, holds, waiting
from chalicelib.booking.holds import CAPTCHA_TRIES, Hold
from chalicelib.domain.refusals import (
    CaptchaSpent,
    CaptchaWrong,
)
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.storage import seat_store, waiting_store


@dataclass(frozen=True, slots=True)
class Challenge:
    """A captcha: its id, and the two answers that the picture and the sound give away."""

    id: str
    picture: str
    sound: str


# The captcha


def new_challenge(hold_id: str, now: datetime) -> Challenge:
    """A new challenge for a hold. Nothing is stored: the answer follows from the id and the stage's secret."""
    return challenge_for(holds.view(hold_id, now), now)


def challenge_for(hold: Hold, now: datetime) -> Challenge:
    """The same for a hold that was just read."""
    return challenge_of(keys().new_challenge(hold.seat.hold, now))


def challenge_of(challenge_id: str) -> Challenge:
    """The challenge of an id that was checked."""
    return Challenge(challenge_id, keys().picture_answer(challenge_id), keys().sound_answer(challenge_id))


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
    """Check an answer; the right one gives the hold the time for the form, and a waiting hold its seat."""
    service, seat, ticket = holds.find(hold_id, now)
    if seat.captcha_passed or seat.state is not State.HELD:
        return holds.hold_of(service, seat, ticket, now)
    made = keys().challenge_time(challenge_id, seat.hold, now)
    right = _is_right(challenge_id, answer)
    if seat.until is None:
        if not right:
            raise _wrong(waiting_store.count_wrong_answer(seat.hold, made, now, most=CAPTCHA_TRIES))
        client = hold_limits.client(keys(), visitor_token, ip_address, now)
        new = waiting.take_after_captcha(service, ticket, made, client, now=now, most=CAPTCHA_TRIES, rng=rng)
        return holds.hold_of(service, new, keys().seated_token(ticket, new.key), now) if new else _passed(hold_id, now)
    if not right:
        raise _wrong(seat_store.count_wrong_answer(seat.key, seat.hold, made, now, most=CAPTCHA_TRIES))
    until = now + service.limits.form
    due = seat.captchas_due if seat.checked_for else 0
    if seat_store.pass_captcha(seat.key, seat.hold, made, until, now, most=CAPTCHA_TRIES, due=due):
        passed = (
            replace(seat, captcha_passed=True, captchas_due=max(due - 1, 0))
            if due
            else replace(seat, captcha_passed=True)
        )
        return holds.hold_of(service, passed if due else replace(passed, until=until, extensions=0), ticket, now)
    return _passed(hold_id, now)


def _passed(hold_id: str, now: datetime) -> Hold:
    """Return the hold if another answer passed its captcha. Raise CaptchaSpent if none did."""
    hold = holds.view(hold_id, now)
    if not hold.seat.captcha_passed:
        raise CaptchaSpent
    return hold


def _wrong(tries: int | None) -> CaptchaWrong | CaptchaSpent:
    """Return the refusal of a wrong answer. `tries` counts those of its challenge; None if the challenge is spent."""
    return CaptchaSpent() if tries is None else CaptchaWrong(CAPTCHA_TRIES - tries)


def _is_right(challenge_id: str, answer: str) -> bool:
    right = {keys().picture_answer(challenge_id), keys().sound_answer(challenge_id)}
    if extra := settings.current().captcha_answer:
        right.add(extra)
    return "".join(answer.split()).casefold() in right
