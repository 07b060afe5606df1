"""Hold a seat: place, view, extend and end a hold. Each function takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import settings
from chalicelib.booking import availability, hold_limits
from chalicelib.booking.hold import SEAT_ATTEMPTS, Held, Hold, Waiting
from chalicelib.domain import timetable, tokens
from chalicelib.domain.entry import Carrier
from chalicelib.domain.refusals import (
    AlreadyRequested,
    CaptchaRequired,
    ConditionsNotAccepted,
    HoldExpired,
    NotFound,
    NothingFree,
    NotYourTurn,
    TooManyRequests,
    WrongAllocation,
)
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import EntryKey, Key, Seat, SeatKey, State
from chalicelib.domain.service import SeatAfter, Service
from chalicelib.domain.tokens import SignedToken, TokenKind
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store, visitor_store, waiting_store
from chalicelib.storage.waiting_store import Tries

CAPTCHA_TIMEOUT = timedelta(seconds=10)
"""The timeout of the captcha function: how long after the right answer the write of its seat may still follow."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The slot that a visitor asks for, by its start. The first free one if `start` is None."""

    start: datetime | None
    conditions_accepted: bool


def place(
    service_id: str,
    wish: Wish,
    *,
    now: datetime,
    visitor_token: str = "",
    ip_address: str = "",
    new_secret: Callable[[], str] = tokens.new_secret,
    rng: random.Random = RNG,
) -> Hold:
    """Place a hold on a free seat of the wished slot, or on one of the earliest free seats.

    In a crowd, and for a client network that has used up its holds of this hour, the hold waits: it costs no write
    and takes its seat after the captcha. Raises SlotTaken with the nearest slots, NothingFree, Paused, or
    WrongAllocation where seats are drawn.
    """
    service = service_store.read(service_id, now)
    availability.refuse_if_paused(service)
    if service.draw:
        raise WrongAllocation
    if not wish.conditions_accepted:
        raise ConditionsNotAccepted
    waits = _all_holds_wait(service, now)
    candidates = _candidates(service, wish, now, spread=waits)  # waiting visitors must not all name the same ten seats
    visitor = hold_limits.identify(keys(), visitor_token, ip_address, now)
    waits = waits or visitor_store.is_crowded(visitor.network)
    free = list(candidates)
    for _ in range(min(SEAT_ATTEMPTS, len(free))):
        key = availability.pick(service, free, now, rng) if wish.start is None else rng.choice(free)
        free.remove(key)
        token = keys().hold_token(key, secret=new_secret)
        if waits or (service.seat_after is SeatAfter.CROWD and availability.is_new(key, now)):
            return _waiting(service, token, wish, ip_address, now)
        digest, until = tokens.digest(token.secret), now + service.limits.hold
        if seat_store.take(key, digest, until, now):
            number = hold_limits.count_hold(visitor, now)
            if hold_limits.is_exceeded(number):
                seat_store.give_back(key, digest, now)
                return _waiting(service, token, wish, ip_address, now)
            seat = Seat(key, opens_at=now, state=State.HELD, hold=digest, until=until)
            limited = hold_limits.apply_limits(visitor, seat, number, now)
            return Held(token, service, until, now, limited, hold_limits.end_other_hold(visitor, limited, now))
    raise availability.refusal(service, wish.start or service.start_of(candidates[0]), now)


def _all_holds_wait(service: Service, now: datetime) -> bool:
    """Tell whether every hold of the service takes its seat after the captcha now."""
    if service.seat_after is SeatAfter.CROWD:
        return timetable.has_crowd(service, now)
    return service.seat_after is SeatAfter.CAPTCHA


def _candidates(service: Service, wish: Wish, now: datetime, *, spread: bool) -> list[SeatKey]:
    """Return the seats that fulfil the wish and look free: at least one."""
    if wish.start is not None:
        return availability.seats_of_slot(service, wish.start, now)
    if free := availability.first_free(service, now, spread=spread):
        return free
    raise NothingFree(timetable.next_release(service, now))


def _waiting(service: Service, token: SignedToken, wish: Wish, ip_address: str, now: datetime) -> Waiting:
    until = now + service.limits.waiting
    network = keys().mask_network(token, ip_address) if ip_address and settings.current().network_holds else ""
    waiting = keys().waiting_token(token, until, first_free=wish.start is None, network=network)
    return Waiting(waiting, service, until, now)


def visitor_token(current: str, now: datetime) -> str:
    """Return a new visitor token; empty while the current one has at least half of its lifetime left."""
    age = keys().visitor_token_age(current, now)
    return keys().visitor_token(now) if age is None or age > tokens.VISITOR_TOKEN_LIFETIME / 2 else ""


def view(hold_id: str, now: datetime) -> Hold:
    """Read a hold. A waiting hold that took a seat is returned as `Held`, under its new id.

    Raises HoldExpired when the hold no longer has its seat or waited too long, TooManyRequests while the answer to its
    captcha is taking a seat.
    """
    token = keys().read_hold_token(hold_id)
    service = service_store.read(token.key.service, now)
    if isinstance(token.key, EntryKey):
        return _entry(service, token, now)
    if token.until is None:
        return _held(service, token, now)
    assigned = waiting_store.read(tokens.digest(token.secret))
    if isinstance(assigned, Tries):
        if token.until <= now:
            raise HoldExpired
        return Waiting(token, service, token.until, now, assigned)
    try:
        return _held(service, keys().seated_token(token, assigned.seat), now)
    except HoldExpired:
        if now - assigned.at < CAPTCHA_TIMEOUT:
            raise TooManyRequests from None
        raise


def _entry(service: Service, token: SignedToken, now: datetime) -> Hold:
    """Return the hold of an entry, which waits until the right answer to its captcha has stored the entry."""
    try:
        return _held(service, keys().seated_token(token, token.key), now)
    except NotFound:
        if token.until is None or token.until <= now:
            raise HoldExpired from None
        return Waiting(token, service, token.until, now)


def ended_entry(hold_id: str) -> Carrier | None:
    """Return the entry of a hold that is over, or the seat that it was drawn for while that is theirs.

    None if the hold was never filed, or is not for an entry.
    """
    token = keys().read_hold_token(hold_id)
    if not isinstance(token.key, EntryKey):
        return None
    digest = tokens.digest(token.secret)
    try:
        entry = seat_store.read(token.key)
        if digest not in {entry.past, entry.hold} or entry.state is State.HELD:
            return None
        seat = seat_store.read(entry.moved_to) if entry.moved_to else None
    except NotFound:
        return None
    return seat if seat and seat.hold == digest else entry


def _held(service: Service, token: SignedToken, now: datetime) -> Held:
    seat = seat_store.read(token.key)
    if seat.until is None or not seat.holds(tokens.digest(token.secret), now):
        raise HoldExpired
    return Held(token, service, seat.until, now, seat)


def view_ready(hold_id: str, now: datetime) -> Held:
    """Read a hold that is ready for the details. Raises CaptchaRequired before the captcha, NotYourTurn after it."""
    hold = view(hold_id, now)
    if isinstance(hold, Waiting) and hold.turn:
        raise NotYourTurn(hold.turn, hold.seconds_to_turn)
    if isinstance(hold, Waiting) or not (hold.captcha_passed or hold.is_filed):
        raise CaptchaRequired
    return hold


def extend(hold_id: str, now: datetime) -> Hold:
    """Add one more period to a hold that runs. A waiting hold, or one without extensions left, stays as it is."""
    hold = view(hold_id, now)
    if isinstance(hold, Waiting) or not hold.can_extend:
        return hold
    seat, limits = hold.carrier, hold.service.limits
    until = hold.until + (limits.form if hold.captcha_passed else limits.hold)
    if seat_store.extend(seat.key, seat.hold, until, now, extensions=seat.extensions):
        return replace(hold, until=until, carrier=replace(seat, until=until, extensions=seat.extensions + 1))
    return view(hold_id, now)


def end(hold_id: str, now: datetime) -> Service:
    """Give back the seat of an unfinished hold at once. Idempotent; a waiting hold has no seat to give back.

    Raises AlreadyRequested, and changes nothing, when the hold has become a request.
    """
    token = keys().read_hold_token(hold_id)
    digest, key = tokens.digest(token.secret), token.key
    if token.until and token.kind is not TokenKind.ENTRY:
        assigned = waiting_store.assigned_seat(digest)
        if assigned is None:
            return service_store.read(token.key.service, now)
        key = assigned.seat
    if not seat_store.give_back(key, digest, now) and _is_request(key, digest, now):
        raise AlreadyRequested
    return service_store.read(token.key.service, now)


def _is_request(key: Key, hold: str, now: datetime) -> bool:
    """Tell whether a hold has become a request."""
    try:
        seat = seat_store.read(key)
    except NotFound:
        if isinstance(key, EntryKey):  # its captcha was not passed
            return False
        raise
    return seat.state is not State.HELD and seat.holds(hold, now)
