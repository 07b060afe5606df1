"""Who asks for a seat, as far as it is kept: the one live hold of a ticket, the holds of an hour from one place.

No address: a place of origin is a keyed digest of this clock hour. Nobody is refused by it: the captcha comes first.
"""

from datetime import datetime, timedelta

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
    """Count one more hold of this origin; how many it had this hour."""
    row = CountRow(f"ORIGIN#{origin}", "HOLDS")
    actions: list[Action] = [CountRow.number.add(1), CountRow.erase_at.set(int((now + KEPT).timestamp()))]
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


def tried(hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count an answer given before there is a seat; which one it is, or None if the challenge is spent or replaced."""
    row = CountRow(f"LATE#{hold}", "TRIES")
    keep = CountRow.erase_at.set(int((now + KEPT).timestamp()))
    first = CountRow.challenge.does_not_exist() | (CountRow.challenge < challenge)
    if rows.written(lambda: row.update([CountRow.challenge.set(challenge), CountRow.number.set(1), keep], first)):
        return 1
    again = (CountRow.challenge == challenge) & (CountRow.number < most)
    if not rows.written(lambda: row.update([CountRow.number.add(1), keep], again)):
        return None
    return int(row.number)
