"""Secrets, and what is derived from them. Only digests are stored; every purpose has its own key."""

import hmac
import re
from base64 import b32encode
from collections.abc import Callable
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
CAPTCHA_LETTERS = "abcdefhjkmnprstuvwxyz23456789"
"""Characters of a picture, without those that look alike (0 and o, 1, i and l) or, tilted, like 8 or 9 (g, q)."""
CAPTCHA_LENGTH = 6

_SECRET = re.compile(r"([a-z2-7]{52})([0-9a-f]{11})?([a-z2-7]{26})")
_STAMPED = re.compile(r"([0-9a-f]{11})([0-9a-f]{16})([0-9a-f]{32})")


def new_secret() -> str:
    """256 random bits in 52 characters that survive a mail program which changes the case."""
    return _text(RNG.randbytes(32))


def _text(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()


def _stamp_of(moment: datetime | None) -> str:
    """A moment in milliseconds since 1970, as an id carries it; empty without one."""
    return f"{round(moment.timestamp() * 1000):011x}" if moment else ""


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256."""
    return _text(sha256(secret.encode()).digest())


class TokenKind(StrEnum):
    """What an id that names a seat is for: the purpose of its seal."""

    HOLD = "hold"
    WAITING = "waiting hold"
    """A hold that takes its seat once the captcha is passed: the seat it names, or the nearest free one."""
    WAITING_FIRST = "waiting hold, first free"
    """The same for the first free slot: the seat it names, or the earliest free one."""
    LINK = "link"


WAITING = (TokenKind.WAITING, TokenKind.WAITING_FIRST)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """An id that a person carries: which seat, the secret that opens it, and a seal that shows it is ours.

    `until` is the end of a waiting hold; the table knows nothing of it.
    """

    seat: SeatKey
    secret: str
    signature: str
    kind: TokenKind
    until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.seat.ref}.{self.secret}{_stamp_of(self.until)}{self.signature}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything that is derived from the one secret of a stage."""

    secret: str

    def _mac(self, purpose: str, *parts: str) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose.encode(), sha256)
        return hmac.digest(key, "\x1f".join(parts).encode(), sha256)

    def hold_token(self, seat: SeatKey, *, secret: Callable[[], str] = new_secret) -> SignedToken:
        """A new hold id for this seat."""
        return self._sealed(TokenKind.HOLD, seat, secret())

    def waiting_token(self, hold: SignedToken, until: datetime, *, first_free: bool) -> SignedToken:
        """The same hold without a seat: it takes one once the captcha is passed, and ends at `until`."""
        kind = TokenKind.WAITING_FIRST if first_free else TokenKind.WAITING
        return self._sealed(kind, hold.seat, hold.secret, until)

    def seated_token(self, hold: SignedToken, seat: SeatKey) -> SignedToken:
        """The id of a hold, waiting or not, once it has this seat. Its secret, so its digest, stays the same."""
        return self._sealed(TokenKind.HOLD, seat, hold.secret)

    def link_token(self, seat: SeatKey, hold: str, generation: int = 0) -> SignedToken:
        """Derive the token in a letter's links from the hold's digest. It is never stored.

        `generation` counts the corrections of the e-mail address: each one ends the links sent before.
        """
        later = (str(generation),) if generation else ()
        return self._sealed(TokenKind.LINK, seat, _text(self._mac("link", seat.ref, hold, *later)))

    def is_current_link(self, link: SignedToken, hold: str, generation: int = 0) -> bool:
        """Check in constant time whether this is the current link of that hold."""
        return bool(hold) and hmac.compare_digest(self.link_token(link.seat, hold, generation).secret, link.secret)

    def _sealed(self, kind: TokenKind, seat: SeatKey, secret: str, until: datetime | None = None) -> SignedToken:
        parts = [seat.ref, secret, *([_stamp_of(until)] if until else ())]
        return SignedToken(seat, secret, _text(self._mac(f"{kind} seal", *parts)[:16]), kind, until)

    def read_token(self, purpose: str, value: str) -> SignedToken:
        """Read a `hold` id or a `link` token, in any case; NotFound, without the table, if not ours."""
        ref, _, rest = value.strip().lower().rpartition(".")
        match = _SECRET.fullmatch(rest)
        if not match:
            raise NotFound
        try:
            seat = SeatKey.parse(ref)
        except ValueError as error:
            raise NotFound from error
        until = datetime.fromtimestamp(int(match[2], 16) / 1000, UTC) if match[2] else None
        hold = WAITING if until else (TokenKind.HOLD,)
        for kind in hold if purpose == TokenKind.HOLD else (TokenKind.LINK,):
            ticket = self._sealed(kind, seat, match[1], until)
            if hmac.compare_digest(ticket.signature, match[3]):
                return ticket
        raise NotFound

    def reference(self, service: str, hold: str) -> str:
        """What a person reads out at the desk: `AES-7K3M9-QXPT2`, 50 bits, no look-alikes."""
        alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
        picked = "".join(alphabet[byte % 32] for byte in self._mac("reference", hold)[:10])
        return f"{service.upper()}-{picked[:5]}-{picked[5:]}"

    @property
    def cdn_secret(self) -> str:
        """What the stage's own CloudFront shows, so that its word on who asks is taken."""
        return _text(self._mac("edge"))

    def is_cdn(self, shown: str) -> bool:
        """Is it our own CloudFront? In constant time."""
        return hmac.compare_digest(self.cdn_secret.encode(), shown.encode())

    def person_key(self, first_name: str, last_name: str, birth_date: date) -> str:
        """Return the key of a person: the name in any spelling (`names.person_key`), and the date of birth."""
        return _text(self._mac("person", names.person_key(first_name, last_name), birth_date.isoformat()))

    def email_key(self, email: str) -> str:
        """Return the key of an e-mail address, in any spelling (`names.email_key`)."""
        return _text(self._mac("address", emails.mailbox_key(email)))

    def new_challenge(self, hold: str, now: datetime, *, nonce: Callable[[int], str] = RNG.token_hex) -> str:
        """A new challenge for this hold: when it was made, chance, and a seal over both and the hold."""
        return self._timestamped("challenge", hold, now, nonce(8))

    def challenge_time(self, challenge: str, hold: str, now: datetime) -> int:
        """Milliseconds since 1970 at which it was made; CaptchaSpent if foreign, forged or too old."""
        made = self._read_timestamp("challenge", hold, challenge)
        if made is None or now - datetime.fromtimestamp(made / 1000, UTC) >= CHALLENGE_LIFETIME:
            raise CaptchaSpent
        return made

    def visitor_token(self, now: datetime, *, nonce: Callable[[int], str] = RNG.token_hex) -> str:
        """A new ticket for a visitor."""
        return self._timestamped("visit", "", now, nonce(8))

    def visitor_token_age(self, ticket: str, now: datetime) -> timedelta | None:
        """How old a visitor's ticket is; None if foreign, forged or too old."""
        made = self._read_timestamp("visit", "", ticket)
        age = now - datetime.fromtimestamp(made / 1000, UTC) if made is not None else VISITOR_TOKEN_LIFETIME
        return age if age < VISITOR_TOKEN_LIFETIME else None

    def client_network(self, address: str, now: datetime) -> str:
        """Key of a client network for this clock hour: an IPv4 address, or the /56 of an IPv6 one."""
        version6 = _ipv6(address)
        network = ip_network((version6, 56), strict=False) if version6 else _ipv4(address)
        return _text(self._mac("origin", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def ipv6_prefix(self, address: str, length: int, now: datetime) -> str:
        """Key of the IPv6 prefix of this length for this clock hour; empty for an IPv4 address."""
        version6 = _ipv6(address)
        if version6 is None:
            return ""
        network = ip_network((version6, length), strict=False)
        return _text(self._mac("prefix", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def email_domain(self, domain: str, now: datetime) -> str:
        """Key of an e-mail domain for this day."""
        return _text(self._mac("domain", domain, f"{now.astimezone(UTC):%Y-%m-%d}"))

    def _timestamped(self, purpose: str, subject: str, now: datetime, nonce: str) -> str:
        head = f"{int(now.timestamp() * 1000):011x}" + nonce
        return head + self._mac(purpose, subject, head).hex()[:32]

    def _read_timestamp(self, purpose: str, subject: str, value: str) -> int | None:
        match = _STAMPED.fullmatch(value)
        if not match:
            return None
        head = match[1] + match[2]
        sealed = hmac.compare_digest(self._mac(purpose, subject, head).hex()[:32], match[3])
        return int(match[1], 16) if sealed else None

    def picture_answer(self, challenge: str) -> str:
        """What the picture of a challenge shows."""
        return "".join(
            CAPTCHA_LETTERS[byte % len(CAPTCHA_LETTERS)] for byte in self._mac("picture", challenge)[:CAPTCHA_LENGTH]
        )

    def sound_answer(self, challenge: str) -> str:
        """What the sound of a challenge says, in digits."""
        return "".join(str(byte % 10) for byte in self._mac("sound", challenge)[:CAPTCHA_LENGTH])


def _ipv6(address: str) -> IPv6Address | None:
    """The IPv6 address; None for an IPv4 one, also where it is written as IPv6, and for anything else."""
    with suppress(ValueError):
        read = ip_address(address)
        if isinstance(read, IPv6Address) and read.ipv4_mapped is None:
            return read
    return None


def _ipv4(address: str) -> str:
    """The IPv4 address in its usual form; anything else as it is."""
    with suppress(ValueError):
        read = ip_address(address)
        return str(read.ipv4_mapped if isinstance(read, IPv6Address) and read.ipv4_mapped else read)
    return address
