"""The limits on holds: one live hold for each visitor token, and a count for each client network."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import settings
from chalicelib.booking.hold import SEAT_ATTEMPTS
from chalicelib.domain.entry import Carrier
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Key
from chalicelib.domain.tokens import Keys
from chalicelib.storage import seat_store, visitor_store

TIERS = 3
"""The holds of a client network in an hour fall into this many tiers of equal size. Those of the first tier have the
whole time to confirm. The others are brief, and owe one further captcha for each tier before theirs; holds beyond
the last tier owe more. At most `request_limits.MOST_CAPTCHAS` are asked for."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a seat: their visitor token, "" without a valid one; their client network, "" if not counted."""

    token: str
    network: str


def identify(keys: Keys, visitor_token: str, ip_address: str, now: datetime) -> Visitor:
    """Identify a visitor by their cookie and their IP address."""
    network = keys.client_network(ip_address, now) if settings.current().network_holds else ""
    return Visitor(visitor_token if keys.visitor_token_age(visitor_token, now) is not None else "", network)


def count_hold(visitor: Visitor, now: datetime) -> int:
    """Count a hold that got its seat. Return how many its network had this hour, 0 if not counted."""
    if not visitor.network:
        return 0
    number = visitor_store.count_hold(visitor.network, now)
    if is_exceeded(number):
        visitor_store.mark_crowded(visitor.network)
    return number


def is_exceeded(number: int) -> bool:
    """Tell whether a network has used up the holds of this hour that take a seat before the captcha."""
    return number > settings.current().network_holds


def apply_limits(visitor: Visitor, seat: Carrier, number: int, now: datetime) -> Carrier:
    """Apply the limits to a hold that just got its seat, the `number`th of its network in this hour.

    The request will be brief for a visitor without a token, and beyond the first tier of the network's holds.
    """
    tier_size = max(settings.current().network_holds // TIERS, 1)
    due = max(number - 1, 0) // tier_size
    brief = number > 0 and (not visitor.token or due > 0)
    if brief:
        seat_store.shorten_confirmation(seat.key, seat.hold, now, captchas_due=due)
    return replace(seat, brief=brief, captchas_due=due)


def end_other_hold(visitor: Visitor, seat: Carrier, now: datetime) -> Key | None:
    """Give back the seat of the hold that the visitor token had before, so that it has one live hold.

    Return that seat; None if there was no other hold, or it had expired or become a request.
    """
    if not visitor.token:
        return None
    ended, given_back = "", None
    for _ in range(SEAT_ATTEMPTS):
        other_hold = visitor_store.claim_hold(visitor.token, seat.key, seat.hold, now, ended=ended)
        if other_hold is None:
            return given_back
        if seat_store.give_back(*other_hold, now):
            given_back = other_hold[0]
        ended = other_hold[1]
    seat_store.give_back(seat.key, seat.hold, now)  # other requests with the same token keep replacing this hold
    raise TooManyRequests
