"""When the lock of a person or of an e-mail address keeps others out."""

from collections.abc import Collection
from datetime import datetime

from chalicelib.domain.person import Details
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import EntryKey, Key
from chalicelib.domain.service import Allocation, Service
from chalicelib.domain.tokens import Keys
from chalicelib.keys import keys
from chalicelib.storage import lock_store, person_store, seat_store


def person_keys(details: Details) -> list[str]:
    """Return the key of a person under each secret of the stage, the current one first."""
    name = details.first_name, details.last_name, details.birth_date
    return [locker.person_key(*name) for locker in keys().lockers]


def other_keys(own: Keys, details: Details) -> lock_store.OtherKeys:
    """Return the keys of a person and their e-mail address under the secrets other than that of `own`."""
    lockers = [locker for locker in keys().lockers if locker.secret != own.secret]
    name = details.first_name, details.last_name, details.birth_date
    return lock_store.OtherKeys(
        [locker.person_key(*name) for locker in lockers],
        [locker.email_key(details.email) for locker in lockers if details.email],
    )


def lock_rule(service: Service, now: datetime) -> lock_store.LockRule:
    """Return the rule of the locks: one counts while its seat carries its request and the appointment is to come.

    That of an entry counts until the entry is over, even if nothing has ended it yet. It does not count in a service
    that has stopped drawing: a request replaces the entry.
    """

    def counts(key: Key, hold: str, person: str) -> bool:
        try:
            if isinstance(key, EntryKey):
                return service.allocation is Allocation.DRAW and seat_store.read(key).has_live(hold, person, now)
            return service.start_of(key) > now and seat_store.read(key).carries(hold, person)
        except NotFound:  # its seat is gone from the timetable
            return False

    return lock_store.LockRule(counts, now + service.limits.erase_after)


def is_email_in_use(service: Service, email: str, by_others_than: Collection[str], now: datetime) -> bool:
    """Tell whether an e-mail address has a live request of somebody whose person key is not one of these."""
    rule = lock_rule(service, now)
    email_keys = [locker.email_key(email) for locker in keys().lockers] if email else []
    known = [stored for key in email_keys for stored in person_store.requests_of_email(key, service.id)]
    return any(
        request.person not in by_others_than and rule.counts(request.seat, request.hold, request.person)
        for request in known
    )
