"""Displays: the screens of a waiting room. Each has a link of its own, which shows whom the desks of a service call."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain import tokens

LIFETIME = timedelta(days=90)
"""How long a link is valid."""
PLACE_LENGTH = 60
"""The longest name of the place of a screen."""
SECRET = re.compile("[a-z2-7]{52}")
_TOKEN = re.compile(rf"([a-z][a-z0-9-]{{0,30}})\.({SECRET.pattern})")


@dataclass(frozen=True, slots=True)
class Display:
    """The link of a screen. Its secret is stored nowhere."""

    service: str
    digest: str
    """The digest of the secret."""
    place: str
    """Where the screen is, as the agents call it."""
    made_by: str
    """The account id of the agent who made the link, or that of the operators."""
    made_at: datetime
    until: datetime

    @property
    def id(self) -> str:
        """The short name by which a link is revoked. It opens nothing."""
        return self.digest[:12]


def token_of(service_id: str, secret: str) -> str:
    """Return the last part of the URL of a display: `aes.` and 52 characters."""
    return f"{service_id}.{secret}"


def read_token(token: str) -> tuple[str, str] | None:
    """Return the service and the digest of the secret that a token names; None for any other text."""
    match = _TOKEN.fullmatch(token)
    return (match[1], tokens.digest(match[2])) if match else None
