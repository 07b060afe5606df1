"""A person's details, and the person item with their live request."""

from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.domain.seat import SeatKey


@dataclass(frozen=True, slots=True)
class Details:
    """What the person typed, checked. `email` is as typed, `email_key` its normalised form."""

    first_name: str
    last_name: str
    birth_name: str
    birth_date: date
    email: str
    phone: str
    language: str


@dataclass(frozen=True, slots=True)
class Person:
    """The person item: one live request of one person, and the only place that keeps personal data.

    `moves` are those the person made; `sequence` counts those of the office too, for the calendar file. `as_filed` are
    the details before they were corrected, `corrected` times. `names` are the person keys of the corrected names, which
    are locked too. `generation` counts the corrections of the e-mail address. `stopped` says why the e-mail address
    takes no more letters. `replaced` marks the copy that is kept for the last letters of an ended request.
    `wanted_3` is when the convocation was sent on demand for the third time, counted from the latest.
    """

    key: str
    service: str
    seat: SeatKey
    hold: str
    details: Details
    reference: str
    filed_at: datetime
    moves: int = 0
    sequence: int = 0
    as_filed: Details | None = None
    corrected: int = 0
    sent: frozenset[str] = frozenset()
    stopped: str = ""
    names: tuple[str, ...] = ()
    generation: int = 0
    replaced: bool = False
    wanted_3: datetime | None = None
