"""Read a round of drand's quicknet: the randomness that nobody who runs a draw can choose.

The answer of an endpoint is not trusted. Its signature is verified with the public key of the chain, so an endpoint can
be silent or wrong but cannot change a draw.
"""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Timer

from chalicelib import log
from chalicelib.domain.draw_record import DRAND_CHAIN, DRAND_PUBLIC_KEY

ENDPOINTS = ("api.drand.sh", "api2.drand.sh", "api3.drand.sh", "drand.cloudflare.com")
"""The hosts that serve the chain. They are the only hosts outside of AWS that the draw function calls."""
TIMEOUT = 5.0
"""Seconds for each step of a call, and then for the whole answer."""
MOST_BYTES = 4096
"""The size of an answer is about 300 bytes."""
_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_GENERATOR = bytes.fromhex(
    "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
    "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
)
"""The generator of the group of the public key, compressed."""
_SIGNATURE_DIGITS = 96
_NOT_YET = {404, 425}
"""The statuses with which an endpoint says that the round is not published yet."""

Connect = Callable[[str], http.client.HTTPConnection]
"""Returns a connection to a host, not open yet."""


@dataclass(frozen=True, slots=True)
class SignedRound:
    """A round whose signature was verified."""

    number: int
    signature: bytes

    @property
    def randomness(self) -> bytes:
        """The randomness of the round, as drand defines it: SHA-256 of the signature."""
        return sha256(self.signature).digest()


def read_round(number: int, *, connect: Connect | None = None, hosts: Sequence[str] = ENDPOINTS) -> SignedRound | None:
    """Return a round from the first endpoint that has it. None if none has it: it is not published, or none answers.

    The caller tries again a minute later, for exactly this round. Each answer that is refused is logged. One call takes
    at most 15 s or so for each endpoint.
    """
    for host in hosts:
        signature = _read(host, number, connect or _connect)
        if signature is None:
            continue
        if verify(number, signature):
            return SignedRound(number, signature)
        log.event("beacon", host=host, round=number, answer="forged")
    return None


def _connect(host: str) -> http.client.HTTPConnection:
    return http.client.HTTPSConnection(host, timeout=TIMEOUT)


def _read(host: str, number: int, connect: Connect) -> bytes | None:
    """Return the signature that an endpoint gives for a round. None, with a line in the log, if it gives none."""
    try:
        status, body = _get(connect(host), f"/{DRAND_CHAIN}/public/{number}")
    except (OSError, http.client.HTTPException) as error:
        log.event("beacon", host=host, round=number, answer="none", error=type(error).__name__)
        return None
    if status in _NOT_YET:
        log.event("beacon", host=host, round=number, answer="not yet", status=status)
        return None
    signature = _signature_of(body, number) if status == http.client.OK else None
    if signature is None:
        log.event("beacon", host=host, round=number, answer="malformed", status=status)
    return signature


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    """Return the status and the body of an answer, read no further than one byte over the limit. Follow no redirect."""
    try:
        connection.connect()
        with _deadline(connection.sock):
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read(MOST_BYTES + 1)
    finally:
        connection.close()


@contextmanager
def _deadline(connected: socket.socket) -> Iterator[None]:
    """End the connection after TIMEOUT. The socket's own timeout starts again with every byte that arrives."""

    def end() -> None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = Timer(TIMEOUT, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _signature_of(body: bytes, number: int) -> bytes | None:
    """Return the signature in an answer; None if the answer is not one for this round."""
    if len(body) > MOST_BYTES:
        return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or type(answer.get("round")) is not int or answer["round"] != number:
        return None
    digits = answer.get("signature")
    if not isinstance(digits, str) or len(digits) != _SIGNATURE_DIGITS:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def verify(number: int, signature: bytes) -> bool:
    """Tell whether this is quicknet's signature of a round. Takes about 2 ms."""
    from py_arkworks_bls12381 import GT, G1Point, G2Point  # noqa: PLC0415  # only the draw function has this package

    try:
        point = G1Point.from_compressed_bytes(signature)  # refuses a point outside of the subgroup
    except ValueError:
        return False
    message = G1Point.hash_to_curve(sha256(number.to_bytes(8, "big")).digest(), _DOMAIN)
    key, generator = (G2Point.from_compressed_bytes(point) for point in (bytes.fromhex(DRAND_PUBLIC_KEY), _GENERATOR))
    return bool(GT.pairing_check([message, -point], [key, generator]))
