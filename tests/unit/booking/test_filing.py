"""What changes a request and its locks together: nothing is left behind, nobody has two, nobody is forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.mail import bounces, outbox
from chalicelib.storage import (
    dynamodb,
    items,
    move_store,
    person_store,
    request_store,
    seat_admin,
    seat_store,
    service_store,
)
from tests.conftest import MONDAY
from tests.unit.booking.steps import at_once
from tests.unit.mail.postman import Postman, after, bounce, image

NOW = MONDAY + timedelta(seconds=1)
PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 12, 17, 10, 0, tzinfo=PARIS)
ANOTHER = datetime(2026, 12, 15, 10, 0, tzinfo=PARIS)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
BEN = Details("Ben", "Exemple", "", date(1985, 1, 2), "ben@example.org", "06 12 34 56 79", "en")

pytestmark = pytest.mark.usefixtures("service")


def captcha_passed(start: datetime = START) -> str:
    """The id of a hold that is ready for the details."""
    kept = holds.place("aes", Wish(start, conditions_accepted=True), now=NOW)
    asked = captcha.new_challenge(kept.id, NOW)
    return captcha.answer(kept.id, asked.id, asked.picture, now=NOW).id


def filed(details: Details = AWA, start: datetime = START) -> requests.Request:
    return filing.file(captcha_passed(start), details, now=NOW)


def confirmed(details: Details = AWA, start: datetime = START) -> requests.Request:
    return requests.confirm(filed(details, start).token, NOW)


def person(details: Details = AWA) -> Person:
    key = keys().person_key(details.first_name, details.last_name, details.birth_date)
    read = person_store.read(key, "aes")
    assert read
    return read


def lock_items() -> set[str]:
    """The keys of everything that is kept of people."""
    return {
        row.pk
        for row in items.LockItem.scan(items.LockItem.pk.startswith("PERSON#") | items.LockItem.pk.startswith("EMAIL#"))
    }


def address(details: Details) -> str:
    return f"EMAIL#{keys().email_key(details.email)}"


# Filing


def test_a_refused_filing_leaves_no_lock_on_the_address_of_somebody_else() -> None:
    filed()
    hold = captcha_passed(ANOTHER)
    before = lock_items()
    for n in range(5):
        with pytest.raises(refusals.AlreadyRequested):
            filing.file(hold, replace(AWA, email=f"victim{n}@example.org"), now=NOW)
    assert lock_items() == before
    assert filed(replace(BEN, email="victim0@example.org"), ANOTHER).state is State.PENDING


def test_a_refused_filing_leaves_no_lock_on_the_person() -> None:
    filed()
    hold = captcha_passed(ANOTHER)
    with pytest.raises(refusals.AlreadyRequested):
        filing.file(hold, replace(BEN, email=AWA.email), now=NOW)
    assert filing.file(hold, BEN, now=NOW).state is State.PENDING


def test_filing_before_the_captcha_or_after_the_hold_ran_out_writes_nothing() -> None:
    hold = holds.place("aes", Wish(START, conditions_accepted=True), now=NOW)
    until, counts = NOW + timedelta(days=1), filing.lock_rule(hold.service, NOW)
    wished = Person("p", "aes", hold.seat.key, hold.seat.hold, AWA, "AES-22222-22222", NOW)
    assert not request_store.file(wished, "a", until, now=NOW, erase_at=until, counts=counts)
    asked = captcha.new_challenge(hold.id, NOW)
    captcha.answer(hold.id, asked.id, asked.picture, now=NOW)
    late = NOW + timedelta(minutes=15)
    assert not request_store.file(wished, "a", until, now=late, erase_at=until, counts=counts)
    assert lock_items() == set()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_two_people_on_one_hold_at_once_one_files_and_nothing_of_the_other_is_kept() -> None:
    hold = captcha_passed()
    told = at_once(*(lambda d=d: filing.file(hold, d, now=NOW) for d in (AWA, BEN)))
    filed_requests = [answer for answer in told if isinstance(answer, requests.Request)]
    assert [type(answer) for answer in told if isinstance(answer, refusals.Refusal)] == [refusals.HoldExpired]
    assert [request.state for request in filed_requests] == [State.PENDING]
    assert len(lock_items()) == 2
    assert filed_requests[0].person
    assert address(filed_requests[0].person.details) in lock_items()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_the_same_form_sent_eight_times_at_once_is_one_request() -> None:
    hold = captcha_passed()
    told = at_once(*[lambda: filing.file(hold, AWA, now=NOW)] * 8)
    assert {answer.reference for answer in told if isinstance(answer, requests.Request)} == {person().reference}
    assert len(told) == 8


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_holds_filed_at_once_for_one_person_one_becomes_a_request() -> None:
    holds = [captcha_passed(START + timedelta(minutes=5 * n)) for n in range(4)]
    told = at_once(
        *(
            lambda n=n, h=h: filing.file(h, replace(AWA, email=f"a{n}@example.org"), now=NOW)
            for n, h in enumerate(holds)
        )
    )
    assert sum(isinstance(answer, requests.Request) for answer in told) == 1


def test_a_lock_whose_request_moved_while_it_was_read_still_counts() -> None:
    request, hold = confirmed(), captcha_passed(START + timedelta(minutes=5))
    moved: list[requests.Request] = []

    def counts(_key: SeatKey, _hold: str, _person: str) -> bool:
        """Say of the seat that was read that it no longer carries the request: it has just moved."""
        if moved:
            return True
        moved.append(moves.move(request.token, ANOTHER, now=NOW))
        return False

    ticket = holds.view(hold, NOW)
    wished = Person(person().key, "aes", ticket.seat.key, ticket.seat.hold, AWA, "AES-22222-22222", NOW)
    later = NOW + timedelta(days=1)
    with pytest.raises(refusals.AlreadyRequested):
        request_store.file(wished, "a", later, now=NOW, erase_at=later, counts=counts)
    assert person().hold == request.seat.hold


# Correcting a name


def corrected(request: requests.Request, first: str, last: str = "Exemple") -> requests.Request:
    return personal_data.correct(personal_data.view_correctable(request.token, NOW), first, last, AWA.phone, now=NOW)


def test_a_corrected_name_is_locked_as_well_as_the_one_that_was_filed() -> None:
    corrected(confirmed(), "Awah")
    for first in ("Awa", "Awah"):
        with pytest.raises(refusals.AlreadyRequested):
            filed(replace(AWA, first_name=first, email="other@example.org"), ANOTHER)


def test_a_name_is_not_corrected_to_one_that_has_a_request_of_its_own() -> None:
    request = confirmed()
    confirmed(replace(AWA, first_name="Awah", email="awah@example.org"), ANOTHER)
    with pytest.raises(refusals.AlreadyRequested):
        corrected(request, "Awah")
    assert (person().details, person().corrected) == (AWA, 1)  # a refused one counts


def test_a_corrected_name_stays_locked_after_a_move_and_is_free_after_the_end() -> None:
    request = confirmed()
    corrected(request, "Awah")
    moved = moves.move(request.token, ANOTHER, now=NOW)
    awah = replace(AWA, first_name="Awah", email="other@example.org")
    with pytest.raises(refusals.AlreadyRequested):
        filed(awah)
    requests.cancel(moved.token, NOW)
    assert filed(awah, START + timedelta(minutes=5)).state is State.PENDING


def test_a_corrected_name_can_be_corrected_back_and_is_erased_with_the_rest() -> None:
    request = confirmed()
    corrected(request, "Awah")
    corrected(request, "Awa")
    assert person().details == AWA
    personal_data.erase(request.token, NOW)
    assert lock_items() == set()


# Erasing and moving


@pytest.mark.parametrize("how", [State.CONFIRMED, State.DISPLACED])
def test_an_erasure_that_loses_to_a_move_erases_nothing_and_the_new_seat_has_its_owner(how: State) -> None:
    request = confirmed()
    if how is State.DISPLACED:
        assert seat_admin.displace(seat_store.read(request.seat.key), "r", NOW + timedelta(days=7))
    read, seat = person(), seat_store.read(request.seat.key)
    moved = moves.move(request.token, ANOTHER, now=NOW)
    locks = [keys().email_key(AWA.email)]
    if how is State.DISPLACED:
        person_store.erase(read, locks)
    else:
        assert not request_store.erase(seat, read, locks, ended=State.CANCELLED, opens_at=NOW, now=NOW)
    assert len(lock_items()) == 2
    assert requests.view(moved.token, NOW).person
    with pytest.raises(refusals.LinkExpired):
        personal_data.erase(request.token, NOW)


@pytest.mark.usefixtures("one_call_at_a_time")
@pytest.mark.parametrize("seed", range(6))
def test_moving_and_erasing_at_once_leave_no_seat_without_its_owner(seed: int) -> None:
    request = confirmed()
    at_once(
        lambda: moves.move(request.token, ANOTHER, now=NOW, rng=Random(seed)),  # noqa: S311  # a chance to draw again
        lambda: personal_data.erase(request.token, NOW, random_fraction=lambda: 0.5),
    )
    booked = [
        seat
        for week in ("2026-W51", "2026-W50")
        for seat in seat_store.read_week("aes", week)
        if seat.state in {State.PENDING, State.CONFIRMED}
    ]
    assert [seat.hold for seat in booked] == ([person().hold] if lock_items() else [])


def test_a_move_that_loses_to_a_cancellation_says_that_the_link_is_over() -> None:
    request = confirmed()
    stale = requests.view(request.token, NOW)
    requests.cancel(request.token, NOW)
    key = seat_store.read_week("aes", "2026-W51")[0].key
    assert move_store.move(moves._move(stale, key, NOW), NOW) is move_store.MoveResult.NOT_ITS_OWN  # noqa: SLF001  # the call that lost
    assert isinstance(moves._why_not_moved(requests.view(request.token, NOW)), refusals.LinkExpired)  # noqa: SLF001  # what is said then


def test_an_erasure_after_the_appointment_leaves_the_locks_that_a_newer_request_has_replaced() -> None:
    request = confirmed()
    corrected(request, "Awah")
    late = START + timedelta(days=1)
    key = replace(request.seat.key, day=date(2026, 12, 29))
    seat_store.create(key, NOW, late + timedelta(days=60))
    seat_store.take(key, "newer", late + timedelta(hours=1), late, captcha_passed=True)
    ben = replace(BEN, email=AWA.email)  # a family that shares a mailbox
    newer = Person(keys().person_key("Ben", "Exemple", BEN.birth_date), "aes", key, "newer", ben, "AES-3", late)
    until, own = late + timedelta(hours=2), keys().email_key(AWA.email)
    rule = filing.lock_rule(service_store.read("aes", late), late)
    assert request_store.file(newer, own, until, now=late, erase_at=until, counts=rule)
    assert personal_data.erase(request.token, late).state is State.CANCELLED
    assert lock_items() == {f"PERSON#{newer.key}", address(ben)}


# Correcting the e-mail address


RIGHT = "awa@example.net"


def test_a_mistyped_address_is_corrected_and_the_letter_goes_to_the_new_one() -> None:
    hold = captcha_passed()
    request = filing.file(hold, AWA, now=NOW)
    record = after(request, lambda _token: filing.change_email(hold, RIGHT, now=NOW))
    post = Postman()
    outbox.deliver([record, record], now=NOW, send=post)
    assert [letter.to for letter, _ in post.sent] == [RIGHT]
    current = filing.file(hold, replace(AWA, email=RIGHT), now=NOW)
    assert f"/requests/{current.token}" in post.sent[0][0].text
    assert current.token != request.token
    with pytest.raises(refusals.LinkExpired):
        requests.view(request.token, NOW)
    assert requests.confirm(current.token, NOW).state is State.CONFIRMED


def test_the_first_letter_is_not_sent_any_more_once_the_address_was_corrected() -> None:
    hold = captcha_passed()
    key = holds.view(hold, NOW).seat.key
    before = image(key)
    filing.file(hold, AWA, now=NOW)
    first = ("1", before, image(key))
    filing.change_email(hold, RIGHT, now=NOW)
    post = Postman()
    outbox.deliver([first], now=NOW, send=post)
    assert post.sent == []


def test_sending_the_form_again_with_another_address_corrects_it() -> None:
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    filing.file(hold, replace(AWA, email=RIGHT), now=NOW)
    assert person().details.email == RIGHT


def test_the_old_address_is_free_again_and_the_new_one_is_locked() -> None:
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    filing.change_email(hold, RIGHT, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BEN, email=RIGHT), ANOTHER)
    assert filed(replace(BEN, email=AWA.email), ANOTHER).state is State.PENDING


def test_an_address_that_has_a_request_of_its_own_is_refused_and_nothing_changes() -> None:
    filed(BEN, ANOTHER)
    hold = captcha_passed()
    request = filing.file(hold, AWA, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filing.change_email(hold, BEN.email, now=NOW)
    assert person().details == AWA
    assert requests.view(request.token, NOW).state is State.PENDING


def test_another_spelling_of_the_same_mailbox_is_a_correction_too() -> None:
    hold = captcha_passed()
    filing.file(hold, replace(AWA, email="awa@gmail.com"), now=NOW)
    filing.change_email(hold, "a.wa@gmail.com", now=NOW)
    assert (person().details.email, person().generation) == ("a.wa@gmail.com", 1)
    assert len(lock_items()) == 2


def test_an_address_is_corrected_twice_and_no_more() -> None:
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    for n in (1, 2):
        filing.change_email(hold, f"awa{n}@example.net", now=NOW)
    with pytest.raises(refusals.InvalidFields):
        filing.change_email(hold, "awa3@example.net", now=NOW)
    filing.change_email(hold, "awa2@example.net", now=NOW)  # the same again is no correction
    assert person().details.email == "awa2@example.net"


@pytest.mark.parametrize(
    ("later", "may"), [(timedelta(minutes=15, milliseconds=-1), True), (timedelta(minutes=15), False)]
)
def test_an_address_is_corrected_within_the_time_of_the_form_only(later: timedelta, may: bool) -> None:  # noqa: FBT001  # an expected value
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    if may:
        filing.change_email(hold, RIGHT, now=NOW + later)
    else:
        with pytest.raises(refusals.InvalidFields):
            filing.change_email(hold, RIGHT, now=NOW + later)
    assert (person().details.email == RIGHT) is may
    assert filing.view_filed(holds.view(hold, NOW + later), NOW + later) == ((RIGHT, 1) if may else ("", 0))


def test_after_the_confirmation_the_address_stays_and_is_not_shown() -> None:
    hold = captcha_passed()
    request = filing.file(hold, AWA, now=NOW)
    requests.confirm(request.token, NOW)
    with pytest.raises(refusals.InvalidFields):
        filing.change_email(hold, RIGHT, now=NOW)
    assert filing.view_filed(holds.view(hold, NOW), NOW) == ("", 0)


def test_a_correction_that_loses_to_a_confirmation_changes_nothing() -> None:
    hold = captcha_passed()
    request = filing.file(hold, AWA, now=NOW)
    seat, read = seat_store.read(request.seat.key), person()
    requests.confirm(request.token, NOW)
    new = request_store.NewEmail(RIGHT, keys().email_key(AWA.email), keys().email_key(RIGHT))
    later = NOW + timedelta(days=1)
    done = request_store.change_email(seat, read, new, later, now=NOW, erase_at=later, counts=lambda *_: True)
    assert not done
    assert person().details == AWA


def test_before_the_details_there_is_no_address_to_correct() -> None:
    with pytest.raises(refusals.HoldExpired):
        filing.change_email(captcha_passed(), RIGHT, now=NOW)


def test_the_link_of_a_corrected_address_survives_two_moves_and_the_older_link_does_not() -> None:
    hold = captcha_passed()
    old = filing.file(hold, AWA, now=NOW)
    current = filing.change_email(hold, RIGHT, now=NOW)
    requests.confirm(current.token, NOW)
    away = moves.move(current.token, ANOTHER, now=NOW)
    seat_store.update(old.seat.key, [items.SeatItem.opens_at.set(NOW)], items.SeatItem.pk.exists())
    service_store.forget()
    seat_store.take(replace(old.seat.key, unit=3 - old.seat.key.unit), "x", NOW + timedelta(days=1), NOW)
    back = moves.move(away.token, START, now=NOW)
    assert back.seat.key == old.seat.key
    assert back.token == current.token
    with pytest.raises(refusals.LinkExpired):
        requests.view(old.token, NOW)


def test_a_bounce_leaves_the_time_of_the_form_to_correct_the_address() -> None:
    hold = captcha_passed()
    request = filing.file(hold, AWA, now=NOW)
    bounces.handle(bounce(), NOW + timedelta(minutes=1))
    seat = seat_store.read(request.seat.key)
    assert (seat.state, seat.until) == (State.PENDING, NOW + timedelta(minutes=15))
    assert person().stopped == "bounced"
    filing.change_email(hold, RIGHT, now=NOW + timedelta(minutes=2))
    assert seat_store.read(request.seat.key).until == request.confirm_before
    assert person().stopped == ""


def test_a_bounce_of_the_old_address_that_was_read_before_the_correction_stops_nothing() -> None:
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    request = person_store.request_of_email(keys().email_key(AWA.email), "aes")
    assert request
    filing.change_email(hold, RIGHT, now=NOW)
    assert not person_store.stop_letters(request, "aes", "bounced")
    assert person().stopped == ""


@pytest.mark.parametrize("right", [RIGHT, "AWA@example.org"])
def test_a_bounce_of_a_corrected_address_stops_its_letters(right: str) -> None:
    hold = captcha_passed()
    filing.file(hold, AWA, now=NOW)
    filing.change_email(hold, right, now=NOW)
    request = person_store.request_of_email(keys().email_key(right), "aes")
    assert request
    assert person_store.stop_letters(request, "aes", "bounced")


# Letters of a request that a newer one has replaced


def test_the_letter_about_a_cancellation_leaves_although_its_owner_booked_again_at_once() -> None:
    request = confirmed()
    person_store.mark_sent(person(), "convocation")
    record = after(request, lambda _token: requests.cancel(request.token, NOW))
    newer = filed(start=ANOTHER)
    post = Postman()
    outbox.deliver([record, record], now=NOW, send=post)
    assert [letter.subject for letter, _ in post.sent] == ["Votre rendez-vous est annulé"]
    assert "method=CANCEL" in post.sent[0][0].attachments[0].content_type
    assert request.reference in post.sent[0][0].text
    assert person().reference == newer.reference
    assert person().sent == frozenset()


def test_the_copy_for_the_last_letters_is_kept_two_weeks_and_is_erased_with_the_newer_request() -> None:
    request = confirmed()
    requests.cancel(request.token, NOW)
    newer = filed(start=ANOTHER)
    copy = items.replaced_person_item(person().key, "aes", request.seat.hold)
    copy.refresh()
    assert copy.erase_at == int((NOW + timedelta(days=14)).timestamp())
    assert person_store.read_replaced(person().key, "aes", request.seat.hold) == replace(
        person(), seat=request.seat.key, hold=request.seat.hold, reference=request.reference, replaced=True
    )
    personal_data.erase(newer.token, NOW)
    assert lock_items() == set()


def test_a_copy_calls_for_no_letter_of_its_own() -> None:
    request = confirmed()
    personal_data.send_convocation(request.token, NOW)
    requests.cancel(request.token, NOW)
    filed(start=ANOTHER)
    copy = items.replaced_person_item(person().key, "aes", request.seat.hold)
    copy.refresh()
    assert outbox.letter_due(None, copy.serialize()) is None


def test_the_old_link_of_a_replaced_request_erases_its_copy_and_nothing_of_the_newer_one() -> None:
    request = confirmed()
    requests.cancel(request.token, NOW)
    newer = filed(start=ANOTHER)
    personal_data.erase(request.token, NOW)
    assert person_store.read_replaced(person().key, "aes", request.seat.hold) is None
    assert requests.view(newer.token, NOW).person


# Another write in the way


@pytest.fixture
def conflicts() -> Iterator[list[int]]:
    """How often the next transactions are told that another write is in the way."""
    events = dynamodb.connection().connection.client.meta.events
    left = [0]

    def refuse(**_: object) -> None:
        if left[0]:
            left[0] -= 1
            said = {"Error": {"Code": "TransactionCanceledException", "Message": "no"}}
            raise ClientError(said | {"CancellationReasons": [{"Code": "TransactionConflict"}]}, "TransactWriteItems")

    events.register_first("before-call.dynamodb.TransactWriteItems", refuse)
    yield left
    events.unregister("before-call.dynamodb.TransactWriteItems", refuse)


def test_a_write_in_the_way_is_tried_again_twice_and_then_told_as_too_many_requests(conflicts: list[int]) -> None:
    hold = captcha_passed()
    conflicts[0] = 3
    with pytest.raises(refusals.TooManyRequests):
        filing.file(hold, AWA, now=NOW)
    assert lock_items() == set()
    conflicts[0] = 2
    request = filing.file(hold, AWA, now=NOW)
    conflicts[0] = 2
    personal_data.erase(request.token, NOW)
    assert lock_items() == set()


def test_a_move_with_a_write_in_the_way_is_told_as_too_many_requests_and_can_be_sent_again(
    conflicts: list[int],
) -> None:
    request = confirmed()
    conflicts[0] = 1
    with pytest.raises(refusals.TooManyRequests):
        moves.move(request.token, ANOTHER, now=NOW)
    assert moves.move(request.token, ANOTHER, now=NOW).start == ANOTHER
