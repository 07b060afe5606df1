"""The hold of a visitor: `Held` with a seat, `Waiting` until its captcha is passed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain import tokens
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import SignedToken

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
        """The seat that the token names."""
        return self.token.seat

    @property
    def start(self) -> datetime:
        """The start of its slot."""
        return self.service.start_of(self.key)

    @property
    def left(self) -> int:
        """The whole seconds that were left when the hold was read."""
        return max(int((self.until - self.read_at).total_seconds()), 0)


@dataclass(frozen=True, slots=True)
class Held(_AnyHold):
    """A hold with a seat. It keeps its id when it becomes a request, so `seat` may be pending or confirmed.

    `until` ends the hold, or the time to confirm the request.
    """

    seat: Seat
    given_back: SeatKey | None = None
    """The seat of the visitor's hold before this one, if this one just replaced it."""

    has_seat = True

    @property
    def state(self) -> str:
        """How far the visitor is."""
        return self.seat.state

    @property
    def captcha_passed(self) -> bool:
        """Tell whether the hold is ready for the details."""
        return self.seat.captcha_passed

    @property
    def is_filed(self) -> bool:
        """Tell whether the hold has become a request."""
        return self.seat.state is not State.HELD

    @property
    def can_extend(self) -> bool:
        """Tell whether the hold runs and has extensions left."""
        return not self.is_filed and self.left > 0 and self.seat.extensions < self.service.limits.extensions

    @property
    def instead_of(self) -> datetime | None:
        """The start of the slot that the visitor had chosen, if this seat replaces it."""
        return self.seat.wished and self.seat.wished.astimezone(self.service.zone)

    @property
    def brief(self) -> bool:
        """Tell whether the request must be confirmed soon after it is filed."""
        return self.seat.brief

    @property
    def time_to_confirm(self) -> timedelta:
        """How long the request waits, or will wait, for its confirmation."""
        if self.seat.filed_at:
            return self.until - self.seat.filed_at
        return BRIEF_CONFIRMATION if self.brief else self.service.limits.confirm


@dataclass(frozen=True, slots=True)
class Waiting(_AnyHold):
    """A hold without a seat. It takes the seat that its token names, or a near one, when its captcha is passed."""

    has_seat = captcha_passed = is_filed = can_extend = False
    state, instead_of = "waiting", None


Hold = Held | Waiting
