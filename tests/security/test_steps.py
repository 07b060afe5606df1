"""Steps out of order, and tokens of other people: every attempt is refused and changes nothing."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.booking import captcha, holds
from chalicelib.booking.hold import CAPTCHA_TRIES
from chalicelib.domain import tokens
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.web import clock
from tests.client import (
    AWA,
    FIRST,
    JSON,
    all_items,
    captcha_passed,
    confirmed,
    count_taken_seats,
    fields,
    filed,
    get,
    hold,
    link,
    post,
    refused,
    seat_of,
    send,
    wednesday,
)

pytestmark = pytest.mark.usefixtures("service")
BINTA = {**AWA, "first_name": "Binta", "email": "binta@example.org", "email_confirmation": "binta@example.org"}
MOVES = {"date": "2030-01-01", "start": "10:00"}


def solved(hold_id: str) -> dict[str, str]:
    """Return the right answer to a new challenge of a hold."""
    challenge = captcha.new_challenge(hold_id, clock.now())
    return {"challenge": challenge.id, "answer": challenge.picture}


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Limit a client network to one hold an hour, and place it. Further holds get their seat after the captcha."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "1")
    settings.current.cache_clear()
    first = hold()
    yield first
    settings.current.cache_clear()


# Steps that are skipped


def test_without_the_captcha_nothing_is_filed_whatever_the_form_says() -> None:
    hold_id = hold()
    for more in ({}, {"checked": "true"}, {"step": "check"}):
        refused(post(f"/holds/{hold_id}/details", {**AWA, **more}), 409, "captcha-required")
    assert seat_of(hold_id).state is State.HELD


def test_a_request_is_confirmed_only_with_the_link_of_the_letter() -> None:
    hold_id = captcha_passed()
    answer = post(f"/holds/{hold_id}/details", AWA)
    assert link(hold_id) not in answer.text
    assert "token" not in answer.data
    for guess in (hold_id, answer.data["reference"], hold_id.rpartition(".")[0]):
        refused(post(f"/requests/{guess}/confirmation"), 404, "not-found")
    assert seat_of(hold_id).state is State.PENDING


def test_no_answer_about_a_hold_contains_the_link_token_or_the_digest_of_the_hold() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    seat = seat_of(hold_id)
    for accept in ("application/json", "text/html"):
        text = send("GET", f"/holds/{hold_id}", {"Accept": accept}).text
        assert str(keys().link_token(seat.key, seat.hold)) not in text
        assert seat.hold not in text


# One captcha, one hold


def test_one_solved_captcha_does_not_pass_two_holds() -> None:
    first, second = hold(), hold()
    answer = solved(first)
    assert post(f"/holds/{first}/captcha/answer", answer).data["captcha"] == "passed"
    refused(post(f"/holds/{second}/captcha/answer", answer), 409, "captcha-spent")
    assert not seat_of(second).captcha_passed


def test_one_solved_captcha_takes_one_seat_when_the_seat_is_taken_after_it(crowded: str) -> None:
    late = hold()
    assert get(f"/holds/{late}").data["state"] == "waiting"
    answer = solved(late)
    assert post(f"/holds/{late}/captcha/answer", answer).data["captcha"] == "passed"
    assert post(f"/holds/{late}/end").data["state"] == "ended"
    refused(
        post(f"/holds/{late}/captcha/answer", answer), 429, "too-many-requests"
    )  # ten seconds later it would be hold-over
    assert count_taken_seats() == 1 == len({crowded})


def test_a_captcha_is_not_passed_by_its_own_id_or_an_empty_answer() -> None:
    hold_id = hold()
    challenge = captcha.new_challenge(hold_id, clock.now()).id
    for answer in (challenge, challenge[:40], "0", "null", "      x", "true"):
        assert post(f"/holds/{hold_id}/captcha/answer", {"challenge": challenge, "answer": answer[:40]}).status in {
            409,
            422,
        }
    assert not seat_of(hold_id).captcha_passed


# A hold that has no seat yet


def test_a_hold_that_waits_for_its_captcha_gets_no_seat_from_another_step(crowded: str) -> None:
    late = hold()
    before = [item for item in all_items() if item["pk"]["S"].startswith("SEATS#")]
    refused(post(f"/holds/{late}/details", AWA), 409, "captcha-required")
    assert post(f"/holds/{late}/extension").data["state"] == "waiting"
    assert post(f"/holds/{late}/captcha").status == 201
    assert post(f"/holds/{late}/end").status == 200
    assert [item for item in all_items() if item["pk"]["S"].startswith("SEATS#")] == before
    assert count_taken_seats() == 1 == len({crowded})


def test_a_hold_token_of_recombined_or_changed_parts_is_not_found(crowded: str) -> None:
    late = hold()
    ref, _, rest = late.rpartition(".")
    other = crowded.rpartition(".")[2]
    for forged in (
        f"{ref}.{rest[:52]}{other[52:]}",
        f"{ref}.{other[:52]}{rest[52:]}",
        crowded[:-1] + "a7"[crowded[-1] == "a"],
    ):
        refused(post(f"/holds/{forged}/extension"), 404, "not-found")


# Holds and links of other people


def test_a_hold_token_does_not_read_or_end_the_hold_of_another_applicant() -> None:
    hold_id, other = captcha_passed(), captcha_passed()
    post(f"/holds/{other}/details", AWA)
    seat, _, secret = hold_id.rpartition(".")
    other_seat, _, other_secret = other.rpartition(".")
    for forged in (f"{other_seat}.{secret}", f"{seat}.{other_secret}"):
        for step in ("", "/end", "/extension", "/captcha", "/details", "/captcha/answer", "/seat"):
            path = f"/holds/{forged}{step}"
            body = {"challenge": "x", "answer": "y"} if step.endswith("answer") else AWA
            refused(post(path, body) if step else get(path), 404, "not-found")
    assert seat_of(other).state is State.PENDING


def test_a_link_token_does_not_read_move_erase_or_cancel_the_request_of_another_applicant() -> None:
    token = confirmed()
    hold_id = captcha_passed()
    assert post(f"/holds/{hold_id}/details", BINTA).status == 202
    other_token = link(hold_id)
    before = all_items()
    seat, _, secret = token.rpartition(".")
    other_seat, _, other_secret = other_token.rpartition(".")
    for forged in (
        f"{other_seat}.{secret}",
        f"{seat}.{other_secret}",
        f"{other_seat}.{secret[:52]}{other_secret[52:]}",
    ):
        for page in ("", "/data", "/convocation", "/correction", "/move", "/erasure", "/cancellation"):
            refused(get(f"/requests/{forged}{page}"), 404, "not-found")
        for act in ("confirmation", "cancellation", "move", "convocation", "correction", "erasure"):
            refused(post(f"/requests/{forged}/{act}", MOVES), 404, "not-found")
    assert all_items() == before


def test_a_hold_token_opens_no_request_and_a_link_token_no_hold() -> None:
    hold_id = captcha_passed()
    post(f"/holds/{hold_id}/details", AWA)
    token = link(hold_id)
    for act in ("confirmation", "cancellation", "erasure", "move"):
        refused(post(f"/requests/{hold_id}/{act}", MOVES), 404, "not-found")
    for act in ("end", "extension", "captcha", "details"):
        refused(post(f"/holds/{token}/{act}", AWA), 404, "not-found")


# Steps that are repeated or too late


def test_a_cancelled_request_cannot_be_confirmed_moved_or_corrected() -> None:
    token = confirmed()
    post(f"/requests/{token}/cancellation")
    before = all_items()
    start = {"date": f"{wednesday():%Y-%m-%d}", "start": "10:10"}
    for act, values in (("confirmation", None), ("convocation", None), ("correction", AWA), ("move", start)):
        body = {name: AWA[name] for name in ("first_name", "last_name", "phone")} if act == "correction" else values
        refused(post(f"/requests/{token}/{act}", body), 410, "link-over")
    assert get(f"/requests/{token}/data").status == 200  # the applicant's right for as long as the data exists
    assert all_items() == before


def test_repeated_extensions_before_and_after_the_captcha_are_limited() -> None:
    hold_id = hold()
    ends = {post(f"/holds/{hold_id}/extension").data["expires_at"] for _ in range(9)}
    assert len(ends) == 2
    post(f"/holds/{hold_id}/captcha/answer", solved(hold_id))
    again = {post(f"/holds/{hold_id}/extension").data["expires_at"] for _ in range(9)}
    assert len(again) == 2
    until = seat_of(hold_id).until
    assert until is not None
    assert until - clock.now() <= timedelta(minutes=45)


def test_a_visitor_token_that_is_used_three_times_has_one_live_hold() -> None:
    visitor_token = holds.visitor_token("", clock.now())
    cookie, wish = {**JSON, "Cookie": f"visit={visitor_token}"}, json.dumps(FIRST).encode()
    held = [send("POST", "/services/aes/holds", cookie, wish) for _ in range(3)]
    assert [answer.status for answer in held] == [201, 201, 201]
    assert count_taken_seats() == 1


def test_a_reference_without_its_e_mail_address_reveals_nothing_and_sends_nothing() -> None:
    token = filed()
    reference = get(f"/requests/{token}").data["reference"]
    before = all_items()
    answers = {post("/manage", {"reference": reference, "email": f"x{n}@example.org"}).text for n in range(5)}
    answers |= {post("/manage", {"reference": f"AES-22222-2222{n}", "email": AWA["email"]}).text for n in range(2, 7)}
    assert answers == {'{"status": "accepted"}'}
    assert all_items() == before
    assert fields(post("/manage", {"reference": reference})) == ["email"]


def test_a_reference_that_names_another_service_changes_nothing() -> None:
    token = filed()
    reference = get(f"/requests/{token}").data["reference"]
    before = all_items()
    post("/manage", {"reference": reference.replace("AES", "AES-AES"), "email": AWA["email"]})
    assert all_items() == before


# Entropy


def test_secrets_have_the_documented_entropy() -> None:
    hold_id = hold()
    secret = hold_id.rpartition(".")[2]
    assert len(secret) == 52 + 26  # 256 bits and a signature of 128, in base32
    reference = keys().reference("aes", seat_of(hold_id).hold)
    assert len(reference.removeprefix("AES-").replace("-", "")) == 10  # of 32 characters: 50 bits
    assert len(tokens.CAPTCHA_LETTERS) ** tokens.CAPTCHA_LENGTH == 148_035_889
    assert CAPTCHA_TRIES == 5
