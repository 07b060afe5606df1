"""What changes a request and its locks together: nothing is left behind, nobody has two, nobody is forgotten."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from chalicelib import appointment, booking, errors, feedback, filing, locks, manage, outbox, places, rows, store
from chalicelib.booking import Wish
from chalicelib.model import Details, Person, SeatKey, State
from tests.conftest import MONDAY
from tests.test_feedback import bounce
from tests.test_outbox import Postman, after, image

NOW = MONDAY + timedelta(seconds=1)
PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 12, 17, 10, 0, tzinfo=PARIS)
ANOTHER = datetime(2026, 12, 15, 10, 0, tzinfo=PARIS)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
BEN = Details("Ben", "Exemple", "", date(1985, 1, 2), "ben@example.org", "06 12 34 56 79", "en")

pytestmark = pytest.mark.usefixtures("service")


def proven(start: datetime = START) -> str:
    """The id of a hold that is ready for the details."""
    kept = booking.place_hold("aes", Wish(start, conditions_accepted=True), now=NOW)
    asked = booking.challenge(kept.id, NOW)
    return booking.answer_challenge(kept.id, asked.id, asked.picture, now=NOW).id


def filed(details: Details = AWA, start: datetime = START) -> appointment.Request:
    return appointment.file_request(proven(start), details, now=NOW)


def confirmed(details: Details = AWA, start: datetime = START) -> appointment.Request:
    return appointment.confirm_request(filed(details, start).token, NOW)


def person(details: Details = AWA) -> Person:
    key = booking.keys().person(details.first_name, details.last_name, details.birth_date)
    read = locks.person(key, "aes")
    assert read
    return read


def lock_items() -> set[str]:
    """The keys of everything that is kept of people."""
    return {
        row.pk
        for row in rows.LockRow.scan(rows.LockRow.pk.startswith("PERSON#") | rows.LockRow.pk.startswith("EMAIL#"))
    }


def address(details: Details) -> str:
    return f"EMAIL#{booking.keys().address(details.email)}"


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What calls return or raise that all start at the same moment."""
    start = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except errors.Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


# Filing


def test_a_refused_filing_leaves_no_lock_on_the_address_of_somebody_else() -> None:
    filed()
    hold = proven(ANOTHER)
    before = lock_items()
    for n in range(5):
        with pytest.raises(errors.AlreadyRequested):
            appointment.file_request(hold, replace(AWA, email=f"victim{n}@example.org"), now=NOW)
    assert lock_items() == before
    assert filed(replace(BEN, email="victim0@example.org"), ANOTHER).state is State.PENDING


def test_a_refused_filing_leaves_no_lock_on_the_person() -> None:
    filed()
    hold = proven(ANOTHER)
    with pytest.raises(errors.AlreadyRequested):
        appointment.file_request(hold, replace(BEN, email=AWA.email), now=NOW)
    assert appointment.file_request(hold, BEN, now=NOW).state is State.PENDING


def test_filing_before_the_captcha_or_after_the_hold_ran_out_writes_nothing() -> None:
    hold = booking.place_hold("aes", Wish(START, conditions_accepted=True), now=NOW)
    until, counts = NOW + timedelta(days=1), appointment.counts(hold.service, NOW)
    wished = Person("p", "aes", hold.seat.key, hold.seat.hold, AWA, "AES-22222-22222", NOW)
    assert not filing.file(wished, "a", until, now=NOW, erase_at=until, counts=counts)
    asked = booking.challenge(hold.id, NOW)
    booking.answer_challenge(hold.id, asked.id, asked.picture, now=NOW)
    late = NOW + timedelta(minutes=15)
    assert not filing.file(wished, "a", until, now=late, erase_at=until, counts=counts)
    assert lock_items() == set()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_two_people_on_one_hold_at_once_one_files_and_nothing_of_the_other_is_kept() -> None:
    hold = proven()
    told = at_once(*(lambda d=d: appointment.file_request(hold, d, now=NOW) for d in (AWA, BEN)))
    requests = [answer for answer in told if isinstance(answer, appointment.Request)]
    assert [type(answer) for answer in told if isinstance(answer, errors.Refusal)] == [errors.HoldOver]
    assert [request.state for request in requests] == [State.PENDING]
    assert len(lock_items()) == 2
    assert requests[0].person
    assert address(requests[0].person.details) in lock_items()


@pytest.mark.usefixtures("one_call_at_a_time")
def test_the_same_form_sent_eight_times_at_once_is_one_request() -> None:
    hold = proven()
    told = at_once(*[lambda: appointment.file_request(hold, AWA, now=NOW)] * 8)
    assert {answer.reference for answer in told if isinstance(answer, appointment.Request)} == {person().reference}
    assert len(told) == 8


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_eight_holds_filed_at_once_for_one_person_one_becomes_a_request() -> None:
    holds = [proven(START + timedelta(minutes=5 * n)) for n in range(4)]
    told = at_once(
        *(
            lambda n=n, h=h: appointment.file_request(h, replace(AWA, email=f"a{n}@example.org"), now=NOW)
            for n, h in enumerate(holds)
        )
    )
    assert sum(isinstance(answer, appointment.Request) for answer in told) == 1


def test_a_lock_whose_request_moved_while_it_was_read_still_counts() -> None:
    request, hold = confirmed(), proven(START + timedelta(minutes=5))
    moved: list[appointment.Request] = []

    def counts(_key: SeatKey, _hold: str, _person: str) -> bool:
        """Say of the seat that was read that it no longer carries the request: it has just moved."""
        if moved:
            return True
        moved.append(appointment.move_request(request.token, ANOTHER, now=NOW))
        return False

    ticket = booking.view_hold(hold, NOW)
    wished = Person(person().key, "aes", ticket.seat.key, ticket.seat.hold, AWA, "AES-22222-22222", NOW)
    later = NOW + timedelta(days=1)
    with pytest.raises(errors.AlreadyRequested):
        filing.file(wished, "a", later, now=NOW, erase_at=later, counts=counts)
    assert person().hold == request.seat.hold


# Correcting a name


def corrected(request: appointment.Request, first: str, last: str = "Exemple") -> appointment.Request:
    return manage.correct(manage.view_correctable(request.token, NOW), first, last, AWA.phone, now=NOW)


def test_a_corrected_name_is_locked_as_well_as_the_one_that_was_filed() -> None:
    corrected(confirmed(), "Awah")
    for first in ("Awa", "Awah"):
        with pytest.raises(errors.AlreadyRequested):
            filed(replace(AWA, first_name=first, email="other@example.org"), ANOTHER)


def test_a_name_is_not_corrected_to_one_that_has_a_request_of_its_own() -> None:
    request = confirmed()
    confirmed(replace(AWA, first_name="Awah", email="awah@example.org"), ANOTHER)
    with pytest.raises(errors.AlreadyRequested):
        corrected(request, "Awah")
    assert (person().details, person().corrected) == (AWA, 1)  # a refused one counts


def test_a_corrected_name_stays_locked_after_a_move_and_is_free_after_the_end() -> None:
    request = confirmed()
    corrected(request, "Awah")
    moved = appointment.move_request(request.token, ANOTHER, now=NOW)
    awah = replace(AWA, first_name="Awah", email="other@example.org")
    with pytest.raises(errors.AlreadyRequested):
        filed(awah)
    appointment.cancel_request(moved.token, NOW)
    assert filed(awah, START + timedelta(minutes=5)).state is State.PENDING


def test_a_corrected_name_can_be_corrected_back_and_is_erased_with_the_rest() -> None:
    request = confirmed()
    corrected(request, "Awah")
    corrected(request, "Awa")
    assert person().details == AWA
    manage.erase(request.token, NOW)
    assert lock_items() == set()


# Erasing and moving


@pytest.mark.parametrize("how", [State.CONFIRMED, State.DISPLACED])
def test_an_erasure_that_loses_to_a_move_erases_nothing_and_the_new_seat_has_its_owner(how: State) -> None:
    request = confirmed()
    if how is State.DISPLACED:
        assert places.displace(store.seat(request.seat.key), "r", NOW + timedelta(days=7))
    read, seat = person(), store.seat(request.seat.key)
    moved = appointment.move_request(request.token, ANOTHER, now=NOW)
    keys = [booking.keys().address(AWA.email)]
    if how is State.DISPLACED:
        locks.erase(read, keys)
    else:
        assert not filing.erase(seat, read, keys, ended=State.CANCELLED, opens_at=NOW, now=NOW)
    assert len(lock_items()) == 2
    assert appointment.view_request(moved.token, NOW).person
    with pytest.raises(errors.LinkOver):
        manage.erase(request.token, NOW)


@pytest.mark.usefixtures("one_call_at_a_time")
@pytest.mark.parametrize("seed", range(6))
def test_moving_and_erasing_at_once_leave_no_seat_without_its_owner(seed: int) -> None:
    request = confirmed()
    at_once(
        lambda: appointment.move_request(request.token, ANOTHER, now=NOW, chance=Random(seed)),  # noqa: S311  # a chance to draw again
        lambda: manage.erase(request.token, NOW, chance=lambda: 0.5),
    )
    booked = [
        seat
        for week in ("2026-W51", "2026-W50")
        for seat in store.seats("aes", week)
        if seat.state in {State.PENDING, State.CONFIRMED}
    ]
    assert [seat.hold for seat in booked] == ([person().hold] if lock_items() else [])


def test_a_move_that_loses_to_a_cancellation_says_that_the_link_is_over() -> None:
    request = confirmed()
    stale = appointment.view_request(request.token, NOW)
    appointment.cancel_request(request.token, NOW)
    key = store.seats("aes", "2026-W51")[0].key
    assert places.move(appointment._move(stale, key, NOW), NOW) is places.Moved.NOT_ITS_OWN  # noqa: SLF001  # the call that lost
    assert isinstance(appointment._why_not_moved(appointment.view_request(request.token, NOW)), errors.LinkOver)  # noqa: SLF001  # what is said then


def test_an_erasure_after_the_appointment_leaves_the_locks_that_a_newer_request_has_replaced() -> None:
    request = confirmed()
    corrected(request, "Awah")
    late = START + timedelta(days=1)
    key = replace(request.seat.key, day=date(2026, 12, 29))
    store.create(key, NOW, late + timedelta(days=60))
    store.take(key, "newer", late + timedelta(hours=1), late, proven=True)
    ben = replace(BEN, email=AWA.email)  # a family that shares a mailbox
    newer = Person(booking.keys().person("Ben", "Exemple", BEN.birth_date), "aes", key, "newer", ben, "AES-3", late)
    until, own = late + timedelta(hours=2), booking.keys().address(AWA.email)
    rule = appointment.counts(store.service("aes", late), late)
    assert filing.file(newer, own, until, now=late, erase_at=until, counts=rule)
    assert manage.erase(request.token, late).state is State.CANCELLED
    assert lock_items() == {f"PERSON#{newer.key}", address(ben)}


# Correcting the e-mail address


RIGHT = "awa@example.net"


def test_a_mistyped_address_is_corrected_and_the_letter_goes_to_the_new_one() -> None:
    hold = proven()
    request = appointment.file_request(hold, AWA, now=NOW)
    record = after(request, lambda _token: appointment.change_email(hold, RIGHT, now=NOW))
    post = Postman()
    outbox.deliver([record, record], now=NOW, send=post)
    assert [letter.to for letter, _ in post.sent] == [RIGHT]
    current = appointment.file_request(hold, replace(AWA, email=RIGHT), now=NOW)
    assert f"/requests/{current.token}" in post.sent[0][0].text
    assert current.token != request.token
    with pytest.raises(errors.LinkOver):
        appointment.view_request(request.token, NOW)
    assert appointment.confirm_request(current.token, NOW).state is State.CONFIRMED


def test_the_first_letter_is_not_sent_any_more_once_the_address_was_corrected() -> None:
    hold = proven()
    key = booking.view_hold(hold, NOW).seat.key
    before = image(key)
    appointment.file_request(hold, AWA, now=NOW)
    first = ("1", before, image(key))
    appointment.change_email(hold, RIGHT, now=NOW)
    post = Postman()
    outbox.deliver([first], now=NOW, send=post)
    assert post.sent == []


def test_sending_the_form_again_with_another_address_corrects_it() -> None:
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    appointment.file_request(hold, replace(AWA, email=RIGHT), now=NOW)
    assert person().details.email == RIGHT


def test_the_old_address_is_free_again_and_the_new_one_is_locked() -> None:
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    appointment.change_email(hold, RIGHT, now=NOW)
    with pytest.raises(errors.AlreadyRequested):
        filed(replace(BEN, email=RIGHT), ANOTHER)
    assert filed(replace(BEN, email=AWA.email), ANOTHER).state is State.PENDING


def test_an_address_that_has_a_request_of_its_own_is_refused_and_nothing_changes() -> None:
    filed(BEN, ANOTHER)
    hold = proven()
    request = appointment.file_request(hold, AWA, now=NOW)
    with pytest.raises(errors.AlreadyRequested):
        appointment.change_email(hold, BEN.email, now=NOW)
    assert person().details == AWA
    assert appointment.view_request(request.token, NOW).state is State.PENDING


def test_another_spelling_of_the_same_mailbox_is_a_correction_too() -> None:
    hold = proven()
    appointment.file_request(hold, replace(AWA, email="awa@gmail.com"), now=NOW)
    appointment.change_email(hold, "a.wa@gmail.com", now=NOW)
    assert (person().details.email, person().generation) == ("a.wa@gmail.com", 1)
    assert len(lock_items()) == 2


def test_an_address_is_corrected_twice_and_no_more() -> None:
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    for n in (1, 2):
        appointment.change_email(hold, f"awa{n}@example.net", now=NOW)
    with pytest.raises(errors.InvalidFields):
        appointment.change_email(hold, "awa3@example.net", now=NOW)
    appointment.change_email(hold, "awa2@example.net", now=NOW)  # the same again is no correction
    assert person().details.email == "awa2@example.net"


@pytest.mark.parametrize(
    ("later", "may"), [(timedelta(minutes=15, milliseconds=-1), True), (timedelta(minutes=15), False)]
)
def test_an_address_is_corrected_within_the_time_of_the_form_only(later: timedelta, may: bool) -> None:  # noqa: FBT001  # an expected value
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    if may:
        appointment.change_email(hold, RIGHT, now=NOW + later)
    else:
        with pytest.raises(errors.InvalidFields):
            appointment.change_email(hold, RIGHT, now=NOW + later)
    assert (person().details.email == RIGHT) is may
    assert appointment.view_filed(booking.view_hold(hold, NOW + later), NOW + later) == ((RIGHT, 1) if may else ("", 0))


def test_after_the_confirmation_the_address_stays_and_is_not_shown() -> None:
    hold = proven()
    request = appointment.file_request(hold, AWA, now=NOW)
    appointment.confirm_request(request.token, NOW)
    with pytest.raises(errors.InvalidFields):
        appointment.change_email(hold, RIGHT, now=NOW)
    assert appointment.view_filed(booking.view_hold(hold, NOW), NOW) == ("", 0)


def test_a_correction_that_loses_to_a_confirmation_changes_nothing() -> None:
    hold = proven()
    request = appointment.file_request(hold, AWA, now=NOW)
    seat, read = store.seat(request.seat.key), person()
    appointment.confirm_request(request.token, NOW)
    new = filing.NewEmail(RIGHT, booking.keys().address(AWA.email), booking.keys().address(RIGHT))
    later = NOW + timedelta(days=1)
    done = filing.change_email(seat, read, new, later, now=NOW, erase_at=later, counts=lambda *_: True)
    assert not done
    assert person().details == AWA


def test_before_the_details_there_is_no_address_to_correct() -> None:
    with pytest.raises(errors.HoldOver):
        appointment.change_email(proven(), RIGHT, now=NOW)


def test_the_link_of_a_corrected_address_survives_two_moves_and_the_older_link_does_not() -> None:
    hold = proven()
    old = appointment.file_request(hold, AWA, now=NOW)
    current = appointment.change_email(hold, RIGHT, now=NOW)
    appointment.confirm_request(current.token, NOW)
    away = appointment.move_request(current.token, ANOTHER, now=NOW)
    store.update(old.seat.key, [rows.SeatRow.opens_at.set(NOW)], rows.SeatRow.pk.exists())
    store.forget()
    store.take(replace(old.seat.key, unit=3 - old.seat.key.unit), "x", NOW + timedelta(days=1), NOW)
    back = appointment.move_request(away.token, START, now=NOW)
    assert back.seat.key == old.seat.key
    assert back.token == current.token
    with pytest.raises(errors.LinkOver):
        appointment.view_request(old.token, NOW)


def test_a_bounce_leaves_the_time_of_the_form_to_correct_the_address() -> None:
    hold = proven()
    request = appointment.file_request(hold, AWA, now=NOW)
    feedback.take(bounce(), NOW + timedelta(minutes=1))
    seat = store.seat(request.seat.key)
    assert (seat.state, seat.until) == (State.PENDING, NOW + timedelta(minutes=15))
    assert person().stopped == "bounced"
    appointment.change_email(hold, RIGHT, now=NOW + timedelta(minutes=2))
    assert store.seat(request.seat.key).until == request.confirm_before
    assert person().stopped == ""


def test_a_bounce_of_the_old_address_that_was_read_before_the_correction_stops_nothing() -> None:
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    request = locks.request_of(booking.keys().address(AWA.email), "aes")
    assert request
    appointment.change_email(hold, RIGHT, now=NOW)
    assert not locks.stop_letters(request, "aes", "bounced")
    assert person().stopped == ""


@pytest.mark.parametrize("right", [RIGHT, "AWA@example.org"])
def test_a_bounce_of_a_corrected_address_stops_its_letters(right: str) -> None:
    hold = proven()
    appointment.file_request(hold, AWA, now=NOW)
    appointment.change_email(hold, right, now=NOW)
    request = locks.request_of(booking.keys().address(right), "aes")
    assert request
    assert locks.stop_letters(request, "aes", "bounced")


# Letters of a request that a newer one has replaced


def test_the_letter_about_a_cancellation_leaves_although_its_owner_booked_again_at_once() -> None:
    request = confirmed()
    locks.mark_sent(person(), "convocation")
    record = after(request, lambda _token: appointment.cancel_request(request.token, NOW))
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
    appointment.cancel_request(request.token, NOW)
    newer = filed(start=ANOTHER)
    copy = locks.replaced_row(person().key, "aes", request.seat.hold)
    copy.refresh()
    assert copy.erase_at == int((NOW + timedelta(days=14)).timestamp())
    assert locks.replaced(person().key, "aes", request.seat.hold) == replace(
        person(), seat=request.seat.key, hold=request.seat.hold, reference=request.reference, replaced=True
    )
    manage.erase(newer.token, NOW)
    assert lock_items() == set()


def test_a_copy_calls_for_no_letter_of_its_own() -> None:
    request = confirmed()
    manage.send_convocation(request.token, NOW)
    appointment.cancel_request(request.token, NOW)
    filed(start=ANOTHER)
    copy = locks.replaced_row(person().key, "aes", request.seat.hold)
    copy.refresh()
    assert outbox.due(None, copy.serialize()) is None


def test_the_old_link_of_a_replaced_request_erases_its_copy_and_nothing_of_the_newer_one() -> None:
    request = confirmed()
    appointment.cancel_request(request.token, NOW)
    newer = filed(start=ANOTHER)
    manage.erase(request.token, NOW)
    assert locks.replaced(person().key, "aes", request.seat.hold) is None
    assert appointment.view_request(newer.token, NOW).person


# Another write in the way


@pytest.fixture
def conflicts() -> Iterator[list[int]]:
    """How often the next transactions are told that another write is in the way."""
    events = rows.connection().connection.client.meta.events
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
    hold = proven()
    conflicts[0] = 3
    with pytest.raises(errors.TooManyRequests):
        appointment.file_request(hold, AWA, now=NOW)
    assert lock_items() == set()
    conflicts[0] = 2
    request = appointment.file_request(hold, AWA, now=NOW)
    conflicts[0] = 2
    manage.erase(request.token, NOW)
    assert lock_items() == set()


def test_a_move_with_a_write_in_the_way_is_told_as_too_many_requests_and_can_be_sent_again(
    conflicts: list[int],
) -> None:
    request = confirmed()
    conflicts[0] = 1
    with pytest.raises(errors.TooManyRequests):
        appointment.move_request(request.token, ANOTHER, now=NOW)
    assert appointment.move_request(request.token, ANOTHER, now=NOW).start == ANOTHER
