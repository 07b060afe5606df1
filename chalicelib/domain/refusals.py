"""What the service refuses, in the words of the desk. How each becomes an answer is the edge's business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


class Refusal(Exception):
    """Base of every refusal that a person can be told about."""


class NotFound(Refusal):
    """There is no such service, week, hold or request; also for an id that could never be one."""


@dataclass(slots=True)
class InvalidFields(Refusal):
    """Something typed cannot be used; `errors` maps each field to a message key, in the order of the form."""

    errors: Mapping[str, str]


class ConditionsNotAccepted(Refusal):
    """The box of the conditions was not ticked."""


@dataclass(slots=True)
class SlotTaken(Refusal):
    """Somebody else has this slot, or it never was offered; `nearest` are up to three that look free."""

    nearest: Sequence[datetime] = ()


@dataclass(slots=True)
class NothingFree(Refusal):
    """No slot is free at all; `next_release` is when the next ones open, None if none do for a year."""

    next_release: datetime | None


@dataclass(slots=True)
class NotOpenYet(Refusal):
    """The slot belongs to a coming release, at `opens_at`. Never raised for a seat that waits to return."""

    opens_at: datetime


class NoMovesLeft(Refusal):
    """The request was moved as often as its service allows."""


class CaptchaRequired(Refusal):
    """Details came before the captcha was passed."""


@dataclass(slots=True)
class CaptchaWrong(Refusal):
    """The answer is not the one; `tries_left` tries remain for this challenge."""

    tries_left: int


class CaptchaSpent(Refusal):
    """The challenge is too old, was replaced, belongs to another hold, or had all its tries."""


class HoldExpired(Refusal):
    """The hold ran out, was given back, or never was."""


class AlreadyRequested(Refusal):
    """The person, or the address, has a live request for the same service."""


class LinkExpired(Refusal):
    """The link was good once; its request has ended."""


class CrossSite(Refusal):
    """A page of another site sent the form."""


class TooManyRequests(Refusal):
    """The table or a limit asks to slow down; trying again in a few seconds is right."""


class Unavailable(Refusal):
    """The store or the mail is away for a moment; nothing was lost and nothing was changed."""
