"""Who asks for a seat, as far as it is kept: the one live hold of a ticket, the holds of an hour from one place.

No address: a place of origin is a keyed digest of this clock hour. Nobody is refused by it: the captcha comes first.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from chalicelib import rows, tokens
from chalicelib.model import SeatKey
from chalicelib.rows import CountRow, LockRow

KEPT = timedelta(hours=1)
MOST_REMEMBERED = 10_000
_crowded: set[str] = set()


def forget() -> None:
    """Empty what this process remembers."""
    _crowded.clear()


def count(origin: str, now: datetime) -> int:
    """Count one more hold of this client network; how many it had this hour."""
    return add_one(f"ORIGIN#{origin}", "HOLDS", now, KEPT)


def add_one(name: str, kind: str, now: datetime, kept: timedelta) -> int:
    """Add one to a counter that is kept for a while, and return it. Costs one write unit."""
    row = CountRow(name, kind)
    actions: list[Action] = [CountRow.number.add(1), CountRow.erase_at.set(int((now + kept).timestamp()))]
    with rows.table():
        row.update(actions)
    return int(row.number)


def crowded(origin: str) -> None:
    """Remember that this origin had all its holds of the hour: the next ones are not even tried."""
    if len(_crowded) >= MOST_REMEMBERED:
        _crowded.clear()
    _crowded.add(origin)


def is_crowded(origin: str) -> bool:
    """Is it remembered as one that had all its holds of the hour?"""
    return origin in _crowded


def hold_of(visit: str, key: SeatKey, hold: str, now: datetime, *, ended: str = "") -> tuple[SeatKey, str] | None:
    """Name this hold as the one of a ticket; the seat and hold that stand there instead, until they are `ended`."""
    row = LockRow(f"VISIT#{tokens.digest(visit)}", "HOLD", seat=key.ref, hold=hold)
    row.erase_at = int((now + KEPT).timestamp())
    mine = LockRow.pk.does_not_exist() | LockRow.hold.is_in(hold, ended)
    if rows.written(lambda: row.save(mine)):
        return None
    there = LockRow(row.pk, row.sk)
    with rows.table():
        try:
            there.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return key, hold
    return SeatKey.parse(there.seat), there.hold


class Passed(NamedTuple):
    """The seat that a waiting hold takes since its captcha was passed, and when that was."""

    seat: SeatKey
    at: datetime


def passed(hold: str) -> Passed | None:
    """Read which seat a waiting hold takes, consistently; None while its captcha is not passed."""
    row = _late(hold)
    with rows.table():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return Passed(SeatKey.parse(row.seat), row.passed_at) if row.seat and row.passed_at else None


def missed(hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count a wrong answer of a waiting hold; tries so far, or None if the challenge is spent or was replaced."""
    row = _late(hold)
    keep = CountRow.erase_at.set(int((now + KEPT).timestamp()))
    first = _NOT_PASSED & (CountRow.challenge.does_not_exist() | (CountRow.challenge < challenge))
    if rows.written(lambda: row.update([CountRow.challenge.set(challenge), CountRow.number.set(1), keep], first)):
        return 1
    again = _NOT_PASSED & (CountRow.challenge == challenge) & (CountRow.number < most)
    if not rows.written(lambda: row.update([CountRow.number.add(1), keep], again)):
        return None
    return int(row.number)


def pass_captcha(hold: str, challenge: int, seat: SeatKey, now: datetime, *, most: int, keep: timedelta) -> bool:
    """Spend the challenge of a waiting hold, and name the seat that it takes now.

    False if the challenge is spent or was replaced, or another answer passed. Kept as long as the hold can last.
    """
    fresh = CountRow.challenge.does_not_exist() | (CountRow.challenge < challenge)
    again = (CountRow.challenge == challenge) & (CountRow.number < most)
    actions: list[Action] = [CountRow.challenge.set(challenge), CountRow.number.set(most), CountRow.seat.set(seat.ref)]
    actions += [CountRow.passed_at.set(now), CountRow.erase_at.set(int((now + max(KEPT, keep)).timestamp()))]
    return rows.written(lambda: _late(hold).update(actions, _NOT_PASSED & (fresh | again)))


def name_seat(hold: str, seat: SeatKey) -> None:
    """Name another seat, after the one before went to somebody else. Only the answer that passed may do it."""
    with rows.table():
        _late(hold).update([CountRow.seat.set(seat.ref)])


def reopen(hold: str) -> None:
    """Let a waiting hold that got no seat answer again, with the same answer or a new challenge."""
    with rows.table():
        _late(hold).update([CountRow.number.set(0), CountRow.seat.remove(), CountRow.passed_at.remove()])


def _late(hold: str) -> CountRow:
    return CountRow(f"LATE#{hold}", "TRIES")


_NOT_PASSED = CountRow.seat.does_not_exist()
