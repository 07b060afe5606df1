"""The identity provider of the local stack: invented agents sign in with one click.

It is as strict as ProConnect: unknown parameters are refused, a code is good for 30 seconds and once, an access token
for 60 seconds, and userinfo is a signed JWT. It demands PKCE, which ProConnect does not know. Tests let it lie.
"""

import html
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from infra.local.settings import HOST

CLIENT_ID = "guichet-laptop"
CLIENT_SECRET = "an-invented-secret-of-the-local-stack"  # noqa: S105  # of invented agents, on this machine
TWO_FACTORS, ONE_FACTOR = "eidas2", "eidas1"
CODE_SECONDS, TOKEN_SECONDS = 30, 60
AUTHORIZE = {
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values"),
    *("code_challenge", "code_challenge_method"),
}
"""The parameters of a request. All are required, and no other one is accepted."""
TOKEN = {"grant_type", "code", "redirect_uri", "client_id", "client_secret", "code_verifier"}
SHORTEST = 32
"""The fewest characters of a state and of a nonce."""
PAGE = """<!doctype html><html lang="fr"><meta charset="utf-8"><title>Connexion d’essai</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:40rem;padding:0 1rem}}a{{display:block;padding:.75rem}}
</style><h1>{title}</h1>{body}"""


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in. `role` is the one that `make run` gives them in every service; empty for none."""

    subject: str
    email: str
    name: str
    role: str
    acr: str = TWO_FACTORS


PEOPLE = {
    person.subject: person
    for person in (
        Person("agnes", "agnes@example.org", "Agnès Exemple", "administrator"),
        Person("basile", "basile@example.org", "Basile Exemple", "agent"),
        Person("chloe", "chloe@example.org", "Chloé Exemple", "viewer"),
        Person("denis", "denis@example.org", "Denis Exemple", "planner"),
        Person("gisele", "gisele@example.org", "Gisèle Exemple, d’une association", "association"),
        Person("etienne", "etienne@example.org", "Étienne Exemple, avec un seul facteur", "", ONE_FACTOR),
        Person("fanny", "fanny@example.org", "Fanny Exemple, qui n’a pas d’accès", ""),
    )
}


@cache
def rsa_key() -> RSAKey:
    """Return the first signing key. One for each process, because it takes a while to make."""
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig"}, auto_kid=False)


@dataclass
class Provider:
    """The provider, and the lies that a test lets it tell."""

    url: str = ""
    clock: Callable[[], float] = time.time
    key: RSAKey | ECKey = field(default_factory=rsa_key)
    pending: dict[str, dict[str, str]] = field(default_factory=dict)
    """The requests for which nobody has signed in yet, by their id."""
    codes: dict[str, tuple[dict[str, str], Person, float]] = field(default_factory=dict)
    tokens: dict[str, tuple[Person, float]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    away: str = ""
    """The path at which it does not work now, such as `/token`."""
    metadata: dict[str, Any] = field(default_factory=dict)
    id_claims: dict[str, Any] = field(default_factory=dict)
    user_claims: dict[str, Any] = field(default_factory=dict)
    """What it says instead of the truth."""
    sign: Callable[[Mapping[str, Any]], str] | None = None
    """Signs the id token in another way."""
    media_type: str = "application/jwt"

    def rotate(self, key_id: str = "second") -> None:
        """Replace the signing key by one of another kind."""
        self.key = ECKey.generate_key("P-256", {"kid": key_id, "use": "sig"}, auto_kid=False)

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: str) -> "Answer":
        """Answer a request."""
        parts = urlsplit(url)
        self.calls.append(parts.path)
        if self.away == parts.path:
            return Answer(503, "text/plain", "away")
        query = parse_qsl(parts.query, keep_blank_values=True)
        routes: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/.well-known/openid-configuration"): lambda: as_json(self._metadata()),
            ("GET", "/jwks"): lambda: as_json({"keys": [self.key.as_dict(private=False)]}),
            ("GET", "/authorize"): lambda: self._authorize(query),
            ("GET", "/login"): lambda: self._login(dict(query)),
            ("POST", "/token"): lambda: self._token(parse_qsl(body, keep_blank_values=True)),
            ("GET", "/userinfo"): lambda: self._userinfo(headers.get("Authorization", "").removeprefix("Bearer ")),
        }
        return routes.get((method, parts.path), lambda: Answer(404, "text/plain", "not found"))()

    def _metadata(self) -> dict[str, Any]:
        paths = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "userinfo_endpoint": "/userinfo",
            "jwks_uri": "/jwks",
        }
        return {"issuer": self.url, **{name: self.url + path for name, path in paths.items()}, **self.metadata}

    def _authorize(self, query: list[tuple[str, str]]) -> "Answer":
        """Show who can sign in, or why the request is wrong."""
        request = dict(query)
        wrong = (
            "a parameter is missing, unknown or there twice"
            if sorted(dict(query)) != sorted(AUTHORIZE) or len(query) != len(AUTHORIZE)
            else "the client is unknown"
            if request["client_id"] != CLIENT_ID
            else "the redirect_uri is not registered"
            if not request["redirect_uri"].endswith("/desk/callback")
            else "response_type is not code"
            if request["response_type"] != "code"
            else "scope is not openid email"
            if request["scope"] != "openid email"
            else "state or nonce is too short"
            if min(len(request["state"]), len(request["nonce"])) < SHORTEST
            else "code_challenge_method is not S256"
            if request["code_challenge_method"] != "S256"
            else ""
        )
        if wrong:
            return page("Cette demande est refusée", f"<p>{html.escape(wrong)}</p>", HTTPStatus.BAD_REQUEST)
        number = secrets.token_hex(8)
        self.pending[number] = request
        links = [(subject, person.name) for subject, person in PEOPLE.items()] + [("", "Annuler")]
        body = [f'<a href="/login?request={number}&amp;agent={who}">{html.escape(name)}</a>' for who, name in links]
        return page("Connexion d’essai : qui êtes-vous ?", "".join(body))

    def _login(self, query: Mapping[str, str]) -> "Answer":
        """Sign a person in, and lead back to the service."""
        request = self.pending.pop(query.get("request", ""), None)
        if request is None:
            return page("Cette demande est terminée", "", HTTPStatus.BAD_REQUEST)
        result = {"state": request["state"], "iss": self.url}
        person = PEOPLE.get(query.get("agent", ""))
        if person is None:
            result["error"] = "access_denied"
        else:
            result["code"] = secrets.token_urlsafe(24)
            self.codes[result["code"]] = request, person, self.clock() + CODE_SECONDS
        return Answer(302, "text/plain", "", f"{request['redirect_uri']}?{urlencode(result)}")

    def _token(self, form: list[tuple[str, str]]) -> "Answer":
        """Exchange a code for an id token and an access token."""
        fields = dict(form)
        if len(fields) != len(form) or fields.keys() != TOKEN or fields["grant_type"] != "authorization_code":
            return as_json({"error": "invalid_request"}, HTTPStatus.BAD_REQUEST)
        if (fields["client_id"], fields["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return as_json({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        request, person, until = self.codes.pop(fields["code"], ({}, PEOPLE["fanny"], 0.0))
        digest = urlsafe_b64encode(sha256(fields["code_verifier"].encode()).digest()).decode().rstrip("=")
        if (
            self.clock() >= until
            or digest != request["code_challenge"]
            or fields["redirect_uri"] != request["redirect_uri"]
        ):
            return as_json({"error": "invalid_grant"}, HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe(24)
        self.tokens[token] = person, self.clock() + TOKEN_SECONDS
        claims = {**self._claims(person), "nonce": request["nonce"], "acr": person.acr, **self.id_claims}
        return as_json(
            {
                "token_type": "Bearer",
                "access_token": token,
                "expires_in": TOKEN_SECONDS,
                "id_token": (self.sign or self.signed)(claims),
            }
        )

    def _userinfo(self, token: str) -> "Answer":
        person, until = self.tokens.get(token, (PEOPLE["fanny"], 0.0))
        if self.clock() >= until:
            return as_json({"error": "invalid_token"}, HTTPStatus.UNAUTHORIZED)
        claims = {**self._claims(person), "email": person.email, **self.user_claims}
        return Answer(200, self.media_type, self.signed(claims))

    def _claims(self, person: Person) -> dict[str, Any]:
        now = int(self.clock())
        return {"iss": self.url, "aud": CLIENT_ID, "sub": person.subject, "iat": now, "exp": now + TOKEN_SECONDS}

    def signed(self, claims: Mapping[str, Any]) -> str:
        """Sign claims with the current key."""
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": self.key.kid}, dict(claims), self.key, [algorithm])


@dataclass(frozen=True)
class Answer:
    """A status, a media type, a text, and a place to go to."""

    status: int
    media_type: str
    text: str
    location: str = ""


def as_json(document: Mapping[str, Any], status: int = HTTPStatus.OK) -> Answer:
    return Answer(status, "application/json", json.dumps(document))


def page(title: str, body: str, status: int = HTTPStatus.OK) -> Answer:
    return Answer(status, "text/html; charset=utf-8", PAGE.format(title=title, body=body))


@contextmanager
def serving(clock: Callable[[], float] = time.time) -> Iterator[Provider]:
    """Serve the provider on a port of this machine for as long as the block lasts."""
    provider = Provider(clock=clock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = provider.answer(self.command, self.path, dict(self.headers), self.rfile.read(length).decode())
            content = answer.text.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(content)))
            if answer.location:
                self.send_header("Location", answer.location)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Log nothing: the lines would be between those of `make run`."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        provider.url = f"http://{HOST}:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)  # the tests end it after their threads
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
