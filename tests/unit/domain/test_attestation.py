"""Attestations: what a code says, and every code that is refused."""

from base64 import b32encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.domain import attestation
from chalicelib.domain.attestation import Attestation, Outcome
from chalicelib.domain.refusals import AttestationTooOld, NotFound
from chalicelib.domain.stage_secret import StageSecret, attestation_key

PARIS = ZoneInfo("Europe/Paris")
KEY, OTHER_KEY = attestation_key("k" * 43), attestation_key("o" * 43)
AT = datetime(2026, 12, 7, 8, 3, tzinfo=UTC)
WEEK = timedelta(weeks=1)
RELEASE = datetime(2026, 12, 14, 8, 0, tzinfo=UTC)
FULL = Attestation("aes", AT, Outcome.FULL, RELEASE, (AT - WEEK, AT - 3 * WEEK))


def attempts(count: int, step: timedelta = WEEK) -> list[Attestation]:
    """Return this many attestations of one attempt each, the last one a step before `AT`."""
    return [Attestation("aes", AT - step * (n + 1), Outcome.FULL, None) for n in range(count)]


@pytest.mark.parametrize(
    "attested",
    [
        FULL,
        Attestation("prefecture-de-l-exemple", AT, Outcome.NOT_OPEN, None),
        replace(FULL, earlier=attestation.earlier_attempts(attempts(51), AT, PARIS)),
    ],
)
def test_a_code_carries_the_whole_attestation_and_is_read_in_any_case(attested: Attestation) -> None:
    code = attestation.sign(attested, KEY)
    for typed in (code, code.upper(), f" {code}\n"):
        assert attestation.read(typed, [KEY], AT) == attested


def test_a_code_of_three_weeks_is_short_and_one_of_52_weeks_fits_a_qr_code() -> None:
    assert len(attestation.sign(FULL, KEY)) == len("aes.") + 52
    most = replace(FULL, earlier=attestation.earlier_attempts(attempts(60), AT, PARIS))
    assert len(most.moments) == attestation.MOST_WEEKS
    assert len(attestation.sign(most, KEY)) == len("aes.") + 287


def test_a_code_with_one_character_changed_is_not_found() -> None:
    code = attestation.sign(FULL, KEY)
    for place, right in enumerate(code):
        for wrong in set("abcdefghijklmnopqrstuvwxyz234567.-") - {right}:
            with pytest.raises((NotFound, AttestationTooOld)):  # a changed key id and year may look old: never valid
                attestation.read(code[:place] + wrong + code[place + 1 :], [KEY], AT)
        with pytest.raises((NotFound, AttestationTooOld)):
            attestation.read(code[:place] + code[place + 1 :], [KEY], AT)


@pytest.mark.parametrize(
    "code",
    [
        "",
        ".",
        "aes",
        "aes.",
        "aes." + "a" * 41,
        "aes." + "a" * 42,
        "aes." + "a" * 52,
        "aes." + "a" * 290,
        "aes." + "a" * 100_000,
        "aes." + "٣" * 52,
        "aes." + "a" * 48 + "====",
        "a\0s." + "a" * 52,
        "x" * 100_000,
    ],
)
def test_a_malformed_or_oversize_code_is_not_found(code: str) -> None:
    with pytest.raises(NotFound):
        attestation.read(code, [KEY, OTHER_KEY], AT)


@pytest.mark.parametrize("moment", [b"\xff" * 4 + bytes(3), b"\xfd\x00\x00\x00" + b"\xff" * 3])
def test_an_unsigned_code_with_a_moment_that_no_calendar_has_is_not_found(moment: bytes) -> None:
    content = b"no" + bytes([Outcome.FULL]) + moment + bytes(attestation.SIGNATURE)
    with pytest.raises(NotFound):
        attestation.read(f"aes.{b32encode(content).decode().rstrip('=').lower()}", [KEY], AT)


def test_two_keys_with_the_same_id_both_verify_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestation, "_key_id", lambda _key: b"no")
    for key in (KEY, OTHER_KEY):
        assert attestation.read(attestation.sign(FULL, key), [KEY, OTHER_KEY], AT) == FULL
    with pytest.raises(NotFound):
        attestation.read(attestation.sign(FULL, b"x" * 32), [KEY, OTHER_KEY], AT)


def test_a_code_of_another_stage_or_service_is_not_found() -> None:
    code = attestation.sign(FULL, KEY)
    for stranger in (code.replace("aes.", "vie."), attestation.sign(FULL, OTHER_KEY)):
        with pytest.raises(NotFound):
            attestation.read(stranger, [KEY], AT)


def test_a_code_signed_with_the_key_of_another_purpose_is_not_found() -> None:
    with pytest.raises(NotFound):
        attestation.read(attestation.sign(FULL, b"k" * 32), [KEY], AT)


def test_an_attestation_of_2019_is_too_old_whoever_signed_it() -> None:
    of_2019 = replace(FULL, at=datetime(2019, 12, 9, 8, 3, tzinfo=UTC), earlier=())
    for key in (KEY, OTHER_KEY):
        with pytest.raises(AttestationTooOld):
            attestation.read(attestation.sign(of_2019, key), [KEY], AT)


def test_a_code_can_be_verified_for_three_years() -> None:
    code = attestation.sign(FULL, KEY)
    assert attestation.read(code, [KEY], AT.replace(year=2029)) == FULL
    with pytest.raises(AttestationTooOld):
        attestation.read(code, [KEY], AT.replace(year=2029) + timedelta(days=1))


def test_a_code_from_the_future_is_not_found_beyond_the_skew_of_two_clocks() -> None:
    code = attestation.sign(FULL, KEY)
    assert attestation.read(code, [KEY], AT - attestation.CLOCK_SKEW) == FULL
    with pytest.raises(NotFound):
        attestation.read(code, [KEY], AT - attestation.CLOCK_SKEW - timedelta(seconds=1))


# Earlier attempts


def test_attempts_of_four_weeks_are_kept_latest_first() -> None:
    separate = attempts(3)
    assert attestation.earlier_attempts(reversed(separate), AT, PARIS) == tuple(one.at for one in separate)


def test_an_iso_week_counts_once_by_its_first_attempt_in_the_time_of_the_office() -> None:
    sunday, monday = datetime(2026, 11, 29, 22, 59, tzinfo=UTC), datetime(2026, 11, 29, 23, 0, tzinfo=UTC)
    later = [Attestation("aes", moment, Outcome.FULL, None) for moment in (monday + timedelta(days=3), monday, sunday)]
    assert attestation.earlier_attempts(later, AT, PARIS) == (monday, sunday)


def test_an_earlier_attempt_of_the_same_week_is_replaced_by_the_new_one() -> None:
    at = AT + timedelta(days=3)
    assert attestation.earlier_attempts([FULL], at, PARIS) == FULL.earlier


def test_attempts_before_the_last_52_weeks_are_left_out() -> None:
    assert len(attestation.earlier_attempts(attempts(80), AT, PARIS)) == 51
    assert attestation.earlier_attempts(attempts(1, 53 * WEEK), AT, PARIS) == ()


def test_a_letter_is_offered_from_three_weeks_on() -> None:
    assert FULL.offers_letter
    assert not replace(FULL, earlier=FULL.earlier[:1]).offers_letter


def test_codes_are_found_in_what_a_person_pastes() -> None:
    code, other = attestation.sign(FULL, KEY), attestation.sign(FULL, OTHER_KEY)
    link = f"https://guichet.example.org/api/attempts/{code}?lang=ar"
    assert attestation.find_codes(f"{link}\n{other.upper()}, {code}") == [code, other]
    printed = "aes. " + " ".join(code[4:][place : place + 4] for place in range(0, len(code) - 4, 4))
    assert attestation.find_codes(printed) == [code]
    assert attestation.find_codes(f"{printed}\n{other}") == [code, other]
    assert attestation.find_codes(f"Voir {link.partition('?')[0]}.") == [code]
    assert attestation.find_codes(f"{code[:20]}\r\n{code[20:30]}\u200b\u00ad{code[30:]}") == [code]
    assert attestation.find_codes("bonjour") == []


# Rotation


def test_an_attestation_survives_rotations_of_the_secret_for_three_years() -> None:
    first = StageSecret("a" * 43)
    code = attestation.sign(FULL, first.attestation_keys[0])
    secret, day = first, AT.date()
    for number in range(6):
        day += timedelta(days=182)
        secret = StageSecret.parse(str(secret.rotated(f"{number}" * 43, day, leaked=False).promoted(day)))
        assert secret.attestation_keys[0] == attestation_key(f"{number}" * 43)
        assert attestation.read(code, secret.attestation_keys, AT + timedelta(days=1)) == FULL
    day += timedelta(days=600)
    dropped = secret.rotated("z" * 43, day, leaked=False).promoted(day)
    assert attestation_key("a" * 43) not in dropped.attestation_keys


def test_after_a_leak_no_key_is_kept() -> None:
    rotated = StageSecret("a" * 43).rotated("b" * 43, AT.date(), leaked=False).promoted(AT.date())
    leaked = StageSecret.parse(str(rotated.rotated("c" * 43, AT.date(), leaked=True)))
    assert leaked.attestation_keys == (attestation_key("c" * 43),)


def test_a_kept_key_is_not_the_secret_and_is_stored_behind_the_new_one() -> None:
    rotated = StageSecret("a" * 43).rotated("b" * 43, date(2026, 12, 7), leaked=False).promoted(date(2026, 12, 7))
    stored = str(rotated.without(lambda _: True))
    assert stored.startswith("b" * 43 + " attestation:2026-12-07:")
    assert "a" * 43 not in stored
    for wrong in (stored + ",", stored.replace("attestation", "link"), stored[:-1], "b" * 42, "b" * 43 + " "):
        with pytest.raises(ValueError, match="not the secret of a stage"):
            StageSecret.parse(wrong)
