"""File, correct, move and erase a request: its seat, its person item and its locks change together."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

import pytest
from botocore.exceptions import ClientError

from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests
from chalicelib.booking.holds import Wish
from chalicelib.booking.locks import lock_rule
from chalicelib.domain import refusals
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Key, State
from chalicelib.keys import keys
from chalicelib.mail import bounces, outbox
from chalicelib.storage import (
    dynamodb,
    items,
    lock_store,
    person_store,
    request_store,
    seat_maintenance,
    seat_store,
    service_store,
)
from tests.unit.booking.steps import (
    AWA,
    BEN,
    NOW,
    PARIS,
    START,
    at_once,
    captcha_passed,
    confirmed,
    filed,
    move,
    person,
    send_details,
)
from tests.unit.mail.postman import Postman, after, bounce, image

ANOTHER = datetime(2026, 12, 15, 10, 0, tzinfo=PARIS)

pytestmark = pytest.mark.usefixtures("service")


def ready(start: datetime = START) -> str:
    """Return the id of a hold that is ready for the details."""
    return captcha_passed(start).id


def lock_items() -> set[str]:
    """Return the keys of all items of people."""
    return {
        row.pk
        for row in items.LockItem.scan(items.LockItem.pk.startswith("PERSON#") | items.LockItem.pk.startswith("EMAIL#"))
    }


def email_lock(details: Details) -> str:
    return f"EMAIL#{keys().email_key(details.email)}"


# Filing


def test_a_refused_filing_leaves_no_lock_on_an_e_mail_address() -> None:
    filed()
    hold = ready(ANOTHER)
    before = lock_items()
    for n in range(5):
        with pytest.raises(refusals.AlreadyRequested):
            send_details(hold, replace(AWA, email=f"victim{n}@example.org"), now=NOW)
    assert lock_items() == before
    assert filed(replace(BEN, email="victim0@example.org"), ANOTHER).state is State.PENDING


def test_a_refused_filing_leaves_no_lock_on_the_person() -> None:
    filed()
    hold = ready(ANOTHER)
    with pytest.raises(refusals.AlreadyRequested):
        send_details(hold, replace(BEN, email=AWA.email), now=NOW)
    assert send_details(hold, BEN, now=NOW).state is State.PENDING


def test_filing_before_the_captcha_or_after_the_hold_ran_out_writes_nothing() -> None:
    hold = holds.place("aes", Wish(START, conditions_accepted=True), now=NOW)
    until, counts = NOW + timedelta(days=1), lock_rule(hold.service, NOW)
    wished = Person("p", "aes", hold.key, hold.digest, AWA, "AES-22222-22222", NOW)
    assert not request_store.file(wished, "a", until, now=NOW, erase_at=until, is_live=counts)
    challenge = captcha.new_challenge(hold.id, NOW)
    captcha.answer(hold.id, challenge.id, challenge.picture, now=NOW)
    late = NOW + timedelta(minutes=15)
    assert not request_store.file(wished, "a", until, now=late, erase_at=until, is_live=counts)
    assert lock_items() == set()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_two_people_who_file_on_one_hold_one_succeeds_and_nothing_of_the_other_is_stored() -> None:
    hold = ready()
    answers = at_once(*(lambda d=d: send_details(hold, d, now=NOW) for d in (AWA, BEN)))
    filed_requests = [answer for answer in answers if isinstance(answer, requests.Request)]
    assert [type(answer) for answer in answers if isinstance(answer, refusals.Refusal)] == [refusals.HoldExpired]
    assert [request.state for request in filed_requests] == [State.PENDING]
    assert len(lock_items()) == 2
    assert filed_requests[0].person
    assert email_lock(filed_requests[0].person.details) in lock_items()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_the_same_form_sent_eight_times_at_once_is_one_request() -> None:
    hold = ready()
    answers = at_once(*[lambda: send_details(hold, AWA, now=NOW)] * 8)
    assert {answer.reference for answer in answers if isinstance(answer, requests.Request)} == {person().reference}
    assert len(answers) == 8


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_holds_filed_at_once_for_one_person_one_becomes_a_request() -> None:
    holds = [ready(START + timedelta(minutes=5 * n)) for n in range(4)]
    answers = at_once(
        *(
            lambda n=n, h=h: send_details(h, replace(AWA, email=f"a{n}@example.org"), now=NOW)
            for n, h in enumerate(holds)
        )
    )
    assert sum(isinstance(answer, requests.Request) for answer in answers) == 1


def test_a_lock_whose_request_moved_while_it_was_read_still_counts() -> None:
    request, hold = confirmed(), ready(START + timedelta(minutes=5))
    moved: list[requests.Request] = []

    def counts(_key: Key, _hold: str, _person: str) -> bool:
        """Move the request, and say that the seat read before no longer carries it."""
        if moved:
            return True
        moved.append(move(request.token, ANOTHER, now=NOW))
        return False

    held = holds.view(hold, NOW)
    wished = Person(person().key, "aes", held.key, held.digest, AWA, "AES-22222-22222", NOW)
    later = NOW + timedelta(days=1)
    with pytest.raises(refusals.AlreadyRequested):
        request_store.file(wished, "a", later, now=NOW, erase_at=later, is_live=lock_store.LockRule(counts, later))
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
    moved = move(request.token, ANOTHER, now=NOW)
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


@pytest.mark.parametrize("state", [State.CONFIRMED, State.DISPLACED])
def test_an_erasure_that_loses_to_a_move_erases_nothing(state: State) -> None:
    request = confirmed()
    if state is State.DISPLACED:
        assert seat_maintenance.displace(seat_store.read(request.seat.key), "r", NOW + timedelta(days=7))
    read, seat = person(), seat_store.read(request.seat.key)
    moved = move(request.token, ANOTHER, now=NOW)
    locks = [keys().email_key(AWA.email)]
    if state is State.DISPLACED:
        person_store.erase(read, locks)
    else:
        assert not request_store.erase(seat, read, locks, ended=State.CANCELLED, opens_at=NOW, now=NOW)
    assert len(lock_items()) == 2
    assert requests.view(moved.token, NOW).person
    with pytest.raises(refusals.LinkExpired):
        personal_data.erase(request.token, NOW)


@pytest.mark.usefixtures("one_call_at_a_time")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.slow
def test_moving_and_erasing_at_once_leave_no_seat_without_its_person(seed: int) -> None:
    request = confirmed()
    at_once(
        lambda: move(request.token, ANOTHER, now=NOW, rng=Random(seed)),  # noqa: S311  # a chance to draw again
        lambda: personal_data.erase(request.token, NOW, random_fraction=lambda: 0.5),
    )
    booked = [
        seat
        for week in ("2026-W51", "2026-W50")
        for seat in seat_store.read_week("aes", week)
        if seat.state in {State.PENDING, State.CONFIRMED}
    ]
    assert [seat.hold for seat in booked] == ([person().hold] if lock_items() else [])


def test_a_move_of_a_request_that_was_cancelled_since_it_was_read_changes_nothing() -> None:
    request = confirmed()
    requests.cancel(request.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        moves.move(request, ANOTHER, now=NOW)
    assert all(seat.state is State.OPEN for seat in seat_store.read_week("aes", "2026-W51"))


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
    rule = lock_rule(service_store.read("aes", late), late)
    assert request_store.file(newer, own, until, now=late, erase_at=until, is_live=rule)
    assert personal_data.erase(request.token, late).state is State.CANCELLED
    assert lock_items() == {f"PERSON#{newer.key}", email_lock(ben)}


# Correcting the e-mail address


RIGHT = "awa@example.net"


def test_a_mistyped_address_is_corrected_and_the_letter_goes_to_the_new_one() -> None:
    hold = ready()
    request = send_details(hold, AWA, now=NOW)
    record = after(request, lambda _token: filing.change_email(hold, RIGHT, now=NOW))
    post = Postman()
    outbox.deliver([record, record], now=NOW, send=post)
    assert [letter.to for letter, _ in post.sent] == [RIGHT]
    current = send_details(hold, replace(AWA, email=RIGHT), now=NOW)
    assert f"/requests/{current.token}" in post.sent[0][0].text
    assert current.token != request.token
    with pytest.raises(refusals.LinkExpired):
        requests.view(request.token, NOW)
    assert requests.confirm(current.token, NOW).state is State.CONFIRMED


def test_the_first_letter_is_not_sent_any_more_once_the_address_was_corrected() -> None:
    hold = ready()
    key = holds.view(hold, NOW).key
    before = image(key)
    send_details(hold, AWA, now=NOW)
    first = ("1", before, image(key))
    filing.change_email(hold, RIGHT, now=NOW)
    post = Postman()
    outbox.deliver([first], now=NOW, send=post)
    assert post.sent == []


def test_sending_the_form_again_with_another_address_corrects_it() -> None:
    hold = ready()
    send_details(hold, AWA, now=NOW)
    send_details(hold, replace(AWA, email=RIGHT), now=NOW)
    assert person().details.email == RIGHT


def test_the_old_address_is_free_again_and_the_new_one_is_locked() -> None:
    hold = ready()
    send_details(hold, AWA, now=NOW)
    filing.change_email(hold, RIGHT, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BEN, email=RIGHT), ANOTHER)
    assert filed(replace(BEN, email=AWA.email), ANOTHER).state is State.PENDING


def test_an_address_that_has_a_request_of_its_own_is_refused_and_nothing_changes() -> None:
    filed(BEN, ANOTHER)
    hold = ready()
    request = send_details(hold, AWA, now=NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filing.change_email(hold, BEN.email, now=NOW)
    assert person().details == AWA
    assert requests.view(request.token, NOW).state is State.PENDING


def test_another_spelling_of_the_same_mailbox_is_a_correction_too() -> None:
    hold = ready()
    send_details(hold, replace(AWA, email="awa@gmail.com"), now=NOW)
    filing.change_email(hold, "a.wa@gmail.com", now=NOW)
    assert (person().details.email, person().generation) == ("a.wa@gmail.com", 1)
    assert len(lock_items()) == 2


def test_an_address_is_corrected_twice_and_no_more() -> None:
    hold = ready()
    send_details(hold, AWA, now=NOW)
    for n in (1, 2):
        filing.change_email(hold, f"awa{n}@example.net", now=NOW)
    with pytest.raises(refusals.InvalidFields):
        filing.change_email(hold, "awa3@example.net", now=NOW)
    filing.change_email(hold, "awa2@example.net", now=NOW)  # the same again is no correction
    assert person().details.email == "awa2@example.net"


@pytest.mark.parametrize(
    ("later", "may"), [(timedelta(minutes=15, milliseconds=-1), True), (timedelta(minutes=15), False)]
)
def test_an_e_mail_address_is_corrected_within_the_time_of_the_form_only(later: timedelta, may: bool) -> None:  # noqa: FBT001  # an expected value
    hold = ready()
    send_details(hold, AWA, now=NOW)
    if may:
        filing.change_email(hold, RIGHT, now=NOW + later)
    else:
        with pytest.raises(refusals.InvalidFields):
            filing.change_email(hold, RIGHT, now=NOW + later)
    assert (person().details.email == RIGHT) is may
    assert filing.view_filed(holds.view_ready(hold, NOW + later), NOW + later) == ((RIGHT, 1) if may else ("", 0))


def test_after_the_confirmation_the_address_stays_and_is_not_shown() -> None:
    hold = ready()
    request = send_details(hold, AWA, now=NOW)
    requests.confirm(request.token, NOW)
    with pytest.raises(refusals.InvalidFields):
        filing.change_email(hold, RIGHT, now=NOW)
    assert filing.view_filed(holds.view_ready(hold, NOW), NOW) == ("", 0)


def test_a_correction_that_loses_to_a_confirmation_changes_nothing() -> None:
    hold = ready()
    request = send_details(hold, AWA, now=NOW)
    seat, read = seat_store.read(request.seat.key), person()
    requests.confirm(request.token, NOW)
    new = request_store.NewEmail(RIGHT, keys().email_key(AWA.email), keys().email_key(RIGHT))
    later = NOW + timedelta(days=1)
    done = request_store.change_email(
        seat, read, new, later, now=NOW, erase_at=later, is_live=lock_store.LockRule(lambda *_: True, later)
    )
    assert not done
    assert person().details == AWA


def test_before_the_details_there_is_no_address_to_correct() -> None:
    with pytest.raises(refusals.HoldExpired):
        filing.change_email(ready(), RIGHT, now=NOW)


def test_the_link_of_a_corrected_address_survives_two_moves_and_the_older_link_does_not() -> None:
    hold = ready()
    old = send_details(hold, AWA, now=NOW)
    current = filing.change_email(hold, RIGHT, now=NOW)
    requests.confirm(current.token, NOW)
    away = move(current.token, ANOTHER, now=NOW)
    seat_store.update(old.seat.key, [items.SeatItem.opens_at.set(NOW)], items.SeatItem.pk.exists())
    service_store.clear_caches()
    seat_store.take(replace(old.seat.key, unit=3 - old.seat.key.unit), "x", NOW + timedelta(days=1), NOW)
    back = move(away.token, START, now=NOW)
    assert back.seat.key == old.seat.key
    assert back.token == current.token
    with pytest.raises(refusals.LinkExpired):
        requests.view(old.token, NOW)


def test_a_bounce_leaves_the_time_of_the_form_to_correct_the_address() -> None:
    hold = ready()
    request = send_details(hold, AWA, now=NOW)
    bounces.handle(bounce(), NOW + timedelta(minutes=1))
    seat = seat_store.read(request.seat.key)
    assert (seat.state, seat.until) == (State.PENDING, NOW + timedelta(minutes=15))
    assert person().stopped == "bounced"
    filing.change_email(hold, RIGHT, now=NOW + timedelta(minutes=2))
    assert seat_store.read(request.seat.key).until == request.confirm_before
    assert person().stopped == ""


def test_a_bounce_of_the_old_address_that_was_read_before_the_correction_stops_nothing() -> None:
    hold = ready()
    send_details(hold, AWA, now=NOW)
    (request,) = person_store.requests_of_email(keys().email_key(AWA.email), "aes")
    filing.change_email(hold, RIGHT, now=NOW)
    assert not person_store.stop_letters(request, "aes", "bounced")
    assert person().stopped == ""


@pytest.mark.parametrize("right", [RIGHT, "AWA@example.org"])
def test_a_bounce_of_a_corrected_address_stops_its_letters(right: str) -> None:
    hold = ready()
    send_details(hold, AWA, now=NOW)
    filing.change_email(hold, right, now=NOW)
    (request,) = person_store.requests_of_email(keys().email_key(right), "aes")
    assert person_store.stop_letters(request, "aes", "bounced")


# Letters of a request that a newer one has replaced


def test_the_letter_about_a_cancellation_is_sent_although_its_applicant_has_booked_again() -> None:
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


# Transaction conflicts


@pytest.fixture
def conflicts() -> Iterator[list[int]]:
    """Set how many of the next transactions fail with a conflict."""
    events = dynamodb.connection().connection.client.meta.events
    left = [0]

    def refuse(**_: object) -> None:
        if left[0]:
            left[0] -= 1
            error = {"Error": {"Code": "TransactionCanceledException", "Message": "no"}}
            raise ClientError(error | {"CancellationReasons": [{"Code": "TransactionConflict"}]}, "TransactWriteItems")

    events.register_first("before-call.dynamodb.TransactWriteItems", refuse)
    yield left
    events.unregister("before-call.dynamodb.TransactWriteItems", refuse)


def test_a_transaction_conflict_is_retried_twice_and_then_refused_as_too_many_requests(conflicts: list[int]) -> None:
    hold = ready()
    conflicts[0] = 3
    with pytest.raises(refusals.TooManyRequests):
        send_details(hold, AWA, now=NOW)
    assert lock_items() == set()
    conflicts[0] = 2
    request = send_details(hold, AWA, now=NOW)
    conflicts[0] = 2
    personal_data.erase(request.token, NOW)
    assert lock_items() == set()


def test_a_move_with_a_conflict_is_refused_as_too_many_requests_and_can_be_repeated(
    conflicts: list[int],
) -> None:
    request = confirmed()
    conflicts[0] = 1
    with pytest.raises(refusals.TooManyRequests):
        move(request.token, ANOTHER, now=NOW)
    assert move(request.token, ANOTHER, now=NOW).start == ANOTHER
