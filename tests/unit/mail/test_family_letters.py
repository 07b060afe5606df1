"""Letters about what an agent booked: to one person, and to people who were booked together."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from chalicelib.booking import personal_data, requests, schedule
from chalicelib.booking.requests import Request
from chalicelib.desk import booking, changes
from chalicelib.domain.languages import TABLE
from chalicelib.domain.person import Details
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.mail.ses import Letter
from chalicelib.storage.items import Image
from tests.unit.booking.steps import AWA, NOW, confirmed
from tests.unit.desk.orders import AGENT, FAMILY, SECRET, book, free, put
from tests.unit.mail.postman import Postman, images, mailed

pytestmark = pytest.mark.slow

CONVOCATION = "Votre rendez-vous est confirmé : votre convocation"
MOVED = "Votre rendez-vous a changé de date : votre convocation"
CANCELLED = "Votre rendez-vous est annulé"
REMINDER = "Votre rendez-vous approche"
SOON = timedelta(minutes=1)


@pytest.fixture
def office(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    return put()


@pytest.fixture
def postman() -> Postman:
    return Postman()


def letters(postman: Postman) -> list[tuple[str, str]]:
    """Return to whom each letter went since the last call, and its subject."""
    sent = [(letter.to, letter.subject) for letter, _ in postman.sent]
    postman.sent.clear()
    return sent


def booked(office: Service, postman: Postman, people: list[Details]) -> list[Request]:
    with mailed(postman):
        return book(office, people)


def words(letter: Letter) -> str:
    """Return the text of a letter with plain spaces."""
    return " ".join(letter.text.split())


def event(letter: Letter) -> Any:
    """Return the event in the calendar file of a letter."""
    (content,) = [file.content for file in letter.attachments if file.name == "rendez-vous.ics"]
    (found,) = Calendar.from_ical(content).walk("VEVENT")
    return found


def test_a_convocation_leaves_at_once_and_says_that_it_was_booked_for_them(office: Service, postman: Postman) -> None:
    (request,) = booked(office, postman, [AWA])
    ((letter, _),) = postman.sent
    assert (letter.to, letter.subject) == (AWA.email, CONVOCATION)
    assert "Ce rendez-vous a été pris pour vous" in letter.text
    assert request.token in letter.text
    assert [file.name for file in letter.attachments] == ["convocation.pdf", "rendez-vous.ics"]


@pytest.mark.usefixtures("office")
def test_who_booked_online_is_not_told_that_somebody_else_did(postman: Postman) -> None:
    with mailed(postman):
        confirmed()
    ((letter, _),) = postman.sent
    assert "pris pour vous" not in letter.text


def test_without_an_email_address_no_letter_leaves(office: Service, postman: Postman) -> None:
    booked(office, postman, [replace(AWA, email="")])
    assert postman.sent == []


def test_a_family_gets_one_convocation_that_names_all(office: Service, postman: Postman) -> None:
    family = booked(office, postman, FAMILY)
    ((letter, _),) = postman.sent
    assert (letter.to, letter.subject) == (AWA.email, CONVOCATION)
    for request, clock in zip(family, times(family), strict=True):
        assert request.person
        assert f"{request.person.details.first_name} Exemple : {clock}, référence {request.reference}" in words(letter)
        assert f"/requests/{request.token}" in letter.text
    found = event(letter)
    assert (found["dtstart"].dt, found["dtend"].dt) == (family[0].start, family[2].start + office.slot)


def times(family: list[Request]) -> list[str]:
    return [f"{request.start:%-H} h {request.start:%M}" for request in family]


def test_members_with_another_address_get_one_of_their_own_and_manage_only_themselves(
    office: Service, postman: Postman
) -> None:
    people = [replace(FAMILY[0], email=""), replace(FAMILY[1], email="bin@example.org"), FAMILY[2]]
    family = booked(office, postman, people)
    first, second = (letter for letter, _ in postman.sent)
    assert [first.to, second.to] == ["bin@example.org", AWA.email]
    assert f"/requests/{family[0].token}" in first.text
    assert f"/requests/{family[2].token}" not in first.text
    assert f"/requests/{family[1].token}" not in second.text


def test_after_a_cancellation_the_others_get_a_convocation_that_is_right(office: Service, postman: Postman) -> None:
    family = booked(office, postman, FAMILY)
    postman.sent.clear()
    with mailed(postman):
        changes.cancel(office, family[1].seat.key, AGENT, NOW, hold=family[1].seat.hold)
    new = postman.sent[1][0]
    assert letters(postman) == [(AWA.email, CANCELLED), (AWA.email, CONVOCATION)]
    assert "Le rendez-vous d’une personne de votre groupe a changé." in new.text
    assert family[1].reference not in new.text
    assert event(new)["sequence"] > 0
    with mailed(postman):  # the first one leaves: the next one gets the letters
        requests.cancel(family[0].token, NOW)
    last = postman.sent[1][0]
    assert letters(postman) == [(AWA.email, CANCELLED), (AWA.email, CONVOCATION)]
    assert (family[2].reference in last.text, family[0].reference in last.text) == (True, False)


def test_each_of_two_cancellations_makes_the_convocation_right_again(office: Service, postman: Postman) -> None:
    family = booked(office, postman, FAMILY)
    for request in family[1:]:
        letters(postman)
        with mailed(postman):
            changes.cancel(office, request.seat.key, AGENT, NOW, hold=request.seat.hold)
        assert letters(postman) == [(AWA.email, CANCELLED), (AWA.email, CONVOCATION)]
    with mailed(postman):  # the convocation was made right by the cancellation
        personal_data.erase(family[1].token, NOW)
    assert letters(postman) == []


def test_after_a_move_of_one_a_single_letter_names_all_with_the_new_time(office: Service, postman: Postman) -> None:
    family = booked(office, postman, FAMILY)
    postman.sent.clear()
    with mailed(postman):
        to = free(office)[-1]
        moved = changes.move(office, family[2].seat.key, to, AGENT, NOW, hold=family[2].seat.hold)
    ((letter, _),) = postman.sent
    assert (letter.to, letter.subject) == (AWA.email, MOVED)
    assert f"jeudi 17 décembre 2026 : {times([moved])[0]}, référence {moved.reference}" in words(letter)
    assert f"jeudi 3 décembre 2026 : {times(family)[0]}, référence {family[0].reference}" in words(letter)


def test_after_an_erasure_the_others_get_a_convocation_without_that_person(office: Service, postman: Postman) -> None:
    family = booked(office, postman, FAMILY)
    postman.sent.clear()
    with mailed(postman):
        personal_data.erase(family[1].token, NOW)
    ((letter, _),) = postman.sent
    assert (letter.subject, family[1].reference in letter.text) == (CONVOCATION, False)


def test_a_change_of_details_sends_the_convocation_again_to_the_first_of_a_family(
    office: Service, postman: Postman
) -> None:
    family = booked(office, postman, [FAMILY[0], replace(FAMILY[1], email="")])
    postman.sent.clear()
    with mailed(postman):
        renamed = replace(FAMILY[1], first_name="Binta", email="")
        changes.change_details(office, family[1].seat.key, renamed, AGENT, NOW)
    ((letter, _),) = postman.sent
    assert (letter.to, "Binta Exemple" in letter.text) == (AWA.email, True)


def test_each_change_of_details_sends_one_convocation_to_an_address_however_many_there_are(
    office: Service, postman: Postman
) -> None:
    family = booked(office, postman, FAMILY)
    letters(postman)
    for number, name in enumerate(("Dina", "Fili", "Hadi", "Kadi")):
        now, which = NOW + number * SOON, 1 + number % 2
        changed = replace(FAMILY[which], first_name=name)
        with mailed(postman, now):
            changes.change_details(office, family[which].seat.key, changed, AGENT, now)
        ((letter, key),) = postman.sent
        assert (letter.to, name in letter.text) == (AWA.email, True)
        assert key.startswith(family[0].reference)
        letters(postman)
    with mailed(postman):
        other = replace(changed, phone="0600000099")
        changes.change_details(office, family[2].seat.key, other, AGENT, NOW)
    assert letters(postman) == []


def test_a_correction_by_the_applicant_sends_the_convocation_again_to_the_first_of_a_family(
    office: Service, postman: Postman
) -> None:
    family = booked(office, postman, [FAMILY[0], replace(FAMILY[1], email="")])
    letters(postman)
    with mailed(postman):
        request = requests.view(family[1].token, NOW)
        personal_data.correct(request, "Bintu", "Exemple", AWA.phone, now=NOW)
    ((letter, _),) = postman.sent
    assert (letter.to, "Bintu Exemple" in letter.text) == (AWA.email, True)


def test_a_family_gets_one_reminder(table: None, postman: Postman) -> None:  # noqa: ARG001  # for its effect
    office = put(times={"notice_hours": 24})
    key = next(r for r in booking.rows(office, free(office), 3) if (office.start_of(r[0]) - NOW).days > 5)
    with mailed(postman):
        booking.book(office, booking.Order(key, FAMILY, SECRET), AGENT, NOW)
    postman.sent.clear()
    late = office.start_of(key[0]) - timedelta(hours=30)
    with mailed(postman, late):
        schedule.end_expired(late)
    ((letter, _),) = postman.sent
    assert (letter.subject, all(name in letter.text for name in ("Awa", "Bintou", "Cire"))) == (REMINDER, True)


def test_who_moved_to_another_day_has_a_reminder_of_their_own(table: None, postman: Postman) -> None:  # noqa: ARG001  # for its effect
    office = put(times={"notice_hours": 24})
    row = next(r for r in booking.rows(office, free(office), 3) if (office.start_of(r[0]) - NOW).days > 5)
    family = booking.book(office, booking.Order(row, FAMILY, SECRET), AGENT, NOW)
    to = next(key for key in free(office) if key.day > row[0].day)
    changes.move(office, row[2], to, AGENT, NOW, hold=family[2].seat.hold)
    for key, request in ((row[0], family[0]), (to, family[2])):
        letters(postman)
        late = office.start_of(key) - timedelta(hours=30)
        with mailed(postman, late):
            schedule.end_expired(late)
        ((letter, letter_key),) = postman.sent
        assert (letter.subject, letter_key.startswith(request.reference)) == (REMINDER, True)


def test_the_letters_of_a_family_are_sent_once_however_often_the_stream_repeats(
    office: Service, postman: Postman
) -> None:
    booked(office, postman, FAMILY)
    assert len(letters(postman)) == 1
    seats = [image for (pk, _), image in images().items() if pk.startswith("SEATS#")]
    records = [("1", {**image, "state": {"S": "open"}}, image) for image in seats]
    assert outbox.deliver(records, now=NOW, send=postman) == []
    assert postman.sent == []


def test_two_mailers_at_once_send_a_family_with_two_e_mail_addresses_one_letter_each(
    office: Service, postman: Postman
) -> None:
    before = images()
    book(office, [FAMILY[0], replace(FAMILY[1], email="bin@example.org"), FAMILY[2]])
    deliver_by_two_mailers(before, postman, NOW)
    assert sorted(to for to, _ in letters(postman)) == sorted([AWA.email, "bin@example.org"])


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("emails", [(AWA.email, "bin@example.org", ""), ("", "", AWA.email)])
def test_two_mailers_at_once_send_each_e_mail_address_of_a_family_one_reminder_for_a_day(
    postman: Postman, emails: tuple[str, str, str]
) -> None:
    office = put(times={"notice_hours": 24})
    row = next(r for r in booking.rows(office, free(office), 3) if (office.start_of(r[0]) - NOW).days > 5)
    people = [replace(one, email=email) for one, email in zip(FAMILY, emails, strict=True)]
    family = booking.book(office, booking.Order(row, people, SECRET), AGENT, NOW)
    to = next(key for key in free(office) if key.day > row[0].day)
    changes.move(office, row[2], to, AGENT, NOW, hold=family[2].seat.hold)
    before, late = images(), office.start_of(row[0]) - timedelta(hours=30)
    schedule.end_expired(late)
    deliver_by_two_mailers(before, postman, late)
    assert sorted(letters(postman)) == [(email, REMINDER) for email in sorted(filter(None, emails))]


def deliver_by_two_mailers(before: dict[tuple[str, str], Image], postman: Postman, now: datetime) -> None:
    """Deliver the changes of seats by a second mailer while the first one sends, before any letter is marked."""
    seats = {key: image for key, image in images().items() if key[0].startswith("SEATS#") and image != before.get(key)}
    records = [(str(number), before[key], image) for number, (key, image) in enumerate(seats.items())]

    def send(letter: Letter, key: str) -> str:
        postman(letter, key)
        while records:
            outbox.deliver([records.pop()], now=now, send=lambda other, name, **_: send(other, name))
        return "id"

    while records:
        outbox.deliver([records.pop()], now=now, send=lambda letter, key, **_: send(letter, key))


@pytest.mark.parametrize("language", TABLE)
def test_the_letter_of_a_family_is_written_in_each_language(office: Service, postman: Postman, language: str) -> None:
    family = booked(office, postman, [replace(one, language=language) for one in FAMILY])
    ((letter, _),) = postman.sent
    assert all(request.reference in letter.text and request.token in letter.html for request in family)
    assert ("pris pour vous" in letter.text) == (language == "fr")
