"""Tokens and the keys derived from the secret of a stage. All token formats are written and read here.

The table stores only digests of secrets. Each purpose has its own HMAC key.
"""

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import product

from chalicelib.domain import emails, names
from chalicelib.domain.entry import PREFERENCES
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import CaptchaSpent, NotFound
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import EntryKey, Key, SeatKey, parse_key

CHALLENGE_LIFETIME = timedelta(minutes=5)
VISITOR_TOKEN_LIFETIME = timedelta(hours=4)
CAPTCHA_LETTERS = "acdefhjkmnprtuvwxy34789"
"""Characters of a captcha picture, without look-alikes: 0 and o, 1, i and l, 2 and z, 5 and s, 6 and b; tilted, g and q
look like 8 and 9. Six of these 23 characters give 148,035,889 answers (27.1 bits)."""
CAPTCHA_LENGTH = 6

_WISHES = dict(zip("abcdefghijklmno", PREFERENCES, strict=True))
"""The letter that stands for each preference in the token of an entry."""
_SECRET = re.compile(r"([a-z2-7]{52})(?:([0-9a-f]{11})([a-z2-7]{0,15}))?([a-z2-7]{26})")
_TIMESTAMPED = re.compile(r"([0-9a-f]{11})([0-9a-f]{16})([0-9a-f]{32})")


def new_secret() -> str:
    """Return 256 random bits as 52 characters of base 32, which survive mail programs that change the case."""
    return _text(RNG.randbytes(32))


def _text(digest: bytes) -> str:
    return b32encode(digest).decode().rstrip("=").lower()


def _xor(first: bytes, second: bytes) -> bytes:
    """Return the exclusive or of the first five bytes of each."""
    return bytes(one ^ other for one, other in zip(first[:5], second[:5], strict=True))


def _timestamp(moment: datetime | None) -> str:
    """Return a moment as tokens carry it, in milliseconds since 1970; empty without one."""
    return f"{round(moment.timestamp() * 1000):011x}" if moment else ""


def _letters(preferences: Sequence[str]) -> str:
    """Return the preferences of an entry as its token carries them."""
    letters = {preference: letter for letter, preference in _WISHES.items()}
    return "".join(letters[preference] for preference in preferences)


def _preferences(letters: str) -> tuple[str, ...]:
    """Read what `_letters` returns. Other letters, which no signature covers, are left as they are."""
    return tuple(_WISHES.get(letter, letter) for letter in letters)


def new_receipt() -> str:
    """Return a new random receipt of an entry, of 130 bits."""
    return _text(RNG.randbytes(20))[:RECEIPT_LENGTH]


def entry_key(service_id: str, hold: str) -> EntryKey:
    """Return the key of the entry of this hold, so that a token always names the same entry."""
    return EntryKey(service_id, hold[:16])


def service_of_token(value: str) -> str:
    """Return the service id in a hold or link token. The signature is not verified."""
    return value.partition(".")[0].lower()


def spelled_reference(typed: str) -> str:
    """Return a reference as it is written in letters, from any spelling: lower case, spaces, other or no hyphens."""
    words = re.findall(r"[^\W_]+", typed.upper())
    glued = "".join(words)
    code, ids = glued[-10:], []
    if len(glued) <= len(code):
        return "-".join(words) or typed
    rest = len(glued) - len(code)
    for word in words:
        if rest > 0:
            ids.append(word[:rest])
        rest -= len(word)
    return "-".join([*ids, code[:5], code[5:]])


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
    TURN = "turn"
    """A waiting hold whose captcha is passed, with a turn at which it may take its seat."""
    TURN_FIRST = "turn, first free"
    ENTRY = "entry"
    """A hold that becomes an entry in the draws after the captcha."""
    LINK = "link"


WAITING = (TokenKind.WAITING, TokenKind.WAITING_FIRST)
TURNS = (TokenKind.TURN, TokenKind.TURN_FIRST)
FIRST_FREE = (TokenKind.WAITING_FIRST, TokenKind.TURN_FIRST)
RECEIPT_LENGTH = 26
NETWORK_LENGTH = 8
"""Characters of base 32 that stand for the five bytes of a client network in a token."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A hold token or a link token: a seat or an entry, a secret, and a signature over both.

    `until` is the end of a waiting hold, which is stored nowhere else. Nor are the `preferences` of an entry, and the
    `network` that placed a waiting hold (`Keys.mask_network`).
    """

    key: Key
    secret: str
    signature: str
    kind: TokenKind
    until: datetime | None = None
    preferences: tuple[str, ...] = ()
    network: str = ""

    @property
    def seat(self) -> SeatKey:
        """The seat. Raises ValueError for the token of an entry."""
        if not isinstance(self.key, SeatKey):
            raise ValueError(f"{self.key.ref} is an entry")  # noqa: TRY004  # a key of the wrong kind
        return self.key

    def __str__(self) -> str:
        return f"{self.key.ref}.{self.secret}{_timestamp(self.until)}{self._extra}{self.signature}"

    @property
    def _extra(self) -> str:
        return self.network or _letters(self.preferences)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys, tokens and codes that are derived from the secret of a stage.

    Everything new is made with `secret`. What one of the `accepted` secrets signed is valid too. Locks are looked up
    under all secrets, the `leaked` ones included.
    """

    secret: str
    accepted: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()

    @property
    def signers(self) -> "tuple[Keys, ...]":
        """The keys of each secret whose signatures are valid, the current one first."""
        return (self, *map(Keys, self.accepted))

    @property
    def lockers(self) -> "tuple[Keys, ...]":
        """The keys of each secret under which a lock may lie, the current one first."""
        return (*self.signers, *map(Keys, self.leaked))

    def locker_of(self, person_key: str, filed: Details) -> "Keys | None":
        """Return the keys of the secret with which a request was filed. All its locks are made with them."""
        name = filed.first_name, filed.last_name, filed.birth_date
        return next((keys for keys in self.lockers if keys.person_key(*name) == person_key), None)

    def _mac(self, purpose: str, *parts: str) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose.encode(), sha256)
        return hmac.digest(key, "\x1f".join(parts).encode(), sha256)

    def hold_token(self, seat: SeatKey, *, secret: Callable[[], str] = new_secret) -> SignedToken:
        """Return a new hold token for this seat."""
        return self._signed(TokenKind.HOLD, seat, secret())

    def waiting_token(self, hold: SignedToken, until: datetime, *, first_free: bool, network: str = "") -> SignedToken:
        """Return the token of this hold as a waiting one: it takes its seat after the captcha and ends at `until`."""
        kind = TokenKind.WAITING_FIRST if first_free else TokenKind.WAITING
        return self._signed(kind, hold.key, hold.secret, until, network=network)

    def turn_token(self, hold: SignedToken, until: datetime) -> SignedToken:
        """Return the token of this waiting hold once its captcha is passed and it has a turn, until `until`."""
        kind = TokenKind.TURN_FIRST if hold.kind in FIRST_FREE else TokenKind.TURN
        return self._signed(kind, hold.key, hold.secret, until)

    def mask_network(self, hold: SignedToken, ip: str) -> str:
        """Return what the token of a waiting hold says of the client network that placed it.

        It is masked by the secret of the hold, so that nobody sees whether two tokens come from one network.
        """
        return _text(_xor(self._mac("turn network", _network(ip)), self._mac("turn mask", hold.secret)))

    def network_of(self, hold: SignedToken) -> str:
        """Return the key of the client network that placed a waiting hold; empty if its token names none."""
        if len(hold.network) != NETWORK_LENGTH:
            return ""
        return _text(_xor(b32decode(hold.network.upper()), self._mac("turn mask", hold.secret)))

    def turn_rank(self, service_id: str, release: datetime, network: str) -> float:
        """Return the rank of a client network among the turns of a release: a secret number from 0 up to 1."""
        mac = self._mac("turn rank", service_id, _timestamp(release), network)
        return int.from_bytes(mac[:6]) / 2**48

    def entry_token(
        self, service_id: str, preferences: Sequence[str], until: datetime, *, secret: Callable[[], str] = new_secret
    ) -> SignedToken:
        """Return a new token of a hold that becomes an entry after the captcha, which must be passed before `until`."""
        new = secret()
        return self._signed(
            TokenKind.ENTRY, entry_key(service_id, digest(new)), new, until, preferences=tuple(preferences)
        )

    def seated_token(self, hold: SignedToken, seat: Key) -> SignedToken:
        """Return the token of a hold, waiting or not, once it has this seat or entry. Its secret stays the same."""
        return self._signed(TokenKind.HOLD, seat, hold.secret)

    def link_token(self, seat: Key, hold: str, generation: int = 0) -> SignedToken:
        """Derive the token in a letter's links from the hold's digest. It is never stored.

        `generation` counts the corrections of the e-mail address: each one ends the links sent before.
        """
        later = (str(generation),) if generation else ()
        return self._signed(TokenKind.LINK, seat, _text(self._mac("link", seat.ref, hold, *later)))

    def is_current_link(self, link: SignedToken, hold: str, generation: int = 0) -> bool:
        """Check in constant time whether this is the current link of that hold."""
        return self.signer_of_link(link, hold, generation) is not None

    def signer_of_link(self, link: SignedToken, hold: str, generation: int = 0) -> "Keys | None":
        """Return the keys that made the current link of a hold; None if this link is another one."""
        for keys in self.signers if hold else ():
            if hmac.compare_digest(keys.link_token(link.key, hold, generation).secret, link.secret):
                return keys
        return None

    def _signed(
        self,
        kind: TokenKind,
        seat: Key,
        secret: str,
        until: datetime | None = None,
        *,
        preferences: tuple[str, ...] = (),
        network: str = "",
    ) -> SignedToken:
        extra = preferences or ((network,) if network else ())
        parts = [seat.ref, secret, *([_timestamp(until)] if until else ()), *extra]
        signature = _text(self._mac(f"{kind} seal", *parts)[:16])
        return SignedToken(seat, secret, signature, kind, until, preferences, network)

    def read_hold_token(self, value: str) -> SignedToken:
        """Verify the token of a hold, waiting or not, in any case. Raise NotFound if this stage did not sign it."""
        return self._read(value, (TokenKind.HOLD,), (*WAITING, TokenKind.ENTRY, *TURNS))

    def read_link_token(self, value: str) -> SignedToken:
        """Verify the token of a link, in any case. Raise NotFound if this stage did not sign it."""
        return self._read(value, (TokenKind.LINK,), ())

    def _read(self, value: str, kinds: Sequence[TokenKind], kinds_until: Sequence[TokenKind]) -> SignedToken:
        ref, _, rest = value.strip().lower().rpartition(".")
        match = _SECRET.fullmatch(rest)
        if not match:
            raise NotFound
        try:
            seat = parse_key(ref)
        except ValueError as error:
            raise NotFound from error
        until = datetime.fromtimestamp(int(match[2], 16) / 1000, UTC) if match[2] else None
        extra = match[3] or ""
        for keys, kind in product(self.signers, kinds_until if until else kinds):
            preferences, network = (_preferences(extra), "") if kind is TokenKind.ENTRY else ((), extra)
            token = keys._signed(kind, seat, match[1], until, preferences=preferences, network=network)  # noqa: SLF001  # of the same class
            if hmac.compare_digest(token.signature, match[4]):
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

    def derive(self, purpose: str, *parts: str) -> str:
        """Return 256 bits for a purpose that has no function here, as 52 characters of base 32."""
        return _text(self._mac(purpose, *parts))

    def is_cdn(self, secret: str) -> bool:
        """Check in constant time whether a request with this header value comes from the CDN of this stage."""
        return any(hmac.compare_digest(keys.cdn_secret.encode(), secret.encode()) for keys in self.signers)

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
        return _text(self._mac("origin", _network(ip), f"{now.astimezone(UTC):%Y-%m-%dT%H}"))

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
        return int(match[1], 16) if self._signer(purpose, subject, match) else None

    def _signer(self, purpose: str, subject: str, match: re.Match[str]) -> "Keys | None":
        """Return the keys that signed a timestamp."""
        for keys in self.signers:
            signature = keys._mac(purpose, subject, match[1] + match[2]).hex()[:32]  # noqa: SLF001  # of the same class
            if hmac.compare_digest(signature, match[3]):
                return keys
        return None

    def signer_of_challenge(self, challenge: str, hold: str) -> "Keys":
        """Return the keys that made a challenge for this hold, which also have its answers."""
        match = _TIMESTAMPED.fullmatch(challenge)
        return (match and self._signer("challenge", hold, match)) or self

    def picture_answer(self, challenge: str) -> str:
        """Return the characters that the picture of a challenge shows."""
        return "".join(
            CAPTCHA_LETTERS[byte % len(CAPTCHA_LETTERS)] for byte in self._mac("picture", challenge)[:CAPTCHA_LENGTH]
        )

    def sound_answer(self, challenge: str) -> str:
        """Return the digits that the sound of a challenge says."""
        return "".join(str(byte % 10) for byte in self._mac("sound", challenge)[:CAPTCHA_LENGTH])


def _network(ip: str) -> str:
    """Return the client network of an IP address: an IPv4 address, or the /56 of an IPv6 one."""
    version6 = _ipv6(ip)
    return str(ip_network((version6, 56), strict=False) if version6 else _ipv4(ip))


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
