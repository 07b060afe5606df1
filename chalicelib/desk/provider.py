"""Calls to the identity provider of the agents: to its own host only, over TLS, in bounded time and size.

Its answers never reach the log.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from chalicelib import log
from chalicelib.domain.refusals import ProviderAway
from chalicelib.settings import Provider

TIMEOUT = 4.0
"""Seconds for each answer. A sign-in needs at most four of them."""
MOST_BYTES = 65_536
FRESH = timedelta(hours=1)
"""How long endpoints and keys are cached."""
REFETCH_AFTER = timedelta(seconds=10)
"""The shortest time between two fetches of the keys, whatever keys the tokens name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, the media type and the body of an answer."""

    status: int
    media_type: str
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the JSON object in the body. Raise ProviderAway if there is none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ProviderAway from error
        if not isinstance(document, dict):
            raise ProviderAway
        return document


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of a provider, as its metadata name them."""

    authorization: str
    token: str
    userinfo: str
    jwks: str


_endpoints: dict[str, tuple[datetime, Endpoints]] = {}
_key_sets: dict[str, tuple[datetime, list[dict[str, Any]]]] = {}


def clear_cache() -> None:
    """Forget the endpoints and the keys of all providers."""
    _endpoints.clear()
    _key_sets.clear()


def endpoints(provider: Provider, now: datetime) -> Endpoints:
    """Return the endpoints of a provider, cached for an hour. Raise ProviderAway if it does not name them all."""
    cached = _endpoints.get(provider.issuer)
    if cached and now - cached[0] < FRESH:
        return cached[1]
    metadata = _get(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration").document()
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
    urls = [metadata.get(name) for name in names]
    if metadata.get("issuer") != provider.issuer or not all(_is_of(provider, url) for url in urls):
        log.event("provider", answer="foreign metadata")
        raise ProviderAway
    named = Endpoints(*map(str, urls))
    _endpoints[provider.issuer] = now, named
    return named


def signing_key(provider: Provider, key_id: str | None, now: datetime) -> dict[str, Any] | None:
    """Return the public key with this id as a JWK; None if the provider has none.

    An unknown id lets the keys be fetched again, because they may have been rotated: once, and not within 10 s.
    """
    for fresh in (FRESH, REFETCH_AFTER):
        fetched_at, keys = _keys(provider, now, fresh)
        matching = [key for key in keys if key_id is None or key.get("kid") == key_id]
        if len(matching) == 1:
            return matching[0]
        if fetched_at == now:
            return None
    return None


def _keys(provider: Provider, now: datetime, fresh: timedelta) -> tuple[datetime, list[dict[str, Any]]]:
    cached = _key_sets.get(provider.issuer)
    if cached and now - cached[0] < fresh:
        return cached
    keys = _get(provider, endpoints(provider, now).jwks).document().get("keys")
    if not isinstance(keys, list):
        raise ProviderAway
    signing = [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
    _key_sets[provider.issuer] = now, signing
    return now, signing


def exchange_code(provider: Provider, fields: Mapping[str, str], now: datetime) -> Answer:
    """Send a code to the token endpoint, with the secret of this client."""
    form = {**fields, "client_id": provider.client_id, "client_secret": provider.client_secret}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return _call(provider, "POST", endpoints(provider, now).token, headers, urlencode(form).encode())


def userinfo(provider: Provider, access_token: str, now: datetime) -> Answer:
    """Ask who an access token is about."""
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/jwt"}
    return _call(provider, "GET", endpoints(provider, now).userinfo, headers)


def _get(provider: Provider, url: str) -> Answer:
    answer = _call(provider, "GET", url, {"Accept": "application/json"})
    if answer.status != http.client.OK:
        raise ProviderAway
    return answer


def _is_of(provider: Provider, url: object) -> bool:
    """Tell whether a URL is one of the provider's own host."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    return urlsplit(url)[:2] == urlsplit(provider.issuer)[:2]


def _call(provider: Provider, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """Return an answer, and follow no redirect. Raise ProviderAway without one, or if it is an error of the server."""
    if not _is_of(provider, url):
        raise ProviderAway
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    try:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        content = response.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        log.event("provider", answer="none", error=type(error).__name__)
        raise ProviderAway from error
    finally:
        connection.close()
    if response.status >= http.client.INTERNAL_SERVER_ERROR or len(content) > MOST_BYTES:
        log.event("provider", answer="unusable", status=response.status)
        raise ProviderAway
    media_type = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(response.status, media_type, content)
