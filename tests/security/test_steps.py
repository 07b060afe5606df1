"""Steps out of order, and other people's holds and links: nobody gets further, and nothing is changed."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.booking import captcha, holds
from chalicelib.domain import tokens
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.web import clock
from tests.client import (
    AWA,
    FIRST,
    JSON,
    confirmed,
    fields,
    filed,
    get,
    hold,
    link,
    passed,
    post,
    refused,
    seat_of,
    send,
    table_now,
    taken,
    wednesday,
)

pytestmark = pytest.mark.usefixtures("service")
BINTA = {**AWA, "first_name": "Binta", "email": "binta@example.org", "email_confirmation": "binta@example.org"}
MOVES = {"date": "2030-01-01", "start": "10:00"}


def answered(kept: str) -> dict[str, str]:
    """The right answer to a new challenge of a hold."""
    asked = captcha.new_challenge(kept, clock.now())
    return {"challenge": asked.id, "answer": asked.picture}


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One hold an hour from one place: those after it take their seat after the captcha."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "1")
    settings.current.cache_clear()
    first = hold()
    yield first
    settings.current.cache_clear()


# Skipping


def test_without_the_captcha_nothing_is_filed_whatever_the_form_says() -> None:
    kept = hold()
    for more in ({}, {"checked": "true"}, {"step": "check"}):
        refused(post(f"/holds/{kept}/details", {**AWA, **more}), 409, "captcha-required")
    assert seat_of(kept).state is State.HELD


def test_without_the_mail_nothing_is_confirmed() -> None:
    kept = passed()
    told = post(f"/holds/{kept}/details", AWA)
    assert link(kept) not in told.text
    assert "token" not in told.data
    for guess in (kept, told.data["reference"], kept.rpartition(".")[0]):
        refused(post(f"/requests/{guess}/confirmation"), 404, "not-found")
    assert seat_of(kept).state is State.PENDING


def test_no_answer_before_the_mail_holds_the_link_or_what_it_is_made_of() -> None:
    kept = passed()
    post(f"/holds/{kept}/details", AWA)
    seat = seat_of(kept)
    for accept in ("application/json", "text/html"):
        said = send("GET", f"/holds/{kept}", {"Accept": accept}).text
        assert str(keys().link_token(seat.key, seat.hold)) not in said
        assert seat.hold not in said


# One captcha, one hold


def test_one_solved_captcha_does_not_pass_two_holds() -> None:
    first, second = hold(), hold()
    solved = answered(first)
    assert post(f"/holds/{first}/captcha/answer", solved).data["captcha"] == "passed"
    refused(post(f"/holds/{second}/captcha/answer", solved), 409, "captcha-spent")
    assert not seat_of(second).captcha_passed


def test_one_solved_captcha_takes_one_seat_also_where_the_seat_comes_after_it(crowded: str) -> None:
    late = hold()
    assert get(f"/holds/{late}").data["state"] == "waiting"
    solved = answered(late)
    assert post(f"/holds/{late}/captcha/answer", solved).data["captcha"] == "passed"
    assert post(f"/holds/{late}/end").data["state"] == "ended"
    refused(post(f"/holds/{late}/captcha/answer", solved), 429, "too-many-requests")  # hold-over ten seconds later
    assert taken() == 1 == len({crowded})


def test_a_captcha_is_not_passed_by_its_own_id_or_an_empty_answer() -> None:
    kept = hold()
    asked = captcha.new_challenge(kept, clock.now()).id
    for answer in (asked, asked[:40], "0", "null", "      x", "true"):
        assert post(f"/holds/{kept}/captcha/answer", {"challenge": asked, "answer": answer[:40]}).status in {409, 422}
    assert not seat_of(kept).captcha_passed


# A hold that has no seat yet


def test_a_hold_that_waits_for_its_captcha_gets_no_seat_by_any_other_step(crowded: str) -> None:
    late = hold()
    before = [item for item in table_now() if item["pk"]["S"].startswith("SEATS#")]
    refused(post(f"/holds/{late}/details", AWA), 409, "captcha-required")
    assert post(f"/holds/{late}/extension").data["state"] == "waiting"
    assert post(f"/holds/{late}/captcha").status == 201
    assert post(f"/holds/{late}/end").status == 200
    assert [item for item in table_now() if item["pk"]["S"].startswith("SEATS#")] == before
    assert taken() == 1 == len({crowded})


def test_an_id_cannot_be_turned_into_one_of_another_kind(crowded: str) -> None:
    late = hold()
    ref, _, rest = late.rpartition(".")
    other = crowded.rpartition(".")[2]
    for forged in (
        f"{ref}.{rest[:52]}{other[52:]}",
        f"{ref}.{other[:52]}{rest[52:]}",
        crowded[:-1] + "a7"[crowded[-1] == "a"],
    ):
        refused(post(f"/holds/{forged}/extension"), 404, "not-found")


# Another's


def test_with_ones_own_hold_nothing_of_anothers_can_be_read_or_ended() -> None:
    mine, other = passed(), passed()
    post(f"/holds/{other}/details", AWA)
    ref, _, rest = mine.rpartition(".")
    theirs = other.rpartition(".")
    for forged in (f"{theirs[0]}.{rest}", f"{ref}.{theirs[2]}"):
        for step in ("", "/end", "/extension", "/captcha", "/details", "/captcha/answer"):
            path = f"/holds/{forged}{step}"
            body = {"challenge": "x", "answer": "y"} if step.endswith("answer") else AWA
            refused(post(path, body) if step else get(path), 404, "not-found")
    assert seat_of(other).state is State.PENDING


def test_with_ones_own_link_nothing_of_anothers_can_be_read_moved_erased_or_cancelled() -> None:
    mine = confirmed()
    kept = passed()
    assert post(f"/holds/{kept}/details", BINTA).status == 202
    theirs = link(kept)
    before = table_now()
    own, other = mine.rpartition("."), theirs.rpartition(".")
    for forged in (f"{other[0]}.{own[2]}", f"{own[0]}.{other[2]}", f"{other[0]}.{own[2][:52]}{other[2][52:]}"):
        for page in ("", "/data", "/convocation", "/correction", "/move", "/erasure", "/cancellation"):
            refused(get(f"/requests/{forged}{page}"), 404, "not-found")
        for act in ("confirmation", "cancellation", "move", "convocation", "correction", "erasure"):
            refused(post(f"/requests/{forged}/{act}", MOVES), 404, "not-found")
    assert table_now() == before


def test_a_hold_id_opens_no_request_and_a_link_no_hold() -> None:
    kept = passed()
    post(f"/holds/{kept}/details", AWA)
    token = link(kept)
    for act in ("confirmation", "cancellation", "erasure", "move"):
        refused(post(f"/requests/{kept}/{act}", MOVES), 404, "not-found")
    for act in ("end", "extension", "captcha", "details"):
        refused(post(f"/holds/{token}/{act}", AWA), 404, "not-found")


# Again, and too late


def test_a_request_that_was_cancelled_is_not_confirmed_moved_or_corrected_any_more() -> None:
    token = confirmed()
    post(f"/requests/{token}/cancellation")
    before = table_now()
    start = {"date": f"{wednesday():%Y-%m-%d}", "start": "10:10"}
    for act, sent in (("confirmation", None), ("convocation", None), ("correction", AWA), ("move", start)):
        body = {name: AWA[name] for name in ("first_name", "last_name", "phone")} if act == "correction" else sent
        refused(post(f"/requests/{token}/{act}", body), 410, "link-over")
    assert get(f"/requests/{token}/data").status == 200  # its owner's right, as long as it is kept
    assert table_now() == before


def test_an_extension_is_not_had_more_often_by_asking_many_times_at_once_or_after_each_step() -> None:
    kept = hold()
    ends = {post(f"/holds/{kept}/extension").data["expires_at"] for _ in range(9)}
    assert len(ends) == 2
    post(f"/holds/{kept}/captcha/answer", answered(kept))
    again = {post(f"/holds/{kept}/extension").data["expires_at"] for _ in range(9)}
    assert len(again) == 2
    until = seat_of(kept).until
    assert until is not None
    assert until - clock.now() <= timedelta(minutes=45)


def test_a_ticket_of_a_visitor_is_used_again_by_anybody_and_still_has_one_live_hold() -> None:
    ticket = holds.visitor_token("", clock.now())
    cookie, wish = {**JSON, "Cookie": f"visit={ticket}"}, json.dumps(FIRST).encode()
    held = [send("POST", "/services/aes/holds", cookie, wish) for _ in range(3)]
    assert [answer.status for answer in held] == [201, 201, 201]
    assert taken() == 1


def test_a_reference_alone_or_with_a_wrong_address_tells_nothing_and_sends_nothing() -> None:
    token = filed()
    reference = get(f"/requests/{token}").data["reference"]
    before = table_now()
    said = {post("/manage", {"reference": reference, "email": f"x{n}@example.org"}).text for n in range(5)}
    said |= {post("/manage", {"reference": f"AES-22222-2222{n}", "email": AWA["email"]}).text for n in range(2, 7)}
    assert said == {'{"status": "accepted"}'}
    assert table_now() == before
    assert fields(post("/manage", {"reference": reference})) == ["email"]


def test_a_request_of_another_service_is_not_reached_by_a_reference_that_names_this_one() -> None:
    token = filed()
    reference = get(f"/requests/{token}").data["reference"]
    before = table_now()
    post("/manage", {"reference": reference.replace("AES", "AES-AES"), "email": AWA["email"]})
    assert table_now() == before


# What chance would have to guess


def test_what_can_be_guessed_has_the_entropy_that_is_written_down() -> None:
    kept = hold()
    secret = kept.rpartition(".")[2]
    assert len(secret) == 52 + 26  # 256 bits and a seal of 128, in base32
    reference = keys().reference("aes", seat_of(kept).hold)
    assert len(reference.removeprefix("AES-").replace("-", "")) == 10  # of 32 characters: 50 bits
    assert len(tokens.CAPTCHA_LETTERS) ** tokens.CAPTCHA_LENGTH == 594_823_321
    assert holds.CAPTCHA_TRIES == 5
