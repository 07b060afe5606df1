"""The limits on holds: one live hold for each visitor token, and a count for each client network.

A waiting hold gets its seat here, after the captcha.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import settings
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Seat
from chalicelib.domain.tokens import Keys
from chalicelib.storage import seat_store, visitor_store

TRIES = 3
"""How many seats one attempt may ask for."""
FULL = 3
"""The first 1/FULL of a client network's holds in an hour have the whole time to confirm; the others are brief."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a seat: their visitor token, "" without a valid one, and their client network, "" if not counted."""

    token: str
    network: str


def client(keys: Keys, visitor_token: str, ip_address: str, now: datetime) -> Client:
    """Return the client of a request, from its cookie and its IP address."""
    network = keys.client_network(ip_address, now) if settings.current().origin_holds else ""
    return Client(visitor_token if keys.visitor_token_age(visitor_token, now) is not None else "", network)


def count_hold(client: Client, now: datetime) -> int:
    """Count a hold that got its seat. Return how many its network had this hour, 0 if not counted."""
    if not client.network:
        return 0
    number = visitor_store.count_hold(client.network, now)
    if is_over(number):
        visitor_store.mark_crowded(client.network)
    return number


def is_over(number: int) -> bool:
    """Tell whether a network has used up the holds of this hour that take a seat before the captcha."""
    return number > settings.current().origin_holds


def apply_limits(client: Client, seat: Seat, number: int, now: datetime) -> Seat:
    """Apply the limits to a hold that just got its seat, the `number`th of its network in this hour.

    The hold that the visitor token had before ends. The request is brief for a visitor without a token, and beyond a
    third of the network's holds; each further third costs it another captcha before it is filed.
    """
    third = max(settings.current().origin_holds // FULL, 1)
    due = max(number - 1, 0) // third
    brief = number > 0 and (not client.token or due > 0)
    if brief:
        seat_store.shorten_confirmation(seat.key, seat.hold, now, captchas_due=due)
    _end_other(client, seat, now)
    return replace(seat, brief=brief, captchas_due=due)


def _end_other(client: Client, seat: Seat, now: datetime) -> None:
    """A visitor token has one live hold: the seat of the one before goes back."""
    if not client.token:
        return
    ended = ""
    for _ in range(TRIES):
        other = visitor_store.claim_hold(client.token, seat.key, seat.hold, now, ended=ended)
        if other is None:
            return
        seat_store.give_back(*other, now)
        ended = other[1]
    seat_store.give_back(seat.key, seat.hold, now)  # other requests with the same token keep replacing this hold
    raise TooManyRequests
