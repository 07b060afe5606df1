"""A sign-in on its way to the identity provider and back: all that it needs follows from one signed cookie.

The cookie binds the sign-in to the browser that began it. The table stores nothing before the agent comes back.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from chalicelib.domain import tokens
from chalicelib.domain.tokens import Keys

LIFETIME = timedelta(minutes=15)
PAGE = re.compile(r"desk(/[A-Za-z0-9][A-Za-z0-9.-]{0,80}){0,4}(\?[A-Za-z0-9=&._%+-]{0,200})?")
"""The pages that a sign-in may lead back to."""
HOME = "desk"
_COOKIE = re.compile(r"([0-9a-f]{11})([a-z2-7]{52})\.([a-z2-7]{52})\.([!-~]{1,600})")


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in. `page` is where it leads in the end."""

    keys: Keys
    began: datetime
    secret: str
    page: str

    @classmethod
    def begin(cls, keys: Keys, page: str, now: datetime) -> "SignIn":
        """Begin a sign-in. A page that is none of the desk becomes its first page."""
        return cls(keys, now, tokens.new_secret(), page if PAGE.fullmatch(page) else HOME)

    @classmethod
    def read(cls, keys: Keys, cookie: str, now: datetime) -> "SignIn | None":
        """Read the cookie of a sign-in; None if this stage did not sign it, or if it is too old."""
        match = _COOKIE.fullmatch(cookie)
        if not match:
            return None
        sign_in = cls(keys, datetime.fromtimestamp(int(match[1], 16) / 1000, UTC), match[2], match[4])
        is_signed = hmac.compare_digest(sign_in._signature, match[3])
        return sign_in if is_signed and now < sign_in.began + LIFETIME else None

    @property
    def cookie(self) -> str:
        """The value of the cookie."""
        return f"{self._moment}{self.secret}.{self._signature}.{self.page}"

    @property
    def state(self) -> str:
        """The `state` of the request: the provider hands it back."""
        return self.keys.derive("desk state", self.secret)

    @property
    def nonce(self) -> str:
        """The `nonce` of the request: the id token contains it."""
        return self.keys.derive("desk nonce", self.secret)

    @property
    def verifier(self) -> str:
        """The PKCE verifier, which only the token request carries."""
        return self.keys.derive("desk verifier", self.secret)

    @property
    def challenge(self) -> str:
        """The PKCE challenge: S256 of the verifier."""
        return urlsafe_b64encode(sha256(self.verifier.encode()).digest()).decode().rstrip("=")

    @property
    def _moment(self) -> str:
        return f"{int(self.began.timestamp() * 1000):011x}"

    @property
    def _signature(self) -> str:
        return self.keys.derive("desk sign-in", self._moment, self.secret, self.page)
