"""A person's details, and the person item with their live request."""

from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.domain.seat import Key


@dataclass(frozen=True, slots=True)
class Details:
    """The details that an applicant typed, after validation. `email` is as typed."""

    first_name: str
    last_name: str
    birth_name: str
    birth_date: date
    email: str
    phone: str
    language: str


@dataclass(frozen=True, slots=True)
class Person:
    """The person item: the live request of one person. No other item has personal data."""

    key: str
    service: str
    seat: Key
    """The seat or the entry that has the request."""
    hold: str
    details: Details
    reference: str
    filed_at: datetime
    moves: int = 0
    """How often the person moved the request."""
    sequence: int = 0
    """How often anyone moved it, operators included: the sequence number of the calendar file."""
    as_filed: Details | None = None
    """The details before the first correction."""
    corrected: int = 0
    """How often the name was corrected, refused corrections included."""
    sent: frozenset[str] = frozenset()
    """The letters that were sent."""
    stopped: str = ""
    """Why the e-mail address takes no more letters."""
    names: tuple[str, ...] = ()
    """The person keys of the corrected names, which are locked too."""
    generation: int = 0
    """How often the e-mail address was corrected."""
    replaced: bool = False
    """Whether this is the copy that is kept for the last letters of an ended request."""
    booked_by: str = ""
    """The account id of the agent who booked for the person; empty if they booked themselves."""
    family: tuple[str, ...] = ()
    """The person keys of all who were booked together, in the order of their seats. The first one receives the
    convocation of all. Empty for a person alone."""
    unlocked_email: bool = False
    """Whether an agent typed the e-mail address: other requests may have it too. Its item has the reference in its key.
    """
    wanted_3: datetime | None = None
    """When the convocation was sent on demand, the third time counted back from the latest."""
