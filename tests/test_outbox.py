"""The outbox: which change calls for which letter, what a letter says, and what happens when sending fails."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import boto3
import pytest

from chalicelib import booking, letters, locks, mail, outbox, rows, store
from chalicelib.errors import TooManyRequests
from chalicelib.model import Details, SeatKey, Service
from chalicelib.words import words
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
Change = tuple[str, outbox.Image | None, outbox.Image | None]


class Postman:
    """Takes letters, or fails as he is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.sent: list[tuple[mail.Letter, str]] = []

    def __call__(self, letter: mail.Letter, key: str, **_more: str) -> str:
        if self.failure:
            raise self.failure
        self.sent.append((letter, key))
        return "id"


def image(key: SeatKey) -> outbox.Image:
    """A seat as the stream shows it."""
    row = store.new_row(key, NOW)
    item: outbox.Image = boto3.client("dynamodb").get_item(
        TableName="guichet-test", Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}}
    )["Item"]
    return item


def filed() -> tuple[booking.Request, Change]:
    """A request, and the change of its seat that the stream carries."""
    kept = booking.place_hold("aes", booking.Wish(None, conditions_accepted=True), now=NOW)
    asked = booking.challenge(kept.id, NOW)
    booking.answer_challenge(kept.id, asked.id, asked.picture, now=NOW)
    before = image(kept.seat.key)
    request = booking.file_request(kept.id, AWA, now=NOW)
    return request, ("1", before, image(kept.seat.key))


def after(request: booking.Request, act: Callable[[str], Any]) -> Change:
    """The change that an act makes of a request's seat."""
    key = booking.keys().read("link", request.token).seat
    before = image(key)
    act(request.token)
    return "2", before, image(key)


@pytest.mark.usefixtures("service")
def test_a_request_calls_for_one_letter_with_its_facts_and_links_however_often_the_change_comes() -> None:
    request, change = filed()
    post = Postman()
    assert outbox.deliver([change, change], now=NOW, send=post) == []
    assert outbox.deliver([change], now=NOW, send=post) == []
    (letter, key) = post.sent[0]
    assert len(post.sent) == 1
    assert key == f"{request.reference}.confirm"
    assert (letter.to, letter.subject) == ("awa@example.org", "Confirmez votre rendez-vous")
    link = f"https://guichet.example.org/api/requests/{request.token}"
    for said in (
        "Bonjour Awa Exemple,",
        "2\u00a0880 minutes",
        "mercredi 2 décembre 2026, 9\u00a0h\u00a000",
        "Nature",
        "Déposée le",
        "lundi 30 novembre 2026",
        "jeudi 3 décembre 2026",
        "5 minutes",
        link,
        f"{link}/cancellation",
    ):
        assert said in letter.text
        if said.startswith("https"):
            assert f'href="{said}"' in letter.html


@pytest.mark.usefixtures("service")
def test_a_confirmation_calls_for_the_convocation_with_its_two_files() -> None:
    request, _ = filed()
    change = after(request, lambda token: booking.confirm_request(token, NOW))
    post = Postman()
    outbox.deliver([change], now=NOW, send=post)
    letter = post.sent[0][0]
    assert [a.name for a in letter.attachments] == ["convocation.pdf", "rendez-vous.ics"]
    assert letter.attachments[0].content.startswith(b"%PDF")
    assert letter.attachments[1].content.startswith(b"BEGIN:VCALENDAR")


@pytest.mark.usefixtures("service")
def test_a_cancellation_calls_for_a_letter_that_says_so() -> None:
    request, _ = filed()
    change = after(request, lambda token: booking.cancel_request(token, NOW))
    post = Postman()
    outbox.deliver([change], now=NOW, send=post)
    assert post.sent[0][0].subject == "Votre rendez-vous est annulé"


@pytest.mark.usefixtures("service")
def test_a_letter_that_cannot_be_sent_now_is_tried_again_and_those_after_it_wait() -> None:
    request, first = filed()
    second = after(request, lambda token: booking.confirm_request(token, NOW))
    assert outbox.deliver([first, second], now=NOW, send=Postman(mail.MailAway("Throttling"))) == ["1"]
    post = Postman()
    assert outbox.deliver([first, second], now=NOW, send=post) == []
    assert [letter.subject for letter, _ in post.sent] == [
        "Confirmez votre rendez-vous",
        "Votre rendez-vous est confirmé : votre convocation",
    ]


@pytest.mark.usefixtures("service")
def test_a_letter_that_can_never_be_sent_does_not_hold_up_the_others() -> None:
    request, first = filed()
    assert outbox.deliver([first], now=NOW, send=Postman(mail.MailRefused("MessageRejected"))) == []
    second = after(request, lambda token: booking.confirm_request(token, NOW))
    post = Postman()
    outbox.deliver([second], now=NOW, send=post)
    assert len(post.sent) == 1


@pytest.mark.usefixtures("service")
def test_a_crash_between_sending_and_marking_repeats_the_letter_with_the_same_link() -> None:
    _, change = filed()
    post = Postman()

    def crash(letter: mail.Letter, key: str, **_more: str) -> str:
        post(letter, key)
        raise TooManyRequests  # the mark that would have followed never was

    assert outbox.deliver([change], now=NOW, send=crash) == ["1"]
    assert outbox.deliver([change], now=NOW, send=post) == []
    assert post.sent[0] == post.sent[1]


@pytest.mark.usefixtures("service")
def test_a_change_of_a_request_that_another_has_replaced_sends_nothing() -> None:
    request, change = filed()
    booking.cancel_request(request.token, NOW)
    filed()
    post = Postman()
    outbox.deliver([change], now=NOW, send=post)
    assert post.sent == []


def test_a_wish_for_the_link_is_answered_once(service: Service) -> None:
    request, _ = filed()
    row = rows.LockRow(f"EMAIL#{booking.keys().address(AWA.email)}", f"SERVICE#{service.id}")
    place = {"TableName": "guichet-test", "Key": {"pk": {"S": row.pk}, "sk": {"S": row.sk}}}
    before = boto3.client("dynamodb").get_item(**place)["Item"]
    booking.ask_link(request.reference, AWA.email, NOW)
    change = ("3", before, boto3.client("dynamodb").get_item(**place)["Item"])
    post = Postman()
    outbox.deliver([change, change], now=NOW, send=post)
    assert [letter.subject for letter, _ in post.sent] == ["Votre lien pour gérer votre rendez-vous"]
    assert request.token in post.sent[0][0].text


@pytest.mark.usefixtures("service")
def test_what_is_no_step_of_a_request_calls_for_no_letter() -> None:
    kept = booking.place_hold("aes", booking.Wish(None, conditions_accepted=True), now=NOW)
    held = image(kept.seat.key)
    booking.end_hold(kept.id, NOW)
    for change in ((None, held), (held, image(kept.seat.key)), (held, None), (None, None)):
        assert outbox.due(*change) is None


@pytest.mark.parametrize("language", ["fr", "en", "ar"])
def test_every_letter_has_words_in_every_language_and_no_subject_tells_the_matter(
    service: Service, language: str
) -> None:
    request, _ = filed()
    person = locks.person(booking.keys().person("Awa", "Exemple", AWA.birth_date), "aes")
    assert person is not None
    own = words(language)
    for kind, subject in letters.SUBJECTS.items():
        content = letters.compose(kind, service, person, f"https://x.example/{request.token}", own)
        assert content.lines
        assert content.subject == own._(subject)
        assert "AES" not in content.subject
