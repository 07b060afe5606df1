"""What applicants do with their own data: the convocation again, corrections, a copy, erasure; and the reminder."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.booking import personal_data, requests, schedule
from chalicelib.domain import names, refusals
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.mail import outbox, ses
from chalicelib.storage import (
    dynamodb,
    lock_store,
    person_store,
    request_store,
    seat_keys,
    seat_maintenance,
    seat_store,
)
from tests.unit.booking.steps import AWA, NOW, START, confirmed, filed, move, person

PAUSE = personal_data.CONVOCATION_PAUSE

AFTER = NOW + timedelta(days=3)
"""When a seat that was given back at NOW is free again."""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("service")]


def stored() -> str:
    """Return all items but the services, as text."""
    items = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    return json.dumps([row for row in items if row["pk"]["S"] != "SERVICES"], ensure_ascii=False)


def item(person_key: str) -> dict[str, Any]:
    """The person item as the stream shows it."""
    return dict(dynamodb.read(f"PERSON#{person_key}", "SERVICE#aes") or {})


def seat(seat_key: SeatKey) -> dict[str, Any]:
    row = seat_keys.seat_item(seat_key)
    return dict(dynamodb.read(row.pk, row.sk) or {})


def sent(*changes: tuple[dict[str, Any], dict[str, Any]]) -> list[ses.Letter]:
    """Return the letters that these changes call for."""
    letters: list[ses.Letter] = []

    def send(letter: ses.Letter, _key: str, **_more: str) -> str:
        letters.append(letter)
        return "id"

    records = [(str(n), old, new) for n, (old, new) in enumerate(changes)]
    assert outbox.deliver(records, now=NOW, send=send) == []
    return letters


# The convocation again


def test_the_convocation_is_sent_again_once_in_two_minutes() -> None:
    request = confirmed()
    images = [item(person().key)]
    for seconds in (0, 60, 119, 121):
        personal_data.send_convocation(request.token, NOW + timedelta(seconds=seconds))
        images.append(item(person().key))
    letters = sent(*pairwise(images))
    assert [letter.subject for letter in letters] == ["Votre rendez-vous est confirmé : votre convocation"] * 2
    assert len(letters[0].attachments) == 2


def test_the_convocation_is_sent_again_three_times_in_any_24_hours() -> None:
    request = confirmed()
    images = [item(person().key)]
    answers = []
    for hours in (0, 1, 1.01, 2, 3, 23, 24.1, 24.5, 25.1):
        answers.append(personal_data.send_convocation(request.token, NOW + timedelta(hours=hours))[1])
        images.append(item(person().key))
    assert answers == [True, True, True, True, False, False, True, False, True]
    assert len(sent(*pairwise(images))) == 5  # the one at 1.01 hours came within two minutes


def test_a_corrected_name_sends_its_convocation_also_after_three_and_counts_as_one_of_them() -> None:
    request = confirmed()
    for hours in (0, 1):
        assert personal_data.send_convocation(request.token, NOW + timedelta(hours=hours))[1]
    later = NOW + timedelta(hours=2)
    before = item(person().key)
    personal_data.correct(personal_data.view_correctable(request.token, later), "Awah", "Exemple", AWA.phone, now=later)
    assert len(sent((before, item(person().key)))) == 1
    assert not personal_data.send_convocation(request.token, NOW + timedelta(hours=3))[1]
    before = item(person().key)
    personal_data.correct(
        personal_data.view_correctable(request.token, later), "Awa", "Exemple", AWA.phone, now=later + PAUSE
    )
    assert len(sent((before, item(person().key)))) == 1


def test_a_request_that_is_not_confirmed_has_no_convocation_to_send_again() -> None:
    request = filed()
    with pytest.raises(refusals.LinkExpired):
        personal_data.send_convocation(request.token, NOW)
    requests.cancel(request.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        personal_data.send_convocation(request.token, NOW)


def test_no_convocation_goes_out_for_an_appointment_that_was_cancelled_while_the_mail_waited() -> None:
    request = confirmed()
    before = item(person().key)
    personal_data.send_convocation(request.token, NOW)
    change = (before, item(person().key))
    requests.cancel(request.token, NOW)
    assert sent(change) == []


# Corrections


def corrected(request: requests.Request, first: str, last: str, phone: str = AWA.phone) -> requests.Request:
    return personal_data.correct(personal_data.view_correctable(request.token, NOW), first, last, phone, now=NOW)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("Awah", "Exemple"),
        ("Exemple", "Awa"),
        ("AWA", "Éxemple"),
        ("Awa", "Exempel"),
        ("Awa", "Exem-ple"),
        ("Awa", "Xemple"),
    ],
)
@pytest.mark.slow
def test_a_name_is_corrected_by_its_spelling_and_the_desk_keeps_the_one_that_was_filed(first: str, last: str) -> None:
    request = confirmed()
    before = item(person().key)
    current = corrected(request, first, last)
    assert current.person
    assert (current.person.details.first_name, current.person.details.last_name) == (first, last)
    assert (current.person.as_filed, current.person.corrected) == (AWA, 1)
    letters = sent((before, item(person().key)))
    assert [letter.subject for letter in letters] == ["Votre rendez-vous est confirmé : votre convocation"]
    assert f"Bonjour {first} {last}," in letters[0].text


@pytest.mark.parametrize(
    ("first", "last"),
    [("Bob", "Exemple"), ("Awa", "Autre"), ("Awa", "Exemplaire"), ("A", "E"), ("Awa Marie", "Exemple")],
)
def test_another_name_is_refused_and_nothing_is_changed(first: str, last: str) -> None:
    request = confirmed()
    with pytest.raises(refusals.InvalidFields):
        corrected(request, first, last)
    assert person().details == AWA


def test_small_corrections_do_not_add_up_to_another_name_and_there_are_three() -> None:
    request = confirmed()
    corrected(request, "Awa", "Exampla")
    with pytest.raises(refusals.InvalidFields):
        corrected(request, "Ama", "Axampla")
    corrected(request, "Awa", "Exemple", "06 00 00 00 01")
    corrected(request, "Awa", "Exemple", "06 00 00 00 02")
    with pytest.raises(refusals.InvalidFields):
        corrected(request, "Awa", "Exemple", "06 00 00 00 03")
    assert (person().details.phone, person().corrected) == ("06 00 00 00 02", 3)


def test_a_phone_alone_brings_no_new_convocation_and_the_same_form_twice_is_one_correction() -> None:
    request = confirmed()
    before = item(person().key)
    for _ in range(2):
        corrected(request, "Awa", "Exemple", "06 00 00 00 01")
    assert person().corrected == 1
    assert sent((before, item(person().key))) == []


def test_two_corrections_that_read_the_same_details_are_one() -> None:
    request = confirmed()
    read = personal_data.view_correctable(request.token, NOW)
    personal_data.correct(read, "Awa", "Exempla", AWA.phone, now=NOW)
    personal_data.correct(read, "Awa", "Exempli", AWA.phone, now=NOW)
    assert (person().details.last_name, person().corrected) == ("Exempla", 1)


@pytest.mark.parametrize(
    ("new", "old", "same"),
    [
        ("Li Wu", "Li Wo", True),
        ("Li Wu", "La Wo", False),
        ("Li", "La", False),
        ("Nguyễn Thị Hoa", "NGUYEN Thi-Hoa", True),
        ("", "Li", False),
        ("Li", "", False),
        ("Exempel Awa", "Awa Exemple", True),
        ("Jan Mueller", "Jan Müller", True),
        ("Deniz ISIK", "Deniz Işık", True),
        ("Benali Awa", "Awa Ben Ali", True),
        ("Awa Benaly", "Awa Ben Ali", True),
        ("Marie Awa Exemple", "Awa Marie Exemple", True),
        ("Awa Dubois", "Awa Ben Ali", False),
    ],
)
def test_a_spelling_is_the_same_name_but_for_one_letter_in_four_and_two_at_most(
    new: str, old: str, *, same: bool
) -> None:
    assert names.is_respelling(new, old) is same


# A copy of all data


def test_an_applicant_reads_all_data_that_is_stored_and_until_when() -> None:
    request = confirmed()
    corrected(request, "Awah", "Exemple")
    data = personal_data.data(request.token, NOW)
    assert data["details"]["first_name"] == "Awah"
    assert data["details_as_filed"]["first_name"] == "Awa"
    assert data["details"]["email"] == "awa@example.org"
    assert data["erased_after"] == "2027-01-16"
    requests.cancel(request.token, NOW)
    assert personal_data.data(request.token, NOW) == {**data, "state": "cancelled"}
    assert seat_store.take(request.seat.key, "x", AFTER + timedelta(minutes=3), AFTER)
    with pytest.raises(refusals.LinkExpired):
        personal_data.data(request.token, AFTER)


def ended(how: State) -> requests.Request:
    """A request that has ended, whose details are still stored."""
    request = confirmed() if how is not State.EXPIRED else filed()
    if how is State.CANCELLED:
        requests.cancel(request.token, NOW)
    elif how is State.DISPLACED:
        assert seat_maintenance.displace(seat_store.read(request.seat.key), "r", NOW + timedelta(days=1))
    elif how is not State.EXPIRED:
        assert seat_store.end_request(seat_store.read(request.seat.key), how, NOW, NOW)
    return request


@pytest.mark.slow
@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("how", [State.CANCELLED, State.WITHDRAWN, State.EXPIRED, State.DISPLACED])
def test_the_link_of_a_request_that_has_ended_still_erases_its_person(how: State, *, swept: bool) -> None:
    request, now = ended(how), NOW + timedelta(days=2)
    if swept:
        schedule.end_expired(now)
    assert requests.view(request.token, now).state is how
    assert "Exemple" in stored()
    for _ in range(2):
        assert personal_data.erase(request.token, now).state is State.CANCELLED
    left = stored()
    for word in ("Exemple", "PERSON#", "EMAIL#", keys().person_key("Awa", "Exemple", AWA.birth_date)):
        assert word not in left
    with pytest.raises(refusals.LinkExpired):
        personal_data.data(request.token, now)


def test_the_old_link_of_a_request_that_moved_erases_nothing() -> None:
    request = confirmed()
    moved = move(request.token, datetime(2026, 12, 15, 10, 0, tzinfo=START.tzinfo), now=NOW)
    with pytest.raises(refusals.LinkExpired):
        personal_data.erase(request.token, NOW)
    assert seat_store.read(request.seat.key).person == ""
    assert personal_data.data(moved.token, NOW)["state"] == "confirmed"


def test_the_link_erases_nothing_once_somebody_else_has_the_seat() -> None:
    request = ended(State.CANCELLED)
    assert seat_store.take(request.seat.key, "x", AFTER + timedelta(minutes=3), AFTER)
    with pytest.raises(refusals.LinkExpired):
        personal_data.erase(request.token, AFTER)
    assert seat_store.read(request.seat.key).hold == "x"


def test_erasing_leaves_nothing_of_the_person_and_gives_the_seat_back_later() -> None:
    request = confirmed()
    assert "awa@example.org" in stored()
    for _ in range(2):
        assert personal_data.erase(request.token, NOW).state is State.CANCELLED
    left = stored()
    for word in ("awa@example.org", "Exemple", "1990-05-17", "06 12 34", "PERSON#", "EMAIL#"):
        assert word not in left
    freed = seat_store.read(request.seat.key)
    assert (freed.state, freed.past_state) == (State.OPEN, State.CANCELLED)
    assert freed.opens_at >= NOW + timedelta(hours=2)
    assert filed().state is State.PENDING


def test_an_erasure_that_was_cut_before_the_seat_is_finished_by_the_next() -> None:
    request = confirmed()
    person_store.erase(person(), [keys().email_key(AWA.email)])
    assert personal_data.erase(request.token, NOW).state is State.CANCELLED
    assert seat_store.read(request.seat.key).state is State.OPEN


def test_erasing_takes_nothing_of_a_newer_request_of_the_same_person() -> None:
    old = confirmed()
    requests.cancel(old.token, NOW)
    newer = filed()
    assert personal_data.erase(old.token, NOW).state is State.CANCELLED
    assert requests.view(newer.token, NOW).person
    person_store.erase(replace(person(), hold="another"), [keys().email_key(AWA.email)])
    assert person().details == AWA


def test_erasing_ends_the_choice_of_a_displaced_person() -> None:
    request = confirmed()
    assert seat_maintenance.displace(seat_store.read(request.seat.key), "r", NOW + timedelta(days=7))
    assert personal_data.erase(request.token, NOW).state is State.CANCELLED
    closed = seat_store.read(request.seat.key)
    assert (closed.state, closed.past_state, closed.person, closed.reserve) == (State.CLOSED, State.CANCELLED, "", "")
    assert "Exemple" not in stored()


# The reminder


TWO_DAYS_BEFORE = datetime(2026, 12, 15, 9, 0, tzinfo=ZoneInfo("UTC"))


def test_two_days_before_a_confirmed_appointment_its_reminder_goes_out_once() -> None:
    request = confirmed()
    before = seat(request.seat.key)
    assert schedule.end_expired(TWO_DAYS_BEFORE - timedelta(milliseconds=1))["reminders"] == 0
    assert schedule.end_expired(TWO_DAYS_BEFORE)["reminders"] == 1
    assert schedule.end_expired(TWO_DAYS_BEFORE + timedelta(minutes=1))["reminders"] == 0
    change = (before, seat(request.seat.key))
    letters = sent(change, change)
    assert [letter.subject for letter in letters] == ["Votre rendez-vous approche"]
    assert f"{request.token}/cancellation" in letters[0].text


def test_a_request_filed_less_than_three_days_before_has_no_reminder() -> None:
    late = START.astimezone(ZoneInfo("UTC")) - timedelta(hours=71)
    confirmed(now=late)
    assert schedule.end_expired(START.astimezone(ZoneInfo("UTC")) - timedelta(hours=40))["reminders"] == 0


def test_a_request_that_is_not_confirmed_or_has_begun_has_no_reminder() -> None:
    filed()
    assert schedule.end_expired(NOW + timedelta(days=1))["reminders"] == 0
    request = requests.confirm(filed(replace(AWA, first_name="Bob", email="bob@example.org")).token, NOW)
    assert schedule.end_expired(START.astimezone(ZoneInfo("UTC")))["reminders"] == 0
    assert not seat_store.read(request.seat.key).reminded


def test_a_seat_that_somebody_else_has_taken_gets_no_reminder() -> None:
    request = confirmed()
    read = seat_store.read(request.seat.key)
    requests.cancel(request.token, NOW)
    assert not seat_store.mark_reminder_due(read)
    later = seat_store.read(request.seat.key).opens_at
    assert seat_store.take(request.seat.key, "x", later + timedelta(minutes=3), later)
    assert not seat_store.mark_reminder_due(read)


def test_a_request_that_moved_is_reminded_of_its_new_date() -> None:
    request = confirmed()
    schedule.end_expired(TWO_DAYS_BEFORE)
    moved = move(request.token, datetime(2026, 12, 15, 10, 0, tzinfo=START.tzinfo), now=NOW)
    assert not seat_store.read(moved.seat.key).reminded
    assert schedule.end_expired(NOW + timedelta(days=13, hours=3))["reminders"] == 1


def test_the_link_of_an_appointment_that_is_over_shows_and_erases_nothing_of_a_newer_request() -> None:
    old = confirmed()
    later = START + timedelta(days=1)
    seat = seat_store.read(old.seat.key)
    newer = SeatKey(date(2026, 12, 31), seat.key.start, 1, "aes")
    seat_store.create(newer, NOW, NOW + timedelta(days=90))
    now = later.astimezone(NOW.tzinfo)
    assert seat_store.take(newer, "h2", now + timedelta(hours=1), now)
    owner = replace(person(), seat=newer, hold="h2", sent=frozenset())
    assert seat_store.pass_captcha(newer, "h2", 1, now + timedelta(hours=1), now, most=5)
    until, erase_at = now + timedelta(hours=1), now + timedelta(days=60)
    assert request_store.file(
        owner, "a", until, now=now, erase_at=erase_at, is_live=lock_store.LockRule(lambda *_: False, erase_at)
    )
    assert requests.view(old.token, now).person is None
    assert personal_data.data(old.token, now)["reference"] == old.reference
    personal_data.erase(old.token, now)
    assert person().hold == "h2"
