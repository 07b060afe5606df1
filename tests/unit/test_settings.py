from collections.abc import Iterator

import pytest

from chalicelib import settings
from chalicelib.domain.stage_secret import attestation_key

GOOD = {
    "GUICHET_STAGE": "prod",
    "GUICHET_TABLE": "guichet-prod",
    "GUICHET_SECRET": "s" * 43,
    "GUICHET_MAIL_FROM": "rendez-vous@example.org",
    "GUICHET_MAIL_RATE": "14",
    "GUICHET_PUBLIC_URL": "https://guichet.example.org/",
    "GUICHET_ORIGIN_HOLDS": "30",
}
DESK = {
    "GUICHET_DESK_ISSUER": "https://connexion.example.org/api/v2",
    "GUICHET_DESK_CLIENT_ID": "client",
    "GUICHET_DESK_CLIENT_SECRET": "c" * 16,
    "GUICHET_DESK_ACR": "eidas2 eidas3",
    "GUICHET_DESK_PKCE": "no",
}
STAGE = "the name of the stage, in lower case"
TABLE = "the name of the DynamoDB table"
RATE = "the e-mails a second, from 1 to 9999"
MAILERS = "the mailers that run at a time, from 1 to 10"
HOLDS = "the holds an hour of one client network, from 0 (no limit) to 9999"
SECRET = "at least 43 random characters (256 bits), without spaces, as `make rotate` writes it"
SENDER = "the e-mail address of the sender"
URL = "the URL that applicants use, with https://"


def test_each_mailer_has_a_whole_number_of_letters_a_second_and_all_together_never_more_than_the_rate() -> None:
    several = settings.read({**GOOD, "GUICHET_MAIL_RATE": "39", "GUICHET_MAILERS": "2"})
    assert (settings.read(GOOD).mailer_rate, several.mailer_rate) == (14, 19)


def test_a_complete_environment_is_read_and_the_public_url_loses_its_slash() -> None:
    assert settings.read(GOOD) == settings.Settings(
        stage="prod",
        table="guichet-prod",
        secret="s" * 43,
        accepted_secrets=(),
        leaked_secrets=(),
        attestation_keys=(attestation_key("s" * 43),),
        captcha_answer="",
        mail_from="rendez-vous@example.org",
        mail_rate=14,
        public_url="https://guichet.example.org",
        network_holds=30,
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"GUICHET_STAGE": ""}, f"guichet: GUICHET_STAGE is missing. Set it to {STAGE}."),
        ({"GUICHET_STAGE": "Prod"}, f"guichet: GUICHET_STAGE is malformed. Set it to {STAGE}."),
        ({"GUICHET_STAGE": "prod\n"}, f"guichet: GUICHET_STAGE is malformed. Set it to {STAGE}."),
        ({"GUICHET_TABLE": ""}, f"guichet: GUICHET_TABLE is missing. Set it to {TABLE}."),
        ({"GUICHET_TABLE": "a b c"}, f"guichet: GUICHET_TABLE is malformed. Set it to {TABLE}."),
        ({"GUICHET_SECRET": ""}, f"guichet: GUICHET_SECRET is missing. Set it to {SECRET}."),
        ({"GUICHET_SECRET": "s" * 42}, f"guichet: GUICHET_SECRET is malformed. Set it to {SECRET}."),
        ({"GUICHET_SECRET": "s" * 42 + " "}, f"guichet: GUICHET_SECRET is malformed. Set it to {SECRET}."),
        ({"GUICHET_SECRET": "s" * 43 + " other"}, f"guichet: GUICHET_SECRET is malformed. Set it to {SECRET}."),
        (
            {"GUICHET_SECRET": f"{'s' * 43} attestation:2026-02-30:{'a' * 52}"},
            "guichet: GUICHET_SECRET has a key with a malformed date. Run `make rotate`.",
        ),
        ({"GUICHET_MAIL_FROM": ""}, f"guichet: GUICHET_MAIL_FROM is missing. Set it to {SENDER}."),
        ({"GUICHET_MAIL_FROM": "a b"}, f"guichet: GUICHET_MAIL_FROM is malformed. Set it to {SENDER}."),
        ({"GUICHET_MAIL_RATE": ""}, f"guichet: GUICHET_MAIL_RATE is missing. Set it to {RATE}."),
        ({"GUICHET_MAIL_RATE": "0"}, f"guichet: GUICHET_MAIL_RATE is malformed. Set it to {RATE}."),
        ({"GUICHET_MAILERS": ""}, f"guichet: GUICHET_MAILERS is missing. Set it to {MAILERS}."),
        ({"GUICHET_MAILERS": "11"}, f"guichet: GUICHET_MAILERS is malformed. Set it to {MAILERS}."),
        (
            {"GUICHET_MAIL_RATE": "5", "GUICHET_MAILERS": "6"},
            "guichet: GUICHET_MAILERS is more than GUICHET_MAIL_RATE. Set it to 5 at most.",
        ),
        ({"GUICHET_MAIL_RATE": "0.5"}, f"guichet: GUICHET_MAIL_RATE is malformed. Set it to {RATE}."),
        ({"GUICHET_MAIL_RATE": "10000"}, f"guichet: GUICHET_MAIL_RATE is malformed. Set it to {RATE}."),
        ({"GUICHET_MAIL_RATE": "1٤"}, f"guichet: GUICHET_MAIL_RATE is malformed. Set it to {RATE}."),
        ({"GUICHET_ORIGIN_HOLDS": "٣"}, f"guichet: GUICHET_ORIGIN_HOLDS is malformed. Set it to {HOLDS}."),
        ({"GUICHET_PUBLIC_URL": ""}, f"guichet: GUICHET_PUBLIC_URL is missing. Set it to {URL}."),
        ({"GUICHET_PUBLIC_URL": "example.org"}, f"guichet: GUICHET_PUBLIC_URL is malformed. Set it to {URL}."),
        ({"GUICHET_ORIGIN_HOLDS": ""}, f"guichet: GUICHET_ORIGIN_HOLDS is missing. Set it to {HOLDS}."),
        ({"GUICHET_ORIGIN_HOLDS": "-1"}, f"guichet: GUICHET_ORIGIN_HOLDS is malformed. Set it to {HOLDS}."),
        ({"GUICHET_ORIGIN_HOLDS": "12345"}, f"guichet: GUICHET_ORIGIN_HOLDS is malformed. Set it to {HOLDS}."),
        (
            {"GUICHET_CAPTCHA_ANSWER": "abc"},
            "guichet: GUICHET_CAPTCHA_ANSWER is set on a deployed stage. Remove it.",
        ),
    ],
)
def test_a_missing_or_wrong_setting_stops_the_start_with_one_line(change: dict[str, str], line: str) -> None:
    with pytest.raises(settings.WrongSetting) as stopped:
        settings.read({**GOOD, **change})
    assert str(stopped.value) == line


def test_the_provider_of_the_agents_is_read_and_its_secret_is_not_printed() -> None:
    provider = settings.read({**GOOD, **DESK}).provider
    assert provider == settings.Provider(
        "https://connexion.example.org/api/v2", "client", "c" * 16, ("eidas2", "eidas3"), pkce=False
    )
    assert "ccc" not in repr(provider)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"GUICHET_DESK_ISSUER": "http://127.0.0.1:4567"}, "the issuer of the identity provider, with https://"),
        ({"GUICHET_DESK_ISSUER": "https://a b"}, "the issuer of the identity provider, with https://"),
        ({"GUICHET_DESK_CLIENT_ID": ""}, "the client id that the identity provider gave"),
        ({"GUICHET_DESK_CLIENT_SECRET": "short"}, "the client secret, from Secrets Manager"),
        ({"GUICHET_DESK_ACR": ""}, "the accepted levels of authentication, with spaces between them"),
        ({"GUICHET_DESK_PKCE": "maybe"}, "yes, or no for a provider that knows no PKCE"),
    ],
)
def test_a_missing_or_wrong_setting_of_the_provider_stops_the_start_with_one_line(
    change: dict[str, str], line: str
) -> None:
    with pytest.raises(settings.WrongSetting) as stopped:
        settings.read({**GOOD, **DESK, **change})
    ((name, value),) = change.items()
    assert str(stopped.value) == f"guichet: {name} is {'malformed' if value else 'missing'}. Set it to {line}."


def test_the_provider_of_the_local_stack_may_be_on_this_machine_and_no_other_one_without_tls() -> None:
    laptop = {**GOOD, **DESK, "GUICHET_STAGE": "laptop"}
    for issuer, accepted in (("http://127.0.0.1:4567", True), ("http://example.org", False)):
        try:
            settings.read({**laptop, "GUICHET_DESK_ISSUER": issuer})
        except settings.WrongSetting:
            assert not accepted
        else:
            assert accepted


def test_a_function_that_sends_no_mail_needs_no_mail_settings() -> None:
    read = settings.read({name: GOOD[name] for name in ("GUICHET_STAGE", "GUICHET_TABLE", "GUICHET_SECRET")})
    assert (read.mail_from, read.public_url, read.network_holds) == ("", "", 0)


@pytest.fixture
def unread() -> Iterator[None]:
    """Empty the cache of the settings before and after the test."""
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.mark.usefixtures("unread")
def test_a_lambda_function_with_a_wrong_setting_stops_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "guichet-prod-hold")
    monkeypatch.setenv("GUICHET_STAGE", "prod")
    monkeypatch.setenv("GUICHET_CAPTCHA_ANSWER", "abc")
    with pytest.raises(settings.WrongSetting):
        settings.check_at_start()


@pytest.mark.usefixtures("unread")
def test_other_programs_start_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUICHET_SECRET")
    settings.check_at_start()


def test_the_message_does_not_repeat_a_wrong_secret() -> None:
    with pytest.raises(settings.WrongSetting) as stopped:
        settings.read({**GOOD, "GUICHET_SECRET": "hunter2"})
    assert "hunter2" not in str(stopped.value)


def test_the_local_stack_may_set_a_captcha_answer_in_any_case() -> None:
    laptop = {**GOOD, "GUICHET_STAGE": "laptop", "GUICHET_CAPTCHA_ANSWER": "TEST42"}
    assert settings.read(laptop).captcha_answer == "test42"
