"""The reasons for which the service refuses a request. The HTTP layer maps each to a status and a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.seat import Key, Seat, State
from chalicelib.domain.service import Text


class Refusal(Exception):
    """The base of all refusals."""


@dataclass(slots=True)
class WrongMethod(Refusal):
    """The URL exists, but only for these HTTP methods. Most often somebody opened the URL of a form as a page."""

    allowed: Sequence[str]


class NotFound(Refusal):
    """There is no such service, week, hold or request, or the id is malformed."""


@dataclass(slots=True)
class InvalidFields(Refusal):
    """A form has invalid fields. `errors` maps each one to a message key, in the order of the form."""

    errors: Mapping[str, str]


class ConditionsNotAccepted(Refusal):
    """The visitor did not accept the conditions."""


@dataclass(slots=True)
class SlotTaken(Refusal):
    """The slot is taken, or was never offered. `nearest` has the starts of up to three free slots."""

    nearest: Sequence[datetime] = ()


@dataclass(slots=True)
class NothingFree(Refusal):
    """No slot of the service is free. `next_release` is when the next ones open, None if none do within a year."""

    next_release: datetime | None


@dataclass(slots=True)
class NotOpenYet(Refusal):
    """The slot opens with a coming release, at `opens_at`. Never raised for a seat that was given back."""

    opens_at: datetime


@dataclass(slots=True)
class NotFull(Refusal):
    """An attestation that nothing is free was asked for, and a slot is. `first_free` is its start."""

    first_free: datetime


class AttestationTooOld(Refusal):
    """The attestation is so old that the key that signed it may be gone."""


class WrongAllocation(Refusal):
    """The service gives its seats in another way: a hold was asked for in a draw, or an entry outside of one."""


@dataclass(slots=True)
class NotInWindow(Refusal):
    """An entry was sent outside the window of the draw. `opens_at` is when the next window opens."""

    opens_at: datetime


@dataclass(slots=True)
class Paused(Refusal):
    """A hold, an entry, the calendar or an attestation was asked for while an operator has paused the service."""

    message: Text
    """What the operator tells visitors; empty for the usual text."""


class NoMovesLeft(Refusal):
    """The request was already moved as often as its service allows."""


@dataclass(slots=True)
class NotYourTurn(Refusal):
    """The seat or the details of a hold were sent before its turn, or before it took its seat at its turn."""

    turn: datetime
    seconds: int
    """From now until the turn, rounded up; zero once it has come."""


class CaptchaRequired(Refusal):
    """The details were sent before the captcha was passed."""


@dataclass(slots=True)
class CaptchaWrong(Refusal):
    """The answer to the captcha is wrong. `tries_left` further answers to this challenge are allowed."""

    tries_left: int


class CaptchaSpent(Refusal):
    """The challenge is too old, was replaced, belongs to another hold, or has no tries left."""


class HoldExpired(Refusal):
    """The hold has expired, was given back, or never existed."""


@dataclass(slots=True)
class AlreadyRequested(Refusal):
    """The person or the e-mail address has a live request for the same service.

    Only an agent learns more.
    """

    seat: Key | None = None
    """The seat or the entry that has the request."""
    lock: str = ""
    """The key of the person or of the e-mail address that is locked."""
    index: int = 0
    """Which of the people of an order it is about."""


class AppointmentBegun(Refusal):
    """The desk has recorded the arrival or the outcome: the applicant can no longer move, cancel or erase."""


class LinkExpired(Refusal):
    """The link is no longer valid: its request has ended, or it was replaced by a newer link."""


class CrossSite(Refusal):
    """The form was sent from a page of another site."""


class TooManyRequests(Refusal):
    """DynamoDB throttles, or a limit was reached. The same request may succeed after a few seconds."""


class Unavailable(Refusal):
    """DynamoDB or SES does not answer. Nothing was changed; the same request may be repeated."""


# The desk


class SignInRequired(Refusal):
    """A page of the desk was asked for without a live session."""


class NotAllowed(Refusal):
    """The account of the agent has no role, or a lower one, for this."""


class FormOutdated(Refusal):
    """The form of an agent does not belong to the session that sends it. Nothing was changed."""


class LastAdministrator(Refusal):
    """The change would leave a service without an administrator."""


class AccessChanged(Refusal):
    """The account, or the roles of the agent who acts, changed at the same moment. Nothing was changed."""


@dataclass(slots=True)
class AlreadyRecorded(Refusal):
    """The arrival or the outcome of the appointment was recorded before, at `at`, as `state`. Nothing was changed."""

    state: State
    at: datetime
    by_other: bool
    """Whether another agent recorded it."""


@dataclass(slots=True)
class NotDue(Refusal):
    """An arrival was recorded on another day than that of the appointment, or an outcome too early."""

    start: datetime


class NotArrived(Refusal):
    """An applicant was called whose arrival is not recorded. Nothing was changed."""


class NobodyWaits(Refusal):
    """The next applicant was called, and nobody waits but those who were put aside."""


@dataclass(slots=True)
class DeskBusy(Refusal):
    """An applicant was called to a desk that has called somebody else and not finished. Nothing was changed."""

    seat: Seat
    """The seat of whom the desk has called."""


@dataclass(slots=True)
class EmailInUse(Refusal):
    """The e-mail address has another live request. An agent may book all the same (`share_email`).

    `index` is which of the people of an order it is about.
    """

    index: int = 0


@dataclass(slots=True)
class CeilingReached(Refusal):
    """The association has booked for as many people this week as the service allows: `most`."""

    most: int
    left: int = 0
    """For how many people it may still book this week, if the order is for more."""


@dataclass(slots=True)
class ApplicantsPresent(Refusal):
    """Desks were to be closed while applicants wait or are called there. `numbers` are theirs. Nothing was changed."""

    numbers: Sequence[str]


class PreviewOutdated(Refusal):
    """Who is booked has changed since the preview of a closing. Nothing was changed."""


class ProviderAway(Refusal):
    """The identity provider does not answer, or its answer cannot be used. Nobody was signed in."""


class SignInReason(StrEnum):
    """Why a sign-in was refused."""

    STATE = "state"
    """It was not begun in this browser, is too old, or was finished before."""
    CANCELLED = "cancelled"
    """The provider says that the agent did not sign in."""
    FACTOR = "factor"
    """The agent signed in with a single factor."""
    IDENTITY = "identity"
    """What the provider says about the agent cannot be believed."""
    UNKNOWN = "unknown"
    """No account was invited with this e-mail address, or it belongs to another identity."""


@dataclass(slots=True)
class SignInRefused(Refusal):
    """The sign-in of an agent was refused."""

    reason: SignInReason
