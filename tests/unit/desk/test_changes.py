"""What an agent changes later for somebody who has a request."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.booking import moves, requests
from chalicelib.booking.locks import lock_rule
from chalicelib.desk import audit, changes, closing
from chalicelib.desk.closing import Closing
from chalicelib.domain import timetable
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.refusals import (
    AlreadyRequested,
    AppointmentBegun,
    EmailInUse,
    InvalidFields,
    LinkExpired,
    NotAllowed,
    NotFound,
    SlotTaken,
)
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import booking_store, desk_store, items, person_store, recent, register_store, seat_store
from tests.unit.booking.steps import AWA, BEN, NOW, START, at_once, confirmed, filed, person
from tests.unit.desk.orders import AGENT, FAMILY, HELPER, account, book, free, put

pytestmark = pytest.mark.slow

MINUTE = timedelta(minutes=1)
NEW = "nouvelle@example.org"


@pytest.fixture
def office(table: None, one_call_at_a_time: None) -> Service:  # noqa: ARG001  # fixtures for their effect
    return put()


def acts() -> Counter[str]:
    return Counter(record.act for record in desk_store.read_audit("aes", NOW.date()))


def locks() -> set[tuple[str, str]]:
    """Return the keys of all items of e-mail addresses."""
    return {(row.pk, row.sk) for row in items.LockItem.scan(items.LockItem.pk.startswith("EMAIL#"))}


def lock(email: str, reference: str = "") -> tuple[str, str]:
    row = items.email_lock(keys().email_key(email), "aes", reference)
    return row.pk, row.sk


# Details


@pytest.mark.parametrize("by_desk", [True, False], ids=["booked by the desk", "booked online"])
def test_a_new_email_address_ends_the_old_links_and_asks_for_a_new_convocation(
    office: Service, *, by_desk: bool
) -> None:
    request = book(office)[0] if by_desk else confirmed()
    changed = changes.change_details(office, request.seat.key, replace(AWA, email=NEW), AGENT, NOW)
    assert (changed.person, changed.state) == (person(), State.CONFIRMED)
    assert (person().details.email, person().generation, changed.seat.generation) == (NEW, 1, 1)
    with pytest.raises(LinkExpired):
        requests.view(request.token, NOW)
    assert requests.view(changed.token, NOW).person == person()
    assert locks() == {lock(NEW, request.reference)}
    assert items.PersonItem.get(*seat_owner()).wanted_at == NOW
    assert acts()["details"] == 1
    requests.cancel(changed.token, NOW)
    person_store.erase(person(), [keys().email_key(NEW)])
    assert locks() == set()


def seat_owner() -> tuple[str, str]:
    row = items.person_item(person().key, "aes")
    return row.pk, row.sk


def test_another_spelling_of_the_mailbox_keeps_the_lock(office: Service) -> None:
    request = confirmed()
    changes.change_details(office, request.seat.key, replace(AWA, email="AWA@example.org"), AGENT, NOW)
    assert locks() == {lock(AWA.email)}
    assert [row.generation for row in person_store.requests_of_email(keys().email_key(AWA.email), "aes")] == [1]


def test_an_email_address_can_be_removed_and_given(office: Service) -> None:
    key = book(office)[0].seat.key
    changes.change_details(office, key, replace(AWA, email=""), AGENT, NOW)
    assert locks() == set()
    changes.change_details(office, key, AWA, AGENT, NOW)
    assert locks() == {lock(AWA.email, person().reference)}
    assert (person().generation, seat_store.read(key).generation) == (2, 2)


def test_a_new_name_is_locked_as_well(office: Service) -> None:
    key = book(office)[0].seat.key
    renamed = replace(AWA, last_name="Exempel")
    changed = changes.change_details(office, key, renamed, AGENT, NOW)
    assert changed.person
    assert (changed.person.details, changed.person.as_filed) == (renamed, AWA)
    for details in (AWA, renamed):
        with pytest.raises(AlreadyRequested):
            book(office, [details], share_email=True)
    again = changes.change_details(office, key, renamed, AGENT, NOW)
    assert (again.person, acts()["details"]) == (changed.person, 1)


def test_the_name_and_the_address_of_somebody_else_are_refused(office: Service) -> None:
    key = book(office)[0].seat.key
    confirmed(BEN)
    with pytest.raises(AlreadyRequested):
        changes.change_details(office, key, replace(BEN, email=""), AGENT, NOW)
    with pytest.raises(EmailInUse):
        changes.change_details(office, key, replace(AWA, email=BEN.email), AGENT, NOW)
    changes.change_details(office, key, replace(AWA, email=BEN.email), AGENT, NOW, share_email=True)
    assert locks() == {lock(BEN.email), lock(BEN.email, person().reference)}


def test_a_family_shares_its_address_without_a_warning(office: Service) -> None:
    key = book(office, FAMILY)[1].seat.key
    renamed = changes.change_details(office, key, replace(FAMILY[1], last_name="Exempel"), AGENT, NOW)
    assert renamed.person
    without = changes.change_details(office, key, replace(renamed.person.details, email=""), AGENT, NOW)
    assert without.person
    again = replace(without.person.details, email=AWA.email)
    assert changes.change_details(office, key, again, AGENT, NOW).person


def test_two_agents_who_change_a_name_at_once_lock_both_names(office: Service) -> None:
    key = book(office)[0].seat.key
    names = [replace(AWA, last_name=name) for name in ("Exempel", "Exemplo")]
    at_once(*(lambda d=d: changes.change_details(office, key, d, AGENT, NOW) for d in names))
    assert set(person().names) == {
        keys().person_key(details.first_name, details.last_name, details.birth_date) for details in names
    }


def test_an_address_of_a_request_that_has_just_ended_is_not_changed(office: Service) -> None:
    request = book(office)[0]
    assert request.person
    changes.cancel(office, request.seat.key, AGENT, NOW, hold=request.seat.hold)
    new = changes._new_details(request.person, replace(AWA, email=NEW), send=True)  # noqa: SLF001  # what was read
    assert not booking_store.change_details(
        request.seat,
        request.person,
        new,
        audit.item("aes", AGENT.id, "details", NOW),
        erase_at=NOW,
        is_live=lock_rule(office, NOW),
        now=NOW,
    )
    assert (locks(), acts()["details"]) == ({lock(AWA.email, request.reference)}, 0)


def test_a_request_that_waits_for_its_confirmation_keeps_an_email_address(office: Service) -> None:
    request = filed(AWA)
    with pytest.raises(InvalidFields) as refusal:
        changes.change_details(office, request.seat.key, replace(AWA, email=""), AGENT, NOW)
    assert refusal.value.errors == {"email": changes.TO_CONFIRM}
    assert (person().details, acts()["details"]) == (AWA, 0)


def test_a_phone_number_is_changed_without_a_letter(office: Service) -> None:
    request = book(office)[0]
    changes.change_details(office, request.seat.key, replace(AWA, phone="06 00 00 00 00"), AGENT, NOW)
    assert items.PersonItem.get(*seat_owner()).wanted_at is None
    assert requests.view(request.token, NOW).person == person()


# Cancelling


def test_a_cancelled_internal_seat_is_internal_again(office: Service) -> None:
    request = book(office)[0]
    key, hold = request.seat.key, request.seat.hold
    cancelled = changes.cancel(office, key, AGENT, NOW, hold=hold)
    assert (cancelled.state, cancelled.past_state) == (State.OPEN, State.CANCELLED)
    assert cancelled.opens_at >= timetable.public_at(office, key)
    assert key in free(office, public=False)
    assert changes.cancel(office, key, AGENT, NOW + MINUTE, hold=hold) == cancelled
    assert acts()["cancel"] == 1


@pytest.mark.usefixtures("table")
def test_a_cancelled_internal_seat_of_a_week_by_day_is_booked_for_somebody_else() -> None:
    office = put(by_day_from="2026-W01")
    request = book(office)[0]
    assert request.seat.key not in free(office)
    changes.cancel(office, request.seat.key, AGENT, NOW, hold=request.seat.hold)
    (again,) = book(office, [BEN])
    assert (again.seat.key, again.state) == (request.seat.key, State.CONFIRMED)


def test_a_request_that_was_made_online_is_cancelled_and_its_seat_returns_at_a_secret_moment(office: Service) -> None:
    for request in (confirmed(), filed(BEN)):
        cancelled = changes.cancel(office, request.seat.key, AGENT, NOW, hold=request.seat.hold)
        assert cancelled.opens_at > NOW + timedelta(hours=1)
        assert requests.view(request.token, NOW).state is State.CANCELLED


def test_a_request_that_is_no_longer_the_one_seen_is_not_cancelled(office: Service) -> None:
    request = book(office)[0]
    for hold in ("", "h" * 52):
        with pytest.raises(LinkExpired):
            changes.cancel(office, request.seat.key, AGENT, NOW, hold=hold)
        with pytest.raises(LinkExpired):
            changes.move(office, request.seat.key, free(office)[0], AGENT, NOW, hold=hold)
    changes.cancel(office, request.seat.key, AGENT, NOW, hold=request.seat.hold)
    with pytest.raises(LinkExpired):
        changes.cancel(office, request.seat.key, AGENT, NOW, hold="")


def test_nothing_changes_after_the_arrival(office: Service) -> None:
    seat = seat_store.read(confirmed().seat.key)
    assert register_store.record_arrival(seat, AGENT.id, START, audit.item("aes", AGENT.id, "arrived", NOW))
    for change in (
        lambda: changes.change_details(office, seat.key, BEN, AGENT, NOW),
        lambda: changes.cancel(office, seat.key, AGENT, NOW, hold=seat.hold),
        lambda: changes.move(office, seat.key, free(office)[0], AGENT, NOW, hold=seat.hold),
    ):
        with pytest.raises(AppointmentBegun):
            change()


@pytest.mark.parametrize("who", [HELPER, account(Role.VIEWER)])
def test_only_agents_change_what_was_booked(office: Service, who: Account) -> None:
    seat = confirmed().seat
    for change in (
        lambda: changes.change_details(office, seat.key, BEN, who, NOW),
        lambda: changes.cancel(office, seat.key, who, NOW, hold=seat.hold),
        lambda: changes.move(office, seat.key, free(office)[0], who, NOW, hold=seat.hold),
    ):
        with pytest.raises(NotAllowed):
            change()


# Moving


def test_a_move_takes_an_internal_seat_and_does_not_count(office: Service) -> None:
    request = confirmed()
    to = free(office, public=False)[0]
    moved = changes.move(office, request.seat.key, to, AGENT, NOW, hold=request.seat.hold)
    assert (moved.seat.key, moved.seat.hold, person().seat) == (to, request.seat.hold, to)
    assert (person().moves, person().sequence, acts()["move"]) == (0, 1, 1)
    again = changes.move(office, request.seat.key, to, AGENT, NOW, hold=request.seat.hold)
    assert (again.seat, acts()["move"]) == (moved.seat, 1)
    assert requests.view(moved.token, NOW).state is State.CONFIRMED
    assert seat_store.read(request.seat.key).past_state is State.MOVED


def test_one_member_of_a_family_moves_with_its_address_item(office: Service) -> None:
    second = book(office, FAMILY)[1]
    moved = changes.move(office, second.seat.key, free(office)[-1], AGENT, NOW, hold=second.seat.hold)
    row = items.email_lock(keys().email_key(AWA.email), "aes", second.reference)
    row.refresh()
    assert row.seat == moved.seat.key.ref
    assert moves.choices(moved.token, NOW)[0].person == moved.person


def test_two_agents_who_move_two_people_to_one_seat_at_once_move_one(office: Service) -> None:
    awa, ben = confirmed(), confirmed(BEN, START + 5 * MINUTE)
    to = free(office, public=False)[0]
    answers = at_once(
        *(lambda r=r: changes.move(office, r.seat.key, to, AGENT, NOW, hold=r.seat.hold) for r in (awa, ben))
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Request", "SlotTaken"]
    assert isinstance(next(a for a in answers if not isinstance(a, requests.Request)), SlotTaken)
    assert acts()["move"] == 1


def test_a_seat_without_a_request_has_nothing_to_change(office: Service) -> None:
    with pytest.raises(NotFound):
        changes.read(office, free(office)[0])
    with pytest.raises(NotFound):
        changes.read(replace(office, id="other"), free(office)[0])


def test_who_lost_a_seat_and_has_no_email_address_can_be_moved_to_a_seat_that_was_set_aside(office: Service) -> None:
    (request,) = book(office, [replace(AWA, email="")])
    hours = Closing("aes", request.seat.key.day)
    plan = closing.prepare(hours, NOW)
    closing.close(hours, plan, NOW)
    kept = plan.reserve[0].key
    recent.SEATS.clear()
    displaced = changes.read(office, request.seat.key)
    assert (displaced.state, kept in changes.choices(displaced, NOW), kept in free(office)) == (
        State.DISPLACED,
        True,
        False,
    )
    moved = changes.move(office, request.seat.key, kept, AGENT, NOW, hold=request.seat.hold)
    assert (moved.seat.key, moved.state, person().seat) == (kept, State.CONFIRMED, kept)
    other = confirmed(replace(BEN, email="ben@example.org"))
    assert kept not in changes.choices(other, NOW)
