"""Somebody who is called to a desk, as the display in the waiting room shows it: no name."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeskCall:
    """Whom a desk has called and not finished with."""

    desk: int
    number: str
    """The short number by which the applicant is called."""
    at: datetime
    """When the applicant was called last."""
    calls: int
    """How often the applicant was called. It grows when the desk calls again."""
