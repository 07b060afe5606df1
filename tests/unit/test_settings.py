from collections.abc import Iterator

import pytest

from chalicelib import settings

GOOD = {
    "GUICHET_STAGE": "prod",
    "GUICHET_TABLE": "guichet-prod",
    "GUICHET_SECRET": "s" * 43,
    "GUICHET_MAIL_FROM": "rendez-vous@example.org",
    "GUICHET_MAIL_RATE": "14",
    "GUICHET_PUBLIC_URL": "https://guichet.example.org/",
    "GUICHET_ORIGIN_HOLDS": "30",
}
STAGE = "the name of the stage, in lower case"
TABLE = "the name of the DynamoDB table"
RATE = "letters a second, from 1 to 9999"
HOLDS = "holds an hour from one address, 0 for any"
SECRET = "at least 43 characters (256 bits), made by a machine"


def test_a_whole_environment_is_read_and_the_public_url_ends_without_a_slash() -> None:
    assert settings.read(GOOD) == settings.Settings(
        stage="prod",
        table="guichet-prod",
        secret="s" * 43,
        captcha_answer="",
        mail_from="rendez-vous@example.org",
        mail_rate=14,
        public_url="https://guichet.example.org",
        origin_holds=30,
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"GUICHET_STAGE": ""}, f"guichet: GUICHET_STAGE is missing: {STAGE}"),
        ({"GUICHET_STAGE": "Prod"}, f"guichet: GUICHET_STAGE is wrong: {STAGE}"),
        ({"GUICHET_STAGE": "prod\n"}, f"guichet: GUICHET_STAGE is wrong: {STAGE}"),
        ({"GUICHET_TABLE": ""}, f"guichet: GUICHET_TABLE is missing: {TABLE}"),
        ({"GUICHET_TABLE": "a b c"}, f"guichet: GUICHET_TABLE is wrong: {TABLE}"),
        ({"GUICHET_SECRET": ""}, f"guichet: GUICHET_SECRET is missing: {SECRET}"),
        ({"GUICHET_SECRET": "s" * 42}, f"guichet: GUICHET_SECRET is wrong: {SECRET}"),
        ({"GUICHET_SECRET": "s" * 42 + " "}, f"guichet: GUICHET_SECRET is wrong: {SECRET}"),
        ({"GUICHET_MAIL_FROM": ""}, "guichet: GUICHET_MAIL_FROM is missing: the address letters come from"),
        ({"GUICHET_MAIL_FROM": "a b"}, "guichet: GUICHET_MAIL_FROM is wrong: the address letters come from"),
        ({"GUICHET_MAIL_RATE": ""}, f"guichet: GUICHET_MAIL_RATE is missing: {RATE}"),
        ({"GUICHET_MAIL_RATE": "0"}, f"guichet: GUICHET_MAIL_RATE is wrong: {RATE}"),
        ({"GUICHET_MAIL_RATE": "0.5"}, f"guichet: GUICHET_MAIL_RATE is wrong: {RATE}"),
        ({"GUICHET_MAIL_RATE": "10000"}, f"guichet: GUICHET_MAIL_RATE is wrong: {RATE}"),
        ({"GUICHET_MAIL_RATE": "1٤"}, f"guichet: GUICHET_MAIL_RATE is wrong: {RATE}"),
        ({"GUICHET_ORIGIN_HOLDS": "٣"}, f"guichet: GUICHET_ORIGIN_HOLDS is wrong: {HOLDS}"),
        ({"GUICHET_PUBLIC_URL": ""}, "guichet: GUICHET_PUBLIC_URL is missing: the address people use"),
        ({"GUICHET_PUBLIC_URL": "example.org"}, "guichet: GUICHET_PUBLIC_URL is wrong: the address people use"),
        ({"GUICHET_ORIGIN_HOLDS": ""}, f"guichet: GUICHET_ORIGIN_HOLDS is missing: {HOLDS}"),
        ({"GUICHET_ORIGIN_HOLDS": "-1"}, f"guichet: GUICHET_ORIGIN_HOLDS is wrong: {HOLDS}"),
        ({"GUICHET_ORIGIN_HOLDS": "12345"}, f"guichet: GUICHET_ORIGIN_HOLDS is wrong: {HOLDS}"),
        (
            {"GUICHET_CAPTCHA_ANSWER": "abc"},
            "guichet: GUICHET_CAPTCHA_ANSWER is set on a deployed stage: remove it",
        ),
    ],
)
def test_what_is_missing_or_wrong_stops_the_start_with_one_line(change: dict[str, str], line: str) -> None:
    with pytest.raises(settings.WrongSetting) as stopped:
        settings.read({**GOOD, **change})
    assert str(stopped.value) == line


def test_a_function_that_sends_no_mail_needs_none_of_its_settings() -> None:
    found = settings.read({name: GOOD[name] for name in ("GUICHET_STAGE", "GUICHET_TABLE", "GUICHET_SECRET")})
    assert (found.mail_from, found.public_url, found.origin_holds) == ("", "", 0)


@pytest.fixture
def unread() -> Iterator[None]:
    """No settings were read yet, and none are kept of what this test reads."""
    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.mark.usefixtures("unread")
def test_a_lambda_with_a_wrong_setting_stops_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "guichet-prod-hold")
    monkeypatch.setenv("GUICHET_STAGE", "prod")
    monkeypatch.setenv("GUICHET_CAPTCHA_ANSWER", "abc")
    with pytest.raises(settings.WrongSetting):
        settings.check_at_start()


@pytest.mark.usefixtures("unread")
def test_what_is_no_lambda_starts_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUICHET_SECRET")
    settings.check_at_start()


def test_a_wrong_secret_is_not_repeated_in_the_line() -> None:
    with pytest.raises(settings.WrongSetting) as stopped:
        settings.read({**GOOD, "GUICHET_SECRET": "hunter2"})
    assert "hunter2" not in str(stopped.value)


def test_a_laptop_may_set_a_captcha_answer_in_any_case() -> None:
    laptop = {**GOOD, "GUICHET_STAGE": "laptop", "GUICHET_CAPTCHA_ANSWER": "TEST42"}
    assert settings.read(laptop).captcha_answer == "test42"
