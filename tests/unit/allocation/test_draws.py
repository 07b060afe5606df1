"""A draw from its promise to its results, on a table."""

from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from chalicelib.allocation import draw, publication
from chalicelib.allocation.beacon import SignedRound
from chalicelib.allocation.seats import line_of
from chalicelib.booking import moves, requests, schedule
from chalicelib.domain import draw_record, draw_window, refusals
from chalicelib.domain.draw import FrozenEntry, assign, order, score_of
from chalicelib.domain.draw_record import ListKind, Stage
from chalicelib.domain.entry import EntryState
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import State
from chalicelib.storage import draw_items, draw_store, items, seat_maintenance, seat_store, service_store
from tests.conftest import UNREACHABLE, calls
from tests.unit.allocation.drawing import (
    A_WEEK,
    DRAWN_AT,
    FROZEN_AT,
    any_round,
    at,
    close,
    frozen,
    holders,
    offers,
    put,
    receipt,
    results,
    seats,
    stored,
    text,
)
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, all_entries, entered, entry_of, filed, somebody

pytestmark = pytest.mark.slow

MILLISECOND, MINUTE = timedelta(milliseconds=1), timedelta(minutes=1)
NEXT, THIRD = "2026-W53", "2027-W01"


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    put()
    at(OPENS)


def test_each_seat_goes_to_the_rank_that_the_published_record_determines() -> None:
    for number in range(7):
        entered(somebody(number), preferences=("tue-am", "thu-pm") if number % 2 else ("any",))
    at(FROZEN_AT)
    record = publication.draw("aes", WEEK).record
    entry_text, seat_text = text(ListKind.ENTRIES), text(ListKind.SEATS)
    entries, free = draw_record.parse_entries(entry_text), draw_record.parse_seats(seat_text)
    assert (record["entries"], record["seats"]) == (len(entries), len(free)) == (7, 4)
    assert record["root"] == sha256((entry_text + seat_text).encode()).hexdigest() == record["randomness"]
    assert sha256(bytes.fromhex(record["seed"])).hexdigest() == record["commitment"]
    assert record["promise"] == draw_record.promise(record)
    score = score_of(*(bytes.fromhex(record[name]) for name in ("randomness", "seed", "root")))
    expected = assign(order(entries, 4, 25, score), free)
    assert text(ListKind.RESULTS) == draw_record.result_lines(expected)
    receipts = {entry.past: entry.receipt for entry in all_entries()}
    given = {seat: receipts[hold] for seat, hold in holders().items()}
    assert given == {result.seat: result.receipt for result in expected if result.seat}
    assert {seat.state for seat in seats()} == {State.PENDING}
    assert stored().stage is Stage.ASSIGNED


# The promise


def test_the_promise_is_made_when_the_window_opens_and_never_changes() -> None:
    promised = stored()
    assert (promised.stage, promised.record["previous"]) == (Stage.PROMISED, None)
    assert promised.record["promised_at"] == promised.record["opens"] == "2026-12-03T09:00:00+01:00"
    at(NOW)
    assert stored() == promised
    assert publication.promise("aes", WEEK) == promised.record["promise"]


def test_each_promise_contains_the_hash_of_the_record_before_as_it_was_frozen() -> None:
    entered(somebody(1))
    at(FROZEN_AT)
    at(OPENS + A_WEEK)
    assert stored(NEXT).record["previous"] == draw_record.record_hash(stored().record)
    as_frozen = {name: value for name, value in stored().record.items() if name not in {"seed", "randomness"}}
    assert draw_record.record_hash(as_frozen) == stored(NEXT).record["previous"]


def test_the_next_promise_waits_for_the_freeze_before() -> None:
    service = service_store.read("aes", NOW)
    window = draw_window.window_of(service, NEXT)
    assert draw.promise(service, window, draw_store.read_all("aes"), NOW) is None
    at(FROZEN_AT)
    promised = draw.promise(service, window, draw_store.read_all("aes"), NOW)
    assert promised
    assert promised.record["previous"] == draw_record.record_hash(stored().record)


def test_a_draw_whose_runs_were_missed_is_made_up_for_late_and_says_so() -> None:
    entered(somebody(1))
    entered(somebody(2), now=NOW + A_WEEK)
    late = CLOSES + A_WEEK + timedelta(days=1)  # nothing has run since the first promise
    schedule.release_seats(late)
    at(late)
    first, second = draw_store.read_all("aes")
    assert [first.stage, second.stage] == [Stage.ASSIGNED, Stage.ASSIGNED]
    assert (first.record["late"], second.record["late"]) == (True, True)
    assert second.record["promised_at"] == "2026-12-14T18:00:00+01:00"
    assert second.record["previous"] == draw_record.record_hash(first.record)
    assert (len(frozen()), len(frozen(NEXT))) == (1, 1)  # the winner of the first draw is not in the second one


def test_a_draw_that_was_missed_until_its_week_was_over_holds_up_nobody() -> None:
    request = entered(somebody(1))
    late = OPENS + timedelta(weeks=6)
    schedule.release_seats(late)
    at(late)
    assert (stored().stage, stored().record["entries"]) == (Stage.ASSIGNED, 0)
    weeks = [missed.week for missed in draw_store.read_all("aes")]
    assert weeks == sorted(weeks)
    assert entry_of(request).moved_to  # in the next draw that has a week to come


def test_the_draws_begin_with_the_first_window_in_which_somebody_entered_if_no_run_has_seen_it_open() -> None:
    draw_items.draw_item("aes", WEEK).delete()
    draw_items.seed_item("aes", WEEK).delete()
    at(OPENS - MILLISECOND)
    assert draw_store.read_all("aes") == []
    entered(somebody(1))
    at(FROZEN_AT)
    assert [first.week for first in draw_store.read_all("aes")] == [WEEK]
    assert stored().record["promised_at"] > stored().record["closes"]


def test_no_promise_is_stored_before_its_seed() -> None:
    draw_items.draw_item("aes", WEEK).delete()
    draw_items.seed_item("aes", WEEK).delete()
    with calls(UNREACHABLE, operation="PutItem"):
        at(NOW)
    assert draw_store.read_all("aes") == []
    before = draw_store.seed("aes", WEEK, "ab" * 32)
    at(NOW)
    assert (before, stored().record["commitment"]) == ("ab" * 32, sha256(bytes.fromhex(before)).hexdigest())


def test_the_guards_of_the_table_refuse_a_second_promise_seed_stage_and_line() -> None:
    first = stored()
    assert not draw_store.create(first)
    assert draw_store.seed("aes", WEEK, "cd" * 32) == draw_store.read_seed("aes", WEEK) != "cd" * 32
    assert not draw_store.advance(first, before=Stage.FROZEN)
    line = draw_store.LogLine(NOW, 1, "a" * 26, None)
    assert draw_store.append_log("aes", WEEK, line)
    assert not draw_store.append_log("aes", WEEK, line)


def test_a_change_of_the_file_changes_the_next_draw_and_not_the_one_that_was_promised() -> None:
    entered(somebody(1))
    put({"closes": {"day": "sunday", "at": "12:00"}, "seniority_percent": 100, "beacon": "drand"})
    at(CLOSES - timedelta(hours=1))
    assert stored().stage is Stage.PROMISED
    at(FROZEN_AT)
    assert (stored().stage, stored().record["seniority_percent"]) == (Stage.ASSIGNED, 25)
    at(OPENS + A_WEEK)
    record = stored(NEXT).record
    assert (record["closes"], record["seniority_percent"], record["beacon"]["kind"]) == (
        "2026-12-13T12:00:00+01:00",
        100,
        "drand",
    )


# The freeze


def test_the_entries_are_frozen_a_minute_after_the_close() -> None:
    entered(somebody(1))
    at(FROZEN_AT - MILLISECOND)
    assert stored().stage is Stage.PROMISED
    at(FROZEN_AT)
    assert (stored().record["entries"], stored().record["late"]) == (1, False)
    assert stored().record["frozen_at"] == "2026-12-06T18:01:00+01:00"


@pytest.mark.parametrize(("proved", "expected"), [(-MILLISECOND, 1), (0 * MILLISECOND, 0), (timedelta(seconds=30), 0)])
def test_an_address_that_is_proven_at_the_close_or_later_joins_the_next_draw(proved: timedelta, expected: int) -> None:
    request = filed(somebody(1), CLOSES - timedelta(hours=1))
    requests.confirm(request.token, CLOSES + proved)
    at(FROZEN_AT)
    assert len(frozen()) == expected
    at(OPENS + A_WEEK)
    schedule.release_seats(OPENS + A_WEEK)
    at(FROZEN_AT + A_WEEK)
    assert len(frozen(NEXT)) == 1 - expected


def test_who_left_never_proved_the_address_ran_out_of_time_or_has_a_seat_is_not_in_the_draw() -> None:
    requests.cancel(entered(somebody(1)).token, NOW)
    filed(somebody(2))
    at(FROZEN_AT)
    assert frozen() == []
    in_time = entered(somebody(3), now=NOW + A_WEEK)
    at(OPENS + A_WEEK)
    over = draw_window.window_of(in_time.service, NEXT).closes
    seat_store.update(entry_of(in_time).key, [items.SeatItem.until.set(over)], items.SeatItem.pk.exists())
    at(FROZEN_AT + A_WEEK)
    assert frozen(NEXT) == []


def test_half_days_without_seats_are_left_out_and_an_entry_without_any_is_not_in_the_draw() -> None:
    only = entered(somebody(1), preferences=("tue-am",))
    both = entered(somebody(2), preferences=("tue-am", "thu-pm"))
    close([seat for seat in seats() if seat.key.day.isoweekday() == 2], CLOSES)
    both_receipt = receipt(both)
    at(FROZEN_AT)
    assert frozen() == [FrozenEntry(both_receipt, 0, ("2026-12-24-pm",))]
    assert requests.view(only.token, FROZEN_AT).shown_state is EntryState.ENTERED


def test_a_public_holiday_in_the_week_has_no_half_day() -> None:
    entered(somebody(1))
    put(holidays=["2026-12-22"])
    with pytest.raises(refusals.InvalidFields):
        entered(somebody(2), preferences=("tue-am",))
    at(FROZEN_AT)
    assert [seat[:10] for seat in text(ListKind.SEATS).splitlines()] == ["2026-12-24"] * 2
    assert frozen()[0].preferences == ("2026-12-24-pm", "any")


def test_seats_that_are_set_aside_for_displaced_applicants_are_not_drawn_until_their_time_is_over() -> None:
    entered(somebody(1))
    aside, later = seats()[:2]
    assert seat_maintenance.set_aside(aside, "closing", CLOSES + timedelta(days=1))
    assert seat_maintenance.set_aside(later, "closing", FROZEN_AT)
    at(FROZEN_AT)
    assert text(ListKind.SEATS).splitlines() == [line_of(seat.key) for seat in seats()[1:]]


def test_no_entries_and_no_seats_give_an_empty_draw() -> None:
    close(seats(), NOW)
    at(FROZEN_AT)
    assert stored().stage is Stage.ASSIGNED
    assert [text(kind) for kind in publication.PUBLISHED] == ["", "", ""]
    assert stored().record["root"] == sha256(b"").hexdigest()


def test_fewer_entries_than_seats_all_win_and_the_seats_that_are_left_wait() -> None:
    winners = [entered(somebody(number), preferences=("any",)) for number in range(2)]
    at(FROZEN_AT)
    assert all(requests.view(request.token, DRAWN_AT).shown_state is EntryState.DRAWN for request in winners)
    assert len(stored().unclaimed) == 2
    with calls() as names:
        at(FROZEN_AT + timedelta(minutes=30))
    assert "GetItem" not in names  # what nobody is left for costs no second look at the lists


@pytest.mark.parametrize(
    ("week", "closes"), [("2026-W46", "2026-10-25T18:00:00+01:00"), ("2027-W15", "2027-03-28T18:00:00+02:00")]
)
def test_a_draw_on_the_day_of_a_clock_change_closes_by_the_local_clock(week: str, closes: str) -> None:
    draw_items.draw_item("aes", WEEK).delete()
    window = draw_window.window_of(service_store.read("aes", NOW), week)
    schedule.release_seats(window.opens)
    at(window.opens)
    entered(somebody(1), now=window.closes - MILLISECOND)
    with pytest.raises(refusals.NotInWindow):
        entered(somebody(2), now=window.closes)
    at(window.closes + timedelta(seconds=60))
    record = stored(week).record
    assert (record["closes"], record["entries"], record["seats"], record["late"]) == (closes, 1, 4, False)
    assert stored(week).stage is Stage.ASSIGNED


FIVE = timedelta(minutes=5)


@pytest.mark.slow
@pytest.mark.parametrize("off", [-FIVE, FIVE], ids=["behind", "ahead"])
def test_a_draw_by_a_clock_that_is_five_minutes_off_loses_nobody_and_takes_nobody_after_the_close(
    drand: int, off: timedelta
) -> None:
    """The clock of the draw function is off. That of the pages is right: it decides what was before the close.

    A freeze that comes too early leaves out who proves the address after it. They are in the next draw.
    """
    proven = entered(somebody(5), preferences=("any",))
    late, too_late = (filed(somebody(number), now=CLOSES - 5 * MINUTE, preferences=("any",)) for number in (6, 7))
    asked: list[tuple[int, datetime]] = []

    def run_at(now: datetime) -> None:
        """Run at a moment of the right clock. The beacon has no round before its time."""

        def read(number: int) -> SignedRound | None:
            asked.append((number, now))
            return any_round(number) if draw_record.round_moment(number) <= now else None

        at(now + off, read)

    for minutes in (-4, -1):
        run_at(CLOSES + minutes * MINUTE)
    requests.confirm(late.token, CLOSES - MILLISECOND)
    run_at(CLOSES)
    requests.confirm(too_late.token, CLOSES)
    for minutes in (1, 6, 26, 31, 36):
        run_at(CLOSES + minutes * MINUTE)
    in_draw = {line.receipt for line in frozen()}
    assert [receipt(request) in in_draw for request in (proven, late, too_late)] == [True, off < timedelta(), False]
    drawn_at = CLOSES + timedelta(minutes=36 if off < timedelta() else 31)
    assert {number for number, _ in asked} == {drand}
    assert (asked[-1], stored().stage, stored().record["late"]) == ((drand, drawn_at), Stage.ASSIGNED, False)
    schedule.release_seats(OPENS + A_WEEK)
    run_at(OPENS + A_WEEK)
    run_at(FROZEN_AT + A_WEEK + FIVE)
    in_next = {line.receipt: line.waited for line in frozen(NEXT)}
    outside = [too_late] if off < timedelta() else [late, too_late]
    assert [in_next[receipt(request)] for request in outside] == [0] * len(outside)


# Randomness


@pytest.fixture
def drand(table: None) -> int:  # noqa: ARG001  # a fixture for its effect
    """Let the beacon decide. Return the round that decides the draw."""
    draw_items.draw_item("aes", WEEK).delete()
    put({"beacon": "drand"})
    at(OPENS)
    for number in range(5):
        entered(somebody(number), preferences=("any",))
    return draw_record.deciding_round(CLOSES, FROZEN_AT).number


def test_the_draw_waits_for_exactly_the_deciding_round(drand: int) -> None:
    asked: list[int] = []

    def read(number: int) -> SignedRound | None:
        asked.append(number)
        return any_round(number)

    at(FROZEN_AT, read)
    moment = draw_record.round_moment(drand)
    at(moment - MILLISECOND, read)
    assert (asked, stored().stage) == ([], Stage.FROZEN)
    with pytest.raises(NotFound):
        publication.part("aes", WEEK, ListKind.RESULTS, 1)
    assert "seed" not in stored().record
    at(moment, read)
    at(moment + timedelta(minutes=1), read)
    assert asked == [drand]
    signed = any_round(drand)
    assert signed
    record = stored().record
    assert record["beacon"] == {
        "kind": "drand",
        "chain": draw_record.DRAND_CHAIN,
        "round": drand,
        "signature": signed.signature.hex(),
    }
    assert record["randomness"] == sha256(signed.signature).hexdigest()
    expected = draw_record.results(record, frozen(), draw_record.parse_seats(text(ListKind.SEATS)))
    assert results() == expected


def test_a_round_that_does_not_appear_or_is_forged_lets_the_draw_wait_and_no_other_round_decides(drand: int) -> None:
    at(FROZEN_AT)
    asked: list[int] = []

    def nothing(number: int) -> None:
        asked.append(number)

    for days in range(1, 20):
        at(CLOSES + timedelta(days=days), nothing)
    assert set(asked) == {drand}
    assert stored().stage is Stage.FROZEN
    following = stored(NEXT)
    assert following.stage is Stage.PROMISED  # its losers are not known yet
    at(CLOSES + timedelta(days=20), any_round)
    assert stored().record["beacon"]["round"] == drand
    assert stored().stage is Stage.ASSIGNED
    assert stored(NEXT).stage is Stage.FROZEN


@pytest.mark.parametrize(
    ("after", "is_late"),
    [(timedelta(minutes=20), False), (timedelta(minutes=20, milliseconds=999), False), (timedelta(minutes=21), True)],
)
def test_a_freeze_that_is_late_moves_the_round_and_says_so(drand: int, after: timedelta, is_late: bool) -> None:  # noqa: FBT001
    at(CLOSES + after)
    record = stored().record
    published = datetime.fromisoformat(record["frozen_at"])
    expected = draw_record.deciding_round(CLOSES, published)
    assert (record["late"], record["beacon"]["round"]) == (is_late, expected.number)
    assert (expected.number > drand) is is_late
    at(expected.at - MILLISECOND, any_round)
    assert stored().stage is Stage.FROZEN
    at(expected.at, any_round)
    assert stored().stage is Stage.ASSIGNED


@pytest.mark.parametrize("seed", [None, "00" * 32])
def test_a_lost_or_changed_seed_voids_the_draw_for_all_to_see_and_nobody_has_lost(drand: int, seed: str | None) -> None:
    requests_made = {entry.receipt for entry in all_entries()}
    if seed:
        draw_items.seed_item("aes", WEEK, seed=seed).save()
    else:
        draw_items.seed_item("aes", WEEK).delete()
    at(FROZEN_AT)
    at(DRAWN_AT, any_round)
    void = stored()
    assert (void.stage, void.record["void"]) == (Stage.VOID, "the seed is lost")
    assert "seed" not in void.record
    assert publication.draws("aes") == [{"week": WEEK, "drawn_at": None}]
    assert holders() == {}
    at(OPENS + A_WEEK)
    schedule.release_seats(OPENS + A_WEEK)
    at(FROZEN_AT + A_WEEK)
    at(DRAWN_AT + A_WEEK, any_round)
    assert stored(NEXT).stage is Stage.ASSIGNED
    assert stored(NEXT).record["previous"] == draw_record.record_hash(void.record)
    assert {(entry.receipt, entry.waited) for entry in frozen(NEXT)} == {(name, 0) for name in requests_made}
    assert stored().stage is Stage.VOID
    assert drand


# How many draws a receipt has lost


def run_draw(week: int) -> None:
    """Run the draw of this week after the first one, from the promise to the seats."""
    schedule.release_seats(OPENS + week * A_WEEK)
    at(OPENS + week * A_WEEK)
    at(FROZEN_AT + week * A_WEEK)


def test_a_receipt_has_waited_for_each_draw_that_it_was_in_and_lost_and_for_no_other() -> None:
    people = {receipt(r): r for r in (entered(somebody(n), preferences=("tue-am",)) for n in range(4))}
    at(FROZEN_AT)
    lost = {result.receipt for result in results() if result.seat is None}
    assert len(lost) == 3
    slow = entered(somebody(5), now=CLOSES - MILLISECOND, preferences=("tue-am",))  # its clock was 5 minutes slow

    schedule.release_seats(OPENS + A_WEEK)
    close([seat for seat in seats(NEXT) if seat.key.day.isoweekday() == 2], CLOSES)
    run_draw(1)  # no Tuesday, so nobody is in this draw
    assert frozen(NEXT) == []

    run_draw(2)
    waited = {entry.receipt: entry.waited for entry in frozen(THIRD)}
    assert waited == {**dict.fromkeys(lost, 1), receipt(slow): 0}
    (winner,) = (result.receipt for result in results(THIRD) if result.seat)
    assert winner in lost  # a quarter of four seats goes to those who waited

    later = FROZEN_AT + 2 * A_WEEK
    requests.cancel(people[winner].token, later)
    details = somebody(list(people).index(winner))
    again = entered(details, now=OPENS + 3 * A_WEEK, preferences=("tue-am",))
    assert receipt(again) != winner
    run_draw(3)
    ((_, _, offered),) = offers(THIRD)  # the seat that the winner gave up
    expected = {**dict.fromkeys(lost - {winner}, 2), receipt(slow): 1, receipt(again): 0}
    del expected[offered]
    assert {entry.receipt: entry.waited for entry in frozen("2027-W02")} == expected


def test_a_receipt_that_has_left_the_list_is_forgotten_by_the_standing() -> None:
    leaver, stayer = (entered(somebody(n), preferences=("tue-am",)) for n in range(2))
    entered(somebody(2), preferences=("tue-am",))
    at(FROZEN_AT)
    names = [name for name in (receipt(leaver), receipt(stayer)) if not entry_moved(name)]
    before = draw_store.read_list(stored(), ListKind.STANDING)
    assert all(name in before for name in names)
    requests.cancel(next(r.token for r in (leaver, stayer) if receipt(r) == names[0]), FROZEN_AT)
    run_draw(1)
    assert names[0] not in draw_store.read_list(stored(NEXT), ListKind.STANDING)


def entry_moved(name: str) -> bool:
    return any(entry.moved_to for entry in all_entries() if entry.receipt == name)


# What is stored and published


def test_a_list_that_is_not_published_is_not_found() -> None:
    for kind in (ListKind.ENTRIES, ListKind.RESULTS, ListKind.STANDING, ListKind.LIVE):
        with pytest.raises(NotFound):
            publication.part("aes", WEEK, kind, 1)
    with pytest.raises(NotFound):
        publication.draw("aes", "2026-W01")
    with pytest.raises(NotFound):
        publication.offers("aes", WEEK, 1)
    entered(somebody(1))
    at(FROZEN_AT)
    for kind in (ListKind.STANDING, ListKind.LIVE):
        with pytest.raises(NotFound):
            publication.part("aes", WEEK, kind, 1)
    for number in (0, 2, -1):
        with pytest.raises(NotFound):
            publication.part("aes", WEEK, ListKind.ENTRIES, number)
        with pytest.raises(NotFound):
            publication.offers("aes", WEEK, number)


def test_a_long_list_is_stored_in_parts_that_end_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_store, "PART_SIZE", 100)
    for number in range(5):
        entered(somebody(number), preferences=("any",))
    at(FROZEN_AT)
    whole = draw_record.entry_lines(frozen_whole())
    parts = [publication.part("aes", WEEK, ListKind.ENTRIES, number) for number in (1, 2)]
    assert {part.parts for part in parts} == {2}
    assert "".join(part.text for part in parts) == whole
    assert all(len(part.text) <= 100 and part.text.endswith("\n") for part in parts)
    assert stored().record["root"] == draw_record.root(whole, text(ListKind.SEATS))


def frozen_whole() -> list[FrozenEntry]:
    return draw_record.parse_entries(draw_store.read_list(stored(), ListKind.ENTRIES))


def test_an_unavailable_table_ends_the_run_and_the_next_one_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    entered(somebody(1))
    with calls(UNREACHABLE, operation="PutItem"):
        at(FROZEN_AT)
    assert stored().stage is Stage.PROMISED
    assert '"event": "draw_interrupted"' in capsys.readouterr().err
    at(FROZEN_AT)
    assert stored().stage is Stage.ASSIGNED


def test_a_damaged_draw_of_one_service_stops_the_draws_of_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    other = put(id="aaa")
    at(OPENS)
    entered(somebody(1))
    draw_items.draw_item(other.id, WEEK).update([draw_items.DrawItem.record.set({})])
    capsys.readouterr()
    with pytest.raises(KeyError, match="closes"):
        at(FROZEN_AT)
    assert stored().stage is Stage.ASSIGNED
    assert '"DrawsOverdue": 0' in capsys.readouterr().err  # or the alarm of late draws would ring for the others


def test_a_drawn_request_cannot_move_to_a_slot_of_its_own_choice() -> None:
    request = entered(somebody(1))
    at(FROZEN_AT)
    confirmed = requests.confirm(request.token, FROZEN_AT)
    assert moves.choices(confirmed.token, FROZEN_AT)[1] == []
