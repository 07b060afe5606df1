"""Take a seat for a waiting hold whose captcha is passed, or give it a turn to do so."""

import random
from datetime import datetime

from chalicelib.booking import availability, hold_limits
from chalicelib.booking.hold import CAPTCHA_TRIES, SEAT_ATTEMPTS, Held, Waiting
from chalicelib.booking.hold_limits import Visitor
from chalicelib.domain import turns
from chalicelib.domain.refusals import TooManyRequests, WrongAllocation
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import recent, seat_store, waiting_store


def next_turn(hold: Waiting, now: datetime) -> datetime | None:
    """Return the turn of a hold whose captcha is passed in the batch of a release; None if it takes its seat at once.

    The turn depends on the client network that placed the hold, so further holds of it have no better one, nor has an
    answer that is sent from many networks. Where client networks are not counted, each hold has a turn of its own.
    """
    release = turns.batched_release(hold.service, now)
    if release is None or hold.service.draw:
        return None
    rank = keys().turn_rank(hold.service.id, release, keys().network_of(hold.token) or hold.digest)
    turn = turns.turn(hold.service, release, rank)
    return turn if now < turn else None


def give_turn(hold: Waiting, made_at: int, turn: datetime, *, now: datetime) -> Waiting | None:
    """Return the hold with its turn, which its new token carries. None if the challenge is spent. Writes nothing.

    Raises SlotTaken or NothingFree when nothing is free.
    """
    if not availability.first_free(hold.service, now):
        raise availability.refusal(hold.service, hold.start, now)
    if not hold.tries.has_tries_left(made_at, CAPTCHA_TRIES):
        return None
    until = turn + turns.KEPT
    return Waiting(keys().turn_token(hold.token, until), hold.service, until, now)


def take_seat(
    hold: Waiting, made_at: int | None, visitor: Visitor, *, now: datetime, rng: random.Random
) -> Held | None:
    """Take a seat for a waiting hold whose challenge of `made_at` was answered right. None if the challenge is spent.

    `made_at` is None at the turn of a hold. Raises SlotTaken or NothingFree, before any write, when nothing is free,
    and WrongAllocation when the seats of the service are drawn by now. The write that spends the challenge also names
    the seat, so of several right answers only one goes on and a hold never gets two seats. When every seat it tried is
    gone, or the table throttles, the same answer may be sent again.
    """
    service = hold.service
    if service.draw:
        raise WrongAllocation
    key = availability.seat_for_waiting(hold, now, rng, spread=False)
    if key is None:
        raise availability.refusal(service, hold.start, now)
    if recent.SEATS.is_throttled(service.id, now):
        raise TooManyRequests
    keep = service.limits.longest_hold
    if not waiting_store.pass_captcha(hold.digest, made_at, key, now, most=CAPTCHA_TRIES, lifetime=keep):
        return None
    try:
        seat = _take_one(hold, key, now, rng)
    except TooManyRequests:  # the table refused the write, so no seat was taken
        waiting_store.reopen(hold.digest)
        raise
    if seat is None:
        waiting_store.reopen(hold.digest)
        raise availability.refusal(service, hold.start, now)
    limited = hold_limits.apply_limits(visitor, seat, hold_limits.count_hold(visitor, now), now)
    given_back = hold_limits.end_other_hold(visitor, limited, now)
    return Held(keys().seated_token(hold.token, seat.key), service, now + service.limits.form, now, limited, given_back)


def _take_one(hold: Waiting, key: SeatKey, now: datetime, rng: random.Random) -> Seat | None:
    """Take this seat or the next one that the hold may have. The waiting item names each seat before it is tried."""
    service, until = hold.service, now + hold.service.limits.form
    for attempt in range(SEAT_ATTEMPTS):
        if attempt:
            next_key = availability.seat_for_waiting(hold, now, rng, spread=attempt == SEAT_ATTEMPTS - 1)
            if next_key is None:
                return None
            key = next_key
            waiting_store.assign_seat(hold.digest, key)
        wished = hold.start if service.start_of(key) != hold.start else None
        if seat_store.take(key, hold.digest, until, now, captcha_passed=True, wished=wished):
            return Seat(key, now, State.HELD, hold.digest, until, captcha_passed=True, wished=wished)
    return None
