"""The kinds of letters."""

from enum import StrEnum


class LetterKind(StrEnum):
    """What a letter is about. The values are stored in the marks of person items, and logged."""

    CONFIRM = "confirm"
    CONVOCATION = "convocation"
    REMINDER = "reminder"
    LINK = "link"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    """A request that was cancelled before its confirmation."""
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DISPLACED = "displaced"
    MOVED = "moved"
    ATTEMPT = "attempt"
    DRAWN = "drawn"
    OFFERED = "offered"
    ENTRY = "entry"
    """An entry in the draws, to be confirmed; the next ones are about an entry too."""
    ENTERED = "entered"
    NOT_DRAWN = "not-drawn"
    ENDS_SOON = "ends-soon"
    LEFT = "left"
    ENDED = "ended"
