"""The keys of this stage, derived from its secret."""

from chalicelib import settings
from chalicelib.domain.tokens import Keys


def keys() -> Keys:
    """The keys of this stage."""
    return Keys(settings.current().secret)
