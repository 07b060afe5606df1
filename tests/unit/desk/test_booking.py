"""Booking for somebody: one transaction, whatever happens at the same moment."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.booking import requests
from chalicelib.booking.locks import lock_rule
from chalicelib.desk import booking, places
from chalicelib.desk.booking import Order
from chalicelib.domain import refusals
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import (
    AlreadyRequested,
    CeilingReached,
    EmailInUse,
    InvalidFields,
    LinkExpired,
    NotAllowed,
    SlotTaken,
    WrongAllocation,
)
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import (
    booking_store,
    desk_store,
    dynamodb,
    items,
    lock_store,
    person_store,
    seat_keys,
    seat_store,
    service_store,
)
from chalicelib.storage.desk_items import DeskAuditItem
from tests.conftest import draw_document
from tests.unit.booking.steps import AWA, BEN, NOW, START, at_once, confirmed, person
from tests.unit.desk.orders import (
    AGENT,
    FAMILY,
    HELPER,
    OTHER,
    PLANNER,
    SECRET,
    account,
    book,
    free,
    order,
    put,
    row,
)

pytestmark = pytest.mark.slow

BRUNO = account(Role.AGENT, "d")
NO_EMAIL = replace(AWA, email="")


@pytest.fixture
def office(table: None, one_call_at_a_time: None) -> Service:  # noqa: ARG001  # fixtures for their effect
    return put()


def acts(service: Service) -> list[DeskAuditItem]:
    return list(desk_store.read_audit(service.id, NOW.date()))


def booked(service: Service) -> list[SeatKey]:
    return [seat.key for seat in seat_store.read_all_weeks(service.id) if seat.state is State.CONFIRMED]


def people_items() -> int:
    return len(list(items.PersonItem.scan(items.is_person_item())))


# One person


def test_a_booking_is_confirmed_at_once_and_says_who_made_it(office: Service) -> None:
    (request,) = book(office)
    assert (request.state, request.person and request.person.booked_by) == (State.CONFIRMED, AGENT.id)
    viewed = requests.view(request.token, NOW)
    assert (viewed.carrier, viewed.person) == (request.carrier, request.person)
    (record,) = acts(office)
    assert (record.agent, record.act) == (AGENT.id, "book")
    assert record.facts == {"seats": request.seat.key.ref, "holds": request.seat.hold}


def test_the_first_places_are_internal_and_a_visitor_cannot_take_them(office: Service) -> None:
    key = row(office, 1)[0]
    assert key in free(office, public=False)
    assert not seat_store.take(key, "hold", NOW + timedelta(minutes=3), NOW)


def test_the_same_form_again_returns_the_same_request(office: Service) -> None:
    wanted = order(office)
    (first,) = booking.book(office, wanted, AGENT, NOW)
    (again,) = booking.book(office, wanted, AGENT, NOW + timedelta(minutes=1))
    assert (again.carrier, again.person) == (first.carrier, first.person)
    assert len(acts(office)) == 1


def test_the_same_secret_sent_twice_at_once_books_once(office: Service) -> None:
    wanted = order(office)
    answers = at_once(*[lambda: booking.book(office, wanted, AGENT, NOW)] * 4)
    assert [answer == answers[0] for answer in answers] == [True] * 4
    assert (booked(office), len(acts(office))) == ([wanted.seats[0]], 1)


def test_a_form_that_was_changed_after_it_was_sent_books_the_other_person_as_another(office: Service) -> None:
    (first,), (second,) = book(office), book(office, [BEN])
    assert first.reference != second.reference
    with pytest.raises(AlreadyRequested):
        book(office)  # another seat


def test_a_form_that_is_sent_again_after_the_end_of_its_request_books_nothing(office: Service) -> None:
    wanted = order(office)
    (request,) = booking.book(office, wanted, AGENT, NOW)
    requests.cancel(request.token, NOW)
    with pytest.raises(LinkExpired):
        booking.book(office, wanted, AGENT, NOW)
    assert booked(office) == []


def test_two_agents_on_one_seat_at_once_get_it_once(office: Service) -> None:
    seats = row(office, 1)
    answers = at_once(
        lambda: booking.book(office, Order(seats, [AWA], SECRET), AGENT, NOW),
        lambda: booking.book(office, Order(seats, [BEN], OTHER), BRUNO, NOW),
    )
    assert Counter(type(answer) for answer in answers) == {list: 1, SlotTaken: 1}
    assert (booked(office), people_items(), len(acts(office))) == ([*seats], 1, 1)
    (refusal,) = [answer for answer in answers if isinstance(answer, SlotTaken)]
    assert len(refusal.nearest) == 3


def test_the_same_person_twice_at_once_gets_one_seat_and_the_second_agent_learns_which(office: Service) -> None:
    one, two = free(office)[:2]
    answers = at_once(
        lambda: booking.book(office, Order([one], [AWA], SECRET), AGENT, NOW),
        lambda: booking.book(office, Order([two], [AWA], OTHER), BRUNO, NOW, share_email=True),
    )
    assert Counter(type(answer) for answer in answers) == {list: 1, AlreadyRequested: 1}
    (refusal,) = [answer for answer in answers if isinstance(answer, AlreadyRequested)]
    assert (booked(office), people_items()) == ([refusal.seat], 1)


def test_a_person_who_booked_online_is_known_and_a_helper_learns_only_that(office: Service) -> None:
    known = confirmed()
    with pytest.raises(AlreadyRequested) as refusal:
        book(office, [BEN, AWA], share_email=True)
    assert (refusal.value.seat, refusal.value.index) == (known.seat.key, 1)
    with pytest.raises(AlreadyRequested) as refusal:
        book(office, by=HELPER)
    assert (refusal.value.seat, refusal.value.lock) == (None, "")
    assert acts(office) == []


def test_a_request_that_has_ended_keeps_nobody_out(office: Service) -> None:
    requests.cancel(confirmed().token, NOW)
    (request,) = book(office)
    assert request.person == person()


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_who_may_not_book_is_refused(office: Service, role: Role | None) -> None:
    stranger = replace(AGENT, roles={"aes": role} if role else {})
    with pytest.raises(NotAllowed):
        book(office, by=stranger)


def test_a_draw_gives_no_seat_by_hand(office: Service) -> None:
    wanted = order(office)
    drawing = service_store.put(draw_document())
    with pytest.raises(WrongAllocation):
        booking.book(drawing, wanted, AGENT, NOW)


# The e-mail address


def test_an_email_address_of_somebody_else_is_a_warning_that_an_agent_can_pass(office: Service) -> None:
    confirmed(BEN)
    sister = replace(AWA, email="BEN@example.org")
    with pytest.raises(EmailInUse) as refusal:
        book(office, [replace(NO_EMAIL, first_name="Bin"), sister])
    assert refusal.value.index == 1
    book(office, [sister], share_email=True)
    third = replace(AWA, first_name="Cire", email=BEN.email)
    with pytest.raises(EmailInUse):
        booking.book(office, order(office, [third], OTHER), AGENT, NOW)
    booking.book(office, order(office, [third], OTHER), HELPER, NOW)  # a helper is asked nothing, and learns nothing


def test_each_request_of_a_shared_address_gets_its_own_link_again(office: Service) -> None:
    members = [*book(office, FAMILY), *booking.book(office, order(office, [BEN], OTHER), AGENT, NOW)]
    for request in members:
        assert request.person
        requests.ask_link(request.reference, request.person.details.email, NOW)
    partition = items.email_partition(keys().email_key(AWA.email))
    asked = [row.reference for row in items.LockItem.query(partition) if row.asked_at]
    assert sorted(asked) == sorted(member.reference for member in members[:3])


def test_without_an_email_address_nothing_is_stored_for_one(office: Service) -> None:
    book(office, [NO_EMAIL])
    partition = items.email_partition(keys().email_key(AWA.email))
    assert list(items.LockItem.query(partition)) == []


# Families


def test_a_family_gets_a_row_of_seats_on_one_desk(office: Service) -> None:
    family = book(office, FAMILY)
    seats = [request.seat.key for request in family]
    starts = [office.start_of(key) for key in seats]
    assert [start - starts[0] for start in starts] == [timedelta(), timedelta(minutes=5), timedelta(minutes=10)]
    assert len({(key.day, key.unit) for key in seats}) == 1
    people = [request.person for request in family if request.person]
    assert {one.family for one in people} == {tuple(one.key for one in people)}
    assert len({one.reference for one in people}) == 3


def test_a_family_gets_nothing_when_one_seat_is_taken_in_between(office: Service) -> None:
    wanted = order(office, FAMILY)
    booking.book(office, Order([wanted.seats[1]], [BEN], OTHER), BRUNO, NOW)
    with pytest.raises(SlotTaken):
        booking.book(office, wanted, AGENT, NOW)
    assert (booked(office), people_items(), len(acts(office))) == ([wanted.seats[1]], 1, 1)


def test_the_write_of_a_family_is_refused_if_one_seat_was_taken_since_it_was_read(
    office: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order(office, FAMILY)
    read = places.read_free(office, wanted.seats, NOW, public=True)
    booking.book(office, Order([wanted.seats[2]], [BEN], OTHER), BRUNO, NOW)
    answers = iter([read])
    original = places.read_free

    def read_before(*args: object, **more: object) -> object:
        return next(answers, None) or original(*args, **more)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(places, "read_free", read_before)
    with pytest.raises(SlotTaken):
        booking.book(office, wanted, AGENT, NOW)
    assert booked(office) == [wanted.seats[2]]


def test_a_family_that_is_larger_than_the_morning_is_told_what_is_possible(office: Service) -> None:
    keys_of_day = [key for key in free(office) if key.day == START.date()][:2]
    with pytest.raises(InvalidFields) as refusal:
        booking.rows(office, keys_of_day, 5)
    assert "Au plus 1 à la suite" in refusal.value.errors["people"]
    with pytest.raises(InvalidFields):
        booking.rows(office, free(office), 7)
    with pytest.raises(InvalidFields) as refusal:
        booking.rows(office, [], 1)
    assert refusal.value.errors == {"people": booking.NONE_FREE}


def test_six_people_fit_in_one_order(office: Service) -> None:
    six = [replace(AWA, first_name=f"Awa {letter}") for letter in "bcdfgh"]
    assert len(book(office, six)) == 6


@pytest.mark.parametrize(
    ("seats", "people"),
    [
        ([], [AWA]),
        ([0], [AWA, BEN]),
        ([0, 2], [AWA, BEN]),
        ([1, 0], [AWA, BEN]),
        ([0, 1], [AWA, replace(AWA, first_name="awa")]),
        ([0], []),
    ],
)
def test_an_order_that_no_page_makes_is_refused(office: Service, seats: list[int], people: list[object]) -> None:
    keys_of_row = row(office, 3)
    with pytest.raises(InvalidFields):
        booking.book(office, Order([keys_of_row[n] for n in seats], people, SECRET), AGENT, NOW)  # type: ignore[arg-type]  # details
    assert booked(office) == []


# Associations


def test_a_helper_books_internal_seats_only(office: Service) -> None:
    (request,) = book(office, by=HELPER)
    assert request.seat.key in [*free(office, public=False), request.seat.key]
    public = free(office)[-1]
    assert public not in free(office, public=False)
    with pytest.raises(SlotTaken):
        booking.book(office, Order([public], [BEN], OTHER), HELPER, NOW)


def test_an_association_reaches_its_ceiling_at_once_from_two_calls(office: Service) -> None:
    office = replace(office, limits=replace(office.limits, association_bookings=1))
    one, two = free(office, public=False)[:2]
    answers = at_once(
        lambda: booking.book(office, Order([one], [AWA], SECRET), HELPER, NOW),
        lambda: booking.book(office, Order([two], [BEN], OTHER), HELPER, NOW),
    )
    assert Counter(type(answer) for answer in answers) == {list: 1, CeilingReached: 1}
    assert (len(booked(office)), booking.booked_this_week(office, HELPER, NOW)) == (1, 1)


def test_the_ceiling_counts_people_in_a_week_and_not_calls(office: Service) -> None:
    office = replace(office, limits=replace(office.limits, association_bookings=1))
    pair = booking.rows(office, free(office), 2)[0]
    with pytest.raises(CeilingReached) as refusal:
        booking.book(office, Order(pair, [AWA, BEN], SECRET), HELPER, NOW)
    assert (refusal.value.most, refusal.value.left) == (1, 1)
    wanted = order(office)
    first = booking.book(office, wanted, HELPER, NOW)
    assert booking.book(office, wanted, HELPER, NOW) == first
    with pytest.raises(CeilingReached):
        booking.book(office, order(office, [BEN], OTHER), HELPER, NOW)
    booking.book(office, order(office, [BEN], OTHER), account(Role.ASSOCIATION, "e"), NOW)
    assert booking.booked_this_week(office, HELPER, NOW + timedelta(days=7)) == 0
    booking.book(office, order(office, [FAMILY[1]], "u" * 52), AGENT, NOW, share_email=True)  # agents have no ceiling


def test_the_write_itself_keeps_the_ceiling(office: Service) -> None:
    (known,) = book(office, [BEN])
    seat = seat_store.read(row(office, 1)[0])
    assert known.person
    mine = replace(known.person, key="p" * 52, seat=seat.key, hold="h" * 52)
    ceiling = booking_store.Ceiling("aes", "2026-W49", HELPER.id, 0, NOW + booking.COUNTED)
    assert ceiling.most == 0
    booking_of = booking_store.Booking(seat, mine, "", NOW)
    rule = lock_rule(office, NOW)
    none = lock_store.NO_OTHER_KEYS
    assert not booking_store.book([booking_of], none, [], ceiling, is_live=rule, now=NOW)
    assert booking_store.book([booking_of], none, [], replace(ceiling, most=1), is_live=rule, now=NOW)


# Walk-ins


def test_a_walk_in_takes_a_seat_of_now_that_did_not_exist(office: Service) -> None:
    now = datetime(2026, 12, 3, 9, 17, tzinfo=office.zone)
    key = places.now_seats(office, now)[0]
    seat_keys.seat_item(key).delete()
    with pytest.raises(NotAllowed):
        booking.book(office, Order([key], [AWA], SECRET), AGENT, now, walk_in=True)
    (request,) = booking.book(office, Order([key], [AWA], SECRET), PLANNER, now, walk_in=True)
    assert (request.seat.state, request.seat.extra, request.start.minute) == (State.CONFIRMED, True, 15)
    assert [record.act for record in desk_store.read_audit("aes", now.date()) if record.agent == PLANNER.id] == [
        "book walk-in"
    ]
    with pytest.raises(SlotTaken):
        booking.book(office, Order([key], [BEN], OTHER), PLANNER, now, walk_in=True)


# What cannot be written


def test_nothing_is_left_when_the_table_is_busy(office: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_fill: object) -> list[bool]:
        raise dynamodb.TransactionConflict

    monkeypatch.setattr(dynamodb, "transact", busy)
    with pytest.raises(refusals.TooManyRequests):
        book(office)
    assert (booked(office), people_items()) == ([], 0)


def test_the_people_of_an_order_are_found_by_their_own_keys(office: Service) -> None:
    (request,) = book(office)
    assert request.person
    assert person_store.read(request.person.key, "aes") == request.person
    assert request.person.unlocked_email
