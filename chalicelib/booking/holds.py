"""What an applicant does until the details, one function a step. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.booking import availability, hold_limits
from chalicelib.domain import timetable, tokens
from chalicelib.domain.refusals import (
    AlreadyRequested,
    CaptchaRequired,
    ConditionsNotAccepted,
    HoldExpired,
    NothingFree,
    TooManyRequests,
)
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import SeatAfter, Service
from chalicelib.domain.tokens import SignedToken
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store, visitor_store, waiting_store

TRIES = hold_limits.TRIES
CAPTCHA_TRIES = 5
TAKING = timedelta(seconds=10)
"""How long after the right answer the write of its seat may still follow: the timeout of the captcha function."""
BRIEF = timedelta(minutes=30)
"""How long a brief request may wait for its confirmation."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A slot, by its start on the wall, or the first free one (`start` is None)."""

    start: datetime | None
    conditions_accepted: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A seat kept for one visitor, and how far they are; its time is over at `until`, `left` whole seconds from now.

    A waiting hold, which is not `kept` yet, has no seat: its visitor passes the captcha first.
    """

    id: str
    service: Service
    seat: Seat
    start: datetime
    can_extend: bool
    left: int
    until: datetime | None

    @property
    def kept(self) -> bool:
        """Does it have a seat?"""
        return self.seat.until is not None

    @property
    def brief(self) -> bool:
        """Must its request be confirmed soon after it is filed?"""
        return self.seat.brief

    @property
    def instead_of(self) -> datetime | None:
        """The slot that the visitor had chosen, if they have this one because it was gone after the captcha."""
        return self.seat.wished and self.seat.wished.astimezone(self.service.zone)

    @property
    def time_to_confirm(self) -> timedelta:
        """How long its request waits, or will wait, for the confirmation."""
        if self.seat.filed_at and self.seat.until:
            return self.seat.until - self.seat.filed_at
        return BRIEF if self.brief else self.service.limits.confirm


# Holding


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
    """Hold a free seat of the wished slot, or one of the earliest free; refuse with the nearest.

    `visit` is the visitor token, `address` the IP address. In a crowd, and for a client network that had all its holds
    of this hour, the hold is waiting: it takes its seat after the captcha, and costs no write.
    """
    service = service_store.read(service_id, now)
    if not wish.conditions_accepted:
        raise ConditionsNotAccepted
    waits = _waits(service, now)
    if wish.start is None:
        candidates = availability.first_free(service, now, spread=waits)  # else all would name the same ten
        if not candidates:
            raise NothingFree(timetable.next_release(service, now))
    else:
        candidates = availability.seats_of_slot(service, wish.start, now)
    client = hold_limits.client(keys(), visitor_token, ip_address, now)
    waits = waits or visitor_store.is_crowded(client.network)
    free = list(candidates)
    for _ in range(min(hold_limits.TRIES, len(free))):
        key = availability.pick(service, free, now, rng) if wish.start is None else rng.choice(free)
        free.remove(key)
        ticket = keys().hold_token(key, secret=new_secret)
        if waits or (service.seat_after is SeatAfter.CROWD and availability.is_new(key, now)):
            return _waiting(service, ticket, wish, now)
        seat = Seat(key, opens_at=now, state=State.HELD, hold=tokens.digest(ticket.secret))
        seat = replace(seat, until=now + service.limits.hold)
        if seat_store.take(key, seat.hold, now + service.limits.hold, now):
            number = hold_limits.count_hold(client, now)
            if hold_limits.is_over(number):
                seat_store.give_back(key, seat.hold, now)
                return _waiting(service, ticket, wish, now)
            return hold_of(service, hold_limits.apply_limits(client, seat, number, now), ticket, now)
    raise availability.refusal(service, wish.start or service.start_of(candidates[0]), now)


def _waits(service: Service, now: datetime) -> bool:
    """Does every hold of the service take its seat after the captcha now?"""
    if service.seat_after is SeatAfter.CROWD:
        return timetable.has_crowd(service, now)
    return service.seat_after is SeatAfter.CAPTCHA


def visitor_token(visitor_token: str, now: datetime) -> str:
    """A new ticket for a visitor, or nothing while theirs is good for a while."""
    age = keys().visitor_token_age(visitor_token, now)
    return keys().visitor_token(now) if age is None or age > tokens.VISITOR_TOKEN_LIFETIME / 2 else ""


def hold_of(service: Service, seat: Seat, ticket: SignedToken, now: datetime) -> Hold:
    until = seat.until or ticket.until
    left = max(int((until - now).total_seconds()), 0) if until else 0
    extends = seat.state is State.HELD and left > 0 and seat.extensions < service.limits.extensions
    return Hold(str(ticket), service, seat, service.start_of(seat.key), extends and bool(seat.until), left, until)


def _waiting(service: Service, hold: SignedToken, wish: Wish, now: datetime) -> Hold:
    ticket = keys().waiting_token(hold, now + service.limits.waiting, first_free=wish.start is None)
    return hold_of(service, _no_seat(ticket, now), ticket, now)


def _no_seat(ticket: SignedToken, now: datetime) -> Seat:
    """Return a placeholder for the seat of a waiting hold. It has no `until`."""
    return Seat(ticket.seat, opens_at=now, state=State.HELD, hold=tokens.digest(ticket.secret))


def find(hold_id: str, now: datetime) -> tuple[Service, Seat, SignedToken]:
    """Return the seat that this hold has, and its current id; a placeholder while the hold is waiting.

    Raises HoldOver when it no longer has a seat or waited too long, TooManyRequests while an answer is taking the seat.
    """
    ticket = keys().read_token("hold", hold_id)
    service, hold = service_store.read(ticket.seat.service, now), tokens.digest(ticket.secret)
    if ticket.until is None:
        seat = seat_store.read(ticket.seat)
        if not seat.holds(hold, now):
            raise HoldExpired
        return service, seat, ticket
    passed = waiting_store.assigned_seat(hold)
    if passed is None:
        if ticket.until <= now:
            raise HoldExpired
        return service, _no_seat(ticket, now), ticket
    seat = seat_store.read(passed.seat)
    if seat.holds(hold, now):
        return service, seat, keys().seated_token(ticket, seat.key)
    raise TooManyRequests if now - passed.at < TAKING else HoldExpired


def view(hold_id: str, now: datetime) -> Hold:
    """Where a hold stands."""
    service, seat, ticket = find(hold_id, now)
    return hold_of(service, seat, ticket, now)


def end(hold_id: str, now: datetime) -> Service:
    """Give an unfinished hold's seat back at once; a waiting hold has none.

    Twice is once; AlreadyRequested, and no change, after a request.
    """
    ticket = keys().read_token("hold", hold_id)
    digest = tokens.digest(ticket.secret)
    passed = waiting_store.assigned_seat(digest) if ticket.until else None
    if ticket.until and not passed:
        return service_store.read(ticket.seat.service, now)
    key = passed.seat if passed else ticket.seat
    if not seat_store.give_back(key, digest, now):
        seat = seat_store.read(key)
        if seat.state is not State.HELD and seat.holds(digest, now):
            raise AlreadyRequested
    return service_store.read(ticket.seat.service, now)


def extend(hold_id: str, now: datetime) -> Hold:
    """Add one more period to a hold that still runs. A waiting hold, or one that had all of them, stays as it is."""
    hold = view(hold_id, now)
    if not hold.can_extend or hold.seat.until is None:
        return hold
    limits = hold.service.limits
    until = hold.seat.until + (limits.form if hold.seat.captcha_passed else limits.hold)
    seat_store.extend(hold.seat.key, hold.seat.hold, until, now, extensions=hold.seat.extensions)
    return view(hold_id, now)


def view_ready(hold_id: str, now: datetime) -> Hold:
    """A hold that is ready for the details; CaptchaRequired before the captcha."""
    hold = view(hold_id, now)
    if hold.seat.state is State.HELD and not hold.seat.captcha_passed:
        raise CaptchaRequired
    return hold
