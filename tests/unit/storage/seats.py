"""A seat as the tests of the storage layer write it."""

from datetime import UTC, date, datetime, time, timedelta

from chalicelib.domain.seat import SeatKey, State
from chalicelib.storage import items, seat_store

NOW = datetime(2026, 11, 30, 8, 0, 0, 123_000, tzinfo=UTC)
SECOND, TICK = timedelta(seconds=1), timedelta(milliseconds=1)
KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
LATER = NOW + timedelta(minutes=3)
WEEK = "2026-W49"
CHALLENGE = 1_780_000_000_000


def seat_item() -> items.SeatItem:
    return items.SeatItem("SEATS#aes#2026-W49", "2026-12-03T1015#001")


def put(state: State = State.OPEN, opens_at: datetime = NOW, until: datetime | None = None, hold: str = "h1") -> None:
    """Write a seat as it stands, past every condition."""
    item = seat_item()
    item.state, item.opens_at, item.until = state, opens_at, until
    if state is not State.OPEN:
        item.hold = hold
    item.save()


def held(*, captcha_passed: bool = False) -> None:
    put(State.HELD, until=LATER)
    if captcha_passed:
        assert seat_store.pass_captcha(KEY, "h1", CHALLENGE, LATER, NOW, most=5)
