"""The secret of a stage, and what its earlier and later secrets leave in use.

Secrets Manager stores them as one line: the current secret, then these fields, separated by spaces and in this order.
DATE is the day on which a secret was made (`next`) or replaced.

` next:DATE:SECRET`       becomes the current secret with the next deployment. Everything accepts it already
` previous:DATE:SECRET`   was current. What it signed stays valid, and its locks are found
` leaked:DATE:SECRET`     was current, and others may know it. Only its locks are found
` attestation:DATE:KEY`   verifies attestations of the last three years, and nothing else follows from it
"""

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256

LIFETIME = timedelta(days=3 * 365 + 1)
"""How long an attestation can be verified: three years, one of which may be a leap year."""
_DATED = ("next", "previous", "leaked")
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
STORED = (
    rf"\S{{43,}}(?: next:{_DATE}:\S{{43,}})?(?: previous:{_DATE}:\S{{43,}})*(?: leaked:{_DATE}:\S{{43,}})*"
    rf"(?: attestation:{_DATE}:[a-z2-7]{{52}})*"
)
"""What Secrets Manager stores: secrets of at least 256 bits in base64, and the kept keys."""


def attestation_key(secret: str) -> bytes:
    """Derive the key that signs attestations from the secret of a stage."""
    return hmac.digest(secret.encode(), b"attestation", sha256)


@dataclass(frozen=True, slots=True)
class KeptKey:
    """The attestation key of an earlier secret, and the day on which that secret was replaced."""

    replaced_on: date
    key: bytes


@dataclass(frozen=True, slots=True)
class DatedSecret:
    """A secret that is not the current one, and the day on which it was made (`next`) or replaced."""

    day: date
    secret: str


@dataclass(frozen=True, slots=True)
class StageSecret:
    """The current secret of a stage, the next one, and what is kept of earlier ones, newest first."""

    current: str
    kept: tuple[KeptKey, ...] = ()
    upcoming: DatedSecret | None = None
    previous: tuple[DatedSecret, ...] = ()
    leaked: tuple[DatedSecret, ...] = ()

    @classmethod
    def parse(cls, stored: str) -> "StageSecret":
        """Read what Secrets Manager stores. Raise ValueError if it is malformed; the message does not contain it."""
        if not re.fullmatch(STORED, stored):
            raise ValueError("this is not the secret of a stage")
        current, *texts = stored.split(" ")
        fields = [(kind, date.fromisoformat(day), value) for kind, day, value in (t.split(":", 2) for t in texts)]
        dated = {name: tuple(DatedSecret(d, v) for kind, d, v in fields if kind == name) for name in _DATED}
        return cls(
            current,
            tuple(KeptKey(day, b32decode(key.upper() + "====")) for kind, day, key in fields if kind == "attestation"),
            next(iter(dated["next"]), None),
            dated["previous"],
            dated["leaked"],
        )

    def __str__(self) -> str:
        dated = zip(_DATED, (self._upcoming, self.previous, self.leaked), strict=True)
        secrets = (f" {kind}:{d.day.isoformat()}:{d.secret}" for kind, secrets in dated for d in secrets)
        kept = (f" attestation:{k.replaced_on.isoformat()}:{_text(k.key)}" for k in self.kept)
        return self.current + "".join((*secrets, *kept))

    @property
    def _upcoming(self) -> tuple[DatedSecret, ...]:
        return (self.upcoming,) if self.upcoming else ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The secrets beside the current one whose signatures are valid: the next one and the previous ones."""
        return tuple(d.secret for d in (*self._upcoming, *self.previous))

    @property
    def leaked_secrets(self) -> tuple[str, ...]:
        """The secrets that only find the locks that were made with them."""
        return tuple(d.secret for d in self.leaked)

    @property
    def attestation_keys(self) -> tuple[bytes, ...]:
        """The keys that verify attestations. The first one signs."""
        upcoming = (attestation_key(d.secret) for d in self._upcoming)
        return (attestation_key(self.current), *upcoming, *(kept.key for kept in self.kept))

    def rotated(self, new: str, today: date, *, leaked: bool) -> "StageSecret":
        """Return the secrets with a new one: `next` until it is promoted, or current at once after a leak.

        After a leak the earlier secrets only find locks, and no attestation key is kept.
        """
        if not leaked:
            return replace(self, upcoming=DatedSecret(today, new))
        newly_leaked = (DatedSecret(today, self.current), *self.previous)
        return StageSecret(new, leaked=(*newly_leaked, *self.leaked))

    def promoted(self, today: date) -> "StageSecret":
        """Return the secrets with the next one as the current one, and the attestation keys of three years."""
        if self.upcoming is None:
            return self
        kept = (KeptKey(today, attestation_key(self.current)), *self.kept)
        return StageSecret(
            self.upcoming.secret,
            tuple(k for k in kept if today - k.replaced_on <= LIFETIME),
            previous=(DatedSecret(today, self.current), *self.previous),
            leaked=self.leaked,
        )

    def without(self, is_unneeded: Callable[[DatedSecret], bool]) -> "StageSecret":
        """Return the secrets without those earlier ones that nothing needs any more."""
        previous, leaked = (tuple(d for d in kept if not is_unneeded(d)) for kept in (self.previous, self.leaked))
        return replace(self, previous=previous, leaked=leaked)


def _text(key: bytes) -> str:
    return b32encode(key).decode().rstrip("=").lower()
