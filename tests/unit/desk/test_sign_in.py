"""Only who the provider has identified with two factors, for this browser and this client, gets a session."""

import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64encode

from chalicelib import settings
from chalicelib.desk import provider as desk_provider
from chalicelib.domain.agent import Role
from chalicelib.storage.desk_items import SessionItem
from infra.local.provider import PEOPLE, Person, Provider
from tests.client import FORM, get, refused, send
from tests.conftest import Clock
from tests.unit.desk.office import Desk, invited

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service", "provider")]


def sessions() -> int:
    """Return how many sessions the table has."""
    return len(list(SessionItem.scan(SessionItem.pk.startswith("DESKSESSION#"))))


def test_an_invited_agent_signs_in_with_one_click_and_gets_to_the_page_that_was_asked_for(
    desk: Desk, clock: Clock
) -> None:
    invited("agnes", clock.now, Role.ADMINISTRATOR)
    answer = desk.get("/desk/aes/accounts")
    assert (answer.status, 'href="../../desk/sign-in?to=desk/aes/accounts"' in answer.text) == (401, True)
    answer = desk.sign_in("agnes", "desk/aes/accounts")
    assert (answer.status, answer.headers["Location"]) == (303, "../desk/aes/accounts")
    (cookie,) = [header for header in answer.cookies if header.startswith("__Host-desk=")]
    assert cookie.partition(";")[2] == " Path=/; SameSite=Lax; Secure; HttpOnly"
    assert len(cookie.partition("=")[2].partition(";")[0]) == 52  # 256 bits in base 32
    answer = desk.get("/desk/aes/accounts")
    assert (answer.status, "agnes@example.org" in answer.text) == (200, True)


def test_the_request_to_the_provider_has_these_parameters_and_no_others(desk: Desk) -> None:
    parameters = desk.begin()
    assert {name: parameters[name] for name in parameters if len(parameters[name]) < 43} == {
        "response_type": "code",
        "client_id": "guichet-laptop",
        "scope": "openid email",
        "acr_values": "eidas2 eidas3",
        "code_challenge_method": "S256",
    }
    assert parameters["redirect_uri"] == "https://guichet.example.org/api/desk/callback"
    assert len({parameters[name] for name in ("state", "nonce", "code_challenge")}) == 3


def test_a_provider_without_pkce_gets_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUICHET_DESK_PKCE", "no")
    settings.current.cache_clear()
    assert not [name for name in desk.begin() if name.startswith("code_")]


@pytest.mark.parametrize("page", ["https://evil.example", "//evil.example", "desk/../x", "services/aes", "desk/a b"])
def test_a_sign_in_leads_to_no_page_outside_of_the_desk(desk: Desk, clock: Clock, page: str) -> None:
    invited("basile", clock.now)
    assert desk.sign_in("basile", page).headers["Location"] == "../desk"


Lie = Callable[[Provider], None]


def written_by_hand(algorithm: str, secret: bytes) -> Callable[[Any], str]:
    """Return a signer that does what no good library does: sign with nothing, or with a public key as a secret."""

    def sign(claims: Any) -> str:
        parts = ({"alg": algorithm, "kid": "first"}, claims)
        text = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
        return f"{text}.{urlsafe_b64encode(hmac.digest(secret, text.encode(), sha256)).decode() if secret else ''}"

    return sign


STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
LIES: dict[str, Lie] = {
    "the token of another client": lambda p: p.id_claims.update(aud="another"),
    "the token of several clients": lambda p: p.id_claims.update(aud=["guichet-laptop", "another"]),
    "another issuer": lambda p: p.id_claims.update(iss="https://other.example.org"),
    "no issuer": lambda p: p.id_claims.update(iss=None),
    "another nonce": lambda p: p.id_claims.update(nonce="a" * 52),
    "no nonce": lambda p: p.id_claims.update(nonce=None),
    "expired": lambda p: p.id_claims.update(exp=int(p.clock()) - 11),
    "without an end": lambda p: p.id_claims.update(exp=None),
    "an end that is no number": lambda p: p.id_claims.update(exp="2099"),
    "from the future": lambda p: p.id_claims.update(iat=int(p.clock()) + 60),
    "no subject": lambda p: p.id_claims.update(sub=""),
    "a long subject": lambda p: (p.id_claims.update(sub="a" * 256), p.user_claims.update(sub="a" * 256))[0],
    "algorithm none": lambda p: setattr(p, "sign", written_by_hand("none", b"")),
    "the public key as a secret": lambda p: setattr(p, "sign", written_by_hand("HS256", p.key.as_pem(private=False))),
    "the key of a stranger": lambda p: setattr(
        p, "sign", lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, dict(claims), STRANGER)
    ),
    "no token": lambda p: setattr(p, "sign", lambda _claims: ""),
    "no text": lambda p: setattr(p, "sign", lambda _claims: 7),
    "three dots": lambda p: setattr(p, "sign", lambda _claims: "é...😀"),
    "userinfo of another subject": lambda p: p.user_claims.update(sub="agnes"),
    "userinfo for another client": lambda p: p.user_claims.update(aud="another"),
    "userinfo of another issuer": lambda p: p.user_claims.update(iss="https://other.example.org"),
    "userinfo that has expired": lambda p: p.user_claims.update(exp=int(p.clock()) - 11),
    "userinfo that says JSON": lambda p: setattr(p, "media_type", "application/json"),
    "an unverified e-mail address": lambda p: p.user_claims.update(email_verified=False),
    "an e-mail address that is no text": lambda p: p.user_claims.update(email=["basile@example.org"]),
}
"""What a provider, or whoever speaks for it, may say about Basile that must not be believed."""


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_believed_gives_no_session(desk: Desk, clock: Clock, lie: str) -> None:
    invited("basile", clock.now)
    LIES[lie](desk.provider)
    answer = desk.sign_in("basile")
    assert (answer.status, "n’ont pas pu être vérifiées" in answer.text) == (403, True)
    assert (sessions(), "__Host-desk" in desk.jar) == (0, False)


@pytest.mark.parametrize("subject", ["etienne", "fanny", ""])
def test_a_single_factor_an_unknown_person_and_a_cancelled_sign_in_are_told_apart_and_give_no_session(
    desk: Desk, clock: Clock, subject: str
) -> None:
    invited("etienne", clock.now)
    answer = desk.sign_in(subject)
    words = {"etienne": "deux facteurs, par exemple", "fanny": "Aucun accès", "": "quitté la page de connexion"}
    assert (answer.status, words[subject] in answer.text, sessions()) == (403, True, 0)


def test_a_state_works_in_its_own_browser_only_and_once(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    back = desk.click(desk.begin(), "basile")
    start = desk.jar["__Host-desk-start"]
    other = Desk(desk.provider)
    other.begin()
    for browser, change in ((other, {}), (Desk(desk.provider), {}), (desk, {"state": "a" * 52}), (desk, {"state": ""})):
        answer = browser.come_back(back | change)
        assert (answer.status, "a commencé dans un autre navigateur" in answer.text) == (403, True)
    forged = Desk(desk.provider, {"__Host-desk-start": start[:-1] + "x"})  # another page than the signed one
    assert forged.come_back(back).status == 403
    assert sessions() == 0
    assert desk.come_back(back).status == 303
    desk.jar["__Host-desk-start"] = start
    asked = desk.provider.calls.count("/token")
    assert desk.come_back(back).status == 403
    assert (sessions(), desk.provider.calls.count("/token") - asked) == (1, 0)


def test_a_sign_in_lasts_a_quarter_of_an_hour_and_its_code_half_a_minute(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    parameters = desk.begin()
    clock.move(timedelta(minutes=14))
    back = desk.click(parameters, "basile")
    clock.move(timedelta(seconds=30))
    assert desk.come_back(back).status == 403  # the provider refuses the code
    parameters = desk.begin()
    clock.move(timedelta(minutes=15))
    asked = desk.provider.calls.count("/token")
    assert desk.come_back(desk.click(parameters, "basile")).status == 403
    assert (sessions(), desk.provider.calls.count("/token")) == (0, asked)


def test_a_code_of_somebody_else_cannot_be_slipped_in(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    stolen = Desk(desk.provider)
    code = stolen.click(stolen.begin(), "basile")["code"]
    back = desk.click(desk.begin(), "fanny")
    assert desk.come_back(back | {"code": code}).status == 403  # PKCE: the verifier is that of the other browser
    assert sessions() == 0


def test_an_answer_of_another_issuer_is_refused_before_its_code_is_sent(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    back = desk.click(desk.begin(), "basile")
    assert desk.come_back(back | {"iss": "https://other.example.org"}).status == 403
    assert "/token" not in desk.provider.calls


def test_keys_that_were_rotated_are_fetched_again_but_not_for_every_unknown_key(desk: Desk, clock: Clock) -> None:
    invited("basile", clock.now)
    assert desk.sign_in("basile").status == 303
    clock.move(timedelta(seconds=11))
    desk.provider.rotate()
    assert desk.sign_in("basile").status == 303
    assert desk.provider.calls.count("/jwks") == 2
    sign = desk.provider.signed
    for number in range(5):
        key = RSAKey.import_key(STRANGER.as_dict(private=True) | {"kid": f"unknown{number}"})
        desk.provider.sign = lambda claims, key=key: jwt.encode({"alg": "RS256", "kid": key.kid}, dict(claims), key)
        assert desk.sign_in("basile").status == 403
    assert desk.provider.calls.count("/jwks") == 2
    desk.provider.sign = sign


AWAY = ("/.well-known/openid-configuration", "/jwks", "/token", "/userinfo")


@pytest.mark.parametrize("path", AWAY)
def test_a_provider_that_is_away_gives_a_plain_page_and_the_way_to_try_again(
    desk: Desk, clock: Clock, path: str
) -> None:
    invited("basile", clock.now)
    desk.provider.away = path
    answer = desk.get("/desk/sign-in?to=desk") if path == AWAY[0] else desk.sign_in("basile")
    assert (answer.status, "Le service de connexion ne répond pas." in answer.text) == (503, True)
    assert "desk/sign-in?to=desk" in answer.text
    desk.provider.away = ""
    assert desk.sign_in("basile").status == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint": "https://evil.example/token"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "http://127.0.0.1:1/userinfo"},
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://127.0.0.1@evil.example/token"},
    ],
)
def test_metadata_that_name_another_host_are_not_used(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.provider.metadata = metadata
    assert desk.get("/desk/sign-in").status == 503
    assert desk.provider.calls == ["/.well-known/openid-configuration"]


def test_after_the_first_sign_in_the_e_mail_address_never_decides(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    invited("basile", clock.now)
    assert desk.sign_in("basile").status == 303
    desk.provider.user_claims = {"email": "new-name@example.org"}
    assert desk.sign_in("basile").status == 303
    desk.provider.user_claims = {}
    monkeypatch.setitem(PEOPLE, "impostor", Person("impostor", "basile@example.org", "Basile", ""))
    answer = Desk(desk.provider).sign_in("impostor")
    assert (answer.status, "Aucun accès" in answer.text) == (403, True)


def test_neither_tokens_nor_codes_nor_sessions_nor_answers_reach_the_log(
    desk: Desk, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    invited("basile", clock.now)
    back = desk.click(desk.begin(), "basile")
    start = desk.jar["__Host-desk-start"]
    desk.come_back(back)
    desk.get("/desk")
    desk.post("/desk/sign-out")
    desk.provider.id_claims = {"iss": "https://other.example.org"}
    desk.sign_in("basile")
    desk.provider.away = "/token"
    desk.sign_in("basile")
    log = capsys.readouterr()
    secrets = [start, back["code"], back["state"], *desk.jar.values(), *desk.provider.tokens, "basile", "eyJ", "other"]
    assert log.out == ""
    assert len(log.err.splitlines()) > 8
    assert [secret for secret in secrets if secret in log.err] == []


def test_a_stage_without_a_provider_has_no_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUICHET_DESK_ISSUER")
    settings.current.cache_clear()
    desk_provider.clear_cache()
    for path in ("/desk", "/desk/sign-in", "/desk/callback"):
        refused(get(path), 404, "not-found")
        assert send("GET", path, FORM).status == 404
