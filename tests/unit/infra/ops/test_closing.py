"""Closing a morning: a reserve first, then seat by seat; everybody is told once and may choose again."""

from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta

import pytest

from chalicelib.booking import filing, holds, moves, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import calendar, refusals
from chalicelib.domain.person import Person
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import move_store, person_store, request_store, seat_admin, seat_store, service_store
from infra.ops import closing
from infra.ops.closing import Closing
from tests.conftest import MONDAY, document, fill
from tests.unit.infra.ops.bookings import ERASED, NOW, TUESDAY, aes, book, images, key, run

WEEK = "2026-W50"


@pytest.fixture
def morning(service: Service) -> Service:
    """Three people booked on a Tuesday: two confirmed, one still to confirm; one more holds a place."""
    book(key(start="09:15"), 1)
    book(key(start="09:20"), 2)
    book(key(start="09:25", unit=2), 3, confirmed=False)
    assert seat_store.take(key(start="09:30"), "somebody", NOW + timedelta(minutes=3), NOW)
    return service


def seats(week: str = WEEK) -> list[Seat]:
    return seat_store.read_week("aes", week)


# What it would do


@pytest.mark.usefixtures("morning")
def test_preparing_tells_what_would_happen_and_changes_nothing() -> None:
    before = [*seats(), *seats("2026-W51")]
    plan = closing.prepare(TUESDAY, NOW)
    assert (len(plan.booked), len(plan.held), len(plan.unused)) == (3, 1, 26)
    assert (len(plan.reserve), plan.missing) == (3, 0)
    assert plan.until == NOW + timedelta(days=7)
    assert [*seats(), *seats("2026-W51")] == before


@pytest.mark.usefixtures("morning")
def test_the_reserve_can_still_be_taken_by_anybody_once_its_week_is_over() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    assert all(aes().start_of(seat.key) - plan.until >= timedelta(hours=49) for seat in plan.reserve)
    assert plan.reserve[0].key.day == date(2026, 12, 10)


@pytest.mark.usefixtures("morning")
def test_only_the_hours_and_the_desks_that_are_named_close() -> None:
    early = Closing("aes", date(2026, 12, 8), time(9, 15), time(9, 25), (2,))
    assert run(early) == {"closed": 2}
    assert [seat.key for seat in seats() if seat.state is State.CLOSED] == [
        key(start="09:15", unit=2),
        key(start="09:20", unit=2),
    ]


@pytest.mark.usefixtures("table")
def test_a_closing_for_which_there_are_too_few_other_seats_says_how_many() -> None:
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


# What it does


@pytest.mark.usefixtures("morning")
def test_a_closed_morning_has_no_seat_left_and_everybody_booked_is_written_to_once() -> None:
    before = {seat.key: seat for seat in seats()}
    assert run(TUESDAY) == {"set_aside": 3, "closed": 30, "written_to": 3}
    assert {seat.state for seat in seats() if seat.key.day == TUESDAY.day} == {State.CLOSED}
    letters = [due for seat in seats() if (due := images(before[seat.key], seat))]
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
    assert run(TUESDAY) == {"set_aside": 1, "closed": 30, "written_to": 1}
    assert seat_store.read(first).is_set_aside(NOW)


@pytest.mark.usefixtures("morning")
def test_a_seat_whose_reserve_is_over_can_be_set_aside_again() -> None:
    assert run(TUESDAY)["set_aside"] == 3
    later = NOW + timedelta(days=7, hours=1)
    over = next(seat for seat in [*seats(), *seats("2026-W51")] if seat.is_set_aside(NOW))
    assert seat_admin.set_aside(over, "another", later + timedelta(days=7))
    assert not seat_admin.set_aside(over, "a third", later + timedelta(days=7))


@pytest.mark.usefixtures("morning")
def test_a_closing_that_is_cut_anywhere_goes_on_where_it_was_and_sets_aside_no_seat_more() -> None:
    class Cut(Exception):
        pass

    def until_the(number: int) -> closing.Watch:
        def watch(todo: Sequence[Seat]) -> Iterator[Seat]:
            for n, seat in enumerate(todo):
                if n == number:
                    raise Cut
                yield seat

        return watch

    for cut in (0, 5, 23, 1):
        plan = closing.prepare(TUESDAY, NOW)
        with pytest.raises(Cut):
            closing.close(TUESDAY, plan, NOW, watch=until_the(cut))
    assert sum(seat.past_state is State.DISPLACED for seat in seats()) == 2
    assert run(TUESDAY, NOW + timedelta(hours=1)) == {"closed": 1, "written_to": 1}
    assert run(TUESDAY, NOW + timedelta(hours=2)) == {}
    everything = [seat for week in ("2026-W50", "2026-W51") for seat in seats(week)]
    assert sum(seat.is_set_aside(NOW) for seat in everything) == 3


@pytest.mark.usefixtures("morning")
def test_nobody_is_displaced_without_a_seat_set_aside() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    assert seat_store.take(plan.reserve[0].key, "x", NOW + timedelta(minutes=3), NOW)
    assert closing.close(TUESDAY, plan, NOW)["written_to"] == 2
    assert run(TUESDAY)["written_to"] == 1


@pytest.mark.usefixtures("morning")
def test_what_the_office_closed_the_release_does_not_open_again() -> None:
    run(TUESDAY)
    assert schedule.release_seats(NOW)["reopen"] == 0
    assert {seat.state for seat in seats() if seat.key.day == TUESDAY.day} == {State.CLOSED}


@pytest.mark.usefixtures("morning")
def test_a_seat_that_is_set_aside_looks_taken_to_everybody_else_until_its_week_is_over() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    run(TUESDAY)
    service_store.forget()
    start = aes().start_of(plan.reserve[0].key)
    assert {aes().start_of(seat.key) for seat in plan.reserve[:2]} == {start}
    assert not seat_store.take(plan.reserve[0].key, "x", NOW + timedelta(minutes=3), NOW)
    with pytest.raises(refusals.SlotTaken):
        holds.place("aes", Wish(start, conditions_accepted=True), now=NOW)
    assert seat_store.take(plan.reserve[0].key, "late", plan.until + timedelta(minutes=3), plan.until)


# Choosing again


def token(number: int, seat: SeatKey) -> str:
    return str(keys().link_token(seat, f"hold{number}"))


@pytest.mark.usefixtures("morning")
def test_each_person_chooses_among_the_reserve_and_what_is_free_and_is_confirmed_there() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    run(TUESDAY)
    service_store.forget()
    for number, old in ((1, key(start="09:15")), (3, key(start="09:25", unit=2))):
        kept = aes().start_of(plan.reserve[-1 if number == 3 else 0].key)
        found, starts = moves.choices(token(number, old), NOW)
        assert found.state is State.DISPLACED
        assert kept in starts
        moved = moves.move(token(number, old), kept, now=NOW)
        assert (moved.state, moved.start, moved.seat.person) == (State.CONFIRMED, kept, f"person{number}")
        person = person_store.read(f"person{number}", "aes")
        assert person
        assert (person.seat, person.moves, person.sequence) == (moved.seat.key, 0, 1)
        assert requests.view(token(number, old), NOW).state is State.MOVED
    old_seat = seat_store.read(key(start="09:15"))
    assert (old_seat.state, old_seat.person) == (State.CLOSED, "")


@pytest.mark.usefixtures("morning")
def test_the_reserve_of_one_closing_is_not_for_those_of_another() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    run(TUESDAY)
    other = book(key("2026-12-10", "10:25"), 9)
    run(Closing("aes", date(2026, 12, 10), time(10, 25), time(10, 30)))
    service_store.forget()
    wished = move_store.Move(
        seat=seat_store.read(other.seat.key),
        to=plan.reserve[0].key,
        person=person_store.read("person9", "aes"),  # type: ignore[arg-type]  # it is there
        address=keys().email_key("awa9@example.org"),
        opens_at=NOW,
        erase_at=NOW,
        most=None,
    )
    assert move_store.move(wished, NOW) is move_store.MoveResult.SEAT_TAKEN


@pytest.mark.usefixtures("morning")
def test_after_its_week_the_link_no_longer_chooses_and_the_seat_is_anybodys() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    run(TUESDAY)
    late = plan.until
    found = requests.view(token(1, key(start="09:15")), late)
    assert (found.state, found.person) == (State.DISPLACED, None)
    with pytest.raises(refusals.LinkExpired):
        moves.move(token(1, key(start="09:15")), aes().start_of(plan.reserve[0].key), now=late)
    assert calendar.free_seats(aes(), [seat_store.read(plan.reserve[0].key)], late)


@pytest.mark.usefixtures("morning")
def test_a_person_who_has_booked_anew_meanwhile_cannot_choose_as_well() -> None:
    plan = closing.prepare(TUESDAY, NOW)
    run(TUESDAY)
    again = key("2026-12-10", "10:25")
    person = person_store.read("person1", "aes")
    assert person
    assert seat_store.take(again, "new", NOW + timedelta(minutes=3), NOW)
    newer = Person("person1", "aes", again, "new", person.details, "AES-NEWER-AAAAA", NOW)
    assert seat_store.pass_captcha(again, "new", 1, NOW + timedelta(minutes=15), NOW, most=5)
    counts = filing.lock_rule(aes(), NOW)
    assert request_store.file(newer, "newer", NOW + timedelta(days=2), now=NOW, erase_at=ERASED, counts=counts)
    with pytest.raises(refusals.LinkExpired):
        moves.move(token(1, key(start="09:15")), aes().start_of(plan.reserve[0].key), now=NOW)
