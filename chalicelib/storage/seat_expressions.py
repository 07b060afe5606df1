"""Update actions and conditions on a seat item."""

from datetime import datetime
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain.seat import CLOCK_SKEW, Seat, State
from chalicelib.storage.items import SeatItem


def without_wait() -> list[Action]:
    return [gone.remove() for gone in (SeatItem.reserve, SeatItem.until, SeatItem.person, SeatItem.filed_at)]


_HOLD: list[Attribute[Any]] = [SeatItem.hold, SeatItem.until, SeatItem.filed_at, SeatItem.brief]
PROGRESS: list[Attribute[Any]] = [SeatItem.reminded, SeatItem.extensions, SeatItem.challenge, SeatItem.tries]
PROGRESS += [SeatItem.captchas_due, SeatItem.checked_for, SeatItem.answers, SeatItem.emails_refused]
_STEPS: list[Attribute[Any]] = [SeatItem.captcha_passed, SeatItem.wished, *PROGRESS]
_PAST = (SeatItem.past, SeatItem.past_state, SeatItem.reserve)


def without_hold() -> list[Action]:
    """What takes a hold or a request, and how far it was, off a seat."""
    return [gone.remove() for gone in (*_HOLD, SeatItem.person, *_STEPS)]


def new_hold(*, captcha_passed: bool = False, wished: datetime | None = None, generation: int = 0) -> list[Action]:
    """What a new hold does away with: how far the one before was, and what became of the request before.

    A request that moves here brings its `generation` along, so that its older links stay closed.
    """
    passed = SeatItem.captcha_passed.set(True) if captcha_passed else SeatItem.captcha_passed.remove()
    instead = SeatItem.wished.set(wished) if wished else SeatItem.wished.remove()
    links = SeatItem.generation.set(generation) if generation else SeatItem.generation.remove()
    return [passed, instead, links, SeatItem.brief.remove(), *(gone.remove() for gone in (*PROGRESS, *_PAST))]


def count_hold(now: datetime) -> list[Action]:
    """What a new hold adds to the figures of the week."""
    return [SeatItem.holds_had.add(1), SeatItem.first_at.set(SeatItem.first_at | now)]


def is_free(now: datetime) -> Condition:
    """The condition of a hold, and nothing else decides: the seat exists, has opened, and nobody has it."""
    over = (SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW)
    condition: Condition = SeatItem.pk.exists() & (SeatItem.opens_at <= now) & ((SeatItem.state == State.OPEN) | over)
    return condition


def is_held(hold: str, now: datetime) -> Condition:
    """The hold has the seat and has not run out."""
    condition: Condition = (SeatItem.hold == hold) & (SeatItem.state == State.HELD) & (SeatItem.until > now)
    return condition


def is_live(found: Seat, ended: State, now: datetime, *, early: bool = False) -> Condition:
    """Return the condition under which a request may end so: it is live, and its time is over if the clock ends it."""
    states = [State.PENDING] if ended is State.EXPIRED else [State.PENDING, State.CONFIRMED]
    condition: Condition = SeatItem.state.is_in(*states) & (SeatItem.hold == found.hold)
    return condition & (SeatItem.until < now) if ended is State.EXPIRED and not early else condition


def end_request(hold: str, ended: State, opens_at: datetime) -> list[Action]:
    """What takes a request off a seat that opens again at `opens_at`.

    Its person stays named beside `past` until somebody takes the seat: the link can still erase them. Not if it moved.
    """
    count = SeatItem.expired if ended is State.EXPIRED else SeatItem.freed
    actions: list[Action] = [SeatItem.state.set(State.OPEN), SeatItem.opens_at.set(opens_at), count.add(1)]
    actions += [SeatItem.past.set(hold), SeatItem.past_state.set(ended)]
    actions += [gone.remove() for gone in (*_HOLD, *_STEPS)]
    return [*actions, SeatItem.person.remove()] if ended is State.MOVED else actions


def file_request(hold: str, person: str, until: datetime, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write that turns a proven hold into a request that waits for its confirmation until `until`."""
    actions: list[Action] = [SeatItem.state.set(State.PENDING), SeatItem.person.set(person)]
    actions += [SeatItem.filed_at.set(now), SeatItem.until.set(until), *(gone.remove() for gone in _STEPS)]
    return actions, is_held(hold, now) & SeatItem.captcha_passed.exists()


def change_email(found: Seat, until: datetime, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write that ends the links sent so far: the e-mail address of a pending request was corrected."""
    actions: list[Action] = [SeatItem.generation.set(found.generation + 1), SeatItem.until.set(until)]
    had = SeatItem.generation == found.generation if found.generation else SeatItem.generation.does_not_exist()
    pending = (SeatItem.hold == found.hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > now)
    return actions, pending & had
