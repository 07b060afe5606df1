"""The outbox: which change calls for which letter, what a letter says, and what happens when sending fails."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from chalicelib.booking import holds, moves, requests
from chalicelib.domain.entry import Entry
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import EntryKey, Seat, SeatKey, State
from chalicelib.domain.service import LANGUAGES, Service
from chalicelib.keys import keys
from chalicelib.mail import attachments, draw_letters, lanes, letters, outbox, ses
from chalicelib.mail.draw_letters import EntryFacts
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.rendering import pdf
from chalicelib.rendering.convocation import convocation_of
from chalicelib.rendering.i18n import locale_for
from chalicelib.storage import dynamodb, items, person_store, seat_maintenance, seat_store
from tests.unit.booking.steps import AWA, NOW, person
from tests.unit.mail.postman import Change, Clock, Overlap, Postman, after, filed, image

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("service")
def test_a_request_calls_for_one_letter_with_its_facts_and_links_however_often_the_change_comes() -> None:
    request, change = filed()
    post = Postman()
    assert outbox.deliver([change, change], now=NOW, send=post) == []
    assert outbox.deliver([change], now=NOW, send=post) == []
    (letter, key) = post.sent[0]
    assert len(post.sent) == 1
    assert key == f"{request.reference}.confirm"
    assert (letter.to, letter.subject) == ("awa@example.org", "Confirmez votre demande de rendez-vous")
    link = f"https://guichet.example.org/api/requests/{request.token}"
    for text in (
        "Bonjour Awa Exemple,",
        "Vous avez 48 heures",
        "mercredi 2 décembre 2026, 9\u00a0h\u00a000",
        "Nature",
        "Déposée le",
        "lundi 30 novembre 2026",
        "jeudi 3 décembre 2026",
        "5 minutes",
        link,
        f"{link}/cancellation",
    ):
        assert text in letter.text
        if text.startswith("https"):
            assert f'href="{text}"' in letter.html


@pytest.mark.usefixtures("service")
def test_a_confirmation_calls_for_the_convocation_with_its_two_files() -> None:
    request, _ = filed()
    change = after(request, lambda token: requests.confirm(token, NOW))
    post = Postman()
    outbox.deliver([change], now=NOW, send=post)
    letter = post.sent[0][0]
    assert [a.name for a in letter.attachments] == ["convocation.pdf", "rendez-vous.ics"]
    assert letter.attachments[0].content.startswith(b"%PDF")
    assert letter.attachments[1].content.startswith(b"BEGIN:VCALENDAR")


def letters_for(*changes: Change) -> list[ses.Letter]:
    post = Postman()
    assert outbox.deliver(changes, now=NOW, send=post) == []
    return [letter for letter, _ in post.sent]


def calendar_of(letter: ses.Letter) -> bytes:
    return next(file.content for file in letter.attachments if file.name == "rendez-vous.ics")


@pytest.mark.usefixtures("service")
def test_a_request_that_is_cancelled_before_its_confirmation_is_deleted_and_after_it_an_appointment_cancelled() -> None:
    request, _ = filed()
    before = image(keys().read_link_token(request.token).seat)
    deleted = after(request, lambda token: requests.cancel(token, NOW))
    assert [letter.subject for letter in letters_for(deleted)] == ["Votre demande de rendez-vous est supprimée"]
    confirmed = {**before, "state": {"S": str(State.CONFIRMED)}}
    due = outbox.letter_due(confirmed, deleted[2])
    assert due is not None
    assert due.kind is LetterKind.CANCELLED


@pytest.mark.usefixtures("service")
def test_a_letter_comes_from_the_office_by_name() -> None:
    (letter,) = letters_for(filed()[1])
    assert letter.sender_name == "Préfecture de l’Exemple – rendez-vous"


@pytest.mark.usefixtures("service")
def test_a_move_calls_for_the_new_convocation_once_and_its_calendar_file_replaces_the_first() -> None:
    request, first = filed()
    second = after(request, lambda token: requests.confirm(token, NOW))
    start = datetime(2026, 12, 17, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))
    old_key = keys().read_link_token(request.token).seat
    news = [SeatKey(start.date(), start.time(), unit, "aes") for unit in (1, 2)]
    before = [image(key) for key in (old_key, *news)]
    moved = moves.move(requests.view(request.token, NOW), start, now=NOW)
    third = [("3", was, image(key)) for was, key in zip(before, (old_key, *news), strict=True)]
    assert outbox.letter_due(*third[0][1:]) is None
    sent = letters_for(first, second, *third, *third)
    assert [letter.subject for letter in sent] == [
        "Votre rendez-vous a changé de date : votre convocation"  # the two letters before it are about the old seat
    ]
    assert f"requests/{moved.token}" in sent[0].text
    assert [file.name for file in sent[0].attachments] == ["convocation.pdf", "rendez-vous.ics"]
    assert b"\r\nSEQUENCE:2\r\n" in calendar_of(sent[0])


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("act", "subject"),
    [
        (lambda seat: seat_store.end_request(seat, State.CANCELLED, NOW, NOW), "Votre rendez-vous est annulé"),
        (
            lambda seat: seat_store.end_request(seat, State.WITHDRAWN, NOW, NOW),
            "Votre rendez-vous ne pourra pas avoir lieu",
        ),
        (
            lambda seat: seat_maintenance.displace(seat, "r", NOW + timedelta(days=7)),
            "Votre rendez-vous doit changer de date",
        ),
    ],
)
def test_the_end_of_an_appointment_calls_for_a_letter_that_removes_it_from_the_calendar(
    act: Callable[[Seat], bool], subject: str
) -> None:
    request, first = filed()
    second = after(request, lambda token: requests.confirm(token, NOW))
    letters_for(first, second)
    key = keys().read_link_token(request.token).seat
    sent = letters_for(after(request, lambda _token: act(seat_store.read(key))))
    assert [letter.subject for letter in sent] == [subject]
    assert [file.content_type for file in sent[0].attachments] == ["text/calendar; method=CANCEL; charset=utf-8"]
    assert b"\r\nSEQUENCE:1\r\n" in calendar_of(sent[0])


@pytest.mark.usefixtures("service")
def test_the_letter_to_a_displaced_person_names_the_last_moment_and_the_link_to_choose() -> None:
    request, _ = filed()
    key = keys().read_link_token(request.token).seat
    change = after(
        request, lambda _token: seat_maintenance.displace(seat_store.read(key), "r", NOW + timedelta(days=7))
    )
    letter = letters_for(change)[0]
    assert "avant le lundi 7 décembre 2026, 9\u00a0h\u00a000" in letter.text
    assert f"requests/{request.token}/move" in letter.text
    assert letter.attachments == ()  # it was never in a calendar
    assert letters_for(change) == []


@pytest.mark.usefixtures("service")
def test_a_letter_that_cannot_be_sent_now_is_tried_again_and_those_after_it_wait() -> None:
    request, first = filed()
    second = after(request, lambda token: requests.confirm(token, NOW))
    assert outbox.deliver([first, second], now=NOW, send=Postman(ses.MailAway("Throttling"))) == ["1"]
    post = Postman()
    assert outbox.deliver([first, second], now=NOW, send=post) == []
    assert [letter.subject for letter, _ in post.sent] == [
        "Confirmez votre demande de rendez-vous",
        "Votre rendez-vous est confirmé : votre convocation",
    ]


@pytest.mark.usefixtures("service")
def test_a_letter_that_can_never_be_sent_does_not_hold_up_the_others() -> None:
    request, first = filed()
    assert outbox.deliver([first], now=NOW, send=Postman(ses.MailRefused("MessageRejected"))) == []
    second = after(request, lambda token: requests.confirm(token, NOW))
    post = Postman()
    outbox.deliver([second], now=NOW, send=post)
    assert len(post.sent) == 1


@pytest.mark.usefixtures("service")
def test_a_crash_between_sending_and_marking_repeats_the_letter_with_the_same_link() -> None:
    _, change = filed()
    post = Postman()

    def crash(letter: ses.Letter, key: str, **_more: str) -> str:
        post(letter, key)
        raise TooManyRequests  # before the mark is written

    assert outbox.deliver([change], now=NOW, send=crash) == ["1"]
    assert outbox.deliver([change], now=NOW, send=post) == []
    assert post.sent[0] == post.sent[1]


@pytest.mark.usefixtures("service")
def test_a_change_of_a_request_that_another_has_replaced_sends_nothing() -> None:
    request, change = filed()
    requests.cancel(request.token, NOW)
    filed()
    post = Postman()
    outbox.deliver([change], now=NOW, send=post)
    assert post.sent == []


def test_a_link_that_was_asked_for_is_sent_once(service: Service) -> None:
    request, _ = filed()
    change = link_record(service, request, NOW)
    post = Postman()
    outbox.deliver([change, change], now=NOW, send=post)
    assert [letter.subject for letter, _ in post.sent] == ["Votre lien pour gérer votre demande de rendez-vous"]
    assert request.token in post.sent[0][0].text


def link_record(service: Service, request: requests.Request, now: datetime) -> Change:
    """Return the stream record that asking for the link writes about the e-mail lock."""
    row = items.LockItem(f"EMAIL#{keys().email_key(AWA.email)}", f"SERVICE#{service.id}")
    place = {"TableName": "guichet-test", "Key": {"pk": {"S": row.pk}, "sk": {"S": row.sk}}}
    before = dynamodb.connection().connection.client.get_item(**place)["Item"]
    requests.ask_link(request.reference, AWA.email, now)
    return "4", before, dynamodb.connection().connection.client.get_item(**place)["Item"]


@pytest.mark.slow
def test_the_marks_of_letters_are_bounded_and_a_change_that_comes_again_sends_nothing_twice(service: Service) -> None:
    request, first = filed()
    second = after(request, lambda token: requests.confirm(token, NOW))
    assert len(letters_for(first, second)) == 2
    changes = [link_record(service, request, NOW + timedelta(hours=9 * n)) for n in range(25)]
    assert len(letters_for(*changes)) == 25
    assert letters_for(first, second, *changes[-10:]) == []
    applicant = person()
    newest = {f"link:{int((NOW + timedelta(hours=9 * n)).timestamp() * 1000)}" for n in range(15, 25)}
    assert applicant.sent == {"confirm", "convocation", *newest}
    cancelled = letters_for(after(request, lambda token: requests.cancel(token, NOW)))
    assert b"METHOD:CANCEL" in calendar_of(cancelled[0])


def test_two_mailers_that_mark_letters_of_one_person_at_once_keep_both_marks(service: Service) -> None:
    filed()
    before = person()
    assert all(person_store.mark_sent(before, letter) for letter in ("confirm", "link:1", "link:2"))
    stored = person_store.read(before.key, service.id)
    assert stored is not None
    assert stored.sent == {"confirm", "link:1", "link:2"}


@pytest.mark.usefixtures("service")
def test_one_mailer_sends_several_letters_at_once() -> None:
    changes = [filed(replace(AWA, last_name=name, email=f"{name}@example.org"))[1] for name in ("bcd", "cdf")]
    post, both = Postman(), Barrier(2, timeout=60)

    def send(letter: ses.Letter, key: str, **_more: str) -> str:
        both.wait()  # only two at the same time pass it
        return post(letter, key)

    assert outbox.deliver(changes, now=NOW, send=send, at_once=2) == []
    assert sorted(letter.to for letter, _ in post.sent) == ["bcd@example.org", "cdf@example.org"]
    assert outbox.deliver(changes, now=NOW, send=send, at_once=2) == []


def test_one_pdf_is_written_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    request, _ = filed()
    requests.confirm(request.token, NOW)
    overlap, locale = Overlap(), locale_for("fr")
    monkeypatch.setattr(pdf, "render", overlap)
    appointment = convocation_of(service, person())
    task = partial(attachments.of, LetterKind.CONVOCATION, appointment, person(), locale, NOW)
    lanes.run([task, task], 2)
    assert not overlap.seen


@pytest.mark.usefixtures("service")
def test_the_first_letter_of_a_batch_waits_because_another_mailer_may_have_sent_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    pace = ses.Pace(4, clock=clock, sleep=clock.sleep)
    clock.sleep(60)
    monkeypatch.setattr(ses, "pace", lambda: pace)
    sent_at = list[float]()

    def send(*_: object, **__: object) -> str:
        pace.wait()
        sent_at.append(clock.now)
        return "id"

    assert outbox.deliver([filed()[1]], now=NOW, send=send) == []
    assert sent_at == [1060.25]


def test_marks_of_links_never_push_out_the_mark_of_a_convocation(service: Service) -> None:
    request, _ = filed()
    requests.confirm(request.token, NOW)
    applicant = person()
    old = {"convocation:1795996800000", "moved:aes.20261203.1015.1", "reminder:aes.20261203.1015.1"}
    full = replace(applicant, sent=frozenset({*old, *(f"link:{1795996800000 + n}" for n in range(30))}))
    marks = items.PersonItem.sent.set(" ".join(sorted(full.sent)))
    items.person_item(applicant.key, service.id).update([marks])
    assert person_store.mark_sent(full, "link:1795996800099")
    stored = person_store.read(applicant.key, service.id)
    assert stored is not None
    assert stored.sent == {*old, *(f"link:{1795996800000 + n}" for n in range(21, 30)), "link:1795996800099"}


@pytest.mark.usefixtures("service")
def test_holds_and_deletions_call_for_no_letter() -> None:
    hold = holds.place("aes", holds.Wish(None, conditions_accepted=True), now=NOW)
    held = image(hold.key)
    holds.end(hold.id, NOW)
    for change in ((None, held), (held, image(hold.key)), (held, None), (None, None)):
        assert outbox.letter_due(*change) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_has_words_in_every_language_and_no_subject_tells_the_matter(
    service: Service, language: str
) -> None:
    request, _ = filed()
    applicant = person()
    locale = locale_for(language)
    entry = EntryFacts(Entry(EntryKey("aes", "a" * 16), preferences=("any",)), None, 1, 2, "c" * 64)
    for kind, subject in letters.SUBJECTS.items():
        facts = entry if kind in draw_letters.BODIES else None
        url = f"https://x.example/{request.token}"
        content = letters.compose(kind, service, applicant, url, locale, until=NOW, entry=facts)
        assert content.lines
        assert content.subject == locale._(subject)
        assert "AES" not in content.subject


ROOT = Path(__file__).parents[3]
MAILER = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]["mailer"]


def template() -> dict[str, Any]:
    """infra/deploy/templates/app.yaml, its functions (`!Ref`) left out."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda *_: None)  # type: ignore[attr-defined]  # made on the line above
    document: dict[str, Any] = yaml.load((ROOT / "infra/deploy/templates/app.yaml").read_text(), loader)  # noqa: S506  # a safe one
    return document


def test_a_whole_batch_of_letters_at_the_slowest_rate_fits_into_the_mailers_time() -> None:
    stream = template()["Resources"]["Mailer"]["Properties"]["Events"]["MailerDynamodbEventSource"]["Properties"]
    slowest = template()["Parameters"]["MailRate"]["MinValue"]
    work = 1  # second a letter, beside the wait for its turn: ten times what it takes
    assert stream["BatchSize"] * (1 / slowest + work) <= MAILER["lambda_timeout"]


def test_one_mailer_runs_at_a_time_where_no_template_says_how_many() -> None:
    assert MAILER["reserved_concurrency"] == 1
