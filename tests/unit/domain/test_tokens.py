from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from chalicelib.domain import refusals, tokens
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.tokens import Keys

KEYS = Keys("k" * 43)
SEAT = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
MILLISECONDS = 1_782_892_800_000


def fixed() -> str:
    return "a" * 52


# Ids and links


def test_a_secret_has_256_bits_in_52_characters_without_case_and_never_comes_twice() -> None:
    made = {tokens.new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(secret) for secret in made} == {52}
    assert set("".join(made)) == set("abcdefghijklmnopqrstuvwxyz234567")


def test_a_digest_is_the_sha_256_of_the_secret_and_does_not_hold_it() -> None:
    assert tokens.digest("abc") == "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq"
    assert fixed() not in tokens.digest(fixed())


def test_a_hold_id_names_its_seat_and_is_read_back_whatever_its_case() -> None:
    ticket = KEYS.hold_token(SEAT, secret=fixed)
    assert str(ticket).startswith("aes.20261203.1015.1." + "a" * 52)
    for value in (str(ticket), str(ticket).upper(), f" {ticket}\n"):
        assert KEYS.read_token("hold", value) == ticket


def test_an_id_is_read_for_its_own_purpose_only() -> None:
    hold, link = KEYS.hold_token(SEAT, secret=fixed), KEYS.link_token(SEAT, "digest")
    assert KEYS.read_token("link", str(link)) == link
    for purpose, value in (("link", hold), ("hold", link)):
        with pytest.raises(refusals.NotFound):
            KEYS.read_token(purpose, str(value))


def test_an_id_of_another_stage_or_seat_or_secret_or_seal_is_not_found() -> None:
    ticket = KEYS.hold_token(SEAT, secret=fixed)
    other = replace(SEAT, unit=2)
    wrong = [
        str(Keys("l" * 43).hold_token(SEAT, secret=fixed)),
        str(replace(ticket, seat=other)),
        str(replace(ticket, secret="b" * 52)),
        str(replace(ticket, signature="a" * 26)),
        str(ticket)[:-1],
        f"{ticket}a",
        "",
        "." * 100,
        f"aes.20260230.1015.1.{'a' * 78}",
        f"aes.20261203.2460.1.{'a' * 78}",
    ]
    for value in wrong:
        with pytest.raises(refusals.NotFound):
            KEYS.read_token("hold", value)


def test_a_link_opens_its_own_hold_and_no_other_and_never_an_empty_one() -> None:
    link = KEYS.link_token(SEAT, "digest")
    assert KEYS.is_current_link(link, "digest")
    assert not KEYS.is_current_link(link, "other")
    assert not KEYS.is_current_link(KEYS.link_token(replace(SEAT, unit=2), "digest"), "other")
    assert not KEYS.is_current_link(KEYS.link_token(SEAT, ""), "")


def test_the_secret_of_a_link_is_neither_the_digest_it_is_made_of_nor_the_same_on_another_stage() -> None:
    link = KEYS.link_token(SEAT, "a" * 52)
    assert len(link.secret) == 52
    assert link.secret not in {"a" * 52, Keys("l" * 43).link_token(SEAT, "a" * 52).secret}


def test_a_reference_has_ten_characters_without_look_alikes() -> None:
    made = {KEYS.reference("aes", f"hold {n}") for n in range(500)}
    assert len(made) == 500
    assert {name[:4] + name[9] for name in made} == {"AES--"}
    assert not set("".join(name[4:] for name in made)) & set("01IO")


# The captcha


def test_a_challenge_tells_when_it_was_made_to_its_own_hold_for_five_minutes() -> None:
    made = KEYS.new_challenge("hold", NOW)
    assert KEYS.challenge_time(made, "hold", NOW) == MILLISECONDS
    assert KEYS.challenge_time(made, "hold", NOW + timedelta(minutes=5, milliseconds=-1)) == MILLISECONDS
    with pytest.raises(refusals.CaptchaSpent):
        KEYS.challenge_time(made, "hold", NOW + timedelta(minutes=5))


def test_a_challenge_that_is_foreign_or_forged_or_no_challenge_is_spent() -> None:
    made = KEYS.new_challenge("hold", NOW)
    younger = f"{MILLISECONDS + 60_000:011x}{made[11:]}"
    for value in (KEYS.new_challenge("other", NOW), younger, made[:-1], made.upper(), made + "0", "", "x" * 59):
        with pytest.raises(refusals.CaptchaSpent):
            KEYS.challenge_time(value, "hold", NOW)


def test_the_answers_are_six_characters_and_not_in_the_challenge() -> None:
    pictures = {KEYS.picture_answer(KEYS.new_challenge("hold", NOW)) for _ in range(300)}
    sounds = {KEYS.sound_answer(KEYS.new_challenge("hold", NOW)) for _ in range(300)}
    assert len(pictures) == 300
    assert {len(answer) for answer in pictures | sounds} == {6}
    assert not set("".join(pictures)) & set("01ilo")
    assert set("".join(sounds)) == set("0123456789")
    made = KEYS.new_challenge("hold", NOW)
    assert KEYS.picture_answer(made) not in made
    assert KEYS.picture_answer(made) != Keys("l" * 43).picture_answer(made)


# Who is the same person, which is the same address


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [
        ("awa", "exemple"),
        ("EXEMPLE", "Àwa"),
        ("A\u0300wa", "Exemple"),
        ("Awa Exemple", ""),
        ("awa-exemple", ""),
        ("Awaexemple", ""),
    ],
)
def test_a_person_is_the_same_with_swapped_fields_and_in_any_case_accents_or_hyphens(
    first_name: str, last_name: str
) -> None:
    born = date(1990, 5, 17)
    assert KEYS.person_key(first_name, last_name, born) == KEYS.person_key("Awa", "Exemple", born)


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


def test_a_persons_key_cannot_be_made_again_without_the_secret_and_holds_no_name() -> None:
    born = date(1990, 5, 17)
    assert KEYS.person_key("Awa", "Exemple", born) != Keys("l" * 43).person_key("Awa", "Exemple", born)
    assert "exemple" not in KEYS.person_key("Awa", "Exemple", born)


def test_the_key_of_an_address_is_the_same_in_every_spelling_and_another_with_another_secret() -> None:
    assert KEYS.email_key("A.Wa+rdv@googlemail.com") == KEYS.email_key("awa@gmail.com")
    assert KEYS.email_key("awa@example.org") != Keys("l" * 43).email_key("awa@example.org")


def test_keys_of_different_purposes_differ_for_the_same_words() -> None:
    assert KEYS.email_key("a@example.org") != KEYS.link_token(SEAT, "a@example.org").secret
    assert KEYS.picture_answer("x") != KEYS.sound_answer("x")
