"""The keys of this stage."""

from chalicelib import settings
from chalicelib.domain.person import Person
from chalicelib.domain.tokens import Keys


def keys() -> Keys:
    """Return the keys that are derived from the secrets of this stage."""
    current = settings.current()
    return Keys(current.secret, current.accepted_secrets, current.leaked_secrets)


def keys_of(person: Person) -> Keys:
    """Return the keys under which all locks of a request lie: those of the secret with which it was filed."""
    current = keys()
    if len(current.lockers) == 1:
        return current
    return current.locker_of(person.key, person.as_filed or person.details) or current


def attestation_keys() -> tuple[bytes, ...]:
    """Return the keys that verify attestations: that of the current secret, which signs, and those of earlier ones."""
    return settings.current().attestation_keys
