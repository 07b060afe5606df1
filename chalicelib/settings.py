"""The environment, read once into typed constants. What is missing or wrong stops the start with one line."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

LAPTOP = "laptop"


class WrongSetting(SystemExit):
    """A setting is missing or malformed; the message is the one line that ops read."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a function of a stage must know."""

    stage: str
    table: str
    secret: str
    captcha_answer: str
    mail_from: str
    mail_rate: int
    public_url: str
    origin_holds: int


def read(environ: Mapping[str, str]) -> Settings:
    """Check every setting; WrongSetting names the first that cannot be used."""

    def need(name: str, pattern: str, what: str) -> str:
        value = environ.get(name, "")
        if not re.fullmatch(pattern, value):
            raise WrongSetting(f"guichet: {name} {'is missing' if not value else 'is wrong'}: {what}")
        return value

    stage = need("GUICHET_STAGE", r"[a-z][a-z0-9-]{0,19}", "the name of the stage, in lower case")
    table = need("GUICHET_TABLE", r"[A-Za-z0-9_.-]{3,255}", "the name of the DynamoDB table")
    secret = need("GUICHET_SECRET", r"\S{43,}", "at least 43 characters (256 bits), made by a machine")
    answer = environ.get("GUICHET_CAPTCHA_ANSWER", "")
    if answer and stage != LAPTOP:
        raise WrongSetting("guichet: GUICHET_CAPTCHA_ANSWER is set on a deployed stage: remove it")
    sends = "GUICHET_MAIL_FROM" in environ  # the mailer alone
    limits = "GUICHET_ORIGIN_HOLDS" in environ  # the functions that count client networks: hold, captcha, request
    holds = need("GUICHET_ORIGIN_HOLDS", "[0-9]{1,4}", "holds an hour from one address, 0 for any") if limits else "0"
    rate = need("GUICHET_MAIL_RATE", "[1-9][0-9]{0,3}", "letters a second, from 1 to 9999") if sends else "1"
    return Settings(
        stage=stage,
        table=table,
        secret=secret,
        captcha_answer=answer.casefold(),
        mail_from=need("GUICHET_MAIL_FROM", r"[^@\s]+@[^@\s]+", "the address letters come from") if sends else "",
        mail_rate=int(rate),
        public_url=need("GUICHET_PUBLIC_URL", r"https?://\S+", "the address people use").rstrip("/") if sends else "",
        origin_holds=int(holds),
    )


def check_at_start() -> None:
    """Stop a Lambda at its start, rather than at its first visitor, when a setting cannot be used."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        current()


@cache
def current() -> Settings:
    """The settings of this process."""
    return read(os.environ)
