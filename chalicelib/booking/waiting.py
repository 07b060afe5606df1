"""Take a seat for a waiting hold whose captcha is passed."""

import random
from datetime import datetime

from chalicelib.booking import availability, hold_limits
from chalicelib.booking.hold_limits import TRIES, Client
from chalicelib.domain import tokens
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import SignedToken
from chalicelib.storage import recent, seat_store, waiting_store


def take_after_captcha(
    service: Service,
    ticket: SignedToken,
    challenge: int,
    client: Client,
    *,
    now: datetime,
    most: int,
    rng: random.Random,
) -> Seat | None:
    """Take a seat for a waiting hold whose challenge was answered right; None if the challenge is spent.

    Refuse before any write when nothing is free. The challenge is spent in the same write that names the
    seat: of several right answers only one goes on, so a hold never gets two seats. When every seat it tried is gone,
    or the table throttles, the answer may be sent again.
    """
    hold, start = tokens.digest(ticket.secret), service.start_of(ticket.seat)
    key = availability.seat_for_waiting(service, ticket, now, rng, spread=False)
    if key is None:
        raise availability.refusal(service, start, now)
    if recent.is_throttled(service.id, now):
        raise TooManyRequests
    if not waiting_store.pass_captcha(hold, challenge, key, now, most=most, keep=service.limits.longest_hold):
        return None
    try:
        seat = _take_first(service, ticket, key, now, rng)
    except TooManyRequests:  # the table refused the write: nothing was taken
        waiting_store.reopen(hold)
        raise
    if seat is None:
        waiting_store.reopen(hold)
        raise availability.refusal(service, start, now)
    return hold_limits.apply_limits(client, seat, hold_limits.count_hold(client, now), now)


def _take_first(service: Service, ticket: SignedToken, key: SeatKey, now: datetime, rng: random.Random) -> Seat | None:
    """Take this seat, or else one of the next that the waiting hold may have. Each is named before it is tried."""
    hold, start, until = tokens.digest(ticket.secret), service.start_of(ticket.seat), now + service.limits.form
    for attempt in range(TRIES):
        if attempt:
            another = availability.seat_for_waiting(service, ticket, now, rng, spread=attempt == TRIES - 1)
            if another is None:
                return None
            key = another
            waiting_store.assign_seat(hold, key)
        wished = start if service.start_of(key) != start else None
        if seat_store.take(key, hold, until, now, captcha_passed=True, wished=wished):
            return Seat(key, now, State.HELD, hold, until, captcha_passed=True, wished=wished)
    return None
