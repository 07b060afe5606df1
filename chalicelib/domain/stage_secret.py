"""The secret of a stage, and the keys that its earlier secrets leave behind.

Secrets Manager stores both as one line: the secret, then ` attestation:DATE:KEY` for each earlier secret. DATE is the
day of the rotation. KEY only signs attestations: no link and no lock follows from it.
"""

import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

LIFETIME = timedelta(days=3 * 365 + 1)
"""How long an attestation can be verified: three years, one of which may be a leap year."""
STORED = r"\S{43,}(?: attestation:[0-9]{4}-[0-9]{2}-[0-9]{2}:[a-z2-7]{52})*"
"""What Secrets Manager stores: at least 256 bits in base64, and the kept keys."""


def attestation_key(secret: str) -> bytes:
    """Derive the key that signs attestations from the secret of a stage."""
    return hmac.digest(secret.encode(), b"attestation", sha256)


@dataclass(frozen=True, slots=True)
class KeptKey:
    """The attestation key of an earlier secret, and the day on which that secret was replaced."""

    replaced_on: date
    key: bytes


@dataclass(frozen=True, slots=True)
class StageSecret:
    """The current secret of a stage, and the attestation keys of earlier ones, newest first."""

    current: str
    kept: tuple[KeptKey, ...] = ()

    @classmethod
    def parse(cls, stored: str) -> "StageSecret":
        """Read what Secrets Manager stores. Raise ValueError if it is malformed; the message does not contain it."""
        if not re.fullmatch(STORED, stored):
            raise ValueError("this is not the secret of a stage")
        current, *kept = stored.split(" ")
        return cls(current, tuple(_kept_key(text) for text in kept))

    def __str__(self) -> str:
        kept = (f" attestation:{k.replaced_on.isoformat()}:{_text(k.key)}" for k in self.kept)
        return self.current + "".join(kept)

    @property
    def attestation_keys(self) -> tuple[bytes, ...]:
        """The keys that verify attestations. The first one signs."""
        return (attestation_key(self.current), *(kept.key for kept in self.kept))

    def rotated(self, new: str, today: date, *, leaked: bool) -> "StageSecret":
        """Return a new secret that keeps the attestation keys of the last three years; no key at all after a leak."""
        if leaked:
            return StageSecret(new)
        kept = (KeptKey(today, attestation_key(self.current)), *self.kept)
        return StageSecret(new, tuple(k for k in kept if today - k.replaced_on <= LIFETIME))


def _kept_key(text: str) -> KeptKey:
    _, day, key = text.split(":")
    return KeptKey(date.fromisoformat(day), b32decode(key.upper() + "===="))


def _text(key: bytes) -> str:
    return b32encode(key).decode().rstrip("=").lower()
