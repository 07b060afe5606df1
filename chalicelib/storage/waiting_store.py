"""Waiting holds: wrong answers, and the seat that each one takes after its captcha."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from chalicelib.domain.seat import SeatKey
from chalicelib.storage import dynamodb, items
from chalicelib.storage.items import CounterItem
from chalicelib.storage.visitor_store import KEPT


class AssignedSeat(NamedTuple):
    """The seat that a waiting hold takes since its captcha was passed, and when that was."""

    seat: SeatKey
    at: datetime


def assigned_seat(hold: str) -> AssignedSeat | None:
    """Read which seat a waiting hold takes, consistently; None while its captcha is not passed."""
    row = items.waiting_item(hold)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return AssignedSeat(SeatKey.parse(row.seat), row.passed_at) if row.seat and row.passed_at else None


def count_wrong_answer(hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count a wrong answer of a waiting hold; tries so far, or None if the challenge is spent or was replaced."""
    row = items.waiting_item(hold)
    keep = CounterItem.erase_at.set(int((now + KEPT).timestamp()))
    first = _NOT_PASSED & (CounterItem.challenge.does_not_exist() | (CounterItem.challenge < challenge))
    if dynamodb.try_write(
        lambda: row.update([CounterItem.challenge.set(challenge), CounterItem.number.set(1), keep], first)
    ):
        return 1
    again = _NOT_PASSED & (CounterItem.challenge == challenge) & (CounterItem.number < most)
    if not dynamodb.try_write(lambda: row.update([CounterItem.number.add(1), keep], again)):
        return None
    return int(row.number)


def pass_captcha(hold: str, challenge: int, seat: SeatKey, now: datetime, *, most: int, keep: timedelta) -> bool:
    """Spend the challenge of a waiting hold, and name the seat that it takes now.

    False if the challenge is spent or was replaced, or another answer passed. Kept as long as the hold can last.
    """
    fresh = CounterItem.challenge.does_not_exist() | (CounterItem.challenge < challenge)
    again = (CounterItem.challenge == challenge) & (CounterItem.number < most)
    actions: list[Action] = [
        CounterItem.challenge.set(challenge),
        CounterItem.number.set(most),
        CounterItem.seat.set(seat.ref),
    ]
    actions += [CounterItem.passed_at.set(now), CounterItem.erase_at.set(int((now + max(KEPT, keep)).timestamp()))]
    return dynamodb.try_write(lambda: items.waiting_item(hold).update(actions, _NOT_PASSED & (fresh | again)))


def assign_seat(hold: str, seat: SeatKey) -> None:
    """Name another seat, after the one before went to somebody else. Only the answer that passed may do it."""
    with dynamodb.translated_errors():
        items.waiting_item(hold).update([CounterItem.seat.set(seat.ref)])


def reopen(hold: str) -> None:
    """Let a waiting hold that got no seat answer again, with the same answer or a new challenge."""
    with dynamodb.translated_errors():
        items.waiting_item(hold).update(
            [CounterItem.number.set(0), CounterItem.seat.remove(), CounterItem.passed_at.remove()]
        )


_NOT_PASSED = CounterItem.seat.does_not_exist()
