"""What the office does for somebody without an e-mail address, in the same list as all others."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.allocation import office
from chalicelib.allocation.office import PaperForm
from chalicelib.booking import requests
from chalicelib.domain import entry, refusals
from chalicelib.domain.call import Reason
from chalicelib.domain.entry import EntryState
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import State
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb, person_store, seat_keys, seat_store, service_store
from tests.unit.allocation.drawing import DRAWN_AT, MORNING, at, frozen, put, receipt, seat_of
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, all_entries, entered, entry_of, somebody
from tests.unit.booking.steps import AWA

pytestmark = pytest.mark.slow

BY_POST = replace(AWA, email="")
SECRET, OTHER = "a" * 52, "b" * 52


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put()
    at(OPENS)


def enter(details: Details = BY_POST, *preferences: str, secret: str = SECRET, now: datetime = NOW) -> requests.Request:
    return office.enter("aes", PaperForm(details, preferences or ("any",)), secret=secret, now=now)


def calls(now: datetime = DRAWN_AT) -> list[tuple[Reason, str]]:
    service = service_store.read("aes", now)
    return [(call.reason, call.person.reference) for call in office.calls(service, WEEK, now)]


def person_of(request: requests.Request) -> Person:
    assert request.person
    person = person_store.read(request.person.key, "aes")
    assert person
    return person


def test_an_entry_without_an_email_address_takes_part_at_once_beside_all_others() -> None:
    request, by_page = enter(), entered(somebody(1))
    stored = entry_of(request)
    assert (request.shown_state, stored.until, stored.is_of_office) == (EntryState.ENTERED, NOW + entry.LIFE, True)
    assert not entry_of(by_page).is_of_office or by_page.filed_at == NOW
    at(CLOSES + timedelta(minutes=1))
    assert {line.receipt for line in frozen()} == {receipt(request), receipt(by_page)}


def test_an_entry_with_an_email_address_waits_for_its_proof_as_any_other() -> None:
    request = enter(AWA)
    assert request.shown_state is EntryState.UNPROVEN
    assert requests.confirm(request.token, NOW).shown_state is EntryState.ENTERED


def test_the_same_call_again_is_the_same_entry() -> None:
    first, again = enter(), enter()
    assert (first.reference, receipt(first)) == (again.reference, receipt(again))
    assert len(all_entries()) == 1


def test_a_person_is_in_the_list_once_and_a_refused_entry_holds_nothing() -> None:
    entered()
    with pytest.raises(refusals.AlreadyRequested):
        enter()
    assert sorted(kept.hold == "" for kept in all_entries()) == [False, True]


def test_two_people_without_an_email_address_do_not_share_a_lock() -> None:
    enter()
    enter(replace(somebody(2), email=""), secret=OTHER)
    assert len(all_entries()) == 2


def test_nobody_is_entered_outside_of_the_window_or_for_a_half_day_without_seats() -> None:
    with pytest.raises(refusals.NotInWindow):
        enter(now=CLOSES)
    with pytest.raises(refusals.InvalidFields):
        enter(BY_POST, "mon-am")
    assert all_entries() == []


def test_who_is_drawn_without_an_email_address_is_confirmed_at_once_and_on_the_list_of_calls() -> None:
    request, by_page = enter(), entered(somebody(1))
    at(DRAWN_AT)
    seat = seat_store.read(person_of(request).seat)
    assert (seat.state, seat.hold) == (State.CONFIRMED, person_of(request).hold)
    assert requests.view(by_page.token, DRAWN_AT).state is State.PENDING
    assert calls() == [(Reason.DRAWN, request.reference)]


def test_the_mailer_writes_no_letter_to_somebody_without_an_email_address() -> None:
    def image() -> dict[str, Any]:
        pk, sk = seat_keys.seat_primary_key(seat_of(MORNING).key)
        return dict(dynamodb.connection().get_item(pk, sk, consistent_read=True)["Item"])

    enter(BY_POST, "tue-am")
    before = image()
    at(DRAWN_AT)
    records = [("1", before, image())]
    assert outbox.letter_due(*records[0][1:])
    assert outbox.deliver(records, now=DRAWN_AT, send=lambda *_, **__: pytest.fail("a letter was sent")) == []


def test_an_offered_seat_is_confirmed_at_once_too_and_who_was_not_drawn_is_told_so() -> None:
    first = enter(BY_POST, "tue-am")
    second = enter(replace(somebody(2), email=""), "tue-am", secret=OTHER)
    at(DRAWN_AT)
    assert sorted(reason for reason, _ in calls()) == [Reason.DRAWN, Reason.NOT_DRAWN]
    winner, loser = (first, second) if seat_of(MORNING).hold == person_of(first).hold else (second, first)
    requests.cancel(winner.token, DRAWN_AT)
    at(DRAWN_AT + timedelta(minutes=1))
    seat = seat_of(MORNING)
    assert (seat.state, seat.by_draw, seat.hold) == (State.CONFIRMED, "offered", person_of(loser).hold)
    assert calls() == [(Reason.OFFERED, loser.reference)]


def test_who_has_an_entry_that_ends_soon_is_on_the_list_of_calls() -> None:
    request = enter()
    assert (Reason.ENDS_SOON, request.reference) in calls(NOW + entry.LIFE - entry.ENDS_SOON)
