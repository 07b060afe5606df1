"""The limits on holds: one live hold for each visitor token, and a count for each client network.

A waiting hold gets its seat here, after the captcha.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import memory, offers, settings, store, tokens, visitors
from chalicelib.errors import TooManyRequests
from chalicelib.model import Seat, SeatKey, Service, State
from chalicelib.tokens import Keys, Ticket

TRIES = 3
"""How many seats one attempt may ask for."""
FULL = 3
"""The first 1/FULL of a client network's holds in an hour have the whole time to confirm; the others are brief."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a seat: their visitor token, "" without a valid one, and their client network, "" if not counted."""

    token: str
    network: str


def client(keys: Keys, visit: str, address: str, now: datetime) -> Client:
    """Return the client of a request, from its cookie and its IP address."""
    network = keys.origin(address, now) if settings.current().origin_holds else ""
    return Client(visit if keys.visited(visit, now) is not None else "", network)


def count(client: Client, now: datetime) -> int:
    """Count a hold that got its seat. Return how many its network had this hour, 0 if not counted."""
    if not client.network:
        return 0
    number = visitors.count(client.network, now)
    if is_over(number):
        visitors.crowded(client.network)
    return number


def is_over(number: int) -> bool:
    """Tell whether a network has used up the holds of this hour that take a seat before the captcha."""
    return number > settings.current().origin_holds


def settle(client: Client, seat: Seat, number: int, now: datetime) -> Seat:
    """Apply the limits to a hold that just got its seat, the `number`th of its network in this hour.

    The hold that the visitor token had before ends. The request is brief for a visitor without a token, and beyond a
    third of the network's holds; each further third costs it another captcha before it is filed.
    """
    third = max(settings.current().origin_holds // FULL, 1)
    due = max(number - 1, 0) // third
    brief = number > 0 and (not client.token or due > 0)
    if brief:
        store.make_brief(seat.key, seat.hold, now, captchas_due=due)
    _end_other(client, seat, now)
    return replace(seat, brief=brief, captchas_due=due)


def _end_other(client: Client, seat: Seat, now: datetime) -> None:
    """A visitor token has one live hold: the seat of the one before goes back."""
    if not client.token:
        return
    ended = ""
    for _ in range(TRIES):
        other = visitors.hold_of(client.token, seat.key, seat.hold, now, ended=ended)
        if other is None:
            return
        store.give_back(*other, now)
        ended = other[1]
    store.give_back(seat.key, seat.hold, now)  # other requests with the same token keep replacing this hold
    raise TooManyRequests


def take_after_captcha(
    service: Service,
    ticket: Ticket,
    challenge: int,
    client: Client,
    *,
    now: datetime,
    most: int,
    chance: random.Random,
) -> Seat | None:
    """Take a seat for a waiting hold whose challenge was answered right; None if the challenge is spent.

    Refuse before any write when nothing is free. The challenge is spent in the same write that names the
    seat: of several right answers only one goes on, so a hold never gets two seats. When every seat it tried is gone,
    or the table throttles, the answer may be sent again.
    """
    hold, start = tokens.digest(ticket.secret), service.start_of(ticket.seat)
    key = offers.for_waiting(service, ticket, now, chance, spread=False)
    if key is None:
        raise offers.refusal(service, start, now)
    if memory.is_throttled(service.id, now):
        raise TooManyRequests
    if not visitors.pass_captcha(hold, challenge, key, now, most=most, keep=service.limits.longest_hold):
        return None
    try:
        seat = _take_first(service, ticket, key, now, chance)
    except TooManyRequests:  # the table refused the write: nothing was taken
        visitors.reopen(hold)
        raise
    if seat is None:
        visitors.reopen(hold)
        raise offers.refusal(service, start, now)
    return settle(client, seat, count(client, now), now)


def _take_first(service: Service, ticket: Ticket, key: SeatKey, now: datetime, chance: random.Random) -> Seat | None:
    """Take this seat, or else one of the next that the waiting hold may have. Each is named before it is tried."""
    hold, start, until = tokens.digest(ticket.secret), service.start_of(ticket.seat), now + service.limits.form
    for attempt in range(TRIES):
        if attempt:
            another = offers.for_waiting(service, ticket, now, chance, spread=attempt == TRIES - 1)
            if another is None:
                return None
            key = another
            visitors.name_seat(hold, key)
        wished = start if service.start_of(key) != start else None
        if store.take(key, hold, until, now, proven=True, wished=wished):
            return Seat(key, now, State.HELD, hold, until, proven=True, wished=wished)
    return None
