"""The hold of a visitor: `Held` with a seat, `Waiting` until its captcha is passed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from chalicelib.domain import draw_window, tokens, turns
from chalicelib.domain.draw_window import Window
from chalicelib.domain.entry import Carrier, Entry, seat_of
from chalicelib.domain.seat import APPOINTMENT, EntryKey, Key, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import TURNS, SignedToken
from chalicelib.storage.waiting_store import Tries

CAPTCHA_TRIES = 5
"""How many answers one challenge accepts."""
SEAT_ATTEMPTS = 3
"""How many seats one call tries to take before it gives up."""
BRIEF_CONFIRMATION = timedelta(minutes=30)
"""How long the request of a brief hold may wait for its confirmation."""


@dataclass(frozen=True, slots=True)
class _AnyHold:
    token: SignedToken
    service: Service
    until: datetime
    read_at: datetime

    @property
    def id(self) -> str:
        """The hold token, as the URLs of the hold carry it."""
        return str(self.token)

    @property
    def digest(self) -> str:
        """The digest of the token's secret. Items and challenges name the hold by it."""
        return tokens.digest(self.token.secret)

    @property
    def key(self) -> SeatKey:
        """The seat that the token names. Raises ValueError for an entry."""
        return self.token.seat

    @property
    def is_entry(self) -> bool:
        """Tell whether it is, or will be, an entry in the draws. Then it has no start."""
        return isinstance(self.token.key, EntryKey)

    @property
    def start(self) -> datetime:
        """The start of its slot."""
        return self.service.start_of(self.key)

    @property
    def window(self) -> Window | None:
        """The window in which an entry is made, or else the next one; None for a service without draws."""
        return draw_window.current_window(self.service, self.read_at)

    @property
    def left(self) -> int:
        """The whole seconds that were left when the hold was read."""
        return max(int((self.until - self.read_at).total_seconds()), 0)


@dataclass(frozen=True, slots=True)
class Held(_AnyHold):
    """A hold with a seat or an entry. Once it is a request, with the same id, `carrier` is pending or confirmed.

    `until` ends the hold, or the time to confirm the request.
    """

    carrier: Carrier
    """The seat, or the entry."""
    given_back: Key | None = None
    """The seat or entry of the visitor's hold before this one, if this one just replaced it."""

    has_seat = True

    @property
    def seat(self) -> Seat:
        """The seat. Raises ValueError for an entry."""
        return seat_of(self.carrier)

    @property
    def preferences(self) -> tuple[str, ...]:
        """The preferences of an entry; empty for a seat."""
        return self.carrier.preferences if isinstance(self.carrier, Entry) else ()

    @property
    def state(self) -> str:
        """How far the visitor is."""
        return State.CONFIRMED if self.carrier.state in APPOINTMENT else self.carrier.state

    @property
    def captcha_passed(self) -> bool:
        """Tell whether the hold is ready for the details."""
        return self.carrier.captcha_passed

    @property
    def is_filed(self) -> bool:
        """Tell whether the hold has become a request."""
        return self.carrier.state is not State.HELD

    @property
    def can_extend(self) -> bool:
        """Tell whether the hold runs and has extensions left."""
        return not self.is_filed and self.left > 0 and self.carrier.extensions < self.service.limits.extensions

    @property
    def instead_of(self) -> datetime | None:
        """The start of the slot that the visitor had chosen, if this seat replaces it."""
        return self.carrier.wished and self.carrier.wished.astimezone(self.service.zone)

    @property
    def brief(self) -> bool:
        """Tell whether the request must be confirmed soon after it is filed."""
        return self.carrier.brief

    @property
    def time_to_confirm(self) -> timedelta:
        """How long the request waits, or will wait, for its confirmation."""
        if self.carrier.filed_at:
            return self.until - self.carrier.filed_at
        return BRIEF_CONFIRMATION if self.brief else self.service.limits.confirm


@dataclass(frozen=True, slots=True)
class Waiting(_AnyHold):
    """A hold without a seat. It takes the seat that its token names, or a near one, when its captcha is passed.

    One whose captcha is passed in the batch of a release takes it at its turn. One for an entry becomes that entry.
    """

    tries: Tries = Tries()  # noqa: RUF009  # it is immutable
    """Its wrong answers when it was read; those of an entry are not read."""

    @property
    def preferences(self) -> tuple[str, ...]:
        """The preferences of an entry; empty for a seat."""
        return self.token.preferences

    @property
    def turn(self) -> datetime | None:
        """When a hold whose captcha is passed may take its seat; None before its captcha."""
        return (self.until - turns.KEPT).astimezone(self.service.zone) if self.token.kind in TURNS else None

    @property
    def milliseconds_to_turn(self) -> int:
        """The time that was left until the turn when the hold was read, rounded up; 0 once the turn has come."""
        return max(ceil(((self.turn or self.read_at) - self.read_at) / timedelta(milliseconds=1)), 0)

    @property
    def seconds_to_turn(self) -> int:
        """The same in whole seconds, rounded up."""
        return ceil(self.milliseconds_to_turn / 1000)

    @property
    def state(self) -> str:
        """How far the visitor is."""
        return "turn" if self.turn else "waiting"

    has_seat = captcha_passed = is_filed = can_extend = False
    instead_of = None


Hold = Held | Waiting
