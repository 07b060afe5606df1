"""A closing sets other seats aside, closes seat by seat, sends one letter each, and lets applicants choose again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from chalicelib.booking import holds, moves, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.locks import lock_rule
from chalicelib.desk import booking, closing, places
from chalicelib.desk.booking import Order
from chalicelib.desk.closing import Closing
from chalicelib.domain import calendar, refusals
from chalicelib.domain.draw_record import Draw, Stage
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import ApplicantsPresent
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import (
    draw_store,
    move_store,
    person_store,
    recent,
    request_store,
    seat_keys,
    seat_maintenance,
    seat_store,
    service_store,
)
from chalicelib.storage.items import SeatItem
from tests.conftest import MONDAY, document, draw_document, fill
from tests.unit.booking import steps
from tests.unit.desk import orders
from tests.unit.infra.ops.bookings import ERASED, NOW, TUESDAY, aes, book, close, key, letter_due
from tests.unit.infra.ops.program import extra

pytestmark = pytest.mark.slow

WEEK = "2026-W50"


@pytest.fixture
def morning(service: Service) -> Service:
    """Three people booked on a Tuesday: two confirmed, one pending; one seat is held."""
    book(key(start="09:15"), 1)
    book(key(start="09:20"), 2)
    book(key(start="09:25", unit=2), 3, confirmed=False)
    assert seat_store.take(key(start="09:30"), "somebody", NOW + timedelta(minutes=3), NOW)
    return service


def seats(week: str = WEEK) -> list[Seat]:
    return seat_store.read_week("aes", week)


# The plan


@pytest.mark.usefixtures("morning")
def test_a_plan_counts_the_seats_and_changes_nothing() -> None:
    before = [*seats(), *seats("2026-W51")]
    plan = closing.prepare(TUESDAY, NOW)
    assert (len(plan.booked), len(plan.held), len(plan.unused)) == (3, 1, 26)
    assert (len(plan.reserve), plan.missing) == (3, 0)
    assert plan.until == NOW + timedelta(days=7)
    assert [*seats(), *seats("2026-W51")] == before


@pytest.mark.usefixtures("morning")
def test_the_reserve_can_still_be_booked_when_the_time_to_choose_is_over() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    assert all(aes().start_of(seat.key) - plan.until >= timedelta(hours=49) for seat in plan.reserve)
    assert plan.reserve[0].key.day == date(2026, 12, 10)


@pytest.mark.usefixtures("morning")
def test_only_the_given_hours_and_desks_are_closed() -> None:
    early = Closing("aes", date(2026, 12, 8), time(9, 15), time(9, 25), (2,))
    assert close(early) == {"closed": 2}
    assert [seat.key for seat in seats() if seat.state is State.CLOSED] == [
        key(start="09:15", unit=2),
        key(start="09:20", unit=2),
    ]


@pytest.mark.usefixtures("table")
def test_a_plan_counts_the_other_seats_that_are_missing() -> None:
    few = service_store.put(
        document(plannings=[{"desks": [1, 2], "openings": [{"days": ["tuesday"], "from": "09:15", "to": "09:20"}]}])
    )
    fill(few, MONDAY - timedelta(minutes=1))
    book(key(), 1)
    book(key(unit=2), 2)
    plan = closing.prepare(TUESDAY, NOW)
    assert (len(plan.reserve), plan.missing) == (2, 0)
    for seat in plan.reserve:
        assert seat_store.take(seat.key, "x", NOW + timedelta(minutes=3), NOW)
    assert closing.prepare(TUESDAY, NOW).missing == 2


# The closing


@pytest.mark.usefixtures("morning")
def test_a_closed_day_has_no_seat_left_and_each_booked_applicant_gets_one_letter() -> None:
    before = {seat.key: seat for seat in seats()}
    assert close(TUESDAY) == {"set_aside": 3, "closed": 30, "written_to": 3}
    assert {seat.state for seat in seats() if seat.key.day == TUESDAY.day} == {State.CLOSED}
    letters = [due for seat in seats() if (due := letter_due(before[seat.key], seat))]
    assert [(due.kind, due.person) for due in letters] == [
        ("displaced", "person1"),
        ("displaced", "person2"),
        ("displaced", "person3"),
    ]
    assert {due.until for due in letters} == {NOW + timedelta(days=7)}


@pytest.mark.usefixtures("service")
def test_a_seat_that_was_given_back_and_is_open_again_can_be_set_aside() -> None:
    book(key(start="09:15"), 1)
    first = closing.prepare(TUESDAY, NOW).reserve[0].key
    book(first, 2)
    assert seat_store.end_request(seat_store.read(first), State.CANCELLED, NOW, NOW)
    assert close(TUESDAY) == {"set_aside": 1, "closed": 30, "written_to": 1}
    assert seat_store.read(first).is_set_aside(NOW)


@pytest.mark.usefixtures("morning")
def test_a_seat_whose_reserve_is_over_can_be_set_aside_again() -> None:
    assert close(TUESDAY)["set_aside"] == 3
    later = NOW + timedelta(days=7, hours=1)
    over = next(seat for seat in [*seats(), *seats("2026-W51")] if seat.is_set_aside(NOW))
    assert seat_maintenance.set_aside(over, "another", later + timedelta(days=7))
    assert not seat_maintenance.set_aside(over, "a third", later + timedelta(days=7))


@pytest.mark.usefixtures("morning")
def test_an_interrupted_closing_goes_on_where_it_stopped_and_sets_aside_no_seat_more() -> None:
    class Cut(Exception):
        pass

    def until_the(number: int) -> closing.Watch:
        def watch(seats: Sequence[Seat]) -> Iterator[Seat]:
            for n, seat in enumerate(seats):
                if n == number:
                    raise Cut
                yield seat

        return watch

    for cut in (0, 5, 23, 1):
        plan = closing.prepare(TUESDAY, NOW)
        with pytest.raises(Cut):
            closing.close(TUESDAY, plan, NOW, watch=until_the(cut))
    assert sum(seat.past_state is State.DISPLACED for seat in seats()) == 2
    assert close(TUESDAY, NOW + timedelta(hours=1)) == {"closed": 1, "written_to": 1}
    assert close(TUESDAY, NOW + timedelta(hours=2)) == {}
    everything = [seat for week in ("2026-W50", "2026-W51") for seat in seats(week)]
    assert sum(seat.is_set_aside(NOW) for seat in everything) == 3


@pytest.mark.usefixtures("morning")
def test_nobody_is_displaced_without_a_seat_set_aside() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    assert seat_store.take(plan.reserve[0].key, "x", NOW + timedelta(minutes=3), NOW)
    assert closing.close(TUESDAY, plan, NOW)["written_to"] == 2
    assert close(TUESDAY)["written_to"] == 1


@pytest.mark.usefixtures("table")
def test_an_internal_seat_that_is_opened_again_when_the_choice_is_over_is_the_desks_again() -> None:
    office = orders.put()
    last = orders.free(office, public=False)[-1]
    order = Order([last], [replace(steps.AWA, email="")], orders.SECRET)
    (request,) = booking.book(office, order, orders.AGENT, NOW)
    hours = Closing("aes", request.seat.key.day)
    plan = closing.prepare(hours, NOW)
    closing.close(hours, plan, NOW)
    over = plan.until + timedelta(minutes=1)
    assert closing.reopen(office, closing.prepare(hours, over)) > 0
    recent.SEATS.clear()
    assert request.seat.key in places.free_for(office, over, public=False)


@pytest.mark.usefixtures("morning")
def test_the_release_does_not_reopen_what_an_operator_closed() -> None:
    close(TUESDAY)
    assert schedule.release_seats(NOW)["reopen"] == 0
    assert {seat.state for seat in seats() if seat.key.day == TUESDAY.day} == {State.CLOSED}


@pytest.mark.usefixtures("morning")
def test_a_seat_that_is_set_aside_looks_taken_to_others_until_the_time_to_choose_is_over() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    service_store.clear_caches()
    start = aes().start_of(plan.reserve[0].key)
    assert {aes().start_of(seat.key) for seat in plan.reserve[:2]} == {start}
    assert not seat_store.take(plan.reserve[0].key, "x", NOW + timedelta(minutes=3), NOW)
    with pytest.raises(refusals.SlotTaken):
        holds.place("aes", Wish(start, conditions_accepted=True), now=NOW)
    assert seat_store.take(plan.reserve[0].key, "late", plan.until + timedelta(minutes=3), plan.until)


# Applicants who are here


def here(seat: SeatKey, state: State, desk: int) -> None:
    """Record that the applicant of a seat has arrived, or is called to a desk."""
    seat_keys.seat_item(seat).update([SeatItem.state.set(state), SeatItem.called_to.set(desk)])


@pytest.mark.usefixtures("morning")
@pytest.mark.parametrize("state", [State.ARRIVED, State.CALLED])
def test_nobody_is_displaced_who_has_arrived_or_is_called(state: State) -> None:
    now = aes().start_of(key(start="09:15")) - timedelta(minutes=5)
    here(key(start="09:20"), state, 2)
    before = seats()
    with pytest.raises(ApplicantsPresent) as refusal:
        close(TUESDAY, now)
    assert refusal.value.numbers == ["0920A"]
    assert seats() == before
    other_hours = Closing("aes", TUESDAY.day, time(9, 30))
    assert close(other_hours, now) == {"closed": 24}


@pytest.mark.usefixtures("morning")
def test_a_desk_that_calls_somebody_now_is_not_closed_whatever_seat_they_had() -> None:
    now = aes().start_of(key(start="09:25"))
    here(key(start="09:15"), State.CALLED, 2)
    with pytest.raises(ApplicantsPresent):
        close(Closing("aes", TUESDAY.day, desks=(2,)), now)
    afternoon = Closing("aes", TUESDAY.day, time(10), desks=(2,))
    assert close(afternoon, now) == {"closed": 6}


@pytest.mark.usefixtures("morning")
def test_who_arrived_on_another_day_without_an_outcome_keeps_no_desk_open() -> None:
    here(key(start="09:15"), State.ARRIVED, 0)
    week = Closing("aes", TUESDAY.day, last=date(2026, 12, 10))
    assert close(week, aes().start_of(key("2026-12-10")) - timedelta(hours=1))["closed"] == 30


@pytest.mark.usefixtures("morning")
def test_who_arrives_after_the_plan_was_made_keeps_the_appointment() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    here(key(start="09:20"), State.ARRIVED, 0)
    assert closing.close(TUESDAY, plan, NOW)["written_to"] == 2
    assert seat_store.read(key(start="09:20")).state is State.ARRIVED


# Several days, and closings that meet


@pytest.mark.usefixtures("morning")
def test_a_closing_of_several_days_sets_aside_seats_of_none_of_them() -> None:
    week = Closing("aes", TUESDAY.day, time(9, 15), time(9, 30), (1,), date(2026, 12, 15))
    plan = closing.prepare(week, NOW)
    assert len(plan.booked) == 2
    assert {seat.key.day.isoformat() for seat in plan.reserve} == {"2026-12-10"}
    assert not any(week.covers(aes(), seat.key) for seat in plan.reserve)
    assert close(week) == {"set_aside": 2, "closed": 9, "written_to": 2}
    closed = {seat.key.day.day for each in ("2026-W50", "2026-W51") for seat in seats(each) if seat.closed}
    assert closed == {8, 10, 15}


@pytest.mark.usefixtures("table")
def test_a_desk_that_the_service_does_not_have_is_refused_with_those_that_it_has() -> None:
    service = service_store.put(document())
    fill(service, MONDAY - timedelta(minutes=1))
    extra(key(start="11:00", unit=7), NOW)
    with pytest.raises(closing.UnknownDesk) as refusal:
        closing.prepare(Closing("aes", TUESDAY.day, desks=(2, 9)), NOW)
    assert refusal.value.desks == [1, 2, 7]


@pytest.mark.usefixtures("morning")
def test_a_seat_that_an_earlier_closing_set_aside_is_replaced_when_it_is_closed_too() -> None:
    first = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    thursday = Closing("aes", date(2026, 12, 10))
    assert {seat.key.day for seat in first.reserve} == {thursday.day}
    plan = closing.prepare(thursday, NOW)
    assert [(aside.reserve, aside.until) for aside in plan.replaced] == [(TUESDAY.id, first.until)] * 3
    assert close(thursday) == {"set_aside": 3, "closed": 30}
    assert close(thursday) == {}
    service_store.clear_caches()
    request, starts = moves.choices(token(1, key(start="09:15")), NOW)
    kept = [seat for seat in seats("2026-W51") if seat.is_set_aside(NOW)]
    assert len(kept) == 3
    assert aes().start_of(kept[0].key) in starts
    assert moves.move(request, aes().start_of(kept[0].key), now=NOW).state is State.CONFIRMED


@pytest.mark.usefixtures("morning")
def test_a_seat_set_aside_for_an_earlier_closing_stays_open_when_its_replacement_is_taken_meanwhile() -> None:
    close(TUESDAY)
    thursday = Closing("aes", date(2026, 12, 10))
    plan = closing.prepare(thursday, NOW)
    assert seat_store.take(plan.replaced[0].seat.key, "x", NOW + timedelta(minutes=3), NOW)
    assert closing.close(thursday, plan, NOW)["closed"] == 27
    assert sum(seat.is_set_aside(NOW) for seat in seats()) == 3
    assert close(thursday)["closed"] == 3


@pytest.mark.usefixtures("morning")
def test_only_as_many_seats_are_replaced_as_applicants_still_choose() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    service_store.clear_caches()
    moves.move(requests.view(token(1, key(start="09:15")), NOW), aes().start_of(plan.reserve[0].key), now=NOW)
    assert seat_maintenance.give_up_choice(seat_store.read(key(start="09:20")))
    thursday = Closing("aes", date(2026, 12, 10))
    plan = closing.prepare(thursday, NOW)
    assert (len(plan.replaced), len(plan.booked), len(plan.reserve), plan.missing) == (1, 1, 1, 0)


@pytest.mark.usefixtures("morning")
def test_a_closing_makes_so_many_writes_at_most_and_goes_on_the_next_time() -> None:
    done = Counter[str]()
    for most in (2, *[8] * 4):
        plan = closing.prepare(TUESDAY, NOW)
        counts = closing.close(TUESDAY, plan, NOW, most=most)
        assert counts["set_aside"] + counts["closed"] <= most
        done += counts
    assert done == {"set_aside": 3, "closed": 30, "written_to": 3}


@pytest.mark.usefixtures("table")
def test_seats_that_the_release_creates_later_are_counted() -> None:
    fill(service_store.put(document()), MONDAY - timedelta(minutes=1))
    plan = closing.prepare(Closing("aes", date(2026, 12, 17), last=date(2027, 1, 7), desks=(1,)), NOW)
    assert (len(plan.unused), plan.uncreated) == (15, 90)


@pytest.mark.usefixtures("table")
def test_a_closing_takes_no_seat_from_the_winners_of_a_draw_that_is_not_finished() -> None:
    fill(service_store.put(draw_document()), NOW)
    everything = closing.prepare(Closing("aes", date(2026, 12, 1), last=date(2026, 12, 6)), NOW)
    seat_keys.seat_item(everything.unused[0].key).update([SeatItem.state.set(State.CONFIRMED), SeatItem.hold.set("h")])
    request = Closing("aes", everything.unused[0].key.day)
    (first,) = closing.prepare(request, NOW).reserve
    frozen = Draw("aes", first.key.week, Stage.FROZEN, {})
    assert draw_store.create(frozen)
    (second,) = closing.prepare(request, NOW).reserve
    assert second.key.week > first.key.week
    assert closing.prepare(Closing("aes", first.key.day), NOW).drawn


# Choosing again


def token(number: int, seat: SeatKey) -> str:
    return str(keys().link_token(seat, f"hold{number}"))


@pytest.mark.usefixtures("morning")
def test_displaced_applicants_choose_from_the_reserve_and_are_confirmed_there() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    service_store.clear_caches()
    for number, old in ((1, key(start="09:15")), (3, key(start="09:25", unit=2))):
        kept = aes().start_of(plan.reserve[-1 if number == 3 else 0].key)
        request, starts = moves.choices(token(number, old), NOW)
        assert request.state is State.DISPLACED
        assert kept in starts
        moved = moves.move(requests.view(token(number, old), NOW), kept, now=NOW)
        assert (moved.state, moved.start, moved.seat.person) == (State.CONFIRMED, kept, f"person{number}")
        person = person_store.read(f"person{number}", "aes")
        assert person
        assert (person.seat, person.moves, person.sequence) == (moved.seat.key, 0, 1)
        assert requests.view(token(number, old), NOW).state is State.MOVED
    old_seat = seat_store.read(key(start="09:15"))
    assert (old_seat.state, old_seat.person) == (State.CLOSED, "")


@pytest.mark.usefixtures("morning")
def test_the_reserve_of_a_closing_is_not_for_the_applicants_of_another() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    other = book(key("2026-12-10", "10:25"), 9)
    close(Closing("aes", date(2026, 12, 10), time(10, 25), time(10, 30)))
    service_store.clear_caches()
    wished = move_store.Move(
        seat=seat_store.read(other.seat.key),
        to=plan.reserve[0].key,
        person=person_store.read("person9", "aes"),  # type: ignore[arg-type]  # it is there
        email_keys=[keys().email_key("awa9@example.org")],
        opens_at=NOW,
        erase_at=NOW,
        most_moves=None,
    )
    assert move_store.move(wished, NOW) is move_store.MoveResult.SEAT_TAKEN


@pytest.mark.usefixtures("morning")
def test_after_the_time_to_choose_the_link_has_expired_and_the_reserve_is_free() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    late = plan.until
    request = requests.view(token(1, key(start="09:15")), late)
    assert (request.state, request.person) == (State.DISPLACED, None)
    with pytest.raises(refusals.LinkExpired):
        moves.move(requests.view(token(1, key(start="09:15")), late), aes().start_of(plan.reserve[0].key), now=late)
    assert calendar.free_seats(aes(), [seat_store.read(plan.reserve[0].key)], late)


@pytest.mark.usefixtures("morning")
def test_an_applicant_with_a_new_request_cannot_choose_as_well() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    close(TUESDAY)
    again = key("2026-12-10", "10:25")
    person = person_store.read("person1", "aes")
    assert person
    assert seat_store.take(again, "new", NOW + timedelta(minutes=3), NOW)
    newer = Person("person1", "aes", again, "new", person.details, "AES-NEWER-AAAAA", NOW)
    assert seat_store.pass_captcha(again, "new", 1, NOW + timedelta(minutes=15), NOW, most=5)
    rule = lock_rule(aes(), NOW)
    assert request_store.file(
        newer,
        "newer",
        NOW + timedelta(days=2),
        now=NOW,
        erase_at=ERASED,
        is_live=rule,
    )
    with pytest.raises(refusals.LinkExpired):
        moves.move(requests.view(token(1, key(start="09:15")), NOW), aes().start_of(plan.reserve[0].key), now=NOW)
