"""Update actions and conditions on a seat item."""

from datetime import datetime
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain.entry import Carrier, Entry
from chalicelib.domain.seat import CLOCK_SKEW, Seat, State
from chalicelib.storage.items import SeatItem

_HOLD: list[Attribute[Any]] = [SeatItem.hold, SeatItem.until, SeatItem.filed_at, SeatItem.brief, SeatItem.by_draw]
PROGRESS: list[Attribute[Any]] = [SeatItem.reminded, SeatItem.extensions, SeatItem.challenge, SeatItem.tries]
PROGRESS += [SeatItem.captchas_due, SeatItem.checked_for, SeatItem.answers, SeatItem.emails_refused]
_STEPS: list[Attribute[Any]] = [SeatItem.captcha_passed, SeatItem.wished, *PROGRESS]
_PAST = (SeatItem.past, SeatItem.past_state, SeatItem.reserve)


def without_wait() -> list[Action]:
    """Return the actions that end the choice of a displaced applicant."""
    return _remove(SeatItem.reserve, SeatItem.until, SeatItem.person, SeatItem.filed_at)


def without_hold() -> list[Action]:
    """Return the actions that remove a hold or a request, and its progress, from a seat."""
    return _remove(*_HOLD, SeatItem.person, *_STEPS)


def new_hold(*, captcha_passed: bool = False, wished: datetime | None = None, generation: int = 0) -> list[Action]:
    """Return the actions that a new hold needs besides its own data: they reset what the hold or request before left.

    A request that moves here keeps its `generation`, so that its older links stay invalid.
    """
    passed = SeatItem.captcha_passed.set(True) if captcha_passed else SeatItem.captcha_passed.remove()
    chosen = SeatItem.wished.set(wished) if wished else SeatItem.wished.remove()
    links = SeatItem.generation.set(generation) if generation else SeatItem.generation.remove()
    return [passed, chosen, links, SeatItem.brief.remove(), *_remove(*PROGRESS, *_PAST)]


def count_hold(now: datetime) -> list[Action]:
    """Return the actions that count a new hold in the statistics of the week."""
    return [SeatItem.holds_had.add(1), SeatItem.first_at.set(SeatItem.first_at | now)]


def is_free(now: datetime) -> Condition:
    """Return the condition of a hold: the seat exists, has opened, and is open or its hold has expired.

    This condition alone decides who gets a seat.
    """
    over = (SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW)
    condition: Condition = SeatItem.pk.exists() & (SeatItem.opens_at <= now) & ((SeatItem.state == State.OPEN) | over)
    return condition


def is_unused(seat: Seat, now: datetime) -> Condition:
    """Return the condition that nobody has a seat, and that it opens when it did as it was read.

    For a seat that the desk gives, before it opens to the public. A seat that was set aside since opens later.
    """
    over = (SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW)
    condition: Condition = (SeatItem.opens_at == seat.opens_at) & ((SeatItem.state == State.OPEN) | over)
    return condition


def is_held(hold: str, now: datetime) -> Condition:
    """Return the condition that this hold has the seat and has not expired."""
    condition: Condition = (SeatItem.hold == hold) & (SeatItem.state == State.HELD) & (SeatItem.until > now)
    return condition


def is_live(seat: Carrier, ended: State, now: datetime, *, early: bool = False) -> Condition:
    """Return the condition that a request is live, and, if it is to expire, that its time is over (or `early`).

    A confirmed appointment does not expire; an entry does.
    """
    only_pending = ended is State.EXPIRED and not isinstance(seat, Entry)
    states = [State.PENDING] if only_pending else [State.PENDING, State.CONFIRMED]
    condition: Condition = SeatItem.state.is_in(*states) & (SeatItem.hold == seat.hold)
    return condition & (SeatItem.until < now) if ended is State.EXPIRED and not early else condition


def end_request(hold: str, ended: State, opens_at: datetime | None) -> list[Action]:
    """Return the actions that end a request, whose seat opens again at `opens_at`. That is None for an entry.

    The person key stays on the seat until the seat is taken again, so that the link can still erase the person's data.
    A request that moved leaves no person key.
    """
    count = SeatItem.expired if ended is State.EXPIRED else SeatItem.freed
    actions: list[Action] = [SeatItem.state.set(State.OPEN), count.add(1)]
    if opens_at:
        actions.append(SeatItem.opens_at.set(opens_at))
    actions += [SeatItem.past.set(hold), SeatItem.past_state.set(ended)]
    actions += _remove(*_HOLD, *_STEPS)
    return [*actions, SeatItem.person.remove()] if ended is State.MOVED else actions


def file_request(
    hold: str, person: str, until: datetime, now: datetime, receipt: str = ""
) -> tuple[list[Action], Condition]:
    """Return the write that turns a hold, its captcha passed, into a request to confirm before `until`.

    With a receipt it is an entry that needs no proof, and takes part in draws until `until`.
    """
    actions: list[Action] = [SeatItem.state.set(State.CONFIRMED if receipt else State.PENDING)]
    actions += [SeatItem.person.set(person), SeatItem.filed_at.set(now), SeatItem.until.set(until), *_remove(*_STEPS)]
    if receipt:
        actions += [SeatItem.receipt.set(receipt), SeatItem.proved_at.set(now)]
    return actions, is_held(hold, now) & SeatItem.captcha_passed.exists()


def change_email(seat: Carrier, until: datetime, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write on the seat of a pending request that gets another e-mail address. It ends the links sent."""
    actions: list[Action] = [SeatItem.generation.set(seat.generation + 1), SeatItem.until.set(until)]
    had = SeatItem.generation == seat.generation if seat.generation else SeatItem.generation.does_not_exist()
    pending = (SeatItem.hold == seat.hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > now)
    return actions, pending & had


def _remove(*attributes: Attribute[Any]) -> list[Action]:
    return [attribute.remove() for attribute in attributes]
