"""Secrets, and what is derived from them. Only digests are stored; every purpose has its own key."""

import hmac
import re
import secrets
import unicodedata
from base64 import b32encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from chalicelib.errors import CaptchaSpent, NotFound
from chalicelib.model import SeatKey

CHALLENGE_LIFE = timedelta(minutes=5)
VISIT_LIFE = timedelta(hours=4)
LETTERS = "abcdefhjkmnprstuvwxyz23456789"
"""Characters of a picture, without those that look alike (0 and o, 1, i and l) or, tilted, like 8 or 9 (g, q)."""
LENGTH = 6

_SECRET = re.compile(r"([a-z2-7]{52})([0-9a-f]{11})?([a-z2-7]{26})")
_STAMPED = re.compile(r"([0-9a-f]{11})([0-9a-f]{16})([0-9a-f]{32})")
_NO_DOTS = {"gmail.com", "googlemail.com", "proton.me", "protonmail.com", "pm.me"}
_PLUS = _NO_DOTS | {
    "outlook.com",
    "outlook.fr",
    "hotmail.com",
    "hotmail.fr",
    "live.com",
    "live.fr",
    "msn.com",
}
_PLUS |= {"icloud.com", "me.com", "mac.com", "fastmail.com", "fastmail.fm"}
_SAME = {"googlemail.com": "gmail.com", "protonmail.com": "proton.me", "pm.me": "proton.me"}


def new_secret() -> str:
    """256 random bits in 52 characters that survive a mail program which changes the case."""
    return _text(secrets.token_bytes(32))


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

    def link(self, seat: SeatKey, hold: str) -> Ticket:
        """The token in a letter's links: made again at will from the hold's digest, so it is never stored."""
        return self._sealed(Kind.LINK, seat, _text(self._mac("link", seat.ref, hold)))

    def opens(self, link: Ticket, hold: str) -> bool:
        """Is this the link of that hold? In constant time."""
        return bool(hold) and hmac.compare_digest(self.link(link.seat, hold).secret, link.secret)

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
        """Key of a person: names in any order, case, accents or hyphens, and the date of birth."""
        return _text(self._mac("person", *plain(f"{first_name} {last_name}"), birth_date.isoformat()))

    def address(self, email: str) -> str:
        """Key of an address, normalised."""
        return _text(self._mac("address", normal_address(email)))

    def challenge(self, hold: str, now: datetime, *, nonce: Callable[[int], str] = secrets.token_hex) -> str:
        """A new challenge for this hold: when it was made, chance, and a seal over both and the hold."""
        return self._stamped("challenge", hold, now, nonce(8))

    def challenged_at(self, challenge: str, hold: str, now: datetime) -> int:
        """Milliseconds since 1970 at which it was made; CaptchaSpent if foreign, forged or too old."""
        made = self._stamp("challenge", hold, challenge)
        if made is None or now - datetime.fromtimestamp(made / 1000, UTC) >= CHALLENGE_LIFE:
            raise CaptchaSpent
        return made

    def visit(self, now: datetime, *, nonce: Callable[[int], str] = secrets.token_hex) -> str:
        """A new ticket for a visitor."""
        return self._stamped("visit", "", now, nonce(8))

    def visited(self, ticket: str, now: datetime) -> timedelta | None:
        """How old a visitor's ticket is; None if foreign, forged or too old."""
        made = self._stamp("visit", "", ticket)
        age = now - datetime.fromtimestamp(made / 1000, UTC) if made is not None else VISIT_LIFE
        return age if age < VISIT_LIFE else None

    def origin(self, address: str, now: datetime) -> str:
        """Where a visitor comes from, for this clock hour: an IPv4 address, or the /56 of an IPv6 one."""
        place: object = address
        with suppress(ValueError):
            place = ip_address(address)
        if isinstance(place, IPv6Address):
            place = place.ipv4_mapped or ip_network((place, 56), strict=False)
        return _text(self._mac("origin", str(place), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

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


def plain(name: str) -> list[str]:
    """The words of a name, sorted, without case, accents or punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return sorted(re.sub(r"[^\w]+", " ", bare).split())


def is_spelling(new: str, old: str) -> bool:
    """Is it the same name but for order, case, accents, hyphens, and one letter in four, two at most?"""
    if plain(new) == plain(old):
        return True
    before = "".join(plain(old))
    most = min(2, len(before) // 4)
    return any(
        _distance("".join(words), before) <= most for words in (plain(new), _in_order_of(plain(new), plain(old)))
    )


def _in_order_of(words: list[str], model: list[str]) -> list[str]:
    """The words, each where the word of the model stands that is nearest to it: a letter may change their order."""
    return sorted(
        words, key=lambda word: min(range(len(model)), key=lambda n: _distance(word, model[n])) if model else 0
    )


def _distance(one: str, other: str) -> int:
    """How many letters to put in, leave out or replace (Levenshtein)."""
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        last, row[0] = row[0], n
        for m, match in enumerate(other, 1):
            last, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, last + (letter != match))
    return row[-1]


def normal_address(email: str) -> str:
    """One form for all spellings that reach the same mailbox: case, and dots and "+" where ignored."""
    local, _, domain = email.strip().casefold().rpartition("@")
    if domain in _PLUS:
        local = local.partition("+")[0]
    if domain in _NO_DOTS:
        local = local.replace(".", "")
    return f"{local}@{_SAME.get(domain, domain)}"
