"""Tokens and the keys derived from the secret of a stage. All token formats are written and read here.

The table stores only digests of secrets. Each purpose has its own HMAC key.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from chalicelib.domain import emails, names
from chalicelib.domain.refusals import CaptchaSpent, NotFound
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import SeatKey

CHALLENGE_LIFETIME = timedelta(minutes=5)
VISITOR_TOKEN_LIFETIME = timedelta(hours=4)
CAPTCHA_LETTERS = "acdefhjkmnprtuvwxy34789"
"""Characters of a captcha picture, without look-alikes: 0 and o, 1, i and l, 2 and z, 5 and s, 6 and b; tilted, g and q
look like 8 and 9. Six of these 23 characters give 148,035,889 answers (27.1 bits)."""
CAPTCHA_LENGTH = 6

_SECRET = re.compile(r"([a-z2-7]{52})([0-9a-f]{11})?([a-z2-7]{26})")
_TIMESTAMPED = re.compile(r"([0-9a-f]{11})([0-9a-f]{16})([0-9a-f]{32})")


def new_secret() -> str:
    """Return 256 random bits as 52 characters of base 32, which survive mail programs that change the case."""
    return _text(RNG.randbytes(32))


def _text(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()


def _timestamp(moment: datetime | None) -> str:
    """Return a moment as tokens carry it, in milliseconds since 1970; empty without one."""
    return f"{round(moment.timestamp() * 1000):011x}" if moment else ""


def service_of_token(value: str) -> str:
    """Return the service id in a hold or link token. The signature is not verified."""
    return value.partition(".")[0].lower()


def service_of_reference(reference: str) -> str:
    """Return the service id in the reference of a request: `aes` of `AES-7K3M9-QXPT2`."""
    return reference.lower().rpartition("-")[0].rpartition("-")[0]


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret, which is stored instead of it."""
    return _text(sha256(secret.encode()).digest())


class TokenKind(StrEnum):
    """What a token that names a seat is for. Its signature is valid for this purpose only."""

    HOLD = "hold"
    WAITING = "waiting hold"
    """A hold that takes a seat after the captcha: the seat it names, or the nearest free one."""
    WAITING_FIRST = "waiting hold, first free"
    """The same for the first free slot: the seat it names, or the earliest free one."""
    LINK = "link"


WAITING = (TokenKind.WAITING, TokenKind.WAITING_FIRST)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A hold token or a link token: a seat, a secret, and a signature over both.

    `until` is the end of a waiting hold, which is stored nowhere else.
    """

    seat: SeatKey
    secret: str
    signature: str
    kind: TokenKind
    until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.seat.ref}.{self.secret}{_timestamp(self.until)}{self.signature}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys, tokens and codes that are derived from the secret of a stage."""

    secret: str

    def _mac(self, purpose: str, *parts: str) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose.encode(), sha256)
        return hmac.digest(key, "\x1f".join(parts).encode(), sha256)

    def hold_token(self, seat: SeatKey, *, secret: Callable[[], str] = new_secret) -> SignedToken:
        """Return a new hold token for this seat."""
        return self._signed(TokenKind.HOLD, seat, secret())

    def waiting_token(self, hold: SignedToken, until: datetime, *, first_free: bool) -> SignedToken:
        """Return the token of this hold as a waiting one: it takes its seat after the captcha and ends at `until`."""
        kind = TokenKind.WAITING_FIRST if first_free else TokenKind.WAITING
        return self._signed(kind, hold.seat, hold.secret, until)

    def seated_token(self, hold: SignedToken, seat: SeatKey) -> SignedToken:
        """Return the token of a hold, waiting or not, once it has this seat. Its secret stays the same."""
        return self._signed(TokenKind.HOLD, seat, hold.secret)

    def link_token(self, seat: SeatKey, hold: str, generation: int = 0) -> SignedToken:
        """Derive the token in a letter's links from the hold's digest. It is never stored.

        `generation` counts the corrections of the e-mail address: each one ends the links sent before.
        """
        later = (str(generation),) if generation else ()
        return self._signed(TokenKind.LINK, seat, _text(self._mac("link", seat.ref, hold, *later)))

    def is_current_link(self, link: SignedToken, hold: str, generation: int = 0) -> bool:
        """Check in constant time whether this is the current link of that hold."""
        return bool(hold) and hmac.compare_digest(self.link_token(link.seat, hold, generation).secret, link.secret)

    def _signed(self, kind: TokenKind, seat: SeatKey, secret: str, until: datetime | None = None) -> SignedToken:
        parts = [seat.ref, secret, *([_timestamp(until)] if until else ())]
        return SignedToken(seat, secret, _text(self._mac(f"{kind} seal", *parts)[:16]), kind, until)

    def read_hold_token(self, value: str) -> SignedToken:
        """Verify the token of a hold, waiting or not, in any case. Raise NotFound if this stage did not sign it."""
        return self._read(value, (TokenKind.HOLD,), WAITING)

    def read_link_token(self, value: str) -> SignedToken:
        """Verify the token of a link, in any case. Raise NotFound if this stage did not sign it."""
        return self._read(value, (TokenKind.LINK,), ())

    def _read(self, value: str, kinds: Sequence[TokenKind], kinds_until: Sequence[TokenKind]) -> SignedToken:
        ref, _, rest = value.strip().lower().rpartition(".")
        match = _SECRET.fullmatch(rest)
        if not match:
            raise NotFound
        try:
            seat = SeatKey.parse(ref)
        except ValueError as error:
            raise NotFound from error
        until = datetime.fromtimestamp(int(match[2], 16) / 1000, UTC) if match[2] else None
        for kind in kinds_until if until else kinds:
            token = self._signed(kind, seat, match[1], until)
            if hmac.compare_digest(token.signature, match[3]):
                return token
        raise NotFound

    def reference(self, service: str, hold: str) -> str:
        """Return the reference that an applicant gives at the desk: `AES-7K3M9-QXPT2`, 50 bits, no look-alikes."""
        alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
        code = "".join(alphabet[byte % 32] for byte in self._mac("reference", hold)[:10])
        return f"{service.upper()}-{code[:5]}-{code[5:]}"

    @property
    def cdn_secret(self) -> str:
        """The secret header value by which the CDN of this stage proves itself, so that its client IP is trusted."""
        return _text(self._mac("edge"))

    def is_cdn(self, secret: str) -> bool:
        """Check in constant time whether a request with this header value comes from the CDN of this stage."""
        return hmac.compare_digest(self.cdn_secret.encode(), secret.encode())

    def person_key(self, first_name: str, last_name: str, birth_date: date) -> str:
        """Return the key of a person: the name in any spelling (`names.person_key`), and the date of birth."""
        return _text(self._mac("person", names.person_key(first_name, last_name), birth_date.isoformat()))

    def email_key(self, email: str) -> str:
        """Return the key of an e-mail address, in any spelling (`emails.mailbox_key`)."""
        return _text(self._mac("address", emails.mailbox_key(email)))

    def new_challenge(self, hold: str, now: datetime, *, nonce: Callable[[int], str] = RNG.token_hex) -> str:
        """Return a new challenge for this hold: the time, a nonce, and a signature over both and the hold."""
        return self._timestamped("challenge", hold, now, nonce(8))

    def challenge_time(self, challenge: str, hold: str, now: datetime) -> int:
        """Return when a challenge was made, in milliseconds since 1970.

        Raise CaptchaSpent if it is older than `CHALLENGE_LIFETIME` or was not signed for this hold.
        """
        created = self._read_timestamp("challenge", hold, challenge)
        if created is None or now - datetime.fromtimestamp(created / 1000, UTC) >= CHALLENGE_LIFETIME:
            raise CaptchaSpent
        return created

    def visitor_token(self, now: datetime, *, nonce: Callable[[int], str] = RNG.token_hex) -> str:
        """Return a new visitor token."""
        return self._timestamped("visit", "", now, nonce(8))

    def visitor_token_age(self, token: str, now: datetime) -> timedelta | None:
        """Return the age of a visitor token; None if it is too old or was not signed by this stage."""
        created = self._read_timestamp("visit", "", token)
        age = now - datetime.fromtimestamp(created / 1000, UTC) if created is not None else VISITOR_TOKEN_LIFETIME
        return age if age < VISITOR_TOKEN_LIFETIME else None

    def link_asked(self, reference: str, email: str, now: datetime) -> str:
        """Return the receipt of a browser that asked for the link of this request, without what was typed."""
        return self._timestamped("asked", f"{reference}\x1f{emails.mailbox_key(email)}", now, "0" * 16)

    def link_asked_at(self, receipt: str, reference: str, email: str) -> datetime | None:
        """Return when a browser asked for the link of this request; None if the receipt is of another one."""
        asked = self._read_timestamp("asked", f"{reference}\x1f{emails.mailbox_key(email)}", receipt)
        return datetime.fromtimestamp(asked / 1000, UTC) if asked is not None else None

    def client_network(self, ip: str, now: datetime) -> str:
        """Return the key of a client network (an IPv4 address, or the /56 of an IPv6 one) for this hour in UTC."""
        version6 = _ipv6(ip)
        network = ip_network((version6, 56), strict=False) if version6 else _ipv4(ip)
        return _text(self._mac("origin", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def ipv6_prefix(self, ip: str, length: int, now: datetime) -> str:
        """Return the key of an IPv6 prefix of this length for this hour (in UTC); empty for an IPv4 address."""
        version6 = _ipv6(ip)
        if version6 is None:
            return ""
        network = ip_network((version6, length), strict=False)
        return _text(self._mac("prefix", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def email_domain(self, domain: str, now: datetime) -> str:
        """Return the key of an e-mail domain for this day (in UTC)."""
        return _text(self._mac("domain", domain, f"{now.astimezone(UTC):%Y-%m-%d}"))

    def _timestamped(self, purpose: str, subject: str, now: datetime, nonce: str) -> str:
        head = f"{int(now.timestamp() * 1000):011x}" + nonce
        return head + self._mac(purpose, subject, head).hex()[:32]

    def _read_timestamp(self, purpose: str, subject: str, value: str) -> int | None:
        match = _TIMESTAMPED.fullmatch(value)
        if not match:
            return None
        head = match[1] + match[2]
        is_signed = hmac.compare_digest(self._mac(purpose, subject, head).hex()[:32], match[3])
        return int(match[1], 16) if is_signed else None

    def picture_answer(self, challenge: str) -> str:
        """Return the characters that the picture of a challenge shows."""
        return "".join(
            CAPTCHA_LETTERS[byte % len(CAPTCHA_LETTERS)] for byte in self._mac("picture", challenge)[:CAPTCHA_LENGTH]
        )

    def sound_answer(self, challenge: str) -> str:
        """Return the digits that the sound of a challenge says."""
        return "".join(str(byte % 10) for byte in self._mac("sound", challenge)[:CAPTCHA_LENGTH])


def _ipv6(text: str) -> IPv6Address | None:
    """Read an IPv6 address. Return None for any other text and for an IPv4 address mapped into IPv6."""
    with suppress(ValueError):
        ip = ip_address(text)
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
            return ip
    return None


def _ipv4(text: str) -> str:
    """Return an IPv4 address in its usual form, also if it is mapped into IPv6; any other text unchanged."""
    with suppress(ValueError):
        ip = ip_address(text)
        return str(ip.ipv4_mapped if isinstance(ip, IPv6Address) and ip.ipv4_mapped else ip)
    return text
