"""A snapshot of a week: what its calendar shows of each seat, in a few kilobytes. It grants nothing.

It has no hold, no person, and not the moment at which the seat of a cancelled request opens again: until then, that
seat is shown as taken.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import groupby

from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.timetable import AFTER_OPENING

LARGE = 2_000
"""From how many planned seats a week on a service uses snapshots. A snapshot costs two writes and three further calls
each time it is made, which the readers of a smaller week do not save (docs/capacity.md). A week with a partition for
each day always has one."""
_EARLIER, _LATER = 0, -1
"""Instead of the moment that a seat opens: it opened over 15 minutes ago; it opens later, at a secret moment."""
_FIRST_LETTER = ord("0")
_LONG_AGO, _FAR_AHEAD = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""`decode` returns these for `_EARLIER` and `_LATER`. They are the same in each snapshot, so it can return the same
seats again."""


@dataclass(frozen=True, slots=True)
class WeekSnapshot:
    """The seats of a week as they were read at `made_at`."""

    made_at: datetime
    seats: Sequence[Seat]
    is_full: bool
    """Whether no seat could become free within a minute."""


def encode(snapshot: WeekSnapshot) -> bytes:
    """Return the seats of a snapshot, which are in order, as compressed JSON: keys, kinds, and the kind of each seat.

    10,000 seats take 0.4 to 4.5 kB.
    """
    kinds: dict[tuple[str, int], str] = {}
    letters = "".join(
        kinds.setdefault(_kind(seat, snapshot.made_at), chr(_FIRST_LETTER + len(kinds))) for seat in snapshot.seats
    )
    keys = json.dumps(list(_rows(seat.key for seat in snapshot.seats)))
    document = [snapshot.is_full, keys, list(kinds), letters]
    return zlib.compress(json.dumps(document, ensure_ascii=False).encode())


def decode(service_id: str, made_at: datetime, data: bytes) -> WeekSnapshot:
    """Return the snapshot that `encode` compressed. Raise ValueError for anything else."""
    try:
        is_full, rows, stored_kinds, letters = json.loads(zlib.decompress(data))
        kinds = {
            chr(_FIRST_LETTER + number): (_opens_at(moment), State(state))
            for number, (state, moment) in enumerate(stored_kinds)
        }
        keys, last = _keys_and_last_seats(service_id, rows)
        seats = list[Seat]()
        for key, before, letter in zip(keys, last, letters, strict=True):
            opens_at, state = kinds[letter]
            if before and before.state is state and before.opens_at == opens_at:
                seats.append(before)
            else:
                seats.append(Seat(key, opens_at, state))
    except (zlib.error, KeyError, TypeError, OverflowError, OSError) as error:  # the last two: no moment
        raise ValueError("not a snapshot") from error
    last[:] = seats
    return WeekSnapshot(made_at, seats, is_full is True)


def _kind(seat: Seat, made_at: datetime) -> tuple[str, int]:
    """Return the state of a seat as a calendar shows it, and when it opens as far as a calendar needs it."""
    if seat.is_free(made_at) or seat.is_coming(made_at):
        state = State.OPEN
    else:
        state = State.CLOSED if seat.state is State.CLOSED else State.CONFIRMED
    if seat.opens_at > made_at and state is not State.OPEN:
        return state, _EARLIER if seat.reserve else _LATER
    is_needed = seat.opens_at > made_at - AFTER_OPENING
    return state, round(seat.opens_at.timestamp() * 1000) if is_needed else _EARLIER


def _opens_at(moment: int) -> datetime:
    if moment == _EARLIER:
        return _LONG_AGO
    return _FAR_AHEAD if moment == _LATER else datetime.fromtimestamp(moment / 1000, UTC)


def _rows(keys: Iterator[SeatKey]) -> Iterator[tuple[str, list[int], list[str]]]:
    """Yield the slots in order: consecutive slots of a day that have the same desks are one row."""
    slots = (
        (slot, [key.unit for key in of_slot]) for slot, of_slot in groupby(keys, key=lambda key: (key.day, key.start))
    )
    for (day, desks), of_row in groupby(slots, key=lambda slot: (slot[0][0], slot[1])):
        yield day.isoformat(), desks, [f"{start:%H%M}" for (_, start), _ in of_row]


@lru_cache(maxsize=16)
def _keys_and_last_seats(service_id: str, rows: str) -> tuple[Sequence[SeatKey], list[Seat | None]]:
    """Return the keys of the rows, and the seats with these keys that `decode` returned last, which it replaces.

    Cached: each process reads the same keys every second, and most seats are as they were.
    """
    keys = []
    for day, desks, starts in json.loads(rows):
        on = date.fromisoformat(day)
        for start in starts:
            at = time(int(start[:2]), int(start[2:]))
            keys += [SeatKey(on, at, desk, service_id) for desk in desks]
    if keys != sorted(keys):
        raise ValueError("not in order")
    return keys, [None] * len(keys)
