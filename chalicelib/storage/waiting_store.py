"""Waiting holds: their wrong answers, and the seat that each takes after its captcha."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.update import Action

from chalicelib.domain.seat import Key, parse_key
from chalicelib.storage import counter_items, dynamodb
from chalicelib.storage.counter_items import CounterItem
from chalicelib.storage.visitor_store import LIFETIME


class Tries(NamedTuple):
    """The wrong answers to the last challenge that a waiting hold answered. `challenge` is when that one was made."""

    challenge: int = 0
    number: int = 0

    def has_tries_left(self, challenge: int, most: int) -> bool:
        """Tell whether a challenge has tries left and was not replaced by a later one."""
        return self.challenge < challenge or (self.challenge == challenge and self.number < most)


class AssignedSeat(NamedTuple):
    """The seat of a waiting hold whose captcha is passed, and when it was passed."""

    seat: Key
    at: datetime


def read(hold: str) -> AssignedSeat | Tries:
    """Read a waiting hold, consistently: its seat, or the wrong answers so far while its captcha is not passed."""
    row = _read(hold)
    if row is None:
        return Tries()
    if row.seat and row.passed_at:
        return AssignedSeat(parse_key(row.seat), row.passed_at)
    return Tries(int(row.challenge or 0), int(row.number))


def assigned_seat(hold: str) -> AssignedSeat | None:
    """Read the seat of a waiting hold, consistently; None while its captcha is not passed."""
    assigned = read(hold)
    return assigned if isinstance(assigned, AssignedSeat) else None


def _read(hold: str) -> CounterItem | None:
    row = counter_items.waiting_item(hold)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return row


def count_wrong_answer(hold: str, challenge: int, now: datetime, *, most: int, seen: Tries) -> int | None:
    """Count a wrong answer. Return the tries so far, or None if the challenge has no tries left or was replaced.

    `seen` are the tries as just read, or `Tries()` if they were not. They save writes that would fail: a program
    that guesses cannot make us pay for them.
    """
    if not seen.has_tries_left(challenge, most):
        return None
    row = counter_items.waiting_item(hold)
    expiry = CounterItem.erase_at.set(int((now + LIFETIME).timestamp()))
    first = _NOT_PASSED & (CounterItem.challenge.does_not_exist() | (CounterItem.challenge < challenge))
    if seen.challenge < challenge and dynamodb.try_write(
        lambda: row.update([CounterItem.challenge.set(challenge), CounterItem.number.set(1), expiry], first)
    ):
        return 1
    again = _NOT_PASSED & (CounterItem.challenge == challenge) & (CounterItem.number < most)
    if not dynamodb.try_write(lambda: row.update([CounterItem.number.add(1), expiry], again)):
        return None
    return int(row.number)


def pass_captcha(hold: str, challenge: int | None, seat: Key, now: datetime, *, most: int, lifetime: timedelta) -> bool:
    """Use up the challenge of a waiting hold, and assign the seat that the hold takes now.

    Return False if the challenge has no tries left or was replaced, or if another answer has passed. `challenge` is
    None for a hold that takes its seat at its turn: its token says that it passed one. `lifetime` is how long the hold
    can last at most.
    """
    actions: list[Action] = [CounterItem.number.set(most), CounterItem.seat.set(seat.ref)]
    actions += [
        CounterItem.passed_at.set(now),
        CounterItem.erase_at.set(int((now + max(LIFETIME, lifetime)).timestamp())),
    ]
    if challenge is None:
        return dynamodb.try_write(lambda: counter_items.waiting_item(hold).update(actions, _NOT_PASSED))
    fresh = CounterItem.challenge.does_not_exist() | (CounterItem.challenge < challenge)
    again = (CounterItem.challenge == challenge) & (CounterItem.number < most)
    actions.append(CounterItem.challenge.set(challenge))
    return dynamodb.try_write(lambda: counter_items.waiting_item(hold).update(actions, _NOT_PASSED & (fresh | again)))


def assign_seat(hold: str, seat: Key) -> None:
    """Assign another seat, after the one before was lost. Only the answer that passed may call this."""
    with dynamodb.translated_errors():
        counter_items.waiting_item(hold).update([CounterItem.seat.set(seat.ref)])


def reopen(hold: str) -> None:
    """Let a waiting hold that got no seat answer again: the same challenge or a new one."""
    with dynamodb.translated_errors():
        counter_items.waiting_item(hold).update(
            [CounterItem.number.set(0), CounterItem.seat.remove(), CounterItem.passed_at.remove()]
        )


_NOT_PASSED = CounterItem.seat.does_not_exist()
