"""End a live request. Its seat opens again at a random moment that nobody outside learns."""

from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.domain import lifecycle
from chalicelib.domain.person import Person
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.storage import request_store, seat_store


def end_request(
    service: Service,
    seat: Seat,
    outcome: State,
    *,
    now: datetime,
    early: bool = False,
    random_fraction: Callable[[], float] = RNG.random,
) -> bool:
    """End the request on a seat as CANCELLED, WITHDRAWN or EXPIRED. Return False if it changed since it was read.

    EXPIRED needs a pending request whose time has run out; with `early`, one whose time is left.
    """
    opens_at = lifecycle.return_moment(service, seat.key, now, random_fraction())
    return seat_store.end_request(seat, outcome, opens_at, now, early=early)


def erase_request(
    service: Service,
    seat: Seat,
    person: Person,
    email_keys: Sequence[str],
    outcome: State,
    *,
    now: datetime,
    random_fraction: Callable[[], float] = RNG.random,
) -> bool:
    """End the request on a seat and delete its person item and locks, in one transaction.

    Return False, with nothing deleted, if the request moved or ended since it was read.
    """
    opens_at = lifecycle.return_moment(service, seat.key, now, random_fraction())
    return request_store.erase(seat, person, email_keys, ended=outcome, opens_at=opens_at, now=now)
