"""The settings of a stage, read once from the environment. A missing or malformed one stops the start."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from chalicelib.domain import stage_secret
from chalicelib.domain.stage_secret import StageSecret

LAPTOP = "laptop"


class WrongSetting(SystemExit):
    """A setting is missing or malformed. The message is the single line that the operator sees."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider of the agents."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    acr: tuple[str, ...]
    """The levels of authentication that are asked for and accepted: each with two factors."""
    pkce: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a Lambda function. Those that a function does not have are empty, 0 or 1."""

    stage: str
    table: str
    secret: str
    accepted_secrets: tuple[str, ...]
    """The secrets beside `secret` whose signatures are valid: during and after a rotation."""
    leaked_secrets: tuple[str, ...]
    """Earlier secrets that others may know. They only find the locks that were made with them."""
    attestation_keys: tuple[bytes, ...]
    """The keys that verify attestations: that of `secret`, which signs, and those of earlier secrets."""
    captcha_answer: str
    """An answer that every captcha accepts, on the local stack only."""
    mail_from: str
    mail_rate: int
    """E-mails a second, of all mailers together."""
    public_url: str
    network_holds: int
    """Holds an hour of one client network that take a seat before the captcha; 0 for no limit."""
    provider: Provider | None = None
    """None for a stage without a desk, and for all functions but that of the desk."""
    mailers: int = 1
    """How many environments of the mailer may run at a time."""

    @property
    def mailer_rate(self) -> int:
        """E-mails a second of one mailer. It is a whole number, so that all mailers together never pass `mail_rate`."""
        return self.mail_rate // self.mailers


def read(environ: Mapping[str, str]) -> Settings:
    """Read and check the settings. Raise WrongSetting, naming the setting, if one is missing or malformed."""

    def require(name: str, pattern: str, what: str) -> str:
        value = environ.get(name, "")
        if not re.fullmatch(pattern, value):
            raise WrongSetting(f"guichet: {name} is {'malformed' if value else 'missing'}. Set it to {what}.")
        return value

    stage = require("GUICHET_STAGE", r"[a-z][a-z0-9-]{0,19}", "the name of the stage, in lower case")
    table = require("GUICHET_TABLE", r"[A-Za-z0-9_.-]{3,255}", "the name of the DynamoDB table")
    what = "at least 43 random characters (256 bits), without spaces, as `make rotate` writes it"
    secret = parse_secret(require("GUICHET_SECRET", stage_secret.STORED, what))
    answer = environ.get("GUICHET_CAPTCHA_ANSWER", "")
    if answer and stage != LAPTOP:
        raise WrongSetting("guichet: GUICHET_CAPTCHA_ANSWER is set on a deployed stage. Remove it.")
    mail_from, mail_rate, mailers, public_url, network_holds = "", "1", "1", "", "0"
    if "GUICHET_MAIL_FROM" in environ:  # only the mailer
        mail_from = require("GUICHET_MAIL_FROM", r"[^@\s]+@[^@\s]+", "the e-mail address of the sender")
    if "GUICHET_MAIL_FROM" in environ or "GUICHET_MAIL_RATE" in environ:  # also the draw function
        mail_rate = require("GUICHET_MAIL_RATE", "[1-9][0-9]{0,3}", "the e-mails a second, from 1 to 9999")
    if "GUICHET_MAILERS" in environ:  # without it, there is one
        mailers = require("GUICHET_MAILERS", "[1-9]|10", "the mailers that run at a time, from 1 to 10")
        if int(mailers) > int(mail_rate):
            raise WrongSetting(
                f"guichet: GUICHET_MAILERS is more than GUICHET_MAIL_RATE. Set it to {mail_rate} at most."
            )
    if "GUICHET_MAIL_FROM" in environ or "GUICHET_PUBLIC_URL" in environ:  # the pages know their URL from the request
        public_url = require("GUICHET_PUBLIC_URL", r"https?://\S+", "the URL that applicants use, with https://")
    if "GUICHET_ORIGIN_HOLDS" in environ:  # only the functions that count client networks: hold, captcha, request
        limit = "the holds an hour of one client network, from 0 (no limit) to 9999"
        network_holds = require("GUICHET_ORIGIN_HOLDS", "[0-9]{1,4}", limit)
    return Settings(
        stage=stage,
        table=table,
        secret=secret.current,
        accepted_secrets=secret.accepted,
        leaked_secrets=secret.leaked_secrets,
        attestation_keys=secret.attestation_keys,
        captcha_answer=answer.casefold(),
        mail_from=mail_from,
        mail_rate=int(mail_rate),
        mailers=int(mailers),
        public_url=public_url.rstrip("/"),
        network_holds=int(network_holds),
        provider=_provider(require, local=stage == LAPTOP) if "GUICHET_DESK_ISSUER" in environ else None,
    )


def _provider(require: Callable[[str, str, str], str], *, local: bool) -> Provider:
    """Read the identity provider. Only that of the local stack may be one without TLS, on this machine."""
    issuer = r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?"
    levels = "the accepted levels of authentication, with spaces between them"
    return Provider(
        issuer=require(
            "GUICHET_DESK_ISSUER",
            rf"{issuer}|http://127\.0\.0\.1:[0-9]{{1,5}}" if local else issuer,
            "the issuer of the identity provider, with https://",
        ),
        client_id=require("GUICHET_DESK_CLIENT_ID", "[!-~]+", "the client id that the identity provider gave"),
        client_secret=require("GUICHET_DESK_CLIENT_SECRET", "[!-~]{16,}", "the client secret, from Secrets Manager"),
        acr=tuple(require("GUICHET_DESK_ACR", "[!-~]+( [!-~]+)*", levels).split(" ")),
        pkce=require("GUICHET_DESK_PKCE", "yes|no", "yes, or no for a provider that knows no PKCE") == "yes",
    )


def parse_secret(stored: str) -> StageSecret:
    """Read the secret of a stage and the keys kept with it. Raise WrongSetting for a date that does not exist."""
    try:
        return StageSecret.parse(stored)
    except ValueError as error:
        raise WrongSetting("guichet: GUICHET_SECRET has a key with a malformed date. Run `make rotate`.") from error


def is_plain_chalice() -> bool:
    """Return whether the `chalice` program has loaded the application, other than for `make deploy`."""
    return "AWS_CHALICE_CLI_MODE" in os.environ and "GUICHET_PACKAGING" not in os.environ


def check_at_start() -> None:
    """Read the settings when a Lambda function or `chalice` starts, so that a wrong one stops it at once."""
    if is_plain_chalice():
        try:
            current()
        except WrongSetting as error:
            # `chalice local` loads the application in a thread, from which SystemExit does not end the program.
            sys.stderr.write(f"{error} `make local` and `make chalice` set it (docs/deploy.md).\n")
            os._exit(1)
    elif "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        current()


@cache
def current() -> Settings:
    """Return the settings of this process."""
    return read(os.environ)
