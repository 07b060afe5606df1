"""The snapshot of a large week: whatever becomes of it, a reader sees the week, and the snapshot is good again."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import refusals
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.week_snapshot import WeekSnapshot, decode, encode
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb, recent, seat_store, snapshot_store
from tests.conftest import calls, client_error
from tests.unit.storage.seats import KEY, LATER, NOW, SECOND, TICK, WEEK, held, put

pytestmark = pytest.mark.usefixtures("table")
PK = f"CALENDAR#aes#{WEEK}"
MADE_AT = str(round(NOW.timestamp() * 1000))
WHOLE = encode(WeekSnapshot(NOW, [Seat(KEY, NOW)], is_full=False))
NOT_IN_ORDER = encode(WeekSnapshot(NOW, [Seat(replace(KEY, unit=2), NOW), Seat(KEY, NOW)], is_full=False))


def opening_at(moment: int) -> bytes:
    """Return a snapshot of one seat that opens at this moment, in milliseconds since 1970."""
    is_full, keys, _, letters = json.loads(zlib.decompress(WHOLE))
    return zlib.compress(json.dumps([is_full, keys, [["open", moment]], letters]).encode())


def look(after: timedelta = timedelta(0)) -> bool:
    """Read the week as a process that has read nothing yet. Tell whether its seat is free."""
    recent.SEATS.clear()
    return look_again(after)


def look_again(after: timedelta) -> bool:
    (seat,) = seat_store.cached_week("aes", WEEK, NOW + after, large=True)
    return seat.is_free(NOW + after)


def image() -> dict[str, Any]:
    found: dict[str, Any] = dynamodb.connection().get_item(PK, "1", consistent_read=True).get("Item", {})
    return found


def spoil(attributes: dict[str, Any], layout: str = "1") -> None:
    """Write a snapshot with these attributes."""
    connection = dynamodb.connection().connection
    item = {"pk": {"S": PK}, "sk": {"S": layout}, **attributes}
    connection.client.put_item(TableName=dynamodb.connection().table_name, Item=item)


@contextmanager
def throttled_on(text: str) -> Iterator[None]:
    """Throttle the calls that contain this text."""
    events = dynamodb.connection().connection.client.meta.events

    def note(params: Any, **_: object) -> None:
        if text.encode() in params["body"]:
            raise client_error("ThrottlingException")

    events.register_first("before-call.dynamodb", note)
    try:
        yield
    finally:
        events.unregister("before-call.dynamodb", note)


def test_within_a_second_every_other_process_reads_the_snapshot_only() -> None:
    put()
    with calls() as operations:
        assert look()
        assert operations == ["Query", "Query", "UpdateItem"]
        put(State.CONFIRMED, until=LATER)
        operations.clear()
        assert look(999 * TICK)
        assert operations == ["Query"]
        assert not look(SECOND)
    assert operations == ["Query", "Query", "UpdateItem", "Query", "UpdateItem"]  # the first update is the claim


@pytest.mark.parametrize(
    ("attributes", "layout"),
    [
        ({}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": b"no zlib"}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": WHOLE[:-1]}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": zlib.compress(b"[]")}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": zlib.compress(b'[false, "[]", [], "0"]')}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": zlib.compress(b'[false, null, [["open", "x"]], "0"]')}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": NOT_IN_ORDER}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": opening_at(10**17)}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": opening_at(10**20)}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": opening_at(10**30)}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"S": "text"}}, "1"),
        ({"seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"S": "today"}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": "9" * 17}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": "9" * 20}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": "9" * 30}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": MADE_AT}, "claimed_at": {"N": "9" * 30}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": str(int(MADE_AT) + 1_000)}, "seats": {"B": WHOLE}}, "1"),  # by a clock that is ahead
        ({"made_at": {"N": str(int(MADE_AT) - 11_000)}, "seats": {"B": WHOLE}}, "1"),
        ({"made_at": {"N": MADE_AT}, "seats": {"B": WHOLE}}, "0"),  # of another version of the code
    ],
)
def test_a_snapshot_that_cannot_be_used_is_not_shown_and_is_made_again(attributes: dict[str, Any], layout: str) -> None:
    put(State.CONFIRMED, until=LATER)
    spoil(attributes, layout)
    assert not look()
    with calls() as operations:
        assert not look()
    assert operations == ["Query"]


def test_a_stale_snapshot_is_made_again_by_one_process_and_shown_by_the_others() -> None:
    put()
    look()
    stale = snapshot_store.read("aes", WEEK)
    assert snapshot_store.claim(stale, NOW + SECOND)
    assert not snapshot_store.claim(stale, NOW + SECOND)
    put(State.CONFIRMED, until=LATER)
    assert look(2 * SECOND)
    assert snapshot_store.put(stale, WeekSnapshot(NOW + SECOND, [], is_full=False))
    assert not snapshot_store.put(stale, WeekSnapshot(NOW + SECOND / 2, [], is_full=False))


def test_who_dies_while_making_a_snapshot_is_replaced_after_three_seconds() -> None:
    put()
    look()
    assert snapshot_store.claim(snapshot_store.read("aes", WEEK), NOW + SECOND)
    put(State.CONFIRMED, until=LATER)
    assert look(4 * SECOND - TICK)
    assert not look(4 * SECOND)


@pytest.mark.parametrize("call", ["SEATS#", "SET"])
def test_a_throttled_read_or_write_shows_the_stale_snapshot(call: str) -> None:
    put()
    look()
    with throttled_on(call):
        assert look(3 * SECOND)
        assert not recent.SEATS.is_throttled("aes", NOW + 3 * SECOND)


def test_without_a_snapshot_a_throttled_read_is_refused_and_a_throttled_write_is_not() -> None:
    put()
    with throttled_on("SEATS#"), pytest.raises(refusals.TooManyRequests):
        look()
    with throttled_on("SET"):
        assert look()
    assert image() == {}


def test_a_snapshot_grants_nothing_and_a_seat_lost_to_another_process_is_not_tried_again() -> None:
    put()
    look()
    held()
    assert look(900 * TICK)
    assert not seat_store.take(KEY, "h2", LATER, NOW + 900 * TICK)
    assert snapshot_store.claim(snapshot_store.read("aes", WEEK), NOW + SECOND)
    assert not look_again(2_500 * TICK)  # although the snapshot is older than the try
    assert look(2_500 * TICK)


def test_a_full_week_is_read_from_the_table_once_a_minute_by_one_process() -> None:
    put(State.CONFIRMED, until=LATER)
    assert not look()
    put()
    assert not look(59 * SECOND)
    with calls() as operations:
        assert not look_again(60 * SECOND - TICK)
    assert operations == []
    assert snapshot_store.claim(snapshot_store.read("aes", WEEK), NOW + 60 * SECOND)
    assert not look_again(60 * SECOND)
    assert look(63 * SECOND)


def test_a_snapshot_shows_a_week_as_its_calendar_does_and_not_when_a_freed_seat_returns() -> None:
    hour = timedelta(hours=1)
    seats = [
        Seat(KEY, NOW - hour),
        Seat(replace(KEY, unit=2), NOW - SECOND),
        Seat(replace(KEY, unit=3), NOW + hour),
        Seat(replace(KEY, unit=4), NOW - hour, State.HELD, until=NOW - 6 * SECOND),
        Seat(replace(KEY, unit=5), NOW - hour, State.HELD, until=NOW - 4 * SECOND),
        Seat(replace(KEY, unit=6), NOW - hour, State.CONFIRMED, hold="secret", person="secret"),
        Seat(replace(KEY, unit=7), NOW - hour, State.CLOSED),
        Seat(replace(KEY, unit=8), NOW + 7 * hour, past="secret", past_state=State.CANCELLED),
        Seat(replace(KEY, unit=9), NOW + 8 * hour, reserve="c1"),
        Seat(replace(KEY, start=KEY.start.replace(hour=11)), NOW + hour, State.CONFIRMED),
    ]
    data = encode(WeekSnapshot(NOW, seats, is_full=False))
    shown = decode("aes", NOW, data).seats
    assert [seat.key for seat in shown] == [seat.key for seat in seats]
    assert [seat.is_free(NOW) for seat in shown] == [seat.is_free(NOW) for seat in seats]
    assert [seat.is_coming(NOW) for seat in shown] == [seat.is_coming(NOW) for seat in seats]
    assert [seat.state is State.CLOSED for seat in shown] == [seat.state is State.CLOSED for seat in seats]
    assert [seat.opens_at > NOW for seat in shown] == [seat.opens_at > NOW and not seat.reserve for seat in seats]
    assert [seat.opens_at for seat in shown[1:3]] == [NOW - SECOND, NOW + hour]
    text = zlib.decompress(data).decode()
    moments = {moment for _, moment in json.loads(text)[2] if moment > 0}
    assert moments == {round(at.timestamp() * 1000) for at in (NOW - SECOND, NOW + hour)}
    assert "secret" not in text


def test_a_snapshot_shows_what_changed_since_the_one_before_and_returns_the_other_seats_again() -> None:
    first, second, third = (replace(KEY, unit=unit) for unit in (1, 2, 3))
    before = [Seat(first, NOW), Seat(second, NOW), Seat(third, NOW)]
    after = [Seat(first, NOW, State.CONFIRMED), Seat(second, NOW + SECOND), Seat(third, NOW)]
    shown = decode("aes", NOW, encode(WeekSnapshot(NOW, before, is_full=False))).seats
    shown_next = decode("aes", NOW + SECOND, encode(WeekSnapshot(NOW + SECOND, after, is_full=False))).seats
    assert (shown, shown_next) == (before, after)
    assert shown_next[2] is shown[2]
    other = decode("other", NOW, encode(WeekSnapshot(NOW, before, is_full=False))).seats
    assert {seat.key.service for seat in other} == {"other"}


def test_ten_thousand_seats_of_which_half_are_taken_fit_into_two_read_units() -> None:
    days, starts = range(5), range(100)
    keys = [
        SeatKey(KEY.day + timedelta(days=day), (NOW + 5 * start * timedelta(minutes=1)).time(), desk, "aes")
        for day in days
        for start in starts
        for desk in range(20)
    ]
    seats = [Seat(key, NOW, State.OPEN if hash(key) % 2 else State.CONFIRMED) for key in sorted(keys)]
    assert len(encode(WeekSnapshot(NOW, seats, is_full=False))) < 4_096


def test_a_snapshot_that_is_made_again_calls_for_no_letter_and_ends_by_itself() -> None:
    put()
    look()
    before = image()
    look(2 * SECOND)
    assert outbox.letter_due(before, image()) is None
    assert datetime.fromtimestamp(int(image()["erase_at"]["N"]), NOW.tzinfo) - NOW < timedelta(days=2)
