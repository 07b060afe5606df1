"""The life of a seat: its states, the steps between them, and the periods. The proofs state them here and nowhere else.

This is a second statement of the rules, independent of the service, so it must not import them. Three proofs read it:
`seatmodel` (exact times, no races), `walk` (all interleavings, only the order of events) and `tests.load.history`
(recorded operations whose times are known within bounds). Each adds its own view of time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

OPEN, HELD, READY, PENDING, CONFIRMED, LATER = "open", "held", "ready", "pending", "confirmed", "later"
"""The states. HELD: a hold that must still pass the captcha. READY: it has passed. LATER: opens at a later moment."""
HOLDS = {HELD, READY}
BOOKED = {PENDING, CONFIRMED}
STORED = {READY: HELD, LATER: OPEN}
"""The state that the table stores where it differs. READY is an attribute of a held seat, LATER a time of opening."""


@dataclass(frozen=True)
class Step:
    """One step in the life of a seat. In all other states it is refused."""

    next_state: Mapping[str, str]
    """The states in which it can be taken, each with the state that follows."""
    repeats: frozenset[str] = frozenset()
    """The states in which it was taken before. It succeeds again and changes nothing."""
    for_anybody: bool = False
    """Whether it also succeeds for somebody who does not have the seat. Then it changes nothing."""


HAS_SEAT = frozenset({HELD, READY, PENDING, CONFIRMED})
STEPS = {
    # By anybody, for a seat that is free
    "hold": Step({OPEN: HELD}),
    "arrive": Step({OPEN: CONFIRMED}, repeats=frozenset({CONFIRMED})),
    # By the holder, until the end of the period
    "view": Step({}, repeats=HAS_SEAT),
    "extend": Step({HELD: HELD, READY: READY}, repeats=frozenset(BOOKED)),
    "answer": Step({HELD: READY}, repeats=HAS_SEAT - {HELD}),
    "details": Step({READY: PENDING}, repeats=frozenset(BOOKED)),
    "end": Step({HELD: OPEN, READY: OPEN}, for_anybody=True),
    # By the link of the request. `leave` and `arrive` are the two halves of a move.
    "confirm": Step({PENDING: CONFIRMED}, repeats=frozenset({CONFIRMED})),
    "cancel": Step({PENDING: LATER, CONFIRMED: LATER}, repeats=frozenset({LATER, OPEN})),
    "leave": Step({CONFIRMED: LATER}, repeats=frozenset({LATER, OPEN})),
    # By the clock
    "expire": Step({HELD: OPEN, READY: OPEN, PENDING: LATER}),
    "return": Step({LATER: OPEN}),
}

PERIOD = {HELD: timedelta(seconds=180), READY: timedelta(minutes=15), PENDING: timedelta(hours=48)}
"""How long a seat stays in a state, from the step that led to it. A request ends with the start of its appointment."""
GAP = timedelta(seconds=5)
"""How long after its end a hold still keeps its seat from others, because clocks differ. A request has no gap."""
RETURN_FIRST, RETURN_LAST = timedelta(hours=2), timedelta(hours=48)
"""A seat that is LATER opens again at a random moment of this window."""
NOTICE = timedelta(hours=49)
"""How long before its start a seat can be taken for the last time."""
REMIND = timedelta(hours=48)
"""How long before the appointment its reminder is sent."""
CAPTCHA_LIFE = timedelta(minutes=5)
EXTENSIONS, TRIES, MOVES = 2, 5, 2
"""Extensions of a hold in each of its states, wrong answers of a challenge, moves of an appointment."""


def stored(state: str) -> str:
    """Return the state that the table stores for a state."""
    return STORED.get(state, state)


def state_of(stored_state: str, *, captcha_passed: bool) -> str:
    """Return the state of a seat that is not LATER from what the table stores."""
    return READY if stored_state == HELD and captcha_passed else stored_state


def has_gap(state: str) -> bool:
    """Return whether a seat that expires in this state is kept from others for GAP."""
    return STEPS["expire"].next_state.get(state) == OPEN
