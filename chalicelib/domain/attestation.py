"""Attestations that nothing was free: what they say, and the signed code that carries it. Nothing is stored.

A code is `service.` and base 32 of: key id (2 bytes), outcome (1), moment (4), minutes to the next release (3), minutes
back to each earlier attempt (3 each), signature (16). A moment is in minutes since 1970. The key id names the key.
"""

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from hashlib import sha256
from zoneinfo import ZoneInfo

from chalicelib.domain import names
from chalicelib.domain.refusals import AttestationTooOld, NotFound
from chalicelib.domain.seat import week_of
from chalicelib.domain.stage_secret import LIFETIME

MOST_WEEKS = 52
"""How many attempts a code carries at most, one for each week. Older ones are left out."""
WEEKS_FOR_LETTER = 3
"""From how many weeks on a letter to the prefecture is offered."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two servers may differ."""
KEY_ID, HEAD, GAP, SIGNATURE = 2, 10, 3, 16
"""Lengths in bytes. The head is everything before the earlier attempts."""
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_CHARACTERS = 400
"""The longest code has 289 characters after the id of the service."""
_CODE = re.compile(r"([a-z0-9-]{1,40})\.([a-z2-7]{42,289})")
_ANY_CODE = re.compile(r"(?<![a-z0-9.-])[a-z0-9-]{1,40}\.[a-z2-7]{42,289}(?![a-z0-9-]|\.[a-z0-9])")


class Outcome(IntEnum):
    """Why nothing was free. The values are part of the code's format."""

    FULL = 1
    """Every seat of the open weeks was taken."""
    NOT_OPEN = 2
    """No week had a seat that was open to booking."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Nothing was free for this service at `at`, nor at the moments of earlier attempts. All are full minutes in UTC.

    `earlier` is in order, the latest first, with one moment for each ISO week at most.
    """

    service: str
    at: datetime
    outcome: Outcome
    next_release: datetime | None
    earlier: tuple[datetime, ...] = ()

    @property
    def moments(self) -> tuple[datetime, ...]:
        """The moments of all attempts, the first one first."""
        return (*reversed(self.earlier), self.at)

    @property
    def offers_letter(self) -> bool:
        """Whether there were attempts in enough weeks for a letter to the prefecture."""
        return len(self.moments) >= WEEKS_FOR_LETTER


def earlier_attempts(attestations: Iterable[Attestation], at: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the moments of earlier attempts, the latest first: one for each ISO week other than that of `at`.

    The first attempt of a week counts. Those more than `MOST_WEEKS` ago are left out.
    """
    by_week: dict[str, datetime] = {}
    for moment in sorted({moment for attestation in attestations for moment in attestation.moments}):
        by_week.setdefault(_week(moment, zone), moment)
    by_week.pop(_week(at, zone), None)
    oldest = at - timedelta(weeks=MOST_WEEKS)
    return tuple(sorted((m for m in by_week.values() if oldest < m < at), reverse=True)[: MOST_WEEKS - 1])


def _week(moment: datetime, zone: ZoneInfo) -> str:
    return week_of(moment.astimezone(zone).date())


def find_codes(text: str) -> list[str]:
    """Return the codes in a text that a person pasted: codes or links, in any case and order, each once.

    A printed code has spaces between its groups, so a line without a code is read again without its spaces. An e-mail
    program may break a code into lines, so a text without any code is read again as one line.
    """
    lines = names.without_invisible(text).lower().splitlines()
    codes = [code for line in lines for code in _ANY_CODE.findall(line) or _ANY_CODE.findall(_joined(line))]
    return list(dict.fromkeys(codes or _ANY_CODE.findall(_joined("".join(lines)))))


def _joined(text: str) -> str:
    return "".join(text.split())


# The code


def sign(attestation: Attestation, key: bytes) -> str:
    """Return the code of an attestation."""
    previous, gaps = attestation.at, b""
    for moment in attestation.earlier:
        gaps += _minutes(previous - moment).to_bytes(GAP)
        previous = moment
    release = _minutes(attestation.next_release - attestation.at) if attestation.next_release else 0
    head = bytes([attestation.outcome]) + _minutes(attestation.at - EPOCH).to_bytes(4) + release.to_bytes(GAP)
    content = _key_id(key) + head + gaps
    return f"{attestation.service}.{_text(content + _signature(attestation.service, content, key))}"


def read(code: str, keys: Sequence[bytes], now: datetime) -> Attestation:
    """Verify a code, in any case, and return its attestation.

    Raise NotFound if none of these keys signed it. Raise AttestationTooOld if it is over three years old: its key may
    be gone by then.
    """
    match = _CODE.fullmatch(code.strip().lower()) if len(code) <= MOST_CHARACTERS else None
    content, signature = _decode(match[2]) if match else (b"", b"")
    if not match or not content:
        raise NotFound
    named = [key for key in keys if _key_id(key) == content[:KEY_ID]]  # two keys may have the same id
    if named and not any(hmac.compare_digest(_signature(match[1], content, key), signature) for key in named):
        raise NotFound
    attestation = _parse(match[1], content)
    if now - attestation.at > LIFETIME:
        raise AttestationTooOld
    if not named or attestation.at > now + CLOCK_SKEW:
        raise NotFound
    return attestation


def _decode(text: str) -> tuple[bytes, bytes]:
    """Return the content and the signature of a code; nothing if it is not base 32 of a possible length."""
    try:
        decoded = b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        return b"", b""
    if _text(decoded) != text:  # the last character has bits that no byte uses
        return b"", b""
    content, signature = decoded[:-SIGNATURE], decoded[-SIGNATURE:]
    return (content, signature) if len(content) >= HEAD and (len(content) - HEAD) % GAP == 0 else (b"", b"")


def _parse(service: str, content: bytes) -> Attestation:
    """Read the content of a code, signed or not. Raise NotFound for an unknown outcome or a moment after year 9999."""
    release, earlier = int.from_bytes(content[7:HEAD]), []
    try:
        outcome = Outcome(content[KEY_ID])
        at = previous = EPOCH + MINUTE * int.from_bytes(content[3:7])
        next_release = at + MINUTE * release if release else None
        for start in range(HEAD, len(content), GAP):
            previous -= MINUTE * int.from_bytes(content[start : start + GAP])
            earlier.append(previous)
    except (ValueError, OverflowError) as error:
        raise NotFound from error
    return Attestation(service, at, outcome, next_release, tuple(earlier))


def _minutes(length: timedelta) -> int:
    return int(length / MINUTE)


def _key_id(key: bytes) -> bytes:
    return hmac.digest(key, b"key id", sha256)[:KEY_ID]


def _signature(service: str, content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, service.encode() + b"\x1f" + content, sha256)[:SIGNATURE]


def _text(content: bytes) -> str:
    return b32encode(content).decode().rstrip("=").lower()
