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

from chalicelib import names
from chalicelib.chance import CHANCE
from chalicelib.errors import CaptchaSpent, NotFound
from chalicelib.model import SeatKey

CHALLENGE_LIFE = timedelta(minutes=5)
VISIT_LIFE = timedelta(hours=4)
LETTERS = "abcdefhjkmnprstuvwxyz23456789"
"""Characters of a picture, without those that look alike (0 and o, 1, i and l) or, tilted, like 8 or 9 (g, q)."""
LENGTH = 6

_SECRET = re.compile(r"([a-z2-7]{52})([0-9a-f]{11})?([a-z2-7]{26})")
_STAMPED = re.compile(r"([0-9a-f]{11})([0-9a-f]{16})([0-9a-f]{32})")


def new_secret() -> str:
    """256 random bits in 52 characters that survive a mail program which changes the case."""
    return _text(CHANCE.randbytes(32))


def _text(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()


def _stamp_of(moment: datetime | None) -> str:
    """A moment in milliseconds since 1970, as an id carries it; empty without one."""
    return f"{round(moment.timestamp() * 1000):011x}" if moment else ""


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256."""
    return _text(sha256(secret.encode()).digest())


class Kind(StrEnum):
    """What an id that names a seat is for: the purpose of its seal."""

    HOLD = "hold"
    WAITING = "waiting hold"
    """A hold that takes its seat once the captcha is passed: the seat it names, or the nearest free one."""
    WAITING_FIRST = "waiting hold, first free"
    """The same for the first free slot: the seat it names, or the earliest free one."""
    LINK = "link"


WAITING = (Kind.WAITING, Kind.WAITING_FIRST)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An id that a person carries: which seat, the secret that opens it, and a seal that shows it is ours.

    `until` is the end of a waiting hold; the table knows nothing of it.
    """

    seat: SeatKey
    secret: str
    seal: str
    kind: Kind
    until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.seat.ref}.{self.secret}{_stamp_of(self.until)}{self.seal}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything that is derived from the one secret of a stage."""

    secret: str

    def _mac(self, purpose: str, *parts: str) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose.encode(), sha256)
        return hmac.digest(key, "\x1f".join(parts).encode(), sha256)

    def hold(self, seat: SeatKey, *, secret: Callable[[], str] = new_secret) -> Ticket:
        """A new hold id for this seat."""
        return self._sealed(Kind.HOLD, seat, secret())

    def waiting(self, hold: Ticket, until: datetime, *, first_free: bool) -> Ticket:
        """The same hold without a seat: it takes one once the captcha is passed, and ends at `until`."""
        kind = Kind.WAITING_FIRST if first_free else Kind.WAITING
        return self._sealed(kind, hold.seat, hold.secret, until)

    def seated(self, hold: Ticket, seat: SeatKey) -> Ticket:
        """The id of a hold, waiting or not, once it has this seat. Its secret, so its digest, stays the same."""
        return self._sealed(Kind.HOLD, seat, hold.secret)

    def link(self, seat: SeatKey, hold: str, generation: int = 0) -> Ticket:
        """Derive the token in a letter's links from the hold's digest. It is never stored.

        `generation` counts the corrections of the e-mail address: each one ends the links sent before.
        """
        later = (str(generation),) if generation else ()
        return self._sealed(Kind.LINK, seat, _text(self._mac("link", seat.ref, hold, *later)))

    def opens(self, link: Ticket, hold: str, generation: int = 0) -> bool:
        """Check in constant time whether this is the current link of that hold."""
        return bool(hold) and hmac.compare_digest(self.link(link.seat, hold, generation).secret, link.secret)

    def _sealed(self, kind: Kind, seat: SeatKey, secret: str, until: datetime | None = None) -> Ticket:
        parts = [seat.ref, secret, *([_stamp_of(until)] if until else ())]
        return Ticket(seat, secret, _text(self._mac(f"{kind} seal", *parts)[:16]), kind, until)

    def read(self, purpose: str, value: str) -> Ticket:
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
        hold = WAITING if until else (Kind.HOLD,)
        for kind in hold if purpose == Kind.HOLD else (Kind.LINK,):
            ticket = self._sealed(kind, seat, match[1], until)
            if hmac.compare_digest(ticket.seal, match[3]):
                return ticket
        raise NotFound

    def reference(self, service: str, hold: str) -> str:
        """What a person reads out at the desk: `AES-7K3M9-QXPT2`, 50 bits, no look-alikes."""
        alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
        picked = "".join(alphabet[byte % 32] for byte in self._mac("reference", hold)[:10])
        return f"{service.upper()}-{picked[:5]}-{picked[5:]}"

    @property
    def edge(self) -> str:
        """What the stage's own CloudFront shows, so that its word on who asks is taken."""
        return _text(self._mac("edge"))

    def is_edge(self, shown: str) -> bool:
        """Is it our own CloudFront? In constant time."""
        return hmac.compare_digest(self.edge.encode(), shown.encode())

    def person(self, first_name: str, last_name: str, birth_date: date) -> str:
        """Return the key of a person: the name in any spelling (`names.person_key`), and the date of birth."""
        return _text(self._mac("person", names.person_key(first_name, last_name), birth_date.isoformat()))

    def address(self, email: str) -> str:
        """Return the key of an e-mail address, in any spelling (`names.email_key`)."""
        return _text(self._mac("address", names.email_key(email)))

    def challenge(self, hold: str, now: datetime, *, nonce: Callable[[int], str] = CHANCE.token_hex) -> str:
        """A new challenge for this hold: when it was made, chance, and a seal over both and the hold."""
        return self._stamped("challenge", hold, now, nonce(8))

    def challenged_at(self, challenge: str, hold: str, now: datetime) -> int:
        """Milliseconds since 1970 at which it was made; CaptchaSpent if foreign, forged or too old."""
        made = self._stamp("challenge", hold, challenge)
        if made is None or now - datetime.fromtimestamp(made / 1000, UTC) >= CHALLENGE_LIFE:
            raise CaptchaSpent
        return made

    def visit(self, now: datetime, *, nonce: Callable[[int], str] = CHANCE.token_hex) -> str:
        """A new ticket for a visitor."""
        return self._stamped("visit", "", now, nonce(8))

    def visited(self, ticket: str, now: datetime) -> timedelta | None:
        """How old a visitor's ticket is; None if foreign, forged or too old."""
        made = self._stamp("visit", "", ticket)
        age = now - datetime.fromtimestamp(made / 1000, UTC) if made is not None else VISIT_LIFE
        return age if age < VISIT_LIFE else None

    def origin(self, address: str, now: datetime) -> str:
        """Key of a client network for this clock hour: an IPv4 address, or the /56 of an IPv6 one."""
        version6 = _ipv6(address)
        network = ip_network((version6, 56), strict=False) if version6 else _ipv4(address)
        return _text(self._mac("origin", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def prefix(self, address: str, length: int, now: datetime) -> str:
        """Key of the IPv6 prefix of this length for this clock hour; empty for an IPv4 address."""
        version6 = _ipv6(address)
        if version6 is None:
            return ""
        network = ip_network((version6, length), strict=False)
        return _text(self._mac("prefix", str(network), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

    def domain(self, domain: str, now: datetime) -> str:
        """Key of an e-mail domain for this day."""
        return _text(self._mac("domain", domain, f"{now.astimezone(UTC):%Y-%m-%d}"))

    def _stamped(self, purpose: str, subject: str, now: datetime, chance: str) -> str:
        head = f"{int(now.timestamp() * 1000):011x}" + chance
        return head + self._mac(purpose, subject, head).hex()[:32]

    def _stamp(self, purpose: str, subject: str, value: str) -> int | None:
        match = _STAMPED.fullmatch(value)
        if not match:
            return None
        head = match[1] + match[2]
        sealed = hmac.compare_digest(self._mac(purpose, subject, head).hex()[:32], match[3])
        return int(match[1], 16) if sealed else None

    def picture_answer(self, challenge: str) -> str:
        """What the picture of a challenge shows."""
        return "".join(LETTERS[byte % len(LETTERS)] for byte in self._mac("picture", challenge)[:LENGTH])

    def sound_answer(self, challenge: str) -> str:
        """What the sound of a challenge says, in digits."""
        return "".join(str(byte % 10) for byte in self._mac("sound", challenge)[:LENGTH])


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
