"""The keys of this stage."""

from chalicelib import settings
from chalicelib.domain.tokens import Keys


def keys() -> Keys:
    """Return the keys that are derived from the secret of this stage."""
    return Keys(settings.current().secret)


def attestation_keys() -> tuple[bytes, ...]:
    """Return the keys that verify attestations: that of the current secret, which signs, and those of earlier ones."""
    return settings.current().attestation_keys
