from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from chalicelib.domain import refusals, tokens
from chalicelib.domain.entry import PREFERENCES
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.tokens import Keys

KEYS = Keys("k" * 43)
SEAT = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
MILLISECONDS = 1_782_892_800_000


def fixed() -> str:
    return "a" * 52


def test_a_secret_has_256_bits_in_52_characters_and_is_never_repeated() -> None:
    secrets = {tokens.new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {52}
    assert set("".join(secrets)) == set("abcdefghijklmnopqrstuvwxyz234567")


def test_a_digest_is_the_sha_256_of_the_secret() -> None:
    assert tokens.digest("abc") == "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq"


def test_a_hold_token_names_its_seat_and_is_read_in_any_case() -> None:
    token = KEYS.hold_token(SEAT, secret=fixed)
    assert str(token).startswith("aes.20261203.1015.1." + "a" * 52)
    for value in (str(token), str(token).upper(), f" {token}\n"):
        assert KEYS.read_hold_token(value) == token


def test_a_token_is_valid_for_its_own_purpose_only() -> None:
    hold, link = KEYS.hold_token(SEAT, secret=fixed), KEYS.link_token(SEAT, "digest")
    assert KEYS.read_link_token(str(link)) == link
    with pytest.raises(refusals.NotFound):
        KEYS.read_link_token(str(hold))
    with pytest.raises(refusals.NotFound):
        KEYS.read_hold_token(str(link))


def test_a_token_with_another_key_seat_secret_or_signature_is_not_found() -> None:
    token = KEYS.hold_token(SEAT, secret=fixed)
    other = replace(SEAT, unit=2)
    wrong = [
        str(Keys("l" * 43).hold_token(SEAT, secret=fixed)),
        str(replace(token, key=other)),
        str(replace(token, secret="b" * 52)),
        str(replace(token, signature="a" * 26)),
        str(token)[:-1],
        f"{token}a",
        "",
        "." * 100,
        f"aes.20260230.1015.1.{'a' * 78}",
        f"aes.20261203.2460.1.{'a' * 78}",
    ]
    for value in wrong:
        with pytest.raises(refusals.NotFound):
            KEYS.read_hold_token(value)


def test_a_link_is_current_only_for_its_own_hold() -> None:
    link = KEYS.link_token(SEAT, "digest")
    assert KEYS.is_current_link(link, "digest")
    assert not KEYS.is_current_link(link, "other")
    assert not KEYS.is_current_link(KEYS.link_token(replace(SEAT, unit=2), "digest"), "other")
    assert not KEYS.is_current_link(KEYS.link_token(SEAT, ""), "")


def test_the_secret_of_a_link_depends_on_the_stage_and_is_not_the_digest_of_its_hold() -> None:
    link = KEYS.link_token(SEAT, "a" * 52)
    assert len(link.secret) == 52
    assert link.secret not in {"a" * 52, Keys("l" * 43).link_token(SEAT, "a" * 52).secret}


def test_a_reference_has_ten_characters_without_look_alikes() -> None:
    references = {KEYS.reference("aes", f"hold {n}") for n in range(500)}
    assert len(references) == 500
    assert {reference[:4] + reference[9] for reference in references} == {"AES--"}
    assert not set("".join(reference[4:] for reference in references)) & set("01IO")


def test_a_challenge_is_valid_for_its_own_hold_for_five_minutes() -> None:
    challenge = KEYS.new_challenge("hold", NOW)
    assert KEYS.challenge_time(challenge, "hold", NOW) == MILLISECONDS
    assert KEYS.challenge_time(challenge, "hold", NOW + timedelta(minutes=5, milliseconds=-1)) == MILLISECONDS
    with pytest.raises(refusals.CaptchaSpent):
        KEYS.challenge_time(challenge, "hold", NOW + timedelta(minutes=5))


def test_a_forged_challenge_or_one_of_another_hold_is_spent() -> None:
    challenge = KEYS.new_challenge("hold", NOW)
    younger = f"{MILLISECONDS + 60_000:011x}{challenge[11:]}"
    for value in (
        KEYS.new_challenge("other", NOW),
        younger,
        challenge[:-1],
        challenge.upper(),
        challenge + "0",
        "",
        "x" * 59,
    ):
        with pytest.raises(refusals.CaptchaSpent):
            KEYS.challenge_time(value, "hold", NOW)


def test_the_answers_are_six_characters_and_not_in_the_challenge() -> None:
    pictures = {KEYS.picture_answer(KEYS.new_challenge("hold", NOW)) for _ in range(300)}
    sounds = {KEYS.sound_answer(KEYS.new_challenge("hold", NOW)) for _ in range(300)}
    assert len(pictures) == 300
    assert {len(answer) for answer in pictures | sounds} == {6}
    assert not set("".join(pictures)) & set("01ilo")
    assert set("".join(sounds)) == set("0123456789")
    challenge = KEYS.new_challenge("hold", NOW)
    assert KEYS.picture_answer(challenge) not in challenge
    assert KEYS.picture_answer(challenge) != Keys("l" * 43).picture_answer(challenge)


def test_the_key_of_a_person_is_the_same_in_every_spelling() -> None:
    born = date(1990, 5, 17)
    assert KEYS.person_key("EXEMPLE", "Àwa", born) == KEYS.person_key("Awa", "Exemple", born)


@pytest.mark.parametrize(
    ("first_name", "last_name", "born"),
    [
        ("Awa", "Exemples", date(1990, 5, 17)),
        ("Awa", "Exemple", date(1990, 5, 18)),
        ("Awa Awa", "Exemple", date(1990, 5, 17)),
    ],
)
def test_another_name_or_date_of_birth_is_another_person(first_name: str, last_name: str, born: date) -> None:
    assert KEYS.person_key(first_name, last_name, born) != KEYS.person_key("Awa", "Exemple", date(1990, 5, 17))


def test_the_key_of_a_person_depends_on_the_secret_and_has_no_name_in_it() -> None:
    born = date(1990, 5, 17)
    assert KEYS.person_key("Awa", "Exemple", born) != Keys("l" * 43).person_key("Awa", "Exemple", born)
    assert "exemple" not in KEYS.person_key("Awa", "Exemple", born)


def test_the_key_of_an_e_mail_address_depends_on_the_mailbox_and_the_secret() -> None:
    assert KEYS.email_key("A.Wa+rdv@googlemail.com") == KEYS.email_key("awa@gmail.com")
    assert KEYS.email_key("awa@example.org") != Keys("l" * 43).email_key("awa@example.org")


def test_keys_of_different_purposes_differ_for_the_same_text() -> None:
    assert KEYS.email_key("a@example.org") != KEYS.link_token(SEAT, "a@example.org").secret
    assert KEYS.picture_answer("x") != KEYS.sound_answer("x")


@pytest.mark.parametrize(
    "value",
    [str(KEYS.hold_token(SEAT, secret=lambda: "a" * 52)), str(KEYS.link_token(SEAT, "digest")).upper()],
    ids=["hold", "link"],
)
def test_the_service_of_a_token_is_known_without_its_signature(value: str) -> None:
    assert tokens.service_of_token(value[:-1]) == "aes"


@pytest.mark.parametrize(("reference", "service"), [("AES-7K3M9-QXPT2", "aes"), ("a-b-7k3m9-qxpt2", "a-b"), ("x", "")])
def test_a_reference_names_its_service(reference: str, service: str) -> None:
    assert tokens.service_of_reference(reference) == service


def test_the_token_of_an_entry_carries_its_end_and_its_preferences() -> None:
    until = NOW + timedelta(minutes=18)
    for preferences in (("any",), PREFERENCES):
        token = KEYS.entry_token("aes", preferences, until, secret=fixed)
        assert str(token).startswith(f"aes.entry.{tokens.digest(fixed())[:16]}.")
        assert KEYS.read_hold_token(str(token).upper()) == token
        assert (token.until, token.preferences) == (until, tuple(preferences))
        seated = KEYS.seated_token(token, token.key)
        assert KEYS.read_hold_token(str(seated)) == seated
        with pytest.raises(ValueError, match="is an entry"):
            _ = token.seat


def test_the_preferences_in_the_token_of_an_entry_cannot_be_changed() -> None:
    token = KEYS.entry_token("aes", ("tue-am", "any"), NOW, secret=fixed)
    for preferences in (("any",), ("tue-am",), ("any", "tue-am"), ("tue-pm", "any"), ()):
        with pytest.raises(refusals.NotFound):
            KEYS.read_hold_token(str(replace(token, preferences=preferences)))


def test_the_link_of_an_entry_is_bound_to_it_and_to_its_hold() -> None:
    key = tokens.entry_key("aes", "digest2234567abcdef")
    link = KEYS.link_token(key, "digest")
    assert KEYS.read_link_token(str(link)) == link
    assert KEYS.is_current_link(link, "digest")
    assert not KEYS.is_current_link(link, "another")
    assert not KEYS.is_current_link(link, "digest", 1)
