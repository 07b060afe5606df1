"""The limits on requests, and what they cost a program that confirms its requests."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import settings
from chalicelib.booking import captcha, filing, holds, personal_data, request_limits, requests
from chalicelib.booking.hold import Hold
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import outbox
from chalicelib.storage import items, person_store, seat_store, service_store
from tests.conftest import MONDAY, calls, document, fill
from tests.unit.booking.steps import AWA, FIRST, at_once, send_details, solve, somebody
from tests.unit.mail.postman import Postman

pytestmark = pytest.mark.slow

NOW = MONDAY + timedelta(seconds=1)
TICK, MINUTE = timedelta(milliseconds=1), timedelta(minutes=1)
HERE = "192.0.2.7"


@pytest.fixture(autouse=True)
def service(table: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:  # noqa: ARG001  # a fixture for its effect
    """A service with low limits, and a stage that counts thirty holds an hour of one client network."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "30")
    settings.current.cache_clear()
    low = {"domain_requests": 2, "ipv6_48_requests": 3, "ipv6_32_requests": 5}
    put = service_store.put(document(limits=low))
    fill(put, MONDAY - MINUTE)
    yield put
    settings.current.cache_clear()


def ready(ip_address: str = HERE) -> Hold:
    """A hold that passed its captcha, of a visitor with a token."""
    visit = keys().visitor_token(NOW)
    placed = holds.place("aes", FIRST, now=NOW, visitor_token=visit, ip_address=ip_address)
    return solve(placed, visitor_token=visit, ip_address=ip_address)


def captchas(number: int, email: str, ip_address: str = HERE) -> int:
    """Count the further captchas that the request of one more person costs."""
    passed = 0
    hold = ready(ip_address)
    while passed < 9:
        now = NOW + 2 * passed * TICK
        try:
            send_details(hold.id, replace(somebody(number), email=email), now=now, ip_address=ip_address)
        except refusals.CaptchaRequired:
            solve(hold, now + TICK)
            passed += 1
        else:
            return passed
    raise AssertionError("too many captchas")


def network(number: int) -> str:
    return f"198.51.100.{number}"


# Each limit


@pytest.mark.slow
def test_a_private_domain_costs_one_more_captcha_for_each_full_limit_and_three_at_most() -> None:
    paid = [captchas(n, f"p{n}@catch-all.example.net", network(n)) for n in range(11)]
    assert paid == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3]


def test_the_mailboxes_of_a_well_known_provider_are_not_counted() -> None:
    assert [captchas(n, f"somebody.{n}@laposte.net", network(n)) for n in range(4)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("a@example.net", "example.net"),
        ("a@many.sub.example.net", "example.net"),
        ("a@shop.example.co.uk", "example.co.uk"),
        ("a@free.fr", "free.fr"),
        ("a@mine.free.fr", "free.fr"),
        ("a@googlemail.com", "gmail.com"),
        ("a@bc.fr", "bc.fr"),
        ("a@x.bc.fr", "bc.fr"),
    ],
)
def test_the_domain_of_an_e_mail_address_is_its_registered_domain(email: str, domain: str) -> None:
    assert request_limits.domain_of(email) == domain


@pytest.mark.slow
def test_the_prefixes_of_an_ipv6_network_are_counted_beyond_its_56() -> None:
    same_48 = [captchas(n, f"p{n}@gmail.com", f"2001:db8:1:{n:x}00::1") for n in range(5)]
    assert same_48 == [0, 0, 0, 1, 1]
    same_32 = [captchas(n, f"p{n}@gmail.com", f"2001:db8:{n:x}::1") for n in range(5, 8)]
    assert same_32 == [1, 1, 1]
    assert captchas(9, "p9@gmail.com", "2001:db9::1") == 0


def test_an_ipv4_address_written_as_ipv6_is_no_ipv6_network() -> None:
    assert keys().ipv6_prefix("::ffff:192.0.2.7", 48, NOW) == keys().ipv6_prefix("192.0.2.7", 48, NOW) == ""
    assert keys().client_network("::ffff:192.0.2.7", NOW) == keys().client_network("192.0.2.7", NOW)


def test_a_limit_of_zero_counts_nothing_and_a_stage_that_counts_no_holds_counts_no_prefix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service_store.put(document(limits={"domain_requests": 0, "ipv6_48_requests": 1, "ipv6_32_requests": 1}))
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "0")
    settings.current.cache_clear()
    assert [captchas(n, f"p{n}@example.net", "2001:db8::1") for n in range(3)] == [0, 0, 0]


def test_a_request_over_a_limit_has_half_an_hour_to_confirm_and_keeps_its_seat_meanwhile() -> None:
    for n in range(2):
        captchas(n, f"p{n}@example.net", network(n))
    hold = ready(network(9))
    details = replace(somebody(9), email="p9@example.net")
    with pytest.raises(refusals.CaptchaRequired):
        send_details(hold.id, details, now=NOW, ip_address=network(9))
    assert holds.view(hold.id, NOW).until == hold.until
    solve(hold, NOW + TICK)
    assert holds.view(hold.id, NOW + TICK).until == hold.until
    request = send_details(hold.id, details, now=NOW + TICK, ip_address=network(9))
    assert request.confirm_before == NOW + TICK + 30 * MINUTE


def test_the_answer_of_the_first_captcha_does_not_pass_the_further_one() -> None:
    for n in range(2):
        captchas(n, f"p{n}@example.net", network(n))
    placed = holds.place("aes", FIRST, now=NOW, visitor_token=keys().visitor_token(NOW), ip_address=HERE)
    challenge = captcha.new_challenge(placed.id, NOW)
    captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW)
    with pytest.raises(refusals.CaptchaRequired):
        send_details(placed.id, replace(AWA, email="p@example.net"), now=NOW + TICK, ip_address=HERE)
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW + 2 * TICK)
    again = captcha.new_challenge(placed.id, NOW + 2 * TICK)
    captcha.answer(placed.id, again.id, again.picture, now=NOW + 2 * TICK)
    assert seat_store.require_captchas(placed.key, placed.digest, 1, NOW + 3 * TICK, most=5, checked_for="x")
    with pytest.raises(refusals.CaptchaSpent):
        captcha.answer(placed.id, again.id, again.picture, now=NOW + 4 * TICK)


def test_filing_with_a_well_known_provider_over_ipv4_counts_nothing() -> None:
    hold = ready()
    with calls() as names:
        send_details(hold.id, replace(AWA, email="awa@gmail.com"), now=NOW, ip_address=HERE)
    assert names == ["GetItem", "TransactWriteItems"]


# Asking who has an appointment


def refused(hold: Hold, number: int, now_ticks: int, ip_address: str = HERE) -> str:
    """File with the e-mail address of a person who has a request. Return the refusal."""
    try:
        send_details(
            hold.id, replace(somebody(number), email=AWA.email), now=NOW + now_ticks * TICK, ip_address=ip_address
        )
    except refusals.Refusal as refusal:
        return type(refusal).__name__
    raise AssertionError("filed")


@pytest.fixture
def owner() -> requests.Request:
    """A live request with the e-mail address of AWA."""
    service_store.put(document(limits={"domain_requests": 0}))
    return send_details(ready("203.0.113.9").id, AWA, now=NOW, ip_address="203.0.113.9")


@pytest.mark.usefixtures("owner")
def test_every_second_answer_that_somebody_has_a_request_costs_a_captcha_and_keeps_the_seat() -> None:
    hold = ready()
    answers = []
    for n in range(3):
        answers += [refused(hold, 1, 4 * n), refused(hold, 2, 4 * n + 1), refused(hold, 3, 4 * n + 2)]
        assert holds.view(hold.id, NOW).until == hold.until
        solve(hold, NOW + (4 * n + 3) * TICK)
    assert answers == ["AlreadyRequested", "AlreadyRequested", "CaptchaRequired"] * 3


@pytest.mark.usefixtures("owner")
def test_the_answers_are_counted_for_the_client_network_and_not_for_the_hold() -> None:
    assert [refused(ready(), n, n) for n in range(2)] == ["AlreadyRequested"] * 2
    hold = ready()
    assert [refused(hold, 3, 3), refused(hold, 4, 4), refused(hold, 5, 5)] == [
        "AlreadyRequested",
        "AlreadyRequested",
        "CaptchaRequired",
    ]
    elsewhere = ready("192.0.2.99")
    assert refused(elsewhere, 6, 6, "192.0.2.99") == "AlreadyRequested"
    assert holds.view(elsewhere.id, NOW).captcha_passed


@pytest.mark.usefixtures("owner")
def test_a_stage_that_counts_no_holds_asks_for_no_captcha_after_such_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "0")
    settings.current.cache_clear()
    hold = ready()
    assert [refused(hold, n, n) for n in range(4)] == ["AlreadyRequested"] * 4


@pytest.mark.usefixtures("owner")
def test_a_refused_correction_of_the_address_uses_up_one_of_two() -> None:
    hold = ready()
    send_details(hold.id, replace(somebody(1), email="right@example.net"), now=NOW, ip_address=HERE)
    for _ in range(2):
        with pytest.raises(refusals.AlreadyRequested):
            filing.change_email(hold.id, AWA.email, now=NOW)
    with pytest.raises(refusals.InvalidFields):
        filing.change_email(hold.id, AWA.email, now=NOW)


def test_a_refused_correction_of_the_name_uses_up_one_of_three(owner: requests.Request) -> None:
    hold = ready()
    send_details(hold.id, replace(AWA, first_name="Awah", email="other@example.net"), now=NOW, ip_address=HERE)
    for _ in range(3):
        with pytest.raises(refusals.AlreadyRequested):
            personal_data.correct(
                personal_data.view_correctable(owner.token, NOW), "Awah", "Exemple", AWA.phone, now=NOW
            )
    with pytest.raises(refusals.InvalidFields):
        personal_data.correct(personal_data.view_correctable(owner.token, NOW), "Awah", "Exemple", AWA.phone, now=NOW)


def test_the_applicant_gets_a_letter_about_an_attempt_at_most_once_a_day(owner: requests.Request) -> None:
    hold, post = ready(), Postman()
    row = items.person_item(owner.seat.person, "aes")
    row.refresh()
    records = [("0", None, row.serialize())]
    for n, later in enumerate((timedelta(0), timedelta(hours=1), timedelta(hours=24) + TICK), start=1):
        before = records[-1][2]
        other = person_store.read(owner.seat.person, "aes")
        assert other
        person_store.note_attempt(other.key, "aes", other.hold, NOW + later)
        row.refresh()
        records.append((str(n), before, row.serialize()))  # type: ignore[arg-type]  # the image before this one
    outbox.deliver(records[1:], now=NOW, send=post)
    assert [letter.subject for letter, _ in post.sent] == ["Votre demande de rendez-vous n’a pas changé"] * 2
    assert f"/requests/{owner.token}" in post.sent[0][0].text
    assert refused(hold, 1, 1) == "AlreadyRequested"


def test_an_answer_that_somebody_has_a_request_does_not_save_the_captchas_of_a_domain_over_its_limit() -> None:
    for n in range(4):
        captchas(n, f"p{n}@example.net", network(n))
    send_details(ready("203.0.113.9").id, replace(AWA, email="awa@gmail.com"), now=NOW, ip_address="")
    hold, now = ready(network(9)), NOW
    for _ in range(2):
        with pytest.raises(refusals.AlreadyRequested):
            send_details(hold.id, replace(somebody(9), email="awa@gmail.com"), now=now, ip_address=network(9))
    solve(hold, now + TICK)
    with pytest.raises(refusals.CaptchaRequired):
        send_details(hold.id, replace(somebody(9), email="p9@example.net"), now=now + 2 * TICK, ip_address=network(9))
    assert seat_store.read(hold.key).captchas_due == 2


@pytest.mark.usefixtures("owner", "one_call_at_a_time")
def test_of_many_concurrent_filings_two_learn_that_somebody_has_a_request() -> None:
    hold = ready()
    answers = at_once(*(lambda n=n: send_details(hold.id, asking(n), now=NOW, ip_address=HERE) for n in range(8)))
    assert sum(isinstance(answer, refusals.AlreadyRequested) for answer in answers) <= 2
    assert {type(answer) for answer in answers} == {refusals.AlreadyRequested, refusals.CaptchaRequired}


@pytest.mark.usefixtures("owner", "one_call_at_a_time")
def test_of_many_concurrent_corrections_few_learn_that_somebody_has_a_request() -> None:
    hold = ready()
    request = send_details(hold.id, somebody(1), now=NOW, ip_address=HERE)
    emails = at_once(*[lambda: filing.change_email(hold.id, AWA.email, now=NOW)] * 8)
    assert sum(isinstance(answer, refusals.AlreadyRequested) for answer in emails) <= 2
    correctable = personal_data.view_correctable(request.token, NOW)
    person = correctable.person
    assert person
    person_store.count_refused_correction(person)
    with pytest.raises(refusals.TooManyRequests):
        person_store.count_refused_correction(person)


def asking(number: int) -> Details:
    """Return the details of a person without a request, with the e-mail address of one who has."""
    return replace(somebody(number), email=AWA.email)


# The hoarding figures of docs/security.md, by a program that confirms


@pytest.mark.slow
def test_a_program_that_confirms_pays_with_captchas_for_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One IPv4 address, one catch-all domain, the usual limits: what 40 confirmed seats cost."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "30")
    service_store.put(document(limits={}))
    paid = []
    for n in range(40):
        visit = keys().visitor_token(NOW)
        placed = holds.place("aes", FIRST, now=NOW, visitor_token=visit, ip_address=HERE)
        hold = solve(placed, visitor_token=visit, ip_address=HERE)
        further = 0
        while True:
            now = NOW + 2 * further * TICK
            details = replace(somebody(n), email=f"p{n}@catch-all.example.net")
            try:
                request = send_details(hold.id, details, now=now, ip_address=HERE)
            except refusals.CaptchaRequired:
                solve(hold, now + TICK)
                further += 1
                continue
            break
        assert requests.confirm(request.token, NOW + MINUTE).state is State.CONFIRMED
        paid.append(1 + further)
    assert [sum(paid[at : at + 10]) for at in (0, 10, 20, 30)] == [10, 20, 30, 40]
    assert items.SeatItem.count("SEATS#aes#2026-W50", filter_condition=items.SeatItem.state == State.CONFIRMED) <= 40
