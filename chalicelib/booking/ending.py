"""End a live request. Its seat opens again at a random moment that nobody outside learns."""

from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.domain import lifecycle
from chalicelib.domain.entry import Carrier, Entry
from chalicelib.domain.person import Person
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys_of
from chalicelib.storage import entry_store, person_store, request_store, seat_store

EmailKeys = Callable[[Person], Sequence[str]]


def email_keys_of(person: Person) -> Sequence[str]:
    """Return the lock key of a person's e-mail address; none if they have no address."""
    return [keys_of(person).email_key(person.details.email)] if person.details.email else []


def end_request(
    service: Service,
    seat: Carrier,
    outcome: State,
    *,
    now: datetime,
    early: bool = False,
    random_fraction: Callable[[], float] = RNG.random,
    email_keys: EmailKeys = email_keys_of,
) -> bool:
    """End the request on a seat or an entry as CANCELLED, WITHDRAWN or EXPIRED. Return False if it changed meanwhile.

    EXPIRED needs a pending request, or an entry, whose time has run out; with `early`, one whose time is left. The data
    of an entry is erased `erase_after` from its end, so its person item and locks change in the same transaction.
    """
    if isinstance(seat, Entry):
        person = person_store.read(seat.person, service.id)
        person = person if person and person.hold == seat.hold else None
        owned = entry_store.Owned(seat, person, email_keys(person) if person else ())
        erase_at = min(now, seat.until or now) + service.limits.erase_after
        return entry_store.end(owned, outcome, erase_at, now, early=early)
    opens_at = lifecycle.return_moment(service, seat.key, now, random_fraction())
    return seat_store.end_request(seat, outcome, opens_at, now, early=early)


def erase_request(
    service: Service,
    seat: Carrier,
    person: Person,
    email_keys: Sequence[str],
    outcome: State,
    *,
    now: datetime,
    random_fraction: Callable[[], float] = RNG.random,
) -> bool:
    """End the request on a seat or an entry and delete its person item and locks, in one transaction.

    Return False, with nothing deleted, if the request moved or ended since it was read.
    """
    if isinstance(seat, Entry):
        return request_store.erase(seat, person, email_keys, ended=outcome, opens_at=None, now=now)
    opens_at = lifecycle.return_moment(service, seat.key, now, random_fraction())
    return request_store.erase(seat, person, email_keys, ended=outcome, opens_at=opens_at, now=now)
