"""Sign in with OpenID Connect: the authorization code flow with PKCE, state and nonce.

It works with ProConnect: userinfo is a signed JWT, codes and tokens live for seconds, unknown parameters are refused,
and the level of authentication is checked here.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import urlencode

from chalicelib import log
from chalicelib.desk import accounts, audit, provider, sessions
from chalicelib.domain import tokens
from chalicelib.domain.agent import Account
from chalicelib.domain.refusals import ProviderAway, SignInReason, SignInRefused
from chalicelib.domain.sign_in import LIFETIME, SignIn
from chalicelib.settings import Provider
from chalicelib.storage import desk_store

ALGORITHMS = ["RS256", "ES256"]
"""The algorithms of signatures. Whatever a token says, no other one is accepted."""
LEEWAY = 10
"""How many seconds the clock of the provider may differ from ours."""
MOST_CHARACTERS = 255
"""The longest subject, as OpenID Connect has it."""


def start(settings: Provider, sign_in: SignIn, redirect_uri: str) -> str:
    """Return the URL of the provider at which an agent signs in. Raise ProviderAway if the provider does not answer."""
    parameters = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email",
        "state": sign_in.state,
        "nonce": sign_in.nonce,
        "acr_values": " ".join(settings.acr),
    }
    if settings.pkce:
        parameters |= {"code_challenge": sign_in.challenge, "code_challenge_method": "S256"}
    url = provider.endpoints(settings, sign_in.began).authorization
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def finish(
    settings: Provider, sign_in: SignIn | None, query: Mapping[str, str], redirect_uri: str, now: datetime
) -> Account:
    """Return the account of the agent who comes back from the provider. Each state counts once.

    Raise SignInRefused with its reason, or ProviderAway.
    """
    state = query.get("state", "").encode(errors="replace")
    if sign_in is None or not hmac.compare_digest(sign_in.state.encode(), state):
        _refuse(SignInReason.STATE)
    if not desk_store.use_state(tokens.digest(sign_in.state), sign_in.began + LIFETIME):
        _refuse(SignInReason.STATE)
    if query.get("iss", settings.issuer) != settings.issuer:
        _refuse(SignInReason.IDENTITY)
    if "error" in query:
        if query["error"] == "access_denied":
            _refuse(SignInReason.CANCELLED)
        log.event("provider", answer="error")
        raise ProviderAway
    code = query.get("code", "").encode(errors="replace").decode()
    subject, email = _identify(settings, sign_in, code, redirect_uri, now)
    account = accounts.bind(settings.issuer, subject, email)
    if account is None:
        _refuse(SignInReason.UNKNOWN)
    return account


def begin_session(account: Account, old_cookie: str, now: datetime) -> str:
    """Begin a session with a new id, and end the one that the browser had. Return the value of its cookie."""
    sessions.end(old_cookie)
    desk_store.note_sign_in(account.id, now)
    audit.record(audit.NO_SERVICE, account.id, "sign-in", now)
    return sessions.begin(account, now)


def _identify(settings: Provider, sign_in: SignIn, code: str, redirect_uri: str, now: datetime) -> tuple[str, str]:
    """Exchange a code. Return the subject, and the e-mail address if there is one."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if settings.pkce:
        fields["code_verifier"] = sign_in.verifier
    answer = provider.exchange_code(settings, fields, now)
    if answer.status == HTTPStatus.BAD_REQUEST:  # the code was used, or is too old
        _refuse(SignInReason.STATE)
    if answer.status != HTTPStatus.OK:
        log.event("provider", answer="no token", status=answer.status)
        raise ProviderAway
    grant = answer.document()
    claims = _claims(settings, grant.get("id_token"), now, nonce=sign_in.nonce)
    if claims.get("acr") not in settings.acr:
        _refuse(SignInReason.FACTOR)
    subject = claims["sub"]
    if not 0 < len(subject) <= MOST_CHARACTERS:
        _refuse(SignInReason.IDENTITY)
    answer = provider.userinfo(settings, str(grant.get("access_token", "")), now)
    if answer.status != HTTPStatus.OK or answer.media_type != "application/jwt":
        _refuse(SignInReason.IDENTITY)
    person = _claims(settings, answer.body, now, sub=subject)
    email = person.get("email", "")
    if not isinstance(email, str) or person.get("email_verified", True) is not True:
        _refuse(SignInReason.IDENTITY)
    return subject, email


def _claims(settings: Provider, token: object, now: datetime, **values: str) -> dict[str, Any]:
    """Verify a token of the provider. Return its claims, which must have these values.

    An id token, which has a nonce, must say how long it is valid. Raise SignInRefused if it cannot be believed.
    """
    from joserfc import jws, jwt  # noqa: PLC0415  # only the desk function has this package
    from joserfc.errors import JoseError  # noqa: PLC0415  # the same
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415  # the same

    raw = token.encode(errors="replace") if isinstance(token, str) else token
    if not isinstance(raw, bytes):
        _refuse(SignInReason.IDENTITY)
    try:
        key_id = jws.extract_compact(raw).headers().get("kid")
        key = provider.signing_key(settings, key_id, now)
        if key is None:
            _refuse(SignInReason.IDENTITY)
        claims = jwt.decode(raw, JWKRegistry.import_key(key), algorithms=ALGORITHMS).claims
        required = {"iss": settings.issuer, "aud": settings.client_id, **values}
        rules: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in required.items()}
        timed = {"exp": {"essential": True}, "iat": {"essential": True}} if "nonce" in values else {}
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()), leeway=LEEWAY, **{"sub": {"essential": True}, **rules, **timed}
        )
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise SignInRefused(SignInReason.IDENTITY) from error
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != settings.client_id:
        _refuse(SignInReason.IDENTITY)
    return claims


def _refuse(reason: SignInReason) -> NoReturn:
    raise SignInRefused(reason)
