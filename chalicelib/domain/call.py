"""Somebody without an e-mail address whom the office has to call, or write to by post."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.person import Person
from chalicelib.domain.seat import SeatKey


class Reason(StrEnum):
    """Why somebody has to be told something."""

    DRAWN = "drawn"
    OFFERED = "offered"
    DISPLACED = "displaced"
    """The seat of their appointment was closed."""
    NOT_DRAWN = "not drawn"
    ENDS_SOON = "ends soon"


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to tell what. `seat` is that of the appointment; `rank` and `waited` are those of who was not drawn."""

    reason: Reason
    person: Person
    seat: SeatKey | None = None
    rank: int | None = None
    waited: int = 0
    until: datetime | None = None
    """When an entry ends."""
