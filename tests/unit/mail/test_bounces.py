"""What SES says became of a letter: whom it stops letters to, whose seat it frees, and what is not believed."""

import json
from datetime import timedelta

import pytest

from chalicelib.booking import requests
from chalicelib.booking.requests import Request
from chalicelib.domain.seat import Seat, State
from chalicelib.mail import bounces, outbox
from chalicelib.mail.bounces import Feedback
from chalicelib.storage import person_store, seat_store
from chalicelib.web import forms
from tests.unit.booking.steps import NOW, person
from tests.unit.mail.postman import Postman, after, bounce, event, filed

pytestmark = pytest.mark.slow

LATER = NOW + timedelta(minutes=16)
"""After the time in which the e-mail address can be corrected."""


COMPLAINT = event("Complaint", complaint={"complaintFeedbackType": "abuse"})


def seat(request: Request) -> Seat:
    return seat_store.read(request.seat.key)


# Reading


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (event("Delivery", delivery={}), Feedback("delivered", "awa@example.org")),
        (event("Delivery", by="notificationType"), Feedback("delivered", "awa@example.org")),
        (bounce(), Feedback("bounced", "awa@example.org", stops=True)),
        (bounce(by="notificationType"), Feedback("bounced", "awa@example.org", stops=True)),
        (bounce("Transient"), Feedback("bounced", "awa@example.org")),
        (bounce("Undetermined"), Feedback("bounced", "awa@example.org")),
        (COMPLAINT, Feedback("complained", "awa@example.org", stops=True)),
        (event("Complaint", complaint={}), Feedback("complained", "awa@example.org", stops=True)),
        (
            event("Complaint", complaint={"complaintFeedbackType": "not-spam"}),
            Feedback("complained", "awa@example.org"),
        ),
        (bounce(to=["awa@xn--exemple--i1a.fr"]), Feedback("bounced", "awa@xn--exemple--i1a.fr", stops=True)),
        (bounce(to=["awa@xn--\u0000"]), Feedback("bounced", "awa@xn--\u0000", stops=True)),
    ],
)
def test_an_event_is_read_with_the_e_mail_address_and_whether_other_letters_may_follow(
    message: str, expected: Feedback
) -> None:
    assert bounces.read(message) == expected


ODD = [
    "Successfully validated SNS topic for Amazon SES event publishing.",
    "[" * 100_000,
    "null",
    "[]",
    "{}",
    '{"eventType": ["Bounce"]}',
    '{"eventType": "Bounce"}',
    '{"eventType": "Bounce", "mail": []}',
    event("Open"),
    event("Bounce"),
    event("Bounce", bounce="Permanent"),
    event("Bounce", bounce={}),
    event("Complaint"),
    bounce(to=[]),
    bounce(to=["awa@example.org", "ben@example.org"]),
    bounce(to=[None]),
    bounce(to="awa@example.org"),
]


@pytest.mark.usefixtures("service")
def test_a_message_that_is_no_feedback_on_one_letter_is_dropped_and_changes_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    request, _ = filed()
    capsys.readouterr()
    for message in ODD:
        with pytest.raises(bounces.Unreadable):
            bounces.read(message)
        bounces.handle(message, LATER)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line["event"] for line in lines} == {"mail-feedback-odd"}
    assert seat(request).state is State.PENDING
    assert person().stopped == ""


# What follows


@pytest.mark.usefixtures("service")
def test_a_hard_bounce_ends_a_request_that_waits_and_its_seat_returns_later() -> None:
    request, _ = filed()
    bounces.handle(bounce(), LATER, random_fraction=lambda: 0.0)
    ended = seat(request)
    assert (ended.state, ended.past_state, ended.expired) == (State.OPEN, State.EXPIRED, 1)
    assert ended.opens_at - LATER == timedelta(hours=2)
    assert person().stopped == "bounced"
    assert requests.view(request.token, LATER).state is State.EXPIRED


@pytest.mark.usefixtures("service")
def test_after_a_bounce_no_letter_of_the_request_is_sent_not_even_the_one_about_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    request, first = filed()
    ended = after(request, lambda _token: bounces.handle(bounce(), LATER))
    due = outbox.letter_due(*ended[1:])
    assert due is not None
    assert due.kind == "expired"
    post = Postman()
    assert outbox.deliver([first, ended], now=LATER, send=post) == []
    assert post.sent == []
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    stopped = [line for line in lines if line["event"] == "mail-stopped"]
    assert [(line["letter"], line["reason"]) for line in stopped] == [("expired", "bounced")]


@pytest.mark.usefixtures("service")
def test_after_a_bounce_the_same_person_can_file_again_and_gets_letters() -> None:
    filed()
    bounces.handle(bounce(), LATER)
    _, change = filed()
    post = Postman()
    outbox.deliver([change], now=LATER, send=post)
    assert [letter.to for letter, _ in post.sent] == ["awa@example.org"]


@pytest.mark.usefixtures("service")
def test_a_bounce_does_not_end_a_confirmed_request() -> None:
    request, _ = filed()
    requests.confirm(request.token, NOW)
    bounces.handle(bounce(), LATER)
    assert seat(request).state is State.CONFIRMED
    assert person().stopped == "bounced"


@pytest.mark.usefixtures("service")
def test_a_bounce_is_matched_by_the_e_mail_address_of_a_unicode_domain_too() -> None:
    form = {
        "first_name": "Awa",
        "last_name": "Exemple",
        "birth_date": "1990-05-17",
        "email": "awa@exemple-é.fr",
        "email_confirmation": "awa@EXEMPLE-É.fr",
        "phone": "06 12 34 56 78",
    }
    request, _ = filed(forms.read_details(form, today=NOW.date(), language="fr"))
    bounces.handle(bounce(to=["awa@xn--exemple--i1a.fr"]), LATER)
    assert seat(request).state is State.OPEN
    assert person().stopped == "bounced"


@pytest.mark.usefixtures("service")
def test_a_complaint_stops_letters_and_the_seat_stays() -> None:
    request, _ = filed()
    change = after(request, lambda token: requests.confirm(token, NOW))
    bounces.handle(COMPLAINT, LATER)
    post = Postman()
    outbox.deliver([change], now=LATER, send=post)
    assert (post.sent, seat(request).state, person().stopped) == ([], State.CONFIRMED, "complained")


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "message",
    [
        event("Delivery"),
        bounce("Transient"),
        event("Complaint", complaint={"complaintFeedbackType": "not-spam"}),
        bounce(to=["ben@example.org"]),
    ],
)
def test_a_temporary_failure_or_feedback_about_somebody_else_is_counted_and_changes_nothing(message: str) -> None:
    request, _ = filed()
    bounces.handle(message, LATER)
    assert seat(request).state is State.PENDING
    assert person().stopped == ""


@pytest.mark.usefixtures("service")
def test_the_same_bounce_twice_is_once() -> None:
    request, _ = filed()
    bounces.handle(bounce(), LATER)
    before = seat(request)
    bounces.handle(bounce(), LATER)
    assert seat(request) == before


@pytest.mark.usefixtures("service")
def test_an_e_mail_address_is_recognised_in_any_spelling_and_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    request, _ = filed()
    capsys.readouterr()
    bounces.handle(bounce(to=["AWA@Example.ORG"]), LATER)
    assert seat(request).state is State.OPEN
    line = capsys.readouterr().err
    expected = {"event": "mail-bounced", "run": "", "stops": True, "requests": 1, "freed": 1}
    assert json.loads(line) == expected


@pytest.mark.usefixtures("service")
def test_a_bounce_of_a_request_that_was_replaced_stops_no_letter_of_the_new_one() -> None:
    filed()
    request = person_store.EmailRequest(person().key, person().seat, "another hold", 0)
    assert not person_store.stop_letters(request, "aes", "bounced")
    assert person().stopped == ""
