"""Steps of a draw that several tests take: a service with four seats a week, and the runs of its schedule."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from chalicelib.allocation import publication, run
from chalicelib.allocation.beacon import SignedRound
from chalicelib.booking import requests, schedule
from chalicelib.domain import draw_record
from chalicelib.domain.draw import FrozenEntry, Result
from chalicelib.domain.draw_record import Draw, ListKind
from chalicelib.domain.seat import Seat
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, seat_maintenance, seat_store, service_store
from tests.conftest import draw_document
from tests.unit.allocation.entrants import CLOSES, HOURS, OPENS, WEEK, entry_of

FROZEN_AT = CLOSES + timedelta(seconds=60)
DRAWN_AT = CLOSES + timedelta(minutes=31)
TINY = [{"desks": [1], "openings": [{**HOURS[0], "to": "09:20"}, {**HOURS[1], "to": "14:05"}]}]
"""Four seats in a week of 5-minute slots: Tuesday and Thursday, one in the morning and one in the afternoon."""
MORNING, AFTERNOON = "2026-12-22T09:15/001", "2026-12-22T14:00/001"
A_WEEK = timedelta(weeks=1)
Randomness = Callable[[int], SignedRound | None]


def no_round(_number: int) -> SignedRound | None:
    return None


def any_round(number: int) -> SignedRound | None:
    return SignedRound(number, number.to_bytes(48, "big"))


def at(moment: datetime, read: Randomness = no_round) -> None:
    """Run the schedule of the draw function at a moment."""
    service_store.clear_caches()
    run.run(lambda: moment, randomness=read)


def put(rules: Mapping[str, object] | None = None, **changes: object) -> Service:
    """Put a service that draws four seats a week, by the commitment alone."""
    document = draw_document({"beacon": "commitment", **(rules or {})}, **{"plannings": TINY, **changes})
    service = service_store.put(document)
    schedule.release_seats(OPENS - timedelta(days=1))
    return service


def stored(week: str = WEEK) -> Draw:
    draw = draw_store.read("aes", week)
    assert draw
    return draw


def text(kind: ListKind, week: str = WEEK) -> str:
    return publication.part("aes", week, kind, 1).text


def frozen(week: str = WEEK) -> list[FrozenEntry]:
    return draw_record.parse_entries(text(ListKind.ENTRIES, week))


def results(week: str = WEEK) -> list[Result]:
    return draw_record.parse_results(text(ListKind.RESULTS, week))


def offers(week: str = WEEK) -> list[list[str]]:
    """Return the seat or `left`, the rank and the receipt of each line of the log."""
    return [line.split(";")[1:] for line in publication.offers("aes", week, 1).text.splitlines()]


def seats(week: str = WEEK) -> list[Seat]:
    return seat_store.read_week("aes", week, consistent=True)


def seat_of(line: str) -> Seat:
    """Return the seat that the record names like this."""
    day, start = line[:10], line[11:16]
    return next(s for s in seats() if (s.key.day, f"{s.key.start:%H:%M}") == (date.fromisoformat(day), start))


def close(seats_to_close: Sequence[Seat], now: datetime) -> None:
    for seat in seats_to_close:
        assert seat_maintenance.close(seat.key, "office", now)


def receipt(request: requests.Request) -> str:
    """Return the receipt of a request that was made as an entry."""
    return entry_of(request).receipt


def holders(week: str = WEEK) -> dict[str, str]:
    """Return the hold of the request on each seat of the week, by the seat's line."""
    return {f"{s.key.day}T{s.key.start:%H:%M}/{s.key.unit:03}": s.hold for s in seats(week) if s.hold}
